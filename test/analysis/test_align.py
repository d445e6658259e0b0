"""Stage 9 on an untrained model: numbers, files, alarms."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jointst.analysis.align import run
from jointst.common.errors import DataError
from jointst.config import TrainingConfig
from jointst.config.context import Context
from jointst.scoring.score import run as score


class Page(HTMLParser):
    """Ids, anchors and unclosed tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.depth: list[str] = []
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [str(values["id"])] if "id" in values else []
        for key in ("href", "src", "xlink:href"):
            value = str(values.get(key) or "")
            if value.startswith("#"):
                self.links.append(value[1:])
            elif value and not value.startswith("data:"):
                self.outside.append(value)
        if tag not in ("meta", "br", "link", "img"):
            self.depth.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.depth.pop() == tag


def test_untrained_model_is_measured_drawn_and_reported(toy: Context, capsys: pytest.CaptureFixture[str]) -> None:
    score(toy)
    capsys.readouterr()
    made = run(toy)
    result = json.loads((toy.exp / "align/layers.json").read_text())
    assert [layer["layer"] for layer in result["layers"]] == ["streaming 1", "streaming 2", "full-context 1"]
    assert result["utterances"] == result["mismatched_pairs"] == result["mismatched_of_the_same_language"] == 12
    for layer in result["layers"]:
        # The best path is the closest of all monotone ones, on any model.
        assert layer["raw"]["best"] < min(layer["raw"]["framewise"], layer["raw"]["random"])
        assert 0 < layer["coverage"] <= 1
    # Untrained states know nothing of pairs: the alarm must say so, on the screen too.
    assert any("not in the order" in alarm for alarm in result["alarms"])
    captured = capsys.readouterr()
    assert captured.err.count("WARNING") == len(result["alarms"])
    assert captured.out == (toy.exp / "align/layers.txt").read_text()
    assert len({item["language"] for item in result["heat_maps"]}) == 3
    for item in result["heat_maps"]:
        assert (toy.exp / "align" / item["file"]).read_text().startswith("<?xml")
        assert (toy.exp / "align" / item["file"]).with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    assert made.where == toy.exp / "report.html"


def test_the_page_is_whole_and_needs_nothing_else(toy: Context) -> None:
    score(toy)
    text = run(toy).where.read_text()
    page = Page(text)
    assert page.depth == []
    assert page.outside == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= set(page.ids)
    for key in ("errors", "samples", "training", "alignment", "heat-maps", "speed", "settings", "terms"):
        assert key in page.ids
    assert "Look at this first" in text
    assert 'dir="rtl"' in text


def test_the_same_seed_gives_the_same_numbers(toy: Context) -> None:
    run(toy)
    first = {path.name: path.read_bytes() for path in (toy.exp / "align").iterdir()}
    (toy.exp / "align/heat_of_an_older_run.svg").touch()
    run(toy)
    assert {path.name: path.read_bytes() for path in (toy.exp / "align").iterdir()} == first


def test_a_high_threshold_raises_the_collapse_alarm(toy: Context) -> None:
    config = dataclasses.replace(toy.config, training=TrainingConfig(collapse_spread=2.0))
    run(dataclasses.replace(toy, config=config))
    alarms = json.loads((toy.exp / "align/layers.json").read_text())["alarms"]
    assert sum("have collapsed" in alarm for alarm in alarms) == 6


def test_without_a_model_the_message_names_the_stage(toy: Context) -> None:
    (toy.exp / "model.safetensors").unlink()
    with pytest.raises(DataError, match="run stage 6, train"):
        run(toy)


def test_without_features_the_message_names_the_utterance(toy: Context) -> None:
    path = Path("data/t_dev/feats.scp")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(DataError, match=r"feats\.scp utterance ar_v2-2"):
        run(toy)
