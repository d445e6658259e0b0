"""``jointst adapt`` as its user runs it: what it learns, what it makes, and what it refuses."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from jointst import Recogniser
from jointst.adaptation.speech import Judgement, Speech
from jointst.common.files import write_atomically
from jointst.config.context import Context
from jointst.export.pack import run as export
from jointst.models.packed import load_packed
from jointst.recipe.cli import main
from jointst.training.start_model import read_start

NEW = ["read the old letter", "the letter is red", "open the letter now", "close the old door", "it is the old one"]
SPELLED = "close door is it letter now old one open red the".split()
TAUGHT = ["--lexicon", "spelled.txt"]


@pytest.fixture
def model(toy: Context) -> Path:
    """The toy model, packed: one of English alone whose phones are letters; and a lexicon of such phones."""
    write_atomically(toy.data / "lang/lexicon_en.txt", "open o p e n\nthe t h e\n")
    write_atomically(Path("spelled.txt"), "".join(f"{word} {' '.join(word)}\n" for word in SPELLED))
    return export(toy).where


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts}


def text(*sentences: str, name: str = "new.txt") -> str:
    Path(name).write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
    return name


def adapt(model: Path, *options: str) -> int:
    return main(["adapt", "--model", str(model), "--out", "out", *options])


def test_what_is_learnt(model: Path, toy: Context, capsys: pytest.CaptureFixture[str]) -> None:
    """On text and some speech: the loss falls, what hears stays as it is, and the result transcribes."""
    before = contents(model)
    speech = ["--rehearse", str(toy.data / "t_train"), "--dev", str(toy.data / "t_dev")]
    assert adapt(model, "--text", text(*NEW), *TAUGHT, "--updates", "20", "--rate", "5e-3", *speech) == 0
    said = capsys.readouterr().out
    assert "4 of 5 sentences are used, with 11 words, 7 of them new to the model: letter" in said
    assert "1 words cannot be taught" in said
    assert "rehearses on 8 of 8 utterances" in said
    out = Path("out")
    figures = json.loads((out / "adapted/adapt.json").read_text())
    assert figures["kept"]["text_loss"] < 0.9 * figures["looks"][0]["text_loss"]
    assert figures["kept"]["dev_error_rate"] <= figures["looks"][0]["dev_error_rate"]
    assert set(figures["new_words"]["en"]) == {"letter", "is", "old", "red", "now", "it", "one"}
    assert "Adaptation" in (out / "adapted/report.html").read_text()
    left_out = (out / "adapted/words_left_out.tsv").read_text().splitlines()
    assert [line.split("\t")[:2] for line in left_out[1:]] == [["en", "read"]]
    assert "letter l e t t e r\n" in (out / "adapted/new_words_en.txt").read_text()
    assert "letter l e t t e r\n" in (out / "lang/lexicon_en.txt").read_text()
    assert contents(model) == before

    old, new = read_start(model).state, read_start(out).state
    assert old.keys() == new.keys()
    changed = {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert {"full_context_encoder", "full_context_decoder"} <= changed
    assert not {"normalisation", "subsampling", "audio_encoder", "ctc"} & changed
    samples = torch.randn(16000, generator=torch.Generator().manual_seed(0)).numpy() / 10
    assert isinstance(Recogniser.load(out).transcribe(samples).text, str)
    assert not hasattr(load_packed(out).model, "text_encoder")


def test_by_text_alone_the_decoders_learn(model: Path) -> None:
    """Encoders that hear no speech forget it."""
    assert adapt(model, "--text", text(*NEW), *TAUGHT, "--updates", "5") == 0
    old, new = read_start(model).state, read_start(Path("out")).state
    changed = {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"streaming_decoder", "full_context_decoder"}


def test_an_adapted_model_is_adapted_again(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the folder of the experiment too; it knows the words by then, and is replaced only where that is asked for."""
    command = ["--text", text(*NEW), *TAUGHT, "--updates", "1"]
    assert adapt(model.parent, *command) == 0
    capsys.readouterr()
    first = contents(Path("out"))
    assert main(["adapt", "--model", "out", "--out", "again", *command]) == 0
    assert "0 of them new to the model" in capsys.readouterr().out
    assert adapt(model, *command) == 1
    assert contents(Path("out")) == first
    assert adapt(model, *command, "--seed", "3", "--force") == 0
    assert contents(Path("out")).keys() == first.keys()
    assert contents(Path("out")) != first
    assert {path.name for path in Path().iterdir() if path.name.startswith("out")} == {"out"}


def test_a_text_encoder_that_was_never_trained_learns_first(model: Path) -> None:
    settings = (model / "config.yaml").read_text()
    (model / "config.yaml").write_text(settings.replace("  text: 0.5", "  text: 0.0", 1))
    assert adapt(model, "--text", text(*NEW), *TAUGHT, "--updates", "1") == 0
    assert json.loads(Path("out/adapted/adapt.json").read_text())["text_encoder"] == "trained here first"
    old, new = read_start(model), read_start(Path("out"))
    assert not torch.equal(old.state["text_encoder.embedding.weight"], new.state["text_encoder.embedding.weight"])
    assert new.config.loss.text > 0


def test_files_of_several_languages(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    second_language(model)
    for lang in ("en", "fr"):
        text(*NEW, name=f"new_{lang}.txt")
    assert adapt(model, "--text", "new_{lang}.txt", *TAUGHT, "--updates", "1") == 0
    assert "new_en.txt: en: 5 of 5 sentences" in capsys.readouterr().out
    assert json.loads(Path("out/adapted/adapt.json").read_text())["words"].keys() == {"en"}


def test_weights_that_harm_the_old_domain_are_not_kept(
    model: Path, toy: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to the new weights is gone as far as nothing gets worse, or nothing is written at all."""
    errors = iter([4, 9, 9, 7, 4])
    monkeypatch.setattr(Speech, "judge", lambda *_: Judgement(loss=1.0, errors=next(errors), length=10))
    command = ["--text", text(*NEW), *TAUGHT, "--updates", "1", "--dev", str(toy.data / "t_dev")]
    assert adapt(model, *command) == 0
    kept = json.loads(Path("out/adapted/adapt.json").read_text())["kept"]
    assert (kept["share"], kept["dev_error_rate"]) == (0.25, 0.4)
    shutil.rmtree("out")
    rising = itertools.count()
    monkeypatch.setattr(Speech, "judge", lambda *_: Judgement(loss=1.0, errors=next(rising), length=10))
    assert adapt(model, *command) == 1
    assert not Path("out").exists()


def without(name: str) -> Callable[[Path], object]:
    return lambda model: (model / name).unlink()


def other_weights(model: Path) -> None:
    state = load_file(model / "model.safetensors")
    save_file({name: tensor + 1 for name, tensor in state.items()}, model / "model.safetensors")


def more_layers(model: Path) -> None:
    settings = (model / "config.yaml").read_text()
    (model / "config.yaml").write_text(settings.replace("audio_layers: 1", "audio_layers: 2"))


def taken(model: Path) -> None:
    Path("out").mkdir()
    Path("out/thesis.tex").write_text("years of work")


def second_language(model: Path) -> None:
    write_atomically(model / "lang/lexicon_de.txt", "tür t ü r\n")


def no_features(model: Path) -> None:
    Path("data/t_train/feats.scp").unlink()


REFUSED: dict[str, tuple[Callable[[Path], object] | None, list[str], str]] = {
    "no model": (lambda model: model.rename("gone"), [], "there is no such folder"),
    "no weights": (without("model.safetensors"), [], "holds no model"),
    "no text branch": (without("text_branch.safetensors"), [], "has no text branch, by which alone .*run stage 10"),
    "another's text branch": (other_weights, [], "is the text branch of another model"),
    "weights of other settings": (more_layers, [], "does not fit the settings"),
    "no tokenizer": (without("tokenizer.model"), [], "tokenizer.model"),
    "no words": (without("lang/words_en.txt"), [], "words_en.txt: is missing .*stage 10"),
    "no such text": (None, ["--text", "none.txt"], "none.txt: there is no such file of text"),
    "empty": (None, ["--text", "empty.txt"], "empty.txt: is empty"),
    "empty lines": (None, ["--text", "blank.txt"], "blank.txt: holds no usable sentence .*length 2"),
    "another script": (None, ["--text", "russian.txt"], "russian.txt: is in another script than English"),
    "another encoding": (None, ["--text", "latin.txt"], "latin.txt:1: is not UTF-8"),
    "no pronounceable word": (None, ["--text", "odd.txt"], "no sentence all of whose words can be taught"),
    "one sentence": (None, ["--text", "one.txt"], "one.txt: holds a single usable sentence"),
    "no lexicon": (None, ["--lexicon", "none.txt"], "the user lexicon is missing"),
    "unknown language": (None, ["--language", "xx"], "the model knows no language 'xx' .*en"),
    "a language too many": (second_language, [], "the model knows 2 languages .*--language, one of de en"),
    "no file of a language": (None, ["--text", "new/{lang}.txt"], "{lang}.txt: there is no such file of text"),
    "a place that is taken": (taken, [], "out: is there already"),
    "a place that is no model": (taken, ["--force"], "out: is no adapted model, and is not replaced"),
    "the model's own place": (None, ["--out", "exp/toy/packed", "--force"], "packed: is the model's own folder"),
    "a folder of the model": (None, ["--out", "exp/toy", "--force"], "toy: is the model's own folder"),
    "no speech": (None, ["--rehearse", "data/none"], "data/none: there is no such data directory"),
    "speech without features": (no_features, ["--rehearse", "data/t_train"], "has no features.*run stage 4"),
    "no updates": (None, ["--updates", "0"], "--updates: is 0"),
    "no rate": (None, ["--rate", "nan"], "--rate: is nan"),
    "an unknown option": (None, ["--speed", "9"], "jointst adapt --help"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(model: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """In one sentence, and nothing is written."""
    breaking, options, message = REFUSED[name]
    text(name="empty.txt")
    text("", "", name="blank.txt")
    text("открой окно", "закрой дверь", name="russian.txt")
    Path("latin.txt").write_bytes("caf\u00e9 noir\n".encode("latin-1"))
    text("qqqq qqqq", "jjjj", name="odd.txt")
    text("open the door", name="one.txt")
    usual = {"--text": text(*NEW), "--lexicon": "spelled.txt", "--updates": "1"}
    if breaking is not None:
        breaking(model)
    stated = [word for option, value in usual.items() if option not in options for word in (option, value)]
    before = contents(Path())
    assert adapt(model, *stated, *options) == 1
    err = capsys.readouterr().err
    assert re.search(message, err), err
    assert "Traceback" not in err
    assert contents(Path()) == before
