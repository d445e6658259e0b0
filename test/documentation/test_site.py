"""The documentation builds, strictly and without a network; what is made from the code is whole."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from documentation.commands import ROOT
from documentation.parsing import NAMES

from jointst.config import Config
from jointst.data.rules import RULES

NEEDED = ("sphinx", "furo", "myst_parser", "sphinx_copybutton")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
needs_extra = pytest.mark.skipif(bool(MISSING), reason=f"the extra docs is not installed: no {' '.join(MISSING)}")
pytestmark = pytest.mark.timeout(900)
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as tools/build_docs.sh makes it, where nothing outside this machine can be reached."""
    out = tmp_path_factory.mktemp("documentation")
    nowhere = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "HTTP", "HTTPS")}
    environment = {**os.environ, **nowhere, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = [str(ROOT / "tools/build_docs.sh"), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=850, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return out / "html"


class _Loads(HTMLParser):
    """Addresses that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in LOADS and given.get("rel") != "canonical":
            self.found.append(given.get(LOADS[tag]) or "")


@needs_extra
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        parser = _Loads()
        parser.feed(page.read_text(encoding="utf-8"))
        far = [address for address in parser.found if re.match(r"(https?:)?//", address)]
        assert not far, page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


@needs_extra
def test_reference_is_whole(site: Path) -> None:
    settings = (site / "reference/settings.html").read_text(encoding="utf-8")
    for name in ("training.max_updates", "model.audio_encoder.source", "loss.consistency.options.band"):
        assert name in settings
    assert settings.count("<tr") > 200
    for section in Config.__dataclass_fields__:
        assert f'id="{section.replace("_", "-")}"' in settings, section
    listed = (site / "reference/commands.html").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"jointst {name}" in listed or f'jointst</span> <span class="pre">{name}' in listed
    trouble = (site / "howto/trouble.html").read_text(encoding="utf-8")
    for rule in RULES:
        assert rule in trouble, rule
    assert "have collapsed" in trouble
    assert "loss is not finite" in trouble


@needs_extra
def test_equations_are_drawn(site: Path) -> None:
    method = (site / "method.html").read_text(encoding="utf-8")
    assert method.count('<svg class="tex"') > 30
    assert "MathJax" not in method


@needs_extra
def test_readmes_are_pages(site: Path) -> None:
    for recipe in (ROOT / "egs").glob("*/README.md"):
        assert (site / f"recipes/{recipe.parent.name}.html").is_file()
    assert (site / "files/jointst.losses.consistency.py.html").is_file()


def test_messages_are_read_from_the_source() -> None:
    """Each kind of error, a finding of the doctor and a warning, with their parts put together."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        from docs_site.messages import messages
    finally:
        sys.path.remove(str(ROOT / "tools"))
    found = messages(ROOT / "jointst")
    assert {message.kind for message in found} >= {
        *("CollapseError", "ConfigError", "DataError", "EnvironmentFault", "JointstError", "warning")
    }
    said = {(message.text, message.fix) for message in found}
    assert any("is damaged (kept as damaged.ckpt)" in text for text, _ in said)
    assert any(text.startswith("numba cache: cannot write") and "NUMBA_CACHE_DIR" in fix for text, fix in said)
    assert any("have collapsed: spread" in text and "loss.consistency.start_update" in text for text, _ in said)
    assert any(text.startswith("loss.consistency does nothing: loss.text is 0") for text, _ in said)
