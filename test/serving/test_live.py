"""Live audio over a WebSocket: texts, and what ends a stream."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from serving.conftest import RATE, Start, noise
from starlette.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocket, WebSocketDisconnect

from jointst import Recogniser
from jointst.serving import live

URL = "/v1/audio/stream"
START = {"type": "start", "sample_rate": RATE}
END = {"type": "end"}


def samples(seconds: float, seed: int = 0) -> bytes:
    return (noise(seconds, seed) * 2**15).round().clip(-(2**15), 2**15 - 1).astype("<i2").tobytes()


def talk(client: TestClient, messages: Sequence[Any], **options: Any) -> tuple[list[dict[str, Any]], int, str]:
    """What the server says to messages, and how it closes."""
    with client.websocket_connect(URL, **options) as socket:
        for message in messages:
            if isinstance(message, bytes):
                socket.send_bytes(message)
            else:
                socket.send_text(message if isinstance(message, str) else json.dumps(message))
        return listen(socket)


def listen(socket: WebSocketTestSession) -> tuple[list[dict[str, Any]], int, str]:
    """All that the server says, and how it closes."""
    said = []
    while True:
        try:
            said.append(socket.receive_json())
        except WebSocketDisconnect as closed:
            return said, closed.code, closed.reason


@pytest.mark.parametrize("piece", [640, 3200, 200_000])
@pytest.mark.parametrize("decoder", ["streaming", "full_context"])
def test_the_text_is_that_of_the_stream(client: TestClient, recogniser: Recogniser, piece: int, decoder: str) -> None:
    audio = samples(3.0)
    pieces = [audio[first : first + piece] for first in range(0, len(audio), piece)]
    said, code, _ = talk(client, [{**START, "decoder": decoder}, *pieces, END])
    assert code == 1000
    assert [message["type"] for message in said[:2]] == ["ready", "partial"]
    assert said[-1] == {"type": "done", "seconds": 3.0}
    stream = Recogniser(recogniser.trained, decoder=decoder).stream(RATE)  # type: ignore[arg-type]
    heard = np.frombuffer(audio, "<i2").astype(np.float32) / 2**15
    wanted = [t.text for t in (*stream.accept(heard), *stream.finish()) if t.final]
    assert [message["text"] for message in said if message["type"] == "final"] == wanted


def test_phrases_and_beam(client: TestClient) -> None:
    audio = samples(1.5)
    plain = talk(client, [{**START, "search": "beam"}, audio, END])[0]
    raised = talk(client, [{**START, "search": "beam", "phrases": [["the window", 30], "door"]}, audio, END])[0]
    assert raised[-2]["text"] != plain[-2]["text"]


def test_a_client_that_is_gone_before_it_is_answered_is_no_fault(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """uvicorn has closed the connection by itself, and refuses what is sent then."""

    async def send_json(*_: Any) -> None:
        raise RuntimeError("Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.")

    def gone() -> float:
        registry = client.app.state.service.metrics.registry  # type: ignore[attr-defined]
        labels = {"route": "/v1/audio/stream", "status": str(live.GONE)}
        return float(registry.get_sample_value("jointst_requests_total", labels) or 0.0)

    before = gone()
    monkeypatch.setattr(WebSocket, "send_json", send_json)
    with client.websocket_connect(URL) as socket:
        socket.send_text(json.dumps(START))
        for _ in range(100):
            if gone() > before:
                break
            time.sleep(0.1)
    assert gone() == before + 1
    assert "a live stream failed" not in caplog.text


def test_streams_beside_each_other(client: TestClient) -> None:
    alone = [talk(client, [START, samples(1.5, seed), END])[0][-2]["text"] for seed in range(3)]
    with (
        client.websocket_connect(URL) as first,
        client.websocket_connect(URL) as second,
        client.websocket_connect(URL) as third,
    ):
        sockets = (first, second, third)
        for socket in sockets:
            socket.send_json(START)
        for start in range(0, len(samples(1.5)), 6400):
            for seed, socket in enumerate(sockets):
                socket.send_bytes(samples(1.5, seed)[start : start + 6400])
        for seed, socket in enumerate(sockets):
            socket.send_json(END)
            said = [socket.receive_json()]
            while said[-1]["type"] != "done":
                said.append(socket.receive_json())
            assert said[-2]["text"] == alone[seed]
    assert len(set(alone)) == 3


@pytest.mark.parametrize(
    ("messages", "code", "said"),
    [
        (["nonsense"], 1007, "must be samples or a JSON object"),
        (["[" * 100_000], 1007, "must be samples or a JSON object"),
        (["[]"], 1007, "must be samples or a JSON object"),
        ([b"\0\0"], 1007, "must be samples or a JSON object"),
        ([END], 1007, "the first message must be JSON"),
        ([{"type": "start"}], 1007, "rate"),
        ([{**START, "sample_rate": 10}], 1007, "rate"),
        ([{**START, "sample_rate": "16000"}], 1007, "rate"),
        ([{**START, "sample_rate": float("nan")}], 1007, "rate"),
        ([{**START, "speed": 2}], 1007, "there is no field 'speed'"),
        ([{**START, "language": ["en"]}], 1007, "language is"),
        ([{**START, "decoder": 1}], 1007, "decoder is"),
        ([{**START, "phrases": "door"}], 1007, "phrases are no list"),
        ([{**START, "phrases": [["door", "much"]]}], 1007, "phrase 1"),
        ([{**START, "phrases": ["\ud800"]}], 1007, "phrase 1"),
        ([{**START, "\ud800": 1}], 1007, "there is no field"),
        ([{**START, "model": "other"}], 1008, "there is no model 'other'"),
        ([START, b"\0"], 1007, "not a whole number of 16-bit samples"),
        ([START, samples(0.5), "nonsense"], 1007, "must be samples or a JSON object"),
        ([START, samples(0.5), START], 1007, "the only message"),
    ],
)
def test_streams_that_are_ended(client: TestClient, messages: list[Any], code: int, said: str) -> None:
    found, closed, reason = talk(client, messages)
    assert closed == code
    assert said in found[-1]["error"]["message"]
    assert reason
    assert found[-1]["error"]["message"].startswith(reason[:40])
    assert talk(client, [START, samples(0.5), END])[1] == 1000, "the next one is served"


def test_samples_after_the_end(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*arguments: Any) -> Any:
        time.sleep(0.5)
        return step(*arguments)

    step = live._step
    monkeypatch.setattr(live, "_step", slowly)
    said, code, _ = talk(client, [START, END, samples(0.1)])
    assert code == 1007
    assert "after the end" in said[-1]["error"]["message"]


def test_too_long(start: Start) -> None:
    said, code, _ = talk(start(stream_seconds=1.0), [START, samples(1.5), END])
    assert (code, said[-1]["error"]["code"]) == (1009, "audio_too_long")


def test_too_slow(start: Start) -> None:
    client = start(wait=0.2)
    for messages in ([], [START]):
        said, code, _ = talk(client, messages)
        assert (code, said[-1]["error"]["code"]) == (1008, "timeout")


def test_too_many(start: Start) -> None:
    client = start(streams=1)
    with client.websocket_connect(URL) as first:
        first.send_json(START)
        assert first.receive_json()["type"] == "ready"
        said, code, _ = talk(client, [])
        assert (code, said[-1]["error"]["code"]) == (1013, "too_many_streams")
    assert talk(client, [START, END])[1] == 1000


def test_clients_that_say_nothing_hold_no_place(start: Start) -> None:
    client = start(streams=1, token="a-secret-token")
    with client.websocket_connect(URL), client.websocket_connect(URL):
        assert talk(client, [{**START, "token": "a-secret-token"}, END])[1] == 1000


def test_rate(start: Start) -> None:
    client = start(rate="1/hour")
    assert talk(client, [START, END])[1] == 1000
    said, code, _ = talk(client, [START, END])
    assert (code, said[-1]["error"]["code"]) == (1013, "rate_limit_exceeded")


@pytest.mark.parametrize(
    ("fields", "headers", "code"),
    [
        ({"token": "a-secret-token"}, {}, 1000),
        ({}, {"authorization": "Bearer a-secret-token"}, 1000),
        ({}, {}, 1008),
        ({"token": "wrong"}, {"authorization": "Bearer a-secret-token"}, 1008),
        ({"token": 5}, {}, 1008),
        ({"token": "\ud800"}, {}, 1008),
    ],
)
def test_tokens(start: Start, fields: dict[str, Any], headers: dict[str, str], code: int) -> None:
    client = start(token="a-secret-token")
    assert talk(client, [{**START, **fields}, END], headers=headers)[1] == code


@pytest.mark.parametrize("headers", [{"origin": "http://other.example"}, {"host": "other.example"}])
def test_other_sites(start: Start, headers: dict[str, str]) -> None:
    client = start(hosts=("localhost",))
    with pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)):
        talk(client, [START, END], headers=headers)


def test_a_server_that_stops_says_what_it_has_heard(client: TestClient) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    with client.websocket_connect(URL) as socket:
        socket.send_json(START)
        socket.send_bytes(samples(1.0))
        said = [socket.receive_json(), socket.receive_json()]
        service.stopping = True
        client.portal.call(service.closing.set)  # type: ignore[union-attr]
        rest, code, _ = listen(socket)
    said += rest
    assert code == 1012
    assert [message["type"] for message in said[-2:]] == ["final", "done"]
    assert service.idle
