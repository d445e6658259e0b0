"""Stage 6: the optimisation; ``jointst lm``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from jointst.common.units import Milliseconds, Seconds, frames_within
from jointst.config.augmentation import AugmentationConfig
from jointst.config.check import require


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """Bounds on a batch of one kind (paired speech, or text)."""

    max_utterances: int = 16
    """Utterances in a batch at most."""
    max_positions: int = 40000
    """Frames (speech) or phones (text) in a padded batch at most."""
    max_lattice: int = 2_000_000
    """Encoder positions times labels in a padded batch at most: what a transducer's memory follows."""

    def __post_init__(self) -> None:
        for key in ("max_utterances", "max_positions", "max_lattice"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")


@dataclass(frozen=True, kw_only=True)
class SpeechBatchConfig(BatchConfig):
    """Bounds on a batch of speech."""

    max_seconds: Seconds | Literal["auto"] | None = 60.0
    """Seconds of audio in a padded batch at most (an utterance that is longer, within max_positions, is a batch of its
    own); auto tries before the first update how many the GPU can hold, within max_utterances and max_lattice; null or 0
    leaves it to max_positions."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_seconds != "auto" and self.max_seconds is not None:
            require(self.max_seconds >= 0, "max_seconds", f"is {self.max_seconds}", "auto, or at least 0")

    def in_frames(self, hop: Milliseconds, longest: int) -> BatchConfig:
        """The same bounds with that on seconds counted in frames of ``hop`` milliseconds.

        Args:
            hop: of the features.
            longest: frames of the longest utterance.
        """
        assert self.max_seconds != "auto", "which the training finds out"
        frames = frames_within(self.max_seconds, hop) if self.max_seconds else self.max_positions
        if frames < longest <= self.max_positions:
            frames = longest
        return BatchConfig(max_utterances=self.max_utterances, max_positions=frames, max_lattice=self.max_lattice)


@dataclass(frozen=True, kw_only=True)
class SpecAugmentConfig:
    """SpecAugment (arXiv 1904.08779) without time warping."""

    frequency_masks: int = 2
    """Masks over mel bins, or over values of the states of a frozen encoder; waveforms have none."""
    frequency_width: int = 15
    """Widest frequency mask, in bins."""
    time_masks: int = 2
    """Masks over frames."""
    time_share: float = 0.08
    """Widest time mask as a share of the utterance."""

    def __post_init__(self) -> None:
        for key in ("frequency_masks", "frequency_width", "time_masks", "time_share"):
            require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        require(self.time_share < 1, "time_share", f"is {self.time_share}", "below 1")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Optimisation."""

    start_from: str | None = None
    """Folder of a trained model, exp/<name> or exp/<name>/packed, whose weights a training that begins takes over,
    labels and phones by symbol; null for fresh weights."""
    freeze: tuple[str, ...] = ()
    """Parts of the model that are not trained, by their names in the line ``parameters:`` that training prints."""
    freeze_updates: int = 0
    """Updates after which the parts of ``freeze`` are trained as well; 0 for never."""
    seed: int = 0
    """Seed of weights, order, masks and dropout."""
    max_updates: int = 3000
    """Updates of the weights."""
    max_time: Seconds | None = None
    """Stop after this much training time, whichever comes first; for comparisons at equal time."""
    speech_batch: SpeechBatchConfig = field(default_factory=SpeechBatchConfig)
    """Bounds of a paired batch."""
    text_batch: BatchConfig = field(default_factory=lambda: BatchConfig(max_utterances=8))
    """Bounds of an unpaired text batch."""
    paired_text_share: float = 0.5
    """Share of the paired batch whose transcripts also go through the text branch ([JOIST] half and half)."""
    sampling_temperature: float = 1.0
    """A language with n utterances (or unpaired sentences) is drawn in proportion to n^(1/this): 1 is as the data are,
    more evens the languages out."""
    accumulate: int = 1
    """Batches for each update."""
    peak_rate: float = 2e-3
    """Highest learning rate of AdamW."""
    warmup_updates: int = 100
    """Updates of linear warm-up."""
    hold_share: float = 0.5
    """Share of the updates at the peak rate; cosine decay to 1 % of it follows."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    gradient_clip: float = 5.0
    """Largest norm of the gradient."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    """Arithmetic; auto is bf16-mixed on a GPU that has it, else 32-true."""
    compile: bool = False
    """Compile the layers of the encoders (torch.compile): two minutes at the start for fewer and larger kernels. Meant
    for a GPU whose host cannot launch fast enough (tools/README.md: a fifth off an update of the 28 M model)."""
    graphs: bool | None = None
    """Launch the layers of an encoder as one CUDA graph, forward and backward, for batches padded to few shapes; each
    takes memory, and those beyond three quarters of the card's are launched as usual. null is yes for one GPU, unless
    training.compile or training.accumulate stand against it (tools/README.md: 1.7 times as fast)."""
    sharding: Literal["none", "fsdp"] = "none"
    """none: each of several processes (--nproc, --ngpu) holds a copy of the model (DDP); fsdp: each has a share of its
    weights, gradients and moments (FSDP2), for pretrained encoders that are fine-tuned and do not fit otherwise. A
    training may go on with the other."""
    workers: int | None = None
    """Loader processes for each device, of one thread each; null is none for the CPU, and for a GPU its share of the
    CPUs less one, 1 to 8."""
    validate_every: int = 500
    """Updates between validations on the dev sets, each followed by a checkpoint."""
    keep_best: int = 3
    """Checkpoints with the lowest dev loss that are kept and averaged for decoding."""
    keep_all: bool = False
    """Keep the weights of every validation, not of the best alone, for curves along the training."""
    collapse_spread: float = 0.05
    """Alarm: the spread of a shared layer's states over their norm must not fall below this."""
    collapse_ratio: float = 0.97
    """Alarm: while the consistency loss is on, speech must be nearer to its own text than to others by this factor."""
    on_collapse: Literal["stop", "warn"] = "stop"
    """What the alarms do."""
    spec_augment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)
    """Masks over the features of training speech."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    """Noise, rooms, telephone codecs and loudness in the audio of training speech."""
    silence: Seconds = 0.0
    """Digital silence of up to so many seconds behind about half of the training utterances: where those are cut close,
    a model that never heard silence writes words into that of a stream. For log-mel features."""
    dynamic_chunks: tuple[int, ...] = ()
    """Chunk sizes in positions of which each batch draws one, for a model that streams at any of them; evaluation uses
    model.chunk; empty for model.chunk alone."""

    def captures(self, gpus: int) -> bool:
        """Whether encoders are CUDA graphs, on so many GPUs.

        Raises:
            ConfigError: they are to be, and cannot.
        """
        if self.graphs is None:
            return gpus == 1 and not self.compile and self.accumulate == 1
        require(not self.graphs or gpus == 1, "graphs", f"is true with --ngpu {gpus}", "--ngpu 1, or false")
        return self.graphs

    def __post_init__(self) -> None:
        for key in ("max_updates", "accumulate", "peak_rate", "gradient_clip", "validate_every", "keep_best"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        require(self.start_from != "", "start_from", "is empty", "a folder as exp/<name>, or null")
        require(self.freeze_updates >= 0, "freeze_updates", f"is {self.freeze_updates}", "at least 0")
        idle = self.freeze_updates > 0 and not self.freeze
        require(
            not idle, "freeze_updates", f"is {self.freeze_updates}, and training.freeze is empty", "name parts there"
        )
        require(not (self.graphs and self.compile), "graphs", "is true beside training.compile", "choose one")
        alone = not self.graphs or self.accumulate == 1  # gradients of a graph lie where those of before lay
        require(alone, "graphs", f"is true with training.accumulate {self.accumulate}", "accumulate: 1, larger batches")
        if self.sharding == "fsdp":
            for key in ("graphs", "compile"):
                require(not getattr(self, key), key, "is true with training.sharding: fsdp", "false, or sharding: none")
            found = self.speech_batch.max_seconds == "auto"
            fix = "a number; what a device holds is tried with all of the model on it"
            require(not found, "speech_batch.max_seconds", "is auto with training.sharding: fsdp", fix)
        require(self.sampling_temperature >= 1, "sampling_temperature", f"is {self.sampling_temperature}", "at least 1")
        for key in ("warmup_updates", "weight_decay", "collapse_spread"):
            require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        require(self.workers is None or self.workers >= 0, "workers", f"is {self.workers}", "null, or at least 0")
        for key in ("paired_text_share", "hold_share"):
            require(0.0 <= getattr(self, key) <= 1.0, key, f"is {getattr(self, key)}", "0 to 1")
        require(0 <= self.seed < 2**31, "seed", f"is {self.seed}", "0 to 2147483647")
        require(self.silence >= 0, "silence", f"is {self.silence}", "at least 0 seconds")
        require(self.max_time is None or self.max_time > 0, "max_time", f"is {self.max_time}", "> 0 seconds")
        require(all(c > 0 for c in self.dynamic_chunks), "dynamic_chunks", f"is {list(self.dynamic_chunks)}", "> 0")


@dataclass(frozen=True, kw_only=True)
class LmConfig:
    """The neural language model over labels, trained on paired and unpaired text by ``jointst lm``."""

    dim: int = 256
    """Width of its embeddings and LSTM [ours]."""
    dropout: float = 0.2
    """Dropout on the LSTM's output."""
    seed: int = 0
    """Seed of weights, order and dropout."""
    max_updates: int = 1500
    """Updates of the weights."""
    batch: BatchConfig = field(default_factory=lambda: BatchConfig(max_utterances=64))
    """Bounds of a batch of sentences; max_positions counts labels."""
    peak_rate: float = 2e-3
    """Highest learning rate of AdamW."""
    warmup_updates: int = 100
    """Updates of linear warm-up."""
    hold_share: float = 0.5
    """Share of the updates at the peak rate; cosine decay to 1 % of it follows."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    gradient_clip: float = 5.0
    """Largest norm of the gradient."""
    validate_every: int = 250
    """Updates between validations on the text of the dev sets, each followed by a checkpoint."""
    keep_best: int = 3
    """Checkpoints with the lowest dev loss that are kept and averaged."""

    def __post_init__(self) -> None:
        for key in ("dim", "max_updates", "peak_rate", "gradient_clip", "validate_every", "keep_best"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        for key in ("warmup_updates", "weight_decay"):
            require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        require(0.0 <= self.dropout < 1.0, "dropout", f"is {self.dropout}", "0 <= dropout < 1")
        require(0.0 <= self.hold_share <= 1.0, "hold_share", f"is {self.hold_share}", "0 to 1")
        require(0 <= self.seed < 2**31, "seed", f"is {self.seed}", "0 to 2147483647")
