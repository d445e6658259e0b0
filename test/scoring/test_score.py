"""Stage 8 from files to files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jointst.common.errors import DataError
from jointst.config import Config, DataConfig, ScoringConfig
from jointst.config.context import Context
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import write_table
from jointst.scoring.score import run
from jointst.text.normalise import SCORING

TRAIN = {"en_a-1": "open the door", "zh_a-1": "今天天气"}
TEST = {
    "en_a-2": "Open the window!",
    "en_b-3": "the door",
    "zh_b-2": "今天很好",
}
STREAMING = {"en_a-2": "open the", "en_b-3": "door", "zh_b-2": "今天好"}
FULL = {"en_a-2": "open the window", "zh_b-2": "今天很好"}


def directory(path: Path, text: dict[str, str]) -> None:
    DataDirectory(
        path=path,
        text=text,
        utt2spk={key: key.split("-")[0] for key in text},
        utt2lang={key: key[:2] for key in text},
    ).write(path)


def context(sclite: Any = "no", unpaired: tuple[str, ...] = ()) -> Context:
    data = DataConfig(train=("t_train",), dev=("t_dev",), test=("t_test",), unpaired=unpaired)
    return Context(config=Config(data=data, scoring=ScoringConfig(sclite=sclite)), name="toy")


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    directory(tmp_path / "data/t_train", TRAIN)
    directory(tmp_path / "data/t_test", TEST)
    folder = tmp_path / "exp/toy/decode/t_test"
    write_table(folder / "streaming/hyp.text", STREAMING)
    write_table(folder / "full_context/hyp.text", FULL)
    timing = {"audio_seconds": 10, "encoder_seconds": 1, "streaming_seconds": 1, "full_context_seconds": 3}
    (folder / "timing.json").write_text(json.dumps(timing))
    return tmp_path / "exp/toy"


def scores(experiment: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((experiment / "score/scores.json").read_text())
    return loaded


def test_scores_of_both_decoders(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(context())
    result = scores(experiment)
    assert result["normaliser"] == SCORING
    decoders = result["sets"]["t_test"]["decoders"]
    full, streaming = decoders["full_context"], decoders["streaming"]
    # The missing utterance is two deletions of five words; punctuation and case do not count.
    assert full["missing"] == ["en_b-3"]
    assert full["languages"]["en"]["words"]["deletions"] == 2
    assert full["languages"]["en"]["error_rate"] == 2 / 5
    assert streaming["languages"]["zh"]["unit"] == "character"
    assert streaming["languages"]["zh"]["error_rate"] == 1 / 4
    assert full["macro"]["error_rate"] == pytest.approx((2 / 5 + 0) / 2)
    assert streaming["pooled"]["main"]["length"] == 9
    printed = capsys.readouterr().out
    assert printed == made.where.read_text()
    assert "missing hypotheses, counted as deletions: 1 (en_b-3)" in printed
    assert f"both normalised by {SCORING}." in printed


def test_voices_unheard_words_and_speed(experiment: Path) -> None:
    run(context())
    result = scores(experiment)["sets"]["t_test"]
    full = result["decoders"]["full_context"]
    assert full["voices"]["seen"]["languages"].keys() == {"en"}
    assert full["voices"]["unseen"]["languages"].keys() == {"en", "zh"}
    english = full["unheard_words"]["languages"]["en"]
    assert english == {"recognised": 1, "occurrences": 1}
    assert result["decoders"]["streaming"]["unheard_words"]["languages"]["en"]["recognised"] == 0
    assert result["speed"]["rtfx_streaming"] == 5.0
    assert result["speed"]["rtfx_full_context"] == 2.5


def test_words_of_the_unpaired_text_are_counted_apart(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(context())
    assert "of those in unpaired text" not in capsys.readouterr().out
    directory(Path("data/t_unpaired"), {"en_x-1": "A window opens."})
    run(context(unpaired=("t_unpaired",)))
    decoders = scores(experiment)["sets"]["t_test"]["decoders"]
    found = {name: decoders[name]["unheard_words"]["in_unpaired_text"] for name in ("streaming", "full_context")}
    assert found["full_context"] == {"recognised": 1, "occurrences": 1}, "window; the Chinese ones are not in it"
    assert found["streaming"] == {"recognised": 0, "occurrences": 1}
    assert "; of those in unpaired text 1 of 1)" in capsys.readouterr().out


def test_each_utterance_is_written_with_its_counts(experiment: Path) -> None:
    run(context())
    lines = [json.loads(line) for line in (experiment / "score/utterances.jsonl").read_text().splitlines()]
    assert len(lines) == 2 * len(TEST)
    line = next(x for x in lines if x["decoder"] == "full_context" and x["utterance"] == "en_b-3")
    assert line["missing"]
    assert line["voice"] == "unseen"
    assert line["reference"] == ["the", "door"]
    unheard = [x["unheard_words"] for x in lines if x["decoder"] == "full_context" and x["language"] == "en"]
    assert [sum(x[key] for x in unheard) for key in ("recognised", "occurrences")] == [1, 1]


def test_unknown_hypothesis_stops_with_file_and_line(experiment: Path) -> None:
    path = experiment / "decode/t_test/streaming/hyp.text"
    path.write_text(path.read_text() + "zz hello\n")
    with pytest.raises(DataError, match=r"streaming/hyp\.text:4 utterance zz"):
        run(context())


def test_missing_hypothesis_file_is_named(experiment: Path) -> None:
    path = experiment / "decode/t_test/full_context/hyp.text"
    path.unlink()
    with pytest.raises(DataError, match=r"full_context/hyp\.text"):
        run(context())


def test_damaged_timing_is_named(experiment: Path) -> None:
    (experiment / "decode/t_test/timing.json").write_text('{"audio_seconds": 3}')
    with pytest.raises(DataError, match="timing.json"):
        run(context())


def test_a_reference_without_language_is_named(experiment: Path) -> None:
    Path("data/t_test/utt2lang").unlink()
    with pytest.raises(DataError, match="utt2lang utterance en_a-2"):
        run(context())


def test_sclite_tables_when_it_is_installed(experiment: Path) -> None:
    from jointst.scoring.sclite import executable

    if executable() is None:
        pytest.skip("sclite is not installed (Debian package sctk)")
    run(context("yes"))
    assert scores(experiment)["sets"]["t_test"]["sclite"]["full_context"]["differing"] == []
    assert "Sum/Avg" in (experiment / "score/sclite/t_test/full_context/summary.txt").read_text()


def test_recall_of_the_words_of_phrases(experiment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(context())
    assert "phrases" not in capsys.readouterr().out
    path = experiment / "decode/phrases.json"
    path.write_text(json.dumps({"en": ["the window", "window", "door"], "zh": ["天很"]}), encoding="utf-8")
    run(context())
    found = scores(experiment)["sets"]["t_test"]["decoders"]
    assert found["streaming"]["phrases"] == {"recognised": 3, "occurrences": 5}, "the, door and one character of two"
    assert found["full_context"]["phrases"] == {"recognised": 4, "occurrences": 5}, "no hypothesis has the door"
    assert "full context: recall of the words of phrases 80.0 % (4 of 5)" in capsys.readouterr().out
    path.write_text("[")
    with pytest.raises(DataError, match="phrases.json: is damaged"):
        run(context())
