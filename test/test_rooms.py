"""The rooms of the package stand on floors: a module imports from its own room and from those below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "jointst"
FLOORS = """
common
config
kaldi
ops
nn text ranks
losses
pretrained scoring
data
models
training decoding
analysis
probing
durations
export
transcription
adaptation serving
recipe
comparison
""".split("\n")


def imports() -> Iterator[tuple[Path, str]]:
    """Every module with the rooms that it imports from, also within functions."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if name.startswith("jointst."):
                    yield path, name.split(".")[1]


def test_imports_lead_downwards() -> None:
    floors = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}
    wrong = []
    for path, room in imports():
        own = path.relative_to(ROOT).parts[0]
        if path.parent != ROOT and own != room and floors[room] >= floors[own]:
            wrong.append(f"{path.relative_to(ROOT)} imports from {room}")
    assert not wrong, "\n".join(wrong)


def test_no_loose_modules() -> None:
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}
