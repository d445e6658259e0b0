"""Faulty input of every stage: the message names file, line and utterance and what to do; never a traceback.

Stages run in this process, so that an exception that the command line does not know fails the test.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from integration.toy_recipe import CONF, stage

from jointst.kaldi.tables import read_table, write_table
from jointst.recipe.stages import STAGES

TEXT = Path("data/mini_train/text")


@pytest.fixture
def complaint(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a stage that must fail with a message, and gives all that it printed."""

    def run(name: str, *options: str) -> str:
        capsys.readouterr()
        assert stage(name, *options) == 1
        shown = capsys.readouterr()
        assert shown.err.strip().splitlines()[-1].startswith(f"jointst {name}: error: ") or "\n" in shown.err.strip()
        assert f"jointst {name}: error: " in shown.err
        return shown.out + shown.err

    return run


Complaint = Callable[..., str]


def first(table: str = "wav.scp", name: str = "mini_train") -> tuple[str, str]:
    """The first entry of a table."""
    return next(iter(read_table(Path("data", name, table)).items()))


@pytest.mark.parametrize(
    ("content", "problem", "fix"),
    [
        (None, "there is no such file", "correct its name, or restore it"),
        (b"damaged", "is no sound but text", "get the sound itself: often a download went wrong"),
        (b"", "is an empty file", "make it again, or copy it again"),
    ],
)
def test_missing_and_unreadable_audio(
    recipe: Path, complaint: Complaint, content: bytes | None, problem: str, fix: str
) -> None:
    utterance, audio = first()
    Path(audio).unlink()
    if content is not None:
        Path(audio).write_bytes(content)
    said = complaint("validate")
    rule = "audio-missing" if content is None else "audio-unreadable"
    assert f"ERROR {rule} data/mini_train/wav.scp:1 {utterance}: {audio}: {problem}" in said
    assert f"({fix}, or remove the utterance)" in said
    said = complaint("features", "--force")
    assert f"{audio} utterance {utterance}: {problem} ({fix})" in said
    assert "1 of 20 utterances have no usable audio" in said
    assert "or set features.max_failures above 0.0500" in said


def test_a_share_of_unreadable_audio_can_be_allowed(
    recipe: Path, complaint: Complaint, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = [first()[0], first(name="mini_test")[0]]
    for name in ("mini_train", "mini_test"):
        Path(first(name=name)[1]).write_bytes(b"damaged")
    assert "2 of 20 utterances" in complaint("features", "--force")
    allowed = ["--features.max_failures", "0.2"]
    assert stage("features", *allowed) == 0
    assert "2 utterances are left out" in capsys.readouterr().err
    for name in ("train", "decode", "score"):
        assert stage(name, *allowed) == 0
    shown = capsys.readouterr().out
    assert f"data/mini_train: 1 utterances without features are left out: {lost[0]}\n" in shown
    assert f"data/mini_test: 1 utterances without features are left out: {lost[1]}\n" in shown
    assert f"missing hypotheses, counted as deletions: 1 ({lost[1]})" in shown
    said = complaint("train", "--force")
    assert f"data/mini_train/feats.scp utterance {lost[0]}: has no features (run stage 4, features)" in said


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"en_zz-1", None),
        (b" en_zz-1 open the door", "text:2: begins with a space"),
        (b"", "text:2: is empty"),
        (b"en_zz-1 caf\xe9", "text:2: is not UTF-8 at byte 11"),
        (b"en_zz-1 open\r", "text:2: ends with a carriage return"),
        (b"FIRST again", "text:2 utterance FIRST: is on line 1 already"),
    ],
)
def test_malformed_lines(recipe: Path, complaint: Complaint, line: bytes, message: str | None) -> None:
    lines = TEXT.read_bytes().splitlines(keepends=True)
    utterance = first("text")[0]
    lines.insert(1, line.replace(b"FIRST", utterance.encode()) + b"\n")
    TEXT.write_bytes(b"".join(lines))
    said = complaint("validate")
    if message is None:
        assert "ERROR empty-transcript data/mini_train/text:2 en_zz-1: has no transcript" in said
        return
    message = message.replace("FIRST", utterance)
    assert message.split(": ")[1] in said
    assert f"data/mini_train/{message.partition(':')[0]}:2" in said
    for name in ("lexicon", "tokenizer"):
        assert f"data/mini_train/{message}" in complaint(name, "--force")


def test_an_empty_set(recipe: Path, complaint: Complaint) -> None:
    TEXT.write_text("")
    for name in ("validate", "lexicon", "features", "tokenizer"):
        said = complaint(name, "--force")
        assert "data/mini_train/text: an empty set (at least one utterance is needed)" in said


def test_an_unknown_language(recipe: Path, complaint: Complaint) -> None:
    path = Path("data/mini_train/utt2lang")
    utterance = first("utt2lang")[0]
    write_table(path, {**read_table(path), utterance: "xx"})
    assert f"ERROR unknown-language data/mini_train/utt2lang:1 {utterance}: unknown language 'xx'" in (
        complaint("validate")
    )
    said = complaint("lexicon", "--force")
    assert f"data/mini_train/utt2lang utterance {utterance}: is in the unknown language 'xx' (one of ar de en" in said


def test_more_labels_than_the_audio_can_carry(
    recipe: Path, complaint: Complaint, capsys: pytest.CaptureFixture[str]
) -> None:
    utterance, audio = first()
    seconds = soundfile.info(audio).duration
    write_table(TEXT, {**read_table(TEXT), utterance: "a" * round(35 * seconds)})
    assert stage("validate") == 0
    shown = capsys.readouterr().out
    assert f"WARNING more-labels-than-frames data/mini_train/text:1 {utterance}: " in shown
    write_table(TEXT, {**read_table(TEXT), utterance: "a" * round(90 * seconds)})
    said = complaint("validate")
    assert f"ERROR labels-per-second data/mini_train/text:1 {utterance}: " in said
    assert "the most is 40 (audio and transcript may not belong together; or raise data.max_tokens_per_second)" in said
    # Whoever raises it trains: the loss copes with far more labels than positions.
    for name in ("validate", "lexicon", "features", "tokenizer", "train"):
        assert stage(name, "--data.max_tokens_per_second", "1000") == 0
    losses = [json.loads(line) for line in Path("exp/toy/log.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line.get("loss", 0.0)) for line in losses)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model:\n  dim: [1\n", "toy.yaml:3: is not YAML: "),
        ("model:\n  dim: 64\n  dmi: 64\n", "toy.yaml:3: model.dmi: there is no such setting (did you mean dim?)"),
        ("training:\n  max_updates: -1\n", "training.max_updates: is -1 (> 0)"),
        ("model:\n  dim: wide\n", "toy.yaml:2: model.dim: is 'wide' (a whole number)"),
    ],
)
def test_faulty_settings(recipe: Path, complaint: Complaint, text: str, message: str) -> None:
    Path("toy.yaml").write_text(text)
    for item in STAGES:
        assert message in complaint(item.name)


def test_missing_settings_file_and_comments_alone(recipe: Path, complaint: Complaint) -> None:
    assert "absent.yaml: there is no such settings file (correct --conf)" in complaint("score", "--conf", "absent.yaml")
    Path("none.yaml").write_text("# model:\n#   dim: 64\n")
    assert stage("validate", "--conf", "none.yaml") == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("validate", "data: there is none of the data directories mini_train, mini_dev, "),
        ("lexicon", "data/mini_train: there is no such data directory (run stage 1, corpus"),
        ("features", "data/mini_train: there is no such data directory (run stage 1, corpus"),
        ("tokenizer", "data/mini_train: there is no such data directory (run stage 1, corpus"),
        ("train", "data/mini_train/text: is missing (run stage 1, corpus)"),
        ("decode", "exp/toy/model.safetensors: is missing (run stage 6, train)"),
        ("score", "data/mini_train: there is no such data directory (run stage 1, corpus"),
        ("align", "exp/toy/model.safetensors: is missing (run stage 6, train)"),
        ("export", "exp/toy/model.safetensors: is missing (run stage 6, train)"),
    ],
)
def test_a_stage_before_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complaint: Complaint, name: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("toy.yaml").write_text(CONF)
    assert message in complaint(name)


def test_a_stage_whose_inputs_are_gone(trained: Path, complaint: Complaint) -> None:
    shutil.rmtree("exp/toy/decode/mini_test")
    said = complaint("score")
    assert "exp/toy/decode/mini_test/streaming/hyp.text: is missing (run stage 7, decode)" in said
    Path("data/mini_test/feats.scp").unlink()
    said = complaint("decode", "--force")
    assert "data/mini_test/feats.scp utterance " in said
    assert "has no features" in said
    assert "(run stage 4, features)" in said
    for path, fix in (
        ("data/tokenizer/tokenizer.model", "run stage 5, tokenizer"),
        ("data/cmvn.npz", "run stage 4, features"),
        ("data/lang/phones.txt", "run stage 3, lexicon"),
        ("data/mini_unpaired/phones", "run stage 3, lexicon"),
    ):
        Path(path).unlink()
        assert f"{path}: is missing ({fix})" in complaint("train")


@pytest.mark.parametrize("cut", [0, 10, 40, 0.5])
def test_a_damaged_ark_and_its_repair(trained: Path, complaint: Complaint, cut: float) -> None:
    utterance, entry = first("feats.scp", "mini_test")
    ark = Path(entry.rpartition(":")[0])
    content = ark.read_bytes()
    ark.write_bytes(content[: cut if isinstance(cut, int) else round(cut * len(content))])
    said = complaint("decode", "--force")
    assert f"{ark}:" in said
    assert "features cannot be read" in said
    assert "(run stage 4, features, with --force)" in said
    assert stage("features", "--force") == 0
    assert ark.read_bytes() == content
    assert stage("decode") == 0


def test_data_directories_made_by_hand(
    tmp_path: Path, recipe: Path, complaint: Complaint, capsys: pytest.CaptureFixture[str]
) -> None:
    """One recording for each set, cut by segments, with nothing but the files that a user must write."""
    Path("toy.yaml").write_text(
        CONF.replace("corpus:\n", "corpus:\n  sources: []\n")
        + "data: {root: own, train: [a], dev: [b], test: [c], unpaired: []}\n"
    )
    assert "the set 'a' is not in own (corpus.sources is empty: make the set there, with a file text)" in (
        complaint("corpus")
    )
    for name, source in (("a", "mini_train"), ("b", "mini_dev"), ("c", "mini_test")):
        folder = Path("own", name)
        folder.mkdir(parents=True)
        pieces, segments, begun = [], {}, 0.0
        for utterance, audio in read_table(Path("data", source, "wav.scp")).items():
            pieces.append(soundfile.read(audio)[0])
            ended = begun + len(pieces[-1]) / 16000
            segments[utterance] = f"tape {begun:.4f} {ended:.4f}"
            begun = ended
        soundfile.write(folder / "tape.wav", np.concatenate(pieces), 16000)
        (folder / "wav.scp").write_text(f"tape {folder}/tape.wav\n")
        write_table(folder / "segments", segments)
        for file in ("text", "utt2spk", "utt2lang"):
            shutil.copy(Path("data", source, file), folder)
    capsys.readouterr()
    assert stage("corpus") == 0
    assert "stage 1 corpus: nothing, corpus.sources is empty: 3 own sets -> own" in capsys.readouterr().out
    for name in ("validate", "lexicon", "features", "tokenizer"):
        assert stage(name) == 0, capsys.readouterr().err
    assert len(read_table(Path("own/a/feats.scp"))) == 8
    utterance = first("segments", "../own/a")[0]
    table = read_table(Path("own/a/segments"))
    write_table(Path("own/a/segments"), {**table, utterance: "tape 900 901"})
    said = complaint("validate")
    assert f"ERROR segment-outside own/a/segments:1 {utterance}: tape 900 901 lies outside its recording of " in said
    assert f"utterance {utterance}: the segment tape 900 901 lies outside" in complaint("features", "--force")
