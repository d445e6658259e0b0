"""An upload: its fields, and its file in the server's own folder under a name of the server's own."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from jointst.serving.refused import Refused
from jointst.serving.settings import MOST_PHRASES, ServerSettings

LARGEST_FIELD = 1 << 16
"""Bytes."""
OTHER_FIELDS = 64

_FULL = (errno.ENOSPC, errno.EDQUOT)


@asynccontextmanager
async def received(request: Request, settings: ServerSettings) -> AsyncIterator[tuple[dict[str, list[str]], IO[bytes]]]:
    """The fields of a request, each with its values, and its file, which is closed at the end.

    Raises:
        Refused: it is too large or too slow, no form, or without a file, or the disk is full.
        ClientDisconnect: the client has left.
    """
    limited = Request(request.scope, _limited(request, settings.upload_bytes))
    reading = limited.form(max_files=1, max_fields=MOST_PHRASES + OTHER_FIELDS, max_part_size=LARGEST_FIELD)
    try:
        form = await asyncio.wait_for(reading, settings.wait)
    except asyncio.TimeoutError:
        raise Refused(status=408, message=f"the upload took more than {settings.wait:g} s", code="timeout") from None
    except HTTPException as error:
        message = f"the form cannot be read: {error.detail}"
        raise Refused(status=400, message=message, code="invalid_form") from None
    except OSError as error:
        raise _no_room(error) from None
    try:
        yield _parts(form)
    finally:
        await form.close()


def _parts(form: FormData) -> tuple[dict[str, list[str]], IO[bytes]]:
    fields: dict[str, list[str]] = {}
    sound: UploadFile | None = None
    for name, value in form.multi_items():
        if isinstance(value, str) and name != "file":
            fields.setdefault(name, []).append(value)
        elif isinstance(value, UploadFile) and name == "file":
            sound = value
        else:
            message = "the field file, and no other one, must be a file with a file name"
            raise Refused(status=400, message=message, param="file", code="invalid_value")
    if sound is None:
        message = "there is no file: send multipart/form-data with the field file"
        raise Refused(status=400, message=message, param="file", code="missing_required_parameter")
    return fields, sound.file


def _limited(request: Request, most: int) -> Receive:
    """The body of a request, not more of it than is allowed."""
    too_large = Refused(
        status=413, message=f"the upload is larger than the {most} bytes that are taken", param="file", code="too_large"
    )
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most:
            raise too_large
        return message

    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > most:  # h11 has refused what is no number
        raise too_large
    return receive


async def kept(file: IO[bytes], folder: Path) -> Path:
    """A copy of an upload in the folder, under a name that nobody outside knows.

    Raises:
        Refused: the disk is full.
    """
    try:
        return await run_in_threadpool(_copy, file, folder)
    except OSError as error:
        raise _no_room(error) from None


def _copy(file: IO[bytes], folder: Path) -> Path:
    handle, name = tempfile.mkstemp(prefix="upload-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
    except OSError:
        Path(name).unlink()
        raise
    return Path(name)


def _no_room(error: OSError) -> Exception:
    """The answer where the disk takes no more; any other error is a fault of the server, and stays what it is."""
    if error.errno not in _FULL:
        return error
    message = "the server has no room for the upload: ask again later"
    return Refused(status=503, message=message, code="no_room", retry_after=60)
