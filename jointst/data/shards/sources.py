"""What goes into shards: the utterances of a Kaldi data directory, or the cuts of a lhotse manifest.

T samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jointst.common.errors import DataError, EnvironmentFault, JointstError
from jointst.common.languages import LANGUAGES
from jointst.common.units import Hertz
from jointst.kaldi.audio import Samples, load_audio
from jointst.kaldi.directory import DataDirectory, Segment
from jointst.kaldi.sound import Level

_SPACE = re.compile(r"\s+")
INSTALL = "tools/install.sh --extra corpora, or pip install lhotse"


@dataclass(frozen=True)
class Utterance:
    """An utterance that goes into a shard.

    Attributes:
        name: its id.
        text: normalised.
        speaker: its speaker.
        language: ISO 639-1 code; empty if it is not known.
        phones: its phone string; empty if it has none yet.
        entry: its audio as in ``wav.scp``; of a cut, the manifest that lists it.
        segment: the part of that; None for all.
        cut: a cut of lhotse as plain values; None for an utterance of a Kaldi directory.
    """

    name: str
    text: str
    speaker: str
    language: str
    phones: str
    entry: str
    segment: Segment | None = None
    cut: dict[str, Any] | None = None

    def samples(self, rate: Hertz) -> Samples:
        """Its audio (T,) at a rate.

        Raises:
            DataError: it cannot be read, by name.
        """
        if self.cut is None:
            return load_audio(self.entry, self.segment, rate, utterance=self.name, path=Path(self.entry))
        return _samples_of_cut(self, rate)


def _samples_of_cut(utterance: Utterance, rate: Hertz) -> Samples:
    from lhotse.audio.utils import AudioLoadingError, DurationMismatchError
    from lhotse.serialization import deserialize_item

    level = Level()
    try:
        cut = deserialize_item(dict(utterance.cut or {}))
        cut = cut if cut.sampling_rate == rate else cut.resample(round(rate))
        samples = level.checked(np.atleast_2d(cut.load_audio()).T, rate)
        level.check_whole()
    except DataError as fault:
        raise DataError(fault.problem, path=utterance.entry, utterance=utterance.name, fix=fault.fix) from None
    except (AudioLoadingError, DurationMismatchError, OSError, ValueError, RuntimeError, AssertionError) as error:
        problem = f"lhotse cannot read it: {error}"
        raise DataError(problem, path=utterance.entry, utterance=utterance.name, fix="mend or remove the cut") from None
    return np.ascontiguousarray(samples, dtype=np.float32)


def utterances_of(source: Path, language: str | None) -> list[Utterance]:
    """What a data directory or a manifest lists.

    Args:
        source: a folder, or a file of cuts (``.jsonl`` or ``.jsonl.gz``).
        language: ISO 639-1 code for those that state none.

    Raises:
        DataError: it is missing or faulty, an utterance has no audio, or a cut is not one transcribed utterance.
        EnvironmentFault: lhotse, which reads manifests, is missing.
    """
    if source.is_dir():
        found = list(_of_directory(DataDirectory.read(source), language))
    elif source.is_file():
        found = list(_of_manifest(source, language))
    else:
        fix = "name a Kaldi data directory, or lhotse's file of cuts"
        raise DataError("there is no such folder or file", path=source, fix=fix)
    if not found:
        raise DataError("holds no utterance", path=source, fix="at least one is needed")
    return sorted(found, key=lambda utterance: utterance.name.encode())


def _of_directory(source: DataDirectory, language: str | None) -> Iterator[Utterance]:
    wav_scp = source.path / "wav.scp"
    if not source.has_audio:
        raise DataError("a set without audio", path=wav_scp, fix="shards are for speech; text stays as it is")
    for name in source.utterances:
        if source.segments and name not in source.segments:
            raise DataError("is not in segments", path=source.path / "segments", utterance=name, fix="add it")
        entry = source.wav_scp.get(source.recording(name))
        if entry is None:
            fix = "add it, or remove the utterance from text"
            raise DataError("has no audio in wav.scp", path=wav_scp, utterance=name, fix=fix)
        speaker, lang = source.utt2spk.get(name, name), source.utt2lang.get(name, language or "")
        phones = source.phones.get(name, "")
        yield Utterance(name, source.text[name], speaker, lang, phones, entry, source.segments.get(name))


def _of_manifest(source: Path, language: str | None) -> Iterator[Utterance]:
    try:
        from lhotse import CutSet, load_manifest_lazy
    except ImportError as error:
        raise EnvironmentFault(f"lhotse is missing, which reads {source} ({error}); {INSTALL}") from None
    from jointst.text.normalise import normalise

    try:
        cuts = load_manifest_lazy(source)
        if not isinstance(cuts, CutSet):
            kind = type(cuts).__name__
            problem = f"is a {kind}, not cuts" if cuts is not None else "is no manifest of lhotse"
            raise DataError(problem, path=source, fix="lhotse cut simple -r RECORDINGS -s SUPERVISIONS CUTS")
        seen: set[str] = set()
        for cut in cuts:
            if len(cut.supervisions) != 1:
                problem = f"is a cut of {len(cut.supervisions)} supervisions, not of one"
                raise DataError(problem, path=source, utterance=cut.id, fix="lhotse cut trim-to-supervisions CUTS OUT")
            (said,) = cut.supervisions
            lang = _language(said.language, language, source, cut.id)
            if not said.text:
                raise DataError("has no text", path=source, utterance=cut.id, fix="transcribe or remove it")
            speaker = _SPACE.sub("_", said.speaker or cut.id)
            name = _SPACE.sub("_", cut.id)
            name = name if name.startswith(speaker) else f"{speaker}-{name}"
            if name in seen:
                raise DataError("is in it twice", path=source, utterance=cut.id, fix="give each cut an id of its own")
            seen.add(name)
            yield Utterance(name, normalise(said.text, lang), speaker, lang, "", str(source), None, cut.to_dict())
    except JointstError:
        raise
    except (OSError, ValueError, AssertionError, KeyError, TypeError) as error:
        raise DataError(
            f"is no manifest of lhotse: {error}", path=source, fix="a .jsonl or .jsonl.gz of cuts"
        ) from None


def _language(stated: str | None, otherwise: str | None, source: Path, cut: str) -> str:
    """The code of a language that a manifest states, as a code or in English."""
    names = {language.name.lower(): code for code, language in LANGUAGES.items()}
    given = (stated or otherwise or "").strip()
    code = names.get(given.lower(), given.lower().partition("-")[0])
    if code not in LANGUAGES:
        problem = f"is in {given!r}, which is unknown" if given else "states no language"
        raise DataError(problem, path=source, utterance=cut, fix=f"--language CODE, of {' '.join(LANGUAGES)}")
    return code
