"""The train stage on a toy set: it learns, survives ``kill -9`` to the bit, and stops with words that help."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import kaldiio
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from jointst.common.errors import CollapseError, DataError, EnvironmentFault
from jointst.config import BatchConfig, Config, ConsistencyConfig, LossConfig, SpeechBatchConfig, TrainingConfig
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.kaldi.directory import DataDirectory
from jointst.models.build import build_model, read_symbols
from jointst.models.joint import JointModel
from jointst.training.checkpoints import Checkpoints, average, last_checkpoint
from jointst.training.data import training_set
from jointst.training.fingerprint import fingerprint
from jointst.training.log import read_log
from jointst.training.module import JointModule
from jointst.training.train import run

CLOCK = ("seconds", "to_go", "audio_per_hour")
SMALL, SMALL_TEXT = SpeechBatchConfig(max_utterances=4), BatchConfig(max_utterances=4)


@pytest.fixture
def context(toy: Context) -> Context:
    """A toy experiment with unpaired text, before training."""
    train = DataDirectory.read(toy.data / "t_train")
    text_only = dataclasses.replace(
        train,
        path=toy.data / "t_unpaired",
        utt2spk={},
        feats_scp={},
        utt2num_frames={},
    )
    text_only.write(text_only.path)
    for path in [*toy.exp.glob("*.safetensors"), toy.exp / "log.jsonl", toy.exp / "config.yaml"]:
        path.unlink()
    config = dataclasses.replace(
        toy.config,
        data=dataclasses.replace(toy.config.data, unpaired=("t_unpaired",)),
        loss=LossConfig(ctc_only_updates=5, consistency=ConsistencyConfig(weight=0.3, start_update=8, ramp_updates=4)),
        training=TrainingConfig(
            max_updates=30, validate_every=10, speech_batch=SMALL, text_batch=SMALL_TEXT, warmup_updates=5
        ),
    )
    return dataclasses.replace(toy, config=config)


def losses(folder: Path) -> dict[int, dict[str, float]]:
    """Every logged number but those of the clock, by update."""
    records: dict[int, dict[str, float]] = {}
    for line in read_log(folder / "log.jsonl"):
        records.setdefault(line["update"], {}).update({k: v for k, v in line.items() if k not in CLOCK})
    return records


def changed(context: Context, **training: object) -> Context:
    config = context.config
    return dataclasses.replace(
        context, config=dataclasses.replace(config, training=dataclasses.replace(config.training, **training))
    )


def test_trains_logs_and_averages(context: Context) -> None:
    made = run(context)
    assert "30 updates" in made.what
    records = losses(context.exp)
    assert set(records) == {1, 10, 20, 30}
    assert records[30]["dev_loss"] < records[10]["dev_loss"]
    assert {"ctc", "speech_streaming", "text_full_context", "consistency/layer0"} <= set(records[30])
    assert set(records[1]) == {"update", "rate", "loss", "ctc", "padding", "padding_text", "max_seconds"}
    best = json.loads((context.exp / "checkpoints/best.json").read_text())
    assert [entry["update"] for entry in best][0] == 30
    weights = load_file(context.exp / "model.safetensors")
    mean = average(
        [context.exp / "checkpoints" / entry["file"] for entry in best], (context.exp / "fingerprint.txt").read_text()
    )
    assert all(torch.equal(weights[name], mean[name]) for name in mean)
    assert (context.exp / "versions.json").is_file()
    assert list((context.exp / "tensorboard").glob("events*"))


def test_text_only_languages_are_not_heard_in_training(context: Context) -> None:
    path = context.data / "t_train"
    train = DataDirectory.read(path)
    hidden = train.utterances[::2]
    dataclasses.replace(train, utt2lang={key: "it" if key in hidden else "de" for key in train.text}).write(path)
    symbols = read_symbols(context.config, context.data)

    def paired(*languages: str) -> set[str]:
        data = dataclasses.replace(context.config.data, text_only_languages=languages)
        return set(training_set(dataclasses.replace(context.config, data=data), context.data, symbols)[1].utterances)

    everything, left = paired(), paired("it")
    assert everything - left == {key for key in everything if key in hidden} != set()
    assert left
    with pytest.raises(DataError, match=r"t_train: has speech in de it alone.*text_only_languages"):
        paired("it", "de")
    silent = dataclasses.replace(context.config.data, text_only_languages=("it",))
    other = dataclasses.replace(context, config=dataclasses.replace(context.config, data=silent))
    assert fingerprint(other) != fingerprint(context)


def start(config: Config, folder: Path, name: str) -> subprocess.Popen[bytes]:
    (folder / f"{name}.yaml").write_text(to_yaml(config))
    command = [sys.executable, "-m", "jointst", "train", "--conf", f"{name}.yaml"]
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_killed_and_continued_gives_the_same_losses_to_the_bit(context: Context) -> None:
    folder = Path.cwd()
    config = changed(context, max_updates=60, validate_every=20).config
    unbroken = start(config, folder, "unbroken")
    output, _ = unbroken.communicate(timeout=250)
    assert unbroken.returncode == 0, output.decode()

    broken = start(config, folder, "broken")
    log = folder / "exp/broken/log.jsonl"
    deadline = time.monotonic() + 200
    # Beyond the checkpoint at 20, so that updates are lost and must come again.
    while not any(line["update"] >= 30 for line in read_log(log)):
        assert time.monotonic() < deadline
        assert broken.poll() is None
        time.sleep(0.02)
    broken.send_signal(signal.SIGKILL)
    broken.wait()
    assert not (folder / "exp/broken/model.safetensors").exists()
    again = start(config, folder, "broken")
    output, _ = again.communicate(timeout=250)
    assert again.returncode == 0, output.decode()
    assert b"going on from" in output

    expected, got = losses(folder / "exp/unbroken"), losses(folder / "exp/broken")
    assert set(expected) == {1, *range(10, 61, 10)}
    assert got == expected
    one, other = (load_file(folder / f"exp/{name}/model.safetensors") for name in ("unbroken", "broken"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_longer_run_goes_on_and_a_changed_one_starts_anew(context: Context) -> None:
    run(changed(context, max_updates=10, validate_every=5))
    longer = run(changed(context, max_updates=14, validate_every=5))
    assert "14 updates" in longer.what
    assert {5, 10, 14} <= set(losses(context.exp))
    run(changed(context, max_updates=6, validate_every=5, peak_rate=1e-3))
    assert set(losses(context.exp)) == {1, 5, 6}
    assert max(losses(context.exp.with_name("toy.old-1"))) == 14


def test_a_damaged_checkpoint_falls_back_on_the_one_before(context: Context) -> None:
    run(changed(context, max_updates=20, validate_every=10))
    folder = context.exp / "checkpoints"
    whole = (folder / "last.ckpt").read_bytes()
    (folder / "last.ckpt").write_bytes(whole[: len(whole) // 2])
    assert last_checkpoint(folder) == folder / "previous.ckpt"
    assert (folder / "damaged.ckpt").exists()
    assert "24 updates" in run(changed(context, max_updates=24, validate_every=10)).what


def test_stops_when_the_time_is_up(context: Context) -> None:
    made = run(changed(context, max_updates=100_000, validate_every=50_000, max_time=3.0))
    assert "100000" not in made.what
    assert (context.exp / "model.safetensors").is_file()


def test_accumulated_batches_count_as_one_update(context: Context) -> None:
    assert "6 updates" in run(changed(context, max_updates=6, validate_every=3, accumulate=2)).what
    assert [line["update"] for line in read_log(context.exp / "log.jsonl")] == [1, 3, 6]


def test_broken_amid_accumulated_batches_from_loader_processes(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line of the log and every curve is that of an unbroken run."""
    whole = changed(context, max_updates=20, validate_every=10, accumulate=3, workers=2)
    run(whole)
    broken = dataclasses.replace(whole, name="broken")
    original = JointModule.training_step

    def breaks(self: JointModule, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == 14 and batch_idx % 3 == 1:
            raise ConnectionAbortedError
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(JointModule, "training_step", breaks)
        with pytest.raises(ConnectionAbortedError):
            run(broken)
    run(broken)
    expected, got = (
        [{k: v for k, v in line.items() if k not in CLOCK} for line in read_log(each.exp / "log.jsonl")]
        for each in (whole, broken)
    )
    assert got == expected
    assert [line["update"] for line in got] == [1, 10, 10, 20, 20]
    one, other = (load_file(each.exp / "model.safetensors") for each in (whole, broken))
    assert all(torch.equal(one[key], other[key]) for key in one)
    curves = EventAccumulator(str(broken.exp / "tensorboard"))
    curves.Reload()
    assert [event.step for event in curves.Scalars("dev_loss")] == [10, 20]


def test_silence_behind_speech_is_heard_in_training_alone(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: dict[bool, set[int]] = {True: set(), False: set()}
    original = JointModel.encode_audio

    def listens(self: JointModel, features: torch.Tensor, lengths: torch.Tensor) -> Any:
        heard[self.training].update(lengths.tolist())
        return original(self, features, lengths)

    monkeypatch.setattr(JointModel, "encode_audio", listens)
    run(changed(context, max_updates=12, validate_every=12, silence=1.0))
    frames = set(DataDirectory.read(context.data / "t_train").utt2num_frames.values())
    assert heard[False] <= set(DataDirectory.read(context.data / "t_dev").utt2num_frames.values())
    assert max(heard[True]) > max(frames), "up to a hundred frames more"
    assert frames & heard[True], "some are as they were"


def test_killed_between_weights_and_checkpoint_loses_no_weights(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file comes first, continuing must average the weights that an unbroken run averages."""
    config = changed(context, max_updates=6, validate_every=3)

    def breaks(self: Checkpoints, *arguments: Any) -> None:
        raise ConnectionAbortedError

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "_keep_weights", breaks)
        with pytest.raises(ConnectionAbortedError):
            run(config)
    assert "the mean of 2 checkpoints" in run(config).what


def test_weights_of_a_run_without_a_checkpoint_are_forgotten(context: Context) -> None:
    stale = [{"update": 1, "dev_loss": 0.0, "file": "update_0000001.safetensors"}]
    (context.exp / "checkpoints").mkdir(parents=True)
    (context.exp / "checkpoints/best.json").write_text(json.dumps(stale))
    assert "the mean of 1 checkpoints" in run(changed(context, max_updates=2, validate_every=2)).what


def test_a_smaller_number_of_best_weights_is_heeded_afterwards(context: Context) -> None:
    assert "mean of 2" in run(changed(context, max_updates=4, validate_every=2)).what
    assert "mean of 1" in run(changed(context, max_updates=4, validate_every=2, keep_best=1)).what


def test_a_broken_dev_loss_stops_before_it_becomes_the_checkpoint(context: Context) -> None:
    scp = context.data / "t_dev/feats.scp"
    matrices = {
        key: kaldiio.load_mat(value) * float("nan")
        for key, value in (line.split() for line in scp.read_text().splitlines())
    }
    kaldiio.save_ark(str(context.data / "t_dev/feats.ark"), matrices, scp=str(scp))
    with pytest.raises(CollapseError, match="dev loss is not finite"):
        run(changed(context, max_updates=4, validate_every=2))
    assert last_checkpoint(context.exp / "checkpoints") is None


def test_the_gradient_of_the_additive_joiners_is_clipped_apart(context: Context) -> None:
    model = build_model(context.config, read_symbols(context.config, context.data))
    module = JointModule(model, context.config)
    additive = {name for name, _ in module.named_parameters() if ".additive." in name}
    for name, weight in module.named_parameters():
        weight.grad = torch.full_like(weight, 1e6 if name in additive else 1e-6)
    module.configure_gradient_clipping(None, 5.0)
    others = [weight.grad for name, weight in module.named_parameters() if name not in additive]
    assert all(torch.equal(part, torch.full_like(part, 1e-6)) for part in others if part is not None)
    clipped = [weight.grad for name, weight in module.named_parameters() if name in additive]
    assert sum(float(part.square().sum()) for part in clipped if part is not None) == pytest.approx(25.0, rel=1e-4)


def test_a_loss_that_is_not_finite_names_the_utterances(context: Context) -> None:
    feats = context.data / "t_train" / "feats.ark"
    matrices = dict(line.split() for line in (context.data / "t_train/feats.scp").read_text().splitlines())
    loaded = {key: kaldiio.load_mat(value).copy() for key, value in matrices.items()}
    loaded["en_v0-0"][3] = float("nan")
    kaldiio.save_ark(str(feats), loaded, scp=str(context.data / "t_train/feats.scp"))
    with pytest.raises(CollapseError, match=r"not finite.*en_v0-0.*peak_rate"):
        run(context)


def test_the_alarm_on_ratios_waits_for_more_than_one_look(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch whose transcripts are nearly the same is no collapse; batch after batch it is one."""
    looks = iter([0.99, 0.99, 0.5, 0.99, 0.98, 0.99])
    monkeypatch.setattr("jointst.training.module.WATCH_EVERY", 1)
    monkeypatch.setattr("jointst.training.module.GRACE", 0)
    monkeypatch.setattr(
        "jointst.training.module.true_to_mismatched",
        lambda speech, *_: [torch.tensor(next(looks))] * len(speech.states),
    )
    consistency = ConsistencyConfig(start_update=2, ramp_updates=1)
    early = dataclasses.replace(context.config, loss=LossConfig(ctc_only_updates=2, consistency=consistency))
    early = dataclasses.replace(early, training=dataclasses.replace(early.training, collapse_spread=0.0))
    with pytest.raises(CollapseError, match="ratios: streaming 1 0.980") as caught:
        run(changed(dataclasses.replace(context, config=early), max_updates=20, validate_every=20))
    assert "update 7" in str(caught.value), "two updates of CTC alone, then the sixth look"
    assert next(looks, None) is None


def test_collapse_raises_the_alarm_and_can_be_a_warning(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    """Consistency alone, far too strong, makes all states alike: the collapse that the design saw."""
    loss = LossConfig(
        speech=0.0,
        text=1e-6,
        ctc=0.0,
        ctc_only_updates=0,
        consistency=ConsistencyConfig(weight=100.0, start_update=0, ramp_updates=1, normalise=False),
    )
    config = dataclasses.replace(context.config, loss=loss)
    collapsing = dataclasses.replace(context, config=config)
    collapsing = changed(collapsing, max_updates=400, validate_every=400, collapse_spread=0.3, peak_rate=5e-3)
    with pytest.raises(CollapseError, match=r"update 2\d\d|update 3\d\d"):
        run(collapsing)
    run(changed(dataclasses.replace(collapsing, name="warned"), on_collapse="warn"))
    assert "warning: update" in capsys.readouterr().out


def test_missing_inputs_are_named(context: Context) -> None:
    (context.data / "lang/phones.txt").unlink()
    with pytest.raises(DataError, match=r"phones.txt: is missing"):
        run(context)


def test_dynamic_chunks_are_drawn_in_training_only_and_reproducibly(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, int]] = []
    encode_audio = JointModel.encode_audio

    def spy(model: JointModel, *batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append((model.training, model.chunk))
        return encode_audio(model, *batch)

    monkeypatch.setattr(JointModel, "encode_audio", spy)
    drawn = changed(context, dynamic_chunks=(1, 3, 16), max_updates=12, validate_every=4)
    run(drawn)
    first, records = list(seen), losses(context.exp)
    chunks = [chunk for training, chunk in first if training]
    assert len(chunks) == 12
    assert set(chunks) == {1, 3, 16}
    assert {chunk for training, chunk in first if not training} == {context.config.model.chunk}
    seen.clear()
    run(dataclasses.replace(drawn, force=True))
    assert seen == first
    assert losses(context.exp) == records
    seen.clear()
    run(changed(context, max_updates=12, validate_every=4))
    assert {chunk for _, chunk in seen} == {context.config.model.chunk}
    assert losses(context.exp)[1] != records[1]


def test_out_of_memory_names_the_update_and_its_utterances(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def breaks(step: str, after: int) -> None:
        original = getattr(JointModule, step)

        def wrapped(self: JointModule, batch: Any, batch_idx: int) -> Any:
            if self.global_step == after:
                seen[:] = batch.utterances if step == "validation_step" else batch.paired.utterances
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB.\nmore")
            return original(self, batch, batch_idx)

        monkeypatch.setattr(JointModule, step, wrapped)

    breaks("validation_step", 10)
    with pytest.raises(EnvironmentFault, match=r"update 10: out of GPU .*lower decoding.batch_utterances") as caught:
        run(context)
    assert " ".join(seen[:12]) in str(caught.value)
    breaks("training_step", 3)
    with pytest.raises(EnvironmentFault, match=r"update 3: out of GPU memory on 4 utt.*lower training") as caught:
        run(context)
    assert " ".join(seen) in str(caught.value)
    assert str(caught.value).endswith("(CUDA out of memory. Tried to allocate 20 MiB.)")
