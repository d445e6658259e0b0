"""Errors keep their parts, also on the way from another process."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from jointst.errors import CollapseError, ConfigError, DataError, EnvironmentFault, JointstError
from jointst.parallel import run_jobs

ERRORS = [
    ConfigError("model.dim", "is 3", "a multiple of 4"),
    ConfigError("dim", "is 3").under("model"),
    DataError("is empty", path=Path("data/x/text"), line=3, utterance="a-1", fix="remove it"),
    DataError("an empty set"),
    EnvironmentFault("no sox"),
    CollapseError("update 3"),
]


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_pickled_and_back(error: JointstError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def fail(index: int) -> None:
    if index:
        raise ERRORS[0]


def test_settings_refused_in_a_worker_are_refused_here() -> None:
    with pytest.raises(ConfigError, match=r"model.dim: is 3 \(a multiple of 4\)"):
        run_jobs(fail, [0, 1], 2)
