"""The tutorial, word for word, at toy size; then the pages whose commands go on from what it has made."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
from documentation import parsing
from documentation.commands import ROOT, SHELL, Command, blocks, commands

from jointst.data.corpora.grammar import read_grammars
from jointst.recipe.cli import main

pytestmark = pytest.mark.timeout(900)  # the first test does all of the tutorial
TUTORIAL = "docs/tutorial.md"
PAGES = (TUTORIAL, "docs/howto/transcribe.md", "docs/howto/search.md", "docs/howto/trouble.md")
"""Pages that are run, in this order, in one recipe."""
LEFT = {
    r"tools/install\.sh": "installs: test/tools/test_install.py",
    r"apt-get": "downloads; the fixture has put its files there",
    r"dpkg-deb": "unpacks what would have been downloaded",
    r"arecord": "a microphone",
    r".* --stream -$": "what is recorded",
}
"""Commands of these pages that are not run, and why."""
TOY = """
--corpus.sources [table,text_files] --corpus.text_files [text.txt] --data.unpaired [text_files_unpaired]
--model.audio_encoder.kind conformer --model.audio_encoder.source null
--model.dim 16 --model.full_context_dim 16 --model.heads 2 --model.streaming_layers 1 --model.full_context_layers 1
--loss.ctc_only_updates 2 --loss.consistency.start_update 3 --loss.consistency.ramp_updates 1
--training.max_updates 5 --training.validate_every 5 --training.warmup_updates 2
--training.spec_augment.frequency_width 5 --align.utterances 4 --align.heat_maps 1 --export.onnx no
--lm.dim 8 --lm.max_updates 4 --lm.validate_every 2
--tune.lm_weights [0.2] --tune.ilm_weights [0.1] --tune.label_bonuses [0.0]
""".split()
"""What makes a recipe's settings a matter of seconds; text and encoder are what needs no download."""
VOICE = Path("festvox/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
RATE = 16000
CLIPS = 60


def noise(seconds: float, seed: int) -> np.ndarray:
    """A sound."""
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def put_package(recipe: Path) -> None:
    """What the Debian package of the tutorial holds, and files that a reader has."""
    grammar = read_grammars(languages=("ru",))["ru"]
    sentences = [grammar.text(sentence) for sentence in islice(grammar.sentences(), 2 * CLIPS)]
    voice = recipe / VOICE
    for folder in ("etc", "wav"):
        (voice / folder).mkdir(parents=True)
    lines = []
    for number, sentence in enumerate(sentences[:CLIPS], 1):
        soundfile.write(voice / f"wav/ru_{number:04d}.wav", noise(2.0, number), RATE)
        lines.append(f'( ru_{number:04d} "{sentence[:3]}+{sentence[3:]}, да." )\n')
    (voice / "etc/txt.done.data").write_text("".join(lines), encoding="utf-8")
    for name, text in {
        "text.txt": sentences[CLIPS:],
        "letters.txt": sentences[:20],
        "names.txt": sentences[:2],
    }.items():
        (recipe / name).write_text("\n".join(text) + "\n", encoding="utf-8")
    for name in ("new.wav", "a.flac", "b.mp3"):
        soundfile.write(recipe / name, noise(1.5, 0), RATE)


class Reader:
    """Who does what pages say, and keeps what was said to them.

    Args:
        root: a copy of the repository.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.done: list[str] = []

    def follow(self, document: str) -> None:
        """Do all of a page, block by block."""
        if document != TUTORIAL:
            os.chdir(self.root / "egs/mine")
        own = [command for command in commands(document) if not command.inline]
        for block in blocks(document):
            if block.kind == "yaml" and document == TUTORIAL:
                Path("conf/train.yaml").write_text(block.text, encoding="utf-8")
            elif block.kind == "python" and document == TUTORIAL:
                exec(compile(block.text, f"{document}:{block.line}", "exec"), {})
            elif block.kind in SHELL:
                for command in own:
                    if block.line < command.line <= block.line + block.text.count("\n") + 1:
                        self.do(command)

    def do(self, command: Command) -> None:
        """Run one command; those of ``jointst`` in this process."""
        line = " ".join(command.words)
        if any(re.match(pattern, line) for pattern in LEFT):
            return
        first, *rest = command.words
        if first == "cd":
            os.chdir(rest[0])
            put_package(Path.cwd())
        elif first.endswith("run.sh"):
            for stage in parsing.run_sh(command.words):
                self.jointst([*stage, *TOY])
        elif rest[:2] == ["-m", "jointst"]:
            name, *options = rest[2:]
            self.jointst([name, *options, *self.toy(name, options)])
        else:
            done = subprocess.run(command.words, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            if command.target:
                how, path = command.target.split()
                with open(path, "a" if how == ">>" else "w", encoding="utf-8") as stream:
                    stream.write(done.stdout)
        self.done.append(str(command))

    def toy(self, name: str, options: list[str]) -> list[str]:
        """What makes a command quick."""
        if name == "adapt":
            return ["--updates", "4"]
        return TOY if "--conf" in options and "--print_config" not in options else []

    def jointst(self, words: list[str]) -> None:
        """Run ``jointst`` in this process."""
        try:
            status = main(words)
        except SystemExit as stopped:  # --print_config
            status = int(stopped.code or 0)
        assert status == 0, f"{' '.join(words)}: status {status}"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader in front of a fresh copy of the repository, who has followed the tutorial."""
    root = tmp_path_factory.mktemp("a copy").resolve()
    shutil.copytree(ROOT / "utils", root / "utils")
    (root / "egs/mini").mkdir(parents=True)
    shutil.copy(ROOT / "egs/mini/run.sh", root / "egs/mini")
    (root / ".venv").symlink_to(sys.prefix)
    before = Path.cwd()
    os.chdir(root)
    person = Reader(root)
    person.follow(TUTORIAL)
    yield person
    os.chdir(before)


@pytest.fixture
def mine(reader: Reader) -> Path:
    """The recipe that the tutorial has made."""
    return reader.root / "egs/mine"


def test_the_tutorial_makes_what_it_says(mine: Path) -> None:
    with open(mine / "list.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == CLIPS
    assert rows[0]["text"].endswith(", да.")
    assert "+" not in rows[0]["text"]
    for part in ("table_train", "table_dev", "table_test", "text_files_unpaired"):
        assert (mine / "data" / part / "text").stat().st_size
    told = {match for block in tables(TUTORIAL) for match in re.findall(r"`(exp/[^`]+)`", block)}
    assert told
    for name in told:
        assert (mine / name).exists(), name
    assert (mine / "letters_model/adapted").is_dir()
    assert (mine / "new.srt").is_file()


def tables(document: str) -> list[str]:
    """The lines of tables of a document."""
    return [line for line in (ROOT / document).read_text(encoding="utf-8").splitlines() if line.startswith("|")]


@pytest.mark.parametrize("document", PAGES[1:])
def test_pages_that_go_on_from_it(document: str, reader: Reader) -> None:
    reader.follow(document)


@pytest.mark.parametrize("document", PAGES)
def test_what_is_left_out_is_said(document: str) -> None:
    """Each command of these pages is run, or left for a reason that stands here."""
    lines = [" ".join(command.words) for command in commands(document) if not command.inline]
    assert lines
    for line in lines:
        assert line.startswith(("./run.sh", "../../.venv", ".venv/bin/python")) or is_known(line), line


def is_known(line: str) -> bool:
    """Whether it is a small program that is run as it is, or one that is left."""
    plain = ("cd ", "cp ", "echo ", "head ", "mkdir ", "sed ")
    return line.startswith(plain) or any(re.match(pattern, line) for pattern in LEFT)


def test_reasons_are_of_something() -> None:
    """No reason stays behind when its command goes."""
    lines = [" ".join(command.words) for page in PAGES for command in commands(page)]
    for pattern in LEFT:
        assert any(re.match(pattern, line) for line in lines), pattern
