"""The section of the report on words that are often wrong, in the sentences where they were."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from jointst.analysis.page import Section, paragraph
from jointst.common.languages import language
from jointst.scoring.counts import AlignedPair, align

MOST = 25
"""Words that are shown."""
CONTEXTS, AROUND = 3, 3
"""Places shown of a word, and words shown on either side of it."""
NOTHING = "∅"


def word_section(utterances: Sequence[Mapping[str, Any]]) -> Section:
    """The words that the full-context decoder got wrong most often: what became of them, and where."""
    wrong: Counter[tuple[str, str]] = Counter()
    said: Counter[tuple[str, str]] = Counter()
    became: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for line in utterances:
        if line["decoder"] != "full_context":
            continue
        lang = language(line["language"])
        sides = [line["reference"], line["hypothesis"]]
        pairs = align(*(sides if lang.has_spaces else [list("".join(side)) for side in sides]))
        for at, (kind, reference, hypothesis) in enumerate(pairs):
            if reference is None:
                continue
            key = (lang.code, reference)
            said[key] += 1
            if kind != "hit":
                wrong[key] += 1
                became[key][hypothesis or NOTHING] += 1
                if len(places[key]) < CONTEXTS:
                    places[key].append(_place(pairs, at, lang.code, tight=not lang.has_spaces))
    if not wrong:
        return Section(key="words", title="Words most often wrong", body="")
    chosen = sorted(wrong, key=lambda key: (-wrong[key], said[key], key))[:MOST]
    rows = "".join(
        f'<tr><td lang="{key[0]}" dir="auto">{escape(key[1])}</td><td>{key[0]}</td><td>{wrong[key]}</td>'
        f'<td>{said[key]}</td><td dir="auto">{escape(_commonest(became[key]))}</td>'
        f'<td class="places">{"".join(places[key])}</td></tr>'
        for key in chosen
    )
    head = "".join(f"<th>{name}</th>" for name in ("Word", "", "Wrong", "Said", "Became", "In its place"))
    note = f"Full-context decoder, all test sets; {NOTHING}: nothing was written. "
    note += f"{len(wrong)} words were wrong at least once."
    table = f'<table class="words-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    body = f'{paragraph(note, "note")}<div class="wide">{table}</div>'
    return Section(key="words", title="Words most often wrong", body=body)


def _commonest(found: Counter[str]) -> str:
    return ", ".join(f"{word} {count}" if count > 1 else word for word, count in found.most_common(3))


def _place(pairs: Sequence[AlignedPair], at: int, lang: str, *, tight: bool) -> str:
    """What was said around it, marked where it was said."""
    space = "" if tight else " "
    before = [own[1] for own in pairs[:at] if own[1] is not None][-AROUND:]
    after = [own[1] for own in pairs[at + 1 :] if own[1] is not None][:AROUND]
    words = [*map(escape, before), f"<mark>{escape(pairs[at][1] or '')}</mark>", *map(escape, after)]
    return f'<span lang="{lang}" dir="auto">{space.join(words)}</span>'
