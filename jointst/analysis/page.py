"""The HTML that a report is made of: escaping, tables, figures, and the page around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root { color-scheme: light dark; --paper: #fbfbfa; --card: #ffffff; --ink: #22262f; --muted: #667080;
  --grid: #e3e6ea; --accent: #2563c9; --bad: #b3261e; --good: #1b7a4b; --warn: #fdf3e1; --warn-ink: #7a4b00;
  --s1: #2563c9; --s2: #d1650a; --s3: #0d8a75; --s4: #a83a8c; --s5: #75808f; --s6: #8a6d0b; }
@media (prefers-color-scheme: dark) { :root { --paper: #14161a; --card: #1b1e24; --ink: #e6e8ec; --muted: #98a1ae;
  --grid: #30353e; --accent: #7fb0ff; --bad: #ff8f85; --good: #6fd3a0; --warn: #3a2c10; --warn-ink: #ffd591;
  --s1: #6ea5ff; --s2: #ff9d52; --s3: #45cdb4; --s4: #e58bcb; --s5: #a3adba; --s6: #d9bb4a; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", Roboto, "Helvetica Neue", Arial, sans-serif; }
.layout { display: grid; grid-template-columns: 13rem minmax(0, 62rem); gap: 3rem; justify-content: center;
  padding: 2.5rem 1.5rem 6rem; }
nav { position: sticky; top: 2.5rem; align-self: start; font-size: .875rem; }
nav b { display: block; margin-bottom: .5rem; color: var(--muted); font-weight: 600; }
nav a { display: block; padding: .2rem 0 .2rem .75rem; border-left: 2px solid var(--grid); color: var(--ink);
  text-decoration: none; }
nav a:hover, nav a:focus-visible { border-color: var(--accent); color: var(--accent); }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; letter-spacing: -.02em; }
h2 { margin: 3.5rem 0 .5rem; font-size: 1.35rem; letter-spacing: -.01em; scroll-margin-top: 1.5rem; }
h3 { margin: 2rem 0 .4rem; font-size: 1.05rem; }
p { margin: .5rem 0; max-width: 46rem; } .muted, figcaption, .note { color: var(--muted); }
.note { font-size: .875rem; } a { color: var(--accent); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13.5rem, 1fr)); gap: .75rem; margin: 1.75rem 0; }
.tile { background: var(--card); border: 1px solid var(--grid); border-radius: .6rem; padding: .9rem 1.1rem; }
.tile b { display: block; font-size: 1.75rem; line-height: 1.25; font-weight: 650; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums; }
.tile span { display: block; font-size: .8125rem; line-height: 1.4; color: var(--muted); }
.alarm { background: var(--warn); color: var(--warn-ink); border-radius: .6rem; padding: .8rem 1.1rem; margin: 1rem 0; }
.alarm ul { margin: .3rem 0 0; padding-left: 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; margin: .75rem 0; }
th, td { padding: .3rem .5rem; text-align: right; white-space: nowrap; }
th { color: var(--muted); font-weight: 600; border-bottom: 1px solid var(--grid); }
thead tr:first-child th[colspan] { text-align: center; }
td:first-child, th:first-child { text-align: left; padding-left: 0; }
tbody tr:hover td { background: color-mix(in srgb, var(--accent) 7%, transparent); }
tr.sum td { border-top: 1px solid var(--grid); font-weight: 600; } tr.sum + tr.sum td { border-top: 0; }
figure { margin: 1.25rem 0 2rem; } figure svg { display: block; width: 100%; min-width: 40rem; height: auto; }
figcaption { font-size: .875rem; margin-top: .5rem; max-width: 46rem; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--accent); font-size: .9375rem; }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--grid); border-radius: .6rem;
  padding: .9rem 1.1rem; font: .78rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { font: .875em ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.25rem; font-size: .9375rem;
  max-width: 50rem; }
dt { font-weight: 600; } dd { margin: 0; color: var(--muted); }
.sample { border-top: 1px solid var(--grid); padding: .7rem 0 .8rem; }
.sample header { font-size: .8125rem; color: var(--muted); margin-bottom: .35rem; }
.words { display: flex; flex-wrap: wrap; gap: .15rem .5rem; font-size: 1rem; line-height: 1.45; }
.words span { display: inline-grid; } .words i { font-style: normal; min-height: 1.45em; }
.words .substitution i + i { color: var(--bad); font-weight: 600; }
.words .deletion i:first-child { text-decoration: line-through; text-decoration-color: var(--bad); }
.words .insertion i + i { color: var(--bad); text-decoration: underline; text-underline-offset: .2em; }
.tight { gap: .15rem .12rem; }
.whose { font-size: .8125rem; color: var(--muted); display: block; margin-top: .35rem; }
audio { height: 2rem; max-width: 100%; margin: .15rem 0 .4rem; }
mark { background: none; color: var(--bad); font-weight: 600; }
.prose td, .prose th { text-align: left; } .prose td { white-space: normal; vertical-align: top; }
.prose td:first-child { white-space: nowrap; }
.places span { display: block; text-align: left; } .words-table td { vertical-align: top; }
.words-table td:nth-child(5), .words-table th:nth-child(n+5) { text-align: left; }
section:focus { outline: none; } section:focus > h2 { color: var(--accent); }
kbd { font: .8em ui-monospace, Menlo, Consolas, monospace; border: 1px solid var(--grid); border-radius: .25rem;
  padding: 0 .3rem; }
nav .note { margin-top: 1rem; }
@media (max-width: 60rem) { .layout { grid-template-columns: minmax(0, 1fr); gap: 1.5rem; padding-top: 1.5rem; }
  nav { position: static; } nav a { display: inline-block; border: 0; padding: .1rem .8rem .1rem 0; } }
@media print { :root { --paper: #fff; --card: #fff; --ink: #000; --muted: #444; --grid: #bbb; --accent: #000; }
  nav, audio { display: none; } .layout { display: block; padding: 0; } body { font-size: 10pt; }
  h2 { margin-top: 1.5rem; } h2, h3 { break-after: avoid; } figure, .sample, .tile, tr { break-inside: avoid; }
  .wide { overflow: visible; } figure svg { min-width: 0; } pre { white-space: pre-wrap; }
  table { font-size: 8pt; } th, td { padding: .15rem .3rem; white-space: normal; } }
"""
SCRIPT = """
const parts = [...document.querySelectorAll("main > section")];
addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, audio")) return;
  const way = {j: 1, k: -1}[event.key];
  if (!way) return;
  const top = part => part.getBoundingClientRect().top;
  const here = parts.findLastIndex(part => top(part) < 40);
  const next = parts[way < 0 && here >= 0 && top(parts[here]) < -40 ? here : here + way];
  if (next) { next.scrollIntoView({behavior: "instant"}); next.focus({preventScroll: true}); event.preventDefault(); }
});
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")]; folded.forEach(part => part.open = true);
});
addEventListener("afterprint", () => folded.forEach(part => part.open = false));
"""
"""j and k go from section to section; what is folded is printed, too."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page.

    Attributes:
        key: its anchor.
        title: its heading, also in the table of contents.
        body: HTML.
    """

    key: str
    title: str
    body: str


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def html_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    groups: Sequence[tuple[str, int]] = (),
    sums: int = 0,
    prose: bool = False,
) -> str:
    """A table; the last ``sums`` rows stand apart. ``groups`` are headings over neighbouring columns; ``prose`` has
    sentences in its cells."""
    top = "".join(f'<th colspan="{span}">{escape(name)}</th>' for name, span in groups)
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = []
    for i, row in enumerate(rows):
        kind = ' class="sum"' if i >= len(rows) - sums else ""
        body.append(f"<tr{kind}>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>")
    first = f"<tr>{top}</tr>" if groups else ""
    opening = '<table class="prose">' if prose else "<table>"
    inside = f"<thead>{first}<tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"
    return f'<div class="wide">{opening}{inside}</table></div>'


def figure(svg: str, caption: str) -> str:
    """An inline SVG with one sentence that explains it."""
    return f'<figure><div class="wide">{svg}</div><figcaption>{escape(caption)}</figcaption></figure>'


def folded(title: str, content: str) -> str:
    """Preformatted text behind a line to click on."""
    return f"<details><summary>{escape(title)}</summary><pre>{escape(content)}</pre></details>"


def page(title: str, header: str, sections: Sequence[Section]) -> str:
    """The whole self-contained page, with a table of contents.

    Args:
        title: plain text.
        header: HTML above the sections.
        sections: in order; those without a body are left out.
    """
    shown = [section for section in sections if section.body]
    links = "".join(f'<a href="#{section.key}">{escape(section.title)}</a>' for section in shown)
    bodies = "".join(
        f'<section id="{section.key}" tabindex="-1"><h2>{escape(section.title)}</h2>{section.body}</section>'
        for section in shown
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<div class="layout"><nav aria-label="Contents"><b>Contents</b>{links}'
        '<p class="note"><kbd>j</kbd> <kbd>k</kbd> next, previous</p></nav>'
        f'<main>{header}{bodies}</main></div>\n<script type="module">{SCRIPT}</script>\n</body>\n</html>\n'
    )
