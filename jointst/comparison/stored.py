"""Comparisons as recipes keep them: what follows from the rest is left out, and a line is a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jointst.common.errors import DataError
from jointst.comparison.summary import KIND


def stored_text(summary: Mapping[str, Any]) -> str:
    """A summary as JSON for a repository: each pair of systems once, since the other way round follows."""
    baseline = summary["grid"]["baseline"]
    return _lines({**summary, "controls": {name: _halved(own, baseline) for name, own in summary["controls"].items()}})


def read_stored(paths: Sequence[Path], kind: str = KIND) -> list[dict[str, Any]]:
    """Summaries of comparisons, whole again, by recipe and name; files of another kind are left out.

    Raises:
        DataError: a file is not JSON.
    """
    found = []
    for path in paths:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"cannot be read: {error}", path=path, fix="store it again: jointst compare --store"
            ) from None
        if isinstance(content, dict) and content.get("kind") == kind:
            for own in content.get("controls", {}).values():
                for table in own["tables"]:
                    _complete(table["systems"])
            found.append(content)
    return sorted(found, key=lambda summary: (summary["recipe"], summary["name"]))


def training_hours(summary: Mapping[str, Any]) -> float:
    """Hours by the clock of the trainings of a comparison, each once whatever controls it stands under."""
    cells = [cell for control in summary["controls"].values() for cell in control["cells"]]
    return sum({(cell["key"], cell.get("updates")): cell.get("hours") or 0.0 for cell in cells}.values())


def _halved(control: Mapping[str, Any], baseline: str) -> dict[str, Any]:
    tables = []
    for table in control["tables"]:
        names = list(table["systems"])
        rows = {}
        for place, (name, row) in enumerate(table["systems"].items()):
            kept = {*names[:place], baseline}  # P values against the baseline are adjusted for their number
            rows[name] = {**row, "against": {other: own for other, own in row["against"].items() if other in kept}}
        tables.append({**table, "systems": rows})
    return {**control, "tables": tables}


def _complete(systems: Mapping[str, dict[str, Any]]) -> None:
    """Add the other way round of every pair."""
    for name, row in systems.items():
        for other, own in list(row["against"].items()):
            systems[other]["against"].setdefault(name, _turned(own))


def _turned(against: Mapping[str, Any]) -> dict[str, Any]:
    """A change of A from B as one of B from A; a test has no direction but its difference's sign."""
    intervals = {
        kind: None if ends is None else sorted(_inverse(end) for end in ends)
        for kind, ends in against["intervals"].items()
    }
    turned = {kind: None if value is None else _inverse(value) for kind, value in against["change"].items()}
    tests = {key: against[key] for key in ("mapsswe", "permutation")}
    return {"change": turned, "intervals": intervals, "difference": -against["difference"], **tests}


def _inverse(change: float) -> float:
    """1 + x becomes 1 / (1 + x); all errors gone is a change without end the other way."""
    return float("inf") if change <= -1 else 1 / (1 + change) - 1


def _lines(value: Any, depth: int = 0) -> str:
    """JSON whose outer levels are indented and whose inner ones are a line each."""
    return "".join(_pieces(value, depth)) + ("" if depth else "\n")


def _pieces(value: Any, depth: int) -> Iterator[str]:
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) <= 120 or depth >= 5 or not isinstance(value, (dict, list)):
        yield flat
        return
    indent = "\n" + " " * (depth + 1)
    items = (
        [f"{json.dumps(key, ensure_ascii=False)}: {_lines(own, depth + 1)}" for key, own in value.items()]
        if isinstance(value, dict)
        else [_lines(own, depth + 1) for own in value]
    )
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield opening + indent + f",{indent}".join(items) + "\n" + " " * depth + closing
