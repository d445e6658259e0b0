"""phone_times: read back as written, cut like the audio, and faults named."""

from __future__ import annotations

from pathlib import Path

import pytest

from jointst.common.errors import DataError
from jointst.data.corpora.espeak import SAMPLING_RATE, Synthesiser
from jointst.data.corpora.festvox_ru import read_labels
from jointst.kaldi.phone_times import FILE, PhoneTime, cut, read_phone_times, write_phone_times

TIMES = [PhoneTime("sil", 0.0, 0.05), PhoneTime("oʊ", 0.05, 0.2), PhoneTime("p", 0.2, 0.31)]


def test_read_back(tmp_path: Path) -> None:
    write_phone_times(tmp_path, {"b": TIMES, "a": TIMES[:1]})
    assert (tmp_path / FILE).read_text().startswith("a 0.000:0.050:sil\nb 0.000:0.050:sil 0.050:0.200:oʊ ")
    assert read_phone_times(tmp_path) == {"a": TIMES[:1], "b": TIMES}
    assert read_phone_times(tmp_path / "gone") == {}


@pytest.mark.parametrize("line", ["u 0.1:p", "u x:1:p", "u 0.2:0.1:p", "u 0.1:0.2:"])
def test_malformed(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(line + "\n")
    with pytest.raises(DataError, match=r"phone_times:1 utterance u: .*is not start:end:phone"):
        read_phone_times(tmp_path)


def test_unsorted(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("u 0.3:0.4:a 0.1:0.2:b\n")
    with pytest.raises(DataError, match="begins before"):
        read_phone_times(tmp_path)


def test_cut() -> None:
    assert cut(TIMES, 0.1, 0.15) == [PhoneTime("oʊ", 0.0, 0.1), PhoneTime("p", 0.1, 0.15)]


def test_espeak_says_when_it_speaks() -> None:
    with Synthesiser() as engine:
        samples = engine.speak("open the red door", "en-us", "f2")
        times, words = engine.phone_times, list(engine.word_starts)
        assert [time.phone for time in times if time.phone != "sil"] == "oʊ p ə n ð ə ɹ ɛ d d ɔːɹ".split()
        russian = (engine.speak("открой дверь", "ru"), engine.phone_times)[1]
    starts = [time.start for time in times]
    assert starts == sorted(starts)
    assert times[-1].end <= len(samples) / SAMPLING_RATE
    for word in words:  # a word's first phone begins with it
        assert min(abs(start - word) for start in starts) < 0.04
    # A soft consonant is one phone, and what links consonants belongs to the first.
    assert [time.phone for time in russian if time.phone != "sil"] == "ʌ t k r o j d vʲ e r ɪ^".split()


def test_festvox_labels(tmp_path: Path) -> None:
    path = tmp_path / "ru_0001.lab"
    path.write_text("separator ;\n#\n0.34200 125 pau\n0.39200 125 k\n0.42200 125 ay\n")
    assert read_labels(path) == [
        PhoneTime("sil", 0.0, 0.342),
        PhoneTime("k", 0.342, 0.392),
        PhoneTime("ay", 0.392, 0.422),
    ]
    path.write_text("#\n0.1 125 pau\n0.2 k\n")
    with pytest.raises(DataError, match=r"ru_0001\.lab:3: '0\.2 k' is not a label"):
        read_labels(path)
    with pytest.raises(DataError, match=r"gone\.lab: cannot be read"):
        read_labels(tmp_path / "gone.lab")
