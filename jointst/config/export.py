"""Stage 10: what is written beside the packed model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from jointst.config.check import require


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """The recogniser as ONNX graphs for sherpa-onnx."""

    onnx: Literal["auto", "yes", "no"] = "auto"
    """Also write onnx/: if its packages (the extra export) are installed and this model can be written so, always (an
    error where it cannot), or never."""
    labels_per_position: int | None = None
    """Labels that one encoder position may emit in sherpa-onnx, whose searches emit one at most each time that they are
    given it: the graphs repeat it so often, and times there are as often too long. null: 3 for characters, 2 for
    pieces."""
    shift: float = 2 * math.log(32768)
    """Added to the features that come in; what is below 0 then is 0. Apps compute features of samples in [-1, 1], which
    are 2 ln 32768 below ours; 0 where they are computed as ours (in Python: normalize_samples=False, snip_edges=True,
    high_freq=0)."""

    def __post_init__(self) -> None:
        labels = self.labels_per_position
        require(labels is None or 1 <= labels <= 10, "labels_per_position", f"is {labels}", "1 to 10, or null")
        require(math.isfinite(self.shift), "shift", f"is {self.shift}", "2 ln 32768 for apps, 0 for features as ours")
