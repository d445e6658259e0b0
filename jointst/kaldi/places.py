"""Where a sound lies in a shard, and its samples.

T samples, C channels.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jointst.common.errors import DataError
from jointst.common.units import Hertz
from jointst.kaldi.storage import read_part

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PLACE = re.compile(r"(.+\.tar):([0-9]+):([0-9]+)")
FIX = "make it again by jointst shard, or copy it again"


@dataclass(frozen=True)
class Place:
    """A sound in a shard.

    Attributes:
        shard: path or URL.
        first: its first byte.
        size: bytes.
    """

    shard: str
    first: int
    size: int

    def __str__(self) -> str:
        return f"{self.shard}:{self.first}:{self.size}"

    @classmethod
    def parse(cls, entry: str) -> Place | None:
        """The place that an entry of ``wav.scp`` names; None if it is another kind of entry."""
        found = _PLACE.fullmatch(entry)
        return None if found is None else cls(found[1], int(found[2]), int(found[3]))

    def read(self) -> tuple[Hertz, NDArray[np.float32]]:
        """The rate and the samples (T, C).

        Raises:
            DataError: the shard is missing, cut off or damaged, or cannot be reached; names it.
        """
        import soundfile

        content = read_part(self.shard, self.first, self.size)
        try:
            if not content.startswith(b"fLaC"):
                raise DataError("is no FLAC")
            samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError, DataError) as error:
            said = error.problem if isinstance(error, DataError) else f"cannot be decoded: {error}"
            problem = f"is damaged, or another shard of this name: what begins at byte {self.first} {said}"
            raise DataError(problem, path=self.shard, fix=FIX) from None
        return float(rate), samples
