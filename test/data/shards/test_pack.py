"""``jointst shard``: what it packs reads back the same, by us and by webdataset; it goes on after any break."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from data.shards.speech import ODD, make_directory

from jointst.common.errors import DataError, JointstError
from jointst.data.shards import pack
from jointst.data.shards.command import run
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.places import Place
from jointst.kaldi.tables import read_table


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shard(*more: str, source: str = "data/x_train", out: str = "data/packed") -> DataDirectory:
    assert run([source, "--shards", "shards/x", "--out", out, "--utterances", "2", "--nj", "1", *more]) == 0
    return DataDirectory.read(Path(out))


def shards() -> dict[str, tuple[int, bytes]]:
    """Inode and content of each file of the shards."""
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in sorted(Path("shards/x").iterdir())}


@pytest.mark.parametrize("segments", [False, True])
def test_sounds_read_back_the_same(segments: bool) -> None:
    source = make_directory(segments=segments)
    made = shard()
    assert made.text == source.text
    assert made.utt2lang == source.utt2lang
    assert made.utt2spk == source.utt2spk
    assert made.phones == source.phones
    assert not made.segments
    lengths = read_table(Path("data/packed/utt2dur"))
    for name in source.text:
        expected = load_audio(source.wav_scp[name], source.segments.get(name), 16000)
        found = load_audio(made.wav_scp[name], None, 16000)
        np.testing.assert_array_equal(found, expected)
        assert float(lengths[name]) == len(expected) / 16000
    assert sorted(shards()) == [f"00000{n}.{kind}" for n in range(3) for kind in ("jsonl", "tar")]


def test_other_rates_and_channels_become_one(capsys: pytest.CaptureFixture[str]) -> None:
    source = make_directory(rate=22050)
    first = source.utterances[0]
    soundfile.write(source.wav_scp[first], np.full((8000, 2), 0.25), 8000)
    made = shard()
    assert "3 shards (3 made now) of 0.00 h in shards/x -> data/packed" in capsys.readouterr().out
    for name in source.text:
        expected = load_audio(source.wav_scp[name], None, 16000)
        found = load_audio(made.wav_scp[name], None, 16000)
        np.testing.assert_allclose(found, expected, atol=0.51 / 32768)


def test_webdataset_reads_them() -> None:
    webdataset = pytest.importorskip("webdataset")
    source = make_directory()
    made = shard()
    urls = sorted(str(path.absolute()) for path in Path("shards/x").glob("*.tar"))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    assert len(samples) == len(ODD)
    for sample in samples:
        about = json.loads(sample["json"])
        name = about["utterance"]
        assert about["text"] == source.text[name]
        place = Place.parse(made.wav_scp[name])
        assert place is not None
        with open(place.shard, "rb") as file:
            file.seek(place.first)
            assert file.read(place.size) == sample["flac"]


def test_tar_reads_them() -> None:
    make_directory()
    shard()
    with tarfile.open("shards/x/000000.tar") as tar:
        names = tar.getnames()
    assert len(names) == 4
    assert all(name.count(".") == 1 and "/" not in name for name in names)


def test_what_is_finished_is_not_made_again() -> None:
    make_directory()
    shard()
    before = shards()
    shard()
    assert shards() == before
    Path("shards/x/000001.jsonl").unlink()  # as after kill -9 between the shard and its index
    Path("shards/x/000002.tar").write_bytes(before["000002.tar"][1][:-600])  # as after a copy that broke off
    Path("shards/x/000000.jsonl").write_text("{}\n")
    shard()
    after = shards()
    assert {name: content for name, (_, content) in after.items()} == {n: c for n, (_, c) in before.items()}
    shard("--force")
    assert all(shards()[name][0] != after[name][0] for name in after if name.endswith("tar"))


def test_changed_audio_makes_its_shard_alone_again() -> None:
    source = make_directory()
    shard()
    before = shards()
    soundfile.write(source.wav_scp[source.utterances[0]], np.full(8000, 0.2), 16000)
    shard()
    changed = {name for name, content in shards().items() if content != before[name]}
    assert changed == {"000000.jsonl", "000000.tar"}


def test_killed_it_goes_on_and_nothing_half_written_is_used() -> None:
    ids = tuple(f"s-{number:03d}" for number in range(60))
    make_directory(ids=ids)
    words = ["data/x_train", "--shards", "shards/x", "--out", "data/packed", "--utterances", "2", "--nj", "1"]
    process = subprocess.Popen([sys.executable, "-m", "jointst", "shard", *words], start_new_session=True)
    try:
        for _ in range(6000):
            if len(list(Path("shards/x").glob("*.jsonl"))) >= 3:
                break
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    left = len(list(Path("shards/x").glob("*.jsonl")))
    assert 3 <= left < 30
    assert not Path("data/packed/text").exists()
    made = shard()
    assert len(made.wav_scp) == 60
    assert not [path for path in Path("shards/x").iterdir() if path.name.startswith(".")]
    for entry in made.wav_scp.values():
        assert len(load_audio(entry, None, 16000)) >= 8000


def test_two_processes_give_the_same_bytes() -> None:
    make_directory()
    shard()
    before = {name: content for name, (_, content) in shards().items()}
    shard("--nj", "2", "--force")
    assert {name: content for name, (_, content) in shards().items()} == before


def test_unreadable_audio_is_named_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    source = make_directory()
    Path(source.wav_scp["s-plain"]).write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"1 of 5 utterances have no usable audio.*--max_failures above 0\.2"):
        shard()
    assert not Path("data/packed/text").exists()
    made = shard("--max_failures", "0.3")
    assert made.text.keys() == source.text.keys() - {"s-plain"}
    assert "utterance s-plain: is no sound but text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere: there is no such folder or file"),
        (["data/x_train", "--rate", "0"], "--rate: is 0"),
        (["data/x_train", "--utterances", "0"], "--utterances: is 0"),
        (["data/x_train", "--nj", "0"], "--nj: is 0"),
        (["data/x_train", "--max_failures", "1"], "--max_failures: is 1"),
        (["data/x_train", "--language", "xx"], "--language: is xx"),
        (["data/x_train", "--shards", ""], "--shards: is ''"),
        (["data/x_train", "--out", "s3://b/x"], "--out: is s3://b/x, a URL"),
        (["data/x_train", "--out", "data/x_train"], "--out: is data/x_train, the source itself"),
        (["data/x_train", "--shards", "ftpx://host/x"], "of an unknown kind"),
        (["data/text_only"], "a set without audio"),
        (["data/x_train", "--huh"], "jointst shard --help"),
    ],
)
def test_what_cannot_work_is_refused(words: list[str], said: str) -> None:
    source = make_directory()
    DataDirectory(Path("t"), dict(source.text)).write(Path("data/text_only"))
    source_name, *more = words
    with pytest.raises(JointstError, match=said):
        run([source_name, "--shards", "shards/x", "--out", "data/packed", "--nj", "1", *more])


def test_a_shard_is_the_same_whenever_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    make_directory()
    shard()
    before = shards()
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(pack, "VERSION", 99)
    shard()
    assert all(shards()[name][1] == content for name, (_, content) in before.items() if name.endswith("tar"))
