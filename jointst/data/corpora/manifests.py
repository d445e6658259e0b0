"""Public corpora through lhotse: its manifests become our data directories, its downloads are resumed.

lhotse knows each corpus's layout; this module knows what must hold whatever the corpus: sets as its authors cut them,
normalised text, speakers, a count of what was lost, and work that goes on after a kill with the part it stopped in.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointst.data.directory import DataDirectory, Segment
from jointst.errors import DataError, EnvironmentFault
from jointst.progress import progress

if TYPE_CHECKING:
    from jointst.config import CorpusConfig

MOST_LOST = 0.2
"""Share of a part's transcripts that may lack audio or words before the corpus counts as damaged."""
INSTALL = "run tools/install.sh --extra corpora"
_LONGEST_NAME = 40


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a corpus that belongs to one set.

    Attributes:
        name: what its authors call it, for messages; no two parts have the same.
        set: the end of the set's name: train, dev, test, or test with something after it.
        lang: ISO 639-1 code.
        source: the folder or file it is read from, for messages.
        expected: transcripts that the corpus lists.
        read: lhotse's recordings and supervisions, given an empty folder for lhotse to write in.
        prefix: put before speakers, where their names mean nothing outside the part.
        segmented: whether utterances are parts of recordings.
    """

    name: str
    set: str
    lang: str
    source: Path
    expected: int
    read: Callable[[Path], tuple[Any, Any]]
    prefix: str = ""
    segmented: bool = False


def need_lhotse() -> None:
    """Check that lhotse is there.

    Raises:
        EnvironmentFault: it is not, with the command that installs it.
    """
    try:
        import lhotse  # noqa: F401
    except ImportError as error:
        raise EnvironmentFault(f"lhotse is missing ({error}); {INSTALL}") from None


def find_root(corpus: str, stated: str | None, config: CorpusConfig, tree: str) -> tuple[Path, bool]:
    """Where a corpus is, and whether it may be downloaded to there.

    Args:
        corpus: its name.
        stated: the setting ``corpus.<name>.root``.
        config: its ``downloads`` is used.
        tree: how the folder should look, for the message of an error.

    Raises:
        DataError: the stated folder is missing.
    """
    if stated is None:
        return Path(config.downloads) / corpus, True
    if not Path(stated).is_dir():
        raise DataError(f"corpus.{corpus}.root: there is no such folder", path=stated, fix=f"expected:\n{tree}")
    return Path(stated), False


def missing_part(path: Path, tree: str) -> DataError:
    """The error for a part that is not on disk and may not be downloaded."""
    return DataError("this part of the corpus is missing", path=path, fix=f"expected:\n{tree}")


def download(what: str, into: Path, function: Callable[[], object], by_hand: str) -> None:
    """Run a download of lhotse's.

    Raises:
        EnvironmentFault: it fails; says what to put where by hand.
    """
    need_lhotse()
    into.mkdir(parents=True, exist_ok=True)
    print(f"downloading {what} to {into}", flush=True)
    try:
        function()
    except (OSError, HTTPException, tarfile.TarError, EOFError, NotImplementedError) as error:  # OSError: also urllib's
        raise EnvironmentFault(
            f"{what} cannot be downloaded: {error}\n"
            f"connect this machine to the network and run this stage again to go on, or put it into "
            f"{into.resolve()} by hand:\n{by_hand}"
        ) from None


def fetch_archive(url: str, into: Path) -> None:
    """Download a tar file, going on where an earlier run stopped, unpack it into ``into`` and remove it.

    While the archive is there, the part is not complete.
    """
    from lhotse.utils import resumable_download, safe_extract

    archive = into / url.rpartition("/")[2]
    resumable_download(url, archive)
    with tarfile.open(archive) as tar:
        safe_extract(tar, into)
    archive.unlink()


def make_sets(corpus: str, parts: Sequence[Part], data: Path) -> list[Path]:
    """Write the data directories ``<corpus>_<set>``, reading those parts that an earlier, broken run has not read.

    Raises:
        DataError: a part cannot be read, or lost more than :data:`MOST_LOST` of its transcripts.
        EnvironmentFault: lhotse is missing.
    """
    need_lhotse()
    finished = data / ".parts" / corpus
    sets: dict[str, DataDirectory] = {}
    for part in progress(parts, desc=corpus, unit="part"):
        key = hashlib.sha256(f"{part.name} {part.source.resolve()} {part.expected}".encode()).hexdigest()[:16]
        if not (finished / key / "text").is_file():
            _convert(corpus, part).write(finished / key)  # its text is written last
        one = DataDirectory.read(finished / key)
        whole = sets.setdefault(part.set, DataDirectory(data / f"{corpus}_{part.set}", {}))
        for table in ("text", "utt2spk", "utt2lang", "wav_scp", "segments"):
            held, new = getattr(whole, table), getattr(one, table)
            if table != "wav_scp" and held.keys() & new.keys():
                raise DataError("is in two parts of one set", path=part.source, utterance=min(held.keys() & new.keys()))
            held.update(new)
    made = [item.write(item.path).path for item in sets.values()]
    shutil.rmtree(finished)
    return made


def _convert(corpus: str, part: Part) -> DataDirectory:
    """A part as a data directory."""
    from jointst.text.normalise import normalise

    recordings, supervisions = _read(corpus, part)
    made = DataDirectory(Path(part.name), {})
    for item in supervisions:
        text = normalise(item.text or "", part.lang)
        if not text or item.recording_id not in recordings:
            continue
        recording = recordings[item.recording_id]
        source = recording.sources[0]
        if source.type != "file":
            raise DataError(f"its audio is a {source.type}, not a file", path=part.source, utterance=item.id)
        speaker = part.prefix + _name(item.speaker or item.id)
        name = _name(item.id)
        utterance = name if name.startswith(f"{speaker}-") else f"{speaker}-{name}"
        made.text[utterance] = text
        made.utt2spk[utterance] = speaker
        made.utt2lang[utterance] = part.lang
        if part.segmented:
            key = f"{part.prefix}{_name(recording.id)}"
            made.wav_scp[key] = str(source.source)
            made.segments[utterance] = Segment(key, item.start, min(item.end, recording.duration))
        else:
            made.wav_scp[utterance] = str(source.source)
    lost = part.expected - len(made.text)
    if lost:
        problem = f"{lost} of {part.expected} transcripts of {part.name} have no audio or no words"
        if lost > MOST_LOST * part.expected:
            raise DataError(problem, path=part.source, fix="the download may be incomplete: unpack it again")
        print(f"{corpus}: {part.source}: {problem}, left out", file=sys.stderr)
    return made


def _read(corpus: str, part: Part) -> tuple[Any, Any]:
    """lhotse's manifests of a part."""
    from lhotse.audio.utils import AudioLoadingError, DurationMismatchError

    with tempfile.TemporaryDirectory(prefix=f"{corpus}-") as output:
        try:
            return part.read(Path(output))
        except (
            AssertionError, AudioLoadingError, DurationMismatchError, IndexError, KeyError, OSError, RuntimeError,
            TypeError, ValueError,
        ) as error:  # fmt: skip
            said = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            fix = "look at the file it names; the download may be incomplete: unpack it again"
            raise DataError(f"lhotse cannot read {part.name}: {said}", path=part.source, fix=fix) from None


def at_home(recordings: Any, shown: Path, home: Path) -> Any:
    """Recordings that lhotse was shown under ``shown``, with the paths that they have under ``home``."""
    for recording in recordings:
        for source in recording.sources:
            source.source = str(home / Path(source.source).relative_to(shown))
    return recordings


def count_lines(paths: Sequence[Path], heading: int = 0) -> int:
    """Lines that are not empty in some text files, without ``heading`` lines of each.

    Raises:
        DataError: a file cannot be read.
    """
    count = 0
    for path in paths:
        try:
            with open(path, "rb") as stream:
                count += sum(bool(line.strip()) for line in stream) - heading
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", path=path, fix="unpack the corpus again") from None
    return count


def _name(text: str) -> str:
    """``text`` as a part of an utterance's id: no spaces, and not longer than files like; hashes keep names apart."""
    name = re.sub(r"\s+", "_", text.strip())
    return name if len(name) <= _LONGEST_NAME else hashlib.sha256(name.encode()).hexdigest()[:16]
