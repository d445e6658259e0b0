"""Sound files of every container, through one reader for ``jointst validate``, features and ``jointst transcribe``.

Lengths are measured by reading to the end; what a header states serves only to find files that are cut off.

Where things are: ``kinds`` knows a file by its first bytes, also what is no sound at all; ``containers`` names a check
for each kind (``chunks``, ``flac``, ``ogg``, ``mpeg``, ``boxes``), which says whether the file is whole and who decodes
it; ``sndfile`` and ``libav`` decode; ``reader`` opens a file and gives its blocks; ``parts`` takes a part of a
recording; ``level`` looks at the samples that are used.

To add a container, give its first bytes a name in ``kinds.SOUNDS`` and, where its headers tell what must be there, a
check in ``containers.CHECKS``; then how to make one in ``WHOLE`` of test/data/odd_sounds.py: it is tested whole and cut
off, through all three.
"""

from __future__ import annotations

from jointst.kaldi.sound.level import Level
from jointst.kaldi.sound.reader import MissingSound, Sound, open_sound

__all__ = ["Level", "MissingSound", "Sound", "open_sound"]
