"""``phone_times``: when each phone of an utterance is spoken, where a corpus knows it.

The file stands in a data directory beside ``text``; a line is ``utterance start:end:phone start:end:phone ...``, in
seconds from the beginning of the utterance, in order, without gaps inside speech. The phones are those of whoever
spoke or labelled (eSpeak's IPA, or the symbols of a label file), not those of the lexicon; ``sil`` is silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jointst.common.errors import DataError
from jointst.common.units import Seconds
from jointst.kaldi.tables import read_table, write_table

FILE = "phone_times"
SILENCE = "sil"
"""The phone of a pause."""


@dataclass(frozen=True)
class PhoneTime:
    """One spoken phone.

    Attributes:
        phone: its symbol, without spaces.
        start: seconds from the beginning of the utterance.
        end: seconds.
    """

    phone: str
    start: Seconds
    end: Seconds

    @classmethod
    def parse(cls, field: str) -> PhoneTime:
        """Read ``start:end:phone``.

        Raises:
            ValueError: it is not of that form.
        """
        start, end, phone = field.split(":", 2)
        made = cls(phone, float(start), float(end))
        if not phone or not 0 <= made.start <= made.end:
            raise ValueError(field)
        return made

    def __str__(self) -> str:
        return f"{self.start:.3f}:{self.end:.3f}:{self.phone}"


def cut(times: Sequence[PhoneTime], start: Seconds, duration: Seconds) -> list[PhoneTime]:
    """The same phones in a piece of the audio that begins at ``start``; what lies outside is left out."""
    moved = [PhoneTime(t.phone, max(0.0, t.start - start), min(duration, t.end - start)) for t in times]
    return [time for time in moved if time.end > time.start]


def read_phone_times(folder: Path) -> dict[str, list[PhoneTime]]:
    """The phone times of a data directory; empty if it has none.

    Raises:
        DataError: a malformed line, or times that do not ascend.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    read: dict[str, list[PhoneTime]] = {}
    for number, (utterance, value) in enumerate(read_table(path).items(), start=1):
        try:
            times = [PhoneTime.parse(field) for field in value.split()]
        except ValueError as error:
            problem = f"{error} is not start:end:phone"
            raise DataError(problem, path=path, line=number, utterance=utterance, fix="run stage 1, corpus") from None
        for before, after in zip(times, times[1:], strict=False):
            if after.start < before.start:
                problem = f"{after} begins before {before}"
                raise DataError(problem, path=path, line=number, utterance=utterance, fix="sort the phones by time")
        read[utterance] = times
    return read


def write_phone_times(folder: Path, times: Mapping[str, Sequence[PhoneTime]]) -> Path:
    """Write the phone times of a data directory, whole or not at all."""
    path = folder / FILE
    write_table(path, {utterance: " ".join(map(str, spoken)) for utterance, spoken in times.items()})
    return path
