"""The report of an adaptation, as a page to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jointst.analysis.page import Section, html_table, page, paragraph

SHOWN = 200
"""New words of a language that are shown, the most frequent first."""


def report(figures: Mapping[str, Any]) -> str:
    """HTML from the figures of ``adapt.json``."""
    sentences, kept, first = figures["sentences"], figures["kept"], figures["looks"][0]
    new = sum(map(len, figures["new_words"].values()))
    head = paragraph(
        f"{figures['model']} has learnt {new} new words from {sentences['used']} of {sentences['read']} sentences in "
        f"{figures['seconds']:.0f} s. Its loss on {sentences['held_out']} sentences that were held out went from "
        f"{first['text_loss']:.4f} to {kept['text_loss']:.4f} a label. {figures['words_left_out']} words could not be "
        "taught (words_left_out.tsv)."
    )
    rows = [
        [
            str(look["update"]),
            f"{look['share']:g}",
            f"{look['text_loss']:.4f}",
            f"{look['dev_loss']:.4f}" if "dev_loss" in look else "",
            f"{100 * look['dev_error_rate']:.1f}" if "dev_error_rate" in look else "",
        ]
        for look in figures["looks"]
    ]
    table = html_table(["update", "share", "loss on new text", "loss on old speech", "its errors in %"], rows)
    note = f"Kept: update {kept['update']}, {kept['share']:g} of the way from the old weights to the new ones."
    words = "".join(
        paragraph(f"{lang}: " + " ".join(f"{word} ({count})" for word, count in list(counts.items())[:SHOWN]))
        for lang, counts in figures["new_words"].items()
    )
    sections = [
        Section(key="course", title="Course", body=table + paragraph(note, "note")),
        Section(key="words", title="New words", body=words),
    ]
    return page("Adaptation", f"<h1>Adaptation</h1>{head}", sections)
