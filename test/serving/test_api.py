"""Requests for the text of files: forms of the answer, fields, limits and who may ask."""

from __future__ import annotations

import dataclasses
import errno
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from serving.conftest import RATE, Start, noise, sound
from starlette.testclient import TestClient

from jointst import Recogniser
from jointst.serving.app import PAGE

URL = "/v1/audio/transcriptions"
SAID = sound(1.5)


def ask(client: TestClient, content: bytes = SAID, name: str = "a.wav", **fields: Any) -> Any:
    headers = fields.pop("headers", None)
    return client.post(URL, files={"file": (name, content)}, data=fields, headers=headers)


def test_the_text_is_what_the_object_says(client: TestClient, recogniser: Recogniser, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(SAID)
    said = recogniser.transcribe(tmp_path / "a.wav").text
    assert said
    assert ask(client, model="toy").json() == {"text": said, "usage": {"type": "duration", "seconds": 2}}


def test_a_long_file_is_cut_at_its_silences(client: TestClient, recogniser: Recogniser, tmp_path: Path) -> None:
    parts = [part for seed in range(6) for part in (noise(6.0, seed), np.zeros(RATE, np.float32))]
    soundfile.write(tmp_path / "long.wav", np.concatenate(parts), RATE)
    content = (tmp_path / "long.wav").read_bytes()
    answer = ask(client, content, response_format="verbose_json", decoder="streaming").json()
    said = Recogniser(recogniser.trained, decoder="streaming").transcribe(tmp_path / "long.wav")
    assert answer["text"] == said.text
    assert [segment["start"] for segment in answer["segments"]] == [segment.start for segment in said.segments]
    assert len(said.segments) > 1


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "AIFF"])
def test_any_container(client: TestClient, kind: str) -> None:
    assert ask(client, sound(1.0, kind=kind), name="noise").json()["text"]


@pytest.mark.parametrize(
    ("form", "media", "begins"),
    [
        ("text", "text/plain", r"\S"),
        ("srt", "application/x-subrip", r"1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\n\S"),
        ("vtt", "text/vtt", r"WEBVTT\n\n1\n00:00:00\.\d{3} --> 00:00:0\d\.\d{3}\n\S"),
    ],
)
def test_forms_of_text(client: TestClient, form: str, media: str, begins: str) -> None:
    answer = ask(client, response_format=form)
    assert answer.headers["content-type"].startswith(media)
    assert re.match(begins, answer.text)


@pytest.mark.parametrize("asked", [[], ["word"], ["segment"], ["word", "segment"]])
def test_verbose_json(client: TestClient, asked: list[str]) -> None:
    answer = ask(client, response_format="verbose_json", language="en", **{"timestamp_granularities[]": asked}).json()
    assert answer["language"] == "english"
    assert answer["duration"] == 1.5
    assert ("words" in answer) == ("word" in asked)
    assert ("segments" in answer) == ("segment" in asked or not asked)
    for part in answer.get("words", []) + answer.get("segments", []):
        assert 0 <= part["start"] <= part["end"] <= 1.5


@pytest.mark.parametrize(
    "fields",
    [
        {"decoder": "streaming"},
        {"search": "beam"},
        {"phrases": "the window\nопен\t2".replace("опен", "открой дверь")},
        {"phrases[]": ["the window", "door\t2.5"], "language": "en"},
        {"temperature": "0", "stream": "false", "prompt": "", "chunking_strategy": "auto"},
    ],
)
def test_fields_that_are_taken(client: TestClient, fields: dict[str, Any]) -> None:
    answer = ask(client, **fields)
    assert answer.status_code == 200, answer.text


def test_phrases_change_the_text(client: TestClient) -> None:
    raised = ask(client, phrases="the window\t30", search="beam").json()["text"]
    assert raised != ask(client, search="beam").json()["text"]


@pytest.mark.parametrize(
    ("fields", "status", "param", "code"),
    [
        ({"model": "whisper-1"}, 404, "model", "model_not_found"),
        ({"language": "tl"}, 400, "language", "invalid_value"),
        ({"decoder": "best"}, 400, "decoder", "invalid_value"),
        ({"search": "widest"}, 400, "search", "invalid_value"),
        ({"response_format": "docx"}, 400, "response_format", "invalid_value"),
        ({"temperature": "0.7"}, 400, "temperature", "invalid_value"),
        ({"temperature": "warm"}, 400, "temperature", "invalid_value"),
        ({"temperature": "nan"}, 400, "temperature", "invalid_value"),
        ({"prompt": "a talk on birds"}, 400, "prompt", "invalid_value"),
        ({"stream": "true"}, 400, "stream", "invalid_value"),
        ({"chunking_strategy": "server_vad"}, 400, "chunking_strategy", "invalid_value"),
        ({"timestamp_granularities[]": "word"}, 400, "timestamp_granularities", "invalid_value"),
        (
            {"timestamp_granularities[]": "label", "response_format": "verbose_json"},
            400, "timestamp_granularities", "invalid_value",
        ),
        ({"language": ["en", "ru"]}, 400, "language", "invalid_value"),
        ({"speed": "2"}, 400, "speed", "unknown_parameter"),
        ({"phrases": "door\tmuch"}, 400, "phrases", "invalid_value"),
        ({"phrases": "door\t-1"}, 400, "phrases", "invalid_value"),
        ({"phrases": "door\t1\t1"}, 400, "phrases", "invalid_value"),
        ({"phrases": "€€€"}, 400, "phrases", "invalid_value"),
        ({"phrases": "x" * 300}, 400, "phrases", "invalid_value"),
        ({"phrases": "door\n" * 1001}, 400, "phrases", "invalid_value"),
        ({"phrases": "do\x00or"}, 400, "phrases", "invalid_value"),
    ],
)  # fmt: skip
def test_fields_that_are_refused(
    client: TestClient, fields: dict[str, Any], status: int, param: str, code: str
) -> None:
    answer = ask(client, **fields)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
    assert error["message"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is an empty file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "a picture (PNG)"),
        (sound(1.0)[:9000], "cut off"),
        (sound(2.0, kind="FLAC")[:9000], "cut off"),
        (b"hello, this is text", "is no sound but text"),
        (bytes(5000), "holds zero bytes"),
        (b"\xf5" * 5000, "the file"),
        (b"ffconcat version 1.0\n#\1\nfile a.wav\n", "a playlist"),
        (b"#EXTM3U\n#\1\n#EXTINF:1,\nfile:///etc/passwd\n", "a playlist"),
    ],
    ids=["empty", "picture", "half a WAV", "half a FLAC", "text", "zeros", "garbage", "files by name", "addresses"],
)
def test_files_that_are_no_sound(client: TestClient, content: bytes, said: str) -> None:
    answer = ask(client, content, name="../../etc/passwd")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert said in error["message"]
    assert error["param"] == "file"
    assert "/" not in error["message"].split("(")[0], "no path of the server is told"
    assert not list(client.app.state.service.folder.iterdir())  # type: ignore[attr-defined]
    assert ask(client).status_code == 200, "the next one is served"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"data": {"model": "toy"}}, 400),
        ({"files": {"sound": ("a.wav", SAID)}}, 400),
        ({"files": [("file", ("a.wav", SAID)), ("file", ("b.wav", SAID))]}, 400),
        ({"data": {"file": "a.wav"}}, 400),
        ({"json": {"file": "a.wav"}}, 400),
        ({"content": b"--x\r\nnonsense", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"nonsense", "headers": {"content-type": "multipart/form-data"}}, 400),
    ],
)
def test_forms_that_are_none(client: TestClient, request_: dict[str, Any], status: int) -> None:
    answer = client.post(URL, **request_)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"


def _in_pieces(content: bytes) -> Iterator[bytes]:
    yield from (content[first : first + 1000] for first in range(0, len(content), 1000))


def test_uploads_that_are_too_large(start: Start) -> None:
    client = start(upload_bytes=20_000)
    for answer in (
        ask(client),
        client.post(URL, content=_in_pieces(SAID), headers={"content-type": "multipart/form-data; boundary=x"}),
    ):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"


def test_audio_that_is_too_long(start: Start) -> None:
    answer = ask(start(audio_seconds=1.0))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "audio_too_long"


@pytest.mark.parametrize(
    "place", ["jointst.serving.upload.shutil.copyfileobj", "starlette.datastructures.UploadFile.write"]
)
def test_a_full_disk(client: TestClient, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(place, fail)
        answer = ask(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_room")
    assert answer.headers["retry-after"]
    assert not list(client.app.state.service.folder.iterdir())  # type: ignore[attr-defined]
    assert ask(client).status_code == 200


def test_a_disk_that_fails_is_not_said_to_be_full(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("jointst.serving.upload.shutil.copyfileobj", fail)
        answer = ask(client)
    assert answer.status_code == 500
    assert not list(client.app.state.service.folder.iterdir())  # type: ignore[attr-defined]
    assert ask(client).status_code == 200


def test_a_model_that_hears_whole_recordings(client: TestClient) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    service.defaults = dataclasses.replace(service.defaults, decoders=("full_context",))
    assert client.get("/v1/models").json()["data"][0]["decoders"] == ["full_context"]
    assert ask(client, decoder="streaming").json()["error"]["param"] == "decoder"
    assert ask(client, decoder="full_context").status_code == 200
    with client.websocket_connect("/v1/audio/stream") as socket:
        assert socket.receive_json()["error"]["code"] == "no_streaming"
        assert socket.receive()["code"] == 1008


def test_too_many_requests_of_one_client(start: Start) -> None:
    client = start(rate="2/minute")
    assert [client.get("/v1/models").status_code for _ in range(3)] == [200, 200, 429]
    answer = client.get("/v1/models")
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert int(answer.headers["retry-after"]) == 30
    assert client.get("/healthz").status_code == 200


def test_a_full_line(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    client = start(queue=1)
    service = client.app.state.service  # type: ignore[attr-defined]
    begun, go_on = threading.Event(), threading.Event()
    recognise = service.recogniser.recognise

    def slowly(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(20)
        return recognise(*arguments)

    monkeypatch.setattr(service.recogniser, "recognise", slowly)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(ask, client)
        assert begun.wait(20)
        answer = ask(client)
        go_on.set()
        assert first.result().status_code == 200
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "queue_full"
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer a-secret-token", 200),
        ("bearer a-secret-token", 200),
        (None, 401),
        ("Bearer wrong", 401),
        ("Bearer a-secret-tokem", 401),
        ("Basic a-secret-token", 401),
        ("Bearer ", 401),
        ("Bearer \xfc", 401),
    ],
)
def test_tokens(start: Start, authorization: str | None, status: int) -> None:
    client = start(token="a-secret-token")
    headers = {} if authorization is None else {"authorization": authorization.encode("latin-1")}
    for path in ("/v1/models", "/metrics"):
        answer = client.get(path, headers=headers)
        assert answer.status_code == status
        if status == 401:
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"
    assert client.get("/").status_code == client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "rebound.example"}, 403),
        ({"host": "localhost@rebound.example"}, 403),
        ({"host": "["}, 403),
        ({"host": "localhost:1", "origin": "http://localhost:1"}, 200),
        ({"host": "localhost:1", "origin": "http://localhost:2"}, 403),
        ({"host": "localhost:1", "origin": "null"}, 403),
        ({"host": "localhost:1", "origin": "http://["}, 403),
    ],
)
def test_other_sites(start: Start, headers: dict[str, str], status: int) -> None:
    client = start(hosts=("localhost", "::1"))
    assert client.get("/v1/models", headers=headers).status_code == status
    assert ask(client, headers=headers).status_code == status


def test_stopping(client: TestClient) -> None:
    client.app.state.service.stopping = True  # type: ignore[attr-defined]
    for answer in (ask(client), client.get("/v1/models"), client.get("/healthz")):
        assert answer.status_code == 503


def test_models(client: TestClient) -> None:
    (model,) = client.get("/v1/models").json()["data"]
    assert model == client.get("/v1/models/toy").json()
    assert model["id"] == "toy"
    assert {"ar", "en", "ru", "zh"} <= set(model["languages"])
    assert client.get("/v1/models/other").json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v2", 404), ("GET", URL, 405), ("POST", "/", 405)])
def test_what_is_not_there(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == "unknown_url"


def test_counters(client: TestClient) -> None:
    ask(client)
    ask(client, b"text")
    text = client.get("/metrics").text
    assert f'jointst_requests_total{{route="{URL}",status="200"}} 1.0' in text
    assert f'jointst_requests_total{{route="{URL}",status="400"}} 1.0' in text
    assert 'jointst_audio_seconds_total{kind="files"} 1.5' in text
    assert "jointst_requests_running 0.0" in text


@pytest.mark.parametrize("path", PAGE)
def test_the_page_needs_nobody_else(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"(https?:)?//[\w-]+\.\w+", answer.text), "a third party's address"
    assert not re.search(r"<script>|<style| on\w+=| style=", answer.text), "what the policy forbids"


def test_clients_that_ask_together_share_batches_and_not_texts(client: TestClient) -> None:
    sounds = [sound(0.5 + 0.25 * (seed % 4), seed) for seed in range(12)]
    alone = [ask(client, content).json()["text"] for content in sounds]
    with ThreadPoolExecutor(12) as others:
        together = list(others.map(lambda content: ask(client, content).json()["text"], sounds))
    assert together == alone
    assert len(set(alone)) > 6
    counted = dict(re.findall(r"^(jointst_batch_segments_(?:count|sum)) (\S+)", client.get("/metrics").text, re.M))
    assert float(counted["jointst_batch_segments_sum"]) == 24
    assert float(counted["jointst_batch_segments_count"]) < 24
