"""Every command in README.md, the recipes' READMEs and docs/ is run at toy size, or read by the program that it calls.

A command that is neither, and is none of another program in ``OTHERS``, fails: say in a table here what it is.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from documentation import parsing
from documentation.commands import DOCUMENTS, NO_COMMANDS, ROOT, SHELL, Block, Command, blocks, commands

from jointst.config import Config
from jointst.config.conf_file import check_conf
from jointst.config.load import parse
from jointst.serving.app import PAGE

RECIPE = {"README.md": "mini", "egs/systems/README.md": "mini", "docs/tutorial.md": "mine"}
"""The recipe whose folder a document's commands are run in; mini, or of a recipe's README its own."""
WRITTEN = {
    "conf/mine.yaml": "# what the reader wants\n",
    "conf/trial.yaml": "# a copy with few updates\n",
    "conf/train.yaml": "# what the reader wants\n",
}
"""Files that the reader is told to write, where a recipe has none."""
OTHERS = {
    "apt-get": "Debian's: fetches packages",
    "arecord": "records from a microphone",
    "cd": "changes the folder",
    "cp": "copies files, which test_tutorial does",
    "curl": "asks a server: its address is looked at",
    "dpkg-deb": "unpacks a Debian package",
    "echo": "writes lines, which test_tutorial does",
    "head": "shows lines",
    "mkdir": "makes folders, which test_tutorial does",
    "openssl": "makes a token",
    "pip": "installs: its extras are looked at",
    "sbatch": "hands a script to Slurm",
    "sed": "writes the tutorial's list, which test_tutorial does",
}
"""Programs that are not ours, and what they do in a document."""
STARTERS = ("torchrun", "srun")
"""Programs that start ``python -m jointst`` several times."""
ANY = ("SETTINGS", "...")
"""Words that stand for any number of options."""
TAGS = (*SHELL, *NO_COMMANDS, "yaml", "python")
FOLDERS = ("recipe", "top")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts and recipes of this repository, without what runs have made in it."""
    root = tmp_path_factory.mktemp("documented").resolve()
    shutil.copytree(ROOT / "utils", root / "utils")
    made = shutil.ignore_patterns("data", "dump", "exp", "downloads")
    shutil.copytree(ROOT / "egs", root / "egs", ignore=made)
    for folder in ("tools", "test", "jointst"):
        (root / folder).symlink_to(ROOT / folder)
    (root / ".venv").symlink_to(sys.prefix)
    mine = root / "egs/mine"
    (mine / "conf").mkdir(parents=True)
    shutil.copy(ROOT / "egs/mini/run.sh", mine)
    for recipe in (root / "egs").iterdir():
        for name, text in WRITTEN.items():
            if (recipe / "conf").is_dir() and not (recipe / name).exists():
                (recipe / name).write_text(text)
    return root


@pytest.fixture
def _back() -> Iterator[None]:
    before = Path.cwd()
    yield
    os.chdir(before)


def recipe_of(command: Command, root: Path) -> Path:
    """The recipe's folder that a command is for: its document's, or one that has all of the settings it names."""
    parts = Path(command.document).parts
    own = parts[1] if parts[0] == "egs" and len(parts) == 3 else "mini"
    own = RECIPE.get(command.document, own)
    named = [word for word in command.words if re.fullmatch(r"conf/\w+\.yaml", word)]
    folders = [root / "egs" / own, *sorted((root / "egs").iterdir())]
    return next((folder for folder in folders if all((folder / name).is_file() for name in named)), folders[0])


def begins_at_top(word: str) -> bool:
    """Whether a program is named from the top of the repository."""
    return word.startswith(("./egs/", "tools/", "./tools/", ".venv/", "test/", "./test/"))


def check(command: Command, root: Path) -> None:
    """Read a command as its program does.

    Raises:
        AssertionError: it is not known here, or names what is not there.
    """
    first, *rest = [word for word in command.words if word not in ANY]
    os.chdir(root if begins_at_top(first) else recipe_of(command, root))
    if first == "jointst" or rest[:2] == ["-m", "jointst"]:
        words = rest if first == "jointst" else rest[2:]
        if command.inline and (len(words) < 2 or "--help" in words):
            known = {*parsing.NAMES, *parsing.SECTIONS, "--help", "DIR"}
            assert known.issuperset(words), "names no command, or help of no settings"
        else:
            parsing.jointst(words)
    elif first.endswith(".venv/bin/python"):
        parsing.script(rest)
    elif command.inline and not rest:
        assert Path(first).exists(), f"there is no {first}"
    elif first.endswith("run.sh") and "test/" not in first:
        parsing.run_sh([first, *rest])
    elif first.endswith("tools/install.sh"):
        parsing.install([first, *rest])
    elif first.endswith((".sh", ".py")) and ("tools/" in first or "test/" in first):
        assert Path(first).is_file(), f"there is no {first}"
        assert first.endswith(".py") or os.access(first, os.X_OK), f"{first} cannot be run"
        if first.endswith(".py") and rest:
            parsing.script([first, *rest])
    else:
        if Path(first).name in STARTERS and "-m" in rest:
            parsing.jointst(rest[rest.index("-m") + 2 :])
            return
        assert first in OTHERS, f"say in OTHERS what {first} is, or write what can be read"
        check_other(first, rest)


def check_other(name: str, words: list[str]) -> None:
    """What can be known of other programs' words."""
    if name == "curl":
        paths = {"/v1/audio/transcriptions", "/v1/models", "/healthz", "/metrics", *PAGE}
        asked = [re.sub(r"^https?://[^/]+", "", word) for word in words if word.startswith("http")]
        assert asked
        assert set(asked) <= paths, f"the server knows no {asked}"
    elif name == "pip":
        for extra in re.findall(r"\[(\w+)\]", " ".join(words)):
            assert f'"{extra}": [' in (ROOT / "setup.py").read_text(encoding="utf-8"), f"there is no extra {extra}"


@pytest.mark.usefixtures("_back")
@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_can_be_read(document: str, checkout: Path) -> None:
    wrong = []
    for command in commands(document):
        try:
            check(command, checkout)
        except (AssertionError, ValueError) as error:
            wrong.append(f"{command}\n    {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_are_known_and_settings_are_right(document: str, tmp_path: Path) -> None:
    for block in blocks(document):
        if block.kind.startswith("{"):  # Sphinx's own
            continue
        assert block.kind in TAGS, f"{document}:{block.line}: what is {block.kind!r}? add it to commands.py"
        if block.kind == "yaml":
            check_settings(block, tmp_path / "block.yaml")
        elif block.kind == "python":
            compile(block.text, f"{document}:{block.line}", "exec")


def check_settings(block: Block, path: Path) -> None:
    """Settings that are shown exist; values are read together with the defaults."""
    path.write_text(block.text, encoding="utf-8")
    assert check_conf(path, Config)
    if "corpus" in yaml.safe_load(block.text):
        parse("train", "", ["--conf", str(path)])


def test_there_are_commands() -> None:
    """What is found is not empty by mistake: the documents have them, and variables are put in."""
    assert {"README.md", "egs/README.md", "egs/mini/README.md", "docs/tutorial.md", "docs/howto/export.md"} <= set(
        DOCUMENTS
    )
    found = [" ".join(command.words) for document in DOCUMENTS for command in commands(document)]
    assert len(found) > 100
    search = "--decoding.search beam --decoding.lm neural"
    assert f"../../.venv/bin/python -m jointst lm --conf conf/train.yaml {search}" in found


WRONG = {
    "./egs/mini/run.sh --stages 3": "unknown option",
    "./egs/mini/run.sh --conf conf/absent.yaml": "no such file",
    "./egs/mini/run.sh -- --training.max_updatez 3": "max_updatez",
    "./egs/absent/run.sh": "absent",
    ".venv/bin/python -m jointst transcribe --modle x a.flac": "modle",
    ".venv/bin/python -m jointst trian": "trian",
    "../../.venv/bin/python -m jointst compare --systems paird": "paird",
    "../../.venv/bin/python -m jointst fix --conf conf/train.yaml --dry": "dry",
    "../../.venv/bin/python ../../tools/yardstick_whisper.py --conf conf/absent.yaml": "absent",
    "../../.venv/bin/python ../../tools/absent.py": "absent",
    "tools/install.sh --extra absent": "absent",
    "tools/absent.sh": "absent",
    "curl http://127.0.0.1:8000/v1/absent": "absent",
    "wget http://example.org": "OTHERS",
}


@pytest.mark.usefixtures("_back")
@pytest.mark.parametrize("line", WRONG)
def test_wrong_commands_are_found(line: str, checkout: Path) -> None:
    with pytest.raises((AssertionError, ValueError, FileNotFoundError), match=WRONG[line]):
        check(Command("egs/mini/README.md", 1, tuple(line.split())), checkout)
