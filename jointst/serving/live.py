"""Live audio over a WebSocket.

The client sends JSON first, then frames of 16-bit samples (one channel, little-endian), then JSON again:

    {"type": "start", "sample_rate": 48000, "language": "de", "decoder": ..., "search": ..., "phrases": [...]}
    {"type": "end"}

The server sends ``ready``, then ``partial`` and ``final`` texts, each partial one in place of the one before, then
``done``; or ``error`` with what a request would be told. Then it closes the stream, with a reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Coroutine
from time import monotonic
from typing import Any, TypeVar

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from jointst.common.errors import JointstError
from jointst.common.units import Seconds, samples_in, seconds_of
from jointst.decoding.streaming import StreamingRecogniser, check_rate
from jointst.decoding.transcript import Transcript
from jointst.serving.answers import live
from jointst.serving.guard import bearer, client_of
from jointst.serving.refused import INTERNAL, Refused, unusable
from jointst.serving.service import Service
from jointst.serving.wishes import Wish, read_wish

GONE = 1006
"""What is counted for a client that has left before the end."""
STEP: Seconds = 1.0
"""Audio of one turn of a stream at most: others wait no longer for theirs."""
HELD: Seconds = 10.0
"""Audio that is held for a stream; a client that sends faster than it is recognised waits."""
START_SECONDS: Seconds = 10.0
"""In which the first message must come: until then a client has a connection, and no place among the streams."""
START_FIELDS = ("type", "sample_rate", "model", "language", "decoder", "search", "phrases", "token")
BROKEN_OFF = 1006
"""The code of a connection that was not closed properly (RFC 6455)."""
WIDTH = 2
"""Bytes of a sample."""

Sent = TypeVar("Sent")


async def serve_stream(socket: WebSocket) -> None:
    """``/v1/audio/stream``."""
    service: Service = socket.app.state.service
    await socket.accept()
    code, reason = 1000, "done"
    try:
        service.check_rate(client_of(socket.scope))
        service.check_streams()
        conversation = _Conversation(socket, service)
        await conversation.start()
        with service.stream_place():  # which nobody without a token holds
            await conversation.run()
            if service.stopping:
                code, reason = 1012, "the server is stopping"
    except Refused as refused:
        code, reason = refused.close_code, refused.close_reason
        await _try(socket.send_json({"type": "error", **refused.body}), service)
    except WebSocketDisconnect:
        code = 0
    except Exception:  # a fault of ours, which ends this stream only
        logging.getLogger("uvicorn.error").exception("a live stream failed")
        code, reason = INTERNAL, "a fault of the server"
    service.metrics.requests.labels("/v1/audio/stream", code or GONE).inc()
    if code:
        await _try(socket.close(code, reason), service)


async def _try(sending: Awaitable[None], service: Service) -> None:
    """Send to a client that may have left, or does not listen."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, asyncio.TimeoutError):
        await asyncio.wait_for(sending, service.settings.wait)


class _Conversation:
    """One stream: a task takes what the client sends, another gives the recogniser its turns."""

    def __init__(self, socket: WebSocket, service: Service) -> None:
        self._socket, self._service, self._settings = socket, service, service.settings
        self._pending = bytearray()
        self._arrived = 0.0  # when the first byte of them came
        self._taken = 0  # samples
        self._ended = False
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._wish: Wish
        self._rate = 0.0

    async def start(self) -> None:
        """The first message.

        Raises:
            Refused: it is late or wrong, or the client may not ask.
            WebSocketDisconnect: it has left.
        """
        self._wish, self._rate = await self._unless_closing(self._start())

    async def run(self) -> None:
        """From ``ready`` to ``done``.

        Raises:
            Refused: the client breaks the rules.
            WebSocketDisconnect: it has left.
        """
        stream = await run_in_threadpool(self._open, self._wish)
        await self._send({"type": "ready", "model": self._service.defaults.name, "sample_rate": self._rate})
        hearing = asyncio.ensure_future(self._hear())
        stopping = asyncio.ensure_future(self._service.closing.wait())
        answering = asyncio.ensure_future(self._answer(stream))
        tasks: tuple[asyncio.Future[Any], ...] = (hearing, stopping, answering)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                self._end()
                hearing.cancel()
                await answering
            for task in (hearing, answering):  # the client's fault before the end, if there is one
                if task.done() and not task.cancelled():
                    task.result()
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _unless_closing(self, waiting: Coroutine[Any, Any, Sent]) -> Sent:
        """Wait for what the client sends, if the server does not stop before."""
        task = asyncio.ensure_future(waiting)
        stopping = asyncio.ensure_future(self._service.closing.wait())
        try:
            await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._service.check_stopping()
            return await task
        finally:
            task.cancel()
            stopping.cancel()

    async def _start(self) -> tuple[Wish, float]:
        given = self._json(await self._next(min(START_SECONDS, self._settings.wait)))
        if given.get("type") != "start":
            raise _broken('the first message must be JSON: {"type": "start", "sample_rate": 16000}')
        for name in given:
            if name not in START_FIELDS:
                message = f"there is no field {str(name)[:80]!r}; known: {' '.join(START_FIELDS)}"
                raise Refused(status=400, message=message, param=str(name)[:80], code="unknown_parameter")
        token = given.get("token")
        self._service.check_token(token if isinstance(token, str) else bearer(self._socket.headers))
        rate = given.get("sample_rate")
        try:
            check_rate(rate)  # type: ignore[arg-type]
        except JointstError as error:
            raise unusable(error, "sample_rate") from None
        return read_wish(given, self._service.defaults), float(rate)  # type: ignore[arg-type]

    def _open(self, wish: Wish) -> StreamingRecogniser:
        recogniser = self._service.recogniser
        return StreamingRecogniser(
            recogniser.trained,
            self._rate,
            decoder=wish.decoder,
            segmentation=recogniser.segmentation,
            search=self._service.searches.of(wish),
            language=wish.language,
        )

    async def _next(self, patience: Seconds) -> dict[str, Any]:
        try:
            message = await asyncio.wait_for(self._socket.receive(), patience)
        except asyncio.TimeoutError:
            problem = f"nothing came for {patience:g} s"
            raise Refused(status=408, message=problem, code="timeout") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return dict(message)

    def _json(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            given = json.loads(message.get("text") or "")
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            raise _broken("a message must be samples or a JSON object")
        return given

    async def _hear(self) -> None:
        """Take what the client sends, until it leaves."""
        most = samples_in(HELD, self._rate) * WIDTH
        while True:
            message = await self._next(self._settings.wait)
            samples = message.get("bytes")
            if self._ended:
                raise _broken("samples or a message came after the end")
            if samples is None:
                if self._json(message).get("type") != "end":
                    raise _broken('the only message behind the first one is {"type": "end"}')
                self._end()
                continue
            if len(samples) % WIDTH:
                raise _broken(f"a frame has {len(samples)} bytes, not a whole number of 16-bit samples")
            self._taken += len(samples) // WIDTH
            if seconds_of(self._taken, self._rate) > self._settings.stream_seconds:
                problem = f"the stream is longer than the {self._settings.stream_seconds:g} s that are taken"
                raise Refused(status=413, message=problem, code="audio_too_long")
            self._arrived = self._arrived if self._pending else monotonic()
            self._pending += samples
            self._changed.set()
            while len(self._pending) > most:
                self._room.clear()
                await self._room.wait()

    def _end(self) -> None:
        self._ended = True
        self._changed.set()

    async def _answer(self, stream: StreamingRecogniser) -> None:
        """Give the stream its turns, and the client what they say."""
        step = samples_in(STEP, self._rate) * WIDTH
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._pending:
                samples, arrived = bytes(self._pending[:step]), self._arrived
                del self._pending[:step]
                self._room.set()
                await self._show(await self._turn(stream, samples))
                self._service.metrics.lag.observe(monotonic() - arrived)
            if self._ended:
                await self._show(await self._turn(stream, None))
                await self._send({"type": "done", "seconds": round(seconds_of(self._taken, self._rate), 3)})
                return

    async def _turn(self, stream: StreamingRecogniser, samples: bytes | None) -> list[Transcript]:
        loop = asyncio.get_running_loop()
        try:
            found, seconds = await loop.run_in_executor(self._service.live, _step, stream, samples)
        except JointstError as error:
            raise unusable(error) from None
        self._service.metrics.work_seconds.labels("live").inc(seconds)
        self._service.metrics.audio_seconds.labels("live").inc(seconds_of(len(samples or b"") // WIDTH, self._rate))
        return found

    async def _show(self, found: list[Transcript]) -> None:
        for transcript in found:
            if transcript.text or transcript.final:
                await self._send(live(transcript))

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            await asyncio.wait_for(self._socket.send_json(message), self._settings.wait)
        except asyncio.TimeoutError:
            text = f"the client has read nothing for {self._settings.wait:g} s"
            raise Refused(status=408, message=text, code="timeout") from None
        except RuntimeError:  # uvicorn says so where a client left, or broke the protocol, and was not yet read from
            raise WebSocketDisconnect(BROKEN_OFF) from None


def _step(stream: StreamingRecogniser, samples: bytes | None) -> tuple[list[Transcript], Seconds]:
    """One turn of a stream, in the worker: what is new, and how long it took."""
    started = monotonic()
    if samples is None:
        found = stream.finish()
    else:
        found = stream.accept(np.frombuffer(samples, "<i2").astype(np.float32) / np.float32(2**15))
    return found, monotonic() - started


def _broken(message: str) -> Refused:
    return Refused(status=400, message=message, code="invalid_message")
