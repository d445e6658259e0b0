"""The check that all settings make of themselves."""

from __future__ import annotations

from jointst.common.errors import ConfigError


def require(holds: bool, key: str, problem: str, fix: str = "") -> None:
    """Refuse a setting.

    Raises:
        ConfigError: it does not hold.
    """
    if not holds:
        raise ConfigError(key, problem, fix)
