"""Inputs that readers once failed on: each row a target, the input, and what happened. ``tools/fuzz.py`` prints rows.

Inputs that are too long for a row are files in the folder ``found``, and the row has the name of the file.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "found"

FOUND: list[tuple[str, bytes | str, str]] = []
