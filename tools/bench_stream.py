#!/usr/bin/env python
"""Streaming recognition: latency, an hour of audio, real-time factor; Markdown tables, plots and JSON.

    cd egs/mini    (once it is trained and packed)
    ../../.venv/bin/python ../../tools/bench_stream.py --out exp/bench --model exp/train/packed --data data/mini_test

- Latency: sentences of the data directory, spoken anew by eSpeak NG, which says when each word ends; how much audio
  has come in when the first partial result is there, and when the first word is there whole.
- An hour: the audio of the data directory, over and over; CPU seconds for each minute of it, and memory.
- Runtimes: files and a stream of the data directory by torch and by the graphs of stage 10 in onnxruntime, each in a
  process of its own: seconds to load, real-time factors, and the most memory.
- Real-time factor: the preset ``small`` with fresh weights, whose blank is biased so that it emits ``--rate`` labels a
  second; one thread, audio in pieces of 40 ms, both passes.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import itertools
import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import mean, median
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy
from bench_options import parse as parse_options

PIECE = 0.04
"""Seconds of audio that come in at a time."""
RUNTIME_RATE = 16000
"""Hertz of the samples that both runtimes are given."""
MINUTE, TOY_MINUTE = 60.0, 2.0
"""Seconds of audio of each minute of the long stream."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md, bench.json and plots")
    parser.add_argument("--model", type=Path, help="a trained model, packed by stage 10")
    parser.add_argument("--data", type=Path, help="a data directory with audio in its languages")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--minutes", type=int, default=60, help="of the long stream")
    parser.add_argument("--sentences", type=int, default=10, help="of each language, for latency")
    parser.add_argument("--rate", type=float, default=10.0, help="labels a second of the untrained model")
    parser.add_argument("--seconds", type=float, default=60.0, help="of audio for the untrained model and runtimes")
    parser.add_argument("--size", default="small", help="preset of the untrained model")
    add_toy(parser, minutes=2, sentences=1, seconds=2.0, size="tiny")
    arguments = parse_options(parser)
    if not arguments.toy and (arguments.model is None or arguments.data is None):
        parser.error("needs --model and --data")
    return arguments


def pieces(samples: Any, rate: float) -> Iterator[Any]:
    """Samples as they would come in."""
    size = round(PIECE * rate)
    return (samples[start : start + size] for start in range(0, len(samples), size))


def measure_latency(arguments: argparse.Namespace, report: Any) -> None:
    """When results are there, against when the word was over."""
    import numpy as np

    from jointst import Recogniser
    from jointst.common.languages import language
    from jointst.data.corpora.espeak import SAMPLING_RATE, Synthesiser
    from jointst.kaldi.directory import DataDirectory

    recogniser = Recogniser.load(arguments.model)
    config = recogniser.trained.config
    chunk = recogniser.trained.model.chunk * config.model.subsampling * config.features.hop / 1000
    directory = DataDirectory.read(arguments.data)
    rows, firsts = [], []
    with Synthesiser() as engine:
        for code in directory.languages:
            if not language(code).has_spaces or code == "ar":  # what eSpeak is given there is not what is written
                continue
            keys = [key for key in directory.text if directory.utt2lang[key] == code][: arguments.sentences]
            delays, whole = [], []
            for key in keys:
                words = directory.text[key].split()
                samples = engine.speak(" ".join(words), language(code).speaks, "f2").astype(np.float32) / 2**15
                if len(words) < 2 or len(engine.word_starts) < 2:
                    continue
                first, complete = follow(recogniser.stream(SAMPLING_RATE), samples, SAMPLING_RATE, words)
                end = engine.word_starts[1]
                delays.append(first - end)
                if complete is not None:
                    whole.append(complete - end)
            firsts += delays
            found = f"{1000 * median(whole):.0f}" if whole else "-"
            row = [code, len(delays), f"{1000 * median(delays):.0f}", f"{1000 * max(delays):.0f}", len(whole), found]
            rows.append(row)
    columns = ["language", "sentences", "first partial, median ms", "most ms", "first word right", "whole, median ms"]
    note = f"After the end of the first word; one chunk is {1000 * chunk:.0f} ms. A voice that training did not hear."
    report.table("Latency", columns, rows, note)
    report.hold("first partial after the first word's end, in chunks, median", median(firsts) / chunk, most=2)
    report.hold("the same, worst sentence", max(firsts) / chunk, most=2)


def follow(stream: Any, samples: Any, rate: float, words: list[str]) -> tuple[float, float | None]:
    """Seconds of audio that were in when the first partial came, and when the first word was there and right.

    Where no partial came, the end of the audio; where the first word was never right, None.
    """
    heard, first = 0, None
    for piece in pieces(samples, rate):
        heard += len(piece)
        for transcript in stream.accept(piece):
            if transcript.text and first is None:
                first = heard / rate
            if transcript.text.split()[:1] == words[:1]:
                return first or heard / rate, heard / rate
    return (len(samples) / rate if first is None else first), None


def measure_hour(arguments: argparse.Namespace, report: Any) -> None:
    """CPU seconds of every minute of a long stream, and the growth of memory."""
    import numpy as np

    from jointst import Recogniser
    from jointst.common.progress import progress
    from jointst.kaldi.audio import load_audio
    from jointst.kaldi.directory import DataDirectory

    recogniser = Recogniser.load(arguments.model)
    rate = recogniser.sampling_rate
    directory = DataDirectory.read(arguments.data)
    pause = np.zeros(round(0.5 * rate), np.float32)
    keys = sorted(directory.wav_scp, key=lambda key: key[::-1])  # languages mixed, so that minutes are alike
    parts = [part for key in keys for part in (load_audio(directory.wav_scp[key], None, rate), pause)]
    minute = round((TOY_MINUTE if arguments.toy else MINUTE) * rate)
    stream, cost, resident = recogniser.stream(), [], []
    source = itertools.chain.from_iterable(pieces(part, rate) for part in itertools.cycle(parts))
    for _ in progress(range(arguments.minutes), desc="long stream", unit="minute"):
        heard, start = 0, process_time()
        while heard < minute:
            piece = next(source)
            stream.accept(piece)
            heard += len(piece)
        cost.append((process_time() - start) * minute / heard)
        gc.collect()
        resident.append(resident_mib())
    slope = float(np.polyfit(np.arange(len(cost)), cost, 1)[0]) * (len(cost) - 1) / mean(cost)
    tenth = max(1, len(cost) // 6)
    rows = [
        [f"{first + 1} to {min(len(cost), first + tenth)}", f"{mean(cost[first : first + tenth]):.2f}", f"{last:.0f}"]
        for first in range(0, len(cost), tenth)
        for last in [resident[min(len(cost), first + tenth) - 1]]
    ]
    report.table(f"A stream of {len(cost)} minutes", ["minutes", "CPU s a minute", "resident MiB"], rows)
    places = list(range(1, len(cost) + 1))
    report.plot("stream", {"CPU s for each minute of audio": (places, cost)}, "minute", "CPU seconds")
    report.hold("CPU time of the last sixth over the first", mean(cost[-tenth:]) / mean(cost[:tenth]), most=1.1)
    report.hold("trend over the whole stream, share of the mean", slope, least=-0.1, most=0.1)
    settled = resident[min(len(cost) - 1, tenth)]
    report.hold("growth of memory after the first sixth, MiB", resident[-1] - settled, most=20)


def measure_runtimes(arguments: argparse.Namespace, report: Any) -> None:
    """Time and memory of torch and of onnxruntime, from nothing to the last text."""
    from jointst.kaldi.audio import load_audio
    from jointst.kaldi.directory import DataDirectory

    directory = DataDirectory.read(arguments.data)
    parts: list[Any] = []
    for key in directory.wav_scp:
        if sum(map(len, parts)) >= arguments.seconds * RUNTIME_RATE:
            break
        parts.append(load_audio(directory.wav_scp[key], None, RUNTIME_RATE))
    seconds = sum(map(len, parts)) / RUNTIME_RATE
    rows, texts = [], {}
    for runtime in ("torch", "onnx", "onnx-int8"):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            found = pool.submit(run_by, runtime, arguments.model, parts, arguments.threads).result()
        texts[runtime] = found["texts"]
        same = sum(text == ours for text, ours in zip(found["texts"], texts["torch"], strict=True))
        times = [f"{found[part] / seconds:.3f}" for part in ("whole", "stream")]
        rows.append([runtime, f"{found['load']:.1f}", *times, f"{found['peak']:.0f}", f"{same} of {len(parts)}"])
    columns = ["runtime", "load, s", "real-time factor, files", "stream", "most memory, MiB", "same text as torch"]
    note = f"{len(parts)} sentences, {seconds:.0f} s, one at a time; load has the imports in it."
    report.table("Runtimes", columns, rows, note)
    changed = sum(text != ours for text, ours in zip(texts["onnx"], texts["torch"], strict=True))
    report.hold("sentences that onnxruntime writes otherwise than torch", changed, most=0)


def run_by(runtime: str, model: Path, parts: list[Any], threads: int) -> dict[str, Any]:
    """What a fresh process needs by one runtime: seconds of its parts, most memory, and the texts of files."""
    start = perf_counter()
    from jointst.common.threads import set_threads

    set_threads(threads)
    if runtime == "torch":
        from jointst import Recogniser

        recogniser = Recogniser.load(model, batch=1)
    else:
        from jointst.transcription.graphs import GraphRecogniser

        precision: Any = "int8" if runtime.endswith("int8") else "float32"
        recogniser = GraphRecogniser.load(model, batch=1, precision=precision)
    found: dict[str, Any] = {"load": perf_counter() - start}
    start = perf_counter()
    found["texts"] = [recogniser.transcribe(samples, RUNTIME_RATE).text for samples in parts]
    found["whole"] = perf_counter() - start
    start, stream = perf_counter(), recogniser.stream(RUNTIME_RATE)
    for piece in itertools.chain.from_iterable(pieces(samples, RUNTIME_RATE) for samples in parts):
        stream.accept(piece)
    stream.finish()
    found["stream"] = perf_counter() - start
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def resident_mib() -> float:
    """The process's resident memory; where the system does not say, its peak."""
    file = Path("/proc/self/statm")
    if file.is_file():
        return int(file.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def untrained(arguments: argparse.Namespace) -> Any:
    """A preset, fresh, with the symbols of the trained model."""
    import torch

    from jointst.config.load import from_yaml
    from jointst.models.build import build_model
    from jointst.models.packed import load_packed

    torch.manual_seed(0)
    packed = load_packed(arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder) / "conf.yaml"
        settings.write_text(f"model: {{size: {arguments.size}}}\n", encoding="utf-8")
        config = from_yaml(settings)
    model = build_model(config, packed.symbols).eval()
    return dataclasses.replace(packed, model=model, config=config)


def measure_factor(arguments: argparse.Namespace, report: Any) -> None:
    """Real-time factor of an untrained model, fed as a live stream."""
    import numpy as np

    from jointst.decoding.streaming import StreamingRecogniser
    from jointst.kaldi.audio import load_audio
    from jointst.kaldi.directory import DataDirectory

    trained = untrained(arguments)
    rate = trained.config.features.sampling_rate
    directory = DataDirectory.read(arguments.data)
    parts: list[Any] = []
    for key in directory.wav_scp:
        if sum(map(len, parts)) >= arguments.seconds * rate:
            break
        parts.append(load_audio(directory.wav_scp[key], None, rate))
    samples = np.concatenate(parts)[: round(arguments.seconds * rate)]
    emitted = bias_blank(trained, samples[: round(20 * rate)], arguments.rate)
    rows, factors = [], []
    for decoder in ("streaming", "full_context"):
        stream = StreamingRecogniser(trained, rate, decoder=decoder)
        start, slowest = perf_counter(), 0.0
        for piece in pieces(samples, rate):
            before = perf_counter()
            stream.accept(piece)
            slowest = max(slowest, perf_counter() - before)
        stream.finish()
        factors.append((perf_counter() - start) / (len(samples) / rate))
        rows.append([decoder, f"{factors[-1]:.3f}", f"{1000 * slowest:.0f}"])
    count = sum(parameter.numel() for parameter in trained.model.parameters())
    note = (
        f"{count / 1e6:.1f} M parameters with the text encoder, {emitted:.1f} labels a second, {arguments.seconds:g} s."
    )
    report.table(
        f"Preset {arguments.size}", ["final text by", "real-time factor", "longest wait for a piece, ms"], rows, note
    )
    report.hold(f"real-time factor of {arguments.size}, both passes", max(factors), most=0.3)


def bias_blank(trained: Any, samples: Any, rate: float) -> float:
    """Set the blank's bias of both decoders so that each emits about ``rate`` labels a second; what they then emit."""
    import torch

    from jointst.decoding.greedy import greedy_search
    from jointst.kaldi.log_mel import log_mel

    model, config = trained.model, trained.config
    seconds = len(samples) / config.features.sampling_rate
    with torch.inference_mode():
        features = log_mel(torch.from_numpy(samples), config.features)[None]
        encoded = model.encode_speech(features, torch.tensor([features.shape[1]]))
    found = []
    decoders = (model.streaming_decoder, encoded.streaming), (model.full_context_decoder, encoded.full_context)
    for decoder, states in decoders:
        low, high = -20.0, 20.0
        for _ in range(16):
            bias = (low + high) / 2
            torch.nn.init.constant_(decoder.joiner.output.bias[:1], bias)
            hypothesis = greedy_search(decoder, states, encoded.lengths, config.decoding.max_labels_per_position)[0]
            low, high = (bias, high) if len(hypothesis.labels) / seconds > rate else (low, bias)
        found.append(len(hypothesis.labels) / seconds)
    return mean(found)


def main() -> None:
    """All four, and the report."""
    arguments = parse()
    from jointst.common.threads import set_threads

    set_threads(arguments.threads)  # before torch is loaded
    from bench_report import Report, machine

    head = machine("cpu", arguments.threads)
    report = Report(arguments.out, "Streaming benchmark", head, toy=arguments.toy)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.toy:
            from toy_model import make_toy_model

            arguments.model, arguments.data = make_toy_model(Path(folder))
        measure_runtimes(arguments, report)
        measure_factor(arguments, report)
        measure_latency(arguments, report)
        measure_hour(arguments, report)
    report.write()
    print(report.text())


if __name__ == "__main__":
    main()
