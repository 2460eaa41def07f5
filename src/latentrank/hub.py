"""Models shared by name on the Hugging Face Hub: weights, description and a model card.

A shared folder holds what `latentrank.save` writes and a `README.md`; nothing of the data, no
codes of a run, and no paths. Loading runs no code.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from latentrank.errors import InputError, need
from latentrank.estimator import LowRankAutoencoder
from latentrank.filenames import CONFIG, ESTIMATOR, ESTIMATOR_ARRAYS, SPEC, WEIGHTS
from latentrank.io import atomic_write, expanded, make_folder, remove_file, write_text
from latentrank.models.base import LatentModel
from latentrank.report.card import card
from latentrank.runs import Run, finished_run
from latentrank.serialization import load, save

CARD = "README.md"

#: What is shared of a folder, and what is fetched of a shared one: nothing that could hold code.
FILES = (WEIGHTS, SPEC, ESTIMATOR, ESTIMATOR_ARRAYS, CARD)

#: What can be shared: a model, a fitted estimator, a run, or the folder of one of them.
Shareable = LatentModel | LowRankAutoencoder | Run | str | Path


def save_pretrained(
    model: Shareable,
    folder: str | Path,
    *,
    name: str = "",
    license: str | None = None,  # noqa: A002 - as the Hub calls it
) -> Path:
    """Write what `push_to_hub` uploads: the model, and a card with its method, rank and errors.

    A `README.md` that is already in the folder, or in the model's, is kept.

    Args:
        model: a model, a fitted estimator, a run, or the folder of one of them. An estimator is
            written with the codes of its training samples, which its `load` needs.
        folder: folder to write to; created if missing.
        name: name of the model, such as `"user/name"`.
        license: licence of the weights as the Hub knows it, such as `"mit"`.

    Raises:
        InputError: there is no finished model, or the folder cannot be written.

    Example:
        >>> import latentrank
        >>> model = latentrank.build("lorae", (6,), latent_dim=3).eval()
        >>> folder = save_pretrained(model, Path(tempfile.mkdtemp()) / "a", license="mit")
        >>> sorted(path.name for path in folder.iterdir())
        ['README.md', 'model.json', 'model.safetensors']
        >>> from_pretrained(folder).spec == model.spec
        True
    """
    folder = expanded(folder)
    run = _run_of(model)
    if isinstance(model, LowRankAutoencoder):
        model.save(folder)
    elif isinstance(model, LatentModel):
        save(model, folder)
    else:
        _copy(_folder_of(model), folder)
    if not (folder / CARD).is_file():
        write_text(folder / CARD, card(folder, run, name, license))
    return folder


def _run_of(model: Shareable) -> Run | None:
    if isinstance(model, LatentModel | LowRankAutoencoder):
        return None
    folder = _folder_of(model)
    return finished_run(folder) if (folder / CONFIG).is_file() else None


def _folder_of(model: Run | str | Path) -> Path:
    return model.folder if isinstance(model, Run) else expanded(model)


def _copy(source: Path, folder: Path) -> None:
    if not (source / SPEC).is_file() or not (source / WEIGHTS).is_file():
        raise InputError(
            f"There is no model in {source}; give the folder of a finished run or of a saved model."
        )
    make_folder(folder)
    if source.samefile(folder):
        return
    for name in FILES:
        target = folder / name
        if name == CARD and target.is_file():
            continue
        if (source / name).is_file():
            with atomic_write(target) as temporary:
                shutil.copyfile(source / name, temporary)
        elif name != CARD:
            remove_file(target)  # of the model that was there


def push_to_hub(
    model: Shareable,
    name: str,
    *,
    license: str | None = None,  # noqa: A002
    private: bool | None = None,
    revision: str | None = None,
    token: str | None = None,
    message: str = "Upload a model of latentrank",
) -> str:
    """Upload a model with its card; the repository is created if it does not exist.

    Args:
        model: as for `save_pretrained`.
        name: `"user/name"` of the repository.
        license: licence of the weights as the Hub knows it, such as `"mit"`.
        private: whether a new repository is private; by default the account's setting.
        revision: branch to upload to; by default the main branch.
        token: access token of the account; by default from `hf auth login`, or `HF_TOKEN`.
        message: message of the commit.

    Returns:
        The address of the commit.

    Raises:
        InputError: there is no finished model, huggingface_hub is not installed, or the Hub
            refuses the upload.
    """
    api = _api(token)
    with tempfile.TemporaryDirectory() as temporary:
        folder = save_pretrained(model, temporary, name=name, license=license)
        remedy = "check the name and the connection, and log in: hf auth login"
        with _explained(f"{name} cannot be uploaded", remedy):
            full = api.create_repo(name, private=private, exist_ok=True).repo_id
            made = api.upload_folder(
                repo_id=full, folder_path=folder, commit_message=message, revision=revision
            )
    return str(made.commit_url)


def download(
    name: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """Download a shared model into the Hub's cache, from which it loads without a network.

    `LowRankAutoencoder.load` reads the folder if an estimator was shared.

    Args:
        name: `"user/name"`.
        revision: branch, tag or commit.
        token: see `push_to_hub`.
        cache_dir: folder of the cache; by default the Hub's.
        local_files_only: use only the cache.

    Returns:
        The folder in the cache.

    Raises:
        InputError: huggingface_hub is not installed, or there is no such model.
    """
    if expanded(name).is_dir():
        raise InputError(f"{name} is a folder on this machine, not a name on the Hub; load it.")
    api = _api(token)
    with _explained(
        f"{name} cannot be downloaded", "check the name, the revision and the connection"
    ):
        return Path(
            api.snapshot_download(
                name,
                revision=revision,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
                allow_patterns=list(FILES),
            )
        )


def from_pretrained(
    name: str | Path,
    *,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    **where: Any,
) -> LatentModel:
    """Load a model by its name on the Hub, or from a folder; no code in it is executed.

    Args:
        name: `"user/name"`, or a folder, which takes precedence.
        encoder: your own network, if the model was built with one.
        decoder: your own network, if `encoder` is given.
        **where: `revision`, `token`, `cache_dir` and `local_files_only` of `download`.

    Returns:
        The model, in evaluation mode, on the CPU.

    Raises:
        InputError: there is no such model, or it is damaged.
    """
    folder = expanded(name)
    if not folder.is_dir():
        folder = download(str(name), **where)
    return load(folder, encoder=encoder, decoder=decoder)


def _api(token: str | None) -> Any:
    from latentrank import __version__

    hub = need("huggingface_hub", "hub", "Sharing")
    return hub.HfApi(token=token, library_name="latentrank", library_version=__version__)


@contextmanager
def _explained(what: str, remedy: str) -> Iterator[None]:
    """Errors of the Hub in one sentence; their classes depend on its version."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        reason = f"{type(error).__name__}: {first[:200]}".rstrip(". :")
        raise InputError(f"{what} ({reason}); {remedy}.") from error
