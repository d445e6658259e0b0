"""``tools/fuzz.py``: failing inputs are made small and kept, also those that a process dies of."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path

import pytest

from fuzz.target import Target

TOOL = Path(__file__).parents[2] / "tools" / "fuzz.py"


def fails(content: bytes) -> None:
    if b"<" in content:
        raise KeyError(content)


def dies(content: bytes) -> None:
    if b"<" in content:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("read", "kind"), [(fails, "KeyError in test_tool.py:fails"), (dies, "the process died: -9")])
def test_failing_inputs_are_kept(
    read: object, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    specification = importlib.util.spec_from_file_location("fuzz_tool", TOOL)
    assert specification is not None
    assert specification.loader is not None
    tool = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tool)
    target = Target(name="bad", seeds=lambda: (b"a b",), read=read, names="x", pieces=(b"<", b"-"))  # type: ignore[arg-type]
    monkeypatch.setattr(tool, "TARGETS", {"bad": target})
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--minutes", "0.05", "--out", str(tmp_path), "--seed", "1"])
    assert tool.main() == 1
    said = capsys.readouterr().out
    assert f"{kind!r})," in said
    assert "1 kinds of failure" in said
    (kept,) = tmp_path.glob("*.bin")
    assert b"<" in kept.read_bytes()
    assert read is dies or len(kept.read_bytes()) <= 4
    assert kind in kept.with_suffix(".txt").read_text()
