import json
import re
from dataclasses import replace

import numpy as np
import pytest

from latentrank import metrics, runs
from latentrank.config import MachineConfig, RunConfig, TrainConfig, section_of, settings
from latentrank.errors import InputError
from latentrank.report import page, style, write_report
from latentrank.report.errors import pca_needs
from latentrank.report.view import View
from tests.report.fake import EVALUATION, fake_gan, fake_run
from tests.report.test_html import checked

FIGURES = {
    "coefficients",
    "reconstructions",
    "spectrum",
    "interpolation",
    "pca_grid",
    "samples",
    "latent",
    "losses",
}


def undrawn(monkeypatch):
    """Write figures without drawing them, which takes most of the time."""

    monkeypatch.setattr(style, "to_bytes", lambda figure, kind: b"drawn")
    monkeypatch.setattr(page, "to_svg", lambda figure: "<svg/>")


@pytest.fixture
def real_drawing():
    """Asked for by tests that want the figures themselves; others do without for speed."""


@pytest.fixture(autouse=True)
def quick_drawing(request, monkeypatch):
    if "real_drawing" not in request.fixturenames:
        undrawn(monkeypatch)


def drawn(folder):
    return {path.stem for path in (folder / "figures").glob("*.png")}


def read(path):
    """The text of a page that is whole, self-contained and described."""
    checker = checked(path.read_text(encoding="utf-8"))
    for tag, attributes in checker.seen:
        assert tag not in ("link", "script")
        if tag == "img":
            assert attributes["alt"]
            assert attributes["src"].startswith("data:image/")
    return " ".join(checker.text.split())


@pytest.mark.parametrize(
    ("shape", "known"),
    [
        ((1, 8, 8), "labels"),
        ((3, 8, 8), "parameters"),
        ((1, 40), "parameters"),
        ((12,), "labels"),
        ((1, 4, 8, 8), ""),
    ],
    ids=["grey", "colour", "curves", "vectors", "volumes"],
)
def test_report_of_every_kind_of_data_has_every_figure(tmp_path, shape, known):
    path = write_report(fake_run(tmp_path, shape, known=known))
    assert path == tmp_path / "report.html"
    assert drawn(tmp_path) == FIGURES
    read(path)


def test_error_and_what_pca_needs_are_said_alike_everywhere(tmp_path):
    run = fake_run(tmp_path)
    # Of all test samples, while the curves may be of fewer; at this error another number of
    # coefficients is needed than at the curve's last.
    run.metrics["validation_error"] = 0.5 * run.metrics["error_of_the_mean"]
    needs = pca_needs(0.5, View(run).errors.pca)
    assert needs != pca_needs(float(View(run).errors.model.errors[-1]), View(run).errors.pca)
    text = read(write_report(run))
    said = re.findall(r"(\d+\s%) of the variance(?: of all test samples)?; ([^.]+ that)", text)
    assert len(said) == 2
    assert set(said) == {("50 %", needs)}


def test_report_states_the_headline_facts(tmp_path):
    text = read(write_report(fake_run(tmp_path, true_dimension=4)))
    for fact in (
        "LoRAE on digits",
        "rank4 of 6",
        "parameters of the data4",
        "validation error0.01235",
        "training4 min 12 s",
        "options.penalty0.001",
    ):
        assert fact in text


def test_true_dimension_is_left_out_where_it_is_not_known(tmp_path):
    assert "parameters of the data" not in read(write_report(fake_run(tmp_path)))


def test_constant_code_is_explained_in_place_of_its_figures(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "samples.png").write_bytes(b"of an earlier report")
    text = read(write_report(fake_run(tmp_path, kept=0)))
    assert drawn(tmp_path) == {"coefficients", "reconstructions", "spectrum", "losses"}
    assert text.count("The code is constant (rank 0)") == 4


def test_code_of_one_direction_gets_a_walk(tmp_path):
    text = read(write_report(fake_run(tmp_path, kept=1)))
    assert drawn(tmp_path) == FIGURES
    assert "only one principal direction" in text


def test_validation_error_joins_the_reconstruction_term_only_in_its_units(tmp_path):
    together = "in the same panel"
    assert together in read(write_report(fake_run(tmp_path)))
    summed = fake_run(tmp_path, options={"reduction": "sum"})
    assert together not in read(write_report(summed))
    assert together not in read(write_report(fake_run(tmp_path, method="rrae-weak")))
    assert together not in read(write_report(fake_run(tmp_path, method="vae")))
    assert together in read(write_report(fake_run(tmp_path, (9,), method="vae")))


def test_gan_shows_what_it_has(tmp_path):
    run = fake_gan(tmp_path)
    for name in ("validation_error", "train/loss", "train/reconstruction", "train/nuclear_norm"):
        del run.history[name]
    run.history["train/generator"] = np.array([3.0, 2.0, 1.0])
    text = read(write_report(run))
    assert drawn(tmp_path) == {"spectrum", "interpolation", "samples", "latent", "losses"}
    assert "It has collapsed." in text
    assert "there is nothing to reconstruct" in text
    assert "draws of noise" in text
    assert "discriminator's features" in text
    assert "validation error" not in text
    assert "the rank of the discriminator's features of test samples at each validation" in text


def test_captions_say_where_classes_are_named(tmp_path):
    run = fake_run(tmp_path)
    at_median = "coloured by class, its name at the median"
    assert at_median in read(write_report(run))
    run.the_dataset = replace(run.the_dataset, class_names=tuple("abcde"))  # in a legend
    text = read(write_report(run))
    assert "coloured by class." in text
    assert at_median not in text


def test_a_walk_along_one_direction_says_how_it_is_drawn(tmp_path):
    text = read(write_report(fake_run(tmp_path, (2, 8, 8), kept=1)))
    assert "two above. Of 2 channels, channel 1 is drawn." in text


def test_the_training_of_a_gan_has_no_validation_error_in_its_caption(tmp_path):
    run = fake_gan(tmp_path)
    del run.history["validation_error"]
    training = read(write_report(run)).split("Every loss term")[1].split("Settings")[0]
    assert "validation error" not in training
    assert "rank of the discriminator's features of test samples at each" in training


def test_measured_values_are_shown_where_there_are_some(tmp_path):
    run = fake_run(tmp_path)
    assert "Generated samples" not in read(write_report(run))
    metrics.add(tmp_path, EVALUATION)
    text = read(write_report(run))
    for fact in ("FID5.500 ± 0.055", "the best that the decoder can do", "mlp50.00 ± 0.50 %"):
        assert fact in text


def test_the_report_says_how_a_rank_was_found(tmp_path):
    run = fake_run(tmp_path)
    run.metrics["rank_search"] = {"rank": 4, "message": "The rank was adapted down from 6."}
    assert "The rank was adapted down from 6." in read(write_report(run))


def test_names_from_outside_are_escaped(tmp_path):
    run = fake_run(tmp_path, data="<b>x", note="<script>")
    source = write_report(run).read_text(encoding="utf-8")
    assert "<script>" not in source
    assert "&lt;b&gt;x" in source


def test_report_is_drawn_whole_and_the_same_every_time(tmp_path, real_drawing):
    run = fake_run(tmp_path)
    first = write_report(run).read_bytes()
    for path in (tmp_path / "figures").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    assert write_report(run).read_bytes() == first


def test_nothing_half_written_stays(tmp_path):
    write_report(fake_run(tmp_path))
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "figures").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(fake_run(tmp_path))


def test_metrics_survive_json(tmp_path):
    run = fake_run(tmp_path)
    run.metrics = json.loads(json.dumps(run.metrics))
    read(write_report(run))


# --- data that are not there ---------------------------------------------------------------------


def without_data(run):
    def dataset():
        raise runs.MissingDataError("The file x.npz is not there; move it back.")

    run.dataset = dataset
    return run


def test_the_report_does_not_need_data_that_have_moved(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(30, 1, 20)))
    settings = RunConfig(method="rrae", data=str(tmp_path / "x.npz"), latent_dim=4, epochs=1)
    run = runs.train(settings, tmp_path / "run", progress=False)
    before = write_report(run).read_bytes()
    (tmp_path / "x.npz").unlink()
    assert write_report(runs.Run(run.folder)).read_bytes() == before


def test_nothing_of_the_earlier_weights_is_shown_after_training_further(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(30, 1, 20)))
    settings = RunConfig(method="ae", data=str(tmp_path / "x.npz"), latent_dim=4, epochs=1)
    run = runs.train(settings, tmp_path / "run", progress=False)
    written = write_report(run)
    run = runs.resume(run.folder, {"epochs": 3}, progress=False)
    assert not written.exists()
    (tmp_path / "x.npz").unlink()
    with pytest.raises(runs.MissingDataError):  # not the errors of the earlier weights
        _ = View(runs.Run(run.folder)).errors


def test_what_cannot_be_drawn_again_stays(tmp_path):
    run = fake_run(tmp_path)
    write_report(run)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"The file x\.npz is not there"):
        write_report(without_data(run))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_figures_come_in_the_format_asked_for(tmp_path, real_drawing):
    write_report(fake_run(tmp_path), "pdf")
    files = {path.name for path in (tmp_path / "figures").glob("*.pdf")}
    assert files == {f"{name}.pdf" for name in FIGURES}
    assert (tmp_path / "figures" / "spectrum.pdf").read_bytes().startswith(b"%PDF")


def test_settings_of_the_data_stand_before_those_of_the_training():
    """Each setting is in the half of its section, whatever settings there are."""
    flat = RunConfig(method="lorae", data="x.csv", layout="NF", columns="a,b").flat()
    halves = str(page._settings_table(flat)).split("<table")[1:]
    sections = {name: section_of(name) for name in settings()}
    for name, section in sections.items():
        assert f">{name}<" in halves[section in (TrainConfig, MachineConfig)]
    assert halves[0].index(">method<") < halves[0].index(">options.penalty<")
    assert halves[0].index(">options.penalty<") < halves[0].index(">data<")
