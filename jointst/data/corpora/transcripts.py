"""Transcripts of corpora as they are trained on: without the marks of transcribers, normalised."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from jointst.common.encodings import read_wrongly
from jointst.data.rules.transcripts import DAMAGED, SHOWN


class Transcripts:
    """Cleans transcripts and counts the marks that it finds: ``[laughter]``, ``<unk>`` and the like are no words.

    Args:
        corpus: its name, for the report.
        own: marks of the user's own, ``corpus.transcriber_marks``.
    """

    def __init__(self, corpus: str, own: Sequence[str]) -> None:
        self.corpus = corpus
        self.own = tuple(own)
        self.found: Counter[str] = Counter()

    def without_marks(self, text: str) -> str:
        """The text without marks, which are counted."""
        from jointst.text.marks import strip_marks

        text, found = strip_marks(text, self.own)
        self.found.update(found)
        return text

    def clean(self, text: str, lang: str) -> str:
        """The words of a transcript; empty where it has none."""
        from jointst.text.normalise import normalise

        return normalise(" ".join(self.without_marks(text).split()), lang)

    def damage(self, text: str) -> str:
        """What is wrong with a text that was read in the wrong encoding, as it is written; an empty string if nothing.

        Normalised text no longer shows it.
        """
        found = DAMAGED.search(text)
        if found:
            return f"{found[0]!r} in {text[:SHOWN]!r} looks like text read in the wrong encoding"
        mended = read_wrongly(text)
        return f"{text[:SHOWN]!r} looks like {mended[:SHOWN]!r}, read in the wrong encoding" if mended else ""

    def report(self) -> None:
        """Say which marks were taken out of how many places."""
        if self.found:
            shown = ", ".join(f"{mark} {count}" for mark, count in self.found.most_common(10))
            more = f" and {len(self.found) - 10} more kinds" if len(self.found) > 10 else ""
            print(
                f"corpus {self.corpus}: marks of transcribers taken out of transcripts: {shown}{more}", file=sys.stderr
            )
