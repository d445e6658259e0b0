"""What data directories must satisfy: one function for each rule, by theme.

To add a rule, write the function in the module of its theme, give it an id and a level with ``@rule("id", "ERROR")``
and a sentence as its docstring, and provoke it in test/data/test_broken_directories.py. If ``jointst fix`` can mend
it, ``mends`` says how, and jointst/data/repairs.py does it.
"""

from __future__ import annotations

from jointst.data.rules import audio, files, keys, leaks, segments, transcripts
from jointst.data.rules.frame import REGISTERED, Everything, Finding, Level, Part, Rule, Set

__all__ = ["RULES", "Everything", "Finding", "Level", "Part", "Rule", "Set"]

THEMES = (files, keys, audio, segments, transcripts, leaks)
"""In the order in which they are checked: what breaks most comes first."""
RULES: dict[str, Rule] = {
    name: item for theme in THEMES for name, item in REGISTERED.items() if item.check.__module__ == theme.__name__
}
"""Every rule by its id, in the order in which they are checked."""
