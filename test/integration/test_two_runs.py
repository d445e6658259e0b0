"""Two runs at once in one folder: the second is refused and told by whom, death frees it, models are never mixed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from integration.toy_recipe import members, stage, start
from safetensors import safe_open

from jointst.recipe.cli import main
from jointst.training.checkpoints import belongs

LONG = ["--training.max_updates", "100000"]
# Stops before it renames a file for the first time, until it is told to go on.
_PAUSED = """
import os, signal, sys

renamed, paused = os.replace, False

def replace(source, target):
    global paused
    if sys.argv[1] in str(target) and not paused:
        paused = True
        print("paused", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
    renamed(source, target)

os.replace = replace
from jointst.recipe.cli import main
sys.exit(main(sys.argv[2:]))
"""


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"it did not come so far: {process.communicate()}")
        time.sleep(0.05)


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a session of its own, that is killed with all it has started."""
    with start(*command) as process:
        try:
            yield process
        finally:
            for member in members(process.pid):
                os.kill(member, signal.SIGKILL)


def jointst(name: str, *options: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "jointst", name, "--conf", "toy.yaml", "--nj", "1", *options)


@contextmanager
def paused(at: str, name: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A stage that waits in the middle of its work, before a file with ``at`` in its path is finished."""
    Path("paused.py").write_text(_PAUSED)
    with running(sys.executable, "paused.py", at, name, "--conf", "toy.yaml", "--nj", "1", *options) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "paused\n":
                break
        else:
            pytest.fail(f"not paused: {process.communicate()}")
        yield process


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must be refused, and gives what it says."""

    def run(name: str, *options: str) -> str:
        capsys.readouterr()
        assert main([name, "--conf", "toy.yaml", *options]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"jointst {name}: error: ")
        return said

    return run


def mark_of(path: str) -> str:
    with safe_open(path, framework="pt") as stored:
        return str(stored.metadata()["fingerprint"])


def test_a_second_training_is_refused_until_the_first_is_dead(
    recipe: Path, refusal: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Path("exp/toy/checkpoints/last.ckpt")
    with running(*jointst("train", *LONG)) as process:
        wait_for(process, checkpoint.is_file)
        mark = Path("exp/toy/fingerprint.txt").read_text()
        for options in ([], LONG, ["--training.peak_rate", "0.1"], ["--force"]):
            said = refusal("train", *options)
            assert "exp/toy is in use: stage 6 train is under way there" in said
            assert f"process {process.pid} on host {os.uname().nodename}, since " in said
            assert ": jointst train --conf toy.yaml --nj 1 --training.max_updates 100000 (" in said
        assert Path("exp/toy/fingerprint.txt").read_text() == mark, "a refused training has touched nothing"
        for name in ("decode", "lm"):
            assert "exp/toy is in use: stage 6 train is under way" in refusal(name)
        for name in ("corpus", "lexicon", "features", "tokenizer", "fix"):
            options = [] if name == "fix" else ["--force"]
            assert "data is in use: stage 6 train is under way there" in refusal(name, *options)
        assert stage("validate") == 0, "it writes no data"
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert stage("train") == 0, "the third goes on"
    assert mark_of("exp/toy/model.safetensors") == mark == Path("exp/toy/fingerprint.txt").read_text()
    capsys.readouterr()
    assert stage("train", "--training.peak_rate", "0.1") == 0
    said = capsys.readouterr().out
    assert "differ from the training in exp/toy (training.peak_rate was " in said
    assert "and is 0.1): it is kept as exp/toy.old-1" in said
    assert mark_of("exp/toy/model.safetensors") == Path("exp/toy/fingerprint.txt").read_text() != mark
    assert mark_of("exp/toy.old-1/model.safetensors") == mark, "what was there is kept"
    assert stage("train", "--training.peak_rate", "0.1", "--force") == 0
    said = capsys.readouterr().out
    assert "the training in exp/toy is set aside (--force): it is kept as exp/toy.old-2, a new one starts" in said
    assert "differ" not in said


@pytest.mark.parametrize(("at", "name"), [("feats.scp", "features"), ("phones", "lexicon"), ("tokenizer", "tokenizer")])
def test_a_training_does_not_read_what_is_being_written(
    recipe: Path, refusal: Callable[..., str], at: str, name: str
) -> None:
    with paused(at, name, "--force") as process:
        said = refusal("train")
        assert "data is in use: stage " in said
        assert f" {name} is under way there" in said
        assert not Path("exp/toy").exists()
        process.send_signal(signal.SIGCONT)
        output, errors = process.communicate(timeout=200)
        assert process.returncode == 0, output + errors
    assert stage("train") == 0


def test_another_experiment_reads_the_same_data(trained: Path) -> None:
    with paused("hyp.text", "decode", "--force") as process:
        assert stage("train", "--name", "other") == 0
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=200)
        assert process.returncode == 0


def test_a_checkpoint_of_another_training_is_not_gone_on_from(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ["--training.peak_rate", "0.1", "--name", "other"]
    assert stage("train", *other) == 0
    shutil.copy("exp/other/checkpoints/last.ckpt", "exp/toy/checkpoints/last.ckpt")
    mark = Path("exp/toy/fingerprint.txt").read_text()
    assert not belongs(Path("exp/toy/checkpoints/last.ckpt"), mark)
    capsys.readouterr()
    assert stage("train", "--training.max_updates", "7") == 0
    assert (
        "settings or data differ from the training in exp/toy: it is kept as exp/toy.old-1" in capsys.readouterr().out
    )
    assert belongs(Path("exp/toy/checkpoints/last.ckpt"), mark)


def test_weights_of_another_training_are_not_averaged_in(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage("train", "--training.peak_rate", "0.1", "--name", "other") == 0
    foreign = sorted(Path("exp/other/checkpoints").glob("update_*"))[0]
    shutil.copy(foreign, Path("exp/toy/checkpoints") / foreign.name)
    Path("exp/toy/model.safetensors").unlink()
    capsys.readouterr()
    assert stage("train") == 1
    assert f"exp/toy/checkpoints/{foreign.name}: holds weights of a training with other settings" in (
        capsys.readouterr().err
    )
    assert not Path("exp/toy/model.safetensors").exists()
