"""What rules are made of: sets as they lie on the disk, findings, and the registry of rules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from jointst.common.errors import DataError
from jointst.common.units import Seconds
from jointst.config import Config, DataConfig
from jointst.kaldi.directory import Segment
from jointst.kaldi.recordings import Recording
from jointst.kaldi.tables import LineError, Table

Part: TypeAlias = Literal["train", "pseudo", "dev", "test", "unpaired"]
Level: TypeAlias = Literal["ERROR", "WARNING"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault.

    Attributes:
        path: the file.
        line: 1-based line number, 0 for the file as a whole.
        utterance: its id (or a speaker's, or a recording's), or an empty string.
        message: what is wrong, with the actual value.
        fix: how to mend it by hand.
    """

    path: Path
    line: int = 0
    utterance: str = ""
    message: str
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Set:
    """One data directory as it lies on the disk, faults included.

    Attributes:
        path: the folder.
        parts: what the configuration uses it for.
        tables: what could be read of each file.
        unreadable: why a file could not be opened, by its name.
        recordings: what the audio files hold, by key of ``wav.scp``.
    """

    path: Path
    parts: tuple[Part, ...]
    tables: dict[str, Table]
    unreadable: dict[str, str] = field(default_factory=dict)
    recordings: dict[str, Recording] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.path.name

    @property
    def paired(self) -> bool:
        """Whether it must have audio."""
        return self.parts != ("unpaired",)

    @property
    def audio_file(self) -> str:
        """The file whose keys are the utterances that have audio."""
        return "segments" if "segments" in self.tables else "wav.scp"

    def entries(self, file: str) -> dict[str, str]:
        """Value of each key in a file; empty if the file is missing."""
        return self.tables[file].entries if file in self.tables else {}

    def faults(self, rule: str) -> Iterator[Finding]:
        """Findings for the lines of all files that break ``rule``."""
        for table in self.tables.values():
            for fault in table.faults:
                if fault.rule == rule:
                    yield from_line(fault)

    def at(self, file: str, key: str, message: str, fix: str) -> Finding:
        """A finding about one key in a file."""
        line = self.tables[file].lines.get(key, 0) if file in self.tables else 0
        return Finding(path=self.path / file, line=line, utterance=key, message=message, fix=fix)

    def lang(self, utterance: str) -> str:
        """Code of its language, or an empty string."""
        return self.entries("utt2lang").get(utterance, "")

    def audio_of(self, utterance: str) -> tuple[Recording, Seconds] | None:
        """The recording of an utterance and the length of its part of it, if they can be known."""
        segments = self.entries("segments")
        if "segments" not in self.tables:
            whole = self.recordings.get(utterance)
            return (whole, whole.seconds) if whole and not whole.fault else None
        try:
            segment = Segment.parse(segments[utterance])
        except (KeyError, DataError):
            return None
        whole = self.recordings.get(segment.recording)
        if whole is None or whole.fault:
            return None
        return whole, (whole.seconds if segment.end == -1 else min(segment.end, whole.seconds)) - segment.start


def from_line(fault: LineError) -> Finding:
    """The finding for a faulty line."""
    assert fault.path is not None
    return Finding(
        path=fault.path,
        line=fault.line or 0,
        utterance=fault.utterance or "",
        message=fault.problem,
        fix=fault.fix,
    )


@dataclass(frozen=True, kw_only=True)
class Everything:
    """All sets of a configuration."""

    settings: Config
    sets: tuple[Set, ...]

    @property
    def config(self) -> DataConfig:
        """The settings of the data."""
        return self.settings.data

    def of(self, *parts: Part) -> list[Set]:
        """The sets that play one of these parts."""
        return [item for item in self.sets if set(parts) & set(item.parts)]

    def held_out(self) -> list[Set]:
        """The development and test sets."""
        return self.of("dev", "test")


Check: TypeAlias = Callable[[Everything], Iterator[Finding]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        name: its id.
        level: an error stops the recipe, a warning does not.
        check: yields a finding for each fault.
        mends: what ``jointst fix`` does about it; empty where only a person can mend it.
    """

    name: str
    level: Level
    check: Check
    mends: str = ""

    @property
    def sentence(self) -> str:
        """What it demands."""
        return (inspect.getdoc(self.check) or "").partition("\n")[0]


REGISTERED: dict[str, Rule] = {}
"""Every rule by its id."""


def rule(name: str, level: Level, mends: str = "") -> Callable[[Check], Check]:
    """Register a rule under an id."""

    def register(check: Check) -> Check:
        assert name not in REGISTERED, f"two rules are called {name}"
        REGISTERED[name] = Rule(name=name, level=level, check=check, mends=mends)
        return check

    return register
