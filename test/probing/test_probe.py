"""``jointst probe`` on an untrained model: files, tasks that cannot be measured, phones with and without times."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jointst.config import ProbeConfig
from jointst.data.phone_times import PhoneTime, write_phone_times
from jointst.probing.probe import run
from jointst.stage import Context


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


def test_rare_phones_are_not_probed(toy: Context) -> None:
    context = _probe(toy, ("t_dev",))
    probe = dataclasses.replace(context.config.probe, least_examples=1000)
    context = dataclasses.replace(context, config=dataclasses.replace(context.config, probe=probe))
    tasks = json.loads((run(context).where / "probe.json").read_text())["tasks"]
    reason = "fewer than two phones occur probe.least_examples = 1000 times in half of the set"
    assert tasks["phone"] == tasks["phone of text"] == {"skipped": reason}
    assert "layers" in tasks["language"]
