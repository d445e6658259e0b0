"""Errors keep their parts, also on the way from another process."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from jointst.errors import CollapseError, ConfigError, DataError, EnvironmentFault, JointstError
from jointst.load_config import from_yaml
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


def test_settings_refused_in_a_worker_are_refused_here(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("model:\n  dim: 3\n")
    with pytest.raises(ConfigError, match=r"model.dim: is 3"):
        run_jobs(from_yaml, [path, path], 2)
