"""Files of all clients at once: each is read in a thread of its own, and their segments are searched in batches.

A batch begins with the file that has waited longest for its turn, and is filled with segments that are searched alike
and are about as long, one of each file before a second of any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from jointst.common.errors import JointstError
from jointst.common.units import Seconds, seconds_of
from jointst.decoding.search import Search
from jointst.decoding.transcript import Transcript
from jointst.kaldi.audio import Samples
from jointst.serving.metrics import Metrics
from jointst.serving.refused import Refused, unusable
from jointst.serving.wishes import Wish
from jointst.transcription.recogniser import Recogniser
from jointst.transcription.result import Transcription
from jointst.transcription.sound_files import read_blocks

AHEAD = 4
"""Segments of a file that are read before they are searched: what an hour takes in memory."""


class _Gone(Exception):
    """Nobody waits for the text any more."""


@dataclass(kw_only=True, eq=False)
class _Job:
    """A file on its way.

    Attributes:
        path, wish, search: as they were given.
        result: that the client waits for.
        waiting: segments that were read and not searched, (number, samples, start).
        found: transcripts by number.
        samples: so far.
        segments: so far.
        read: whether that is all.
        over: whether it was answered, or nobody waits for it any more.
    """

    path: Path
    wish: Wish
    search: Search
    result: Future[Transcription] = field(default_factory=Future)
    waiting: list[tuple[int, Samples, Seconds]] = field(default_factory=list)
    found: dict[int, Transcript] = field(default_factory=dict)
    samples: int = 0
    segments: int = 0
    read: bool = False
    over: bool = False

    @property
    def kind(self) -> tuple[str, int]:
        """Jobs of one kind may share a batch."""
        return self.wish.decoder, id(self.search)


class Files:
    """Recognises files.

    Args:
        recogniser: its model and cuts; decoder and search come with each file.
        audio_seconds: the longest file.
        at_once: files that are read at once.
        metrics: that are kept.
    """

    def __init__(self, recogniser: Recogniser, *, audio_seconds: Seconds, at_once: int, metrics: Metrics) -> None:
        self._recogniser = recogniser
        self._longest = audio_seconds
        self._metrics = metrics
        self._readers = ThreadPoolExecutor(at_once, "read")
        self._changed = threading.Condition()
        self._jobs: list[_Job] = []  # the next to be served first
        self._stopped = False
        self._worker = threading.Thread(target=self._work, name="search", daemon=True)
        self._worker.start()

    def submit(self, path: Path, wish: Wish, search: Search) -> tuple[Future[Transcription], Callable[[], None]]:
        """Recognise a file.

        Returns:
            The result, or Refused; and what to call when nobody waits for it any more.
        """
        job = _Job(path=path, wish=wish, search=search)
        with self._changed:
            self._jobs.append(job)
        self._readers.submit(self._read, job)
        return job.result, lambda: self._drop(job, None)

    @property
    def alive(self) -> bool:
        """Whether anything is searched at all."""
        return self._worker.is_alive()

    def stop(self) -> None:
        """Let the worker end after its batch; what still waits is never answered."""
        with self._changed:
            self._stopped = True
            for job in list(self._jobs):
                self._end(job)
                job.result.cancel()
            self._changed.notify_all()
        self._readers.shutdown()
        self._worker.join()

    def _read(self, job: _Job) -> None:
        """Cut a file into segments, not far ahead of the search."""
        try:
            with closing(self._blocks(job)) as blocks:
                for samples, start in self._recogniser.cuts(blocks):
                    with self._changed:
                        self._changed.wait_for(lambda: len(job.waiting) < AHEAD or job.over)
                        if job.over:
                            return
                        job.waiting.append((job.segments, samples, start))
                        job.segments += 1
                        self._changed.notify_all()
            with self._changed:
                job.read = True
            self._finish(job)
        except _Gone:
            pass
        except JointstError as error:
            self._drop(job, unusable(error, "file"))
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of a fault of ours, too
            self._drop(job, error)

    def _blocks(self, job: _Job) -> Generator[Samples]:
        """The samples of a file, not more than is allowed."""
        rate = self._recogniser.sampling_rate
        for block in read_blocks(job.path, rate):
            job.samples += len(block)
            if job.over:
                raise _Gone
            if seconds_of(job.samples, rate) > self._longest:
                message = f"the audio is longer than the {self._longest:g} s that are taken: cut it"
                self._drop(job, Refused(status=413, message=message, param="file", code="audio_too_long"))
                raise _Gone
            yield block

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopped or any(job.waiting for job in self._jobs))
                if self._stopped:
                    return
                batch = self._next_batch()
                self._changed.notify_all()
            started = monotonic()
            self._recognise(batch)
            self._metrics.work_seconds.labels("files").inc(monotonic() - started)
            self._metrics.batch.observe(len(batch))
            for job in {id(job): job for job, _ in batch}.values():
                self._finish(job)

    def _next_batch(self) -> list[tuple[_Job, tuple[int, Samples, Seconds]]]:
        """Segments that are searched together; their files go to the end of the line."""
        first = next(job for job in self._jobs if job.waiting)
        length = len(first.waiting[0][1])
        alike = [job for job in self._jobs if job.waiting and job.kind == first.kind and job is not first]
        batch = [(first, first.waiting.pop(0))]
        while len(batch) < self._recogniser.batch and any(job.waiting for job in (*alike, first)):
            round_of = sorted(
                (job for job in (*alike, first) if job.waiting), key=lambda job: abs(len(job.waiting[0][1]) - length)
            )
            for job in round_of[: self._recogniser.batch - len(batch)]:
                batch.append((job, job.waiting.pop(0)))
        served = {id(job) for job, _ in batch}
        self._jobs.sort(key=lambda job: id(job) in served)  # stable: the others keep their places
        return batch

    def _recognise(self, batch: list[tuple[_Job, tuple[int, Samples, Seconds]]]) -> None:
        """Find the text of a batch; where that fails, of each segment alone: one client's fault stays its own."""
        job = batch[0][0]
        cuts = [(samples, start) for _, (_, samples, start) in batch]
        languages = [job.wish.language for job, _ in batch]
        try:
            found = self._recogniser.recognise(cuts, job.search, job.wish.decoder, languages)
        except Exception as error:  # noqa: BLE001 - the worker outlives what it works on
            if len(batch) == 1:
                self._drop(job, unusable(error, "file") if isinstance(error, JointstError) else error)
                return
            for one in batch:
                self._recognise([one])
            return
        for (owner, (number, _, _)), transcript in zip(batch, found, strict=True):
            owner.found[number] = transcript

    def _finish(self, job: _Job) -> None:
        """Give the result if it is whole."""
        with self._changed:
            if job.over or not job.read or len(job.found) < job.segments:
                return
            self._end(job)
        seconds = round(seconds_of(job.samples, self._recogniser.sampling_rate), 3)
        self._metrics.audio_seconds.labels("files").inc(seconds)
        segments = tuple(job.found[number] for number in sorted(job.found))
        if job.result.set_running_or_notify_cancel():
            job.result.set_result(Transcription(name="file", seconds=seconds, segments=segments))

    def _drop(self, job: _Job, error: Exception | None) -> None:
        """Take a file out of the line: it has failed, or nobody waits for it."""
        with self._changed:
            if job.over:
                return
            self._end(job)
            self._changed.notify_all()
        if error is None:
            job.result.cancel()
        elif job.result.set_running_or_notify_cancel():
            job.result.set_exception(error)

    def _end(self, job: _Job) -> None:
        """Take a job out of the line; with the lock held."""
        self._jobs.remove(job)
        job.waiting.clear()
        job.over = True
