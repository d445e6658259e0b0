"""Every setting of the toolkit: one frozen dataclass per part, one sentence per field.

A recipe's ``conf/*.yaml`` states only what differs from the values here; ``jointst <stage> --print_config``
prints them all with these sentences. Values that cannot work are refused when the file is read.

Marks, as in the design: [JOIST] is a value of arXiv 2210.07353, [ours] our own choice; the paper's own values
(arXiv 2308.06125) are not public.

One file for each group of stages: corpus, data, model, loss, training, decoding, analysis, export.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from jointst.common.units import Milliseconds
from jointst.config.analysis import AlignConfig, DurationsConfig, ProbeConfig, PseudoLabelConfig
from jointst.config.augmentation import AugmentationConfig
from jointst.config.check import require
from jointst.config.corpus import (
    CommonVoiceConfig,
    CorpusConfig,
    FleursConfig,
    LibrispeechConfig,
    MiniConfig,
    MlsConfig,
    SyntheticConfig,
    TableConfig,
    VoxpopuliConfig,
    WordfreqConfig,
)
from jointst.config.data import DataConfig, FeatureConfig, LexiconConfig, TokenizerConfig
from jointst.config.decoding import DecodingConfig, ScoringConfig, TuneConfig
from jointst.config.encoder import SAMPLING_RATE, AudioEncoderConfig, EncoderKind
from jointst.config.export import ExportConfig
from jointst.config.loss import ALIGNMENT_OPTIONS, AlignmentConfig, ConsistencyConfig, LossConfig, TrainingAlignment
from jointst.config.model import PRESETS, Decoder, DecoderConfig, ModelConfig, TextEncoderConfig
from jointst.config.training import BatchConfig, LmConfig, SpecAugmentConfig, SpeechBatchConfig, TrainingConfig

__all__ = [
    "ALIGNMENT_OPTIONS",
    "AlignConfig",
    "AlignmentConfig",
    "AudioEncoderConfig",
    "AugmentationConfig",
    "BatchConfig",
    "CommonVoiceConfig",
    "Config",
    "ConsistencyConfig",
    "CorpusConfig",
    "DataConfig",
    "Decoder",
    "DecoderConfig",
    "DecodingConfig",
    "DurationsConfig",
    "EncoderKind",
    "ExportConfig",
    "FeatureConfig",
    "FleursConfig",
    "LexiconConfig",
    "LibrispeechConfig",
    "LmConfig",
    "LossConfig",
    "MiniConfig",
    "MlsConfig",
    "ModelConfig",
    "PRESETS",
    "ProbeConfig",
    "PseudoLabelConfig",
    "ScoringConfig",
    "SpecAugmentConfig",
    "SpeechBatchConfig",
    "SyntheticConfig",
    "TableConfig",
    "TextEncoderConfig",
    "TokenizerConfig",
    "TrainingAlignment",
    "TrainingConfig",
    "TuneConfig",
    "VoxpopuliConfig",
    "WordfreqConfig",
]


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of an experiment; every stage reads the part it needs."""

    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    """Stage 1."""
    data: DataConfig = field(default_factory=DataConfig)
    """Which data directories are used for what."""
    lexicon: LexiconConfig = field(default_factory=LexiconConfig)
    """Stage 3."""
    features: FeatureConfig = field(default_factory=FeatureConfig)
    """Stage 4."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    """Stage 5."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Stage 6: the model."""
    loss: LossConfig = field(default_factory=LossConfig)
    """Stage 6: the loss."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Stage 6: the optimisation."""
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    """Stage 7."""
    lm: LmConfig = field(default_factory=LmConfig)
    """``jointst lm``."""
    tune: TuneConfig = field(default_factory=TuneConfig)
    """``jointst tune``."""
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    """Stage 8."""
    align: AlignConfig = field(default_factory=AlignConfig)
    """Stage 9."""
    export: ExportConfig = field(default_factory=ExportConfig)
    """Stage 10."""
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    """``jointst probe``."""
    durations: DurationsConfig = field(default_factory=DurationsConfig)
    """``jointst durations``."""
    pseudo_label: PseudoLabelConfig = field(default_factory=PseudoLabelConfig)
    """``jointst pseudo_label``."""

    def __post_init__(self) -> None:
        self._check_durations()
        self._check_audio_encoder()
        self._check_storage()
        layers = self.model.streaming_layers + self.model.full_context_layers
        compared = self.loss.consistency.layers
        for layer in compared:
            require(-layers <= layer < layers, "loss.consistency.layers", f"{layer} of {layers} shared layers")
        repeats = len({layer % layers for layer in compared}) < len(compared)
        require(not repeats, "loss.consistency.layers", f"repeats a layer: {list(compared)} of {layers} layers")
        weights = self.loss.consistency.layer_weights
        if weights and not self.loss.consistency.layers:
            problem = f"has {len(weights)} weights for {layers} shared layers"
            require(len(weights) == layers, "loss.consistency.layer_weights", problem)
        if self.loss.consistency.weight > 0:
            require(
                self.loss.consistency.start_update >= self.loss.ctc_only_updates,
                "loss.consistency.start_update",
                f"is {self.loss.consistency.start_update}, before loss.ctc_only_updates "
                f"({self.loss.ctc_only_updates}), when transducers begin to train",
                "start it later, or make those fewer; else the states collapse",
            )

    def _check_durations(self) -> None:
        upsampled = self.model.text_encoder.upsampling == "durations"
        key = "model.text_encoder.upsampling"
        fix = "run jointst durations for a paired-only system and name its folder, exp/<name>/durations"
        folder = self.model.text_encoder.durations
        require(not upsampled or folder is not None, key, "is durations without model.text_encoder.durations", fix)
        require(upsampled or folder is None, "model.text_encoder.durations", "is not used", f"{key}: durations")
        pieces = upsampled and self.tokenizer.text_input == "pieces"
        require(not pieces, key, "is durations, but the text encoder reads pieces", "tokenizer.text_input: phones")
        forced = self.loss.consistency.weight > 0 and self.loss.consistency.alignment == "forced"
        require(not forced or upsampled, "loss.consistency.alignment", "is forced", f"it needs {key}: durations")

    def _check_audio_encoder(self) -> None:
        model, kind = self.model, self.model.audio_encoder.kind
        if model.audio_encoder.pretrained is not None:
            problem = f"is {self.training.silence:g}, and {kind} reads no log-mel features as they are here"
            require(self.training.silence == 0, "training.silence", problem, "0, and silence in the recordings")
            rate = self.features.sampling_rate
            require(rate == SAMPLING_RATE, "features.sampling_rate", f"is {rate:g}", f"{kind} hears 16000 hertz")
            if model.audio_encoder.pretrained.hears_log_mel:
                for key, wanted in (("mel_bins", 80), ("window", 25.0), ("hop", 10.0)):
                    own = getattr(self.features, key)
                    require(own == wanted, f"features.{key}", f"is {own:g}", f"{kind} was trained on {wanted:g}")
        if not model.streams:
            problem = f"there is none: {kind} hears the whole utterance"
            key, chunks = "pseudo_label.decoder", self.training.dynamic_chunks
            require(self.pseudo_label.decoder != "streaming", key, f"is streaming, and {problem}", "full_context")
            require(not chunks, "training.dynamic_chunks", f"is for a streaming first pass, and {problem}", "[]")

    def _check_storage(self) -> None:
        storage, kind = self.features.storage, self.model.audio_encoder.kind
        frozen = self.model.audio_encoder.frozen and not self.features.stored
        problem = f"is {storage}, and the states of a frozen {kind} take too long to be made each time"
        require(not frozen, "features.storage", problem, "arks, or model.audio_encoder.use: fine_tuned")
        heard = self.training.augmentation.does_something and self.features.stored
        problem = "changes audio, and features.storage: arks leaves none to training"
        require(not heard, "training.augmentation", problem, "features.storage: on_the_fly")

    @property
    def row(self) -> Milliseconds:
        """How long a row of the model's input is: a frame of features, or a state of a pretrained encoder."""
        return self.model.row(self.features.hop)

    @property
    def input_width(self) -> int:
        """Values of a row of the model's input."""
        encoder = self.model.audio_encoder
        return encoder.width if encoder.frozen else self.features.mel_bins

    @property
    def durations_folder(self) -> Path | None:
        """Where the durations of phones are, if the text encoder wants them."""
        folder = self.model.text_encoder.durations
        return None if folder is None else Path(folder)

    def idle(self) -> list[str]:
        """Sentences about settings that are in order, and yet do nothing in this training."""
        loss, training = self.loss, self.training
        on = loss.consistency.weight > 0
        last = f"training.max_updates is {training.max_updates}"
        found = []
        if on and loss.text == 0:
            found.append("loss.consistency does nothing: loss.text is 0, so no text is encoded")
        elif on and training.paired_text_share == 0:
            found.append(
                "loss.consistency does nothing: training.paired_text_share is 0, so no transcripts are encoded"
            )
        elif on and loss.consistency.start_update >= training.max_updates:
            found.append(f"loss.consistency does nothing: it starts at {loss.consistency.start_update}, {last}")
        if loss.ctc_only_updates >= training.max_updates:
            found.append(f"the transducers are not trained: loss.ctc_only_updates is {loss.ctc_only_updates}, {last}")
        random = set(training.freeze) - {"pretrained"}  # which comes with its weights
        if random and training.start_from is None:
            names = " ".join(sorted(random))
            found.append(f"training.freeze keeps {names} as drawn at random: training.start_from is null")
        if loss.exact_updates > 0 and self.model.decoder.band == 0:
            found.append("loss.exact_updates does nothing: model.decoder.band is 0, so the lattice is always exact")
        if loss.text == 0 and self.data.unpaired:
            found.append(f"the unpaired text ({' '.join(self.data.unpaired)}) is not used: loss.text is 0")
        return found
