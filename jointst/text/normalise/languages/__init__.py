"""The rows of each language; a new language is a module here and a name below."""

from __future__ import annotations

from jointst.text.normalise.languages import ar, de, en, es, fr, hi, it, ja, pt, ru, sw, zh
from jointst.text.normalise.rules import Rules

RULES: dict[str, Rules] = {
    rules.code: rules for rules in (module.RULES for module in (ar, de, en, es, fr, hi, it, ja, pt, ru, sw, zh))
}
"""Every language's rules by its code."""
