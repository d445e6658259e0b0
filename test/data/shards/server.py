"""A small HTTP server of a folder: with byte ranges or without, and one that fails when it is told to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server(ThreadingHTTPServer):
    """Serves ``folder``; answers ``failures`` requests with 503 before; ``ranges`` says whether it knows them.

    Attributes:
        asked: bytes that were sent, by request.
    """

    def __init__(self, folder: Path, *, ranges: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.ranges, self.failures, self.denies = folder, ranges, 0, False
        self.asked: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        server, path = self.server, self.server.folder / self.path.lstrip("/")
        if server.failures:
            server.failures -= 1
            self.send_error(503)
            return
        if server.denies:
            self.send_error(403)
            return
        if not path.is_file():
            self.send_error(404)
            return
        content, wanted = path.read_bytes(), self.headers.get("Range")
        if wanted and server.ranges:
            first, last = wanted.removeprefix("bytes=").split("-")
            if int(first) >= len(content):
                self.send_error(416)
                return
            content = content[int(first) : int(last) + 1]
        self.send_response(206 if wanted and server.ranges else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            server.asked.append(len(content))
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def serving(folder: Path, *, ranges: bool = True) -> Iterator[Server]:
    """A server in a thread of its own."""
    with Server(folder, ranges=ranges) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
