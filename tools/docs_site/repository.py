"""READMEs as pages of the site, and every file of the repository that a page links to as a page of its own.

Links are written as the repository has them, so that they work where it is looked at; here they are bent to the site's
pages. A link to a file that does not exist is an error.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from docs_site.markdown import code, plain

PAGES = {
    "README.md": "index.md",
    "RESULTS.md": "results.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "egs/README.md": "recipes/index.md",
    "tools/README.md": "tools.md",
}
"""Documents of the repository and the pages that stand for them; recipes' READMEs are added."""
NOT_MADE = ("README.md",)
"""Documents whose page is written by hand."""
PICTURES = (".svg", ".png", ".jpg", ".html")
HIGHLIGHT = {".py": "python", ".sh": "bash", ".yaml": "yaml", ".toml": "toml"}
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_CODE = re.compile(r"(`+)(?:(?!\1).)+\1")
_FENCE = re.compile(r"^\s*(```+|~~~+)")


class Repository:
    """The pages that are made of one repository.

    Args:
        root: of the repository.
        target: the folder of the site's pages.
    """

    def __init__(self, root: Path, target: Path) -> None:
        self.root, self.target = root, target
        self.pages = {name: page for name, page in PAGES.items() if (root / name).is_file()}
        for readme in sorted(root.glob("egs/*/README.md")):
            self.pages[f"egs/{readme.parent.name}/README.md"] = f"recipes/{readme.parent.name}.md"
        self._files: set[str] = set()
        self.broken: list[str] = []

    def make(self) -> None:
        """Write the pages of documents, bend the links of those written by hand, and add the files they name."""
        for page in sorted(self.target.rglob("*.md")):
            name = page.relative_to(self.target).as_posix()
            page.write_text(self._bent(page.read_text(encoding="utf-8"), f"docs/{name}", name), encoding="utf-8")
        for document, name in self.pages.items():
            if document in NOT_MADE:
                continue
            text = (self.root / document).read_text(encoding="utf-8")
            if document == "egs/README.md":
                text += self._recipes()
            self._write(name, self._bent(text, document, name))
        self._write("files/index.md", self._index())

    def _recipes(self) -> str:
        """The list of the recipes' pages, which the site's menu wants."""
        names = sorted(page for page in self.pages.values() if page.startswith("recipes/") and "index" not in page)
        entries = "\n".join(PurePosixPath(name).name for name in names)
        return f"\n```{{toctree}}\n:hidden:\n\n{entries}\n```\n"

    def _index(self) -> str:
        entries = "\n".join(f"{name}" for name in sorted(self._files))
        return f"---\norphan: true\n---\n\n# Files\n\n```{{toctree}}\n\n{entries}\n```\n"

    def _write(self, name: str, text: str) -> None:
        path = self.target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _bent(self, text: str, document: str, page: str) -> str:
        """A document with the links of a page; code stays as it is."""
        lines, fence = [], ""
        for line in text.splitlines():
            match = _FENCE.match(line)
            if match and (not fence or match[1].startswith(fence)):
                fence = "" if fence else match[1]
            elif not fence:
                line = _outside_code(line, lambda part: _LINK.sub(lambda m: self._link(m[1], document, page), part))
            lines.append(line)
        return "\n".join(lines) + "\n"

    def _link(self, link: str, document: str, page: str) -> str:
        path, mark, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link) or not path:
            return f"]({link})"
        wanted = os.path.normpath(os.path.join(os.path.dirname(document), path))
        if wanted.startswith("docs/") and (self.root / wanted).exists():
            return f"]({_relative(wanted.removeprefix('docs/'), page)}{mark}{anchor})"
        found = self.pages.get(wanted) or self.pages.get(f"{wanted}/README.md")
        if found is not None:
            anchor = "" if found in map(PAGES.get, NOT_MADE) else anchor
            return f"]({_relative(found, page)}{'#' + anchor if anchor else ''})"
        if wanted.startswith("..") or not (self.root / wanted).exists():
            self.broken.append(f"{document}: {link}: there is no such file")
            return f"]({link})"
        return f"]({_relative(self._file(wanted), page)})"

    def _file(self, name: str) -> str:
        """The page of a file or folder of the repository."""
        path = self.root / name
        page = f"files/{name.replace('/', '.')}.md"
        if path.suffix in PICTURES:
            place = self.target / "files" / name.replace("/", ".")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
            return f"files/{place.name}"
        if page not in self._files:
            self._files.add(PurePosixPath(page).name)
            body = _listing(path) if path.is_dir() else _content(path)
            self._write(page, f"# {code(name)}\n\n{body}")
        return page


def _outside_code(line: str, change: Callable[[str], str]) -> str:
    """A line whose parts outside of code are changed; a link's text may be code."""
    kept: list[str] = []

    def hide(match: re.Match[str]) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    changed = change(_CODE.sub(hide, line))
    return re.sub("\0(\\d+)\0", lambda match: kept[int(match[1])], changed)


def _relative(page: str, start: str) -> str:
    return os.path.relpath(page, os.path.dirname(start) or ".")


def _content(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return f"``````{HIGHLIGHT.get(path.suffix, 'text')}\n{text.rstrip()}\n``````\n"


def _listing(folder: Path) -> str:
    """The files of a folder, Python's with the first line of their docstrings."""
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__")) or (path.is_dir() and not any(path.iterdir())):
            continue
        about = ""
        if path.suffix == ".py":
            about = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        lines.append(f"- {code(path.name + '/' * path.is_dir())}{': ' if about else ''}{plain(about)}")
    return "\n".join(lines) + "\n"
