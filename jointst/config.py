"""Every setting of the toolkit: one frozen dataclass per part, one sentence per field.

A recipe's ``conf/*.yaml`` states only what differs from the values here; ``jointst <stage> --print_config``
prints them all with these sentences. Values that cannot work are refused when the file is read.

Marks, as in the design: [JOIST] is a value of arXiv 2210.07353, [ours] our own choice; the paper's own values
(arXiv 2308.06125) are not public.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from jointst.errors import ConfigError
from jointst.languages import LANGUAGES
from jointst.units import Hertz, Milliseconds, Seconds, samples_in

Decoder: TypeAlias = Literal["streaming", "full_context"]
"""The decoder after the streaming encoder (first pass), or after the full-context encoder (second pass)."""


def _require(holds: bool, key: str, problem: str, fix: str = "") -> None:
    if not holds:
        raise ConfigError(key, problem, fix)


@dataclass(frozen=True, kw_only=True)
class MiniConfig:
    """Size of the ``mini`` corpus."""

    train_utterances: int = 200
    """Training utterances per language."""
    dev_utterances: int = 20
    """Development utterances per language."""
    test_utterances: int = 30
    """Test utterances per language, in each of the two test sets."""
    unpaired_sentences: int = 400
    """Unpaired sentences per language."""
    speech_utterances: int = 0
    """Utterances per language of mini_speech, whose transcripts are for measuring alone: speech for self-training."""
    test_engines: tuple[str, ...] = ()
    """Further synthesisers (pico: the extra tts) that speak the sentences of mini_test in those of the languages that
    they know, as the set mini_test_engine."""
    seed: int = 0
    """Seed of sentences, voices, rates and pitches."""

    def __post_init__(self) -> None:
        for key in ("train_utterances", "dev_utterances", "test_utterances", "unpaired_sentences"):
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "at least 1")
        _require(self.speech_utterances >= 0, "speech_utterances", f"is {self.speech_utterances}", "at least 0")


@dataclass(frozen=True, kw_only=True)
class SyntheticConfig:
    """The ``synthetic`` corpus: any sentences, spoken by speech synthesisers."""

    sentences: tuple[str, ...] = ("grammar",)
    """Where sentences come from: grammar (those of mini), libreoffice_help, or files of one sentence a line (plain or
    .gz), with {lang} for the language in their paths."""
    engines: tuple[str, ...] = ("espeak",)
    """Synthesisers, which take turns in the languages that they speak: espeak, pico (the extra tts)."""
    test_engines: tuple[str, ...] = ()
    """Synthesisers heard in the set synthetic_test_engine alone."""
    train_hours: float = 0.1
    """Hours of training speech per language."""
    dev_utterances: int = 20
    """Development utterances per language, in voices of their own."""
    test_utterances: int = 50
    """Test utterances per language, in voices of their own; the same sentences are spoken by each of test_engines."""
    seed: int = 0
    """Seed of voices, rates, pitches and the choice of sentences."""

    def __post_init__(self) -> None:
        _require(self.train_hours > 0, "train_hours", f"is {self.train_hours}", "> 0")
        for key in ("dev_utterances", "test_utterances"):
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "at least 1")
        for key in ("sentences", "engines"):
            _require(bool(getattr(self, key)), key, "is empty", "name at least one")
        shared = set(self.engines) & set(self.test_engines)
        _require(not shared, "test_engines", f"also in engines: {' '.join(sorted(shared))}", "hold them out, or not")


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """The ``table`` corpus: your own list of recordings."""

    files: tuple[str, ...] = ()
    """CSV (.csv), TSV (.tsv) or JSON lines (.jsonl) files with path, text, speaker, language and, if you like, split;
    audio paths are relative to the file."""
    normalise: bool = True
    """Bring text into the form that is trained on and scored; false where it is in that form already."""


@dataclass(frozen=True, kw_only=True)
class LibrispeechConfig:
    """The ``librispeech`` corpus."""

    root: str | None = None
    """Folder LibriSpeech of the corpus on disk; without it, the corpus is downloaded."""
    train: tuple[str, ...] = ("train-clean-100",)
    """Parts to train on, such as train-clean-360, train-other-500, train-clean-5."""
    dev: tuple[str, ...] = ("dev-clean", "dev-other")
    """Development parts."""
    test: tuple[str, ...] = ("test-clean", "test-other")
    """Test parts, each a set of its own."""


@dataclass(frozen=True, kw_only=True)
class FleursConfig:
    """The ``fleurs`` corpus."""

    root: str | None = None
    """Folder of the corpus on disk, which holds en_us and so on; without it, the corpus is downloaded."""


@dataclass(frozen=True, kw_only=True)
class CommonVoiceConfig:
    """The ``common_voice`` corpus."""

    root: str | None = None
    """Folder of a release on disk, which holds de, en and so on; without it, the release is downloaded."""
    release: str = "cv-corpus-13.0-2023-03-09"
    """Release to download."""


@dataclass(frozen=True, kw_only=True)
class MlsConfig:
    """The ``mls`` corpus, Multilingual LibriSpeech."""

    root: str | None = None
    """Folder of the corpus on disk, which holds mls_german and so on; without it, the corpus is downloaded."""
    opus: bool = True
    """The smaller release in Opus (mls_german_opus), not the one in FLAC."""


@dataclass(frozen=True, kw_only=True)
class VoxpopuliConfig:
    """The ``voxpopuli`` corpus."""

    root: str | None = None
    """Folder of the corpus on disk, which holds raw_audios; without it, the corpus is downloaded."""
    years: tuple[int, ...] = tuple(range(2009, 2021))
    """Years whose sessions are downloaded."""


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """Which corpora stage 1 prepares."""

    sources: tuple[str, ...] = ("mini",)
    """Names of files in jointst/data/corpora; source X makes data/X_train, data/X_test and so on; empty where the data
    directories are all your own."""
    languages: tuple[str, ...] = tuple(sorted(LANGUAGES))
    """ISO 639-1 codes of the languages to prepare."""
    downloads: str = "downloads"
    """Folder for downloaded archives."""
    unpaired_sentences: int = 5000
    """At most this many unpaired sentences per language from a text source."""
    text_files: tuple[str, ...] = ()
    """For the source text_files: plain or gzip files, one sentence a line; {lang} in a path stands for the language;
    a path without it needs a single language; * and ** match many files."""
    longest_sentence: int = 300
    """Sentences of text_files with more characters are left out."""
    mini: MiniConfig = field(default_factory=MiniConfig)
    """Settings of the ``mini`` corpus."""
    synthetic: SyntheticConfig = field(default_factory=SyntheticConfig)
    """Settings of the ``synthetic`` corpus."""
    table: TableConfig = field(default_factory=TableConfig)
    """Settings of the ``table`` corpus."""
    librispeech: LibrispeechConfig = field(default_factory=LibrispeechConfig)
    """Settings of the ``librispeech`` corpus."""
    fleurs: FleursConfig = field(default_factory=FleursConfig)
    """Settings of the ``fleurs`` corpus."""
    common_voice: CommonVoiceConfig = field(default_factory=CommonVoiceConfig)
    """Settings of the ``common_voice`` corpus."""
    mls: MlsConfig = field(default_factory=MlsConfig)
    """Settings of the ``mls`` corpus."""
    voxpopuli: VoxpopuliConfig = field(default_factory=VoxpopuliConfig)
    """Settings of the ``voxpopuli`` corpus."""

    def __post_init__(self) -> None:
        _require(bool(self.languages), "languages", "is empty", "name at least one language")
        _require(self.unpaired_sentences > 0, "unpaired_sentences", f"is {self.unpaired_sentences}", "at least 1")
        _require(self.longest_sentence > 0, "longest_sentence", f"is {self.longest_sentence}", "at least 1")
        for path in self.text_files:
            _require(
                "{lang}" in path or len(self.languages) == 1,
                "text_files",
                f"{path!r} does not say its language",
                "put {lang} into the path, or name one language in languages",
            )
        for code in self.languages:
            _require(code in LANGUAGES, "languages", f"{code!r} is unknown", f"known: {' '.join(sorted(LANGUAGES))}")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which data directories play which part."""

    root: str = "data"
    """Folder of the data directories."""
    train: tuple[str, ...] = ("mini_train",)
    """Paired training sets."""
    dev: tuple[str, ...] = ("mini_dev",)
    """Paired development sets: model selection and tuning happen here only."""
    test: tuple[str, ...] = ("mini_test", "mini_test_unheard")
    """Paired test sets."""
    unpaired: tuple[str, ...] = ("mini_unpaired",)
    """Text-only training sets; may be empty."""
    pseudo: tuple[str, ...] = ()
    """Further paired training sets, whose transcripts a model wrote (``jointst pseudo_label``); symbol tables, feature
    statistics and copies at other speeds come from ``train`` alone."""
    text_only_languages: tuple[str, ...] = ()
    """Languages without speech: their utterances in the paired training, pseudo and dev sets are left out of training,
    their unpaired text stays. What their test sets then show was learnt from text and from other languages."""
    max_tokens_per_second: float = 40.0
    """A transcript with more labels for each second of audio than this is an error (a quarter less: a warning)."""

    def __post_init__(self) -> None:
        for key in ("train", "dev", "test"):
            _require(bool(getattr(self, key)), key, "is empty", "name at least one data directory")
        for key in ("train", "pseudo"):
            shared = set(getattr(self, key)) & (set(self.dev) | set(self.test))
            _require(not shared, key, f"also a dev or test set: {' '.join(sorted(shared))}")
        both = set(self.train) & set(self.pseudo)
        _require(not both, "pseudo", f"also under train: {' '.join(sorted(both))}", "name each set once")
        for code in self.text_only_languages:
            _require(code in LANGUAGES, "text_only_languages", f"{code!r} is unknown", f"known: {' '.join(LANGUAGES)}")
        _require(self.max_tokens_per_second > 0, "max_tokens_per_second", f"is {self.max_tokens_per_second}", "> 0")


@dataclass(frozen=True, kw_only=True)
class LexiconConfig:
    """Pronunciations."""

    user_lexicon: str | None = None
    """A Kaldi lexicon (word, then phones, by spaces) that takes precedence; {lang} in its path stands for the
    language; without it, it holds for all."""
    keep_length: bool = True
    """Keep the length mark of long phones."""
    keep_stress: bool = False
    """Keep stress marks."""
    keep_tone: bool = True
    """Keep tone digits (Chinese)."""
    word_boundary: bool = False
    """Put the symbol | between words in phone strings."""


@dataclass(frozen=True, kw_only=True)
class FeatureConfig:
    """Log-mel filter banks."""

    sampling_rate: Hertz = 16000
    """Audio is resampled to this rate."""
    mel_bins: int = 80
    """Filters."""
    window: Milliseconds = 25.0
    """Window length."""
    hop: Milliseconds = 10.0
    """Window shift."""
    speed_perturbation: tuple[float, ...] = (1.0,)
    """Training audio is added once at each of these speeds."""
    cmvn: Literal["global", "none"] = "global"
    """Mean and variance normalisation: statistics of the training set, or none."""
    compress: bool = True
    """Write compressed arks (8 bits a value)."""
    max_failures: float = 0.0
    """Share of utterances whose audio may be unreadable before the stage fails; each is named either way."""

    def __post_init__(self) -> None:
        _require(self.sampling_rate > 0, "sampling_rate", f"is {self.sampling_rate}", "> 0")
        _require(self.mel_bins > 0, "mel_bins", f"is {self.mel_bins}", "> 0")
        _require(0 < self.hop <= self.window, "hop", f"is {self.hop} ms with a window of {self.window} ms")
        _require(bool(self.speed_perturbation), "speed_perturbation", "is empty", "[1.0] for none")
        _require(1.0 in self.speed_perturbation, "speed_perturbation", "lacks 1.0", "the plain audio is needed")
        _require(all(0.5 <= s <= 2.0 for s in self.speed_perturbation), "speed_perturbation", "outside 0.5 to 2")
        _require(0.0 <= self.max_failures < 1.0, "max_failures", f"is {self.max_failures}", "0 <= share < 1")

    @property
    def window_samples(self) -> int:
        """Samples in a window."""
        return samples_in(self.window / 1000, self.sampling_rate)

    @property
    def hop_samples(self) -> int:
        """Samples in a shift."""
        return samples_in(self.hop / 1000, self.sampling_rate)


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """Output labels."""

    kind: Literal["char", "unigram", "bpe"] = "char"
    """Characters, or sentencepiece word pieces of either kind."""
    vocabulary_size: int = 500
    """Pieces of a unigram or bpe model, the blank and the unknown piece included; ignored for char."""
    text_input: Literal["phones", "pieces"] = "phones"
    """What the text encoder reads; phonemes beat word pieces [JOIST]."""

    def __post_init__(self) -> None:
        _require(self.vocabulary_size > 2, "vocabulary_size", f"is {self.vocabulary_size}", "at least 3")


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
        _require(self.layers >= 0, "layers", f"is {self.layers}", "at least 0")
        _require(self.repeats >= 1, "repeats", f"is {self.repeats}", "at least 1")
        _require(self.spread >= 0, "spread", f"is {self.spread}", "at least 0")
        _require(0.0 <= self.mask_share < 1.0, "mask_share", f"is {self.mask_share}", "0 <= share < 1")
        _require(self.mask_span >= 1, "mask_span", f"is {self.mask_span}", "at least 1")


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
    lattice_bytes: int = 64 * 2**20
    """Memory budget of one time chunk of the joiner, in bytes; chunks are recomputed in backward."""

    def __post_init__(self) -> None:
        for key in ("context", "embedding_dim", "joint_dim", "lattice_bytes"):
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The joint model. ``size`` fills the other fields; a field that is stated as well wins over it."""

    size: Literal["tiny", "small", "joist"] = "tiny"
    """Preset: tiny about 2.4 M, small about 30 M, joist the published sizes of arXiv 2210.07353."""
    dim: int = 128
    """Width of the audio, text and streaming encoders."""
    full_context_dim: int = 128
    """Width of the full-context encoder."""
    audio_layers: int = 2
    """Conformer layers of the audio encoder, after subsampling."""
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
    """Feature frames for each encoder position."""
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
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        for key in ("audio_layers", "left_chunks"):
            _require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        for key in ("dim", "full_context_dim"):
            width = getattr(self, key)
            _require(width % (2 * self.heads) == 0, key, f"is {width} with {self.heads} heads", "a multiple of 2 heads")
        _require(
            self.kernel_size > 0 and self.kernel_size % 2 == 1, "kernel_size", f"is {self.kernel_size}", "odd, > 0"
        )
        _require(0.0 <= self.dropout < 1.0, "dropout", f"is {self.dropout}", "0 <= dropout < 1")
        _require(self.right_context >= -1, "right_context", f"is {self.right_context}", "-1 for all, or at least 0")


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
        _require(self.band is None or self.band >= 1, "band", f"is {self.band}", "at least 1, or null for none")
        for key in ("max_step", "prior"):
            _require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        for key in ("gamma", "temperature", "iterations"):
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "above 0")

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
    start_update: int = 1500
    """The loss is off before this update: on a fresh model it collapses the states."""
    ramp_updates: int = 500
    """The weight grows linearly over this many updates."""
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
            _require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        for key, value in vars(self.options).items():
            unused = key not in ALIGNMENT_OPTIONS[self.alignment] and value != getattr(AlignmentConfig, key)
            _require(not unused, f"options.{key}", f"is set, and {self.alignment} has no such option", "remove it")
        _require(len(set(self.layers)) == len(self.layers), "layers", f"repeats a layer: {self.layers}")
        weights = self.layer_weights
        if weights:
            _require(min(weights) >= 0 and sum(weights) > 0, "layer_weights", f"is {weights}", "from 0, and one above")
            fits = len(weights) == len(self.layers) or not self.layers
            _require(fits, "layer_weights", f"has {len(weights)} weights for {len(self.layers)} layers")
        through = self.soft_gradient == "through"
        _require(not through or self.alignment == "sinkhorn", "soft_gradient", "is through", "for sinkhorn only")


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
    fastemit: float = 0.0
    """Scale added to label gradients for earlier emission (arXiv 2010.11148)."""
    consistency: ConsistencyConfig = field(default_factory=ConsistencyConfig)
    """The consistency loss."""

    def __post_init__(self) -> None:
        for key in ("speech", "text", "ctc", "ctc_only_updates", "fastemit"):
            _require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        _require(0.0 <= self.streaming <= 1.0, "streaming", f"is {self.streaming}", "0 to 1")
        _require(self.ctc > 0 or self.ctc_only_updates == 0, "ctc_only_updates", "needs ctc > 0")
        _require(self.speech + self.text > 0, "speech", "and text are both 0", "nothing to train")


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
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")


@dataclass(frozen=True, kw_only=True)
class SpecAugmentConfig:
    """SpecAugment (arXiv 1904.08779) without time warping."""

    frequency_masks: int = 2
    """Masks over mel bins."""
    frequency_width: int = 15
    """Widest frequency mask, in bins."""
    time_masks: int = 2
    """Masks over frames."""
    time_share: float = 0.08
    """Widest time mask as a share of the utterance."""

    def __post_init__(self) -> None:
        for key in ("frequency_masks", "frequency_width", "time_masks", "time_share"):
            _require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        _require(self.time_share < 1, "time_share", f"is {self.time_share}", "below 1")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Optimisation."""

    seed: int = 0
    """Seed of weights, order, masks and dropout."""
    max_updates: int = 3000
    """Updates of the weights."""
    max_time: Seconds | None = None
    """Stop after this much training time, whichever comes first; for comparisons at equal time."""
    speech_batch: BatchConfig = field(default_factory=BatchConfig)
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
    workers: int = 0
    """Loader processes for each device."""
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
    dynamic_chunks: tuple[int, ...] = ()
    """Chunk sizes in positions of which each batch draws one, for a model that streams at any of them; evaluation uses
    model.chunk; empty for model.chunk alone."""

    def __post_init__(self) -> None:
        for key in ("max_updates", "accumulate", "peak_rate", "gradient_clip", "validate_every", "keep_best"):
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        _require(
            self.sampling_temperature >= 1, "sampling_temperature", f"is {self.sampling_temperature}", "at least 1"
        )
        for key in ("warmup_updates", "weight_decay", "workers", "collapse_spread"):
            _require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        for key in ("paired_text_share", "hold_share"):
            _require(0.0 <= getattr(self, key) <= 1.0, key, f"is {getattr(self, key)}", "0 to 1")
        _require(0 <= self.seed < 2**31, "seed", f"is {self.seed}", "0 to 2147483647")
        _require(self.max_time is None or self.max_time > 0, "max_time", f"is {self.max_time}", "> 0 seconds")
        _require(all(c > 0 for c in self.dynamic_chunks), "dynamic_chunks", f"is {list(self.dynamic_chunks)}", "> 0")


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
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        for key in ("warmup_updates", "weight_decay"):
            _require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        _require(0.0 <= self.dropout < 1.0, "dropout", f"is {self.dropout}", "0 <= dropout < 1")
        _require(0.0 <= self.hold_share <= 1.0, "hold_share", f"is {self.hold_share}", "0 to 1")
        _require(0 <= self.seed < 2**31, "seed", f"is {self.seed}", "0 to 2147483647")


@dataclass(frozen=True, kw_only=True)
class DecodingConfig:
    """Search."""

    batch_utterances: int = 32
    """Utterances decoded together."""
    max_labels_per_position: int = 5
    """Labels that one encoder position may emit."""
    search: Literal["greedy", "beam"] = "greedy"
    """The best choice at every step, or a beam of label sequences; a beam of 1 is greedy search with fusion."""
    beam: int = 8
    """Hypotheses of an utterance that a beam search keeps."""
    nbest: int = 5
    """Hypotheses of an utterance that a beam search writes, at most beam."""
    lm: Literal["none", "neural", "ngram"] = "none"
    """Language model added in a beam search: the neural one of ``jointst lm``, or the n-grams of ``arpa``."""
    arpa: str | None = None
    """ARPA or kenlm file of n-grams over label pieces (those of tokens.txt), for lm: ngram; needs the extra [lm]."""
    weights: Literal["stated", "tuned"] = "stated"
    """Whether the three weights below hold, or those that ``jointst tune`` found for each decoder."""
    lm_weight: float = 0.3
    """Weight of log P of the language model [ours]."""
    ilm_weight: float = 0.0
    """Weight of log P of the internal language model, which is subtracted (arXiv 2003.07705, section 3.3)."""
    label_bonus: float = 0.0
    """Added to the score for each label; more than 0 makes hypotheses longer."""

    def __post_init__(self) -> None:
        for key in ("batch_utterances", "max_labels_per_position", "beam", "nbest"):
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        for key in ("lm_weight", "ilm_weight"):
            _require(getattr(self, key) >= 0, key, f"is {getattr(self, key)}", "at least 0")
        beam = self.search == "beam"
        _require(not beam or self.nbest <= self.beam, "nbest", f"is {self.nbest} with a beam of {self.beam}")
        for key, idle in (("lm", "none"), ("weights", "stated"), ("ilm_weight", 0.0), ("label_bonus", 0.0)):
            used = getattr(self, key) != idle
            _require(beam or not used, key, f"is {getattr(self, key)} in greedy search", "search: beam")
        _require(self.lm != "ngram" or self.arpa is not None, "arpa", "is missing", "name the file of n-grams")
        _require(self.lm == "ngram" or self.arpa is None, "arpa", f"is stated with lm: {self.lm}", "lm: ngram")


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """Tuning of the language models' weights on the dev sets, by ``jointst tune``."""

    lm_weights: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
    """Values tried for decoding.lm_weight, with every value of the others."""
    ilm_weights: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    """Values tried for decoding.ilm_weight, where the internal language model is subtracted."""
    label_bonuses: tuple[float, ...] = (0.0, 0.5, 1.0)
    """Values tried for decoding.label_bonus."""

    def __post_init__(self) -> None:
        for key in ("lm_weights", "ilm_weights"):
            values = getattr(self, key)
            _require(bool(values) and min(values) > 0, key, f"is {list(values)}", "values above 0")
        _require(bool(self.label_bonuses), "label_bonuses", "is empty", "[0.0] for none")


@dataclass(frozen=True, kw_only=True)
class ScoringConfig:
    """Error rates."""

    sclite: Literal["auto", "yes", "no"] = "auto"
    """Also run NIST sclite: if it is installed, always (an error if it is not), or never."""


@dataclass(frozen=True, kw_only=True)
class AlignConfig:
    """The layer-wise alignment report."""

    utterances: int = 200
    """Utterances of the dev sets to measure at most."""
    heat_maps: int = 4
    """Utterances drawn as heat maps."""
    seed: int = 0
    """Seed of the random alignment and the mismatched pairs."""
    along: bool = True
    """Also measure the model before training (its fresh weights) and every checkpoint that is kept; see
    training.keep_all."""

    def __post_init__(self) -> None:
        _require(self.utterances >= 2, "utterances", f"is {self.utterances}", "at least 2, for mismatched pairs")
        _require(self.heat_maps >= 0, "heat_maps", f"is {self.heat_maps}", "at least 0")


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """Linear probes of frozen states, ``jointst probe``."""

    sets: tuple[str, ...] = ()
    """Paired sets whose utterances are split into those that probes are fitted to and tested on; empty for data.train,
    whose speakers have most utterances."""
    utterances: int = 1500
    """Utterances at most, evenly spread over the sets."""
    splits: int = 3
    """Random splits of the utterances; the interval is over them."""
    frames: int = 10000
    """Positions at most that a phone probe is fitted to, and as many that it is tested on."""
    least_examples: int = 20
    """A phone with fewer positions to be fitted to is left out."""
    iterations: int = 50
    """Iterations of L-BFGS at most."""
    decay: float = 1e-4
    """Weight of the squared weights."""

    def __post_init__(self) -> None:
        for key in ("utterances", "splits", "frames", "least_examples", "iterations"):
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        _require(self.decay >= 0, "decay", f"is {self.decay}", "at least 0")


@dataclass(frozen=True, kw_only=True)
class DurationsConfig:
    """Durations of phones by a forced alignment with a trained model, and a model that predicts them for text."""

    layer: str = "full-context 1"
    """Layer whose states are aligned with phones: ``audio encoder``, ``streaming 1``, ``full-context 1``, ..."""
    rounds: int = 4
    """Times that phone classifiers are fitted and speech is aligned anew."""
    utterances: int = 1000
    """Training utterances at most that the classifiers are fitted to."""
    iterations: int = 30
    """Iterations of each fit at most."""
    updates: int = 400
    """Updates of the model that predicts durations from phones."""
    dim: int = 64
    """Its width."""
    seed: int = 0
    """Seed of its weights and batches."""

    def __post_init__(self) -> None:
        for key in ("rounds", "utterances", "iterations", "updates", "dim"):
            _require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")


@dataclass(frozen=True, kw_only=True)
class PseudoLabelConfig:
    """Transcripts of unpaired speech by a trained model, ``jointst pseudo_label``."""

    sets: tuple[str, ...] = ()
    """Data directories with wav.scp, utt2spk and utt2lang; a transcript there is only used to say how good ours are."""
    suffix: str = "_pseudo"
    """Set X becomes X with this suffix, to be named in data.pseudo."""
    decoder: Decoder = "full_context"
    """Whose hypotheses become transcripts; decoding has the search."""
    threshold: float = 0.9
    """An utterance is kept when the geometric mean of P(label) over its labels is at least this."""

    def __post_init__(self) -> None:
        _require(0.0 <= self.threshold <= 1.0, "threshold", f"is {self.threshold}", "0 to 1")
        _require(bool(self.suffix), "suffix", "is empty", "a set must not replace itself")


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
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    """``jointst probe``."""
    durations: DurationsConfig = field(default_factory=DurationsConfig)
    """``jointst durations``."""
    pseudo_label: PseudoLabelConfig = field(default_factory=PseudoLabelConfig)
    """``jointst pseudo_label``."""

    def __post_init__(self) -> None:
        self._check_durations()
        layers = self.model.streaming_layers + self.model.full_context_layers
        compared = self.loss.consistency.layers
        for layer in compared:
            _require(-layers <= layer < layers, "loss.consistency.layers", f"{layer} of {layers} shared layers")
        repeats = len({layer % layers for layer in compared}) < len(compared)
        _require(not repeats, "loss.consistency.layers", f"repeats a layer: {list(compared)} of {layers} layers")
        weights = self.loss.consistency.layer_weights
        if weights and not self.loss.consistency.layers:
            problem = f"has {len(weights)} weights for {layers} shared layers"
            _require(len(weights) == layers, "loss.consistency.layer_weights", problem)
        if self.loss.consistency.weight > 0:
            _require(
                self.loss.consistency.start_update >= self.loss.ctc_only_updates,
                "loss.consistency.start_update",
                f"is {self.loss.consistency.start_update}, before transducers train at {self.loss.ctc_only_updates}",
                "start it later, or the states collapse",
            )

    def _check_durations(self) -> None:
        upsampled = self.model.text_encoder.upsampling == "durations"
        key = "model.text_encoder.upsampling"
        fix = "run jointst durations for a paired-only system and name its folder, exp/<name>/durations"
        folder = self.model.text_encoder.durations
        _require(not upsampled or folder is not None, key, "is durations without model.text_encoder.durations", fix)
        _require(upsampled or folder is None, "model.text_encoder.durations", "is not used", f"{key}: durations")
        pieces = upsampled and self.tokenizer.text_input == "pieces"
        _require(not pieces, key, "is durations, but the text encoder reads pieces", "tokenizer.text_input: phones")
        forced = self.loss.consistency.weight > 0 and self.loss.consistency.alignment == "forced"
        _require(not forced or upsampled, "loss.consistency.alignment", "is forced", f"it needs {key}: durations")

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
        if loss.text == 0 and self.data.unpaired:
            found.append(f"the unpaired text ({' '.join(self.data.unpaired)}) is not used: loss.text is 0")
        return found
