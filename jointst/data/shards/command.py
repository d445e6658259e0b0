"""``jointst shard``: speech of data directories and lhotse manifests into shards, here or behind a URL."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from jointst.common.errors import ConfigError, DataError, JointstError
from jointst.common.languages import LANGUAGES
from jointst.common.lock import Claim, hold
from jointst.common.parallel import run_jobs
from jointst.common.processes import remove_remains
from jointst.common.threads import set_threads
from jointst.common.units import seconds_of
from jointst.data.shards import LENGTHS
from jointst.data.shards.pack import Packed, ShardJob, pack
from jointst.data.shards.sources import Utterance, utterances_of
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.storage import is_url
from jointst.kaldi.tables import write_table


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise JointstError(f"{message} (jointst shard --help shows all options)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="jointst shard",
        description="Pack the speech of a data directory, or of lhotse's cuts, into tar files in webdataset's layout, "
        "each with an index, and make a data directory whose wav.scp names them. Interrupt it when you like: it goes "
        "on from the shards that are finished.",
        epilog="Then name the new directories in data.train and so on, with features.storage: shards. To move shards, "
        "copy their folder and put its new name into wav.scp, as by sed.",
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", help="a Kaldi data directory, or a file of cuts, .jsonl or .jsonl.gz")
    add("--shards", required=True, metavar="WHERE", help="folder of the shards, or its URL: s3://, gs:// ...")
    add("--out", required=True, metavar="DIR", help="the data directory that is made")
    add("--rate", type=int, default=16000, help="hertz of the sounds, features.sampling_rate (%(default)s)")
    add("--utterances", type=int, default=1000, help="of a shard (%(default)s)")
    add("--language", metavar="CODE", help="of utterances that state none")
    add("--max_failures", type=float, default=0.0, help="share of utterances that may be unreadable (%(default)s)")
    add("--nj", type=int, default=2, help="processes (%(default)s)")
    add("--force", action="store_true", help="make finished shards again")
    return parser


def run(arguments: list[str]) -> int:
    """Run the command; 0.

    Raises:
        ConfigError: an option that cannot work.
        DataError: a faulty source, more unreadable utterances than are allowed, or a place that cannot be written.
    """
    options = _parser().parse_args(arguments)
    source, out = Path(options.source), Path(options.out)
    _check(options, source, out)
    set_threads(1)
    claims = [Claim.beside(out), *([] if is_url(options.shards) else [Claim.beside(Path(options.shards))])]
    with hold(claims, "shard", shlex.join(["jointst", "shard", *arguments])):
        if not is_url(options.shards) and Path(options.shards).is_dir():
            remove_remains(Path(options.shards))
        utterances = utterances_of(source, options.language)
        size, folder = options.utterances, options.shards.rstrip("/")
        jobs = [
            ShardJob(folder, number, tuple(utterances[first : first + size]), options.rate, options.force)
            for number, first in enumerate(range(0, len(utterances), size))
        ]
        sizes = [len(job.utterances) for job in jobs]
        done = run_jobs(pack, jobs, options.nj, desc="shards", unit="utterance", sizes=sizes)
        _report_failures(done, len(utterances), options.max_failures)
        _write(out, utterances, done, options.rate)
    seconds = sum(seconds_of(count, options.rate) for packed in done for _, count in packed.sounds.values())
    new = sum(packed.made for packed in done)
    print(f"shard: {len(done)} shards ({new} made now) of {seconds / 3600:.2f} h in {folder} -> {out}", flush=True)
    return 0


def _check(options: argparse.Namespace, source: Path, out: Path) -> None:
    for key in ("rate", "utterances", "nj"):
        if getattr(options, key) < 1:
            raise ConfigError(f"--{key}", f"is {getattr(options, key)}", "at least 1")
    if not 0 <= options.max_failures < 1:
        raise ConfigError("--max_failures", f"is {options.max_failures}", "0 <= share < 1")
    if options.language is not None and options.language not in LANGUAGES:
        raise ConfigError("--language", f"is {options.language}", f"one of {' '.join(LANGUAGES)}")
    if not options.shards.strip("/"):
        raise ConfigError("--shards", f"is {options.shards!r}", "a folder, or a URL as s3://bucket/train")
    if is_url(options.out):
        raise ConfigError("--out", f"is {options.out}, a URL", "a folder here; --shards may be a URL")
    if source.exists() and out.exists() and source.resolve() == out.resolve():
        raise ConfigError("--out", f"is {out}, the source itself", "another folder")


def _report_failures(done: Sequence[Packed], utterances: int, allowed: float) -> None:
    failures = [failure for packed in done for failure in packed.failures.values()]
    for failure in failures:
        print(f"shard: {failure}", file=sys.stderr)
    if len(failures) > allowed * utterances or len(failures) == utterances:
        raise DataError(
            f"{len(failures)} of {utterances} utterances have no usable audio; the first: {failures[0]}",
            fix=f"mend or remove them, or --max_failures above {len(failures) / utterances:.4f}",
        )
    if failures:
        print(f"shard: {len(failures)} utterances are left out", file=sys.stderr)


def _write(out: Path, utterances: Sequence[Utterance], done: Sequence[Packed], rate: int) -> None:
    """The data directory of the shards."""
    sounds = {name: sound for packed in done for name, sound in packed.sounds.items()}
    kept = [utterance for utterance in utterances if utterance.name in sounds]
    out.mkdir(parents=True, exist_ok=True)
    write_table(out / LENGTHS, {name: f"{seconds_of(count, rate):.9f}" for name, (_, count) in sounds.items()})
    DataDirectory(
        path=out,
        text={utterance.name: utterance.text for utterance in kept},
        utt2spk={utterance.name: utterance.speaker for utterance in kept},
        utt2lang={utterance.name: utterance.language for utterance in kept if utterance.language},
        wav_scp={name: str(place) for name, (place, _) in sounds.items()},
        phones={utterance.name: utterance.phones for utterance in kept if utterance.phones},
    ).write(out)
