"""Everything that is measured of a trained run, gathered in one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from latentrank import density
from latentrank.data import Dataset
from latentrank.data.cache import folder as cache_folder
from latentrank.errors import InputError
from latentrank.evaluation.classifier import Classifier
from latentrank.evaluation.features import Extractor, extractor
from latentrank.evaluation.generation import evaluate_generation
from latentrank.evaluation.probe import KINDS, label_curve
from latentrank.inference import decode, sample, usual_densities
from latentrank.runs import Run


class Features(NamedTuple):
    """Which features the distances are measured on.

    Attributes:
        name: `"classifier"` or `"inception"`.
        weights: file of Inception weights.
        download: Inception weights may be downloaded.
        device: where they are computed: auto, cpu, cuda, ...
    """

    name: str
    weights: Path | None = None
    download: bool = False
    device: str = "cpu"


def assess(
    run: Run,
    features: Features | None = None,
    densities: Sequence[str] | None = None,
    n: int = 10_000,
    *,
    seed: int = 0,
    components: int | str = 4,
    probes: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure a run: reconstruction, generation and, where there are labels, probes.

    Args:
        run: a finished run.
        features: what distances of generated from test images are measured on; None leaves
            them out, since which features it is must be chosen.
        densities: that new codes are drawn from; by default `usual_densities`.
        n: samples from each density.
        seed: of samples and of the probes' draws of labels.
        components: of the density `gmm`: how many, or `"bic"`.
        probes: train classifiers on the codes, where the data has labels.
        say: told what is being measured.

    Returns:
        Nested plain values, as `evaluation.json` holds them: `rank`, `latent_dim`,
        `reconstruction_error` (None for a GAN); `features`, `protocol` and `generation` by
        density, with `reconstruction` for what the decoder can do at best; `probes` by kind
        and number of labels.

    Raises:
        InputError: features that the data does not allow, an unknown density, or weights that
            are missing.
    """
    metrics = run.metrics
    found: dict[str, Any] = {
        "seed": seed,
        "rank": metrics["rank"],
        "latent_dim": metrics["latent_dim"],
        "reconstruction_error": metrics["validation_error"],
    }
    if features is not None:
        named = usual_densities(run.model()) if densities is None else densities
        for name in named:
            # A mistake is told before the minutes that the features take.
            density.parse(name)
        found |= _generation(run, features, named, n, seed, components, say)
    if probes and run.dataset().train.labels is not None:
        found["probes"] = _probes(run, seed, say)
    return found


def _generation(
    run: Run,
    features: Features,
    densities: Sequence[str],
    n: int,
    seed: int,
    components: int | str,
    say: Callable[[str], None],
) -> dict[str, Any]:
    dataset = run.dataset()
    network = _extractor(dataset, features, say)
    table = {}
    floor = () if not run.model().reconstructs else ("reconstruction",)
    for name in (*floor, *densities):
        say(f"distances, {name}")
        if name == "reconstruction":
            fake = decode(run, run.codes("test"))
        else:
            options = {"components": components} if name == "gmm" else {}
            fake = sample(run, name, n, seed, **options).x
        values = evaluate_generation(dataset.test.x, fake, network, cache=cache_folder())
        table[name] = {key: v for key, v in values.items() if key not in ("features", "protocol")}
    about: dict[str, Any] = {"features": network.name, "protocol": network.protocol}
    if isinstance(network, Classifier):
        about["classifier_accuracy"] = network.accuracy
    return {**about, "generation": table}


def _extractor(dataset: Dataset, features: Features, say: Callable[[str], None]) -> Extractor:
    if len(dataset.shape) != 3 or not dataset.preprocessing.bounded:
        raise InputError(
            f"Distances of generated samples are measured on images, and {dataset.name} holds "
            f"none (one sample has shape {dataset.shape}"
            f"{'' if dataset.preprocessing.bounded else ', values outside 0 to 1'}); leave "
            "--features out."
        )
    say(f"features, {features.name}")
    return extractor(
        features.name,
        dataset,
        weights=features.weights,
        download=features.download,
        cache=cache_folder(),
        device=features.device,
    )


def _probes(run: Run, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    train, test = run.dataset().train.labels, run.dataset().test.labels
    if train is None or test is None:
        return {}
    table: dict[str, Any] = {}
    for kind in KINDS:
        say(f"probe, {kind}")
        curve = label_curve(run.codes("train"), train, run.codes("test"), test, kind, seed=seed)
        table[kind] = {
            str(count): {
                "accuracy": result.accuracy_mean,
                "accuracy_std": result.accuracy_std,
                "draws": len(result.accuracies),
            }
            for count, result in curve.items()
        }
    return table
