"""Stage 6: the loss, and every alignment its consistency part can take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from jointst.config.check import require


@dataclass(frozen=True, kw_only=True)
class AlignmentConfig:
    """Options of the alignment; one that the chosen kind does not have must stay as it is here."""

    band: int | None = None
    """Text positions that a frame may be off the diagonal; null for any (not framewise, not random)."""
    ends: Literal["free", "pinned"] = "free"
    """Pinned: first and last frames take the first and last text position (best)."""
    max_step: int = 0
    """Text positions from one frame to the next at most (mas); 0 for 1, or where text is longer than speech for the
    least with which the utterance has a path."""
    gamma: float = 0.1
    """Temperature in units of distance (soft_dtw)."""
    temperature: float = 0.1
    """Weight of the entropy in units of distance (sinkhorn)."""
    iterations: int = 20
    """Updates of both sides (sinkhorn)."""
    prior: float = 0.2
    """Deviation of the prior around the diagonal, in shares of the utterance; 0 for none (sinkhorn)."""

    def __post_init__(self) -> None:
        require(self.band is None or self.band >= 1, "band", f"is {self.band}", "at least 1, or null for none")
        for key in ("max_step", "prior"):
            require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        for key in ("gamma", "temperature", "iterations"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "above 0")

    def of(self, alignment: str) -> dict[str, Any]:
        """The options that a kind of alignment takes."""
        return {key: getattr(self, key) for key in ALIGNMENT_OPTIONS[alignment]}


ALIGNMENT_OPTIONS: dict[str, tuple[str, ...]] = {
    "best": ("ends", "band"),
    "mas": ("max_step", "band"),
    "dtw": ("band",),
    "framewise": (),
    "random": (),
    "nearest": ("band",),
    "soft_dtw": ("gamma", "band"),
    "sinkhorn": ("temperature", "iterations", "prior", "band"),
    "forced": (),
}
"""Settings of each kind of alignment in :mod:`jointst.ops.alignment` that training can use."""


TrainingAlignment: TypeAlias = Literal[
    "best", "mas", "dtw", "framewise", "random", "nearest", "soft_dtw", "sinkhorn", "forced"
]


@dataclass(frozen=True, kw_only=True)
class ConsistencyConfig:
    """The consistency loss between speech and text states of paired utterances."""

    weight: float = 0.3
    """Weight of the loss once ramped in; 0 turns it off."""
    alignment: TrainingAlignment = "best"
    """How frames are paired with text positions; forced follows model.text_encoder.durations."""
    options: AlignmentConfig = field(default_factory=AlignmentConfig)
    """Options of the alignment."""
    distance: Literal["l2", "squared_l2", "mae", "cosine"] = "l2"
    """Distance of two states."""
    normalise: bool = True
    """Layer-normalise states before the distance, so that it cannot be won by shrinking norms."""
    centre: bool = False
    """First take from all states their mean over the batch, so that it cannot be won by what they have in common either
    [ours]."""
    start_update: int = 1500
    """The loss is off before this update: on a fresh model it collapses the states."""
    ramp_updates: int = 500
    """The weight grows linearly over this many updates."""
    end_update: int | None = None
    """The weight falls linearly to 0 over the ramp_updates before this update, from which on the loss is off; null
    keeps it on to the end."""
    layers: tuple[int, ...] = ()
    """Shared-encoder layers to compare, counted from 0 over streaming then full-context, or from the last one by -1, -2
    and so on; empty for all."""
    layer_weights: tuple[float, ...] = ()
    """Weights of these layers in the loss, which is their weighted mean; empty for equal ones."""
    stop_gradient: Literal["none", "speech", "text"] = "none"
    """The side that the loss does not train."""
    soft_gradient: Literal["fixed", "through"] = "fixed"
    """Whether the weights of soft_dtw and sinkhorn are constants, or the gradient goes through sinkhorn's too."""

    def __post_init__(self) -> None:
        for key in ("weight", "start_update", "ramp_updates"):
            require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        least = self.start_update + self.ramp_updates
        fits = self.end_update is None or self.end_update > least
        require(fits, "end_update", f"is {self.end_update}", f"above {least}, start_update and ramp_updates")
        for key, value in vars(self.options).items():
            unused = key not in ALIGNMENT_OPTIONS[self.alignment] and value != getattr(AlignmentConfig, key)
            require(not unused, f"options.{key}", f"is set, and {self.alignment} has no such option", "remove it")
        require(len(set(self.layers)) == len(self.layers), "layers", f"repeats a layer: {self.layers}")
        weights = self.layer_weights
        if weights:
            require(min(weights) >= 0 and sum(weights) > 0, "layer_weights", f"is {weights}", "from 0, and one above")
            fits = len(weights) == len(self.layers) or not self.layers
            require(fits, "layer_weights", f"has {len(weights)} weights for {len(self.layers)} layers")
        through = self.soft_gradient == "through"
        require(not through or self.alignment == "sinkhorn", "soft_gradient", "is through", "for sinkhorn only")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the parts of the training loss."""

    speech: float = 1.0
    """Transducer losses of both decoders on speech."""
    text: float = 0.5
    """Transducer losses of both decoders on masked text; 0 trains on speech alone."""
    streaming: float = 0.5
    """Share of the streaming decoder in each transducer loss; the full-context decoder has the rest."""
    ctc: float = 0.5
    """Auxiliary CTC on the audio encoder; on the shared encoders it learns more slowly [ours]."""
    ctc_only_updates: int = 300
    """Updates in which CTC alone is trained: on little data transducers start slowly."""
    additive: float = 0.5
    """Weight of the additive joiner's loss, which finds the band (model.decoder.band), in each transducer loss."""
    exact_updates: int = 0
    """Updates after those of CTC alone in which the lattice is exact, while the additive joiner learns where the band
    should be."""
    fastemit: float = 0.0
    """Scale added to label gradients for earlier emission (arXiv 2010.11148)."""
    consistency: ConsistencyConfig = field(default_factory=ConsistencyConfig)
    """The consistency loss."""

    def __post_init__(self) -> None:
        for key in ("speech", "text", "ctc", "ctc_only_updates", "exact_updates", "fastemit"):
            require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        require(self.additive > 0, "additive", f"is {self.additive}", "> 0 (model.decoder.band: 0 goes without)")
        require(0.0 <= self.streaming <= 1.0, "streaming", f"is {self.streaming}", "0 to 1")
        require(self.ctc > 0 or self.ctc_only_updates == 0, "ctc_only_updates", "needs ctc > 0")
        require(self.speech + self.text > 0, "speech", "and text are both 0", "nothing to train")
