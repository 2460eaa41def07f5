"""Fields at new parameters: POD and autoencoders here and of EZyRB, same snapshots.

    python benchmarks/reduction.py
    python benchmarks/reduction.py --steps 200    # a quick look, which is printed alone
    python benchmarks/reduction.py --charts       # what the charts of the geodesic start know

Needs ezyrb, which `make bench` installs; without it, its columns stay empty. Every method sees the
same training snapshots and predicts the same test snapshots, whose relative error is taken over all
of them together. Autoencoders are trained once, seed 0, with networks of the same layers for as
many steps, to which a geodesic start adds 3000. The table goes to `docs/reduction.md`, if it is
complete and of the usual number of steps.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import put
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neighbors import KNeighborsRegressor

import latentrank
from latentrank import data
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.evaluation import relative_error
from latentrank.parametric import ParameterMap
from latentrank.training import fit
from latentrank.training.geodesic import chart

PAGE = Path(__file__).parent.parent / "docs" / "reduction.md"
BEGIN, END = "<!-- reduction -->\n", "<!-- /reduction -->"
COUNTS = (2, 5, 10, 20, 50)
STEPS = 6000
WIDTH = 1000  # numbers in RRAE's code, of which two are free
LAYERS = 64
FOLDS = KFold(10, shuffle=True, random_state=0)
HEADER = (
    "coefficients",
    "POD, radial",
    "POD, Gaussian process",
    "EZyRB POD, radial",
    "EZyRB POD, Gaussian process",
    "RRAE, radial",
    "RRAE, Gaussian process",
    "RRAE geodesic, radial",
    "RRAE geodesic, Gaussian process",
    "ae, radial",
    "ae, Gaussian process",
    "EZyRB autoencoder, radial",
)

#: Autoencoders with two coefficients: method, width of the code, options, and settings.
TRAINED: dict[str, tuple[str, int, dict[str, Any], dict[str, Any]]] = {
    "RRAE": ("rrae", WIDTH, {"rank": COUNTS[0]}, {}),
    "RRAE geodesic": (
        "rrae",
        WIDTH,
        {"rank": COUNTS[0]},
        {"init": "geodesic", "learning_rate": 3e-4},  # a higher one loses the start
    ),
    "ae": ("ae", COUNTS[0], {}, {}),
}

Row = dict[str, float]


def pulses(count: int = 200) -> Dataset:
    """`exp(-((t - c) / w)^2)` with the centre `c` and the width `w` drawn at random."""
    rng, t = np.random.default_rng(0), np.linspace(0, 1, 256)
    low, high = np.array([0.2, 0.03]), np.array([0.8, 0.1])
    drawn = [low + (high - low) * rng.random((n, 2)) for n in (count, 300)]
    made = [np.exp(-(((t - p[:, :1]) / p[:, 1:]) ** 2))[:, None] for p in drawn]
    splits = (Split(x, parameters=p) for x, p in zip(made, drawn, strict=True))
    return Dataset("pulses", *splits, net="curves")


def solved(dataset: Dataset, count: int) -> Any:
    """POD of the training snapshots."""
    model = latentrank.build("pca", dataset.shape, count, bounded=False)
    model.preprocessing = dataset.preprocessing
    model.solve(lambda: model.batches(dataset.train.x))
    return model.eval()


def trained(
    dataset: Dataset, steps: int, method: str, width: int, options: Any, settings: Any
) -> Any:
    """An autoencoder trained as RRAE in its paper on curves: three rates, batches of 20."""
    torch.manual_seed(0)
    options = {"net": "curves", "bounded": False, "reconstruction": "relative", **options}
    model = latentrank.build(method, dataset.shape, width, **options)
    model.preprocessing = dataset.preprocessing
    epochs = max(3, steps * 20 // len(dataset.train))
    usual = {"learning_rate": 1e-3, "schedule": "multistep", "optimizer": "adabelief"}
    config = TrainConfig(
        epochs=epochs, batch_size=20, validate_every=epochs, device="cpu", **{**usual, **settings}
    )
    fit(model, dataset, config, progress=False)
    return model.eval()


def errors(model: Any, dataset: Dataset, name: str) -> Row:
    """Of both maps over the parameters."""
    known, basis = dataset.train, model.bottleneck.basis()
    found = {}
    for kind, told in (("radial", "radial"), ("gaussian-process", "Gaussian process")):
        codes = model.encode_array(known.x)
        made = ParameterMap.fit(known.parameters, codes, kind, basis)
        predicted = model.decode_array(made(dataset.test.parameters))
        found[f"{name}, {told}"] = relative_error(predicted, dataset.test.x)
    return found


def peers(dataset: Dataset, count: int, steps: int) -> Row:
    """The same with EZyRB, given parameters in [0, 1] and kernels of the same families as here.

    Snapshots have their mean subtracted, as POD here does. Of its process the best of three is
    shown, by the test error: the kernel of its default, which it does not fit, and the two kernels
    that processes here choose from, fitted, with a length scale for each parameter.
    """
    try:
        import ezyrb
    except ImportError:
        return {}
    low = dataset.train.parameters.min(axis=0)
    span = np.ptp(dataset.train.parameters, axis=0)
    known, wanted = ((s.parameters - low) / span for s in (dataset.train, dataset.test))
    x = dataset.train.x[:, 0].astype(np.float64)
    mean, scale = x.mean(axis=0), (x - x.mean(axis=0)).std()

    def error(reduction: Any, approximation: Any) -> float:
        np.random.seed(0)  # noqa: NPY002 - EZyRB draws from the global states
        torch.manual_seed(0)
        with quiet():
            database = ezyrb.Database(known, (x - mean) / scale)
            model = ezyrb.ReducedOrderModel(database, reduction, approximation).fit()
            predicted = mean + scale * model.predict(wanted)
        return relative_error(predicted, dataset.test.x[:, 0])

    pod, start = ezyrb.POD("svd", rank=count), [0.3] * known.shape[1]
    fitted = [ConstantKernel() * shape for shape in (RBF(start), Matern(start, nu=2.5))]
    processes = [ezyrb.GPR(), *(ezyrb.GPR(kernel, optimization_restart=2) for kernel in fitted)]
    found = {
        "EZyRB POD, radial": error(pod, ezyrb.RBF(kernel="cubic")),
        "EZyRB POD, Gaussian process": min(error(pod, process) for process in processes),
    }
    if count == COUNTS[0]:
        # One layer down and six up, as the network of RRAE here.
        layers = [LAYERS, count], [count, *[LAYERS] * 6]
        softplus = torch.nn.Softplus()
        network = ezyrb.AE(*layers, softplus, softplus, steps, frequency_print=steps)
        found["EZyRB autoencoder, radial"] = error(network, ezyrb.RBF(kernel="cubic"))
    return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """EZyRB prints each epoch, and its processes warn of bounds."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def table(dataset: Dataset, steps: int) -> list[str]:
    """Lines of Markdown: a row for each number of coefficients, the best of each at the end."""
    rows: list[Row] = []
    for count in COUNTS:
        row = {**errors(solved(dataset, count), dataset, "POD"), **peers(dataset, count, steps)}
        if count == COUNTS[0]:
            for name, given in TRAINED.items():
                row |= errors(trained(dataset, steps, *given), dataset, name)
        rows.append(row)
        print(dataset.name, count, row, flush=True)
    best = {name: min(row[name] for row in rows if name in row) for row in rows for name in row}
    shown = [[str(count), *cells(row)] for count, row in zip(COUNTS, rows, strict=True)]
    lines = [HEADER, ["---:"] * len(HEADER), *shown, ["best", *cells(best)]]
    return ["| " + " | ".join(line) + " |" for line in lines]


def cells(row: Row) -> list[str]:
    return [f"{row[name]:.2f}" if name in row else "" for name in HEADER[1:]]


SETS: dict[str, Callable[[], Dataset]] = {
    "Two Gaussians, 100 training curves on a grid": lambda: data.load("curves:two-gaussians"),
    "Pulses, 200 training curves at random": pulses,
}


def charts() -> None:
    """Print how well each chart of two dimensions keeps distances, neighbours and parameters.

    Each parameter is predicted from its five nearest neighbours in the chart, whose coordinates are
    given unit variance, in ten folds.
    """
    nearest = KNeighborsRegressor(5, weights="distance")
    for dataset in (*(load() for load in SETS.values()), pulses(1000)):
        x = dataset.preprocessing.normalise(dataset.train.x).flatten(1).numpy()
        found = chart(x, COUNTS[0])
        a = found.coordinates(x)
        known = [
            cross_val_score(nearest, a / a.std(axis=0), values, cv=FOLDS).mean()
            for values in dataset.train.parameters.T
        ]
        print(
            f"{dataset.name}, {len(x)} curves: residual variance {found.residual_variance:.4f}, "
            f"trustworthiness {found.trustworthiness(x):.4f}, R2 of the parameters "
            f"{', '.join(f'{value:.2f}' for value in known)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="of RRAE and of EZyRB's network")
    parser.add_argument("--charts", action="store_true", help="describe the charts, and stop")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.charts:
        charts()
        return
    complete = importlib.util.find_spec("ezyrb") is not None
    if not complete:
        print("EZyRB is not installed, so its columns stay empty; make bench installs it.")
    lines = []
    for title, load in SETS.items():
        lines += [f"{title}:", "", *table(load(), given.steps), ""]
    text = "\n".join(lines)
    print(text)
    if complete and given.steps == STEPS:
        put(f"\n{text}\n", BEGIN, END, PAGE)


if __name__ == "__main__":
    main()
