"""Every reader on inputs that it was not made for: the same ones each time here, others in ``tools/fuzz.py``."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from fuzz.found import FOLDER, FOUND
from fuzz.registry import TARGETS
from fuzz.target import HARD, Target, inputs, judge

pytestmark = pytest.mark.timeout(1800)  # a busy machine gives a process a fiftieth of a core
EXAMPLES = 15
"""Inputs of a target: about a minute for all of them on one core."""
SLOW_EXAMPLES = 5


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read(name: str) -> None:
    target = TARGETS[name]
    for content in target.ready:
        assert judge(target, content) is None


@pytest.mark.parametrize("name", TARGETS)
def test_readers_never_fail_in_another_way(name: str) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=SLOW_EXAMPLES if target.slow else EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # nothing is shrunk here: tools/fuzz.py does
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(target))
    def read(content: bytes) -> None:
        problem = judge(target, content)
        assert problem is None, f"{content!r}: {problem.kind}\n{problem.report}"

    read()


@pytest.mark.parametrize(("name", "content", "what"), FOUND)
def test_what_was_found_stays_mended(name: str, content: bytes | str, what: str) -> None:
    problem = judge(TARGETS[name], (FOLDER / content).read_bytes() if isinstance(content, str) else content)
    assert problem is None, f"{what}: {problem.kind}\n{problem.report}"


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (lambda content: 1 // 0, "ZeroDivisionError in"),
        (lambda content: bytearray(2 << 30), "MemoryError in"),
    ],
)
def test_a_reader_that_fails_is_found(read: object, kind: str) -> None:
    target = Target(name="bad", seeds=lambda: (b"",), read=read, names="x", pieces=HARD)  # type: ignore[arg-type]
    problem = judge(target, b"")
    assert problem is not None
    assert problem.kind.startswith(kind)
