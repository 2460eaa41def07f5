"""Models shared by a name: a round trip through a local server in place of the Hub."""

import base64
import hashlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import latentrank
from latentrank import LowRankAutoencoder, RunConfig, hub
from latentrank.__main__ import main
from latentrank.errors import InputError
from latentrank.filenames import WEIGHTS
from latentrank.hub import CARD
from latentrank.report.errors import percent
from latentrank.runs import opened
from tests.local_server import Handler, LocalServer

pytest.importorskip("huggingface_hub")


class FakeHub(LocalServer):
    """The few addresses of the Hub that uploads and downloads use; a repository has one commit."""

    def __init__(self):
        super().__init__(_Handler)
        self.files = {}  # repository: path: content
        self.private = {}
        self.fetched = set()

    def commit(self, repository):
        return hashlib.sha1(repr(sorted(self.files[repository].items())).encode()).hexdigest()


class _Handler(Handler):
    def do_POST(self):  # noqa: N802 - as http.server calls it
        body = self.rfile.read(int(self.headers["Content-Length"]))
        hub, what = self.server, self.path.split("/")
        if what[2] == "validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if self.headers["Authorization"] != "Bearer secret":
            return self.answer({"error": "Invalid user token"}, 401)
        if what[2:] == ["repos", "create"]:
            asked = json.loads(body)
            repository = f"{asked['organization']}/{asked['name']}"
            hub.files.setdefault(repository, {})
            hub.private[repository] = asked.get("private") or asked.get("visibility") == "private"
            return self.answer({"url": f"{hub.url}/{repository}"})
        repository = "/".join(what[3:5])
        if what[5] == "preupload":
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            return self.answer({"files": [{"path": name, **modes} for name in names]})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                hub.files[repository][line["value"]["path"]] = content
        sha = hub.commit(repository)
        return self.answer({"commitUrl": f"{hub.url}/{repository}/commit/{sha}", "commitOid": sha})

    def do_GET(self):  # noqa: N802 - as http.server calls it
        hub, what = self.server, self.path.partition("?")[0].split("/")
        if what[3:4] == ["resolve"]:
            return self.file("/".join(what[1:3]), "/".join(what[5:]))
        repository = "/".join(what[3:5])
        if repository not in hub.files:
            return self.answer({"error": "Repository not found"}, 404)
        files = hub.files[repository]
        if what[5:6] == ["tree"]:
            rows = [
                {"type": "file", "path": name, "size": len(content), "oid": sha1(content)}
                for name, content in files.items()
            ]
            return self.answer(rows)
        siblings = [{"rfilename": name} for name in files]
        return self.answer({"id": repository, "sha": hub.commit(repository), "siblings": siblings})

    do_HEAD = do_GET  # noqa: N815

    def file(self, repository, name):
        content = self.server.files[repository][name]
        self.server.fetched.add(name)
        about = {"ETag": f'"{sha1(content)}"', "X-Repo-Commit": self.server.commit(repository)}
        self.send(content, 200, about)

    def answer(self, values, status=200):
        missing = {"X-Error-Code": "RepoNotFound"} if status == 404 else {}
        self.send(json.dumps(values).encode(), status, missing)


def sha1(content):
    return hashlib.sha1(content).hexdigest()


@pytest.fixture
def server(monkeypatch, tmp_path):
    server = FakeHub()
    for name, value in {
        "ENDPOINT": server.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_TELEMETRY": True,
    }.items():
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.setenv("HF_TOKEN", "secret")
    yield server
    server.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on images of bytes, in a folder whose name must not be uploaded."""
    folder = tmp_path_factory.mktemp("confidential")
    images = np.random.default_rng(0).integers(0, 256, size=(40, 8, 8, 3), dtype=np.uint8)
    np.save(folder / "photos.npy", images)
    config = RunConfig(
        method="lorae",
        data=str(folder / "photos.npy"),
        latent_dim=4,
        epochs=1,
        options={"penalty": 0.25},
        device="cpu",
    )
    return latentrank.train(config, folder / "run", progress=False)


def test_a_run_comes_back_from_its_name(server, run):
    url = latentrank.push_to_hub(run, "user/photos", license="mit")
    assert url.startswith(f"{server.url}/user/photos/commit/")
    assert sorted(server.files["user/photos"]) == ["README.md", "model.json", "model.safetensors"]
    model = latentrank.from_pretrained("user/photos")
    x = run.dataset().test.x
    np.testing.assert_array_equal(model.encode_array(x), run.model().encode_array(x))


def test_nothing_of_the_data_and_no_path_is_uploaded(server, run):
    latentrank.push_to_hub(run.folder, "user/photos")
    uploaded = b"".join(server.files["user/photos"].values())
    assert b"confidential" not in uploaded
    assert not server.private["user/photos"]


def test_it_is_found_again_without_a_network(server, run):
    latentrank.push_to_hub(run, "user/photos", private=True)
    assert server.private["user/photos"]
    first = hub.download("user/photos")
    server.shutdown()
    assert hub.download("user/photos", local_files_only=True) == first


def test_only_weights_and_descriptions_are_fetched(server, run):
    """A file that could hold code is neither downloaded nor run."""
    latentrank.push_to_hub(run, "user/photos")
    server.files["user/photos"] |= {"modeling.py": b"1/0", "model.bin": b"pickle"}
    folder = hub.download("user/photos")
    assert {path.name for path in folder.iterdir()} == {"README.md", "model.json", WEIGHTS}
    assert server.fetched == {"README.md", "model.json", WEIGHTS}


def test_an_estimator_comes_back_too(server):
    X = np.random.default_rng(0).normal(size=(40, 5))
    estimator = LowRankAutoencoder("ae", latent_dim=2, epochs=1, random_state=0).fit(X)
    latentrank.push_to_hub(estimator, "user/table")
    again = LowRankAutoencoder.load(hub.download("user/table"))
    np.testing.assert_array_equal(again.transform(X), estimator.transform(X))


def test_a_card_states_what_the_run_knows(run, tmp_path):
    run_metrics, spec = run.metrics, run.model().spec
    text = (hub.save_pretrained(run, tmp_path / "a", name="user/photos", license="mit") / CARD
            ).read_text()  # fmt: skip
    _, front, body = text.split("---\n", 2)
    about = yaml.safe_load(front)
    assert about["license"] == "mit"
    assert about["library_name"] == "latentrank"
    assert "lorae" in about["tags"]
    rows = dict(re.findall(r"^\| ([^|]*) \| ([^|]*) \|$", body, re.MULTILINE))
    assert rows["rank"] == f"{run_metrics['rank']} of 4"
    assert rows["data"] == "photos.npy"
    assert rows["fingerprint of the data"] == spec.data_fingerprint
    assert rows["samples"] == "(N, 3, 8, 8) uint8, 0 to 255"
    assert rows["penalty"] == "0.25"
    error = run_metrics["validation_error"]
    assert float(rows["mean squared error of test samples"]) == pytest.approx(error, rel=1e-3)
    variance = "the same, as a share of their variance about the mean training sample"
    assert rows[variance] == percent(error / run_metrics["error_of_the_mean"])
    assert 'from_pretrained("user/photos")' in body


def test_the_code_on_a_card_runs(run, tmp_path):
    folder = hub.save_pretrained(run, tmp_path / "a")
    code = re.search(r"```python\n(.*?)```", (folder / CARD).read_text(), re.DOTALL)[1]
    names = {"x": run.dataset().test.x}
    exec(code.replace("FOLDER", str(folder)), names)
    assert names["again"].shape == names["x"].shape
    assert names["again"].dtype == np.uint8


def test_an_edited_card_is_kept(tmp_path):
    model = latentrank.build("ae", (6,), latent_dim=2).eval()
    saved = latentrank.save(model, tmp_path / "saved")
    (saved / CARD).write_text("My words.")
    shared = hub.save_pretrained(saved, tmp_path / "shared")
    assert (shared / CARD).read_text() == "My words."


def test_own_networks_are_passed_in(tmp_path):
    networks = {"encoder": torch.nn.Linear(6, 2), "decoder": torch.nn.Linear(2, 6)}
    model = latentrank.build("ae", (6,), 2, **networks).eval()
    x = torch.randn(3, 6)
    untrained = hub.save_pretrained(model, tmp_path / "untrained")
    assert "| rank |" not in (untrained / CARD).read_text()
    model.finalize(lambda: [x[:, :1].expand(3, 6)])  # on a line
    folder = hub.save_pretrained(model, tmp_path / "own")
    assert "encoder=..., decoder=..." in (folder / CARD).read_text()
    assert "| rank | 1 of 2 |" in (folder / CARD).read_text()
    with pytest.raises(InputError, match="pass them"):
        latentrank.from_pretrained(folder)
    again = latentrank.from_pretrained(folder, **networks)
    assert torch.equal(again(x), model(x))


def test_the_commands_upload_and_fetch(server, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["push", str(run.folder), "user/photos", "--license", "mit"]) == 0
    assert "/user/photos/commit/" in capsys.readouterr().out
    assert main(["pull", "user/photos", "--out", "fetched"]) == 0
    assert (Path("fetched") / WEIGHTS).read_bytes() == (run.folder / WEIGHTS).read_bytes()
    assert main(["export", "fetched", "--format", "safetensors"]) == 0
    assert main(["push", str(run.folder), "--out", "shown"]) == 0
    assert sorted(path.name for path in Path("shown").iterdir()) == [CARD, "model.json", WEIGHTS]
    capsys.readouterr()
    for arguments, sentence in (
        (["pull", "user/photos", "--out", "fetched"], "already exists"),
        (["push", str(run.folder)], "either USER/NAME or --out"),
        (["push", str(tmp_path), "user/photos"], "There is no model"),
        (["pull", "user/other"], "user/other cannot be downloaded"),
        (["pull", "user/"], "user/ cannot be downloaded"),
        (["pull", "/"], "/ is a folder on this machine"),
        (["pull", "."], ". is a folder on this machine"),
        (["push", str(run.folder), "no such/name"], "cannot be uploaded"),
    ):
        assert main(arguments) == 2
        told = capsys.readouterr().err
        assert sentence in told
        assert told.count("\n") == 1


def test_a_refused_token_is_reported(server, run):
    with pytest.raises(InputError, match="log in: hf auth login"):
        latentrank.push_to_hub(run, "user/photos", token="wrong")


def test_without_the_library_the_extra_is_named(monkeypatch, run):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install 'latentrank\[hub\]'"):
        latentrank.push_to_hub(run, "user/photos")


def test_a_folder_is_not_fetched(tmp_path):
    with pytest.raises(InputError, match="is a folder on this machine"):
        hub.download(str(tmp_path))


def test_a_saved_model_is_shared_as_its_folder_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    latentrank.save(latentrank.build("ae", (6,), latent_dim=3).eval(), tmp_path / "saved")
    shared = hub.save_pretrained(opened(tmp_path / "saved"), tmp_path / "shared")
    for place in ("~/saved", tmp_path / "saved"):  # a card is added to the folder itself
        assert hub.save_pretrained(place, "~/saved") == tmp_path / "saved"
    names = [sorted(path.name for path in folder.iterdir()) for folder in (shared, place)]
    assert names == [["README.md", "model.json", "model.safetensors"]] * 2
    assert hub.from_pretrained("~/saved").spec.method == "ae"


@pytest.mark.parametrize("as_folder", [False, True])
def test_nothing_of_an_earlier_estimator_is_shared_with_another_model(tmp_path, as_folder):
    x = np.random.default_rng(0).normal(size=(40, 6))
    LowRankAutoencoder("pca", latent_dim=2).fit(x).save(tmp_path / "shared")
    model = latentrank.build("ae", (6,), latent_dim=2).eval()
    given = latentrank.save(model, tmp_path / "saved") if as_folder else model
    shared = hub.save_pretrained(given, tmp_path / "shared")
    names = sorted(path.name for path in shared.iterdir())
    assert names == ["README.md", "model.json", "model.safetensors"]
