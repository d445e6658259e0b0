"""Tables in plain text: for the terminal, for ``.txt`` files and for ``<pre>``."""

from __future__ import annotations

from collections.abc import Sequence

Cell = str | int | float | None


def percent(rate: float | None) -> str:
    """A share as a percentage with one decimal; ``-`` if it is undefined."""
    return "-" if rate is None else f"{100 * rate:.1f}"


def _text(cell: Cell, decimals: int) -> str:
    if cell is None:
        return "-"
    return f"{cell:.{decimals}f}" if isinstance(cell, float) else str(cell)


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[Cell] | None],
    *,
    title: str = "",
    groups: Sequence[tuple[str, int]] = (),
    left: int = 1,
    decimals: int = 3,
) -> str:
    """A table with aligned columns.

    Args:
        header: a name for each column.
        rows: cells of each row; None draws a line between rows.
        title: a line above.
        groups: names over neighbouring columns and how many columns each spans, from the left.
        left: this many first columns are aligned to the left, the others to the right.
        decimals: digits after the point of float cells.

    Returns:
        Lines joined by newlines, the last one ended too.

    Raises:
        ValueError: a row with another number of cells than the header.
    """
    texts = [None if row is None else [_text(cell, decimals) for cell in row] for row in rows]
    for row in texts:
        if row is not None and len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells under {len(header)} columns: {row}")
    filled = [list(header), *(row for row in texts if row is not None)]
    widths = [max(len(row[column]) for row in filled) for column in range(len(header))]
    heading = _group_line(groups, widths)

    def line(cells: Sequence[str]) -> str:
        aligned = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(aligned).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [title] if title else []
    lines += [*heading, line(header), rule]
    lines += [rule if row is None else line(row) for row in texts]
    return "\n".join(lines) + "\n"


def _group_line(groups: Sequence[tuple[str, int]], widths: list[int]) -> list[str]:
    """The line above the header; widens the last column of a group whose name does not fit."""
    if not groups:
        return []
    pieces, column = [], 0
    for name, span in groups:
        width = sum(widths[column : column + span]) + 2 * (span - 1)
        if len(name) > width:
            widths[column + span - 1] += len(name) - width
            width = len(name)
        # A rule under the name would cost a line; dashes around it show what it spans.
        pieces.append(f" {name} ".center(width, "-") if name and width >= len(name) + 4 else name.rjust(width))
        column += span
    return ["  ".join(pieces).rstrip()]
