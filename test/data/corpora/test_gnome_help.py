"""GNOME's help as text: paragraphs out of pages, without those that hold code."""

from __future__ import annotations

from pathlib import Path

import pytest

from jointst.common.errors import DataError
from jointst.config import CorpusConfig
from jointst.data.corpora import gnome_help
from jointst.kaldi.directory import DataDirectory

PAGE = """<?xml version="1.0" encoding="utf-8"?>
<page xmlns="http://projectmallard.org/1.0/" id="p"><info><desc>Keine Zeile davon.</desc></info>
<p>{} <gui>Zweiter</gui> Satz steht
 hier.</p><steps><item><p>Geben Sie <cmd>ls</cmd> ein, bitte.</p></item></steps></page>"""


def test_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, sentence in (("C", "The first sentence here."), ("de", "Der erste Satz.")):
        path = Path("downloads/debian/gnome-user-docs/usr/share/help", folder, "gnome-help/a.page")
        path.parent.mkdir(parents=True)
        path.write_text(PAGE.format(sentence))
    assert gnome_help.read_page(path) == ["Der erste Satz.", "Zweiter Satz steht hier."]
    (made,) = gnome_help.prepare(CorpusConfig(languages=("de",)), Path("data"), nj=1)
    # the second sentence is the same on the English page
    assert list(DataDirectory.read(made).text.values()) == ["der erste satz"]
    path.write_text("<page")
    with pytest.raises(DataError, match="not a help page"):
        gnome_help.read_page(path)
