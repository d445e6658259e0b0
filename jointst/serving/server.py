"""The server itself: uvicorn, with a clean stop and no patience for clients that do not finish what they begin."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from jointst.common.errors import EnvironmentFault
from jointst.common.units import Seconds
from jointst.serving.app import make_app
from jointst.serving.service import Service

MESSAGE_BYTES = 1 << 20
"""Of one message of a WebSocket."""
OTHER_CONNECTIONS = 64
"""Beside those of requests and streams that are served."""
HEADER_SECONDS: Seconds = 10.0
"""In which the headers of a request must be whole."""
UNREAD_SECONDS: Seconds = 60.0
"""After which a connection whose client reads nothing is cut."""


class Server(uvicorn.Server):
    """A server of one service: the first signal lets it end what runs, a second one stops it at once."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._until = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Refuse what is new; called by a signal."""
        if self._service.stopping:
            self.should_exit = self.force_exit = True
        self._service.stopping = True

    async def on_tick(self, counter: int) -> bool:
        """Look, ten times a second, whether it is time to go."""
        service = self._service
        if service.stopping:
            if not service.closing.is_set():
                service.closing.set()
                self._until = monotonic() + service.settings.grace
            if service.idle or monotonic() > self._until:
                self.should_exit = True
        return await super().on_tick(counter)


class _Impatient(H11Protocol):
    """Closes a connection whose next request's headers are not whole in time."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(HEADER_SECONDS, self._close)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        self._late = None
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self.transport.get_protocol() is self:  # not once it is a WebSocket
            self.transport.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound, so that two servers never share a port.

    Raises:
        EnvironmentFault: the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise EnvironmentFault(f"--host: there is no address {host}: {error.strerror}") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections inherit it
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * UNREAD_SECONDS))
        bound.bind(address)
        bound.listen(512)
    except OSError as error:
        bound.close()
        fix = "stop what listens there, or choose another --port or --host"
        raise EnvironmentFault(f"{host}:{port} cannot be listened at: {error.strerror}; {fix}") from None
    return bound


def serve(service: Service, bound: socket.socket, **options: Any) -> None:
    """Serve until a signal comes.

    Args:
        service: what is served.
        bound: the socket.
        options: of uvicorn: certificate, key, proxies that are trusted.
    """
    settings = service.settings
    config = uvicorn.Config(
        make_app(service),
        http=_Impatient,
        ws="websockets-sansio",
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,  # samples do not get smaller, and a bomb would get larger
        ws_ping_interval=None,  # nothing is read, no pong either, while a client that sends too fast waits its turn
        lifespan="on",
        loop="asyncio",
        server_header=False,
        log_level="warning",
        limit_concurrency=settings.queue + settings.streams + OTHER_CONNECTIONS,
        timeout_graceful_shutdown=5,
        **options,
    )
    Server(config, service).run([bound])
