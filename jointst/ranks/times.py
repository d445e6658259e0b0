"""How long processes that train together wait for each other."""

from __future__ import annotations

import os

from jointst.common.units import Seconds

PATIENCE = "JOINTST_PATIENCE"
"""Variable with the seconds after which a process that nobody hears of counts as ended: 30 by default. All end within
twice as long."""


def patience() -> Seconds:
    """After how long a silent process counts as ended."""
    try:
        return max(1.0, float(os.environ.get(PATIENCE, "30")))
    except ValueError:
        return 30.0


def beat() -> Seconds:
    """Between signs of life, and looks at those of others."""
    return min(1.0, patience() / 10)


def to_start() -> Seconds:
    """How long nodes may differ in when they start: images are fetched, packages read from slow disks."""
    return 20 * patience()
