"""Public corpora: what they list becomes our data directories; lhotse downloads them and resumes that.

Each corpus's module reads its tables; this one knows what must hold whatever the corpus: sets as its authors cut them,
normalised text, speakers, a count of what was lost, and work that goes on after a kill with the part it stopped in.
Tables are read here and not by lhotse's recipes, which give up a whole corpus for one recording that cannot be opened.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from jointst.common.errors import DataError, EnvironmentFault
from jointst.common.progress import progress
from jointst.common.units import Seconds
from jointst.data.corpora.left_out import LeftOut, Losses
from jointst.data.corpora.locate import expand
from jointst.data.corpora.shared import PARTS, keep_held_out_whole
from jointst.data.corpora.transcripts import Transcripts
from jointst.data.corpora.usable import drop_unusable, is_plain, join_remembered, remembered
from jointst.kaldi.directory import DataDirectory, Segment

if TYPE_CHECKING:
    from jointst.config import CorpusConfig

UNPACK = "unpack the corpus again"
INSTALL = "run tools/install.sh --extra corpora"
_LONGEST_NAME = 40


class Listed(NamedTuple):
    """An utterance as a corpus lists it.

    Attributes:
        table: the file that lists it.
        line: 1-based, there.
        name: its id.
        speaker: its speaker, as the corpus calls them.
        text: its transcript as it is written.
        audio: the sound file that holds it.
        recording: id of that file, where utterances are parts of recordings.
        start: seconds from the beginning of the file.
        end: seconds; -1 for the end of the file.
    """

    table: Path
    line: int
    name: str
    speaker: str
    text: str
    audio: Path
    recording: str = ""
    start: Seconds = 0.0
    end: Seconds = -1.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a corpus that belongs to one set.

    Attributes:
        name: what its authors call it, for messages; no two parts have the same.
        set: the end of the set's name: train, dev, test, or test with something after it.
        lang: ISO 639-1 code.
        source: the folder or file it is read from, for messages.
        tables: the files that list its utterances, and others whose change makes it be read again.
        read: yields what is listed; puts lines that cannot be read among the losses.
        prefix: put before speakers, where their names mean nothing outside the part.
    """

    name: str
    set: str
    lang: str
    source: Path
    tables: Sequence[Path]
    read: Callable[[Losses], Iterable[Listed]]
    prefix: str = ""


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
        ConfigError: it names an environment variable that is not set.
        DataError: the stated folder is missing.
    """
    if stated is None:
        return Path(config.downloads) / corpus, True
    root = Path(expand(f"corpus.{corpus}.root", stated))
    if not root.is_dir():
        raise DataError(f"corpus.{corpus}.root: there is no such folder", path=root, fix=f"expected:\n{tree}")
    return root, False


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


def make_sets(corpus: str, parts: Sequence[Part], config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Write the data directories ``<corpus>_<set>``, reading those parts that an earlier, broken run has not read.

    Raises:
        DataError: a part cannot be read, or it, or a set that shares sentences with sets held out from it, loses more
            of its utterances than ``config.most_left_out``.
    """
    finished = data / ".parts" / corpus
    left_out = LeftOut(corpus, data, config.most_left_out)
    transcripts = Transcripts(corpus, config.transcriber_marks)
    sets: dict[str, DataDirectory] = {}
    known: dict[str, list[Path]] = {}
    for part in progress(parts, desc=corpus, unit="part"):
        folder = finished / _key(part)
        if (folder / "text").is_file():
            one = DataDirectory.read(folder)
        else:
            losses = Losses(part.name, part.source)
            one = _convert(part, transcripts, losses, nj, folder / "audio.json")
            left_out.close(losses, len(one.text))
            if not losses.lost:  # else it is read again, since what is lost may have been mended by then
                one.write(folder)  # its text is written last
        known.setdefault(part.set, []).append(folder / "audio.json")
        whole = sets.setdefault(part.set, DataDirectory(data / f"{corpus}_{part.set}", {}))
        for table in ("text", "utt2spk", "utt2lang", "wav_scp", "segments"):
            held, new = getattr(whole, table), getattr(one, table)
            if table != "wav_scp" and held.keys() & new.keys():
                raise DataError("is in two parts of one set", path=part.source, utterance=min(held.keys() & new.keys()))
            held.update(new)
    for name, files in known.items():
        join_remembered(files, remembered(data, f"{corpus}_{name}"))
    by_part = {part: [item for name, item in sets.items() if name.split("_")[0] == part] for part in PARTS}
    keep_held_out_whole(corpus, by_part, same_sentences=config.same_sentences, most=config.most_left_out)
    made = [item.write(item.path).path for item in sets.values()]
    shutil.rmtree(finished)
    transcripts.report()
    return made


def _key(part: Part) -> str:
    """A name for what is made of a part, which changes with its tables."""
    stats = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in part.tables]
    return hashlib.sha256(f"{part.name} {stats}".encode(errors="surrogateescape")).hexdigest()[:16]


def _convert(part: Part, transcripts: Transcripts, losses: Losses, nj: int, known: Path) -> DataDirectory:
    """A part as a data directory, without what cannot be used."""
    made = DataDirectory(Path(part.name), {})
    places: dict[str, tuple[Path, int]] = {}
    for item in part.read(losses):
        text = transcripts.clean(item.text, part.lang)
        speaker = part.prefix + _name(item.speaker or item.name)
        name = _name(item.name)
        utterance = name if name.startswith(f"{speaker}-") else f"{speaker}-{name}"
        audio = str(item.audio)
        reason, problem = "", ""
        if damage := transcripts.damage(item.text):
            reason, problem = "encoding", damage
        elif not text:
            reason, problem = "words", f"{item.text!r} holds no words"
        elif utterance in made.text:
            reason, problem = "twice", f"is on line {places[utterance][1]} of {places[utterance][0]} already"
        elif not is_plain(audio):
            reason, problem = "audio-path", f"the path {audio!r} cannot stand in wav.scp"
        elif item.recording and not (item.start >= 0 and (item.end > item.start or item.end == -1)):
            reason, problem = "times", f"begins at {item.start:g} s and ends at {item.end:g} s"
        if reason:
            losses.add(reason, DataError(problem, path=item.table, line=item.line, utterance=utterance))
            continue
        made.text[utterance] = text
        made.utt2spk[utterance] = speaker
        made.utt2lang[utterance] = part.lang
        places[utterance] = (item.table, item.line)
        if item.recording:
            key = f"{part.prefix}{_name(item.recording)}"
            made.wav_scp[key] = audio
            made.segments[utterance] = Segment(key, item.start, item.end)
        else:
            made.wav_scp[utterance] = audio
    drop_unusable(made, places, losses, nj, known)
    return made


def _name(text: str) -> str:
    """``text`` as a part of an utterance's id: no spaces, and not longer than files like; hashes keep names apart."""
    name = re.sub(r"[\s\x00-\x1f]+", "_", text.strip())
    return name if len(name) <= _LONGEST_NAME else hashlib.sha256(name.encode()).hexdigest()[:16]
