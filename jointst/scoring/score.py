"""Stage 8: error rates of every test set and decoder, per language, macro and pooled, and decoding speed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.common.languages import language
from jointst.config import Decoder
from jointst.config.context import Context, Made
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.part import only, spoken_part
from jointst.kaldi.tables import read_table
from jointst.scoring.counts import Counts, Scored, score_utterances
from jointst.scoring.phrases import FILE, read_decoded_phrases, recall_of_phrases
from jointst.scoring.sclite import executable, run_sclite
from jointst.scoring.summary import Summary, by_voice, recall_of_unheard, summarise
from jointst.scoring.table import Cell, percent, table
from jointst.text.normalise import SCORING, for_scoring
from jointst.text.phonemes import Phonemizer

RATES = ("error_rate", "wer_rate", "cer_rate")


@cache
def _phonemizer(lang: str) -> Phonemizer:
    return Phonemizer(lang)


def segment(lang: str, text: str) -> list[str]:
    """Words of a language written without spaces, by the dictionary that its lexicon is made with."""
    return _phonemizer(lang).words(text)


def run(context: Context) -> Made:
    """Score all test sets; print the tables; write ``score/scores.json``, ``scores.txt`` and ``utterances.jsonl``.

    Raises:
        DataError: hypotheses or references are missing, malformed, or do not belong together.
        EnvironmentFault: sclite is demanded and not installed.
    """
    encoder = context.config.model.audio_encoder
    return score_decoders(context, context.config.model.decoders, frozen=encoder.kind if encoder.frozen else None)


def score_decoders(
    context: Context,
    decoders: Sequence[Decoder],
    *,
    frozen: str | None = None,
    sets: Sequence[DataDirectory] | None = None,
) -> Made:
    """Score what some decoders made of the test sets; of other systems too, whose hypotheses lie where ours do.

    Args:
        context: the experiment that they lie in.
        decoders: the full-context one, and the streaming one where there is one.
        frozen: kind of the encoder whose states were made before decoding was timed.
        sets: the test sets, or parts of them; by default those of the settings as they lie there.

    Raises:
        DataError, EnvironmentFault: see :func:`run`.
    """
    folder = context.exp / "score"
    known, phrases = _training(context), read_decoded_phrases(context.exp / "decode" / FILE)
    records: dict[str, Any] = {}
    texts, lines = [_preamble()], []
    if sets is None:
        sets = [DataDirectory.read(context.data / name) for name in context.config.data.test]
    for directory in sets:
        name = directory.path.name
        scored = {decoder: _score(context, directory, name, decoder) for decoder in decoders}
        record: dict[str, Any] = {
            "utterances": len(directory.text),
            "decoders": {decoder: _record(items, directory, known) for decoder, items in scored.items()},
            "speed": _speed(context.exp / "decode" / name / "timing.json", decoders),
        }
        if frozen is not None:
            record["frozen_encoder"] = frozen
        if phrases is not None:
            for decoder, items in scored.items():
                recognised, said = recall_of_phrases(items, phrases)
                record["decoders"][decoder]["phrases"] = {"recognised": recognised, "occurrences": said}
        record["sclite"] = _sclite(context, scored, folder / "sclite" / name)
        records[name] = record
        texts.append(set_text(name, record))
        for decoder, items in scored.items():
            lines += [_utterance_line(name, decoder, item, directory, known) for item in items]
    result = {"normaliser": SCORING, "sets": records}
    text = "\n".join(texts)
    write_atomically(folder / "utterances.jsonl", "".join(lines))
    write_atomically(folder / "scores.txt", text)
    write_atomically(folder / "scores.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(text, end="", flush=True)
    return Made(what=f"scores of {len(records)} test sets", where=folder / "scores.txt")


def _preamble() -> str:
    return (
        f"References and hypotheses both normalised by {SCORING}. Rates in %.\n"
        "error: words, or characters where the language writes no spaces; macro: mean over languages; "
        "pooled: summed counts.\n"
    )


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What training had: speakers heard, and by language the words heard and those of the unpaired text."""

    speakers: set[str]
    heard: dict[str, set[str]]
    read: dict[str, set[str]]


def _training(context: Context) -> _Known:
    data = context.config.data
    paired, unpaired = (
        [DataDirectory.read(context.data / name) for name in names] for names in (data.train, data.unpaired)
    )
    spoken = only(paired, spoken_part(context.config, context.data))
    speakers = {speaker for directory in spoken for speaker in directory.utt2spk.values()}
    # a language whose speech is all left out has been heard in no word
    heard: dict[str, set[str]] = {lang: set() for directory in paired for lang in directory.utt2lang.values()}
    return _Known(speakers=speakers, heard=heard | _words(spoken), read=_words(unpaired))


def _words(directories: Sequence[DataDirectory]) -> dict[str, set[str]]:
    """Words by language."""
    words: dict[str, set[str]] = {}
    for directory in directories:
        for utterance, text in directory.text.items():
            lang = _language_of(directory, utterance)
            text = for_scoring(text, lang)
            words.setdefault(lang, set()).update(text.split() if language(lang).has_spaces else segment(lang, text))
    return words


def _language_of(directory: DataDirectory, utterance: str) -> str:
    if utterance not in directory.utt2lang:
        raise DataError("has no language", path=directory.path / "utt2lang", utterance=utterance, fix="add its line")
    return directory.utt2lang[utterance]


def _score(context: Context, directory: DataDirectory, name: str, decoder: str) -> list[Scored]:
    path = context.exp / "decode" / name / decoder / "hyp.text"
    return score_utterances(
        directory.text,
        read_table(path, allow_empty=True),
        {utterance: _language_of(directory, utterance) for utterance in directory.text},
        path=path,
        normalise=for_scoring,
        segment=segment,
    )


def _record(scored: list[Scored], directory: DataDirectory, known: _Known) -> dict[str, Any]:
    """Everything about one decoder on one set, for JSON."""
    voices: dict[str, Summary] = by_voice(scored, directory.utt2spk, known.speakers) if known.speakers else {}
    unheard = recall_of_unheard(scored, known.heard)
    recognised, occurrences = (sum(pair[i] for pair in unheard.values()) for i in (0, 1))
    read = recall_of_unheard(scored, known.heard, known.read)
    return {
        **summarise(scored).as_dict(),
        "missing": [item.utterance for item in scored if item.missing],
        "empty_references": [item.utterance for item in scored if not item.reference],
        "voices": {voice: summary.as_dict() for voice, summary in voices.items()},
        "unheard_words": {
            "recognised": recognised,
            "occurrences": occurrences,
            "recall": recognised / occurrences if occurrences else None,
            "in_unpaired_text": {
                key: sum(pair[i] for pair in read.values()) for i, key in enumerate(("recognised", "occurrences"))
            }
            if known.read
            else None,
            "languages": {lang: {"recognised": pair[0], "occurrences": pair[1]} for lang, pair in unheard.items()},
        },
    }


def _speed(path: Path, decoders: Sequence[str]) -> dict[str, float] | None:
    """RTFx, seconds of audio for each second of work, of each decoder; None if decoding was not timed."""
    if not path.is_file():
        return None
    try:
        timing = {key: float(value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()}
        encoder, audio = timing["encoder_seconds"], timing["audio_seconds"]
        # The encoder runs once for both decoders, so the streaming figure includes the full-context layers.
        rtfx = {f"rtfx_{name}": audio / max(encoder + timing[f"{name}_seconds"], 1e-9) for name in decoders}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise DataError(f"is damaged: {error!r}", path=path, fix="run stage 7, decode, with --force") from None
    return {**timing, **rtfx}


def _sclite(context: Context, scored: Mapping[Decoder, list[Scored]], folder: Path) -> dict[str, Any] | None:
    """sclite's own counts, and in which languages its errors differ from ours."""
    setting = context.config.scoring.sclite
    if setting == "no" or (setting == "auto" and executable() is None):
        return None
    record: dict[str, Any] = {}
    for decoder, items in scored.items():
        theirs = run_sclite(items, folder / decoder)
        ours = summarise(items).main
        differing = [lang for lang in sorted(ours) if ours[lang] != theirs.get(lang, Counts())]
        for lang in differing:
            print(
                f"warning: sclite counts {theirs.get(lang, Counts()).as_dict()} in {folder / decoder} {lang}, "
                f"we count {ours[lang].as_dict()} (it weighs a substitution 4, the others 3)",
                file=sys.stderr,
            )
        counts = {lang: counts.as_dict() for lang, counts in theirs.items()}
        record[decoder] = {"languages": counts, "differing": differing}
    return record


def _utterance_line(
    name: str,
    decoder: str,
    item: Scored,
    directory: DataDirectory,
    known: _Known,
) -> str:
    speaker = directory.utt2spk.get(item.utterance)
    recognised, occurrences = recall_of_unheard([item], known.heard).get(item.lang, (0, 0))
    record = {
        "set": name,
        "decoder": decoder,
        "utterance": item.utterance,
        "language": item.lang,
        "voice": None if speaker is None or not known.speakers else ("unseen", "seen")[speaker in known.speakers],
        "reference": item.reference,
        "hypothesis": item.hypothesis,
        "missing": item.missing,
        "words": item.words.as_dict(),
        "characters": item.characters.as_dict(),
        "unheard_words": {"recognised": recognised, "occurrences": occurrences},
    }
    return json.dumps(record, ensure_ascii=False) + "\n"


def _rates(record: dict[str, Any]) -> list[Cell]:
    return [percent(record[rate]) for rate in RATES]


def set_text(name: str, record: dict[str, Any]) -> str:
    """The tables of one test set, from its part of ``scores.json``."""
    decoders = record["decoders"]
    full = decoders["full_context"]
    rows: list[list[Cell] | None] = []
    for lang, own in full["languages"].items():
        main = own["words" if own["unit"] == "word" else "characters"]
        rates = [cell for result in decoders.values() for cell in _rates(result["languages"][lang])]
        kinds = [main[kind] for kind in ("length", "substitutions", "deletions", "insertions")]
        rows.append([lang, own["unit"], *rates, *kinds])
    rows.append(None)
    for kind in ("macro", "pooled"):
        rates = [cell for result in decoders.values() for cell in _rates(result[kind])]
        main = full["pooled"]["main"]
        kinds = [main[key] for key in ("length", "substitutions", "deletions", "insertions")]
        rows.append([kind, "", *rates, *(kinds if kind == "pooled" else [""] * 4)])
    rows += _voice_rows(decoders)
    text = table(
        ["language", "unit", *["error", "WER", "CER"] * len(decoders), "length", "sub", "del", "ins"],
        rows,
        title=f"{name}: {record['utterances']} utterances",
        groups=[("", 2), *((name.replace("_", " "), 3) for name in decoders), ("full context, units", 4)],
        left=2,
    )
    return text + "".join(f"{line}\n" for line in _remarks(record))


def _voice_rows(decoders: dict[str, Any]) -> list[list[Cell] | None]:
    """Rows of seen and unseen voices: macro rates."""
    rows: list[list[Cell] | None] = []
    for voice, own in decoders["full_context"]["voices"].items():
        rates = [cell for result in decoders.values() for cell in _rates(result["voices"][voice]["macro"])]
        rows.append([f"{voice} voices", "macro", *rates, own["pooled"]["main"]["length"], "", "", ""])
    return [None, *rows] if rows else []


def _remarks(record: dict[str, Any]) -> list[str]:
    """Lines below the table: words never heard, words of phrases, speed, missing hypotheses."""
    lines = []
    for decoder, result in record["decoders"].items():
        label = decoder.replace("_", " ")
        unheard = result["unheard_words"]
        if unheard["occurrences"]:
            share = f"{unheard['recognised']} of {unheard['occurrences']}"
            read = unheard["in_unpaired_text"]
            if read is not None:
                share += f"; of those in unpaired text {read['recognised']} of {read['occurrences']}"
            lines.append(f"{label}: recall of words never heard in training {percent(unheard['recall'])} % ({share})")
        phrases = result.get("phrases", {"occurrences": 0})
        if phrases["occurrences"]:
            recall = percent(phrases["recognised"] / phrases["occurrences"])
            share = f"{phrases['recognised']} of {phrases['occurrences']}"
            lines.append(f"{label}: recall of the words of phrases {recall} % ({share})")
        if record["speed"]:
            rtfx = f"RTFx {record['speed'][f'rtfx_{decoder}']:.0f} (seconds of audio a second"
            if "frozen_encoder" in record:
                rtfx += f", from states on: the frozen {record['frozen_encoder']} encoder takes its time in stage 4"
            lines.append(f"{label}: {rtfx})")
        missing = result["missing"]
        if missing:
            named = " ".join(missing[:5]) + (" ..." if len(missing) > 5 else "")
            lines.append(f"{label}: missing hypotheses, counted as deletions: {len(missing)} ({named})")
    return lines
