"""A service over the toy model, in this process."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from jointst import Recogniser
from jointst.serving.app import make_app
from jointst.serving.searches import Searches
from jointst.serving.service import Service
from jointst.serving.settings import ServerSettings

RATE = 16000
Start = Callable[..., TestClient]


def noise(seconds: float, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Noise that swells as speech does."""
    count = round(seconds * RATE)
    swell = 1 + np.sin(np.arange(count) / 900)
    return (0.1 * np.random.default_rng(seed).standard_normal(count) * swell).astype(np.float32)


def sound(seconds: float, seed: int = 0, kind: str = "WAV") -> bytes:
    """A sound file of it."""
    file = io.BytesIO()
    soundfile.write(file, noise(seconds, seed), RATE, format=kind)
    return file.getvalue()


@pytest.fixture(scope="session")
def recogniser(packed_once: Path) -> Recogniser:
    """The toy model."""
    return Recogniser.load(packed_once)


@pytest.fixture(scope="session")
def searches(recogniser: Recogniser, packed_once: Path) -> Searches:
    """Searches of the toy model."""
    return Searches(recogniser.trained, packed_once, lm=None, beam={"beam": 2}, phrase_weight=1.0)


@pytest.fixture
def start(recogniser: Recogniser, searches: Searches) -> Iterator[Start]:
    """Start a server with settings; a client of it, whose app's state holds the service."""
    with ExitStack() as stack:

        def start(**settings: Any) -> TestClient:
            service = Service(
                recogniser, searches, "greedy", ServerSettings(**{"name": "toy", "rate": None, **settings})
            )
            client = TestClient(make_app(service), base_url="http://localhost", raise_server_exceptions=False)
            return stack.enter_context(client)

        yield start


@pytest.fixture
def client(start: Start) -> TestClient:
    """A client of a server with default settings."""
    return start()
