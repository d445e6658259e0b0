"""All processes see the same, or one message says which does not, and what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from jointst.common.errors import DataError
from jointst.ranks import same
from jointst.ranks.group import Group
from jointst.ranks.same import check_same, mark_of_arks, mark_of_file, mark_of_weights, marks


class Two(Group):
    """The first of two, the other of which has found something else."""

    def __init__(self, other: dict[str, str]) -> None:
        super().__init__()
        self._other = other

    def gather(self, key: str, value: Any) -> list[Any]:
        return [value, self._other]


OWN = {"data/a/text": "1", "torch": "2.11", "weights": "w" * 64}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"data/a/text": "2"}, r"rank 1 does not see the same data/a/text \(2 there, 1 here\) as rank 0 \(give all"),
        ({"data/a/text": same.MISSING}, r"data/a/text \(it is missing there\)"),
        ({"torch": "2.10"}, r"torch \(2.10 there, 2.11 here\)"),
        ({"weights": "x" * 64}, r"the same weights as rank 0"),
        ({"data/b/text": "1"}, r"data/b/text \(it is missing here\)"),
    ],
)
def test_what_differs_is_named(other: dict[str, str], message: str) -> None:
    check_same(Two(OWN), OWN)
    with pytest.raises(DataError, match=message):
        check_same(Two({**OWN, **other}), OWN)


@pytest.mark.parametrize("size", [10, 3 * same.PART])
def test_a_byte_and_a_size_make_a_difference(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same, "WHOLE", 100)
    path = tmp_path / "a"
    found = [mark_of_file(path)]
    for content in (bytes(size), bytes(size + 1), bytes(size - 1) + b"x", b"x" + bytes(size - 1)):
        path.write_bytes(content)
        found.append(mark_of_file(path))
    assert len(set(found)) == len(found)
    assert found[0] == same.MISSING


def test_arks_of_other_sizes(tmp_path: Path) -> None:
    (tmp_path / "x.ark").write_bytes(bytes(5))
    scp = tmp_path / "feats.scp"
    scp.write_text(f"u1 {tmp_path}/x.ark:3\nu2 {tmp_path}/x.ark:4\n")
    before = marks([scp], {})
    assert mark_of_arks(scp) == f"{tmp_path}/x.ark 5"
    (tmp_path / "x.ark").write_bytes(bytes(6))
    assert before != marks([scp], {})
    (tmp_path / "x.ark").unlink()
    assert "No such file" in mark_of_arks(scp)


def test_weights_differ_by_a_bit() -> None:
    state = {"a": torch.zeros(2, 2), "b": torch.zeros((), dtype=torch.int64), "c": torch.ones(1, dtype=torch.bfloat16)}
    other = {**state, "a": state["a"] + torch.tensor([[0.0, 1e-38], [0, 0]])}
    assert mark_of_weights(state) == mark_of_weights(dict(state)) != mark_of_weights(other)
