#!/usr/bin/env python
"""``jointst serve`` under load: live streams until it breaks, files a minute, memory; Markdown tables, plots and JSON.

    cd egs/mini    (once it is trained and packed)
    ../../.venv/bin/python ../../tools/bench_serve.py --out exp/bench --model exp/train/packed --data data/mini_test

- Live streams: ever more of them, each fed the audio of the data directory in pieces of 40 ms as it would be spoken;
  how long a partial text takes from the last sample that it heard, and how much of each second the worker is busy.
- Files: those of the data directory, one by one, and from many clients at once.
- Memory: a great many short requests; what the process holds after each tenth of them.

The clients run on the same machine, and take from it what they need.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy
from bench_options import parse as parse_options

ROOT = Path(__file__).resolve().parents[1]
PIECE = 0.04
"""Seconds of audio that are sent at a time."""
MOST_LOAD, MOST_WAIT = 0.5, 0.5
"""What a server of so many streams keeps to: seconds of work a second, and p95 of the seconds for a partial text."""
SHORT = 0.3
"""Seconds of audio of each of many requests."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md, bench.json and plots")
    parser.add_argument("--model", type=Path, help="a trained model, packed by stage 10")
    parser.add_argument("--data", type=Path, help="a data directory with audio in its languages")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch for each worker of the server")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128])
    parser.add_argument("--seconds", type=float, default=20.0, help="of audio of each live stream")
    parser.add_argument("--decoder", default="full_context", help="whose text is final in live streams")
    parser.add_argument("--files", type=int, default=300, help="recognised by each route")
    parser.add_argument("--clients", type=int, default=16, help="that send files at once")
    parser.add_argument("--requests", type=int, default=10_000, help="short ones, for memory")
    add_toy(parser, streams=[1, 2], seconds=1.0, files=4, clients=2, requests=20)
    arguments = parse_options(parser)
    if not arguments.toy and (arguments.model is None or arguments.data is None):
        parser.error("needs --model and --data")
    return arguments


class Server:
    """A server in a process of its own.

    Args:
        process: of it.
        url: where it listens.
    """

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        import httpx2

        self.process, self.url = process, url
        self.client = httpx2.AsyncClient(base_url=url, timeout=600, trust_env=False)

    @property
    def resident(self) -> float:
        """MiB that it holds."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def cpu(self) -> float:
        """CPU seconds that it has used: what a busy machine does not change much."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def count(self, name: str, kind: str) -> float:
        """One of its counters."""
        text = (await self.client.get("/metrics")).text
        found = re.search(rf'^{name}{{kind="{kind}"}} (\S+)', text, re.M)
        return float(found[1]) if found else 0.0

    async def recognise(self, content: bytes) -> None:
        """Have a file recognised."""
        answer = await self.client.post("/v1/audio/transcriptions", files={"file": ("a", content)})
        answer.raise_for_status()


@contextmanager
def serving(model: Path, threads: int) -> Iterator[Server]:
    """A server without limits that would be in the way."""
    limits = ["--port", "0", "--rate", "none", "--streams", "1000", "--queue", "256"]
    command = [sys.executable, "-m", "jointst", "serve", "--model", str(model), *limits]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the server did not start")
            yield Server(process, line.split()[-1])
        finally:
            process.terminate()


def read_sounds(data: Path, rate: float) -> list[Any]:
    """The audio of a data directory, languages mixed."""
    from jointst.kaldi.audio import load_audio
    from jointst.kaldi.directory import DataDirectory

    directory = DataDirectory.read(data)
    keys = sorted(directory.wav_scp, key=lambda key: key[::-1])
    return [load_audio(directory.wav_scp[key], None, rate) for key in keys]


async def follow(server: Server, samples: bytes, rate: float, delay: float, decoder: str) -> list[float]:
    """Feed one live stream as it would be spoken; seconds that each partial text took."""
    from websockets.asyncio.client import connect

    await asyncio.sleep(delay)
    waits: list[float] = []
    size = round(PIECE * rate) * 2
    async with connect(f"ws{server.url[4:]}/v1/audio/stream", proxy=None) as socket:
        await socket.send(json.dumps({"type": "start", "sample_rate": rate, "decoder": decoder}))
        await socket.recv()
        started = monotonic()

        async def speak() -> None:
            for number, first in enumerate(range(0, len(samples), size), start=1):
                await asyncio.sleep(max(0.0, started + number * PIECE - monotonic()))
                await socket.send(samples[first : first + size])
            await socket.send(json.dumps({"type": "end"}))

        speaking = asyncio.create_task(speak())
        async for message in socket:
            said = json.loads(message)
            if said["type"] == "partial":
                waits.append(monotonic() - started - said["end"])
        await speaking
    return waits


async def measure_streams(arguments: argparse.Namespace, server: Server, sounds: list[Any], report: Any) -> None:
    """More and more live streams, until they are too many."""
    import numpy as np

    rate = 16_000.0
    pause = np.zeros(round(0.5 * rate), np.float32)
    rows, kept, curve = [], 0, []
    for count in arguments.streams:
        source = itertools.cycle(sounds)
        spoken = []
        for _ in range(count):
            parts: list[Any] = []
            while sum(map(len, parts)) < arguments.seconds * rate:
                parts += [next(source), pause]
            whole = np.concatenate(parts)[: round(arguments.seconds * rate)]
            spoken.append((whole * 2**15).clip(-(2**15), 2**15 - 1).astype("<i2").tobytes())
        before = [await server.count(f"jointst_{name}_seconds_total", "live") for name in ("work", "audio")]
        started, cpu = monotonic(), server.cpu
        streams = (
            follow(server, samples, rate, number / count, arguments.decoder) for number, samples in enumerate(spoken)
        )
        waits = [wait for found in await asyncio.gather(*streams) for wait in found]
        passed, cpu = monotonic() - started, server.cpu - cpu
        after = [await server.count(f"jointst_{name}_seconds_total", "live") for name in ("work", "audio")]
        work, audio = (now - then for now, then in zip(after, before, strict=True))
        load, p95 = work / audio * count, float(np.percentile(waits, 95)) if waits else 0.0
        median = float(np.median(waits)) if waits else 0.0
        figures = [f"{work / audio:.4f}", f"{cpu / audio:.4f}", f"{load:.2f}", f"{1000 * median:.0f}"]
        rows.append([count, *figures, f"{1000 * p95:.0f}", f"{passed - arguments.seconds:.1f}"])
        curve.append((count, p95))
        if load >= MOST_LOAD or p95 >= MOST_WAIT:
            break
        kept = count
    columns = [
        "streams",
        "factor of one",
        "CPU s a second of one",
        "factor of all",
        "partial, median ms",
        "p95 ms",
        "late by s",
    ]
    note = f"{arguments.seconds:g} s each; final text: {arguments.decoder}. Factors are of the worker's busy time."
    report.table("Live streams", columns, rows, note)
    report.plot("streams", {"p95 of a partial": tuple(zip(*curve, strict=True))}, "live streams", "seconds")
    report.hold(f"live streams with a factor under {MOST_LOAD:g} and p95 under {1000 * MOST_WAIT:g} ms", kept, least=1)


def written(samples: Any, rate: int = 16_000) -> bytes:
    """Samples as a WAV file."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


async def send_all(server: Server, contents: list[bytes], clients: int) -> float:
    """Seconds for all files, of so many clients."""
    waiting = iter(contents)

    async def client() -> None:
        for content in waiting:
            await server.recognise(content)

    started = monotonic()
    await asyncio.gather(*(client() for _ in range(clients)))
    return monotonic() - started


async def measure_files(arguments: argparse.Namespace, server: Server, sounds: list[Any], report: Any) -> None:
    """Files a minute, one by one and in batches."""
    import numpy as np

    chosen = list(itertools.islice(itertools.cycle(sounds), arguments.files))
    lengths = {
        "short": chosen,
        "of about 15 s": [np.concatenate(chosen[i : i + 12]) for i in range(0, len(chosen), 12)],
    }
    rows = []
    for name, parts in lengths.items():
        contents = [written(part) for part in parts]
        audio = sum(map(len, parts)) / 16_000
        for clients in (1, arguments.clients):
            cpu = server.cpu
            seconds = await send_all(server, contents, clients)
            figures = [
                f"{60 * len(contents) / seconds:.0f}",
                f"{audio / seconds:.0f}",
                f"{audio / (server.cpu - cpu):.0f}",
            ]
            rows.append([f"{len(contents)} {name}", clients, f"{seconds:.1f}", *figures])
    columns = ["files", "clients", "s", "files a minute", "s of audio a second", "a CPU second"]
    report.table("Files", columns, rows)


async def measure_memory(arguments: argparse.Namespace, server: Server, report: Any) -> None:
    """What the process holds after each tenth of many short requests."""
    import numpy as np

    noise = np.random.default_rng(0).standard_normal(round(SHORT * 16_000)).astype(np.float32)
    content = written(0.1 * noise / np.abs(noise).max())
    tenth = max(1, arguments.requests // 10)
    rows, resident = [], []
    for number in range(1, 11):
        seconds = await send_all(server, [content] * tenth, 8)
        resident.append(server.resident)
        rows.append([number * tenth, f"{resident[-1]:.1f}", f"{tenth / seconds:.0f}"])
    report.table("Memory", ["requests", "resident MiB", "requests a second"], rows)
    report.hold("growth of memory after the first tenth, MiB", resident[-1] - resident[0], most=20)


async def measure(arguments: argparse.Namespace, report: Any) -> None:
    """All three with one server."""
    sounds = read_sounds(arguments.data, 16_000)
    with serving(arguments.model, arguments.threads) as server:
        async with server.client:
            await measure_streams(arguments, server, sounds, report)
            await measure_files(arguments, server, sounds, report)
            await measure_memory(arguments, server, report)


def main() -> None:
    """The measurements, and the report."""
    arguments = parse()
    from jointst.common.threads import set_threads

    set_threads(1)  # of the clients
    from bench_report import Report, machine

    report = Report(arguments.out, "Server benchmark", machine("cpu", arguments.threads), toy=arguments.toy)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.toy:
            from toy_model import make_toy_model

            arguments.model, arguments.data = make_toy_model(Path(folder))
        asyncio.run(measure(arguments, report))
    report.write()
    print(report.text())


if __name__ == "__main__":
    main()
