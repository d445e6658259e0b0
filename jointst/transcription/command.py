"""``jointst transcribe``: sound files, a pipe or a microphone to text, JSON lines, subtitles or CTM."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePath
from typing import NoReturn, TextIO

from jointst.common.errors import JointstError
from jointst.common.files import write_atomically
from jointst.common.progress import progress
from jointst.common.threads import set_threads
from jointst.common.units import Hertz
from jointst.config import Decoder, DecodingConfig
from jointst.decoding.segmentation import SegmentationConfig
from jointst.decoding.transcript import Transcript
from jointst.kaldi.audio import Samples
from jointst.kaldi.sound.reader import HIGHEST_RATE, LOWEST_RATE
from jointst.transcription.formats import FORMATS, SUBTITLES, Writer, recording_names
from jointst.transcription.live import RAW_FORMATS, RawAudio, microphone, read_header, read_pipe
from jointst.transcription.recogniser import Recogniser
from jointst.transcription.result import Failure
from jointst.transcription.sound_files import read_blocks

DECODERS: tuple[Decoder, ...] = ("full_context", "streaming")
SEARCH = ("search", "beam", "lm_weight", "ilm_weight", "label_bonus", "phrase_weight", "phrase_language")
"""Options that are settings of the search, by their names."""
RUNTIMES = {"torch": "", "onnx": "float32", "onnx-int8": "int8"}
"""What runs the model, and the precision of its graphs."""
PIPE, MICROPHONE = "-", "microphone"
UNPRINTABLE = "backslashreplace"
"""What becomes of bytes of a file's name that are no UTF-8: an escape that is also valid in JSON."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise JointstError(f"{message} (jointst transcribe --help shows all options)")


def _parser() -> argparse.ArgumentParser:
    defaults, search = SegmentationConfig(), DecodingConfig()
    parser = _Parser(
        prog="jointst transcribe",
        description="Recognise sound files of any container and rate, films too, or, with --stream, a pipe (-), "
        "the microphone or one file as if it came in live.",
        epilog="A word's time stamps are when its labels were emitted, which tends to be late; its confidence is the "
        "smallest probability among its labels. With --stream, text goes out when a segment ends, and partial text is "
        "shown on a terminal, or written as JSON lines with final: false.",
    )
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE", help="sound files; with --stream one of: - (stdin), microphone, a file")
    add("--model", default="exp/train/packed", metavar="DIR", help="the folder packed by stage 10 (%(default)s)")
    add("--stream", action="store_true", help="recognise while audio comes in")
    add("--format", choices=FORMATS, default="text", help="text: a line for each file (with --stream: segment)")
    add("--output", metavar="PATH", help="a file instead of stdout; for subtitles of several files, a folder")
    add("--decoder", choices=DECODERS, default="full_context", help="whose text is final (%(default)s)")
    add("--search", choices=("greedy", "beam"), default=search.search, help="of the final text (%(default)s)")
    add("--beam", type=int, default=search.beam, help="hypotheses that a beam search keeps (%(default)s)")
    add("--lm", metavar="PATH", help="for a beam search: the folder made by jointst lm, or an ARPA or kenlm file")
    add("--lm-weight", type=float, default=search.lm_weight, help="of its log P (%(default)s)")
    add("--ilm-weight", type=float, default=search.ilm_weight, help="of the internal one, subtracted (%(default)s)")
    add("--label-bonus", type=float, default=search.label_bonus, help="for each label of a beam search (%(default)s)")
    add("--phrases", metavar="FILE", help="phrases that matter, one a line, if you like with a tab and a weight")
    add("--phrase-weight", type=float, help="of those without one (1 in greedy search, 0.5 in a beam)")
    add("--phrase-language", metavar="CODE", help="their language (all of the model's in whose letters they are)")
    add("--batch", type=int, default=8, help="segments recognised together (%(default)s)")
    add("--chunk", type=int, help="positions of a chunk, for a model trained with training.dynamic_chunks")
    add("--max-segment", type=float, default=defaults.max_segment, help="longer audio is cut (%(default)s seconds)")
    add("--end-silence", type=float, default=defaults.end_silence, help="where it is cut (%(default)s seconds)")
    add("--raw-format", choices=RAW_FORMATS, default="s16le", help="samples of a pipe that is not WAV (%(default)s)")
    add("--rate", type=float, help="their rate in hertz (the model's own)")
    add("--channels", type=int, default=1, help="their channels (%(default)s)")
    add("--runtime", choices=RUNTIMES, default="torch", help="torch, or stage 10's graphs by onnxruntime (%(default)s)")
    add("--ngpu", type=int, choices=(0, 1), default=0, help="1 for the GPU (%(default)s)")
    return parser


def run(arguments: list[str]) -> int:
    """Run the command; 0, or 1 where a file failed.

    Raises:
        JointstError: options that do not fit, no model, or a stream that breaks off.
    """
    options = _parser().parse_args(arguments)
    _check(options)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors=UNPRINTABLE)
    set_threads(None)
    kind: type[Recogniser] = Recogniser
    others = {name: getattr(options, name) for name in SEARCH}
    if options.runtime != "torch":
        from jointst.transcription.graphs import GraphRecogniser

        kind, others["precision"] = GraphRecogniser, RUNTIMES[options.runtime]
    recogniser = kind.load(
        options.model,
        decoder=options.decoder,
        batch=options.batch,
        chunk=options.chunk,
        segmentation=SegmentationConfig(max_segment=options.max_segment, end_silence=options.end_silence),
        ngpu=options.ngpu,
        lm=options.lm,
        phrases=options.phrases,
        **others,
    )
    return _stream(recogniser, options) if options.stream else _files(recogniser, options)


def _check(options: argparse.Namespace) -> None:
    if not options.files:
        wanted = f"{PIPE} for a pipe, {MICROPHONE}, or a file" if options.stream else "at least one sound file"
        raise JointstError(f"nothing to transcribe: name {wanted}")
    if options.stream and len(options.files) > 1:
        raise JointstError(f"--stream takes one source, not {len(options.files)}")
    if not options.stream and PIPE in options.files:
        raise JointstError(f"{PIPE} is a pipe: add --stream")
    if options.format in SUBTITLES and len(options.files) > 1 and options.output is None:
        raise JointstError("subtitles of several files need a folder: add --output DIR")
    if options.rate is not None and not LOWEST_RATE <= options.rate <= HIGHEST_RATE:
        raise JointstError(f"--rate: is {options.rate:g} ({LOWEST_RATE:g} to {HIGHEST_RATE:g} hertz)")
    if options.channels < 1:
        raise JointstError(f"--channels: is {options.channels} (at least 1)")


def _files(recogniser: Recogniser, options: argparse.Namespace) -> int:
    names = recording_names(options.files)
    folder = Path(options.output) if options.format in SUBTITLES and len(names) > 1 else None
    if options.output is not None:
        _prepare_output(Path(options.output), folder=folder is not None)
    failures: list[Failure] = []
    texts: list[str] = []
    bar = progress(recogniser.transcribe_files(options.files), total=len(names), desc="transcribe", unit="file")
    for name, result in zip(names, bar, strict=True):
        if isinstance(result, Failure):
            failures.append(result)
            continue
        if not result.text:
            _remark_on_silence(result.name)
        text = Writer(options.format, name, named=len(names) > 1).whole(result)
        if folder is not None:
            write_atomically(_inside(folder, f"{name}.{options.format}"), text)
        elif options.output is not None:
            texts.append(text)
        else:
            print(text, end="", flush=True)
    if folder is None and options.output is not None:
        _write(Path(options.output), "".join(texts))
    for failure in failures:
        print(f"jointst transcribe: error: {failure.error}", file=sys.stderr)
    if failures:
        print(f"jointst transcribe: {len(failures)} of {len(names)} files failed", file=sys.stderr)
    return 1 if failures else 0


def _remark_on_silence(name: str) -> None:
    """An empty line is easily taken for a fault of what reads it."""
    print(f"jointst transcribe: {name}: no words were recognised", file=sys.stderr, flush=True)


def _prepare_output(path: Path, *, folder: bool) -> None:
    """Make the folder that is written to: what cannot be written must be known before hours of audio are recognised.

    Raises:
        JointstError: it cannot be written.
        OSError: it cannot be made.
    """
    if path.is_dir() and not folder:
        raise JointstError(f"--output: {path} is a folder: name a file in it")
    written = path if folder else path.parent
    written.mkdir(parents=True, exist_ok=True)
    if not os.access(written if folder or not path.exists() else path, os.W_OK):
        raise JointstError(f"--output: {path} cannot be written: give access, or name another place")


def _inside(folder: Path, name: str) -> Path:
    """A place in the folder for a name that may be a path, upwards too."""
    path = PurePath(name)
    return folder.joinpath(*("_" if part == ".." else part for part in path.parts if part != path.anchor))


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all; a device or named pipe is written to, never replaced by a file."""
    content = text.encode(errors=UNPRINTABLE)
    if path.exists() and not path.is_file():
        path.write_bytes(content)
    else:
        write_atomically(path, content)


def _source(source: str, rate: Hertz, options: argparse.Namespace) -> tuple[Hertz, Iterator[Samples]]:
    """Rate and samples of a live source."""
    if source == PIPE:
        raw = RawAudio(format=options.raw_format, rate=options.rate or rate, channels=options.channels)
        audio, begun = read_header(sys.stdin.buffer, raw)  # type: ignore[arg-type]
        return audio.rate, read_pipe(sys.stdin.buffer, audio, begun)  # type: ignore[arg-type]
    return rate, microphone(rate) if source == MICROPHONE else read_blocks(Path(source), rate)


def _stream(recogniser: Recogniser, options: argparse.Namespace) -> int:
    source = options.files[0]
    name = "stdin" if source == PIPE else Path(source).stem
    rate, pieces = _source(source, recogniser.sampling_rate, options)
    stream = recogniser.stream(rate)
    with ExitStack() as stack:
        out: TextIO = sys.stdout
        if options.output is not None:
            out = stack.enter_context(open(options.output, "w", encoding="utf-8", errors=UNPRINTABLE))
        show, heard = _shower(Writer(options.format, name), out), False
        try:
            for samples in pieces:
                heard = show(stream.accept(samples)) or heard
        except KeyboardInterrupt:
            if source != MICROPHONE:
                raise
        finally:  # also of audio that breaks off, what came before is told
            heard = show(stream.finish()) or heard
    if not heard:
        _remark_on_silence(source if source != PIPE else name)
    return 0


def _shower(writer: Writer, out: TextIO) -> Callable[[list[Transcript]], bool]:
    """Writes transcripts, on a terminal partial ones in place; tells whether any has a word."""
    terminal = sys.stderr.isatty()

    def show(transcripts: list[Transcript]) -> bool:
        for transcript in transcripts:
            if terminal:
                line = "" if transcript.final else transcript.text[-100:]
                print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            out.write(writer.segment(transcript))
        if transcripts:
            out.flush()
        return any(transcript.final and transcript.text for transcript in transcripts)

    return show
