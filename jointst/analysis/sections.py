"""The sections of the report: results, samples, training, alignment, speed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from jointst.analysis.layers import PAIRINGS
from jointst.analysis.listen import Recordings
from jointst.analysis.page import Section, figure, html_table, paragraph
from jointst.analysis.plots import error_bars, inline, layer_curves, svg_of, time_curves, training_curves
from jointst.common.languages import LANGUAGES, language
from jointst.scoring.counts import align
from jointst.scoring.table import percent

_RATES = ("error_rate", "wer_rate", "cer_rate")

SAMPLES = 5
"""Utterances of each kind of sample."""


def _rates(record: Mapping[str, Any]) -> list[str]:
    return [percent(record[rate]) for rate in _RATES]


def error_section(scores: Mapping[str, Any]) -> Section:
    """Error rates of every set: bars, and the table with voices and words never heard."""
    parts = []
    for i, (name, record) in enumerate(scores.get("sets", {}).items()):
        decoders = record["decoders"]
        parts.append(f"<h3>{escape(name)}</h3>")
        rates = {
            decoder: {LANGUAGES[lang].name: item["error_rate"] for lang, item in own["languages"].items()}
            for decoder, own in decoders.items()
        }
        caption = (
            f"Share of words (characters in Chinese and Japanese) that each decoder got wrong on {name}; "
            "shorter is better."
        )
        parts.append(figure(inline(svg_of(error_bars(rates)), f"errors{i}", caption), caption))
        parts += [_error_table(decoders), _voice_table(decoders), _remarks(decoders)]
    if not parts:
        return Section(key="errors", title="Error rates", body="")
    intro = paragraph(
        f"References and hypotheses were both normalised by {scores['normaliser']}. Rates in %.",
        "note",
    )
    return Section(key="errors", title="Error rates", body=intro + "".join(parts))


def _label(decoder: str) -> str:
    return decoder.replace("_", " ").capitalize()


def _groups(decoders: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Three columns of rates for each decoder."""
    return [(_label(decoder), 3) for decoder in decoders]


def _error_table(decoders: Mapping[str, Any]) -> str:
    rows = []
    for lang, full in decoders["full_context"]["languages"].items():
        rates = [cell for own in decoders.values() for cell in _rates(own["languages"][lang])]
        main = full["words" if full["unit"] == "word" else "characters"]
        kinds = [str(main[kind]) for kind in ("length", "substitutions", "deletions", "insertions")]
        rows.append([LANGUAGES[lang].name, *rates, *kinds])
    for kind in ("macro", "pooled"):
        rates = [cell for own in decoders.values() for cell in _rates(own[kind])]
        main = decoders["full_context"]["pooled"]["main"]
        kinds = [str(main[key]) for key in ("length", "substitutions", "deletions", "insertions")]
        rows.append([kind.capitalize(), *rates, *(kinds if kind == "pooled" else [""] * 4)])
    return html_table(
        ["Language", *["Error", "WER", "CER"] * len(decoders), "Units", "Sub.", "Del.", "Ins."],
        rows,
        groups=[("", 1), *_groups(decoders), ("Full context, counts", 4)],
        sums=2,
    )


def _voice_table(decoders: Mapping[str, Any]) -> str:
    voices = decoders["full_context"]["voices"]
    rows = []
    for voice in voices:
        rates = [cell for own in decoders.values() for cell in _rates(own["voices"][voice]["macro"])]
        label = "Voices heard in training" if voice == "seen" else "Voices not heard in training"
        rows.append([label, str(voices[voice]["utterances"]), *rates])
    if not rows:
        return ""
    return html_table(
        ["Macro over languages", "Utterances", *["Error", "WER", "CER"] * len(decoders)],
        rows,
        groups=[("", 2), *_groups(decoders)],
    )


def _remarks(decoders: Mapping[str, Any]) -> str:
    lines = []
    for decoder, result in decoders.items():
        label = _label(decoder)
        unheard = result["unheard_words"]
        if unheard["occurrences"]:
            lines.append(
                f"{label}: {unheard['recognised']} of {unheard['occurrences']} words never heard in training were "
                f"recognised ({percent(unheard['recall'])} %)."
            )
        if result["missing"]:
            named = " ".join(result["missing"][:5]) + (" ..." if len(result["missing"]) > 5 else "")
            lines.append(f"{label}: missing hypotheses, counted as deletions: {len(result['missing'])} ({named}).")
    return "".join(paragraph(line, "note") for line in lines)


def sample_section(utterances: Sequence[Mapping[str, Any]], recordings: Recordings | None = None) -> Section:
    """Worst, best and random hypotheses of the full-context decoder, word under word, with what was heard."""
    lines = [line for line in utterances if line["decoder"] == "full_context" and line["reference"]]
    others = {(line["set"], line["utterance"]): line for line in utterances if line["decoder"] == "streaming"}
    if not lines:
        return Section(key="samples", title="What it wrote", body="")
    ordered = sorted(lines, key=lambda line: (_main(line)["errors"] / _main(line)["length"], _main(line)["errors"]))
    # Among equally good ones the longest says most.
    best = sorted(lines, key=lambda line: (_main(line)["errors"] / _main(line)["length"], -_main(line)["length"]))
    middle = random.Random(0).sample(lines, min(SAMPLES, len(lines)))
    parts = [
        paragraph(
            "Full-context decoder: the reference above, the hypothesis below. Red is wrong, underlined is added, "
            "struck through is missing.",
            "note",
        )
    ]
    for title, chosen in (("Random", middle), ("Worst", _spread(ordered[::-1])), ("Best", _spread(best))):
        parts.append(f"<h3>{title}</h3>")
        for line in chosen:
            heard = "" if recordings is None else recordings.player(line["set"], line["utterance"])
            parts.append(_sample(line, others.get((line["set"], line["utterance"])), heard))
    if recordings is not None and recordings.silent:
        utterance, why = next(iter(recordings.silent.items()))
        parts.append(paragraph(f"{len(recordings.silent)} of them cannot be heard: {utterance}: {why}", "note"))
    return Section(key="samples", title="What it wrote", body="".join(parts))


def _spread(lines: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first few, no two of one language as long as there are other languages."""
    seen: dict[str, int] = {}
    ranks = []
    for line in lines:
        ranks.append(seen.get(line["language"], 0))
        seen[line["language"]] = ranks[-1] + 1
    order = sorted(range(len(lines)), key=ranks.__getitem__)
    return [lines[i] for i in sorted(order[:SAMPLES])]


def _main(line: Mapping[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = line["words" if language(line["language"]).scoring_unit == "word" else "characters"]
    errors = counts["substitutions"] + counts["deletions"] + counts["insertions"]
    return {**counts, "errors": errors}


def _sample(line: Mapping[str, Any], streaming: Mapping[str, Any] | None, heard: str) -> str:
    lang = language(line["language"])
    facts = [lang.name, line["utterance"], f"{_main(line)['errors']} of {_main(line)['length']} wrong"]
    if line["voice"] == "unseen":
        facts.append("voice not heard in training")
    if line["missing"]:
        facts.append("no hypothesis")
    if streaming is not None:
        facts.append(f"streaming {_main(streaming)['errors']}")
    return f'<div class="sample"><header>{escape(" · ".join(facts))}</header>{heard}{hypothesis_line(line)}</div>'


def hypothesis_line(line: Mapping[str, Any], name: str = "") -> str:
    """Reference above hypothesis, word under word.

    Args:
        line: of ``utterances.jsonl``.
        name: of whose hypothesis it is, where several stand together.
    """
    lang = language(line["language"])
    sides = [line["reference"], line["hypothesis"]]
    if not lang.has_spaces:
        sides = [list("".join(side)) for side in sides]
    words = "".join(
        f'<span class="{kind}"><i>{escape(reference or " ")}</i><i>{escape(hypothesis or " ")}</i></span>'
        for kind, reference, hypothesis in align(*sides)
    )
    direction = "rtl" if lang.code == "ar" else "ltr"
    tight = "" if lang.has_spaces else " tight"
    whose = f'<span class="whose">{escape(name)}</span>' if name else ""
    return f'{whose}<div class="words{tight}" lang="{lang.code}" dir="{direction}">{words}</div>'


def training_section(log: Sequence[Mapping[str, Any]], layers: Mapping[str, Any]) -> Section:
    """Loss curves."""
    drawn = training_curves(log, [layer["layer"] for layer in layers.get("layers", [])])
    caption = (
        "Losses over the updates of the weights, lower is better: the development losses are on speech that is not "
        "trained on, and the spread of states must stay away from 0, where all moments of speech would look alike."
    )
    body = "" if drawn is None else figure(inline(svg_of(drawn), "training", caption), caption)
    return Section(key="training", title="Training", body=body)


def alignment_section(layers: Mapping[str, Any]) -> Section:
    """Curves and table over the shared layers."""
    if not layers:
        return Section(key="alignment", title="Do speech and text meet?", body="")
    intro = paragraph(
        "Each sentence goes through the shared layers twice, once as speech and once as text. Here is how far apart "
        "the two are under four ways to pair moments of speech with text, over "
        f"{layers['utterances']} utterances of {', '.join(layers['sets'])}."
    )
    caption = (
        "If the model ties speech to text, the best alignment lies below the frame-wise one, and both below the "
        "mismatched text, where the sentence is another one; coverage is the share of the text that the best alignment "
        "uses, and spread is how different states are from each other (0: all alike)."
    )
    curves = figure(inline(svg_of(layer_curves(layers["layers"])), "layers", caption), caption)
    return Section(key="alignment", title="Do speech and text meet?", body=intro + curves + _layer_table(layers))


def time_section(layers: Mapping[str, Any]) -> Section:
    """Whether the alignment is right in time, and how training brought it there."""
    key, title = "times", "Does it know when each sound begins?"
    along = layers.get("along", [])
    timed = bool(layers) and layers["layers"][0].get("times") is not None
    if not along and not timed:
        return Section(key=key, title=title, body="")
    points = [*along, {"name": "after training", "layers": layers["layers"]}]
    intro = (
        "Nobody tells the model when a sound is spoken. If it has found out by itself, the moment where its best "
        "alignment puts the beginning of a sound is near the true one. "
    )
    if timed:
        truth, last = layers["layers"][0]["times"], [layer["times"]["best"] for layer in layers["layers"]]
        best = min(range(len(last)), key=lambda i: last[i]["median_ms"])
        intro += (
            f"The true times of {truth['best']['phones']} sounds are known here. "
            f"Layer {layers['layers'][best]['layer']} is nearest: half of the sounds are within "
            f"{last[best]['median_ms']:.0f} ms, and {percent(last[best]['within_100_ms'])} % within 100 ms. "
            f"Spacing the sounds evenly gives {truth['framewise']['median_ms']:.0f} ms and "
            f"{percent(truth['framewise']['within_100_ms'])} %."
        )
    else:
        intro += "True times are not known of these sets: the curve compares the right text with another one instead."
    caption = (
        "Each line is the model at one point of its training, from fresh weights (dashed) to the end (dark), over its "
        "layers from the first to the last. Even spacing looks at no sound at all; possible is the truth rounded to "
        "the model's steps in time. Right: distance to the right text over that to another sentence's; 1 means that "
        "the layer cannot tell them apart."
    )
    curves = figure(inline(svg_of(time_curves(points)), "times", caption), caption)
    return Section(key=key, title=title, body=paragraph(intro) + curves + (_time_table(points) if timed else ""))


def _time_table(points: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for point in points:
        for layer in point["layers"]:
            found = layer["times"]["best"]
            shares = [percent(found[key]) for key in ("within_50_ms", "within_100_ms")]
            rows.append(
                [point["name"], layer["layer"], f"{found['median_ms']:.0f}", *shares, f"{found['bias_ms']:+.0f}"]
            )
    header = ["Model", "Layer", "Median, ms", "Within 50 ms, %", "Within 100 ms, %", "Late by, ms"]
    return html_table(header, rows)


def _layer_table(layers: Mapping[str, Any]) -> str:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    rows = []
    for layer in layers["layers"]:
        cells = [layer[measure][pairing] for measure in ("raw", "normalised") for pairing in PAIRINGS]
        norms = [f"{layer['norm'][side]:.2f}" for side in ("speech", "text")]
        spreads = [number(layer["spread"][side]) for side in ("speech", "text")]
        rows.append([layer["layer"], *map(number, [*cells, layer["coverage"]]), *norms, *spreads])
    names = ["Best", "Frame", "Rand.", "Mism."]
    groups = [("", 1), ("L2", 4), ("Layer-normalised", 4), ("", 1), ("Norm", 2), ("Spread", 2)]
    header = ["Layer", *names * 2, "Cover", "Speech", "Text", "Speech", "Text"]
    return html_table(header, rows, groups=groups)


def heat_map_section(layers: Mapping[str, Any], folder: Path) -> Section:
    """Heat maps that the align stage drew."""
    parts = []
    for i, item in enumerate(layers.get("heat_maps", [])):
        path = folder / item["file"]
        if not path.is_file():
            continue
        caption = f"{LANGUAGES[item['language']].name}, {item['utterance']}: “{item['text']}”"
        parts.append(figure(inline(path.read_text(encoding="utf-8"), f"heat{i}", caption), caption))
    intro = paragraph(
        "Dark squares are moments of speech (across) and pieces of text (up) that a layer makes alike; the orange line "
        "is the best alignment, and a steady climb along dark squares means that the layer knows where each sound is."
    )
    return Section(key="heat-maps", title="Heat maps", body=intro + "".join(parts) if parts else "")


def speed_section(scores: Mapping[str, Any]) -> Section:
    """RTFx of every set."""
    sets = {name: record for name, record in scores.get("sets", {}).items() if record["speed"]}
    decoders = list(next(iter(sets.values()))["decoders"]) if sets else []
    rows = [
        [
            name,
            f"{record['speed']['audio_seconds']:.0f}",
            *(f"{record['speed'][f'{part}_seconds']:.1f}" for part in ("encoder", *decoders)),
            *(f"{record['speed'][f'rtfx_{decoder}']:.0f}" for decoder in decoders),
        ]
        for name, record in sets.items()
    ]
    if not rows:
        return Section(key="speed", title="Speed", body="")
    note = paragraph(
        "Seconds of audio recognised in a second of work (RTFx); encoder and search, without reading features."
        + " The encoder runs once for both decoders, so the streaming figure includes layers it does not need."
        * (len(decoders) > 1)
        + " The pretrained encoder is not counted: its states were read from files."
        * any("frozen_encoder" in record for record in sets.values()),
        "note",
    )
    short = [decoder.split("_")[0] for decoder in decoders]
    header = ["Set", "Audio, s", "Encoder, s", *(f"{name.capitalize()}, s" for name in short)]
    header += [f"RTFx {name}" for name in short]
    return Section(key="speed", title="Speed", body=html_table(header, rows) + note)
