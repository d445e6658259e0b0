"""Every setting, its default and its sentence, from the dataclasses of ``jointst.config``."""

from __future__ import annotations

from typing import Any

from docs_site.markdown import code, plain, table
from jointst.config import PRESETS
from jointst.config.help import Setting, sections, shown


def _row(setting: Setting) -> list[str]:
    known = f" One of {', '.join(map(code, setting.choices))}." if setting.choices else ""
    return [code(setting.name), code(setting.default), plain(setting.sentence) + known]


def page() -> str:
    """All settings, section by section."""
    lines: list[str] = []
    for section in sections():
        lines.append(f"{'###' if '.' in section.name else '##'} {section.name}\n")
        lines.append(f"{plain(section.about)}\n")
        if section.settings:
            lines.append(table(["setting", "default", "what it is"], list(map(_row, section.settings))))
    lines.append("## Sizes\n\n`model.size` fills other fields; a field that is stated as well wins over it.\n")
    rows = [[code(name), plain(_flat(preset))] for name, preset in PRESETS.items()]
    lines.append(table(["model.size", "differs from the defaults in"], rows))
    return "\n".join(lines)


def _flat(preset: dict[str, Any], prefix: str = "") -> str:
    parts = [
        _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else f"`{prefix}{key}` {shown(value)}"
        for key, value in preset.items()
    ]
    return ", ".join(parts)
