"""Speech recognisers from paired speech and unpaired text.

>>> from jointst import Recogniser
>>> recogniser = Recogniser.load("exp/train/packed")
>>> print(recogniser.transcribe("a.wav").text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jointst.transcription.recogniser import Recogniser

__all__ = ["Recogniser"]


def __getattr__(name: str) -> Any:
    """Names that need torch are imported when they are asked for: ``import jointst`` stays light."""
    if name == "Recogniser":
        from jointst.transcription.recogniser import Recogniser

        return Recogniser
    raise AttributeError(f"module 'jointst' has no attribute {name!r}")
