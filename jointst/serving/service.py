"""One server's state: its model, workers, limits and counters."""

from __future__ import annotations

import asyncio
import hmac
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import time

import numpy as np
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from jointst.serving.files import Files
from jointst.serving.metrics import Metrics
from jointst.serving.refused import Refused
from jointst.serving.searches import Searches
from jointst.serving.settings import ServerSettings
from jointst.serving.wishes import Defaults, Kind
from jointst.transcription.recogniser import Recogniser


def _stopping() -> Refused:
    return Refused(status=503, message="the server is stopping: ask again later", code="stopping", retry_after=5)


class Service:
    """What all requests share; a context: workers run and the folder for uploads is there inside it.

    Args:
        recogniser: the model; its decoder holds where a client states none.
        searches: over the same model.
        search: that holds where a client states none.
        settings: limits.

    Attributes:
        closing: set when it stops: live streams end.
        live: the worker that steps live streams, one after the other, each at most once in its line.
        folder: for uploads, of this process alone.
        created: when it was started, seconds since 1970.
        stopping: whether new requests are refused.
    """

    def __init__(self, recogniser: Recogniser, searches: Searches, search: Kind, settings: ServerSettings) -> None:
        self.recogniser, self.searches, self.settings = recogniser, searches, settings
        self.defaults = Defaults.of(settings.name, recogniser, search)
        self.metrics = Metrics()
        self.created = int(time())
        self.stopping = False
        self._running = self._streams = 0
        self._rate = settings.rate_limit()
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self.closing: asyncio.Event
        self.files: Files
        self.live: ThreadPoolExecutor
        self.folder: Path

    @contextmanager
    def running(self) -> Iterator[None]:
        """Workers and the folder, for a while; to be entered in the event loop."""
        self.closing = asyncio.Event()
        with tempfile.TemporaryDirectory(prefix="jointst-serve-") as folder, ThreadPoolExecutor(1, "live") as live:
            self.folder, self.live = Path(folder), live
            self.files = Files(
                self.recogniser,
                audio_seconds=self.settings.audio_seconds,
                at_once=self.settings.queue,
                metrics=self.metrics,
            )
            try:
                yield
            finally:
                self.files.stop()

    def warm_up(self) -> None:
        """Recognise a second of noise as a file and as a stream, so that no client waits for what happens once."""
        noise = np.random.default_rng(0).standard_normal(round(self.recogniser.sampling_rate))
        samples = (0.01 * noise).astype(np.float32)
        self.recogniser.transcribe(samples)
        if self.recogniser.trained.config.model.streams:
            self.recogniser.stream().accept(samples)

    @property
    def idle(self) -> bool:
        """Whether no request runs and no stream is open."""
        return not self._running and not self._streams

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the line of requests.

        Raises:
            Refused: there is none, or the server is stopping.
        """
        self.check_stopping()
        if self._running >= self.settings.queue:
            message = f"{self._running} requests are waiting already: ask again later"
            raise Refused(status=503, message=message, code="queue_full", retry_after=5)
        self._running += 1
        with self.metrics.running.track_inprogress():
            try:
                yield
            finally:
                self._running -= 1

    @contextmanager
    def stream_place(self) -> Iterator[None]:
        """A place among the open streams.

        Raises:
            Refused: there is none, or the server is stopping.
        """
        self.check_streams()
        self._streams += 1
        with self.metrics.streams.track_inprogress():
            try:
                yield
            finally:
                self._streams -= 1

    def check_streams(self) -> None:
        """Refuse a stream that could not be opened now.

        Raises:
            Refused: too many are open, the server is stopping, or its model does not stream.
        """
        self.check_stopping()
        if "streaming" not in self.defaults.decoders:
            message = "this model hears whole recordings: send a file to /v1/audio/transcriptions"
            raise Refused(status=404, message=message, code="no_streaming")
        if self._streams >= self.settings.streams:
            message = f"{self._streams} streams are open already: try again later"
            raise Refused(status=503, message=message, code="too_many_streams", retry_after=5)

    def check_stopping(self) -> None:
        """Refuse what is new once the server is stopping."""
        if self.stopping:
            raise _stopping()

    def check_rate(self, client: str) -> None:
        """Count a request.

        Raises:
            Refused: the client has asked too often.
        """
        if self._rate is not None and not self._limiter.hit(self._rate, client):
            message = f"more than {self.settings.rate} requests: ask more slowly"
            wait = max(1, round(self._rate.get_expiry() / self._rate.amount))
            raise Refused(status=429, message=message, code="rate_limit_exceeded", retry_after=wait)

    def check_token(self, given: str | None) -> None:
        """Compare a token in a time that does not tell how much of it is right.

        Raises:
            Refused: it is missing or wrong.
        """
        wanted = self.settings.token
        if wanted is None:
            return
        if given is None or not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode()):
            said = "there is no token" if given is None else "the token is wrong"
            message = f"{said}: send Authorization: Bearer TOKEN"
            raise Refused(status=401, message=message, code="invalid_api_key")
