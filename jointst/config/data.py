"""Which sets are used for what, and stages 3 to 5: lexicon, features, tokenizer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from jointst.common.languages import LANGUAGES
from jointst.common.units import Hertz, Milliseconds, Minutes, frames_in, samples_in
from jointst.config.check import require

LOW_FREQUENCY: Hertz = 20.0
"""Where the first filter begins, as in Kaldi."""


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
    paired_minutes: Minutes = 0.0
    """So much of the speech in ``train`` is trained on, drawn by a hash of the utterances' names; 0 for all. Symbols,
    feature statistics and ``jointst lm`` still have all of it."""
    same_sentences: bool = False
    """Whether development and test sentences may be in training and unpaired text, as in a corpus of commands;
    otherwise that is an error, unless nearly all of a set's sentences are in training."""
    max_tokens_per_second: float = 40.0
    """A transcript with more labels for each second of audio than this is an error (a quarter less: a warning)."""

    def __post_init__(self) -> None:
        for key in ("train", "dev", "test"):
            require(bool(getattr(self, key)), key, "is empty", "name at least one data directory")
        for key in ("train", "pseudo"):
            shared = set(getattr(self, key)) & (set(self.dev) | set(self.test))
            require(not shared, key, f"also a dev or test set: {' '.join(sorted(shared))}")
        both = set(self.train) & set(self.pseudo)
        require(not both, "pseudo", f"also under train: {' '.join(sorted(both))}", "name each set once")
        for code in self.text_only_languages:
            require(code in LANGUAGES, "text_only_languages", f"{code!r} is unknown", f"known: {' '.join(LANGUAGES)}")
        require(self.paired_minutes >= 0, "paired_minutes", f"is {self.paired_minutes}", "at least 0")
        require(self.max_tokens_per_second > 0, "max_tokens_per_second", f"is {self.max_tokens_per_second}", "> 0")


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
    edges: Literal["snip", "reflect"] = "snip"
    """Windows that lie in the audio whole, or one for each shift, audio reflected at its ends (Kaldi's snip-edges). The
    apps of sherpa-onnx have reflect, high_frequency -400 and floor 128; a model for them had best be trained so."""
    high_frequency: Hertz = 0.0
    """Where the last filter ends; 0 or less counts from half the sampling rate."""
    floor: float = 1.0
    """Smallest mel energy, of samples in 16-bit steps; digital silence becomes exactly the logarithm of it."""
    speed_perturbation: tuple[float, ...] = (1.0,)
    """Training audio is added once at each of these speeds."""
    cmvn: Literal["global", "none"] = "global"
    """Mean and variance normalisation: statistics of the training set, or none; a pretrained encoder that is fine-tuned
    normalises by itself, as it was trained."""
    storage: Literal["arks", "on_the_fly", "shards"] = "arks"
    """arks: stage 4 writes features once; on_the_fly: it counts frames and measures statistics, and whoever needs
    features makes them of the audio each time, which training.augmentation needs; shards: likewise, where the audio of
    all paired sets is in shards, which ``jointst shard`` has read: stage 4 reads a part of it, for the statistics."""
    compress: bool = True
    """Write compressed arks (8 bits a value; waveforms, which some pretrained encoders read, 16)."""
    max_failures: float = 0.0
    """Share of utterances whose audio may be unreadable before the stage fails; each is named either way."""

    def __post_init__(self) -> None:
        require(self.sampling_rate > 0, "sampling_rate", f"is {self.sampling_rate}", "> 0")
        require(self.mel_bins > 0, "mel_bins", f"is {self.mel_bins}", "> 0")
        require(0 < self.hop <= self.window, "hop", f"is {self.hop} ms with a window of {self.window} ms")
        require(self.floor > 0, "floor", f"is {self.floor}", "> 0")
        end = self.upper_frequency
        fix = f"{LOW_FREQUENCY:g} to half the sampling rate, or from there, as -400"
        in_range = LOW_FREQUENCY < end <= self.sampling_rate / 2
        require(in_range, "high_frequency", f"is {self.high_frequency}, which is {end} Hz", fix)
        require(bool(self.speed_perturbation), "speed_perturbation", "is empty", "[1.0] for none")
        require(1.0 in self.speed_perturbation, "speed_perturbation", "lacks 1.0", "the plain audio is needed")
        require(all(0.5 <= s <= 2.0 for s in self.speed_perturbation), "speed_perturbation", "outside 0.5 to 2")
        require(0.0 <= self.max_failures < 1.0, "max_failures", f"is {self.max_failures}", "0 <= share < 1")

    @property
    def stored(self) -> bool:
        """Whether features are written once, and not made each time."""
        return self.storage == "arks"

    @property
    def window_samples(self) -> int:
        """Samples in a window."""
        return samples_in(self.window / 1000, self.sampling_rate)

    @property
    def hop_samples(self) -> int:
        """Samples in a shift."""
        return samples_in(self.hop / 1000, self.sampling_rate)

    @property
    def upper_frequency(self) -> Hertz:
        """Where the last filter ends, in hertz from 0."""
        return self.high_frequency if self.high_frequency > 0 else self.sampling_rate / 2 + self.high_frequency

    def frames_in(self, samples: int) -> int:
        """Number of frames over ``samples`` samples."""
        window, hop = self.window_samples, self.hop_samples
        return frames_in(samples, window, hop) if self.edges == "snip" else (samples + hop // 2) // hop

    def stated(self) -> dict[str, Any]:
        """All settings to be hashed, without those that came later where they are as things were before they came."""
        values = dataclasses.asdict(self)
        first = {"edges": "snip", "high_frequency": 0.0, "floor": 1.0, "storage": "arks"}
        for name, before in first.items():
            if values[name] == before:
                del values[name]
        return values


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
        require(self.vocabulary_size > 2, "vocabulary_size", f"is {self.vocabulary_size}", "at least 3")
