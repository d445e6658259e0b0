"""LibreOffice's help as text: sentences out of pages and messages, and what is left out."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from jointst.common.errors import DataError
from jointst.config import CorpusConfig
from jointst.data.corpora import libreoffice_help as corpus
from jointst.data.corpora.sentences import REASONS
from jointst.kaldi.directory import DataDirectory


def test_page() -> None:
    page = """<h1 id="hd_id1">Ein Titel.</h1>
    <p id="par_id1" class="paragraph" dir="auto">Der <span class="emph">erste</span> Satz, z.B. dieser.
    Gilt das &amp; jenes? Ohne Ende</p>
    <p id="par_id2" class="paragraph">Drücken Sie <span class="keycode">F1</span> jetzt.</p>
    <p class="embedded">Kein Absatz dieser Art.</p>"""
    assert corpus.read_page(page) == ["Der erste Satz, z.B. dieser.", "Gilt das & jenes?"]
    assert corpus.read_page('<p id="par_id3">第一句。第二句！</p>') == ["第一句。", "第二句！"]


def write_messages(path: Path, pairs: list[tuple[str, str]]) -> None:
    """A GNU message catalogue."""
    head, strings = 28 + 16 * len(pairs), b""
    tables: list[list[tuple[int, int]]] = [[], []]
    for pair in pairs:
        for table, text in zip(tables, pair):
            table.append((len(text.encode()), head + len(strings)))
            strings += text.encode() + b"\0"
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = [number for table in tables for entry in table for number in entry]
    path.write_bytes(
        struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
        + struct.pack(f"<{len(flat)}I", *flat)
        + strings
    )


def test_messages(tmp_path: Path) -> None:
    pairs = [("", "header"), ("ctx\x04~Save", "اح~فظ هذا"), ("ctx\x04Same", "Same"), ("One\0Many", "واحد\0كثير")]
    write_messages(tmp_path / "a.mo", pairs)
    assert corpus.read_messages(tmp_path / "a.mo") == ["احفظ هذا", "واحد"]
    (tmp_path / "b.mo").write_bytes((tmp_path / "a.mo").read_bytes()[:40])
    for damaged in (tmp_path / "b.mo", Path(__file__)):
        with pytest.raises(DataError, match="not a message catalogue"):
            corpus.read_messages(damaged)


def page(folder: Path, package: str, suffix: str, sentences: list[str]) -> None:
    path = folder / "debian" / package / "usr/share/libreoffice/help" / suffix / "text/page.html"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f'<p id="par_id{n}" class="paragraph">{s}</p>' for n, s in enumerate(sentences)))


def test_prepare_leaves_out_english_duplicates_and_held_out_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    english = ["Click the button twice.", "An English sentence remains here."]
    page(tmp_path / "downloads", "libreoffice-help-en-us", "en-US", english)
    german = ["Das ist ein Satz.", "das ist ein Satz!", "Dies ist ein Test.", "Hier steht noch etwas.", english[0]]
    page(tmp_path / "downloads", "libreoffice-help-de", "de", german)
    DataDirectory(Path("t"), {"a": "dies ist ein test"}, utt2lang={"a": "de"}).write(Path("data/mini_test_unheard"))
    config = CorpusConfig(languages=("de",), unpaired_sentences=5)
    (made,) = corpus.prepare(config, Path("data"), nj=1)
    directory = DataDirectory.read(made)
    assert sorted(directory.text.values()) == ["das ist ein satz", "hier steht noch etwas"]
    assert directory.languages == ["de"]
    assert not directory.has_audio
    report = [line.split("\t") for line in (made / "left_out.tsv").read_text().splitlines()]
    assert report[0] == ["language", "found", "kept", *REASONS, "marks"]
    assert dict(zip(report[0], report[1], strict=True)) == {
        "language": "de", "found": "5", "kept": "2", "script": "0", "length": "0", "english": "1", "held_out": "1",
        "duplicate": "1", "surplus": "0", "encoding": "0", "marks": "0",
    }  # fmt: skip
    corpus.prepare(CorpusConfig(languages=("de", "en"), unpaired_sentences=1), Path("data"), nj=1)
    again = DataDirectory.read(made)
    assert sorted(again.text) == ["libreoffice-help-de-000000", "libreoffice-help-en-000000"]
    assert again.text["libreoffice-help-de-000000"] == directory.text["libreoffice-help-de-000000"]
