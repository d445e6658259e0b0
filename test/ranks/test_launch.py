"""The same training by torchrun on two nodes, by Slurm, and in one process: the same losses; and how it ends."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from jointst.config import BatchConfig, ConsistencyConfig, LossConfig, SpeechBatchConfig, TrainingConfig
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.kaldi.directory import DataDirectory
from jointst.ranks.spawn import free_port

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(Path(__file__).parent / "recorded.py")
UPDATES = 50
TRAIN = ["train", "--conf", "toy.yaml"]


@pytest.fixture
def recipe(toy: Context) -> Context:
    """A toy experiment with unpaired text in the working directory, before training."""
    train = DataDirectory.read(toy.data / "t_train")
    text = dataclasses.replace(train, path=toy.data / "t_text", utt2spk={}, feats_scp={}, utt2num_frames={})
    text.write(text.path)
    shutil.rmtree(toy.exp)
    config = dataclasses.replace(
        toy.config,
        data=dataclasses.replace(toy.config.data, unpaired=("t_text",)),
        loss=LossConfig(ctc_only_updates=5, consistency=ConsistencyConfig(weight=0.3, start_update=8, ramp_updates=4)),
        training=TrainingConfig(
            max_updates=UPDATES,
            validate_every=25,
            warmup_updates=20,
            peak_rate=5e-4,
            weight_decay=0.5,
            speech_batch=SpeechBatchConfig(max_utterances=2),
            text_batch=BatchConfig(max_utterances=2),
        ),
    )
    Path("toy.yaml").write_text(to_yaml(config))
    return dataclasses.replace(toy, config=config)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "JOINTST_PATIENCE": "10"}


def torchrun(node: int, port: int, *arguments: str, cwd: str = ".") -> subprocess.Popen[str]:
    """One of two nodes of two processes each."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "2"]
    command += ["--node-rank", str(node), "--master-addr", "127.0.0.1", "--master-port", str(port)]
    return subprocess.Popen(
        [*command, *arguments], env=environment(), cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def losses() -> dict[int, float]:
    """Of every batch by its number, of all processes, removed then."""
    found = {}
    for path in sorted(Path().glob("losses_*.txt")):
        for line in path.read_text().splitlines():
            number, loss = line.split()
            found[int(number)] = float(loss)
        path.unlink()
    return found


def alone(world: int) -> dict[int, float]:
    """The losses of one process that accumulates as many batches as there are processes."""
    command = [sys.executable, SCRIPT, *TRAIN, "--name", "alone", "--training.accumulate", str(world)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return losses()


def check_same(got: dict[int, float], expected: dict[int, float], world: int) -> None:
    assert sorted(got) == sorted(expected) == list(range(world * UPDATES))
    worst = max(abs(got[number] - expected[number]) / abs(expected[number]) for number in expected)
    assert worst < 1e-5, worst


def test_two_nodes_of_torchrun_have_the_losses_of_one_process(recipe: Context) -> None:
    port = free_port()
    nodes = [torchrun(node, port, SCRIPT, *TRAIN, "--name", "four") for node in range(2)]
    said = [node.communicate(timeout=250)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    assert said[0].count("dev loss") == 2
    assert "stage 6 train: model after 50 updates" in said[0]
    assert not [word for word in ("parameters:", "dev loss", "stage 6") if word in said[1]], (
        "the first process alone prints"
    )
    check_same(losses(), alone(4), 4)
    one, four = (load_file(f"exp/{name}/model.safetensors") for name in ("alone", "four"))
    for name, weight in one.items():  # also of decoders, which nothing moves while CTC is trained alone
        torch.testing.assert_close(four[name], weight, rtol=1e-4, atol=1e-5)


def test_a_node_that_sees_other_data_is_named(recipe: Context, tmp_path: Path) -> None:
    shutil.copytree(recipe.data, tmp_path / "other" / "data")
    shutil.copy("toy.yaml", tmp_path / "other")
    text = tmp_path / "other" / "data" / "t_dev" / "text"
    text.write_text(text.read_text().replace("red", "blue"))
    port = free_port()
    nodes = [torchrun(0, port, SCRIPT, *TRAIN), torchrun(1, port, SCRIPT, *TRAIN, cwd=str(tmp_path / "other"))]
    for node in nodes:
        said = node.communicate(timeout=120)[0]
        assert node.returncode == 1
        assert "rank 2 does not see the same data/t_dev/text as rank 0 (give all nodes the same file system" in said


# --- Slurm ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a Slurm of two nodes on this machine."""
    folder = tmp_path_factory.mktemp("slurm")
    tool = str(ROOT / "tools" / "slurm_here.sh")
    started = subprocess.run([tool, "start", str(folder)], capture_output=True, text=True, timeout=120)
    if started.returncode != 0:
        pytest.skip(started.stderr.strip().splitlines()[-1])
    try:
        yield {"SLURM_CONF": str(folder / "slurm.conf")}
    finally:
        subprocess.run([tool, "stop", str(folder)], check=True, timeout=60)


@pytest.fixture
def in_slurm(slurm: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {**environment(), **slurm}.items():
        monkeypatch.setenv(key, value)


def called(*command: str, timeout: float = 120) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def until(said: str, path: Path, seconds: float = 120) -> str:
    """Wait until a file says something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        text = path.read_text() if path.is_file() else ""
        if said in text:
            return text
        time.sleep(0.2)
    raise AssertionError(f"{path} does not say {said!r}: {text}")


_unbroken: list[dict[str, torch.Tensor]] = []


def unbroken(recipe: Context) -> dict[str, torch.Tensor]:
    """The model of two processes that nobody disturbs: the same for every test."""
    if _unbroken:
        return _unbroken[0]
    command = [sys.executable, "-m", "jointst", *TRAIN, "--name", "unbroken", "--nproc", "2"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    _unbroken.append(load_file("exp/unbroken/model.safetensors"))
    return _unbroken[0]


def check_weights(path: Path, expected: dict[str, torch.Tensor]) -> None:
    found = load_file(path)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.usefixtures("in_slurm")
def test_two_tasks_of_srun_have_the_losses_of_one_process(recipe: Context) -> None:
    srun = ["srun", "--nodes=2", "--ntasks-per-node=1"]
    said = called(*srun, sys.executable, SCRIPT, *TRAIN, "--name", "two", timeout=250)
    assert "stage 6 train: model after 50 updates" in said
    check_same(losses(), alone(2), 2)


@pytest.mark.usefixtures("in_slurm")
def test_a_job_goes_back_into_the_queue_and_on(recipe: Context) -> None:
    expected = unbroken(recipe)
    train = " ".join([sys.executable, "-m", "jointst", *TRAIN, "--name", "queued"])
    Path("job.sh").write_text(f"#!/bin/bash\nsrun {train}\n")
    options = ["--nodes=2", "--ntasks-per-node=1", "--requeue", "--output=job.log", "--open-mode=append", "--parsable"]
    job = called("sbatch", *options, "job.sh").strip()
    until('"update": 10', Path("exp/queued/log.jsonl"))
    called("scancel", "--signal=USR1", job)
    said = until("by SIGUSR1; the same command goes on from there", Path("job.log"))
    assert "jointst train: stopped after update" in said
    until("DUE TO JOB REQUEUE", Path("job.log"))
    end = time.monotonic() + 120
    while time.monotonic() < end and "going on from" not in Path("job.log").read_text():
        subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], capture_output=True)
        time.sleep(1)
    until("stage 6 train: model after 50 updates", Path("job.log"))
    check_weights(Path("exp/queued/model.safetensors"), expected)


@pytest.mark.usefixtures("in_slurm")
def test_stage_6_as_a_job(recipe: Context) -> None:
    train = [sys.executable, "-m", "jointst", *TRAIN, "--name", "job", "--nproc", "2", "--launcher", "slurm"]
    said = called(*train, "--slurm", "timeout_min=10", timeout=200)
    assert "stage 6 train: model after 50 updates" in said
    check_weights(Path("exp/job/model.safetensors"), unbroken(recipe))
    assert "up to date" in called(*train)
    (recipe.data / "t_dev" / "text").unlink()
    failed = subprocess.run([*train, "--force"], capture_output=True, text=True, timeout=200)
    assert failed.returncode == 1
    assert "t_dev" in failed.stderr.strip().splitlines()[-1]
    assert "rank" in failed.stderr.strip().splitlines()[-1]


# --- one machine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_jointst_stops_all_with_a_checkpoint(number: signal.Signals, recipe: Context) -> None:
    train = [sys.executable, "-m", "jointst", *TRAIN, "--name", "told", "--nproc", "2"]
    process = subprocess.Popen(train, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until('"update": 10', Path("exp/told/log.jsonl"))
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == (143 if number == signal.SIGTERM else 75)
    assert f"by {number.name}; the same command goes on from there" in errors.strip().splitlines()[-1]
    assert "Traceback" not in errors
    assert Path("exp/told/checkpoints/last.ckpt").is_file()
