"""The options of each method: names, types, ranges, defaults and help, in one place."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticUndefined

from latentrank.errors import InputError, check_all_known, check_is
from latentrank.term import RESERVED, Term

Weight = Annotated[float, Field(ge=0)]


class MethodOptions(BaseModel):
    """Base class of method options; a new method derives from it, or from a class below."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ReconstructionOptions(MethodOptions):
    """Options of every method that reconstructs."""

    reconstruction: Literal["mse", "bce", "relative"] | None = Field(
        default=None,
        description="squared error, cross-entropy, or relative error |x - x'| / |x| of the batch; "
        "by default the method's",
    )
    reduction: Literal["mean", "sum"] = Field(
        default="mean",
        description="reduction of mse and bce over the values of a sample; relative has none",
    )


def check_class(method: str, kind: object, reconstructs: bool) -> None:
    """Reject what cannot be the class of a method's options.

    Args:
        method: name of the method.
        kind: the class.
        reconstructs: whether the method is trained by a reconstruction loss.

    Raises:
        InputError: it is not derived from the base class of such options.
    """
    base = ReconstructionOptions if reconstructs else MethodOptions
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise InputError(
            f"The options of {method} are {kind!r}, expected a class derived from "
            f"latentrank.methods.{base.__name__}; derive it."
        )


def check_terms(method: str, terms: object, kind: type[MethodOptions]) -> None:
    """Reject what cannot be the loss terms of a method.

    Args:
        method: name of the method.
        terms: its loss terms.
        kind: class of its options.

    Raises:
        InputError: they are no tuple of terms, a name is used twice or is that of the loss, or a
            weight is an option that there is not.
    """
    check_is(terms, tuple, f"The attribute terms of {method}")
    names = set(RESERVED)
    for term in cast(tuple[object, ...], terms):
        check_is(term, Term, f"A term of {method}")
        name = cast(Term, term).name
        if name in names:
            twice = f"two terms named '{name}'"
            other = f"a term named '{name}', which is the name of the objective's own value"
            raise InputError(f"{method} has {other if name in RESERVED else twice}; rename it.")
        names.add(name)
        weight = cast(Term, term).weight
        if isinstance(weight, str) and weight not in kind.model_fields:
            raise InputError(
                f"The weight of the term '{cast(Term, term).name}' of {method} is the option "
                f"'{weight}', which it does not have; add it to the options."
            )


class L1Options(ReconstructionOptions):
    """Options of `ae-l1`."""

    penalty: Weight = Field(default=1e-4, description="weight of sum |z|, averaged over the batch")


class L2Options(ReconstructionOptions):
    """Options of `ae-l2`."""

    penalty: Weight = Field(default=1e-4, description="weight of sum z^2, averaged over the batch")


class VAEOptions(ReconstructionOptions):
    """Options of `vae`."""

    beta: Weight = Field(
        default=1.0, description="weight of the KL divergence; 1 gives the evidence lower bound"
    )


class VAEFlowOptions(VAEOptions):
    """Options of `vae-flow`."""

    flow: Literal["planar", "iaf"] = Field(
        default="planar",
        description="kind of flow: planar, or iaf (inverse autoregressive; needs zuko)",
    )
    # K = 10 is the shortest flow that the paper tries on MNIST.
    flow_depth: int = Field(default=10, ge=1, le=1000, description="number of layers of the flow")


class WAEOptions(ReconstructionOptions):
    """Options of `wae`."""

    # The paper's weight on MNIST, which sums the squared error over a sample. Its public code uses
    # a twentieth of that error, so 200 there.
    penalty: Weight = Field(
        default=10.0, description="weight of the MMD, relative to the summed squared error"
    )


# RAE's public code averages the squared error over pixels and the squared code over its L
# numbers, with a weight of 1e-4 and L = 16 on MNIST, and adds 1e-7 times the decoder's squared
# weights: 1.25e-5 and 2e-7 times the terms here. Two of its weights mean something else there.
# That for SN, 9e-3, presumes batch normalisation between the layers; without it codes must be
# large, and the error on MNIST doubles. That for GP, 5e-8, is on the gradient of ||D(z)||^2; the
# one here takes three quarters off ||grad_z D(z)||^2 on MNIST for 2 % more error.
class RAEOptions(ReconstructionOptions):
    """Options of all RAE methods."""

    penalty: Weight = Field(
        default=1.25e-5, description="weight of ||z||^2 / 2, averaged over the batch"
    )


class RAEL2Options(RAEOptions):
    """Options of `rae-l2`."""

    decoder_penalty: Weight = Field(
        default=2e-7, description="weight of half the sum of the decoder's squared parameters"
    )


class RAEGPOptions(RAEOptions):
    """Options of `rae-gp`."""

    decoder_penalty: Weight = Field(default=1e-4, description="weight of ||grad_z D(z)||^2")


class ChainOptions(ReconstructionOptions):
    """Options of methods with a chain of matrices."""

    depth: int = Field(
        default=4, ge=1, le=1000, description="number of square matrices in the chain"
    )
    init_variance: float = Field(
        default=1.0,
        gt=0,
        description="initial variance of the matrices' entries, as a multiple of the default",
    )


class IRMAEOptions(ChainOptions):
    """Options of `irmae`."""

    fixed: bool = Field(default=False, description="ablation: do not train the matrices")
    nonlinear: bool = Field(default=False, description="ablation: a ReLU between the matrices")
    shared: bool = Field(default=False, description="ablation: one matrix, applied depth times")


_TOLERANCE = Field(
    default=0.01,
    gt=0,
    lt=1,
    description="what rank auto may add to the error of a wide code, as a fraction of the variance "
    "of the data",
)


class LoRAEOptions(ReconstructionOptions):
    """Options of `lorae`."""

    penalty: Weight = Field(default=1e-3, description="weight of the nuclear norm")
    solver: Literal["auto", "svd", "gram", "polar"] = Field(
        default="auto", description="how the nuclear norm is computed"
    )
    rank: int | Literal["auto"] | None = Field(
        default=None, description="rank to reach by adjusting the penalty, or auto"
    )
    target_error: float | None = Field(
        default=None,
        gt=0,
        description="validation error to reach by adjusting the penalty",
    )
    tolerance: float = _TOLERANCE


class RankOptions(ReconstructionOptions):
    """Options of every method whose code has a given rank."""

    rank: int | None = Field(
        default=None,
        description="directions to keep, 1 to latent_dim (default: 8, or fewer for narrow codes)",
    )


class AdaptiveRankOptions(ReconstructionOptions):
    """Options of every method that can also find its rank."""

    rank: int | Literal["auto"] | None = Field(
        default=None,
        description="directions to keep, 1 to latent_dim (default: 8, or fewer for narrow codes), "
        "or auto",
    )
    adapt: Literal["shrink", "grow"] = Field(
        default="shrink", description="how rank auto searches: down from max_rank, or up from one"
    )
    max_rank: int | None = Field(
        default=None,
        description="largest rank that rank auto tries, 1 to latent_dim (default: 32, or fewer "
        "for narrow codes)",
    )
    tolerance: float = _TOLERANCE


class RRAEOptions(AdaptiveRankOptions):
    """Options of `rrae`."""

    second_stage_epochs: int = Field(
        default=0,
        ge=0,
        description="additional epochs that train the decoder alone, on projected codes",
    )


class AdaptiveRRAEOptions(RRAEOptions):
    """Options of `rrae-adaptive`: those of `rrae`, with automatic rank selection by default."""

    rank: int | Literal["auto"] | None = Field(
        default="auto", description=str(AdaptiveRankOptions.model_fields["rank"].description)
    )


class WeakRRAEOptions(RankOptions):
    """Options of `rrae-weak`."""

    penalty: Weight = Field(default=1.0, description="weight of the misfit between codes and basis")
    learned_coefficients: bool = Field(
        default=False, description="learn coefficients for each training sample, as in the paper"
    )
    kappa: float = Field(
        default=0.25,
        gt=0,
        description="learning rate of the coefficients, relative to that of the networks",
    )


class VRRAEOptions(AdaptiveRankOptions):
    """Options of `vrrae`."""

    beta: Weight = Field(default=1e-3, description="weight of the KL divergence")


def validate(method: str, kind: type[MethodOptions], given: Mapping[str, Any]) -> MethodOptions:
    """The options of a method from plain values, with defaults for the rest.

    Args:
        method: its name, for messages.
        kind: the class of its options.
        given: values by name; NumPy scalars are accepted.

    Raises:
        InputError: an option that the method does not have, or a value of another type or out
            of range.

    Example:
        >>> validate("lorae", LoRAEOptions, {"penalty": 0.1}).penalty
        0.1
        >>> validate("irmae", IRMAEOptions, {"depth": "deep"})
        Traceback (most recent call last):
        latentrank.errors.InputError: depth is 'deep', expected an integer from 1 to 1000...
    """
    check_all_known(f"option of {method} called", given, kind.model_fields)
    plain = {name: getattr(value, "item", lambda v=value: v)() for name, value in given.items()}
    try:
        return kind(**plain)
    except ValidationError as error:
        raise refusal(error, kind, f"The combination of options of {method}") from None


def refusal(error: ValidationError, kind: type[BaseModel], whole: str) -> InputError:
    """The first validation error, in one sentence.

    Args:
        error: raised by the class.
        kind: the class.
        whole: what its values are called together.
    """
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return cause
    name = str(first["loc"][0]) if first["loc"] else whole
    if name not in kind.model_fields:
        return InputError(f"{name} cannot be used: {reason(first)}.")
    default = kind.model_fields[name].default
    such_as = "" if default in (None, [], PydanticUndefined) else f", such as {default}"
    return InputError(f"{name} is {first['input']!r}, expected {expected(kind, name)}{such_as}.")


def reason(found: Mapping[str, Any]) -> str:
    """What one of the errors in a `ValidationError` says, without pydantic's words around it."""
    return str(found["msg"]).removeprefix("Value error, ").rstrip(".")


def expected(kind: type[BaseModel], name: str) -> str:
    """The type and range of an option, in words.

    Example:
        >>> expected(LoRAEOptions, "rank"), expected(LoRAEOptions, "tolerance")
        ('an integer, or auto', 'a number above 0 and below 1')
    """
    field = kind.model_fields[name]
    kinds = [_in_words(part) for part in _alternatives(field.annotation)]
    return ", or ".join(filter(None, kinds)) + _bounds(field.metadata)


def _alternatives(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return list(typing.get_args(annotation))
    return [annotation]


_WORDS: dict[Any, str] = {
    bool: "true or false", int: "an integer", float: "a number", str: "text",
    type(None): "",
}  # fmt: skip


def _in_words(part: Any) -> str:
    if typing.get_origin(part) is Literal:
        *most, last = map(str, typing.get_args(part))
        return f"{', '.join(most)} or {last}" if most else last
    if typing.get_origin(part) is list:
        inner = typing.get_args(part)[0]
        named = f"{inner.__name__.lower()}s" if isinstance(inner, type(BaseModel)) else None
        return f"a list of {named or _in_words(inner)}"
    if typing.get_origin(part) is dict:
        return "names with values"
    return _WORDS.get(part, getattr(part, "__name__", str(part)))


def _bounds(metadata: list[Any]) -> str:
    bounds = [
        f"{word} {getattr(part, sign):.12g}"
        for part in metadata
        for sign, word in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below"))
        if getattr(part, sign, None) is not None
    ]
    if len(bounds) == 1:  # "of at least 1", but "from 1 to 5"
        bounds = [bounds[0].replace("from", "of at least").replace("to", "of at most")]
    return f" {' and '.join(bounds)}".replace(" and to ", " to ") if bounds else ""
