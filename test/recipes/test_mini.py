"""egs/mini/run.sh at toy size: all stages, a second run that finds everything made, single stages, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from recipes.checkout import copy_recipe, environment, files, run

from jointst.config.load import parse
from jointst.recipe.stages import STAGES

TOY = """
--corpus.mini.train_utterances 6 --corpus.mini.dev_utterances 2 --corpus.mini.test_utterances 2
--corpus.mini.unpaired_sentences 8
--model.dim 32 --model.full_context_dim 32 --model.audio_layers 1 --model.streaming_layers 1
--model.full_context_layers 1
--loss.ctc_only_updates 5 --loss.consistency.start_update 10 --loss.consistency.ramp_updates 5
--training.max_updates 20 --training.validate_every 10 --training.warmup_updates 5
--align.utterances 22
""".split()
ELEVEN = "ar de en es fr hi it ja pt ru zh".split()


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe, before its first run."""
    return copy_recipe(tmp_path_factory.mktemp("a checkout"), "mini")


@pytest.fixture(scope="module")
def first(recipe: Path) -> subprocess.CompletedProcess[str]:
    """The first run of all stages."""
    done = run(recipe, "--", *TOY)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def inside(recipe: Path) -> Iterator[Path]:
    """The recipe as the working directory."""
    before = Path.cwd()
    os.chdir(recipe)
    yield recipe
    os.chdir(before)


def test_every_stage_makes_what_it_promises(first: subprocess.CompletedProcess[str], inside: Path) -> None:
    context = parse("train", "", ["--conf", "conf/train.yaml", *TOY])
    for stage in STAGES:
        assert f"stage {stage.number} {stage.name}: " in first.stdout
        assert stage.stamp(context).is_file() is not stage.always
        for path in stage.outputs(context):
            assert path.is_file(), path
            assert path.stat().st_size > 0, path
    for code in ELEVEN:
        assert Path(f"data/lang/lexicon_{code}.txt").is_file()
        assert list(Path(f"data/audio/mini/{code}").glob("*.flac"))
    packed = {path.name for path in Path("exp/train/packed").iterdir()}
    assert {"model.safetensors", "config.yaml", "tokenizer.model", "tokens.txt", "lang", "onnx"} <= packed
    assert "Traceback" not in first.stdout + first.stderr


def test_the_tables_and_the_report_are_printed(first: subprocess.CompletedProcess[str], recipe: Path) -> None:
    lines = first.stdout.splitlines()
    assert lines[-1] == f"report: {recipe}/exp/train/report.html"
    for name in ("mini_test", "mini_test_unheard"):
        table = lines[lines.index(f"{name}: 22 utterances") :][:20]
        assert "streaming" in table[1]
        assert "full context" in table[1]
        for row in (*ELEVEN, "macro", "pooled"):
            assert sum(line.split()[:1] == [row] for line in table) == 1, row
    page = Path(recipe, "exp/train/report.html").read_text()
    assert all(word in page for word in ("mini_test_unheard", "Macro", "<svg"))


def test_a_second_run_finds_everything_made(first: subprocess.CompletedProcess[str], recipe: Path) -> None:
    before = files(recipe)
    started = time.monotonic()
    again = run(recipe, "--", *TOY)
    seconds = time.monotonic() - started
    assert again.returncode == 0, again.stderr
    for stage in STAGES:
        assert (f"stage {stage.number} {stage.name}: up to date" in again.stdout) is not stage.always
    assert again.stdout.splitlines()[-1] == f"report: {recipe}/exp/train/report.html"
    after = files(recipe)
    changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    assert [path for path in changed if not path.endswith("validate.tsv")] == []
    assert seconds < 120, "30 s on two free cores"


def test_one_stage_alone(first: subprocess.CompletedProcess[str], recipe: Path) -> None:
    before = files(recipe)
    done = run(recipe, "--stage", "8", "--stop-stage", "8", "--force", "--", *TOY)
    assert done.returncode == 0, done.stderr
    assert [line.split()[3] for line in done.stdout.splitlines() if " -m jointst " in line] == ["score"]
    assert "mini_test_unheard: 22 utterances" in done.stdout
    after = files(recipe)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert {path.split("/")[2] for path in changed} == {"score", ".stages"}


def session_of(pid: int) -> list[int]:
    """Living processes of the session that ``pid`` leads."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def test_ctrl_c_ends_the_stage_and_says_how_to_go_on(recipe: Path) -> None:
    words = ["--stage", "1", "--stop-stage", "1", "--nj", "2", "--", "--data.root", "other"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [str(recipe / "run.sh"), *words],
        env=environment(),
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
    ) as driver:
        deadline = time.monotonic() + 200
        while not any((recipe / "other" / "audio").rglob("*.flac")):
            assert driver.poll() is None, "it ended too soon"
            assert time.monotonic() < deadline, "it did not begin"
            time.sleep(0.05)
        os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
        output, errors = driver.communicate(timeout=60)
    assert driver.returncode == 130, errors
    assert "jointst corpus: interrupted; run it again to go on from what is finished" in errors
    assert "run.sh: interrupted in stage 1 corpus; go on with: ./run.sh --stage 1 --stop-stage 1" in errors
    assert "Traceback" not in output + errors
    assert session_of(driver.pid) == []
    assert not (recipe / "other" / "mini_train").exists()
