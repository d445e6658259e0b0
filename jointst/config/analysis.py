"""Stage 9, and what looks into or uses a trained model: probes, durations, pseudo-labels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from jointst.config.check import require
from jointst.config.model import Decoder


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
        require(self.utterances >= 2, "utterances", f"is {self.utterances}", "at least 2, for mismatched pairs")
        require(self.heat_maps >= 0, "heat_maps", f"is {self.heat_maps}", "at least 0")


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
    labels: tuple[str, ...] = ("age", "gender", "emotion")
    """What else is asked for where a set has the file utt2X or spk2X of it; speakers are split, not utterances, so that
    knowing a speaker is of no help."""
    age_bounds: tuple[int, ...] = (18, 40, 60)
    """Where classes of ages begin: under 18, 18 to 39, 40 to 59, from 60 on."""
    iterations: int = 50
    """Iterations of L-BFGS at most."""
    decay: float = 1e-4
    """Weight of the squared weights."""

    def __post_init__(self) -> None:
        for key in ("utterances", "splits", "frames", "least_examples", "iterations"):
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")
        require(self.decay >= 0, "decay", f"is {self.decay}", "at least 0")
        ascending = all(a < b for a, b in pairwise(self.age_bounds))
        require(ascending, "age_bounds", f"is {list(self.age_bounds)}", "ages in ascending order")


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
            require(getattr(self, key) > 0, key, f"is {getattr(self, key)}", "> 0")


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
        require(0.0 <= self.threshold <= 1.0, "threshold", f"is {self.threshold}", "0 to 1")
        require(bool(self.suffix), "suffix", "is empty", "a set must not replace itself")
