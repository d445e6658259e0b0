"""The server in a process of its own, asked by the clients that people have, and by those that nobody wants."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from serving.conftest import RATE, noise, sound
from serving.process import LOCAL, Running, serving
from serving.test_live import END, START, samples
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from jointst import Recogniser
from jointst.recipe.cli import main

TOKEN = "a-secret-token"
PATH = "/v1/audio/transcriptions"
STREAM = "/v1/audio/stream"
SAID = sound(1.5)
BROKEN = 100
PATIENCE = 60
"""Seconds, on a busy machine."""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LOCAL.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def server(packed_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    limits = ("--rate", "none")
    with serving(packed_once, tmp_path_factory.mktemp("server"), *limits, token=TOKEN) as running:
        yield running


def headers(server: Running, *lines: str) -> bytes:
    """The head of a request for a transcription."""
    own = (f"POST {PATH} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Authorization: Bearer {TOKEN}")
    kind = "Content-Type: multipart/form-data; boundary=x"
    return "\r\n".join((*own, kind, *lines, "", "")).encode()


def form(content: bytes) -> bytes:
    """The body of one."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    return head + content + b"\r\n--x--\r\n"


def listen(server: Running) -> ClientConnection:
    address = f"ws://127.0.0.1:{server.port}{STREAM}"
    return connect(address, additional_headers={"Authorization": f"Bearer {TOKEN}"}, proxy=None)


def raw(server: Running, *parts: bytes, wait: bool = True) -> bytes:
    """Send bytes as they are; what comes back, until the server closes or nothing comes."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while wait:
            try:
                more = connection.recv(1 << 16)
            except (ConnectionError, TimeoutError):
                break
            answer += more
            if not more or b'"error"' in answer:
                break
        return answer


def test_openais_client(server: Running, recogniser: Recogniser, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(SAID)
    said = recogniser.transcribe(tmp_path / "a.wav")
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["toy"]
        ask = client.audio.transcriptions.create
        assert ask(model="toy", file=tmp_path / "a.wav").text == said.text
        verbose = ask(
            model="toy",
            file=("a.wav", SAID),
            language="en",
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        assert verbose.words is not None
        assert [(word.word, word.start) for word in verbose.words] == [(word.text, word.start) for word in said.words]
        assert verbose.segments is not None
        assert [segment.text for segment in verbose.segments] == [segment.text for segment in said.segments]
        assert verbose.duration == 1.5
        assert "-->" in ask(model="toy", file=("a.wav", SAID), response_format="srt")
        assert ask(model="toy", file=("a.wav", SAID), response_format="vtt").startswith("WEBVTT")
        own = {"search": "beam", "decoder": "streaming", "phrases": ["the window\t30"]}
        assert ask(model="toy", file=("a.wav", SAID), extra_body=own).text != said.text
        with pytest.raises(openai.BadRequestError, match="is an empty file"):
            ask(model="toy", file=("a.wav", b""))
        with pytest.raises(openai.NotFoundError, match="there is no model 'whisper-1'"):
            ask(model="whisper-1", file=("a.wav", SAID))
        ask = client.with_options(api_key="sk-wrong").audio.transcriptions.create
        with pytest.raises(openai.AuthenticationError, match="the token is wrong"):
            ask(model="toy", file=("a.wav", SAID))


def test_a_websocket_client(server: Running, recogniser: Recogniser) -> None:
    stream = recogniser.stream(RATE)
    wanted = [t.text for t in (*stream.accept((noise(2.0) * 2**15).round() / 2**15), *stream.finish()) if t.final]
    with listen(server) as client:
        client.send(json.dumps(START))
        for first in range(0, len(samples(2.0)), 1280):
            client.send(samples(2.0)[first : first + 1280])
        client.send(json.dumps(END))
        said = [json.loads(message) for message in client]
    assert client.close_code == 1000
    kinds = [message["type"] for message in said]
    assert kinds[:2] == ["ready", "partial"]
    assert kinds[-2:] == ["final", "done"]
    assert [message["text"] for message in said if message["type"] == "final"] == wanted


def heard(client: ClientConnection, messages: Sequence[Any] = ()) -> tuple[list[str], str]:
    """The kinds of what the server says to messages, and how it ends."""
    said: list[str] = []
    try:
        for message in messages:
            client.send(message if isinstance(message, bytes) else json.dumps(message))
        while True:
            said.append(json.loads(client.recv(PATIENCE))["type"])
    except ConnectionClosed as closed:
        return said, "cut off" if closed.rcvd is None else f"closed {closed.rcvd.code}"


def talk(*messages: Any) -> Callable[[Running], str]:
    """A stream of these messages; how it ends."""

    def run(server: Running) -> str:
        with listen(server) as client:
            return heard(client, messages)[1]

    return run


def post(content: bytes = SAID, token: str = TOKEN, **fields: str) -> Callable[[Running], str]:
    """A request; its status."""

    def run(server: Running) -> str:
        authorised = {"authorization": f"Bearer {token}"}
        answer = httpx2.post(
            f"{server.url}{PATH}", headers=authorised, files={"file": ("a.wav", content)}, data=fields, timeout=PATIENCE
        )
        assert answer.status_code == 200 or answer.json()["error"]["message"]
        return str(answer.status_code)

    return run


def send(*parts: Any, wait: bool = True) -> Callable[[Running], str]:
    """Bytes, or lines of the head of a request; the status."""

    def run(server: Running) -> str:
        sent = [part if isinstance(part, bytes) else headers(server, *part) for part in parts]
        return raw(server, *sent, wait=wait)[9:12].decode()

    return run


def vanish(server: Running) -> str:
    """A stream whose client is gone without a word."""
    with listen(server) as client:
        client.send(json.dumps(START))
        client.send(samples(0.5))
        client.socket.shutdown(socket.SHUT_RDWR)
    return ""


UPGRADE = (
    f"GET {STREAM} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
).encode()
KINDS: dict[str, tuple[Callable[[Running], str], str]] = {
    "empty": (post(b""), "400"),
    "picture": (post(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8), "400"),
    "half a WAV": (post(SAID[:9000]), "400"),
    "half a FLAC": (post(sound(2.0, kind="FLAC")[:9000]), "400"),
    "half an MP3": (post(sound(2.0, kind="MP3")[:2001]), "400|200"),  # where no header states its length
    "garbage": (post(bytes(range(1, 256)) * 50), "400"),
    "wrong field": (post(speed="2"), "400"),
    "wrong model": (post(model="other"), "404"),
    "wrong phrases": (post(phrases="door\tmuch"), "400"),
    "wrong token": (post(token="sk-wrong"), "401"),
    "cut upload": (send(("Content-Length: 48000",), form(SAID)[:9000], wait=False), ""),
    "form without an end": (send(("Content-Length: 9000",), form(SAID)[:9000]), "400"),
    "a terabyte": (send(("Content-Length: 1000000000000",), SAID), "413"),
    "no length": (send(("Transfer-Encoding: chunked",), b"zz\r\n"), "400"),
    "cut head": (send(b"POST /v1/audio/trans", wait=False), ""),
    "no HTTP": (send(bytes(range(256)) * 20), "400"),
    "gone at once": (send((f"Content-Length: {len(form(SAID))}",), form(SAID), wait=False), ""),
    "not JSON": (talk([]), "closed 1007"),
    "odd frame": (talk(START, b"\0\0\0"), "closed 1007"),
    "after the end": (talk(START, END, b"\0\0"), "closed 10(07|00)"),
    "too large": (talk(START, bytes(3 << 20)), "closed 1009|cut off"),
    "wrong stream": (talk({**START, "decoder": "best"}), "closed 1007"),
    "wrong stream token": (talk({**START, "token": "wrong"}), "closed 1008"),
    "vanished": (vanish, ""),
    "not masked": (send(UPGRADE, b"\x82\x05hello"), "101"),
}  # fmt: skip


def settled(server: Running) -> tuple[list[str], float]:
    """What the server has open, and its tasks, once it has let go of what it can."""
    found: tuple[list[str], float] = ([], 0.0)
    for _ in range(100):
        metrics = httpx2.get(
            f"{server.url}/metrics", headers={"authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE
        ).text
        tasks = float(re.search(r"^jointst_tasks (\S+)", metrics, re.M)[1])  # type: ignore[index]
        time.sleep(0.2)  # in which it sees that this client has left
        now = (server.files, tasks)
        quiet = "jointst_requests_running 0.0" in metrics and "jointst_streams_open 0.0" in metrics
        if quiet and now == found:
            return now
        found = now
    raise AssertionError(f"it does not settle: {found}")


def test_broken_requests_leave_nothing_behind(server: Running, recogniser: Recogniser, tmp_path: Path) -> None:
    def all_kinds(count: int) -> None:
        for number, (name, (run, wanted)) in zip(range(count), list(KINDS.items()) * count, strict=False):
            assert re.fullmatch(wanted, found := run(server)), f"{number}: {name}: {found!r}"

    all_kinds(len(KINDS))
    before = settled(server)
    all_kinds(BROKEN)
    files, tasks = settled(server)
    kinds = [re.sub(r"\d+", "N", file) for file in files]
    assert sorted(kinds) == sorted(re.sub(r"\d+", "N", file) for file in before[0])
    assert tasks == before[1]
    assert not server.uploads
    (tmp_path / "a.wav").write_bytes(SAID)
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, max_retries=0) as client:
        found = client.audio.transcriptions.create(model="toy", file=tmp_path / "a.wav")
    assert found.text == recogniser.transcribe(tmp_path / "a.wav").text
    errors = (server.temporary.parent / "errors").read_text()
    assert "Traceback" not in errors


def test_too_many_and_too_slow(packed_once: Path, tmp_path: Path) -> None:
    with serving(packed_once, tmp_path, "--wait", "5", "--streams", "4", "--rate", "none", token=TOKEN) as server:
        assert post()(server) == "200"
        before = settled(server)
        with ExitStack() as open_streams:
            clients = []
            for number in range(100):
                clients.append(open_streams.enter_context(listen(server)))
                if number < 10:
                    with suppress(ConnectionClosed):  # too many already
                        clients[-1].send(json.dumps(START))
            ends = [heard(client)[1] for client in clients]
        assert set(ends) == {"closed 1008", "closed 1013"}, "too many, or they say nothing"
        assert ends[:10].count("closed 1013") > 0
        assert ends[:10].count("closed 1008") >= 4
        slow = raw(server, headers(server, "Content-Length: 48000"), form(SAID)[:9000])
        assert slow.startswith(b"HTTP/1.1 408"), "an upload that does not come to its end"
        assert talk(START, samples(0.5), END)(server) == "closed 1000"
        assert post()(server) == "200"
        after = settled(server)
        kinds = [sorted(re.sub(r"\d+", "N", file) for file in files) for files, _ in (before, after)]
        assert kinds[0] == kinds[1]
        assert before[1] == after[1]
    assert "Traceback" not in (tmp_path / "errors").read_text()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_stopping(packed_once: Path, tmp_path: Path, sig: signal.Signals) -> None:
    with serving(packed_once, tmp_path, "--wait", "100", "--grace", "100") as server:
        content = form(SAID)
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as running, listen(server) as stream:
            running.sendall(headers(server, f"Content-Length: {len(content)}") + content[:9000])
            stream.send(json.dumps(START))
            stream.send(samples(1.0))
            assert json.loads(stream.recv(PATIENCE))["type"] == "ready"
            server.process.send_signal(sig)
            said, end = heard(stream)
            assert end == "closed 1012"
            assert said[-2:] == ["final", "done"]
            answer = httpx2.get(f"{server.url}/v1/models", timeout=PATIENCE)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stopping")
            running.sendall(content[9000:])
            assert running.recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert server.process.wait(PATIENCE) == 0
        assert not list(tmp_path.glob("temporary/jointst-*"))
    assert "Traceback" not in (tmp_path / "errors").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "absent"], "absent: there is no such folder of a packed model"),
        (["--search", "widest"], "invalid choice: 'widest'"),
        (["--rate", "often"], "rate: is 'often'"),
        (["--queue", "0"], "queue: is 0"),
        (["--wait", "nan"], "wait: is nan"),
        (["--token-file", "absent"], "absent: is no file of a token"),
        (["--token-file", "short"], "short: holds no token of at least 8"),
        (["--key", "short"], "--certificate and --key belong together"),
        (["--certificate", "absent", "--key", "short"], "absent: there is no such file of a certificate"),
        (["--host", "nowhere.invalid"], "there is no address nowhere.invalid"),
        (["--host", "192.0.2.1"], "192.0.2.1:8000 cannot be listened at"),
        (["--port", "70000"], "port: is 70000"),
        (["--beam", "0"], "beam: is 0"),
    ],
)
def test_wrong_options(
    packed_once: Path,
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("short").write_text("1234567\n")
    assert main(["serve", "--model", str(packed_once), *options]) == 1
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors


def test_a_port_that_is_taken(packed_once: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--model", str(packed_once), "--port", str(port)]) == 1
    assert f"127.0.0.1:{port} cannot be listened at: Address already in use" in capsys.readouterr().err
