"""``report.html``: one static page on an experiment, from whatever its stages have left so far."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from jointst.analysis.listen import Recordings
from jointst.analysis.page import Section, folded, page, paragraph
from jointst.analysis.sections import (
    alignment_section,
    error_section,
    heat_map_section,
    sample_section,
    speed_section,
    time_section,
    training_section,
)
from jointst.analysis.words import word_section
from jointst.common.errors import DataError
from jointst.common.files import write_atomically
from jointst.config.context import Context
from jointst.scoring.table import percent


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What the stages of an experiment left; empty where a stage has not run.

    Attributes:
        folder: of the experiment.
        scores: ``score/scores.json``.
        utterances: lines of ``score/utterances.jsonl``.
        layers: ``align/layers.json``.
        log: lines of ``log.jsonl``.
        versions: ``versions.json``.
        config: text of ``config.yaml``.
    """

    folder: Path
    scores: dict[str, Any]
    utterances: list[dict[str, Any]]
    layers: dict[str, Any]
    log: list[dict[str, Any]]
    versions: dict[str, Any]
    config: str

    @classmethod
    def read(cls, folder: Path) -> Experiment:
        """Read what there is.

        Raises:
            DataError: a file is damaged.
        """
        config = folder / "config.yaml"
        return cls(
            folder=folder,
            scores=_read_json(folder / "score" / "scores.json"),
            utterances=_read_lines(folder / "score" / "utterances.jsonl"),
            layers=_read_json(folder / "align" / "layers.json"),
            log=_read_lines(folder / "log.jsonl", cut_short=True),
            versions=_read_json(folder / "versions.json"),
            config=config.read_text(encoding="utf-8") if config.is_file() else "",
        )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"is not JSON: {error}", path=path, fix="run the stage that writes it with --force") from None
    return content


def _read_lines(path: Path, *, cut_short: bool = False) -> list[dict[str, Any]]:
    """Lines of JSON; with ``cut_short`` the last one may be broken, as a kill in mid-write leaves it."""
    lines: list[dict[str, Any]] = []
    content = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, line in enumerate(content, start=1):
        try:
            lines.append(json.loads(line))
        except ValueError as error:
            if cut_short and number == len(content):
                break
            raise DataError(
                f"is not JSON: {error}", path=path, line=number, fix="run the stage that writes it with --force"
            ) from None
    return lines


def build_report(context: Context) -> Path:
    """Write ``report.html`` of the experiment and return its path.

    Raises:
        DataError: a file of an earlier stage is damaged.
    """
    path = context.exp / "report.html"
    write_atomically(path, report_html(Experiment.read(context.exp), context.name, Recordings(context.data)))
    return path


def report_html(experiment: Experiment, name: str, recordings: Recordings | None = None) -> str:
    """The page of an experiment.

    Args:
        experiment: what its stages left.
        name: its title.
        recordings: of its test sets, to be heard beside samples.
    """
    sections = [
        error_section(experiment.scores),
        sample_section(experiment.utterances, recordings),
        word_section(experiment.utterances),
        training_section(experiment.log, experiment.layers),
        alignment_section(experiment.layers),
        time_section(experiment.layers),
        heat_map_section(experiment.layers, experiment.folder / "align"),
        speed_section(experiment.scores),
        _sclite_section(experiment),
        _settings_section(experiment),
        Section(key="terms", title="Words used here", body=TERMS),
    ]
    return page(f"{name}: jointst report", _header(experiment, name), sections)


def _header(experiment: Experiment, name: str) -> str:
    versions = experiment.versions
    facts = [str(versions[key]) for key in ("git_commit", "commit", "git") if isinstance(versions.get(key), str)][:1]
    facts = [f"commit {fact[:12]}" for fact in facts]
    if experiment.log:
        last = experiment.log[-1]
        seconds = last.get("seconds")
        facts.append(f"{last.get('update', 0):,} updates" + (f" in {_duration(seconds)}" if seconds else ""))
    parts = [f"<h1>{escape(name)}</h1>", paragraph(" · ".join(facts), "muted") if facts else ""]
    streams = any("streaming" in record["decoders"] for record in experiment.scores.get("sets", {}).values())
    two = (
        "Two recognisers share its encoder: a streaming one that writes while it listens, and a full-context one that "
    )
    sentence = f"{two}hears all first." if streams else "It hears a whole utterance before it writes."
    parts.append(paragraph(f"A speech recogniser trained on transcribed speech and on text without speech. {sentence}"))
    parts.append(_tiles(experiment.scores))
    alarms = experiment.layers.get("alarms", [])
    if alarms:
        items = "".join(f"<li>{escape(alarm)}</li>" for alarm in alarms)
        parts.append(f'<div class="alarm" role="alert"><b>Look at this first</b><ul>{items}</ul></div>')
    return "".join(parts)


def _tiles(scores: dict[str, Any]) -> str:
    tiles = []
    for name, record in scores.get("sets", {}).items():
        for decoder, result in sorted(record["decoders"].items()):  # full context first
            rate = result["macro"]["error_rate"]
            tiles.append((f"{percent(rate)} %", f"{name}, {decoder.replace('_', ' ')}: mean error rate"))
    for name, record in list(scores.get("sets", {}).items())[-1:]:
        unheard = record["decoders"]["full_context"]["unheard_words"]
        if unheard["occurrences"]:
            tiles.append((f"{percent(unheard['recall'])} %", f"{name}: words never heard, recognised"))
    for record in list(scores.get("sets", {}).values())[:1]:
        if record["speed"]:
            tiles.append((f"{record['speed']['rtfx_full_context']:.0f} ×", "real time, full context"))
    cells = "".join(f'<div class="tile"><b>{value}</b><span>{escape(label)}</span></div>' for value, label in tiles)
    return f'<div class="tiles">{cells}</div>' if cells else ""


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _sclite_section(experiment: Experiment) -> Section:
    files = sorted((experiment.folder / "score" / "sclite").glob("*/*/summary.txt"))
    parts = [folded(f"{path.parent.parent.name}, {path.parent.name}", path.read_text("utf-8")) for path in files]
    intro = paragraph(
        "The tables of NIST's own scorer on the same text, a language to each row; it counts words, or characters "
        "where the language writes no spaces."
    )
    return Section(key="sclite", title="NIST sclite", body=intro + "".join(parts) if parts else "")


def _settings_section(experiment: Experiment) -> Section:
    parts = []
    if experiment.config:
        parts.append(folded("Settings (config.yaml)", experiment.config))
    if experiment.versions:
        parts.append(folded("Versions (versions.json)", json.dumps(experiment.versions, indent=1)))
    return Section(key="settings", title="Settings and versions", body="".join(parts))


TERMS = """<dl>
<dt>Error rate</dt><dd>Wrong, missing and added words for each 100 words spoken; characters instead of words in Chinese
and Japanese. WER counts words and CER characters in every language.</dd>
<dt>Macro, pooled</dt><dd>The plain mean over languages; and all errors of all languages over all their words.</dd>
<dt>Paired, unpaired</dt><dd>Speech with its transcript; text alone.</dd>
<dt>Words never heard</dt><dd>Words of the test transcripts that no training transcript holds. A model can know them
only from text.</dd>
<dt>Shared layer</dt><dd>A layer of the encoder that both speech and text pass through. The closer it brings the two,
the more a model can learn from text alone.</dd>
<dt>Alignment</dt><dd>Which piece of text each moment of speech belongs to. The best alignment is the one in time order
whose summed distance is least.</dd>
<dt>RTFx</dt><dd>Seconds of audio recognised in a second of work.</dd>
</dl>"""
