"""What is fuzzed and how it is judged: a reader gives a value, or an error that names the file and says how to mend it.

A :class:`Target` is a reader with small inputs that it can read. Inputs are made of these by edits that files suffer on
disks, in transfers and in editors, and by what is known to be hard: see :func:`inputs`.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import FrameType

from hypothesis import strategies as st

from jointst.common.errors import JointstError

SECONDS = 20.0
"""Processor time; an input that takes more counts as a hang. Waiting without end is for those who call to end."""
MEMORY = 1 << 30
"""Bytes that reading one small input may take."""
LONGEST = 1 << 16
"""Bytes of an input."""
HARD = (
    b"\0", b"\n", b"\r", b"\r\n", b"\t", b" ", b"  ", b'"', b'""', b"'", b"\\", b"/", b"..", b"|", b",", b";", b":",
    b"-", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3", b"\xe2\x80\xa8", b"\xc2\x85",
    b"\x1c", b"\x1a", b"\x7f", b"\xe2\x80\xae", b"\xf0\x9f\x98\x80", b"nan", b"inf", b"-1", b"0", b"1e999", b"-0.0",
    b"1_0", b"9" * 30, b"9" * 5000, b"[" * 2000, b"{" * 2000, b"(" * 500, b"a" * 300, b"x " * 500, b"\n" * 50,
    b"<unk>", b"%s",
    "\u0663".encode(), "\u00b2".encode(), "\u0130".encode(), "e\u0301".encode(),
)  # fmt: skip
"""Pieces that readers of text stumble over."""
WORDS32 = tuple(
    number.to_bytes(4, order)
    for number in (0, 1, 2, 0x7F, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
    for order in ("little", "big")
)
"""Sizes, rates and counts that headers may state."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A reader that is fuzzed.

    Attributes:
        name: its name.
        seeds: makes inputs that it can read, from which others are made.
        read: reads an input, in an empty folder that is the working directory too; what it returns is ignored.
        names: an error of a reader must hold this, most often the name of the file; empty where settings are named.
        pieces: what edits put in, beside single bytes.
        slow: whether an input takes a tenth of a second and more, so that the tests try fewer.
    """

    name: str
    seeds: Callable[[], tuple[bytes, ...]]
    read: Callable[[bytes], object]
    names: str
    pieces: tuple[bytes, ...] = field(default=HARD, repr=False)
    slow: bool = False

    @cached_property
    def ready(self) -> tuple[bytes, ...]:
        """The seeds."""
        return self.seeds()


@dataclass(frozen=True)
class Problem:
    """Why an input fails.

    Attributes:
        kind: what happened and where, the same for inputs that fail alike.
        report: for a person.
    """

    kind: str
    report: str


def judge(target: Target, content: bytes) -> Problem | None:
    """Read an input; None where the reader did what it must."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{target.name}-") as folder:
        os.chdir(folder)
        started = time.process_time()
        try:
            with _bounds():
                target.read(content)
        except JointstError as error:
            if target.names not in str(error):
                return Problem(f"does not name {target.names}", f"{type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 -- whatever a reader raises is what is looked for
            place = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in place if f"{os.sep}jointst{os.sep}" in frame.filename] or list(place)
            where = f"{Path(ours[-1].filename).name}:{ours[-1].name}"
            return Problem(f"{type(error).__name__} in {where}", "".join(traceback.format_exception(error)[-12:]))
        finally:
            os.chdir(before)
        taken = time.process_time() - started
    return Problem("too slow", f"{taken:.1f} s") if taken > SECONDS else None


class Hang(Exception):
    """Reading has not ended in time."""


@contextlib.contextmanager
def _bounds() -> Iterator[None]:
    """Bound the time and the further memory of what is done inside."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {SECONDS} s")

    with open("/proc/self/statm", encoding="ascii") as stream:
        used = int(stream.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = used + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most if soft == resource.RLIM_INFINITY else min(soft, most), hard))
    handler = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, 2 * SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@st.composite
def _edited(draw: st.DrawFn, target: Target) -> bytes:
    """A seed after some edits."""
    content = draw(st.sampled_from(target.ready))
    piece = st.one_of(st.sampled_from(target.pieces), st.binary(min_size=1, max_size=4))
    for _ in range(draw(st.integers(1, 5))):
        begin = draw(st.integers(0, len(content)))
        end = min(len(content), begin + draw(st.sampled_from((0, 1, 1, 2, 4, 8, 30, 200))))
        kind = draw(st.sampled_from(("put", "put", "replace", "replace", "remove", "end", "double", "flip", "copy")))
        if kind == "put":
            content = content[:begin] + draw(piece) + content[begin:]
        elif kind == "replace":
            new = draw(piece)
            content = content[:begin] + new + content[begin + len(new) :]
        elif kind == "remove":
            content = content[:begin] + content[end:]
        elif kind == "end":
            content = content[:begin]
        elif kind == "double":
            content = content[:end] + content[begin:]
        elif kind == "flip" and begin < len(content):
            bit = draw(st.integers(0, 7))
            content = content[:begin] + bytes([content[begin] ^ 1 << bit]) + content[begin + 1 :]
        elif kind == "copy":
            place = draw(st.integers(0, len(content)))
            content = content[:place] + content[begin:end] + content[place:]
    return content[:LONGEST]


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Inputs of a target: mostly seeds after edits, now and then any bytes or any text."""
    edited = _edited(target)
    any_text = st.text(max_size=50).map(lambda text: text.encode())
    return st.one_of(edited, edited, edited, st.binary(max_size=100), any_text)
