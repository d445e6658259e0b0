"""Strings in two arrays."""

from __future__ import annotations

import pickle

from jointst.data.strings import Strings


def test_each_comes_back_as_it_was() -> None:
    given = ["a", "", "ü/中文 1", "dump/x/feats.1.ark:12"]
    strings = Strings(iter(given))
    assert len(strings) == 4
    assert list(strings) == given
    assert strings[2] == given[2]
    assert list(pickle.loads(pickle.dumps(strings))) == given
    assert list(Strings([])) == []
