"""``jointst probe`` on an untrained model: files, tasks that cannot be measured, phones with and without times."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jointst.config import ProbeConfig
from jointst.config.context import Context
from jointst.kaldi.phone_times import PhoneTime, write_phone_times
from jointst.probing.probe import run
from jointst.probing.tasks import age_class, split_speakers


def _probe(toy: Context, sets: tuple[str, ...]) -> Context:
    config = ProbeConfig(sets=sets, splits=2, least_examples=2, iterations=5)
    return dataclasses.replace(toy, config=dataclasses.replace(toy.config, probe=config))


def test_probe(toy: Context, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(_probe(toy, ("t_dev", "t_test")))
    result = json.loads((made.where / "probe.json").read_text())
    assert result["utterances"] == 24
    assert result["phones_from"].startswith("the best alignment")
    tasks = result["tasks"]
    assert tasks["language"]["classes"] == 4
    assert tasks["language"]["chance"] == 0.25
    layers = ["features", "audio encoder", "streaming 1", "streaming 2", "full-context 1"]
    assert [score["layer"] for score in tasks["speaker"]["layers"]] == layers
    assert [score["layer"] for score in tasks["language of text"]["layers"]] == layers[2:]
    # The text of an utterance says which language it is in, even to fresh weights.
    assert max(score["accuracy"] for score in tasks["language of text"]["layers"]) > 0.5
    assert all(len(score["values"]) == 2 for task in tasks.values() for score in task["layers"])
    assert (made.where / "probe.txt").read_text() == capsys.readouterr().out
    assert (made.where / "probe.png").read_bytes()[:4] == b"\x89PNG"


def test_what_cannot_be_measured_is_said(toy: Context, capsys: pytest.CaptureFixture[str]) -> None:
    table = toy.data / "t_dev/utt2spk"
    lines = [line.split(" ")[0] for line in table.read_text().splitlines()]
    table.write_text("".join(f"{line} one\n" for line in lines))
    write_phone_times(toy.data / "t_dev", {line: [PhoneTime("a", 0.0, 0.1)] for line in lines[:9]})
    result = json.loads((run(_probe(toy, ("t_dev",))).where / "probe.json").read_text())
    assert result["phones_from"] == "phone_times"
    assert "fewer than two classes" in result["tasks"]["speaker"]["skipped"]
    assert result["tasks"]["phone"]["classes"] == 2  # a, and silence
    assert "not measured: speaker" in capsys.readouterr().out


def test_age_and_emotion_where_a_set_states_them(toy: Context, capsys: pytest.CaptureFixture[str]) -> None:
    folder = toy.data / "t_dev"
    utt2spk = dict(line.split() for line in (folder / "utt2spk").read_text().splitlines())
    speakers = sorted(set(utt2spk.values()))
    (folder / "spk2age").write_text("".join(f"{name} {(7, 30)[i % 2]}\n" for i, name in enumerate(speakers)))
    (folder / "utt2emotion").write_text("".join(f"{key} calm\n" for key in sorted(utt2spk)))
    tasks = json.loads((run(_probe(toy, ("t_dev",))).where / "probe.json").read_text())["tasks"]
    assert tasks["age"]["classes"] == 2
    assert [score["layer"] for score in tasks["age"]["layers"]] == [
        score["layer"] for score in tasks["speaker"]["layers"]
    ]
    assert tasks["emotion"] == {"skipped": "fewer than two classes with two speakers each"}
    assert "gender" not in tasks  # which no file is about
    assert "not measured: emotion" in capsys.readouterr().out


def test_speakers_are_on_one_side() -> None:
    speakers = [f"s{number % 8}" for number in range(40)]
    labels = ["" if number % 8 == 7 else ("old" if number % 8 == 6 else "young") for number in range(40)]
    labels = [("child" if speaker in ("s0", "s1", "s2") else label) for speaker, label in zip(speakers, labels)]
    for seed in range(5):
        fit, test = split_speakers(labels, speakers, seed)
        sides = [{speakers[i] for i in half} for half in (fit, test)]
        assert not sides[0] & sides[1]
        assert {labels[i] for i in fit} == {labels[i] for i in test} == {"child", "young"}  # old: a single speaker


@pytest.mark.parametrize(
    ("age", "bounds", "found"),
    [
        ("6", (18, 40), "under 18"),
        ("18", (18, 40), "18 to 39"),
        ("40", (18, 40), "from 40 on"),
        ("twenties", (18, 40), "twenties"),
        ("", (18, 40), ""),
        ("6", (), "any age"),
    ],
)
def test_classes_of_ages(age: str, bounds: tuple[int, ...], found: str) -> None:
    assert age_class(age, bounds) == found


def test_rare_phones_are_not_probed(toy: Context) -> None:
    context = _probe(toy, ("t_dev",))
    probe = dataclasses.replace(context.config.probe, least_examples=1000)
    context = dataclasses.replace(context, config=dataclasses.replace(context.config, probe=probe))
    tasks = json.loads((run(context).where / "probe.json").read_text())["tasks"]
    reason = "fewer than two phones occur probe.least_examples = 1000 times in half of the set"
    assert tasks["phone"] == tasks["phone of text"] == {"skipped": reason}
    assert "layers" in tasks["language"]
