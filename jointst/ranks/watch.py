"""Processes that watch each other over torch's store: when one fails all end, and one of them says why.

Every process has a thread that gives signs of life and looks for those of others. A process that fails leaves its
message in the store; one that is killed leaves none, and the others say for it what they know. A thread can end a
process that waits for others in gloo or NCCL, where an exception of its own cannot reach it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from datetime import timedelta
from typing import Any, NoReturn

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from jointst.common.errors import EnvironmentFault
from jointst.common.place import Place
from jointst.common.processes import HOST, is_alive
from jointst.common.units import Seconds
from jointst.ranks.group import Group
from jointst.ranks.times import beat, patience, to_start

MOMENT: Seconds = 0.05
START = "at the start"
FAILED = 1
"""Exit status of all where one has failed."""
_OF_OTHERS = ("gloo", "nccl", "connection", "broken pipe", "socket", "process group", "processgroup", "tcpstore")
"""Words of errors that are the echo of another's end, in small letters."""


def is_echo(error: BaseException) -> bool:
    """Whether an error may come of another process's end."""
    if isinstance(error, dist.DistError):
        return True
    return type(error) is RuntimeError and any(word in str(error).lower() for word in _OF_OTHERS)


def _connect(place: Place) -> Store:
    """A connection to the store; the first process holds it, or torchrun of the first node."""
    try:
        store, _, _ = next(rendezvous("env://", timeout=timedelta(seconds=to_start())))
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        raise EnvironmentFault(
            f"{place}: not all {place.world} processes met at {where} within {to_start():.0f} s: "
            f"{str(error).splitlines()[0]} (is it the address of the first node, and the port free and open to all?)"
        ) from None
    return PrefixStore(f"jointst{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


class Watch(Group):
    """This process among others.

    Args:
        place: of this process.
        title: what its messages begin with.

    Raises:
        EnvironmentFault: the others do not come.
    """

    def __init__(self, place: Place, title: str) -> None:
        super().__init__(place)
        self._place = place
        self._title = title
        self._store = _connect(place)
        self._own = _connect(place)  # of the thread: a store is for one at a time
        self._over = threading.Event()
        self._ending = threading.Lock()
        self._broken = False
        self._failing: tuple[Seconds, str] | None = None
        self._parent = os.getppid()
        who = {"host": HOST, "process": os.getpid(), "shown": str(place), "node": place.node, "local": place.local_rank}
        self._store.set(f"who/{place.rank}", json.dumps(who))
        self._others = [rank for rank in range(place.world) if rank != place.rank]
        self._known: list[dict[str, Any]] = self._meet()
        self._seen: dict[int, tuple[str, Seconds]] = {}
        self._first_at = START
        self._dead: set[int] = set()
        threading.Thread(target=self._watch, daemon=True, name="ranks").start()

    def _meet(self) -> list[dict[str, Any]]:
        """Wait for all others, before there is a thread that would tell of one that fails."""
        until = time.monotonic() + to_start()
        while True:
            missing = [rank for rank in range(self.world) if not self._store.check([f"who/{rank}"])]
            if not missing:
                return [json.loads(self._get(f"who/{rank}")) for rank in range(self.world)]
            if time.monotonic() > until:
                raise EnvironmentFault(f"{self._place}: rank {missing[0]} did not come within {to_start():.0f} s")
            time.sleep(MOMENT)

    # --- what a training asks -------------------------------------------------------------------------------------

    def _get(self, key: str) -> str:
        while not self._store.check([key]):
            time.sleep(MOMENT)
        return str(self._store.get(key), "utf-8")

    def tell(self, key: str, value: Any) -> None:
        """See :class:`Group`."""
        self._store.set(f"told/{key}", json.dumps(value))

    def told(self, key: str) -> Any:
        """See :class:`Group`."""
        return json.loads(self._get(f"told/{key}"))

    def gather(self, key: str, value: Any) -> list[Any]:
        """See :class:`Group`."""
        self._store.set(f"{key}/{self._place.rank}", json.dumps(value))
        if not self.first:
            return []
        return [json.loads(self._get(f"{key}/{rank}")) for rank in range(self.world)]

    def at(self, words: str) -> None:
        """See :class:`Group`."""
        self._store.set(f"at/{self._place.rank}", words)

    def before_update(self, update: int, validates: bool) -> None:
        """See :class:`Group`. No process ends an update before the first has begun it, which waits until all know."""
        if not self.first or not self.wanted or self._stop_at is not None:
            return
        stop_at = update + 1 if validates else update
        self._store.set("stop", json.dumps([stop_at, self.wanted]))
        self._stop_at = stop_at
        for rank in self._others:
            self._get(f"agreed/{rank}")

    def finished(self) -> None:
        """See :class:`Group`; waits until all have come so far, for one of them holds the store."""
        if self._over.is_set():
            return
        self._store.set(f"finished/{self._place.rank}", "")
        for rank in range(self.world):
            self._get(f"finished/{rank}")
        self._store.set(f"left/{self._place.rank}", "")
        if self.first:
            self._wait_for([f"left/{rank}" for rank in self._others])
        self._over.set()

    def _wait_for(self, keys: list[str]) -> None:
        """Until all keys are there, or it takes too long."""
        until = time.monotonic() + 5 * beat()
        while time.monotonic() < until and not self._own_check(keys):
            time.sleep(MOMENT)

    def _own_check(self, keys: list[str]) -> bool:
        try:
            return bool(self._store.check(keys))
        except RuntimeError:
            return True

    # --- how it ends ----------------------------------------------------------------------------------------------

    def fail(self, message: str, status: int = FAILED, *, echo: bool = False) -> NoReturn:
        """End this process because of its own error, and with it all others.

        Args:
            message: what is wrong, and what to do.
            status: exit status.
            echo: whether it may come of another's end, which is waited for.
        """
        if self._over.is_set():  # nobody else is concerned
            self._show(f"{self._title}: {message}")
            os._exit(status)
        if echo:
            self._broken = True
            time.sleep(patience() + 5 * beat())  # the thread ends this process as soon as it knows more
        self._claim(self._place.rank, message, status, self._store)

    def failing(self, message: str) -> None:
        """See :class:`Group`; an end that takes too long is made by the thread."""
        self._failing = (time.monotonic(), message)

    def _claim(self, rank: int, message: str, status: int, store: Store) -> NoReturn:
        """Say who failed, unless another was before, and end."""
        with self._ending:
            shown = self._known[rank]["shown"]
            text = f"{self._title}: {shown}: {message}"
            fault: dict[str, Any] = {"rank": rank, "node": self._place.node, "status": status, "text": text}
            try:
                held = json.loads(store.compare_set("fault", "", json.dumps(fault)))
            except RuntimeError:
                held = None
            if held is not None and held != fault:
                self._end_by(held, store)
            self._show(fault["text"])
            if held is not None:
                self._wait_until_seen(rank, store)
            os._exit(status)

    def _wait_until_seen(self, failed: int, store: Store) -> None:
        """The store may go with this process, so let the others read it."""
        waiting = {rank for rank in self._others if rank != failed}
        until = time.monotonic() + 8 * beat()
        try:
            while waiting and time.monotonic() < until:
                waiting = {rank for rank in waiting if not store.check([f"seen/{rank}"])}
                time.sleep(MOMENT)
        except RuntimeError:
            return

    def _end_by(self, fault: dict[str, Any], store: Store | None) -> NoReturn:
        """End because of another's fault; on each node but that of who tells it, one tells it too."""
        says = fault["node"] != self._place.node and self._is_lowest(fault["rank"])
        self._show(fault["text"], loud=says)
        try:
            if store is not None:
                store.set(f"seen/{self._place.rank}", "")
        except RuntimeError:
            pass
        time.sleep(beat() / 2)  # that others of this node see who tells it
        os._exit(fault["status"])

    def _is_lowest(self, failed: int) -> bool:
        """Whether this is the first of its node that lives, the one that failed left out."""
        mine = [rank for rank, who in enumerate(self._known) if who["node"] == self._place.node and rank != failed]
        return next(rank for rank in mine if rank == self._place.rank or self._lives(rank)) == self._place.rank

    def _show(self, text: str, *, loud: bool = True) -> None:
        """The last line of this process, and torchrun's note of its failure."""
        flushing = threading.Thread(target=sys.stdout.flush, daemon=True)
        flushing.start()
        flushing.join(1.0)
        if loud:
            os.write(2, f"{text}\n".encode(errors="backslashreplace"))
        file = os.environ.get("TORCHELASTIC_ERROR_FILE")
        if file:
            more = {"py_callstack": text, "timestamp": str(int(time.time()))}
            try:
                with open(file, "w", encoding="utf-8") as stream:
                    json.dump({"message": {"message": text, "extraInfo": more}}, stream)
            except OSError:
                pass

    # --- the thread -----------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._over.wait(beat()):
            try:
                now = time.monotonic()
                self._own.set(f"beat/{self._place.rank}", f"{now:.3f}")
                self._look(now)
            except RuntimeError:  # of the store: whoever holds it is gone
                if self._over.wait(2 * beat()):
                    return
                self._store_is_gone()

    def _look(self, now: Seconds) -> None:
        store = self._own
        if store.check(["fault"]):
            fault = json.loads(store.get("fault"))
            with self._ending:
                self._end_by(fault, store)
        if os.getppid() != self._parent:
            self._claim(self._place.rank, "error: the process that started it has ended", FAILED, store)
        if self._failing is not None and now - self._failing[0] > patience():
            self._claim(self._place.rank, self._failing[1], FAILED, store)
        for rank in self._others:
            if not self._lives(rank) and not store.check([f"finished/{rank}"]):
                if rank in self._dead:  # at the second look: its last words may just have come
                    self._claim(rank, self._last_of(rank), FAILED, store)
                self._dead.add(rank)
        for rank in self._others if self.first or self._broken else [0]:
            self._listen(rank, now)
        if self.wanted and not self.first:
            store.compare_set("want", "", self.wanted)
        elif store.check(["want"]):
            self.wanted = self.wanted or store.get("want").decode()
        if not self.first and self._stop_at is None and store.check(["stop"]):
            self._stop_at, self.wanted = json.loads(store.get("stop"))
            store.set(f"agreed/{self._place.rank}", "")

    def _listen(self, rank: int, now: Seconds) -> None:
        """Look for a sign of life; the clock is that of this process alone."""
        words = self._read(f"beat/{rank}")
        if rank == 0:
            self._first_at = self._read("at/0") or START
        before, since = self._seen.get(rank, ("", now))
        if words != before or rank not in self._seen:
            self._seen[rank] = (words, now)
            return
        longest = min(patience(), 8 * beat()) if self._broken else patience()
        if now - since > longest and not self._own.check([f"finished/{rank}"]):
            self._claim(rank, f"{self._last_of(rank)} (no sign of life for {now - since:.0f} s)", FAILED, self._own)

    def _read(self, key: str) -> str:
        """What the store has, at once; empty where it has nothing."""
        return str(self._own.get(key), "utf-8") if self._own.check([key]) else ""

    def _lives(self, rank: int) -> bool:
        """Whether a process of this host lives; those of others are believed to."""
        who = self._known[rank]
        return who["host"] != HOST or is_alive(int(who["process"]))

    def _last_of(self, rank: int) -> str:
        """What to say for a process that left no word."""
        try:
            at = self._read(f"at/{rank}") or START
        except RuntimeError:  # the first held the store
            at = self._first_at
        return (
            "error: its process was killed, most often for want of memory, or its node is gone; it was last seen "
            f"{at}; what to do: look at the memory (lower training.workers, training.speech_batch), then run it again, "
            "which goes on from the last checkpoint"
        )

    def _store_is_gone(self) -> NoReturn:
        agents = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        if agents:
            text = f"{self._title}: {self._place}: error: torchrun of the first node has ended"
        else:
            text = f"{self._title}: {self._known[0]['shown']}: {self._last_of(0)}"
        # Nobody can agree with the others now, so one of each node says it.
        with self._ending:
            self._end_by({"rank": -1 if agents else 0, "node": -1, "status": FAILED, "text": text}, None)
