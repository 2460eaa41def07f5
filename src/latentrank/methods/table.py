"""Every method as a row of one table: its bottleneck, its loss terms, its options, its paper.

A method is data, not a class. To add one, add a row (and, if necessary, a new bottleneck):
training, reports, export and the command line then support it. Another package adds a row with an
entry point of the group `latentrank.methods`, and `register` adds one to the current process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from latentrank.errors import check_is, check_takes
from latentrank.methods import option_types as o
from latentrank.registry import Registry
from latentrank.term import Term

if TYPE_CHECKING:
    from torch import nn

    from latentrank.bottlenecks import Bottleneck

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


#: Builds the bottleneck from the width `L` of the code, the options, and the number of directions
#: that the options request (`L` if the method has no such option).
MakeBottleneck = Callable[[int, Any, int], "Bottleneck"]


def _later(module: str, name: str) -> Callable[..., Any]:
    """A function or class that is imported when called, so that the table does not import torch."""
    return partial(_imported, module, name)


def _imported(module: str, name: str, *args: Any, **options: Any) -> Any:
    return getattr(import_module(f"latentrank.{module}"), name)(*args, **options)


def _loss(name: str) -> Callable[..., Any]:
    return _later("losses", name)


def _bottleneck(name: str, *options: str) -> MakeBottleneck:
    """Builds a class of `latentrank.bottlenecks` from the named options of the method."""
    make = _later("bottlenecks", name)

    def build(latent_dim: int, chosen: Any, rank: int) -> Bottleneck:
        found = {**vars(chosen), "rank": rank}
        bottleneck: Bottleneck = make(latent_dim, **{option: found[option] for option in options})
        return bottleneck

    return build


_IDENTITY = _bottleneck("Identity")


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes:
        name: name as on the command line.
        summary: what it does, in one line.
        paper: its source.
        options: class of its options.
        bottleneck: builds the module between encoder and decoder.
        terms: loss terms besides the reconstruction; a weight may be the name of an option.
        reconstruction: the reconstruction loss. `bce` is for data in [0, 1]; for others, `mse`
            replaces it.
        output: final activation of the decoder for data in [0, 1].
        weights_assume_sum: see `Objective.weights_assume_sum`.
        weight_decay: weight decay of the optimiser.
        learning_rate: initial learning rate.
        prepare_encoder: transformation of a new encoder before training, if any.
        prepare_decoder: likewise for the decoder.
        game: what a GAN's two networks minimise, a name in `latentrank.losses.GAMES`; None for an
            autoencoder.
        rank_search: how `rank auto` finds the rank, a name in `latentrank.training.rank_search`;
            None if the method has no automatic rank selection.
        rank_search_term: loss term whose weight that search adjusts, if any.
        closed_form: solved in one pass over the data instead of by gradient descent.
    """

    name: str
    summary: str
    paper: str
    options: type[o.MethodOptions] = o.ReconstructionOptions
    bottleneck: MakeBottleneck = _IDENTITY
    terms: tuple[Term, ...] = ()
    reconstruction: Literal["mse", "bce", "relative"] = "mse"
    output: Literal["tanh", "sigmoid"] = "tanh"
    weights_assume_sum: bool = False
    weight_decay: float = 0.0
    learning_rate: float = 5e-4
    prepare_encoder: Callable[[nn.Module], nn.Module] | None = None
    prepare_decoder: Callable[[nn.Module], nn.Module] | None = None
    game: str | None = None
    rank_search: str | None = None
    rank_search_term: str | None = None
    closed_form: bool = False

    def __post_init__(self) -> None:
        # A GAN has no reconstruction, and PCA no choice of one.
        o.check_class(self.name, self.options, self.game is None and not self.closed_form)
        arguments = ("latent_dim", "options", "rank")
        check_takes(self.bottleneck, arguments, f"The bottleneck of {self.name}")
        o.check_terms(self.name, self.terms, self.options)

    def default_reconstruction(self, bounded: bool) -> str:
        """The default reconstruction loss."""
        return "mse" if self.reconstruction == "bce" and not bounded else self.reconstruction


_SPECTRAL = _later("nets.spectral", "spectrally_normalised")


def _gan(name: str, summary: str, paper: str, game: str) -> Method:
    # Adam's rate and the Tanh at the end are those of DCGAN (Radford, Metz and Chintala 2016). The
    # networks here lack its batch normalisation, without which the discriminator wins within 200
    # steps on MNIST. Spectral normalisation (Miyato et al. 2018) prevents that, and works for a
    # batch of one. With a sigmoid, which is flat where images are black, the generator still
    # collapsed to black images.
    return Method(
        name,
        summary,
        paper,
        o.MethodOptions,
        _bottleneck("Discriminator"),
        learning_rate=2e-4,
        prepare_encoder=_SPECTRAL,
        game=game,
    )


_RRAE = Method(
    "rrae",
    "Truncates the codes of each batch to their leading singular directions.",
    RRAE,
    o.RRAEOptions,
    _bottleneck("TruncatedSVD", "rank"),
    reconstruction="relative",
    rank_search="shrink",
)

_VAE = Method(
    "vae",
    "Variational autoencoder: Gaussian posterior, pulled towards N(0, I).",
    VAE,
    o.VAEOptions,
    _bottleneck("Gaussian"),
    terms=(Term("kl", "beta"),),
    reconstruction="bce",
    output="sigmoid",
    weights_assume_sum=True,
)

#: The term of every regularised autoencoder.
_CODE = Term("code", "penalty", _loss("half_l2"))

_TABLE = [
    Method(
        "pca",
        "Principal component analysis (POD): the best linear autoencoder, in closed form.",
        "the linear baseline; Eckart, Young: Psychometrika, 1936",
        o.MethodOptions,
        closed_form=True,
    ),
    Method(
        "ae",
        "Plain autoencoder, without constraints on the code.",
        "the baseline in every paper reproduced here",
    ),
    Method(
        "ae-l1",
        "Autoencoder with a penalty on the L1 norm of the code.",
        f"{IRMAE}, figure 2",
        o.L1Options,
        terms=(Term("l1", "penalty", _loss("l1")),),
    ),
    Method(
        "ae-l2",
        "Autoencoder with a penalty on the squared L2 norm of the code.",
        f"{IRMAE}, figure 2",
        o.L2Options,
        terms=(Term("l2", "penalty", _loss("l2")),),
    ),
    _VAE,
    replace(
        _VAE,
        name="vae-flow",
        summary="VAE whose posterior samples pass through a normalizing flow.",
        paper=FLOW,
        options=o.VAEFlowOptions,
        bottleneck=_bottleneck("FlowPosterior", "flow", "flow_depth"),
    ),
    Method(
        "wae",
        "Autoencoder with a penalty on the MMD between its codes and N(0, I).",
        WAE,
        o.WAEOptions,
        terms=(Term("mmd", "penalty", _loss("mmd")),),
        weights_assume_sum=True,
    ),
    Method(
        "rae-l2",
        "Autoencoder with small codes and weight decay on the decoder.",
        RAE,
        o.RAEL2Options,
        terms=(_CODE, Term("decoder_l2", "decoder_penalty", _loss("decoder_l2"))),
    ),
    Method(
        "rae-gp",
        "Autoencoder with small codes and a penalty on the decoder's gradient.",
        RAE,
        o.RAEGPOptions,
        terms=(_CODE, Term("decoder_gradient", "decoder_penalty", _loss("decoder_gradient"))),
    ),
    Method(
        "rae-sn",
        "Autoencoder with small codes and a spectrally normalised decoder.",
        RAE,
        o.RAEOptions,
        terms=(_CODE,),
        prepare_decoder=_SPECTRAL,
    ),
    Method(
        "irmae",
        "A chain of square matrices after the encoder; gradient descent drives it to low rank.",
        IRMAE,
        o.IRMAEOptions,
        _bottleneck("LinearChain", "depth", "init_variance", "fixed", "nonlinear", "shared"),
    ),
    Method(
        "irmae-wd",
        "IRMAE with slight weight decay: unused directions shrink until the spectrum has a gap.",
        IRMAE_WD,
        o.ChainOptions,
        _bottleneck("LinearChain", "depth", "init_variance"),
        weight_decay=1e-6,
        rank_search="gap",
    ),
    Method(
        "lorae",
        "One matrix after the encoder, with a penalty on its nuclear norm.",
        LORAE,
        o.LoRAEOptions,
        _bottleneck("NuclearNorm", "solver"),
        terms=(Term("nuclear_norm", "penalty"),),
        rank_search="penalty",
        rank_search_term="nuclear_norm",
    ),
    _RRAE,
    replace(
        _RRAE,
        name="rrae-adaptive",
        summary="RRAE that lowers its rank as long as the error recovers: `rrae --rank auto`.",
        options=o.AdaptiveRRAEOptions,
    ),
    Method(
        "rrae-weak",
        "Learns a low-rank basis together with the encoder, and pulls codes into its span.",
        RRAE,
        o.WeakRRAEOptions,
        _bottleneck("LearnedBasis", "rank", "learned_coefficients", "kappa"),
        terms=(Term("basis_fit", "penalty"),),
        reconstruction="relative",
    ),
    Method(
        "vrrae",
        "RRAE with a Gaussian posterior on the coefficients of the truncated batch.",
        VRRAE,
        o.VRRAEOptions,
        _bottleneck("GaussianSVD", "rank"),
        terms=(Term("kl", "beta"),),
        reconstruction="relative",
        rank_search="shrink",
    ),
    _gan(
        "gan",
        "Generator against discriminator in a minimax game; the generator often stops learning.",
        f"{GAN_PAPER}, equation 1",
        "minimax",
    ),
    _gan(
        "lsgan",
        "Generator against discriminator, with squared errors as losses.",
        LSGAN,
        "least-squares",
    ),
    _gan(
        "nsgan",
        "Generator against discriminator; the generator maximises log D(G(z)).",
        f"{GAN_PAPER}, section 3",
        "non-saturating",
    ),
]

#: Methods by name. Another package adds one with an entry point in `latentrank.methods`.
METHODS = Registry(
    "method",
    "latentrank.methods",
    {row.name: row for row in _TABLE},
    check=lambda what, value: check_is(value, Method, what),
)


def names() -> list[str]:
    """The names of all methods.

    Example:
        >>> "lorae" in names()
        True
    """
    return METHODS.names()


def get(name: str) -> Method:
    """The row of one method.

    Args:
        name: as in `names()`.

    Raises:
        InputError: there is no such method; the nearest name is suggested.
    """
    return METHODS.get(name)


def register(method: Method) -> Method:
    """Add your own method to the table, in the current process.

    A saved model of it can be loaded once the method is registered again.

    Args:
        method: the row; its bottleneck may be in any module.

    Raises:
        InputError: there is a method of that name, or `method` is not a row.
    """
    check_is(method, Method, "The method")
    return METHODS.register(method.name, method)


def options(
    method: str, given: Mapping[str, Any] | o.MethodOptions | None = None
) -> o.MethodOptions:
    """The options of a method, with defaults for those not given.

    Raises:
        InputError: an unknown method, an option that it does not have, or a value of another
            type or out of range.

    Example:
        >>> options("lorae", {"penalty": 0.1}).penalty, options("irmae").depth
        (0.1, 4)
    """
    kind = get(method).options
    if isinstance(given, o.MethodOptions):
        given = given.model_dump()
    return o.validate(method, kind, given or {})
