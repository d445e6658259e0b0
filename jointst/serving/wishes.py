"""What a client asks for, checked: the fields of OpenAI's transcriptions and our own, and those of a live stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from jointst.config import Decoder
from jointst.serving.refused import Refused
from jointst.serving.settings import LONGEST_PHRASE, MOST_PHRASES
from jointst.transcription.recogniser import Recogniser

Kind: TypeAlias = Literal["greedy", "beam"]
Phrases: TypeAlias = "tuple[str | tuple[str, float], ...]"

DECODERS: tuple[Decoder, ...] = ("full_context", "streaming")
"""The better one first."""
SEARCHES = ("greedy", "beam")
RESPONSE_FORMATS = ("json", "text", "verbose_json", "srt", "vtt")
GRANULARITIES = ("word", "segment")
_GRANULARITIES = "timestamp_granularities"
FIELDS = (
    "model", "language", "prompt", "response_format", "temperature", _GRANULARITIES, "stream", "chunking_strategy",
    "decoder", "search", "phrases",
)  # fmt: skip
"""Known fields beside the file; lists may be called ``name`` or ``name[]``."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """How audio is to be recognised.

    Attributes:
        language: ISO 639-1 code, empty where the client states none.
        decoder, search: by name.
        phrases: that matter, with weights of their own or without.
    """

    language: str
    decoder: Decoder
    search: Kind
    phrases: Phrases


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the text of a file is to be given.

    Attributes:
        format: one of :data:`RESPONSE_FORMATS`.
        granularities: some of :data:`GRANULARITIES`.
    """

    format: str
    granularities: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """What holds where a client states nothing.

    Attributes:
        name: of the model.
        languages: that it knows.
        decoders: that it has.
        decoder, search: see :class:`Wish`.
    """

    name: str
    languages: tuple[str, ...]
    decoders: tuple[Decoder, ...]
    decoder: Decoder
    search: Kind

    @classmethod
    def of(cls, name: str, recogniser: Recogniser, search: Kind) -> Defaults:
        """Those of a recogniser."""
        trained = recogniser.trained
        return cls(
            name=name,
            languages=tuple(trained.languages),
            decoders=tuple(kind for kind in DECODERS if kind in trained.config.model.decoders),
            decoder=recogniser.decoder,
            search=search,
        )


def read_fields(fields: Mapping[str, Sequence[str]], defaults: Defaults) -> tuple[Wish, Form]:
    """The wish and the form of a request's fields, each with its values in order.

    Raises:
        Refused: a field is unknown, stands twice or has a value that cannot be.
    """
    plain: dict[str, list[str]] = {}
    for name, values in fields.items():
        known = name.removesuffix("[]")
        if known not in FIELDS:
            raise _wrong(
                known, f"there is no field {known[:80]!r}; known: file {' '.join(FIELDS)}", "unknown_parameter"
            )
        plain.setdefault(known, []).extend(values)
    lists = {name: plain.pop(name, []) for name in (_GRANULARITIES, "phrases")}
    single: dict[str, str] = {}
    for name, values in plain.items():
        if len(values) > 1:
            raise _wrong(name, f"{name} stands {len(values)} times")
        single[name] = values[0]
    _check_openai(single)
    lines = [line for value in lists["phrases"] for line in value.splitlines() if line.strip()]
    wish = read_wish({**single, "phrases": [_phrase(line, n) for n, line in enumerate(lines, 1)]}, defaults)
    return wish, _form(single.get("response_format") or "json", lists[_GRANULARITIES])


def read_wish(given: Mapping[str, Any], defaults: Defaults) -> Wish:
    """The wish of fields as they stand in JSON; phrases are texts, or pairs of a text and its weight.

    Raises:
        Refused: a value that cannot be, or a model that is not here.
    """
    name = given.get("model") or defaults.name
    if name != defaults.name:
        message = f"there is no model {str(name)[:80]!r} here; the model is {defaults.name!r}"
        raise Refused(status=404, message=message, param="model", code="model_not_found")
    language = given.get("language") or ""
    if language and language not in defaults.languages:
        known = " ".join(defaults.languages)
        raise _wrong("language", f"language is {str(language)[:80]!r}; the model knows {known}")
    return Wish(
        language=str(language),
        decoder=cast(Decoder, _one_of("decoder", given.get("decoder") or defaults.decoder, defaults.decoders)),
        search=cast(Kind, _one_of("search", given.get("search") or defaults.search, SEARCHES)),
        phrases=_phrases(given.get("phrases") or ()),
    )


def _check_openai(single: Mapping[str, str]) -> None:
    """Fields of OpenAI's that mean nothing here: taken where they change nothing, refused where they would."""
    temperature = single.get("temperature") or "0"
    try:
        changes = float(temperature) != 0
    except ValueError:
        raise _wrong("temperature", f"temperature is {temperature[:80]!r}, not a number") from None
    if changes:
        raise _wrong("temperature", "nothing is drawn at random here: leave temperature out, or send 0")
    if single.get("prompt"):
        raise _wrong("prompt", "this model takes no prompt: send names and terms as phrases")
    if single.get("stream", "false").lower() not in ("false", "0", ""):
        raise _wrong("stream", "text of a file comes as a whole; live audio goes to the WebSocket /v1/audio/stream")
    if single.get("chunking_strategy", "auto") not in ("auto", ""):
        raise _wrong(
            "chunking_strategy", "long audio is cut at its silences: leave chunking_strategy out, or send auto"
        )


def _form(kind: str, granularities: Sequence[str]) -> Form:
    _one_of("response_format", kind, RESPONSE_FORMATS)
    for name in granularities:
        _one_of(_GRANULARITIES, name, GRANULARITIES)
    if granularities and kind != "verbose_json":
        raise _wrong(_GRANULARITIES, f"{_GRANULARITIES} need response_format verbose_json, not {kind}")
    return Form(format=kind, granularities=tuple(granularities) or ("segment",))


def _one_of(name: str, value: Any, known: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise _wrong(name, f"{name} is {str(value)[:80]!r}; one of {' '.join(known)}")
    return value


def _phrase(line: str, number: int) -> Any:
    """A phrase of a line: a text, or a text, a tab and its weight."""
    text, *behind = line.split("\t")
    if not behind:
        return text
    try:
        (weight,) = behind
        return text, float(weight)
    except ValueError:
        raise _wrong("phrases", f"phrase {number} is no phrase, or a phrase, a tab and its weight") from None


def _phrases(given: Any) -> Phrases:
    if not isinstance(given, (list, tuple)):
        raise _wrong("phrases", "phrases are no list")
    if len(given) > MOST_PHRASES:
        raise _wrong("phrases", f"there are {len(given)} phrases; at most {MOST_PHRASES} are taken")
    found: list[str | tuple[str, float]] = []
    for number, phrase in enumerate(given, start=1):
        weighted = isinstance(phrase, (list, tuple)) and len(phrase) == 2
        text, weight = phrase if weighted else (phrase, None)
        is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        if not isinstance(text, str) or (weighted and not is_number):
            raise _wrong("phrases", f"phrase {number} is neither a text nor a text and its weight")
        if not text.isprintable():
            raise _wrong("phrases", f"phrase {number} has characters that cannot be printed")
        if len(text) > LONGEST_PHRASE:
            raise _wrong("phrases", f"phrase {number} has {len(text)} characters, at most {LONGEST_PHRASE} are taken")
        found.append((text, float(weight)) if weight is not None else text)
    return tuple(found)


def _wrong(name: str, message: str, code: str = "invalid_value") -> Refused:
    return Refused(status=400, message=message, param=name, code=code)
