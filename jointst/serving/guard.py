"""Around every route: who may ask, what is counted, and the headers of every answer."""

from __future__ import annotations

import asyncio
from time import monotonic
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jointst.serving.refused import Refused
from jointst.serving.service import Service

ROUTES = ("/", "/v1/audio/transcriptions", "/v1/models", "/v1/audio/stream", "/healthz", "/metrics")
"""Those that are counted by name."""
LINGER = 2.0
"""Seconds for which a refused body is still taken and thrown away, so that the client comes to read why."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "worker-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """ASGI middleware of a service.

    Args:
        app: what it stands before.
        service: whose limits hold.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or refuse it."""
        if scope["type"] == "http":
            await self._http(scope, _Exchange(scope, receive, send, self._service))
        elif scope["type"] == "websocket" and (problem := self._stranger(scope)):
            # before it is accepted: the client sees 403
            await send({"type": "websocket.close", "code": problem.close_code, "reason": problem.close_reason})
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, exchange: _Exchange) -> None:
        try:
            self._check(scope)
        except Refused as refused:
            await refused.response(scope, exchange.receive, exchange.send)
        else:
            await self._app(scope, exchange.receive, exchange.send)

    def _check(self, scope: Scope) -> None:
        if problem := self._stranger(scope):
            raise problem
        guarded = scope["path"].startswith("/v1/")
        if guarded:
            self._service.check_stopping()
            self._service.check_rate(client_of(scope))
        if guarded or scope["path"] == "/metrics":
            self._service.check_token(bearer(Headers(scope=scope)))

    def _stranger(self, scope: Scope) -> Refused | None:
        """What is wrong with the names under which it is asked: pages of other sites may not use a browser's reach."""
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        hosts = self._service.settings.hosts
        if hosts and _name(host) not in hosts:
            message = f"this server is not known as {host[:80]!r}: start it with --allow-host to allow that"
            return Refused(status=403, message=message, code="unknown_host")
        if origin is not None and _place(origin) != host.lower():
            message = f"pages of {origin[:80]!r} may not use this server"
            return Refused(status=403, message=message, code="other_origin")
        return None


class _Exchange:
    """One request and its answer: counted, with headers, and with the rest of a body taken before it is closed."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, service: Service) -> None:
        self._receive, self._send, self._metrics = receive, send, service.metrics
        self._route = scope["path"] if scope["path"] in ROUTES else "other"
        self._started = monotonic()
        self._whole = False
        self._refused = False

    async def receive(self) -> Message:
        """The next message from the client."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._whole = True
        return message

    async def send(self, message: Message) -> None:
        """The next message to the client."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            self._refused = message["status"] >= 400 and not self._whole
            if self._refused:
                headers["Connection"] = "close"
            self._metrics.requests.labels(self._route, message["status"]).inc()
        elif not message.get("more_body", False):
            self._metrics.request_seconds.labels(self._route).observe(monotonic() - self._started)
            if self._refused:
                await self._send({**message, "more_body": True})
                await self._drain()
                message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _drain(self) -> None:
        until = monotonic() + LINGER
        while not self._whole and (left := until - monotonic()) > 0:
            try:
                await asyncio.wait_for(self.receive(), left)
            except asyncio.TimeoutError:
                return


def client_of(scope: Scope) -> str:
    """Whose requests are counted together."""
    return scope["client"][0] if scope.get("client") else "unknown"


def bearer(headers: Headers) -> str | None:
    """The token of ``Authorization: Bearer``."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _place(origin: str) -> str:
    """The host and port of an origin."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    """A host without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
