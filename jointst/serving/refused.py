"""What a client is told that cannot be served: OpenAI's form of an error, and the close codes of a WebSocket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from jointst.common.errors import ConfigError, DataError, JointstError

CLOSE_CODES = {
    400: 1007,  # what was sent cannot be understood
    401: 1008,  # policy
    403: 1008,
    404: 1008,
    408: 1008,
    413: 1009,  # too big
    429: 1013,  # try again later
    503: 1013,
}
"""Close codes (RFC 6455 and its registry) by the status that a request would get."""
INTERNAL = 1011
LONGEST_REASON = 123
"""Bytes of a WebSocket's reason."""


@dataclass(kw_only=True)
class Refused(Exception):
    """A request that is not served.

    Attributes:
        status: of the answer.
        message: what is wrong, and how to mend it.
        param: the field at fault.
        code: what programs go by.
        retry_after: seconds after which another try may be served.
    """

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    retry_after: int | None = None

    @property
    def body(self) -> dict[str, Any]:
        """OpenAI's form of it."""
        kind = "invalid_request_error"
        if self.status == 429:
            kind = "rate_limit_error"
        elif self.status >= 500:
            kind = "server_error"
        # what a client sent may hold halves of characters, which cannot be sent back
        message, param = (text and text.encode(errors="replace").decode() for text in (self.message, self.param))
        return {"error": {"message": message, "type": kind, "param": param, "code": self.code}}

    @property
    def response(self) -> JSONResponse:
        """The answer to a request."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.body, self.status, headers)

    @property
    def close_code(self) -> int:
        """That of a WebSocket."""
        return CLOSE_CODES.get(self.status, INTERNAL)

    @property
    def close_reason(self) -> str:
        """That of a WebSocket, cut to what fits."""
        return self.message.encode(errors="replace")[:LONGEST_REASON].decode(errors="ignore")


def unusable(error: JointstError, param: str | None = None) -> Refused:
    """The answer for an error of the user, without the path that a file has here."""
    message = str(error)
    if isinstance(error, DataError) and error.path is not None:
        message = str(DataError(error.problem, path="the file", fix=error.fix))
    elif isinstance(error, ConfigError):
        param = param or error.key
    return Refused(status=400, message=message, param=param, code="invalid_value")
