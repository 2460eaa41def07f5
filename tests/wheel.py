"""Build the wheel, install it into an empty environment, and use it there as a reader would.

    python tests/wheel.py            # the newest versions of all dependencies
    python tests/wheel.py --oldest   # the lowest versions that pyproject.toml allows

It checks the files of the wheel, runs the README's Python block and commands (on fewer samples),
type-checks a user's script, and sees that a missing extra is told in one sentence. Installing torch
takes minutes, so this is no part of the test suite.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: The README's trainings, made short.
SHORT = ["--epochs", "1", "--train-size", "500", "--test-size", "100"]

USER = """
import numpy as np
from latentrank import LowRankAutoencoder, RunConfig, load, train

ae: LowRankAutoencoder = LowRankAutoencoder("rrae", latent_dim=8, rank=2).fit(np.zeros((9, 4)))
codes = ae.transform(np.zeros((9, 4)))
width: int = codes.shape[1]
run = train(RunConfig(method="ae", data="blobs", epochs=3), "run")
error: float = run.metrics["validation_error"]
model = load("run")
rank: int = model.rank()
"""

#: A command for each extra, and the extra that it needs. Files named here exist and are empty.
WITHOUT = {
    "sweep lorae --data blobs --search penalty=1e-4..1e-2": "sweep",
    "export run": "onnx",
    "push run user/name": "hub",
    "pull user/name": "hub",
    "train vae-flow --data blobs --flow iaf": "flow",
    "train ae --data blobs --optimizer adabelief": "optimizers",
    "train ae --data table.csv": "tables",
    "train ae --data table.parquet": "tables",
    "train ae --data field.h5": "fields",
    "train ae --data field.nc": "fields",
    "train ae --data scan.nii": "nifti",
    "train ae --data hf:mnist": "huggingface",
    "train ae --data blobs --logger wandb": "wandb",
    "reproduce lorae-table-7 --cluster tcp://127.0.0.1:1": "cluster",
    "evaluate run --features inception --metric fid:gaussian": "fid",
    "evaluate run --features timm:resnet18": "features",
}


def run(*command: str | Path, cwd: Path, fails: bool = False) -> str:
    """Run a command outside the repository and return what it writes."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True
    )
    if (done.returncode != 0) != fails:
        sys.exit(f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stderr if fails else done.stdout


def build(folder: Path) -> Path:
    """Build both distributions, and check that the wheel has every file of the package."""
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    assert len(list(folder.glob("*.tar.gz"))) == 1
    source = ROOT / "src"
    tracked = run("git", "ls-files", "src", cwd=ROOT).split()
    with zipfile.ZipFile(wheel) as file:
        missing = {str(Path(p).relative_to("src")) for p in tracked} - set(file.namelist())
    assert not missing, missing
    assert (source / "latentrank" / "py.typed").is_file()
    return wheel


def oldest() -> str:
    """The lowest version of each dependency, as constraints for pip."""
    extras = PROJECT["optional-dependencies"]
    named = [*PROJECT["dependencies"], *(line for lines in extras.values() for line in lines)]
    return "\n".join(line.replace(">=", "==") for line in named if ">=" in line)


def install(wheel: Path, folder: Path, lowest: bool) -> Path:
    """Install the wheel into a new environment and return its folder of programs."""
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / "bin"
    constraints = folder / "constraints.txt"
    constraints.write_text(oldest() if lowest else "")
    pip = (programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "-c", constraints, wheel, cwd=folder)
    return programs


def use(programs: Path, folder: Path) -> None:
    """Run the README's commands and its Python block."""
    readme = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    run(programs / "python", "-c", block, cwd=folder)
    for line in re.findall(r"^\$ latentrank (.*)$", readme, re.MULTILINE):
        words = shlex.split(line, comments=True)
        run(programs / "latentrank", *words, *(SHORT if words[0] == "train" else []), cwd=folder)
    run(
        programs / "latentrank",
        "train",
        "ae",
        "--data",
        "blobs",
        *SHORT,
        "--out",
        "run",
        cwd=folder,
    )
    run(programs / "latentrank", "compare", "run", cwd=folder)
    run(programs / "latentrank", "reproduce", "--list", cwd=folder)
    assert (folder / "run" / "report.html").is_file()


def type_check(programs: Path, folder: Path) -> None:
    """Types are seen: a right script passes, a misspelt argument is found."""
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", programs / "python")
    (folder / "right.py").write_text(USER)
    (folder / "wrong.py").write_text(USER.replace("latent_dim=8", "latentdim=8"))
    run(*mypy, "right.py", cwd=folder)
    done = subprocess.run([*map(str, mypy), "wrong.py"], cwd=folder, capture_output=True, text=True)
    assert 'Unexpected keyword argument "latentdim"' in done.stdout, done.stdout


def missing_extras(programs: Path, folder: Path) -> None:
    """Each command that needs an extra says so in one sentence."""
    for command, extra in WITHOUT.items():
        words = shlex.split(command)
        for word in words:
            if re.fullmatch(r"\w+\.\w+", word):
                (folder / word).write_bytes(b"a,b\n1,2\n3,4\n5,6\n")
        told = run(programs / "latentrank", *words, cwd=folder, fails=True).splitlines()[-1]
        if not told.startswith("latentrank: ") or f"latentrank[{extra}]" not in told:
            sys.exit(f"latentrank {command}\nexpected one sentence with [{extra}], got:\n{told}")


def main() -> None:
    """Build, install, use."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oldest", action="store_true", help="lowest versions allowed")
    lowest = parser.parse_args().oldest
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wheel = build(folder / "dist")
        programs = install(wheel, folder, lowest)
        for step in (use, type_check, missing_extras):
            step(programs, folder)
            sys.stdout.write(f"{step.__name__}: done\n")
        named = [re.split(r"[>=\[ ]", line)[0] for line in PROJECT["dependencies"]]
        shown = run(programs / "python", "-m", "pip", "list", "--format", "freeze", cwd=folder)
        used = [one for one in shown.split() if one.split("==")[0].lower() in named]
        sys.stdout.write(f"Python {sys.version.split()[0]}, {', '.join(used)}\n")


if __name__ == "__main__":
    main()
