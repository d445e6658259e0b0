"""All kinds of alignment by name. A new kind is a new file with options and a function, and a line in ``KINDS``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from jointst.common.errors import JointstError
from jointst.ops.alignment import monotone, simple
from jointst.ops.alignment.result import Alignment
from jointst.ops.alignment.sinkhorn import SinkhornOptions, sinkhorn
from jointst.ops.alignment.soft_dtw import SoftDtwOptions, soft_dtw


@dataclass(frozen=True)
class Kind:
    """A kind of alignment.

    Attributes:
        options: a frozen dataclass that checks its values.
        function: ``(cost, speech_lengths, text_lengths, options, check) -> Alignment``.
        reads_cost: whether the alignment depends on the cost; if not, only its total does.
        soft: whether it gives weights instead of positions.
    """

    options: type[Any]
    function: Callable[[Tensor, Tensor, Tensor, Any, bool], Alignment]
    reads_cost: bool = True
    soft: bool = False


KINDS: Mapping[str, Kind] = {
    "best": Kind(monotone.BestOptions, monotone.best),
    "mas": Kind(monotone.MasOptions, monotone.mas),
    "dtw": Kind(monotone.DtwOptions, monotone.dtw),
    "framewise": Kind(simple.FramewiseOptions, simple.framewise, reads_cost=False),
    "random": Kind(simple.RandomOptions, simple.random, reads_cost=False),
    "nearest": Kind(simple.NearestOptions, simple.nearest),
    "forced": Kind(simple.ForcedOptions, simple.forced, reads_cost=False),
    "soft_dtw": Kind(SoftDtwOptions, soft_dtw, soft=True),
    "sinkhorn": Kind(SinkhornOptions, sinkhorn, soft=True),
}


def kind_of(name: str) -> Kind:
    """A kind by name.

    Raises:
        JointstError: there is none of that name.
    """
    if name not in KINDS:
        raise JointstError(f"alignment {name!r} is unknown; known: {' '.join(KINDS)}")
    return KINDS[name]


def make_options(name: str, options: Mapping[str, Any]) -> Any:
    """The options of a kind, checked.

    Raises:
        JointstError: an option that the kind does not have or needs, or a value that cannot work.
    """
    cls = kind_of(name).options
    fields = dataclasses.fields(cls)
    known = [field.name for field in fields]
    for key in options:
        if key not in known:
            raise JointstError(f"alignment {name} has no option {key!r}; it has: {' '.join(known) or 'none'}")
    for field in fields:
        if field.default is dataclasses.MISSING and field.name not in options:
            raise JointstError(f"alignment {name} needs the option {field.name!r}")
    return cls(**options)


def align(
    kind: str, cost: Tensor, speech_lengths: Tensor, text_lengths: Tensor, *, check: bool = True, **options: Any
) -> Alignment:
    """Align speech with text.

    Args:
        kind: a name in ``KINDS``.
        cost: (..., B, N, M) float; leading dimensions, such as layers, share the lengths and one kernel launch. Half
            precision is widened to float32. Entries outside the lengths have no influence; they may be NaN or inf.
        speech_lengths: (B,) int64, each 1 to N.
        text_lengths: (B,) int64, each 1 to M.
        check: refuse lengths that do not fit and utterances without a valid path. That reads values on the host,
            which waits for a GPU; without it, such utterances have a total of inf or NaN.
        options: of the kind, as the fields of its options class say.

    Returns:
        Positions (hard kinds) or weights (soft kinds), and the total cost of each utterance.

    Raises:
        JointstError: an unknown kind or option, or an utterance that cannot be aligned, with its index and lengths.
        EnvironmentFault: a CUDA tensor without numba-cuda.
    """
    return kind_of(kind).function(cost, speech_lengths, text_lengths, make_options(kind, options), check)
