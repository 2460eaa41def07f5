"""One case: a file is changed and read, and what happens is judged."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from latentrank.errors import InputError
from tests.fuzz.mutations import spoil
from tests.fuzz.seeds import Reader


class Suspicious(BaseException):
    """What a file must not make this process do; no `except Exception` hides it."""


def verdict(read: Reader, path: Path) -> str:
    """`"accepted"`, `"refused"`, or what is wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except InputError as error:
        text = str(error)
        ends = text[-1:] in ".?:'\")" or "run: " in text or "with: " in text
        if not text.isprintable() or len(text) > 1100 or not ends:
            return f"FAULT message {text[:300]!r}"
        return "refused"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        at = error.__traceback__
        places = []
        while at is not None:
            code = at.tb_frame.f_code
            places.append(f"{Path(code.co_filename).name}:{code.co_name}:{at.tb_lineno}")
            at = at.tb_next
        return f"FAULT {type(error).__name__}: {' '.join(str(error).split())[:200]!r} in " + (
            " > ".join(places[-7:])
        )
    return "accepted"


_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen",
              "socket.connect", "socket.bind", "pickle.find_class", "ctypes.dlopen")  # fmt: skip


class Watch:
    """Reports what a file makes this process do, while it is on."""

    def __init__(self, inside: Path) -> None:
        self.on = False
        self.inside = str(inside)
        sys.addaudithook(self._hook)

    def _hook(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.on:
            return
        # The training asks for the C library that is loaded, and torch for a GPU's.
        known = event == "ctypes.dlopen" and (given == (None,) or "nvidia" in str(given))
        if event in _FORBIDDEN and not known:
            raise Suspicious(f"{event} {given!r}"[:300])
        writes = event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+")
        if writes and not str(given[0]).startswith((self.inside, "/dev/null", "/proc/")):
            raise Suspicious(f"writes {given[0]!r}")


def case(number: int, seed: int, found: dict[str, tuple[Path, Reader]], place: Path) -> list[str]:
    """Run one case.

    Returns:
        Its kind, what was changed, and the verdict.
    """
    rng = random.Random(f"{seed}/{number}")
    kind = list(found)[number % len(found)]
    source, read = found[kind]
    work = Path(tempfile.mkdtemp(dir=place))
    target = work / source.name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    canary = work / "canary"
    try:
        done = spoil(target, rng, canary)
        said = verdict(read, target)
        return [kind, done, "FAULT code was run" if canary.exists() else said]
    finally:
        shutil.rmtree(work, ignore_errors=True)
