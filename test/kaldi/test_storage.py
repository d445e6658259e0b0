"""Sounds of shards by byte ranges: here, over HTTP, from an S3 server; networks that fail, shards that are broken."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data.shards.server import serving
from data.shards.speech import make_directory

from jointst.common.errors import DataError, EnvironmentFault
from jointst.data.shards.command import run
from jointst.kaldi import storage
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.places import Place


@pytest.fixture(autouse=True)
def _shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of two utterances each in ``shards/x``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(storage, "FIRST_WAIT", 0.01)
    make_directory()
    run(["data/x_train", "--shards", "shards/x", "--out", "data/packed", "--utterances", "2", "--nj", "1"])


def entries() -> dict[str, str]:
    return DataDirectory.read(Path("data/packed")).wav_scp


def samples(entry: str) -> np.ndarray:
    return load_audio(entry, None, 16000, utterance="u")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def overwrite(path: Path) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


def flip(path: Path) -> None:
    """Another sound in the middle of the first one."""
    content = bytearray(path.read_bytes())
    content[3000:5000] = bytes(2000)
    path.write_bytes(bytes(content))


BROKEN: list[tuple[str, Callable[[Path], object], str]] = [
    ("cut off", cut, r"is cut off: it holds \d+ of the \d+ bytes from byte \d+ on"),
    ("overwritten", overwrite, r"is damaged, or another shard of this name: what begins at byte \d+ is no FLAC"),
    ("missing", Path.unlink, "there is no such file"),
    ("flipped", flip, r"is damaged, .*cannot be decoded"),
]


@pytest.mark.parametrize(("damage", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
@pytest.mark.parametrize("remote", [False, True])
def test_a_broken_shard_is_named(damage: Callable[[Path], object], said: str, remote: bool) -> None:
    entry = entries()["s-a.b"]
    damage(Path("shards/x/000000.tar"))
    with serving(Path.cwd()) as server:
        where = f"{server.url}/" if remote else ""
        with pytest.raises(DataError, match=rf"^{where}shards/x/000000\.tar utterance u: {said}") as raised:
            samples(where + entry)
    assert raised.value.fix


def test_only_the_bytes_of_a_sound_are_read() -> None:
    with serving(Path.cwd()) as server:
        for entry in entries().values():
            server.asked.clear()
            np.testing.assert_array_equal(samples(f"{server.url}/{entry}"), samples(entry))
            place = Place.parse(entry)
            assert place is not None
            assert server.asked == [place.size]


def test_what_fails_is_tried_again() -> None:
    entry = entries()["s-plain"]
    with serving(Path.cwd()) as server:
        server.failures = storage.TRIES - 1
        np.testing.assert_array_equal(samples(f"{server.url}/{entry}"), samples(entry))
        server.failures = 100
        with pytest.raises(DataError, match=r"000000\.tar utterance u: cannot be reached, tried 6 times: .*503"):
            samples(f"{server.url}/{entry}")
        server.failures, server.denies = 0, True
        with pytest.raises(DataError, match=r"000000\.tar utterance u: cannot be had: 403.*give access"):
            samples(f"{server.url}/{entry}")
        gone = server.url
    with pytest.raises(DataError, match="cannot be reached, tried 6 times"):
        samples(f"{gone}/{entry}")


def test_a_server_without_ranges_is_refused() -> None:
    with (
        serving(Path.cwd(), ranges=False) as server,
        pytest.raises(DataError, match="is sent whole, where a part was asked for"),
    ):
        samples(f"{server.url}/{entries()['s-plain']}")


def _length(entry: str) -> int:
    return len(samples(entry))


def test_processes_that_are_forked_read_as_well() -> None:
    """As the loader processes of a training that has read before."""
    with serving(Path.cwd()) as server:
        remote = [f"{server.url}/{entry}" for entry in entries().values()]
        expected = [_length(entry) for entry in remote]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map_async(_length, remote).get(60) == expected


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", fail)
    with pytest.raises(EnvironmentFault, match=r"s3://b/x\.tar cannot be read: Install s3fs.*--extra shards"):
        samples("s3://b/x.tar:0:10")


def test_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    try:
        import s3fs

        s3fs.S3FileSystem().mkdir("bucket")
        words = ["--shards", "s3://bucket/x", "--out", "data/remote", "--utterances", "2", "--nj", "2"]
        for made in (3, 0):
            run(["data/x_train", *words])
            index = storage.read_whole("s3://bucket/x/000000.jsonl")
            assert index is not None, made
        remote = DataDirectory.read(Path("data/remote")).wav_scp
        for name, entry in entries().items():
            assert remote[name].startswith("s3://bucket/x/00000")
            np.testing.assert_array_equal(samples(remote[name]), samples(entry))
        with pytest.raises(DataError, match=r"s3://bucket/x/000009\.tar utterance u: there is no such file"):
            samples("s3://bucket/x/000009.tar:0:10")
        with pytest.raises(DataError, match=r"is cut off: it holds 0 of the 10 bytes"):
            samples("s3://bucket/x/000000.tar:9999999:10")
    finally:
        server.stop()
