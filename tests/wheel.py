"""Build the wheel, install it into empty environments, and use it there as a reader would.

    python tests/wheel.py                       # all environments
    python tests/wheel.py --only 3.11:oldest    # one of them

The environments are the lowest Python that pyproject.toml names with the lowest versions that it
allows, and every Python that it names with the newest. In each, the README's Python block and
commands run (on fewer samples), a user's script is type-checked, and missing extras are told in one
sentence. A Python that this machine lacks is named, and the script then fails. Installing torch
takes minutes and several GB, so this is no part of the test suite; environments are made one after
another, and removed.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: The README's trainings, made short.
SHORT = ["--epochs", "1", "--train-size", "500", "--test-size", "100"]

USER = """
import numpy as np
from latentrank import LowRankAutoencoder, RunConfig, TrainConfig, load, train

ae: LowRankAutoencoder = LowRankAutoencoder("rrae", latent_dim=8, rank=2).fit(np.zeros((9, 4)))
codes = ae.transform(np.zeros((9, 4)))
width: int = codes.shape[1]
training = TrainConfig(steps=3, device="cpu")
run = train(RunConfig(method="ae", data="blobs", epochs=3, options={}), "run")
run = train(RunConfig(method="ae", data="blobs", training=training), "other")
error: float = run.metrics["validation_error"]
model = load("run")
rank: int = model.rank()
"""

#: Misspelt arguments, which are found before anything runs.
WRONG = {"latent_dim=8": "latentdim", "steps=3": "step"}

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
    "train ae --data table.xlsx": "tables",
    "train ae --data field.h5": "fields",
    "train ae --data field.nc": "fields",
    "train ae --data scan.nii": "nifti",
    "train ae --data hf:mnist": "huggingface",
    "train ae --data blobs --logger tensorboard": "tensorboard",
    "train ae --data blobs --logger wandb": "wandb",
    "train ae --data blobs --logger mlflow": "mlflow",
    "explore run --live": "explore",
    "reproduce lorae-table-7 --cluster tcp://127.0.0.1:1": "cluster",
    "evaluate run --metric fid:gaussian": "fid",
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


def environments() -> list[tuple[str, str]]:
    """Each Python version to test, with the versions of the dependencies."""
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    return [(named[0], "oldest"), *((version, "newest") for version in named)]


def interpreter(version: str) -> str | None:
    """A Python of this version: the one that runs this, one on the path, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    installed = sorted(pyenv.glob(f"{version}.*/bin/python"))
    for candidate in (sys.executable, f"python{version}", *map(str, installed)):
        test = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
        try:
            done = subprocess.run([candidate, "-c", test], capture_output=True, text=True)
        except FileNotFoundError:
            continue
        if done.stdout.strip() == version:
            return candidate
    return None


def oldest() -> str:
    """The lowest version of each dependency, as constraints for pip."""
    extras = PROJECT["optional-dependencies"]
    named = [*PROJECT["dependencies"], *(line for lines in extras.values() for line in lines)]
    lowest = (re.sub(r"\[.*\]|,.*", "", line).replace(">=", "==") for line in named if ">=" in line)
    return "\n".join(lowest)


def install(python: str, wheel: Path, folder: Path, versions: str) -> Path:
    """Install the wheel into a new environment and return its folder of programs."""
    run(python, "-m", "venv", folder / "env", cwd=folder)
    programs = folder / "env" / "bin"
    constraints = folder / "constraints.txt"
    constraints.write_text(oldest() if versions == "oldest" else "")
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
    """Types are checked: a correct script passes, misspelt arguments are found."""
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", programs / "python")
    (folder / "right.py").write_text(USER)
    run(*mypy, "right.py", cwd=folder)
    wrong = USER
    for argument, misspelt in WRONG.items():
        wrong = wrong.replace(argument, f"{misspelt}=3")
    (folder / "wrong.py").write_text(wrong)
    done = subprocess.run([*map(str, mypy), "wrong.py"], cwd=folder, capture_output=True, text=True)
    for misspelt in WRONG.values():
        assert f'Unexpected keyword argument "{misspelt}"' in done.stdout, done.stdout


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


def test(python: str, wheel: Path, versions: str) -> None:
    """Use the wheel in one environment, and print the seconds of each part."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        start = time.perf_counter()
        programs = install(python, wheel, folder, versions)
        sys.stdout.write(f"  install: {time.perf_counter() - start:.0f} s\n")
        named = [re.split(r"[>=\[ ]", line)[0] for line in PROJECT["dependencies"]]
        shown = run(programs / "python", "-m", "pip", "list", "--format", "freeze", cwd=folder)
        used = [one for one in shown.split() if one.split("==")[0].lower() in named]
        sys.stdout.write(f"  {', '.join(used)}\n")
        for step in (use, type_check, missing_extras):
            start = time.perf_counter()
            step(programs, folder)
            sys.stdout.write(f"  {step.__name__}: {time.perf_counter() - start:.0f} s\n")
            sys.stdout.flush()


def main() -> None:
    """Build, then install and use in each environment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = [":".join(one) for one in environments()]
    parser.add_argument("--only", nargs="+", choices=every, default=every, metavar="PYTHON:WHICH")
    missing = []
    with tempfile.TemporaryDirectory() as temporary:
        wheel = build(Path(temporary))
        for name in parser.parse_args().only:
            version, versions = name.split(":")
            python = interpreter(version)
            if python is None:
                missing.append(name)
                continue
            sys.stdout.write(f"Python {version}, {versions} versions ({python})\n")
            sys.stdout.flush()
            test(python, wheel, versions)
    if missing:
        sys.exit(f"Not tried, since this machine has no such Python: {', '.join(missing)}")


if __name__ == "__main__":
    main()
