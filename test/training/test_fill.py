"""The search for the largest batch, with made-up memory, and trials of batches, which must leave no trace."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from jointst.common.errors import EnvironmentFault
from jointst.config import BatchConfig, Config, ConsistencyConfig, LossConfig, SpeechBatchConfig, TrainingConfig
from jointst.config.context import Context
from jointst.data.batch import JointBatch
from jointst.models.build import build_model, read_symbols
from jointst.training import fill, memory
from jointst.training.data import JointData, joint_set
from jointst.training.fill import KEPT, largest_seconds, settle, settled, with_seconds
from jointst.training.fingerprint import fingerprint
from jointst.training.log import read_log
from jointst.training.memory import Trial, hardest, shown
from jointst.training.train import run
from jointst.training.trainer import make_trainer

Worst = Callable[[float], Iterator[JointBatch]]


@pytest.fixture
def context(toy: Context) -> Context:
    """A toy experiment with the whole loss, before training."""
    for path in [*toy.exp.glob("*.safetensors"), toy.exp / "log.jsonl", toy.exp / "config.yaml"]:
        path.unlink()
    training = TrainingConfig(
        max_updates=6,
        validate_every=3,
        speech_batch=SpeechBatchConfig(max_utterances=8, max_seconds="auto"),
        text_batch=BatchConfig(max_utterances=4),
    )
    loss = LossConfig(ctc_only_updates=1, consistency=ConsistencyConfig(weight=0.3, start_update=2))
    data = dataclasses.replace(toy.config.data, unpaired=("t_dev",))
    return dataclasses.replace(toy, config=dataclasses.replace(toy.config, training=training, loss=loss, data=data))


@pytest.fixture
def data(context: Context) -> JointData:
    return JointData(context.config, context.data, read_symbols(context.config, context.data))


@pytest.fixture
def worst(data: JointData) -> Worst:
    return lambda seconds: joint_set(with_seconds(data.config, seconds), *data.sets).worst(1.5)


def frames(batch: JointBatch) -> int:
    return batch.paired.features.shape[0] * batch.paired.features.shape[1]


@pytest.mark.parametrize("limit", [130, 250, 400, 10_000])
def test_the_bound_found_is_the_largest_that_fits(worst: Worst, data: JointData, limit: int) -> None:
    longest = max(data.sets[0].frames)
    tried: list[int] = []

    def fits(batch: JointBatch) -> bool:
        tried.append(frames(batch))
        return frames(batch) <= limit

    least, most = longest / 100, 8 * longest / 100
    found = largest_seconds(worst, fits, least, most)
    assert isinstance(found, float)
    assert tried[0] == max(frames(batch) for batch in worst(most)), "the worst comes first"
    assert all(frames(batch) <= limit for batch in worst(found))
    if limit == 10_000:
        assert found == most
    else:
        assert any(frames(batch) > limit for batch in worst(found + 1.0))


def test_a_batch_that_does_not_fit_under_the_least_bound_is_returned(worst: Worst, data: JointData) -> None:
    longest = max(data.sets[0].frames)
    found = largest_seconds(worst, lambda batch: longest not in batch.paired.frame_counts, longest / 100, 3.0)
    assert isinstance(found, JointBatch)
    assert longest in found.paired.frame_counts


class Fake:
    """A trial of made-up memory."""

    limit, peak = 250, 0

    def __init__(self, *_: Any, **__: Any) -> None:
        self.tried = 0

    def __call__(self, batch: JointBatch) -> bool:
        self.tried += 1
        return frames(batch) <= Fake.limit


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trainer on a GPU that is not there."""
    monkeypatch.setattr(fill, "Trial", Fake)
    for module in (fill, memory):
        monkeypatch.setattr(module, "device_memory", lambda device: "a GPU (1 GiB)")
    return SimpleNamespace(is_global_zero=True, strategy=SimpleNamespace(root_device=torch.device("cuda")))


def attempt(gpu: Any, data: JointData, folder: Path, limit: int) -> float:
    Fake.limit = limit
    settle(gpu, SimpleNamespace(to=lambda device: None), data, folder, [2])  # type: ignore[arg-type]
    found = settled(data.config, folder).training.speech_batch.max_seconds
    assert isinstance(found, float)
    return found


def test_what_was_found_is_kept_for_runs_that_go_on(
    gpu: Any, data: JointData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = attempt(gpu, data, tmp_path, limit=250)
    assert f"batches of up to {found:g} s of audio fit" in capsys.readouterr().out
    assert json.loads((tmp_path / KEPT).read_text()) == {"max_seconds": found, "device": "a GPU (1 GiB)"}
    assert attempt(gpu, data, tmp_path, limit=10_000) == found
    with pytest.raises(EnvironmentFault, match=r"a GPU \(1 GiB\) cannot hold the largest.*or start anew with --force"):
        attempt(gpu, data, tmp_path, limit=100)
    assert attempt(gpu, data, tmp_path / "other", limit=10_000) > found
    assert "max_utterances allows no more" in capsys.readouterr().out


def test_an_utterance_that_does_not_fit_alone_is_named(gpu: Any, data: JointData, tmp_path: Path) -> None:
    paired = data.sets[0]
    longest = paired.utterances[int(paired.frames.argmax())]
    seconds = max(paired.frames) / 100
    with pytest.raises(EnvironmentFault, match=rf"up to {seconds:.1f} s.*\({longest}\).*4 texts.*segment or drop"):
        attempt(gpu, data, tmp_path, limit=max(paired.frames) - 1)
    assert not (tmp_path / KEPT).exists()


def test_the_worst_batch_under_stated_bounds_is_tried_too(gpu: Any, data: JointData, tmp_path: Path) -> None:
    data.config = with_seconds(data.config, 4.0)
    assert attempt(gpu, data, tmp_path, limit=400) == 4.0
    with pytest.raises(EnvironmentFault, match="lower training.speech_batch.max_seconds or max_lattice"):
        attempt(gpu, data, tmp_path, limit=200)


def test_auto_leaves_a_cpu_to_max_positions(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    (context.exp / KEPT).write_text('{"max_seconds": 5.0}')  # of a run that left no checkpoint
    run(context)
    assert "max_seconds: auto is for a GPU" in capsys.readouterr().out
    assert json.loads((context.exp / KEPT).read_text()) == {"max_seconds": None, "device": "cpu"}
    assert "max_seconds" not in read_log(context.exp / "log.jsonl")[0]


def changed(context: Context, speech_batch: SpeechBatchConfig) -> Context:
    training = dataclasses.replace(context.config.training, speech_batch=speech_batch)
    return dataclasses.replace(context, config=dataclasses.replace(context.config, training=training))


def test_seconds_bound_batches_and_start_a_training_anew(context: Context) -> None:
    bounded = changed(context, SpeechBatchConfig(max_seconds=2.0, max_positions=1))  # which no longer holds
    data = JointData(bounded.config, context.data, read_symbols(context.config, context.data))
    batches = joint_set(bounded.config, *data.sets)
    sizes = [frames(batches.batch(step)) for step in range(20)]
    assert 100 < max(sizes) <= 200
    assert fingerprint(bounded) != fingerprint(context)
    unbounded = [fingerprint(changed(context, SpeechBatchConfig(max_seconds=value))) for value in (None, 0.0)]
    assert unbounded[0] == unbounded[1], "and as it was before there was the setting"


def test_trials_leave_weights_and_random_numbers_as_they_are(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    config: Config = with_seconds(context.config, 3.0)
    plain = dataclasses.replace(context, config=config)
    tried = dataclasses.replace(plain, name="tried")
    run(plain)
    trials: list[bool] = []

    def settles(trainer: Any, model: Any, data: JointData, folder: Path, updates: list[int]) -> None:
        assert updates == [2]
        trial = Trial(model, data.config.loss, trainer, updates=updates, spare=0.1)
        before = torch.get_rng_state()
        trials.extend(trial(batch) for batch in joint_set(data.config, *data.sets).worst(1.5))
        assert torch.equal(torch.get_rng_state(), before)
        assert all(parameter.grad is None for parameter in model.parameters())

    monkeypatch.setattr("jointst.training.train.settle", settles)
    run(tried)
    assert len(trials) >= 2
    assert all(trials)
    one, other = (load_file(each.exp / "model.safetensors") for each in (plain, tried))
    assert all(torch.equal(one[name], other[name]) for name in one)
    one, other = (
        [{k: v for k, v in line.items() if k not in ("seconds", "audio_per_hour", "to_go")} for line in read_log(path)]
        for path in (plain.exp / "log.jsonl", tried.exp / "log.jsonl")
    )
    assert one == other
    assert one[0]["max_seconds"] == 3.0


def test_a_trial_goes_through_all_losses_and_survives_out_of_memory(
    context: Context, data: JointData, worst: Worst, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_model(context.config, read_symbols(context.config, context.data)).eval()
    trainer = make_trainer(
        SimpleNamespace(),  # type: ignore[arg-type]
        ngpu=0, precision="32-true", max_updates=6, validate_every=3, gradient_clip=1.0,
    )  # fmt: skip
    trial = Trial(model, context.config.loss, trainer, updates=[5, 1])
    parts: set[str] = set()
    original = memory.joint_loss

    def spy(*arguments: Any) -> Any:
        assert model.training
        loss = original(*arguments)
        parts.update(loss.parts)
        return loss

    batch = next(worst(8.0))
    monkeypatch.setattr(memory, "joint_loss", spy)
    assert trial(batch)
    assert {"ctc", "speech_streaming", "text_full_context", "consistency"} <= parts
    assert not model.training

    def breaks(*arguments: Any) -> Any:
        torch.autograd.backward(original(*arguments).total)
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr(memory, "joint_loss", breaks)
    assert not trial(batch)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert trial.tried == 2


def test_the_hardest_updates_are_of_the_training_and_of_phases_that_cost_most() -> None:
    phases = [("ctc", 0), ("exact", 10), ("joint", 20), ("consistency", 30), ("joint", 90)]
    assert hardest(phases, 100) == [30, 10]
    assert hardest(phases, 25) == [20, 10]
    assert hardest(phases, 5) == [0]
    assert hardest([("joint", 0)], 100) == [0]


def test_a_message_names_a_dozen_utterances_at_most(worst: Worst) -> None:
    batch = next(worst(8.0))
    many = dataclasses.replace(batch.paired, utterances=[f"u{i}" for i in range(40)])
    message = shown(dataclasses.replace(batch, paired=many), 10.0)
    assert "40 utterances" in message
    assert "(u0 u1 u2 u3 u4 u5 u6 u7 u8 u9 u10 u11 ...)" in message


on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@on_gpu
def test_a_gpu_says_what_does_not_fit_and_goes_on(context: Context, worst: Worst) -> None:
    model = build_model(context.config, read_symbols(context.config, context.data)).cuda()
    trainer = make_trainer(
        SimpleNamespace(),  # type: ignore[arg-type]
        ngpu=1, precision="32-true", max_updates=6, validate_every=3, gradient_clip=1.0,
    )  # fmt: skip
    small = next(worst(8.0))
    wide = {name: value.repeat(32, 1) for name, value in vars(small.paired).items() if name in ("phones", "labels")}
    long = {name: value.repeat(32) for name, value in vars(small.paired).items() if name.endswith("_lengths")}
    names = {name: getattr(small.paired, name) * 32 for name in ("utterances", "languages")}
    features = small.paired.features.repeat(32, 300, 1)
    long["feature_lengths"] = torch.full((len(features),), features.shape[1])
    large = dataclasses.replace(
        small, paired=dataclasses.replace(small.paired, features=features, **wide, **long, **names)
    )
    trial = Trial(model, context.config.loss, trainer, updates=[5, 1])
    assert trial(small)
    free, _ = torch.cuda.mem_get_info()
    ballast = torch.empty(max(0, free - 2 * 2**30), dtype=torch.uint8, device="cuda")
    held, state = torch.cuda.memory_allocated(), torch.cuda.get_rng_state()
    assert not trial(large)
    assert torch.cuda.memory_allocated() == held
    assert trial(small)
    assert torch.equal(torch.cuda.get_rng_state(), state)
    del ballast


@on_gpu
def test_auto_on_a_gpu_finds_a_bound_and_keeps_it(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    def until(updates: int) -> Context:
        training = dataclasses.replace(context.config.training, max_updates=updates)
        config = dataclasses.replace(context.config, training=training)
        return dataclasses.replace(context, config=config, ngpu=1)

    run(until(10))
    found = json.loads((context.exp / KEPT).read_text())["max_seconds"]
    assert f"batches of up to {found:g} s of audio fit" in capsys.readouterr().out
    run(until(20))
    assert "the largest batches take up to" in capsys.readouterr().out
    lines = [line for line in read_log(context.exp / "log.jsonl") if "loss" in line]
    assert [line["update"] for line in lines] == [1, 10, 20]
    assert {line["max_seconds"] for line in lines} == {found}
