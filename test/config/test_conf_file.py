"""Settings files: every fault with its line, and files that state nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from jointst.common.errors import DataError
from jointst.config import Config
from jointst.config.conf_file import check_conf
from jointst.config.load import parse


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"model:\n  dim: [1\n  heads: 2\n", "conf.yaml:3: is not YAML: while parsing a flow sequence"),
        (b"model:\n\tdim: 64\n", "conf.yaml:2: is not YAML: while scanning"),
        (b"# a\nmodle:\n  dim: 64\n", "conf.yaml:2: modle: there is no such setting (did you mean model?)"),
        (b"loss:\n  consistency:\n    wieght: 1\n", "conf.yaml:3: loss.consistency.wieght: there is no such setting"),
        (b"model:\n  zzz: 64\n", "(known here: size dim "),
        (b"model:\n  dim: 64\n  dim: 128\n", "conf.yaml:3: model.dim: stands on line 2 already (keep one)"),
        (b"model:\n  # dim: 64\n", "conf.yaml:1: model holds no settings but nothing"),
        (b"model: 3\n", "conf.yaml:1: model holds no settings but '3' (name them: model.<setting>"),
        (b"- 1\n", "conf.yaml:1: the file holds no settings but a list"),
        (b"model:\n  size: \xff\n", "conf.yaml: is not UTF-8 at byte 15"),
        (b"a: \x00\n", "conf.yaml: is not YAML"),
        (b"a: &x [*y]\n", "conf.yaml:1: is not YAML"),
        (b"a: 1\n---\nb: 2\n", "conf.yaml:2: is not YAML"),
    ],
)
def test_faults(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "conf.yaml"
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        check_conf(path, Config)
    assert message in str(raised.value)


@pytest.mark.parametrize("content", ["", "\n", "# nothing\n", "---\n# nothing\n"])
def test_files_that_state_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "nothing.yaml"
    path.write_text(content)
    assert not check_conf(path, Config)
    context = parse("train", "", ["--conf", str(path), "--nj", "3"])
    assert (context.name, context.nj) == ("nothing", 3)
    assert context.config == parse("train", "", []).config


def test_a_later_file_wins_and_names_the_experiment(tmp_path: Path) -> None:
    for name, dim in (("one", 64), ("two", 32)):
        (tmp_path / f"{name}.yaml").write_text(f"model: {{dim: {dim}}}\n")
    context = parse("train", "", ["--conf", str(tmp_path / "one.yaml"), f"--conf={tmp_path / 'two.yaml'}"])
    assert (context.name, context.config.model.dim) == ("two", 32)


@pytest.mark.parametrize("words", [["--conf"], ["--conf="], ["--conf", "absent.yaml"], ["--conf", "."]])
def test_no_such_file(words: list[str]) -> None:
    with pytest.raises(ValueError, match="--conf"):
        parse("train", "", words)
