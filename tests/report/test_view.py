from dataclasses import replace

import numpy as np
import pytest
import torch

from latentrank import density
from latentrank.data.axes import Axes, Axis
from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing
from latentrank.report.limits import drawn
from latentrank.report.view import View, display_name
from tests.report.fake import fake_run


def test_real_values_are_shown_in_their_own_units(tmp_path):
    view = View(fake_run(tmp_path, (1, 20)))
    stored = view.run.dataset().test.x[view.kept.rows]
    assert np.allclose(view.originals, stored)
    assert view.limits == (view.originals.min(), view.originals.max())
    code = view.starts
    plain = view.run.model().decode(torch.from_numpy(code)).numpy()
    assert np.allclose(view.decode(code), plain * 2 + 3, atol=1e-6)


def test_samples_of_compared_runs_are_drawn_in_the_same_units(tmp_path):
    first, second = fake_run(tmp_path, (7,)), fake_run(tmp_path, (7,))
    second.the_model.preprocessing = Preprocessing(offset=100.0, scale=50.0)  # of other rows
    view = View(second, View(first))
    code = view.starts
    own = 50 * second.the_model.decode(torch.from_numpy(code)).numpy() + 100
    assert np.allclose(view.originals, (view.kept.x - 3) / 2, atol=1e-5)
    assert np.allclose(view.decode(code), (own - 3) / 2, atol=1e-4)


def test_parameters_are_labelled_with_their_units(tmp_path):
    run = fake_run(tmp_path, known="parameters")
    axes = Axes(parameters=(Axis("angle", "deg"),))
    run.the_dataset = replace(run.the_dataset, parameter_names=("mach", "angle"), axes=axes)
    assert View(run).parameter_labels == ["mach", "angle (deg)"]
    run.the_dataset = replace(run.the_dataset, parameter_names=None, axes=Axes())
    assert View(run).parameter_labels == ["parameter 0", "parameter 1"]


def test_images_are_shown_from_black_to_white(tmp_path):
    assert View(fake_run(tmp_path)).limits == (0.0, 1.0)


def test_decoding_keeps_leading_axes(tmp_path):
    view = View(fake_run(tmp_path))
    codes = np.random.default_rng(0).random((3, 200, 6))
    decoded = view.decode(codes)
    assert decoded.shape == (3, 200, 1, 8, 8)
    assert np.allclose(decoded[2, 150], view.decode(codes[2, 150:151])[0], atol=1e-6)


def test_random_codes_are_of_the_gaussian_of_the_training_codes(tmp_path):
    run = fake_run(tmp_path)
    wanted = density.fit("gaussian", run.codes("train")).sample(50, seed=0)
    # float32 statistics; the eigenvalues of noise are a few percent apart
    np.testing.assert_allclose(View(run).random_codes(50), wanted, atol=1e-3)


@pytest.mark.parametrize("kept", [0, 1, 2, 6])
def test_directions_are_those_that_the_rank_counts(tmp_path, kept):
    run = fake_run(tmp_path, kept=kept)
    assert View(run).directions == run.metrics["rank"] == kept


def test_constant_code_is_explained_plainly(tmp_path):
    with pytest.raises(InputError, match=r"constant \(rank 0\): every code gives the same image"):
        View(fake_run(tmp_path, kept=0)).need_directions("nothing to sample")


def test_names_are_those_of_the_papers():
    names = ["ae", "irmae", "vae-flow", "rrae-adaptive", "rae-gp"]
    assert [display_name(name) for name in names] == [
        "AE",
        "IRMAE",
        "VAE-flow",
        "RRAE-adaptive",
        "RAE-GP",
    ]


def test_columns_of_a_table_share_one_axis_whatever_their_units():
    scale = np.array([1e-6, 1.0, 1e9])
    plain = np.random.default_rng(0).normal(size=(50, 3))
    units = Preprocessing(tuple(7 * scale), tuple(scale), dtype="float64", layout="NF")
    np.testing.assert_allclose(drawn((plain + 7) * scale, units), plain, atol=1e-5)


def test_curves_keep_their_units():
    x = np.full((2, 1, 4), 5.0)
    np.testing.assert_array_equal(drawn(x, Preprocessing(3.0, 2.0)), x)
