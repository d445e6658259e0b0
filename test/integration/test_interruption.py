"""kill -9, Ctrl-C and a full disk in the middle of stages: what is said, what is left, and what running again gives."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from integration.toy_recipe import broken, contents, full_disk, members, stage, start

from jointst.training.checkpoints import last_checkpoint

SHARED = {"corpus": 1, "lexicon": 3, "features": 4, "tokenizer": 5}


def undo(name: str) -> None:
    """Make it as if the stage had not run."""
    folders = {"corpus": ["data"], "lexicon": ["data/lang"], "features": ["dump"], "tokenizer": ["data/tokenizer"]}
    for folder in folders.get(name, ["exp/toy/decode"] if name == "decode" else []):
        shutil.rmtree(folder)
    files = {"lexicon": ["phones"], "features": ["feats.scp", "utt2num_frames"]}.get(name, [])
    for path in [found for file in files for found in Path("data").glob(f"*/{file}")]:
        path.unlink()
    if name == "features":
        Path("data/cmvn.npz").unlink()
    for stamp in (*Path("data").glob(f".stages/*_{name}.json"), *Path("exp").glob(f"*/.stages/*_{name}.json")):
        stamp.unlink()


def made_by(name: str) -> dict[str, bytes]:
    return contents("exp") if name == "decode" else contents("data", "dump")


@pytest.fixture
def renamings(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Runs a stage unbroken, and counts the files that it renames when they are finished."""

    def count(name: str) -> int:
        calls: list[str] = []
        plain = os.replace
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", lambda source, target: (calls.append(target), plain(source, target)))
            assert stage(name) == 0
        return len(calls)

    return count


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("name", ["corpus", "lexicon", "features", "decode"])
def test_killed_and_run_again_gives_what_an_unbroken_run_gives(
    name: str, share: float, renamings: Callable[[str], int], request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("trained" if name == "decode" else "recipe")
    if name == "corpus":  # later stages write into its folders
        shutil.rmtree("dump")
    undo(name)
    total = renamings(name)
    expected = made_by(name)
    undo(name)
    done = broken("kill", round(share * total), name)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert made_by(name) != expected, "killed too late"
    assert stage(name) == 0
    assert made_by(name) == expected


def test_killed_with_its_workers_and_run_again(recipe: Path) -> None:
    shutil.rmtree("dump")
    undo("corpus")
    command = [sys.executable, "-m", "jointst", "corpus", "--conf", "toy.yaml", "--nj", "2"]
    with start(*command) as process:
        assert process.stdout is not None
        while not any(Path("data").rglob("*.flac")):
            assert process.poll() is None, "finished before it could be killed"
        process.kill()
        process.communicate(timeout=60)
    ended_by = time.monotonic() + 10
    while members(process.pid) and time.monotonic() < ended_by:  # the kernel tells them; they need a moment to end
        time.sleep(0.05)
    assert not members(process.pid), "a worker goes on"
    assert not Path("data/mini_unpaired").exists(), "killed too late"
    assert stage("corpus") == 0
    got = contents("data")
    shutil.rmtree("data")
    assert stage("corpus") == 0
    assert got == contents("data")


@pytest.mark.parametrize(
    ("name", "at", "options"),
    [
        ("corpus", 4, ["--nj", "2"]),
        ("lexicon", 4, []),
        ("features", 3, ["--nj", "2"]),
        ("train", 8, []),
        ("decode", 3, []),
        ("align", 3, []),
    ],
)
def test_ctrl_c_ends_everything_with_a_message(
    name: str, at: int, options: list[str], request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("trained" if name in ("decode", "align") else "recipe")
    done = broken("interrupt", at, name, "--force", *options)
    assert done.returncode == 130, done.stderr
    assert f"jointst {name}: interrupted; run it again to go on" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert stage(name) == 0, "and it goes on"


def check_full_disk(status: int, output: str, errors: str) -> str:
    """What is said last of a disk that is full."""
    assert status == 1, errors
    assert "Traceback" not in output + errors
    return errors.strip().splitlines()[-1]


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("name", "at", "options"),
    [
        ("corpus", 6, ["--nj", "2"]),
        ("lexicon", 5, []),
        ("features", 3, []),
        ("tokenizer", 2, []),
        ("decode", 3, []),
        ("score", 2, []),
        ("align", 3, []),
        ("export", 2, []),
    ],
)
def test_a_full_disk_is_named_and_earlier_outputs_stay(
    name: str, at: int, options: list[str], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    request.getfixturevalue("recipe" if name in SHARED else "trained")
    before = contents("data", "dump", "exp")
    if name in ("corpus", "decode"):  # one whose workers are processes, and one that has torch
        done = broken("full", at, name, "--force", *options)
        message = check_full_disk(done.returncode, done.stdout, done.stderr)
    else:
        with full_disk(at):
            status = stage(name, "--force", *options)
        message = check_full_disk(status, *capsys.readouterr())
    assert message.startswith(f"jointst {name}: error: ")
    assert message.endswith(": File too large; what was finished is kept: make room, then run it again")
    assert any(folder in message for folder in ("data/", "dump/", "exp/toy/")), "which file"
    after = contents("data", "dump", "exp")
    assert {path: after.get(path) for path in before} == before, "whole files, old or made anew the same"
    assert not [path for path in after if ".tmp" in path]
    assert stage(name) == 0


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("at", [9, 11, 12, 13, 14])
def test_a_full_disk_leaves_the_last_good_checkpoint(at: int, recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Renamed before: the stamp, fingerprint, settings, versions, both symbol tables; then at each validation the
    # checkpoint being written, weights, their list, the checkpoint before, the checkpoint.
    longer = ["--training.max_updates", "9"]
    if at == 9:  # and what is still to be written when a process ends
        done = broken("full", at, "train", *longer)
        message = check_full_disk(done.returncode, done.stdout, done.stderr)
    else:
        with full_disk(at):
            status = stage("train", *longer)
        message = check_full_disk(status, *capsys.readouterr())
    assert "File too large; what was finished is kept" in message
    assert "exp/toy/" in message
    checkpoint = last_checkpoint(Path("exp/toy/checkpoints"))
    assert (checkpoint is not None) == (at > 9), "the first one did not fit"
    assert checkpoint is None or checkpoint.name in ("last.ckpt", "previous.ckpt")
    assert not list(Path("exp/toy/checkpoints").glob("damaged*"))
    assert not Path("exp/toy/model.safetensors").exists()
    assert stage("train", *longer) == 0
    assert Path("exp/toy/model.safetensors").is_file()
