"""The routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from jointst.serving.answers import answer
from jointst.serving.guard import Guard
from jointst.serving.live import serve_stream
from jointst.serving.refused import Refused
from jointst.serving.service import Service
from jointst.serving.upload import kept, received
from jointst.serving.wishes import SEARCHES, read_fields

PAGE = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/microphone.js": ("microphone.js", "text/javascript"),
    "/recorder.js": ("recorder.js", "text/javascript"),
}
"""The files of the page; no other ones are ever read."""
GONE = 499
"""The status, which nobody reads, of a request whose client has left."""

Result = TypeVar("Result")


def make_app(service: Service) -> Starlette:
    """The application of a service."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with service.running():
            yield

    folder = files("jointst.serving") / "page"
    page = {path: ((folder / name).read_bytes(), media) for path, (name, media) in PAGE.items()}

    async def show(request: Request) -> Response:
        content, media = page[request.url.path]
        return Response(content, media_type=media, headers={"Cache-Control": "no-cache"})

    app = Starlette(
        routes=[
            Route("/v1/audio/transcriptions", transcribe, methods=["POST"]),
            Route("/v1/models", list_models),
            Route("/v1/models/{name:path}", show_model),
            WebSocketRoute("/v1/audio/stream", serve_stream),
            Route("/healthz", health),
            Route("/metrics", metrics),
            *(Route(path, show) for path in PAGE),
        ],
        middleware=[Middleware(Guard, service=service)],
        exception_handlers={
            Refused: _refuse,
            HTTPException: _in_their_form,
            ClientDisconnect: _say_nothing,
            Exception: _own_fault,
        },
        lifespan=lifespan,
    )
    app.state.service = service
    return app


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response


async def _say_nothing(request: Request, error: Exception) -> Response:
    return Response(status_code=GONE)


async def _own_fault(request: Request, error: Exception) -> Response:
    return Refused(status=500, message="a fault of the server", code="internal_error").response


async def _in_their_form(request: Request, error: Exception) -> Response:
    """No such route or method."""
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path[:80]}: {error.detail}"
    response = Refused(status=error.status_code, message=message, code="unknown_url").response
    response.headers.update(error.headers or {})
    return response


async def transcribe(request: Request) -> Response:
    """``POST /v1/audio/transcriptions``."""
    service: Service = request.app.state.service
    with service.place():
        async with received(request, service.settings) as (fields, file):
            wish, form = read_fields(fields, service.defaults)
            path = await kept(file, service.folder)
        try:
            search = await run_in_threadpool(service.searches.of, wish)
            result, give_up = service.files.submit(path, wish, search)
            try:
                found = await _unless_gone(request, result)
            finally:
                give_up()
        finally:
            path.unlink()
        languages = service.defaults.languages
        return answer(found, form, wish.language or (languages[0] if len(languages) == 1 else ""))


async def _unless_gone(request: Request, result: Future[Result]) -> Result:
    """Wait for a result as long as the client does.

    Raises:
        ClientDisconnect: it has left.
    """
    work = asyncio.wrap_future(result)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        gone.cancel()
        work.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _model(service: Service) -> dict[str, object]:
    defaults = service.defaults
    return {
        "id": defaults.name,
        "object": "model",
        "created": service.created,
        "owned_by": "jointst",
        "languages": defaults.languages,
        "decoders": defaults.decoders,
        "searches": SEARCHES,
        "decoder": defaults.decoder,
        "search": defaults.search,
        "sampling_rate": service.recogniser.sampling_rate,
    }


async def list_models(request: Request) -> Response:
    """``GET /v1/models``."""
    return JSONResponse({"object": "list", "data": [_model(request.app.state.service)]})


async def show_model(request: Request) -> Response:
    """``GET /v1/models/NAME``."""
    service: Service = request.app.state.service
    if request.path_params["name"] != service.defaults.name:
        message = f"there is no such model; the model is {service.defaults.name!r}"
        raise Refused(status=404, message=message, param="model", code="model_not_found")
    return JSONResponse(_model(service))


async def health(request: Request) -> Response:
    """``GET /healthz``: whether new requests are served."""
    service: Service = request.app.state.service
    state = "stopping" if service.stopping else "ok" if service.files.alive else "broken"
    return JSONResponse({"status": state}, 200 if state == "ok" else 503)


async def metrics(request: Request) -> Response:
    """``GET /metrics``."""
    service: Service = request.app.state.service
    service.metrics.tasks.set(len(asyncio.all_tasks()))
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)
