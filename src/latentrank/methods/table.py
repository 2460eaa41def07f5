"""Every method as a row of one table: its bottleneck, its loss terms, its options, its paper.

A method is data, not a class. To add one, add a row (and, if it needs one, a bottleneck in a
file of its own): training, reports, export and the command line then know it. `register` adds
one from outside the package.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, Literal

from torch import nn

from latentrank import losses, nets
from latentrank.bottlenecks import (
    Bottleneck,
    FlowPosterior,
    Gaussian,
    GaussianSVD,
    Identity,
    LearnedBasis,
    LinearChain,
    NuclearNorm,
    TruncatedSVD,
)
from latentrank.errors import InputError, check_count, unknown
from latentrank.losses import Objective, Penalty
from latentrank.methods.rank_target import rank_target
from latentrank.models.autoencoder import Autoencoder
from latentrank.models.gan import GAMES, GAN, Discriminator
from latentrank.models.spec import Spec
from latentrank.nets.spectral import spectrally_normalised

IRMAE = "Jing, Zbontar, LeCun: Implicit Rank-Minimizing Autoencoder, NeurIPS 2020"
IRMAE_WD = "Zeng, Graham: Autoencoders for discovering manifold dimension, 2023"
LORAE = "Mazumder et al.: Learning Low-Rank Latent Spaces with Simple Deterministic AE, WACV 2024"
RRAE = "Mounayer et al.: Rank Reduction Autoencoders, 2024"
VRRAE = "Mounayer et al.: Variational Rank Reduction Autoencoders, 2025"
VAE = "Kingma, Welling: Auto-Encoding Variational Bayes, ICLR 2014"
FLOW = "Rezende, Mohamed: Variational Inference with Normalizing Flows, ICML 2015"
WAE = "Tolstikhin et al.: Wasserstein Auto-Encoders, ICLR 2018"
RAE = "Ghosh et al.: From Variational to Deterministic Autoencoders, ICLR 2020"
GAN_PAPER = "Goodfellow et al.: Generative Adversarial Nets, NeurIPS 2014"
LSGAN = "Mao et al.: Least Squares Generative Adversarial Networks, ICCV 2017"


@dataclass(frozen=True)
class Option:
    """One option of a method.

    Attributes:
        default: its value when nothing is given.
        help: what it is, in one line.
    """

    default: Any
    help: str


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        name: as on the command line.
        summary: what it does, in one line.
        paper: where it is from.
        bottleneck: class of the module between encoder and decoder; it is given those of the
            options that it takes.
        terms: weight of each loss term: a number, or the name of the option that holds it.
        penalties: terms computed from the code and the decoder.
        options: options by name, beside those common to all (`reconstruction`, `reduction`).
        reconstruction: the reconstruction loss on data in [0, 1]; others always use `mse`
            unless this is `relative`.
        output: last activation of the decoder on data in [0, 1].
        weighs_sum: see `Objective.weighs_sum`.
        weight_decay: AdamW's; 0 means Adam.
        learning_rate: Adam's at the start.
        prepare_encoder: what is done to a new encoder before training, if anything.
        prepare_decoder: likewise to the decoder.
        adversarial: name of the game that a GAN's two networks play, one of
            `latentrank.models.gan.GAMES`; None for an autoencoder.
        rank_search: name of the search that finds the method's rank where nobody gives one, as
            in `latentrank.training.rank_search`: `"shrink"` and `"grow"` move `k`, `"penalty"`
            the weight of a term, `"gap"` looks at the spectrum.
        rank_search_term: the loss term whose weight the search `"penalty"` moves.
    """

    name: str
    summary: str
    paper: str
    bottleneck: Callable[..., Bottleneck] = Identity
    terms: Mapping[str, float | str] = field(default_factory=dict)
    penalties: Mapping[str, Penalty] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    reconstruction: str = "mse"
    output: Literal["tanh", "sigmoid"] = "tanh"
    weighs_sum: bool = False
    weight_decay: float = 0.0
    learning_rate: float = 5e-4
    prepare_encoder: Callable[[nn.Module], nn.Module] | None = None
    prepare_decoder: Callable[[nn.Module], nn.Module] | None = None
    adversarial: str | None = None
    rank_search: str | None = None
    rank_search_term: str | None = None


_RANK = Option(None, "directions kept, 1 to latent_dim (8 when there are as many)")
_TOLERANCE = Option(0.01, "share of the data's variance that rank auto may leave unexplained")
_ADAPTIVE = {
    "rank": Option(None, f"{_RANK.help}, or auto"),
    "adapt": Option("shrink", "how rank auto searches: shrink from max_rank, or grow from one"),
    "max_rank": Option(None, "most directions that rank auto tries (32 when there are as many)"),
    "tolerance": _TOLERANCE,
}
_RRAE = {
    **_ADAPTIVE,
    "second_stage_epochs": Option(
        0, "further epochs in which the decoder alone learns, on projected codes"
    ),
}
_DEPTH = Option(4, "number of square matrices in a row")
_INIT_VARIANCE = Option(1.0, "variance of their start, as a multiple of the usual one")
_CHAIN = {
    "depth": _DEPTH,
    "init_variance": _INIT_VARIANCE,
    "fixed": Option(False, "ablation: leave the matrices as they start"),
    "nonlinear": Option(False, "ablation: a ReLU between the matrices"),
    "shared": Option(False, "ablation: one matrix, applied depth times"),
}

# RAE's public code averages the squared error over pixels and the squared code over its L
# numbers, with a weight of 1e-4 and L = 16 on MNIST, and adds 1e-7 times the decoder's squared
# weights: 1.25e-5 and 2e-7 times the terms here. Two of its weights mean something else there.
# That for SN, 9e-3, presumes batch normalisation between the layers; without it codes must be
# large, and the error on MNIST doubles. That for GP, 5e-8, is on the gradient of ||D(z)||^2; the
# one here takes three quarters off ||grad_z D(z)||^2 on MNIST for 2 % more error.
_CODE_PENALTY = "weight of ||z||^2 / 2, averaged over the batch"

_TABLE = [
    Method(
        "ae",
        "Plain autoencoder; nothing acts on the code.",
        "the baseline of every paper here",
    ),
    Method(
        "ae-l1",
        "Autoencoder with the L1 norm of the code penalised.",
        f"{IRMAE}, figure 2",
        terms={"l1": "penalty"},
        penalties={"l1": losses.l1},
        options={"penalty": Option(1e-4, "weight of sum |z|, averaged over the batch")},
    ),
    Method(
        "ae-l2",
        "Autoencoder with the squared L2 norm of the code penalised.",
        f"{IRMAE}, figure 2",
        terms={"l2": "penalty"},
        penalties={"l2": losses.l2},
        options={"penalty": Option(1e-4, "weight of sum z^2, averaged over the batch")},
    ),
    Method(
        "vae",
        "Variational autoencoder: Gaussian posterior, pulled towards N(0, I).",
        VAE,
        bottleneck=Gaussian,
        terms={"kl": "beta"},
        options={"beta": Option(1.0, "weight of the divergence; 1 is the evidence bound")},
        reconstruction="bce",
        output="sigmoid",
        weighs_sum=True,
    ),
    Method(
        "vae-flow",
        "VAE whose posterior samples pass through a normalizing flow.",
        FLOW,
        bottleneck=FlowPosterior,
        terms={"kl": "beta"},
        options={
            "beta": Option(1.0, "weight of the divergence; 1 is the evidence bound"),
            "flow": Option("planar", "planar, or iaf (inverse autoregressive; needs zuko)"),
            # K = 10 is the shortest flow that the paper tries on MNIST.
            "flow_depth": Option(10, "number of maps in a row"),
        },
        reconstruction="bce",
        output="sigmoid",
        weighs_sum=True,
    ),
    Method(
        "wae",
        "Autoencoder whose codes, all together, are pulled towards N(0, I) by their MMD.",
        WAE,
        terms={"mmd": "penalty"},
        penalties={"mmd": losses.mmd},
        # The paper's weight on MNIST, where it adds up the squared error of a sample. Its public
        # code takes a twentieth of that error: 200 there.
        options={"penalty": Option(10.0, "weight of the discrepancy, on the squared error's sum")},
        weighs_sum=True,
    ),
    Method(
        "rae-l2",
        "Autoencoder with small codes and weight decay on the decoder.",
        RAE,
        terms={"code": "penalty", "decoder_l2": "decoder_penalty"},
        penalties={"code": losses.half_l2, "decoder_l2": losses.decoder_l2},
        options={
            "penalty": Option(1.25e-5, _CODE_PENALTY),
            "decoder_penalty": Option(2e-7, "weight of half the decoder's squared parameters"),
        },
    ),
    Method(
        "rae-gp",
        "Autoencoder with small codes and a smooth decoder: its gradient is penalised.",
        RAE,
        terms={"code": "penalty", "decoder_gradient": "decoder_penalty"},
        penalties={"code": losses.half_l2, "decoder_gradient": losses.decoder_gradient},
        options={
            "penalty": Option(1.25e-5, _CODE_PENALTY),
            "decoder_penalty": Option(1e-4, "weight of ||grad_z D(z)||^2"),
        },
    ),
    Method(
        "rae-sn",
        "Autoencoder with small codes and a spectrally normalised decoder.",
        RAE,
        terms={"code": "penalty"},
        penalties={"code": losses.half_l2},
        options={"penalty": Option(1.25e-5, _CODE_PENALTY)},
        prepare_decoder=spectrally_normalised,
    ),
    Method(
        "irmae",
        "Square matrices in a row after the encoder; gradient descent makes them low rank.",
        IRMAE,
        bottleneck=LinearChain,
        options=_CHAIN,
    ),
    Method(
        "irmae-wd",
        "IRMAE with slight weight decay: unused directions shrink until the spectrum has a gap.",
        IRMAE_WD,
        bottleneck=LinearChain,
        options={
            "depth": _DEPTH,
            "init_variance": _INIT_VARIANCE,
        },
        weight_decay=1e-6,
        rank_search="gap",
    ),
    Method(
        "lorae",
        "One square matrix after the encoder; its nuclear norm is penalised.",
        LORAE,
        bottleneck=NuclearNorm,
        terms={"nuclear_norm": "penalty"},
        options={
            "penalty": Option(1e-3, "weight of the nuclear norm"),
            "solver": Option("auto", "how the norm is computed: auto, svd, gram or polar"),
            "rank": Option(None, "directions that the penalty is steered to, or auto"),
            "target_error": Option(None, "validation error that the penalty is steered to"),
            "tolerance": _TOLERANCE,
        },
        rank_search="penalty",
        rank_search_term="nuclear_norm",
    ),
    Method(
        "rrae",
        "Each latent batch is cut to its leading singular directions.",
        RRAE,
        bottleneck=TruncatedSVD,
        options=_RRAE,
        rank_search="shrink",
    ),
    Method(
        "rrae-adaptive",
        "RRAE that lowers its rank while the error recovers, and so finds it by itself.",
        RRAE,
        bottleneck=TruncatedSVD,
        options={**_RRAE, "rank": Option("auto", _ADAPTIVE["rank"].help)},
        rank_search="shrink",
    ),
    Method(
        "rrae-weak",
        "A low-rank basis is learned beside the encoder, which is pulled into its span.",
        RRAE,
        bottleneck=LearnedBasis,
        terms={"basis_fit": "penalty"},
        options={
            "rank": _RANK,
            "penalty": Option(1.0, "weight of the misfit of codes and basis"),
            "learned_coefficients": Option(
                False, "learn each training sample's coefficients in the basis, as the paper does"
            ),
            "kappa": Option(0.25, "their learning rate, times the common one"),
            "samples": Option(None, "rows of the training set; filled in by the trainer"),
        },
        reconstruction="relative",
    ),
    Method(
        "vrrae",
        "RRAE with a Gaussian posterior on the coefficients of the cut batch.",
        VRRAE,
        bottleneck=GaussianSVD,
        terms={"kl": "beta"},
        options={**_ADAPTIVE, "beta": Option(1e-3, "weight of the divergence")},
        reconstruction="relative",
        rank_search="shrink",
    ),
    # Adam's rate and the Tanh at the end are those of DCGAN (Radford, Metz and Chintala 2016). The
    # networks here have none of its batch normalisation; without anything in its place the
    # discriminator wins within 200 steps on MNIST. Normalising its spectrum (Miyato et al. 2018)
    # keeps the game open, and does not mind a batch of one. With a sigmoid, which is flat where
    # images are black, the generator ended in black images all the same.
    Method(
        "gan",
        "Generator against discriminator, the minimax game; often the generator stops learning.",
        f"{GAN_PAPER}, equation 1",
        bottleneck=Discriminator,
        learning_rate=2e-4,
        prepare_encoder=spectrally_normalised,
        adversarial="minimax",
    ),
    Method(
        "lsgan",
        "Generator against discriminator with squared errors for losses.",
        LSGAN,
        bottleneck=Discriminator,
        learning_rate=2e-4,
        prepare_encoder=spectrally_normalised,
        adversarial="least-squares",
    ),
    Method(
        "nsgan",
        "Generator against discriminator; the generator maximises log D(G(z)).",
        f"{GAN_PAPER}, section 3",
        bottleneck=Discriminator,
        learning_rate=2e-4,
        prepare_encoder=spectrally_normalised,
        adversarial="non-saturating",
    ),
]

_METHODS = {method.name: method for method in _TABLE}

COMMON_OPTIONS = {
    "reconstruction": Option(None, "reconstruction loss: mse, bce or relative"),
    "reduction": Option("mean", "reconstruction loss over a sample's values: mean or sum"),
}


def names() -> list[str]:
    """The names of all methods.

    Example:
        >>> "lorae" in names()
        True
    """
    return list(_METHODS)


def register(method: Method) -> None:
    """Add a method of your own to the table, for as long as this process runs.

    Everything that goes by the name of a method knows it from then on; a saved model of it
    loads once it is registered again.

    Args:
        method: the row; its bottleneck may stand in any module.

    Raises:
        InputError: there is a method of that name, or a weight names an option that there
            is not.
    """
    if method.name in _METHODS:
        raise InputError(f"There is a method '{method.name}' already; choose another name.")
    for term, weight in method.terms.items():
        if isinstance(weight, str) and weight not in method.options:
            raise InputError(
                f"The weight of the term '{term}' of {method.name} is the option '{weight}', "
                "which it does not have; add it to options."
            )
    _METHODS[method.name] = method


def is_built_in(name: str) -> bool:
    """Whether a method comes with the library, and so is known to every process.

    Args:
        name: as in `names()`.

    Example:
        >>> is_built_in("lorae")
        True
    """
    return any(method.name == name for method in _TABLE)


def get(name: str) -> Method:
    """The row of one method.

    Args:
        name: as in `names()`.

    Raises:
        InputError: there is no such method; the nearest name is suggested.
    """
    if name not in _METHODS:
        raise unknown("method", name, _METHODS)
    return _METHODS[name]


def options(name: str) -> dict[str, Option]:
    """All options of one method, its own and the common ones, by name."""
    row = get(name)
    return {**row.options, **({} if row.adversarial else COMMON_OPTIONS)}


# By the type of an option's default: what its value may be, and how that is said.
_KINDS: dict[type, tuple[type, str]] = {
    bool: (bool, "true or false,"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "a word"),
}


def resolve(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every option of a method: as given, or its default.

    Args:
        name: the method.
        given: options by name.

    Raises:
        InputError: an option that the method does not have, or a value of another kind.

    Example:
        >>> resolve("lorae", {"penalty": 0.1})["penalty"], resolve("irmae", {})["depth"]
        (0.1, 4)
    """
    known = options(name)
    for option, value in given.items():
        if option not in known:
            raise unknown(f"option of {name} called", option, known)
        default = known[option].default
        # A rank is a number or a word: `rank_target` checks it.
        kind, told = (object, "") if option == "rank" else _KINDS.get(type(default), (object, ""))
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InputError(f"{option} is {value!r}, expected {told} such as {default}.")
    return {option: given.get(option, row.default) for option, row in known.items()}


def build(
    method: str,
    input_shape: tuple[int, ...],
    latent_dim: int,
    net: str = "auto",
    bounded: bool = True,
    *,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    **options: Any,
) -> Autoencoder:
    """Build the autoencoder of a method.

    Args:
        method: one of `latentrank.methods.names()`.
        input_shape: shape of one sample: `(F,)`, `(C, T)`, `(C, H, W)` or `(C, D, H, W)`.
        latent_dim: width `L` of the code, from 1.
        net: family of the networks, one of `latentrank.nets.families()`.
        bounded: data lie in [0, 1]; the decoder then ends in Tanh (a VAE's in a sigmoid).
        encoder: a network of your own, `(B, *input_shape)` to `(B, latent_dim)` (twice as wide
            for a VAE), in place of the family's.
        decoder: a network of your own, `(B, latent_dim)` to `(B, *input_shape)`.
        **options: options of the method, see `latentrank methods NAME`.

    Raises:
        InputError: an unknown method, family or option, a value out of range, or only one of
            `encoder` and `decoder`.

    Example:
        >>> model = build("irmae", (1, 16, 16), latent_dim=8, depth=2)
        >>> len(model.bottleneck.matrices)
        2
    """
    row = get(method)
    resolved = resolve(method, options)
    for option in row.terms.values():
        if isinstance(option, str) and not resolved[option] >= 0:
            raise InputError(f"{option} is {resolved[option]}, expected a weight from 0; raise it.")
    check_count(latent_dim, "latent_dim")
    latent_dim = int(latent_dim)
    part = _bottleneck(row, latent_dim, resolved)
    if (encoder is None) != (decoder is None):
        raise InputError("Only one of encoder and decoder was given; give both, or neither.")
    if encoder is None or decoder is None:
        loss = resolved.get("reconstruction") or row.reconstruction
        # Cross-entropy is of probabilities; where Tanh is negative it would have no gradient.
        activation = ("sigmoid" if loss == "bce" else row.output) if bounded else None
        encoder, decoder = nets.build(
            net, tuple(input_shape), part.encoder_dim, latent_dim, activation
        )
    else:
        net = "custom"
    if row.prepare_encoder is not None:
        encoder = row.prepare_encoder(encoder)
    if row.prepare_decoder is not None:
        decoder = row.prepare_decoder(decoder)
    # All of them, so that a saved model does not change with the defaults; numpy's numbers are
    # taken as Python's, which JSON can hold.
    plain = {name: getattr(value, "item", lambda v=value: v)() for name, value in resolved.items()}
    spec = Spec(method, tuple(input_shape), latent_dim, net, bounded, plain)
    if isinstance(part, Discriminator):
        return GAN(encoder, part, decoder, GAMES[str(row.adversarial)], spec)
    return Autoencoder(encoder, part, decoder, _objective(row, resolved, bounded), spec)


def _bottleneck(row: Method, latent_dim: int, resolved: Mapping[str, Any]) -> Bottleneck:
    wanted = inspect.signature(row.bottleneck).parameters
    given = {name: value for name, value in resolved.items() if name in wanted}
    asked = rank_target(row.name, row.rank_search, latent_dim, resolved)
    if "rank" in given:
        given["rank"] = asked.directions
    return row.bottleneck(latent_dim, **given)


def _objective(row: Method, resolved: Mapping[str, Any], bounded: bool) -> Objective:
    if resolved["reconstruction"] == "bce" and not bounded:
        raise InputError(
            "reconstruction is bce, which is for data in [0, 1], and these are not; take mse."
        )
    default = row.reconstruction if bounded or row.reconstruction == "relative" else "mse"
    return Objective(
        reconstruction=resolved["reconstruction"] or default,
        reduction=resolved["reduction"],
        weights={
            term: float(resolved[weight] if isinstance(weight, str) else weight)
            for term, weight in row.terms.items()
        },
        penalties=row.penalties,
        weighs_sum=row.weighs_sum,
    )
