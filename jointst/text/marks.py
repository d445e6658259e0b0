"""Marks of transcribers: what a transcript says about the audio that nobody said, found, counted and left out.

``[laughter] that is <unk> fine`` is ``that is fine``. A mark is one of two things: a form that no written sentence has
(a row of :data:`FORMS`), or known words between brackets, stars or pluses (:data:`SOUNDS`, :data:`ROUND_THEM`).
Other text between brackets is speech and stays: ``(he said)``.

To know another word, add it to the row of its language; to know another form, add a row. A corpus with marks of its own
names them in ``corpus.transcriber_marks``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

SOUNDS: dict[str, str] = {
    "any": "unk unknown pad cls sep mask sil spn nsn gbg lau laugh fil fill filler eps hes hesitation sonant ens "
    "nps pii ns bg bn fp int non nontrans other garbage noise noises vocalized vocalised spoken_noise "
    "vocalized_noise no_speech nospeech speech_in_noise no_response blank_audio",
    "ar": "ضحك ضحكة ضحكات يضحك تضحك تصفيق موسيقى موسيقي ضوضاء ضجيج سعال تنهد صمت تنفس همهمة هتاف",
    "de": "lachen lacht lachend gelächter applaus beifall musik geräusch geräusche rauschen husten hustet räuspern "
    "räuspert seufzen seufzt seufzer stille schweigen pause atmen atmet unverständlich unhörbar niesen "
    "flüstert jubel",
    "en": "laughter laughs laughing laugh chuckle chuckles chuckling giggle giggles giggling applause applauds "
    "clapping claps cheering cheers music noise noises cough coughs coughing sneeze sneezes sneezing sniff "
    "sniffs sniffing sigh sighs sighing breath breaths breathing breathes breathe inhale inhales exhale "
    "exhales lipsmack lip-smack smack throat-clearing clears_throat yawn yawns gasp gasps sob sobs sobbing "
    "silence pause inaudible unintelligible unclear indiscernible indistinct crosstalk cross-talk beep beeps "
    "whispers whispering mumbles mumbling chatter hesitation background_noise background_music no_audio "
    "phone_ringing redacted bleep mispronounced",
    "es": "risa risas ríe ríen aplauso aplausos música ruido ruidos tos tose suspiro suspira silencio pausa "
    "respiración inaudible ininteligible incomprensible carraspeo estornudo abucheos",
    "fr": "rire rires applaudissements musique bruit bruits toux tousse soupir soupire silence pause respiration "
    "inaudible incompréhensible inintelligible raclement éternuement huées",
    "hi": "हँसी हंसी हँसते हंसते ठहाका ठहाके तालियाँ तालियां संगीत शोर खाँसी खांसी चुप्पी अस्पष्ट",
    "it": "risa risate risata ridono applauso applausi musica rumore rumori tosse tossisce sospiro sospira "
    "silenzio pausa respiro inudibile incomprensibile starnuto fischi",
    "ja": "笑 笑い 笑い声 笑う 拍手 音楽 雑音 ノイズ 咳 せき 咳払い くしゃみ ため息 溜息 沈黙 無音 聞き取れない "
    "聞き取り不能 歓声 泣 爆笑 苦笑 失笑",
    "pt": "risos riso risadas risada aplausos aplauso música ruído ruídos barulho tosse tosses suspiro suspira "
    "silêncio pausa respiração inaudível ininteligível incompreensível espirro vaias",
    "ru": "смех смеётся смеется смеются хохот аплодисменты музыка шум шумы кашель кашляет вздох вздыхает тишина "
    "молчание пауза дыхание неразборчиво неразборчивое нрзб чихает чихание помехи",
    "sw": "kicheko vicheko anacheka wanacheka makofi muziki kelele kikohozi anakohoa kimya haisikiki haieleweki",
    "zh": "笑 笑声 笑聲 大笑 掌声 掌聲 鼓掌 音乐 音樂 噪音 噪声 噪聲 杂音 雜音 咳嗽 咳嗽声 叹气 嘆氣 叹息 沉默 "
    "静音 靜音 停顿 停頓 呼吸声 听不清 聽不清 喷嚏 欢呼 歡呼",
}
"""Words for what is heard and is no speech, compared without regard to case; ``any`` are those of tools, which stand in
square brackets or braces only. A word that people also say as an aside (Italian ride, English static) has no place."""

ROUND_THEM = (
    "background loud soft softly quiet quietly audience crowd playing plays continues continued begins starts "
    "start ends end stops short long brief heavy nervous general foreign language speech word words voice voices "
    "speaker man woman male female person people all both in the of and with on off clears clear throat blank "
    "audio no dog barking phone ringing im publikum hintergrund leise laut allgemeine dans le la du fond general "
    "en el de fondo público sala"
)
"""Words that may stand beside them, as in [loud laughter] and [music playing]."""


class Form(NamedTuple):
    """A form of marks that no written sentence has: what stands in group ``said`` is kept, the rest is not."""

    name: str
    pattern: str


_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?"
FORMS: tuple[Form, ...] = (
    Form("subtitle time", rf"{_CLOCK}\s*-->\s*{_CLOCK}"),
    Form("time", rf"\[\s*{_CLOCK}(?:\s*[-–—>\s]+{_CLOCK})?\s*\]|[<(]\d{{1,2}}:\d{{2}}:\d{{2}}(?:[.,]\d{{1,3}})?[>)]"),
    Form("voice or style", r"</?(?:v|c|i|b|u|s|p|br|font|span|ruby|rt|lang|foreign|div)(?=[\s./>])[^<>]*>"),
    Form("element", r"<\w+(?:\s+[\w:]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'))+\s*/?>"),
    Form("symbol", r"(?<!<)</?[^\W\d_][^\s<>@:/]*/?>(?!>)"),  # <unk>, <NOISE>, <spoken_noise>, <笑>; no <<quotation>>
    Form("style of subtitles", r"\{\\[^{}]*\}"),
    Form("speaker", r"^\s*(?:>>+|-?\s*speaker[ _]?\d+\s*:)|\[\s*(?:speaker|spk)[ _]?\w{0,3}\s*\]:?"),
    Form("laughing word", r"\[laugh(?:ter|ing)?-(?P<said>[\w'’]+)\]"),  # Switchboard
    Form("filler", r"\([FD]\s(?P<said>[\u3040-\u30ff]+)\)"),  # Japanese corpora: (F えー)
    Form("uncertain words", r"\(\((?P<said>[^()]*)\)\)"),  # of the LDC; ((unclear)) is found before
    Form("sound of CHAT", r"(?<!\S)&=[\w:]+"),
    Form("code of CHAT", r"\[[/*?!<>+]+\]"),
    Form("hesitation", r"(?<![\w%])%(?:hesitation|noise|laugh|breath|cough|smack|bcack|pw)\b"),
    Form("silence of HTK", r"(?<!\S)!(?:sil|noise|spn|unk|breath|laugh)\b|(?<!\S)~sil\b"),
)
"""Everything but known words between brackets; capital letters or small ones."""

_OPEN, _CLOSE = r"[\[({<（［【〔〈*+]", r"[\])}>）］】〕〉*+]"
_BETWEEN = re.compile(rf"{_OPEN}{{1,2}}(?P<words>[^\[\](){{}}<>（）［］【】〔〕〈〉*+\n]{{1,60}}){_CLOSE}{{1,2}}")
_FORMS = re.compile(
    "|".join(form.pattern.replace("(?P<said>", f"(?P<said{i}>") for i, form in enumerate(FORMS)), re.IGNORECASE
)
_MAY_HOLD_MARKS = re.compile(r"[\[({<（［【〔〈*+%!~>&:]")
"""Most text has none of these, and is not looked at further."""
_SPLIT = re.compile(r"[\s,;:.|/、・]+")
_KNOWN_TO_TOOLS = frozenset(SOUNDS["any"].split())
_KNOWN_SOUNDS = frozenset(word for lang in SOUNDS if lang != "any" for word in SOUNDS[lang].casefold().split())
_KNOWN = _KNOWN_SOUNDS | frozenset(ROUND_THEM.split())


def strip_marks(text: str, own: Sequence[str] = ()) -> tuple[str, list[str]]:
    """``text`` without marks of transcribers.

    Args:
        text: a transcript as it was written.
        own: further marks, as regular expressions.

    Returns:
        The text, with single spaces where marks were found and otherwise as it is; and the marks, in their order,
        own ones first.
    """
    found: list[str] = []

    def leave_out(match: re.Match[str]) -> str:
        found.append(match.group().strip())
        return f" {' '.join(filter(None, match.groupdict().values()))} "

    def leave_out_known(match: re.Match[str]) -> str:
        known = _is_known(match["words"], match.group()[0] in "[{［【")
        return leave_out_all(match) if known else match.group()

    def leave_out_all(match: re.Match[str]) -> str:
        found.append(match.group().strip())
        return " "

    for pattern in own:
        text = _compiled(pattern).sub(leave_out_all, text)
    if _MAY_HOLD_MARKS.search(text):
        text = _FORMS.sub(leave_out, _BETWEEN.sub(leave_out_known, text))
    return (" ".join(text.split()) if found else text), found


def _is_known(words: str, tools: bool) -> bool:
    """Whether what stands between brackets is known words alone, of which one is a sound; times may follow."""
    parts = [part for part in _SPLIT.split(words.casefold().strip()) if part and not part.isdigit()]
    parts = [part for word in parts for part in ((word,) if word in _KNOWN else re.split("[-_]", word)) if part]
    sounds = _KNOWN_SOUNDS | _KNOWN_TO_TOOLS if tools else _KNOWN_SOUNDS
    return any(part in sounds for part in parts) and all(part in sounds or part in _KNOWN for part in parts)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
