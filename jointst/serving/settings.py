"""What a server allows, and who may ask it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from limits import RateLimitItem
from limits import parse as parse_rate

from jointst.common.errors import ConfigError, DataError
from jointst.common.units import Seconds

TOKEN_VARIABLE = "JOINTST_SERVE_TOKEN"
"""The environment variable that holds the token."""
LEAST_TOKEN = 8
"""Characters of a token that is not guessed at once."""
MOST_PHRASES = 1000
LONGEST_PHRASE = 200
"""Characters."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Limits of one server.

    Attributes:
        name: what clients call the model.
        token: that they must send; None for none.
        hosts: the names under which it may be asked, without ports; empty for any.
        upload_bytes: of a request.
        audio_seconds: of a file.
        stream_seconds: of a live stream.
        wait: for the whole of an upload, or for the next message of a stream.
        rate: requests and streams of one client, as in ``60/minute``; None for any number.
        queue: requests that are read, wait or are searched at once.
        streams: that are open at once.
        grace: that running requests have to end when it stops.
    """

    name: str
    token: str | None = None
    hosts: tuple[str, ...] = ()
    upload_bytes: int = 100_000_000
    audio_seconds: Seconds = 3600.0
    stream_seconds: Seconds = 4 * 3600.0
    wait: Seconds = 60.0
    rate: str | None = "120/minute"
    queue: int = 64
    streams: int = 16
    grace: Seconds = 30.0

    def __post_init__(self) -> None:
        least = {"upload_bytes": 1000, "audio_seconds": 1, "stream_seconds": 1, "wait": 0.1, "queue": 1, "grace": 0}
        for key, bound in {**least, "streams": 0}.items():
            if not getattr(self, key) >= bound:
                raise ConfigError(key, f"is {getattr(self, key)}", f"at least {bound}")
        if not self.name:
            raise ConfigError("name", "is empty", "what clients call the model")
        if self.rate is not None:
            self.rate_limit()

    def rate_limit(self) -> RateLimitItem | None:
        """The limit that ``rate`` states."""
        if self.rate is None:
            return None
        try:
            return parse_rate(self.rate)
        except ValueError:
            raise ConfigError("rate", f"is {self.rate!r}", "as in 60/minute, or none") from None


def read_token(file: str | None, variable: str | None) -> str | None:
    """The token of a file, or else of the environment variable; None where there is neither.

    Raises:
        DataError: the file is missing, or the token is short or not printable ASCII.
    """
    where: Path | str = TOKEN_VARIABLE if file is None else Path(file)
    try:
        token = variable if file is None else Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"is no file of a token: {error}", path=where, fix="write the token into it") from None
    if token is None:
        return None
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        problem = f"holds no token of at least {LEAST_TOKEN} printable ASCII characters without spaces"
        raise DataError(problem, path=where, fix="make one: openssl rand -hex 32")
    return token
