"""Stage 6: the model, and presets of its size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from jointst.common.units import Milliseconds
from jointst.config.check import require
from jointst.config.encoder import FRAME, AudioEncoderConfig

Decoder: TypeAlias = Literal["streaming", "full_context"]
"""The decoder after the streaming encoder (first pass), or after the full-context encoder (second pass)."""


@dataclass(frozen=True, kw_only=True)
class TextEncoderConfig:
    """Phonemes to states at about the rate of speech."""

    layers: int = 1
    """Conformer layers [ours]."""
    upsampling: Literal["none", "fixed", "uniform", "gaussian", "durations"] = "fixed"
    """How often each phone is repeated: once; ``repeats`` times; 1..``repeats`` at random; about ``repeats``
    with standard deviation ``spread`` at random; as often as given durations say [JOIST]."""
    repeats: int = 2
    """Repeats of a phone; fixed x 3 is as good as any [JOIST], at 40 ms a position x 2 fits our data better."""
    spread: float = 0.5
    """Standard deviation of Gaussian repeats."""
    durations: str | None = None
    """Folder that ``jointst durations`` wrote, ``exp/paired/durations``, say; for upsampling: durations."""
    mask_share: float = 0.15
    """Share of positions masked in training [JOIST]."""
    mask_span: int = 5
    """Length of a masked span in positions [JOIST]."""

    def __post_init__(self) -> None:
        require(self.layers >= 0, "layers", f"is {self.layers}", "at least 0")
        require(self.repeats >= 1, "repeats", f"is {self.repeats}", "at least 1")
        require(self.spread >= 0, "spread", f"is {self.spread}", "at least 0")
        require(0.0 <= self.mask_share < 1.0, "mask_share", f"is {self.mask_share}", "0 <= share < 1")
        require(self.mask_span >= 1, "mask_span", f"is {self.mask_span}", "at least 1")


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """A transducer decoder: predictor and joiner."""

    kind: Literal["hat", "rnnt"] = "hat"
    """HAT keeps P(blank) apart from the labels' softmax (arXiv 2003.07705); rnnt has one softmax."""
    predictor: Literal["embedding", "lstm"] = "embedding"
    """Embeddings of the last ``context`` labels [JOIST], or an LSTM over all of them."""
    context: int = 2
    """Labels the embedding predictor sees [JOIST]."""
    embedding_dim: int = 128
    """Width of label embeddings."""
    joint_dim: int = 128
    """Width of the joiner."""
    band: int = 6
    """Labels of each frame at which the joiner is computed in training, chosen by an additive joiner (arXiv
    2206.13236); more where an utterance would have no path; 0 for the exact lattice."""
    lattice_bytes: int | None = None
    """Memory budget of one time chunk of the joiner, in bytes; chunks are recomputed in backward, and
    lattices that fit into one are kept instead. null for what suits the device."""

    def __post_init__(self) -> None:
        for key in ("context", "embedding_dim", "joint_dim"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        budget = self.lattice_bytes
        require(budget is None or budget > 0, "lattice_bytes", f"is {budget}", "> 0, or null")
        require(self.band == 0 or self.band >= 2, "band", f"is {self.band}", "at least 2, or 0 for the exact lattice")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The joint model. ``size`` fills the other fields; a field that is stated as well wins over it."""

    size: Literal["tiny", "small", "joist"] = "tiny"
    """Preset: tiny about 2.4 M, small about 30 M, joist the published sizes of arXiv 2210.07353."""
    dim: int = 128
    """Width of the audio, text and streaming encoders."""
    full_context_dim: int = 128
    """Width of the full-context encoder."""
    audio_encoder: AudioEncoderConfig = field(default_factory=AudioEncoderConfig)
    """Our own audio encoder or a pretrained one. One that must hear the whole utterance leaves no streaming first pass:
    then all layers see everything, and the full-context decoder is the only one."""
    audio_layers: int = 2
    """Conformer layers of the audio encoder, after subsampling or on top of a pretrained encoder."""
    streaming_layers: int = 3
    """Conformer layers of the shared streaming encoder."""
    full_context_layers: int = 2
    """Conformer layers of the shared full-context encoder."""
    heads: int = 4
    """Attention heads."""
    feed_forward_multiplier: int = 4
    """Inner width of the feed-forward modules, in widths."""
    kernel_size: int = 15
    """Kernel of the depthwise convolutions, in positions."""
    subsampling: Literal[2, 4, 8] = 4
    """Feature frames for each encoder position; with a pretrained encoder, frames of 10 ms."""
    chunk: int = 8
    """Positions of a chunk of the streaming encoders: attention inside it looks ahead, never beyond it."""
    left_chunks: int = 8
    """Chunks of the past that streaming attention sees."""
    right_context: int = -1
    """Positions of the future that the full-context encoder sees in all, shared out evenly over its layers (rounded
    down), whose convolutions are then causal; -1 for the whole utterance. [JOIST] 900 ms."""
    dropout: float = 0.1
    """Dropout in the conformer layers."""
    language_embedding: bool = False
    """Add a learned vector of the utterance's language to what enters the shared encoders, for speech and text."""
    ctc_target: Literal["labels", "phones"] = "phones"
    """What the auxiliary CTC of the audio encoder spells: the decoders' labels, or what the text encoder reads, so that
    speech enters the shared encoders as text does [ours: on mini words never heard are recalled far more often]."""
    text_encoder: TextEncoderConfig = field(default_factory=TextEncoderConfig)
    """The text encoder."""
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    """Both decoders have this form, not these weights."""

    def __post_init__(self) -> None:
        sizes = ("dim", "full_context_dim", "streaming_layers", "full_context_layers", "heads", "chunk")
        for key in (*sizes, "feed_forward_multiplier"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        for key in ("audio_layers", "left_chunks"):
            require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        for key in ("dim", "full_context_dim"):
            width = getattr(self, key)
            require(width % (2 * self.heads) == 0, key, f"is {width} with {self.heads} heads", "a multiple of 2 heads")
        require(self.kernel_size > 0 and self.kernel_size % 2 == 1, "kernel_size", f"is {self.kernel_size}", "odd, > 0")
        require(0.0 <= self.dropout < 1.0, "dropout", f"is {self.dropout}", "0 <= dropout < 1")
        require(self.right_context >= -1, "right_context", f"is {self.right_context}", "-1 for all, or at least 0")
        pretrained = self.audio_encoder.pretrained
        if pretrained is not None:
            least = max(pretrained.state, pretrained.row)
            fits = (self.subsampling * FRAME) % least == 0
            problem = f"is {self.subsampling}, positions of {self.subsampling * FRAME:g} ms"
            require(fits, "subsampling", problem, f"{self.audio_encoder.kind} has a state for each {least:g} ms")
            whole = self.streams or self.right_context == -1
            problem = f"is {self.right_context}, but {self.audio_encoder.kind} hears the whole utterance"
            require(whole, "right_context", problem, "-1")

    @property
    def streams(self) -> bool:
        """Whether there is a streaming first pass: not with an encoder that must hear the whole utterance."""
        pretrained = self.audio_encoder.pretrained
        return pretrained is None or pretrained.causal

    @property
    def decoders(self) -> tuple[Decoder, ...]:
        """The decoders there are."""
        return ("streaming", "full_context") if self.streams else ("full_context",)

    def decoder_weights(self, streaming: float) -> dict[Decoder, float]:
        """The weights of the decoders that are trained, where ``loss.streaming`` is that of the streaming one."""
        if not self.streams:
            return {"full_context": 1.0}
        weights: dict[Decoder, float] = {"streaming": streaming, "full_context": 1.0 - streaming}
        return {name: weight for name, weight in weights.items() if weight > 0}

    def row(self, hop: Milliseconds) -> Milliseconds:
        """How long a row of the model's input is, where frames of features are ``hop`` apart."""
        pretrained = self.audio_encoder.pretrained
        if pretrained is None:
            return hop
        return pretrained.state if self.audio_encoder.frozen else pretrained.row

    @property
    def states_per_position(self) -> int:
        """States of a pretrained encoder for each encoder position."""
        assert self.audio_encoder.pretrained is not None
        return round(self.subsampling * FRAME / self.audio_encoder.pretrained.state)

    @property
    def rows_per_position(self) -> int:
        """Rows of the model's input for each encoder position."""
        return round(self.subsampling * FRAME / self.row(FRAME))


PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"feed_forward_multiplier": 2, "dropout": 0.0},
    "small": {
        "dim": 256,
        "full_context_dim": 256,
        "audio_layers": 4,
        "streaming_layers": 8,
        "full_context_layers": 4,
        "heads": 4,
        "text_encoder": {"layers": 2},
        "decoder": {"embedding_dim": 256, "joint_dim": 320},
    },
    "joist": {
        "dim": 512,
        "full_context_dim": 640,
        "audio_layers": 4,
        "streaming_layers": 3,
        "full_context_layers": 5,
        "heads": 8,
        "right_context": 22,
        "text_encoder": {"layers": 2},
        "decoder": {"embedding_dim": 320, "joint_dim": 640},
    },
}
"""What ``model.size`` stands for, as differences from :class:`ModelConfig`."""
