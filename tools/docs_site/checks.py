"""Rules of ``jointst validate``, checks of the doctor, and settings that do nothing."""

from __future__ import annotations

import inspect
from pathlib import Path

from docs_site.markdown import code, plain, table
from docs_site.messages import Message, messages, rows
from jointst.data.rules import RULES
from jointst.recipe.doctor import CHECKS


def rules() -> str:
    """Every rule on data."""
    lines = [
        [code(rule.name), rule.level, plain(rule.sentence), plain(rule.mends) if rule.mends else "by hand"]
        for rule in RULES.values()
    ]
    return table(["rule", "level", "what it demands", "`jointst fix`"], lines)


def doctor(package: Path) -> str:
    """What the doctor looks at, and all that it may find."""
    looked = "".join(f"- {plain(inspect.getdoc(check) or '')}\n" for check in CHECKS)
    found = [message for message in messages(package) if message.module.endswith("/doctor.py")]
    found = [Message(m.kind, f"{_level(m)} {m.text}", m.fix, m.module, m.line) for m in found]
    return f"{looked}\n{table(['it says', 'what to do'], [row[:2] for row in rows(found)])}"


def _level(message: Message) -> str:
    return "warn" if message.kind == "warning" else "FAULT"
