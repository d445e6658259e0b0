"""The yardstick ESPnet without ESPnet: what it is given, how long it may train, what becomes of what it says."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from jointst.common.errors import EnvironmentFault
from jointst.kaldi.directory import DataDirectory, Segment
from jointst.kaldi.tables import read_table

sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))
yardstick_espnet = importlib.import_module("yardstick_espnet")
espnet = importlib.import_module("yardstick.espnet")

PROGRAM = """#!/usr/bin/env bash
# Stands for ESPnet's Python: writes what its programs write.
last() { wanted=$1; shift; for word; do [ "$before" = "$wanted" ] && echo "$word"; before=$word; done; }
echo "$*" >> {folder}/asked
case "$2" in
espnet2.bin.asr_train)
    out=$(last --output_dir "$@")
    [ -e {folder}/fails ] && exit 3
    [ -e {folder}/slow ] && exec sleep 60
    mkdir -p "$out" && touch "$out/1epoch.pth" "$out/config.yaml" ;;
espnet2.bin.asr_inference)
    out=$(last --output_dir "$@")
    mkdir -p "$out/1best_recog" && sed 's/two/too/' {folder}/said > "$out/1best_recog/text" ;;
*) touch "$3" ;;
esac
"""


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program, in a folder to run in."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "environment/bin/python"
    path.parent.mkdir(parents=True)
    path.write_text(PROGRAM.replace("{folder}", str(tmp_path)))
    path.chmod(0o755)
    (tmp_path / "environment/packages.json").write_text(json.dumps(yardstick_espnet.PACKAGES))
    return path


def directory(name: str, texts: list[str], whole: bool = True) -> DataDirectory:
    """A set of tones, each a recording or all parts of one."""
    keys = [f"{name}-{number}" for number in range(len(texts))]
    Path("sound").mkdir(exist_ok=True)
    tone = np.sin(np.arange(16000 * len(texts)) * 0.1) * 0.3
    wav_scp = {key: f"sound/{key}.wav" for key in keys} if whole else {"all": f"sound/{name}.wav"}
    for path in wav_scp.values():
        soundfile.write(path, tone[:16000] if whole else tone, 16000)
    made = DataDirectory(
        Path("data") / name, dict(zip(keys, texts)), dict.fromkeys(keys, name), dict.fromkeys(keys, "en"), wav_scp,
        {} if whole else {key: Segment("all", i, i + 1) for i, key in enumerate(keys)},
    )  # fmt: skip
    return made.write(made.path)


def test_data_at_every_speed_and_of_parts_of_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sets = [directory("a", ["one two", "three"]), directory("b", ["four"], whole=False)]
    seconds = espnet.write_data(Path("out"), sets, (1.0, 0.5), nj=1)
    assert seconds == pytest.approx(3 * (1 + 2))
    shapes = read_table(Path("out/speech_shape"))
    assert shapes == {key: "32000" if key.startswith("sp0.5-") else "16000" for key in shapes}
    assert read_table(Path("out/text"))["sp0.5-b-b-0"] == "four"
    assert read_table(Path("out/text_shape"))["a-a-0"] == "7"
    for path in read_table(Path("out/wav.scp")).values():
        assert soundfile.info(path).samplerate == 16000


def test_from_data_to_scores(python: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train", "dev", "test"):
        directory(name, ["one two", "two three"])
    Path("said").write_text("test-0 one two\ntest-1\n")
    sets = {part: [part] for part in ("train", "dev", "test")}
    Path("c.yaml").write_text(yaml.safe_dump({"corpus": {"sources": []}, "data": {**sets, "unpaired": []}}))
    words = ["--conf", "c.yaml", "--minutes", "2", "--environment", str(python.parents[1]), "--nj", "1"]
    monkeypatch.setattr(sys, "argv", ["yardstick_espnet", *words])
    assert yardstick_espnet.main() == 0
    assert "\ntest: 2 utterances" in capsys.readouterr().out
    scores = json.loads(Path("exp/yardstick_espnet/score/scores.json").read_text())
    assert scores["sets"]["test"]["decoders"]["full_context"]["pooled"]["wer_rate"] == 0.75
    about = json.loads(Path("exp/yardstick_espnet/score/yardstick.json").read_text())
    assert 0 < about["minutes"] < 2
    folder = Path("exp/yardstick_espnet/espnet")
    tokens = (folder / "tokens.txt").read_text().split()
    assert tokens[:2] + tokens[-1:] == ["<blank>", "<unk>", "<sos/eos>"]
    assert set(tokens[2:-1]) == {"<space>", *"onetwhr"}
    assert yaml.safe_load((folder / "train.yaml").read_text())["encoder"] == "conformer"
    (folder / "minutes.json").write_text("2.5")  # the time is over: it is not trained again
    assert yardstick_espnet.main() == 0
    assert Path("asked").read_text().count("bin.asr_train") == 1


def test_what_goes_wrong_is_said(python: Path) -> None:
    rival = espnet.ESPnet(python, Path("out"), threads=1, gpus=0)
    with pytest.raises(EnvironmentFault, match=r"finished no epoch in out/exp: more minutes, or fewer --updates"):
        rival.average()
    Path("fails").touch()
    with pytest.raises(EnvironmentFault, match=r"training ended with status 3, its last words in out/train\.log"):
        rival.train(espnet.settings("tiny", 10, 10.0), minutes=1.0)
    python.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(EnvironmentFault, match=r"ESPnet recognised nothing, its last words in out/decode/test\.log"):
        rival.decode(Path("model"), "test", 2)


def test_the_clock_ends_training(python: Path) -> None:
    Path("slow").touch()
    rival = espnet.ESPnet(python, Path("out"), threads=1, gpus=0)
    Path("out").mkdir()
    assert 0.01 <= rival.train(espnet.settings("tiny", 10, 10.0), minutes=0.01) < 0.8
    assert rival.train(espnet.settings("tiny", 10, 10.0), minutes=0.005) >= 0.01  # all runs together


def test_an_environment_of_these_packages_is_taken(python: Path) -> None:
    assert espnet.install(python.parents[1]) == python
