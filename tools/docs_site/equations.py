"""Equations as drawings inside the page, by matplotlib: no script, no fonts of the reader's, no network."""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from sphinx.application import Sphinx
from sphinx.util import logging

UNIT = 100.0
"""Units of a drawing for each em of the text around it."""
MARGIN = 4.0
"""Units around an equation."""
LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
"""Parts of an outline in matplotlib's words and in SVG's."""
_LOG = logging.getLogger(__name__)


def drawn(tex: str) -> str:
    """An equation in the colour of the text, standing on its line.

    Raises:
        ValueError: matplotlib does not understand it.
    """
    font = FontProperties(math_fontfamily="stix")
    font.set_size(UNIT)
    text = f"${' '.join(tex.split())}$"
    outline = TextPath((0, 0), text, prop=font)
    parts = []
    for points, kind in outline.iter_segments(simplify=False):
        places = [f"{(-1) ** axis * value:.1f}" for axis, value in zip([0, 1] * (len(points) // 2), points)]
        parts.append(LETTERS[kind] + ("" if kind == Path.CLOSEPOLY else " ".join(places)))
    ((left, low), (right, high)) = outline.get_extents().get_points()
    width, height = right - left + 2 * MARGIN, high - low + 2 * MARGIN
    box = f"{left - MARGIN:.1f} {-high - MARGIN:.1f} {width:.1f} {height:.1f}"
    style = f"width:{width / UNIT:.3f}em;height:{height / UNIT:.3f}em;vertical-align:{(low - MARGIN) / UNIT:.3f}em"
    return (
        f'<svg class="tex" role="img" aria-label="{escape(tex)}" viewBox="{box}" style="{style}" fill="currentColor">'
        f'<path d="{"".join(parts)}"/></svg>'
    )


def _shown(node: nodes.Element) -> str:
    try:
        return drawn(node.astext())
    except ValueError as error:  # a warning is an error of the build
        _LOG.warning("an equation is not understood: %s", str(error).splitlines()[-1], location=node)
        return ""


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(_shown(node))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="equation">{_shown(node)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer ``drawings``."""
    app.add_html_math_renderer("drawings", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
