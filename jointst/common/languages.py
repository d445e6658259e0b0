"""The languages the toolkit knows: one line each, keyed by ISO 639-1 code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jointst.common.errors import JointstError

ScoringUnit = Literal["word", "character"]


@dataclass(frozen=True, kw_only=True)
class Language:
    """One language.

    Attributes:
        code: ISO 639-1 code.
        name: English name.
        voice: eSpeak NG voice that reads it; None where there is none: then all words have the pronunciations of
            ``lexicon.user_lexicon``, or none. A voice that does not exist must be an error.
        scoring_unit: what its error rate counts: words, or characters where writing has no spaces.
    """

    code: str
    name: str
    voice: str | None
    scoring_unit: ScoringUnit = "word"

    @property
    def speaks(self) -> str:
        """The voice, asked for where it must be there."""
        assert self.voice is not None, f"nobody asks for speech in {self.code}"
        return self.voice

    @property
    def has_spaces(self) -> bool:
        """Whether the written language separates words by spaces."""
        return self.scoring_unit == "word"


LANGUAGES: dict[str, Language] = {
    language.code: language
    for language in (
        Language(code="ar", name="Arabic", voice="ar"),
        Language(code="de", name="German", voice="de"),
        Language(code="en", name="English", voice="en-us"),
        Language(code="es", name="Spanish", voice="es"),
        Language(code="fr", name="French", voice="fr"),
        Language(code="hi", name="Hindi", voice="hi"),
        Language(code="it", name="Italian", voice="it"),
        Language(code="ja", name="Japanese", voice="ja", scoring_unit="character"),
        Language(code="pt", name="Portuguese", voice="pt-br"),
        Language(code="ru", name="Russian", voice="ru"),
        Language(code="sw", name="Swahili", voice="sw"),
        Language(code="zh", name="Chinese", voice="cmn-latn-pinyin", scoring_unit="character"),
    )
}


def language(code: str) -> Language:
    """The language of an ISO 639-1 code.

    Raises:
        JointstError: the code is not one of :data:`LANGUAGES`.
    """
    try:
        return LANGUAGES[code]
    except KeyError:
        known = " ".join(sorted(LANGUAGES))
        fix = "add it to jointst/common/languages.py"
        raise JointstError(f"unknown language {code!r}; known are: {known} ({fix})") from None
