"""Marks of transcribers: which are found, what is left, and what is speech."""

from __future__ import annotations

import pytest

from jointst.text.marks import strip_marks


@pytest.mark.parametrize(
    ("written", "left", "marks"),
    [
        ("[laughter] that is <unk> fine", "that is fine", ["[laughter]", "<unk>"]),
        ("[NOISE] so", "so", ["[NOISE]"]),
        ("(inaudible) yes ((unclear)) no", "yes no", ["(inaudible)", "((unclear))"]),
        ("{breath} well *coughs* well ++noise++", "well well", ["{breath}", "*coughs*", "++noise++"]),
        ("[2:30] we [00:01:02.5 - 00:01:04] go", "we go", ["[2:30]", "[00:01:02.5 - 00:01:04]"]),
        ("[inaudible 00:12:30] go", "go", ["[inaudible 00:12:30]"]),
        ("<v Mary Ann>hello</v> <i>you</i>", "hello you", ["<v Mary Ann>", "</v>", "<i>", "</i>"]),
        ("%HESITATION I [UNK] it", "I it", ["%HESITATION", "[UNK]"]),
        ("[loud laughter] [music playing]", "", ["[loud laughter]", "[music playing]"]),
        ("[vocalized-noise] [laughter-yeah] right", "yeah right", ["[vocalized-noise]", "[laughter-yeah]"]),
        ("((maybe so)) he (()) said", "maybe so he said", ["((maybe so))", "(())"]),
        ("<SPOKEN_NOISE> a <sil> b <noise/>", "a b", ["<SPOKEN_NOISE>", "<sil>", "<noise/>"]),
        ('<foreign lang="fr">bonjour</foreign>', "bonjour", ['<foreign lang="fr">', "</foreign>"]),
        ("00:00:01,000 --> 00:00:04,000 hello", "hello", ["00:00:01,000 --> 00:00:04,000"]),
        ("{\\an8}up there", "up there", ["{\\an8}"]),
        (">> Speaker 1: hello", "Speaker 1: hello", [">>"]),
        ("SPEAKER_00: hello [Speaker 2]", "hello", ["SPEAKER_00:", "[Speaker 2]"]),
        ("&=laughs yes [//] yes", "yes yes", ["&=laughs", "[//]"]),
        ("!SIL go", "go", ["!SIL"]),
        ("(ضحك) نعم [موسيقى]", "نعم", ["(ضحك)", "[موسيقى]"]),
        ("(lacht) Ja, [Applaus im Publikum] gut", "Ja, gut", ["(lacht)", "[Applaus im Publikum]"]),
        ("(risas) sí [música]", "sí", ["(risas)", "[música]"]),
        ("[rires] oui (applaudissements)", "oui", ["[rires]", "(applaudissements)"]),
        ("(हँसी) हाँ", "हाँ", ["(हँसी)"]),
        ("(applausi) sì [risate]", "sì", ["(applausi)", "[risate]"]),
        ("そう（笑）ですね<笑>(F えー)", "そう ですね えー", ["（笑）", "<笑>", "(F えー)"]),
        ("(risos) sim [inaudível]", "sim", ["(risos)", "[inaudível]"]),
        ("(смех) да [неразборчиво]", "да", ["(смех)", "[неразборчиво]"]),
        ("【掌声】好（笑声）的", "好 的", ["【掌声】", "（笑声）"]),
    ],
)
def test_marks_are_found_and_left_out(written: str, left: str, marks: list[str]) -> None:
    assert sorted(strip_marks(written)[1]) == sorted(marks)
    assert strip_marks(written)[0] == left


@pytest.mark.parametrize(
    "speech",
    [
        "(he said) yes",
        "the alliance [NATO] said so",
        "he hated [the terrible noise of] it",
        "(music is my life)",
        "a < b and c > d",
        "write to <me@example.org>",
        "<<Bonjour>> dit-il",
        "3 * 4 * 5 + 2 + 1",
        "**very** much",
        "at noon (12:00)",
        "in (2008) it was",
        "100 % sure, 100%noise",
        "dogs [and cats]",
        "  two  spaces stay ",
        "他说（昨天）来过",
        "je dis (non) et (fil)",
    ],
)
def test_speech_stays_as_it_is(speech: str) -> None:
    assert strip_marks(speech) == (speech, [])


def test_own_marks() -> None:
    assert strip_marks("#um# well @@", [r"#\w+#", "@@"]) == ("well", ["#um#", "@@"])
