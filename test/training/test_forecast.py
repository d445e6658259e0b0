"""What a training will cost, said before it starts, and the training is what it is without."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from jointst.common.errors import CollapseError
from jointst.config import ConsistencyConfig, LossConfig, SpeechBatchConfig, TrainingConfig
from jointst.config.context import Context
from jointst.data.batch import JointBatch
from jointst.training import forecast
from jointst.training.forecast import Forecast
from jointst.training.log import read_log
from jointst.training.module import JointModule
from jointst.training.time_to_go import Costs
from jointst.training.train import run

LOSS = LossConfig(ctc_only_updates=3, consistency=ConsistencyConfig(start_update=5, ramp_updates=2))
TRAINING = TrainingConfig(
    max_updates=8,
    validate_every=4,
    speech_batch=SpeechBatchConfig(max_utterances=3),
    collapse_spread=0.0,
    dynamic_chunks=(2, 4),
)


@pytest.fixture
def context(toy: Context) -> Context:
    for path in [*toy.exp.glob("*.safetensors"), toy.exp / "log.jsonl", toy.exp / "config.yaml"]:
        path.unlink()
    return dataclasses.replace(toy, config=dataclasses.replace(toy.config, loss=LOSS, training=TRAINING))


def changed(context: Context, **training: object) -> Context:
    config = context.config
    return dataclasses.replace(
        context, config=dataclasses.replace(config, training=dataclasses.replace(config.training, **training))
    )


def outcome(folder: Path) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    """Everything logged but the clocks, and the weights."""
    clock = ("seconds", "to_go", "audio_per_hour")
    log = [{k: v for k, v in line.items() if k not in clock} for line in read_log(folder / "log.jsonl")]
    return log, load_file(folder / "model.safetensors")


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_training_is_to_the_bit_what_it_is_without(
    context: Context, accumulate: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = changed(context, accumulate=accumulate)
    run(context)
    assert "s an update" not in capsys.readouterr().out, "too short to be worth it"
    plain = outcome(context.exp)
    monkeypatch.setattr(forecast, "WORTH", 1)
    told = dataclasses.replace(context, name="told")
    run(told)
    lines = capsys.readouterr().out.splitlines()
    table = lines[lines.index("phase         updates  s an update   minutes") + 1 :]
    assert [line.split()[:2] for line in table[:4]] == [
        ["ctc", "3"],
        ["joint", "2"],
        ["consistency", "3"],
        ["validation", "2"],
    ]
    assert all(float(line.split()[2]) > 0 for line in table[:4])
    assert table[4].startswith("about ")
    log, weights = outcome(told.exp)
    assert log == plain[0]
    assert [name for name in plain[1] if not torch.equal(weights[name], plain[1][name])] == []


def test_a_continued_training_is_told_of_what_is_left(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(changed(context, max_updates=4))
    monkeypatch.setattr(forecast, "WORTH", 1)
    capsys.readouterr()
    run(context)
    output = capsys.readouterr().out
    assert "joint               1 " in output
    assert "consistency         3 " in output
    assert "validation          1 " in output
    assert "\nctc " not in output


def test_every_phase_is_tried_on_batches_of_all_lengths(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is time; where there is none, on one batch after the one that warms up."""
    seen: list[tuple[str, int]] = []
    update = forecast._Samples._update

    def spy(samples: forecast._Samples, phase: str, batch: JointBatch) -> float:
        seen.append((phase, batch.paired.features.shape[1]))
        return update(samples, phase, batch)

    monkeypatch.setattr(forecast, "WORTH", 1)
    monkeypatch.setattr(forecast._Samples, "_update", spy)
    monkeypatch.setattr(forecast._Samples, "_most", lambda samples, times: 1e9)
    run(context)
    for phase in ("ctc", "joint", "consistency"):
        lengths = [frames for own, frames in seen if own == phase]
        assert len(lengths) == 1 + forecast.BATCHES
        assert len(set(lengths)) > 2
    seen.clear()
    monkeypatch.setattr(forecast._Samples, "_most", lambda samples, times: 0.0)
    run(dataclasses.replace(context, force=True))
    assert [phase for phase, _ in seen] == ["ctc", "joint", "consistency"] * 2


def test_a_broken_loss_is_for_the_training_to_tell_of(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forecast looks at batches that the training may never come to."""
    step = JointModule.training_step

    def breaks(module: JointModule, batch: JointBatch, batch_idx: int) -> torch.Tensor:
        if module._trainer is None:
            raise CollapseError("the loss is not finite")
        return step(module, batch, batch_idx)

    monkeypatch.setattr(forecast, "WORTH", 1)
    monkeypatch.setattr(JointModule, "training_step", breaks)
    assert "8 updates" in run(context).what


def test_a_gpu_without_room_for_a_second_model_trains_all_the_same(
    context: Context, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(samples: forecast._Samples, phase: str, batch: JointBatch) -> float:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(forecast, "WORTH", 1)
    monkeypatch.setattr(forecast._Samples, "_update", breaks)
    assert "8 updates" in run(context).what
    assert "no forecast" in capsys.readouterr().out


def test_the_log_has_the_time_to_go(context: Context) -> None:
    run(context)
    left = {line["update"]: line["to_go"] for line in read_log(context.exp / "log.jsonl") if "to_go" in line}
    assert left[1] > 0
    limited = changed(dataclasses.replace(context, name="limited"), max_time=1e-3)
    run(limited)
    assert read_log(limited.exp / "log.jsonl")[0]["to_go"] == 0, "the time is up"


def test_more_than_a_day_is_said_with_what_to_do(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    costs = Costs(updates={"ctc": 60.0, "joint": 600.0, "consistency": 3600.0}, validation=100.0)
    long = changed(context, max_updates=80, validate_every=40)
    Forecast(long.config)._print(costs, 0, 80)
    output = capsys.readouterr().out
    assert "consistency        75     3600.000    4500.0\n" in output
    assert (
        "about 3 days 3 h in all\nthat is more than a day; what to do: fewer updates (training.max_updates)" in output
    )
    Forecast(changed(long, max_time=7200.0).config)._print(costs, 0, 80)
    output = capsys.readouterr().out
    assert output.endswith("about 2 h 0 min in all, by training.max_time; without it 3 days 3 h\n")
