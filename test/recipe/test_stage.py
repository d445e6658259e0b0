"""Stages: when they run again, and files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jointst.common.files import write_atomically
from jointst.common.processes import HOST, remove_remains, temporary
from jointst.config import Config, DataConfig, FeatureConfig
from jointst.config.context import Context, Made
from jointst.config.stated import AUDIO_ENCODER, settings_of
from jointst.recipe.stage import Stage
from jointst.recipe.stages import STAGES

ROOT = Path(__file__).resolve().parents[1]
calls: list[str] = []


def work(context: Context) -> Made:
    """The work of the stage under test: copies its input."""
    calls.append(context.name)
    write_atomically(context.data / "out", (context.data / "in").read_bytes())
    return Made(what="a copy", where=context.data / "out")


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "stage_under_test", sys.modules[__name__])
    calls.clear()
    write_atomically(tmp_path / "data" / "in", "one\n")
    return Context(config=Config(), name="exp1")


def test_a_setting_that_came_later_counts_where_it_is_set() -> None:
    ends = replace(Config().loss.consistency, end_update=10**6)
    ended = replace(Config(), loss=replace(Config().loss, consistency=ends))
    assert not {"end_update", "centre"} & set(settings_of(Config(), ("loss",))["loss"]["consistency"])
    assert settings_of(ended, ("loss",))["loss"]["consistency"]["end_update"] == 10**6
    assert not [key for key in settings_of(Config(), ("decoding",))["decoding"] if "phrase" in key]
    listening = replace(Config(), decoding=replace(Config().decoding, phrases="names.txt"))
    assert settings_of(listening, ("decoding",))["decoding"]["phrase_weight"] is None


def test_a_training_from_fresh_weights_is_what_it_was_before_it_could_start_from_a_model() -> None:
    config, keys = Config(), {"start_from", "freeze", "freeze_updates"}
    assert not keys & set(settings_of(config, ("training",))["training"])
    started = replace(config.training, start_from="exp/base", freeze=("ctc",), freeze_updates=5)
    assert keys <= set(settings_of(replace(config, training=started), ("training",))["training"])


@pytest.fixture
def stage() -> Stage:
    return Stage(
        number=4,
        name="copy",
        help="copy a file",
        function="stage_under_test:work",
        sections=("features",),
        inputs=lambda context: [context.data / "in"],
        outputs=lambda context: [context.data / "out"],
    )


def test_a_finished_stage_is_skipped(stage: Stage, context: Context) -> None:
    assert stage.reason_to_run(context) == "not finished before"
    made = stage.run(context)
    assert made.where.read_text() == "one\n"
    assert stage.reason_to_run(context) == ""


def test_what_makes_a_stage_run_again(stage: Stage, context: Context) -> None:
    stage.run(context)
    assert stage.reason_to_run(replace(context, force=True)) == "forced"
    changed = replace(context, config=replace(context.config, features=FeatureConfig(mel_bins=40)))
    assert stage.reason_to_run(changed) == "settings changed (features)"
    others = replace(context, config=replace(context.config, data=DataConfig(max_tokens_per_second=1)))
    assert stage.reason_to_run(others) == "", "a section it does not read"

    os.rename(context.data / "out", context.data / "kept")
    assert "out is missing" in stage.reason_to_run(context)
    os.rename(context.data / "kept", context.data / "out")
    later = stage.stamp(context).stat().st_mtime_ns + 1_000_000
    os.utime(context.data / "in", ns=(later, later))
    assert "in is newer" in stage.reason_to_run(context)
    (context.data / "in").unlink()
    assert "in is missing" in stage.reason_to_run(context)


def test_what_to_do_about_a_collapse_changes_nothing_of_what_was_made(stage: Stage, context: Context) -> None:
    trains = replace(stage, sections=("training",))
    trains.run(context)
    training = context.config.training
    warned, another = (
        replace(context, config=replace(context.config, training=changed))
        for changed in (replace(training, on_collapse="warn"), replace(training, seed=7))
    )
    assert trains.reason_to_run(warned) == ""
    assert trains.reason_to_run(another) == "settings changed (training)"


def test_an_input_changed_amid_the_work_makes_the_stage_run_again(
    stage: Stage, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = work

    def slow(context: Context) -> Made:
        made = plain(context)
        time.sleep(0.02)  # more than a tick of the file system's clock
        write_atomically(context.data / "in", "two\n")
        time.sleep(0.02)
        return made

    monkeypatch.setattr(sys.modules[__name__], "work", slow)
    stage.run(context)
    assert "in is newer" in stage.reason_to_run(context)


def test_a_damaged_stamp_means_again(stage: Stage, context: Context) -> None:
    stage.run(context)
    stage.stamp(context).write_text('{"settings": ')
    assert "is damaged" in stage.reason_to_run(context)


def test_a_stage_that_fails_is_not_finished(stage: Stage, context: Context) -> None:
    stage.run(context)
    (context.data / "in").unlink()
    with pytest.raises(FileNotFoundError):
        stage.run(context)
    assert not stage.stamp(context).exists()
    assert (context.data / "out").read_text() == "one\n", "the last good output stays"


def test_stages_of_experiments_do_not_share_stamps(stage: Stage, context: Context) -> None:
    other = replace(context, name="exp2")
    assert stage.stamp(context) == stage.stamp(other), "data are shared"
    own = replace(stage, per_experiment=True)
    assert own.stamp(context) != own.stamp(other)


def test_a_stage_that_always_runs_leaves_no_stamp(stage: Stage, context: Context) -> None:
    replace(stage, always=True).run(context)
    assert not (context.data / ".stages").exists()


def test_the_stamp_says_what_was_made(stage: Stage, context: Context) -> None:
    stage.run(context)
    record = json.loads(stage.stamp(context).read_text())
    assert record["made"] == "a copy"
    assert record["seconds"] >= 0


def test_the_table_of_stages_is_in_order() -> None:
    assert [stage.number for stage in STAGES] == list(range(len(STAGES)))
    assert len({stage.name for stage in STAGES}) == len(STAGES)
    sections = {*Config.__dataclass_fields__, AUDIO_ENCODER}
    assert all(set(stage.sections) <= sections for stage in STAGES)


def test_write_atomically_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "file"
    write_atomically(path, "a longer first version\n")
    write_atomically(path, "краткая\n")
    assert path.read_bytes() == "краткая\n".encode()
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old\n")
    # A limit on file size fails in the middle of a write, as a full disk does.
    script = (
        "import resource, signal, sys, pathlib\n"
        "from jointst.recipe.stage import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    write_atomically(pathlib.Path(sys.argv[1]), b'x' * 100_000)\n"
        "except OSError as error:\n"
        "    print(type(error).__name__, error.errno)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("OSError"), done.stderr
    assert path.read_text() == "old\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"], "no rest of the failed write"


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old\n")
    with pytest.raises(OSError, match="file"):
        write_atomically(tmp_path / "file" / "below", "new\n")
    assert (tmp_path / "file").read_text() == "old\n"


@pytest.mark.parametrize(
    ("name", "age", "stays"),
    [
        (".text.{HOST}-999999.tmp", 0, False),
        (".feats.1.ark.{HOST}-999999.tmp", 0, False),
        (".text.{HOST}-{OWN}.tmp", 10**6, True),
        (".text.0a0a0a-999999.tmp", 3600, True),
        (".text.0a0a0a-999999.tmp", 2 * 86400, False),
        (".mine.tmp", 10**6, True),
        ("text.tmp", 10**6, True),
    ],
)
def test_remains_of_dead_processes_are_removed_and_nobody_elses(
    name: str, age: float, stays: bool, tmp_path: Path
) -> None:
    name = name.replace("{HOST}", HOST).replace("{OWN}", str(os.getpid()))  # not in its id: workers have their own
    path = tmp_path / "a" / name
    write_atomically(path, "half")
    os.utime(path, (time.time() - age, time.time() - age))
    remove_remains(tmp_path)
    assert path.exists() == stays


@pytest.mark.parametrize(("process", "stays"), [("999999", False), ("OWN", True)])
def test_folders_of_dead_processes_are_removed_with_all_in_them(process: str, stays: bool, tmp_path: Path) -> None:
    folder = tmp_path / f".store.{HOST}-{process.replace('OWN', str(os.getpid()))}.tmp"
    write_atomically(folder / "ids", "half")
    remove_remains(tmp_path)
    assert folder.exists() == stays


def test_a_temporary_names_host_and_process(tmp_path: Path) -> None:
    assert temporary(tmp_path / "text").name == f".text.{HOST}-{os.getpid()}.tmp"
    assert len(HOST) == 6
