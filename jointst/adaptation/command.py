"""``jointst adapt``: a trained model and text of a new domain to a packed model that knows its words."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import torch

from jointst.adaptation.fit import Adapted, Lesson, Plan, Teacher
from jointst.adaptation.page import report
from jointst.adaptation.source import REPORT, Source, check_out, read_source, write_adapted
from jointst.adaptation.speech import Speech
from jointst.adaptation.text import NewText, files_by_language, hold_out, read_text
from jointst.common.errors import ConfigError, JointstError
from jointst.common.lock import Claim, hold
from jointst.common.threads import set_threads
from jointst.data.dataset import TextSet
from jointst.models.build import build_model
from jointst.models.joint import JointModel

HELD_OUT, MOST_HELD_OUT = 0.05, 500
"""Share of the sentences that training is stopped by, and how many at most."""
SHOWN = 20
"""Words named in a line at most."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise JointstError(f"{message} (jointst adapt --help shows all options)")


def _parser() -> argparse.ArgumentParser:
    plan = Plan()
    parser = _Parser(
        prog="jointst adapt",
        description="Teach a trained model the words of a new domain by text alone. The result is a packed folder, for "
        "jointst transcribe, or to be adapted again.",
        epilog="Words that cannot be taught are listed in DIR/adapted, new ones with their pronunciations too: look "
        "through these, and give better ones by --lexicon.",
    )
    add = parser.add_argument
    add("--model", required=True, metavar="DIR", help="exp/<name>/packed, as stage 10 left it, or exp/<name>")
    add("--text", required=True, nargs="+", action="extend", metavar="FILE", help="sentences, one a line, UTF-8 (.gz)")
    add("--out", required=True, metavar="DIR", help="the packed folder that is made")
    add("--language", metavar="CODE", help="of the text, if the model knows several; or write {lang} in FILE")
    add("--lexicon", metavar="FILE", help="pronunciations that go first: a word and its phones a line")
    add("--rehearse", metavar="DATA_DIR", help="speech of the old domain, with features, that is trained on as well")
    add("--dev", metavar="DATA_DIR", help="speech of the old domain whose error rate must not rise")
    add("--updates", type=int, default=plan.updates, help="of the weights, at most (%(default)s)")
    add("--rate", type=float, default=plan.rate, help="highest learning rate (%(default)s)")
    add("--seed", type=int, default=plan.seed, help="of order and masks (%(default)s)")
    add("--force", action="store_true", help="replace an adapted model that is there")
    return parser


def run(arguments: list[str]) -> int:
    """Run the command; 0.

    Raises:
        ConfigError: an option that cannot work.
        DataError: no model that can be adapted, text that it cannot be taught, or a place that is taken.
        JointstError: whatever is learnt makes the old domain worse.
    """
    options = _parser().parse_args(arguments)
    plan = _plan(options)
    set_threads(None)
    out = Path(options.out)
    check_out(out, Path(options.model), force=options.force)
    source = read_source(Path(options.model))
    files = files_by_language(options.text, options.language, source)
    with hold([Claim.beside(out)], "adapt", shlex.join(["jointst", "adapt", *arguments])):
        check_out(out, Path(options.model), force=options.force)  # another process may just have made it
        with tempfile.TemporaryDirectory() as scratch:
            text = read_text(files, source, options.lexicon, Path(scratch))
        _say(text)
        model = model_of(source)
        lesson = _lesson(model, source, text, options)
        adapted = Teacher(model, source.start.config, lesson, plan).run(trained_text=source.trained_text)
        figures = _figures(source, text, lesson, adapted, plan, options)
        write_adapted(
            out,
            source,
            model.state_dict(),
            lexicons=text.lexicons,
            words=text.words,
            report={**text.files(), "report.html": report(figures)},
            figures=figures,
        )
    before, kept = adapted.looks[0], adapted.kept
    print(
        f"adapt: {sum(map(len, text.new_words.values()))} new words; loss on text held out {before.text:.4f} -> "
        f"{kept.text:.4f} a label -> {out} ({adapted.seconds:.1f} s)",
        flush=True,
    )
    return 0


def _plan(options: argparse.Namespace) -> Plan:
    for key, good in (("updates", options.updates >= 1), ("rate", 0 < options.rate < 1)):
        if not good:
            wanted = "at least 1" if key == "updates" else "above 0, as in 5e-4"
            raise ConfigError(f"--{key}", f"is {getattr(options, key)}", wanted)
    if not 0 <= options.seed < 2**31:
        raise ConfigError("--seed", f"is {options.seed}", "0 to 2147483647")
    return Plan(updates=options.updates, rate=options.rate, seed=options.seed)


def model_of(source: Source) -> JointModel:
    """The source's whole model, in evaluation mode."""
    with torch.device("meta"):
        model = build_model(source.start.config, source.start.symbols)
    model.load_state_dict(source.start.state, assign=True)
    return model.eval()


def _lesson(model: JointModel, source: Source, text: NewText, options: argparse.Namespace) -> Lesson:
    symbols = source.start.symbols
    held = hold_out(text.sentences, HELD_OUT, MOST_HELD_OUT)
    learnt = text.sentences.keys() - held
    familiar = (learnt - text.new) or learnt
    learnt_set, familiar_set, held_set = (
        TextSet([text.directory(sorted(k))], symbols) for k in (learnt, familiar, held)
    )
    rehearsal, dev = (
        None if folder is None else Speech(model, Path(folder), symbols, source.start.config)
        for folder in (options.rehearse, options.dev)
    )
    for what, speech in (("rehearses on", rehearsal), ("is judged by", dev)):
        if speech is not None:
            print(f"adapt: {what} {len(speech.paired.utterances)} of {speech.of} utterances", flush=True)
    return Lesson(text=learnt_set, familiar=familiar_set, held_out=held_set, rehearsal=rehearsal, dev=dev)


def _say(text: NewText) -> None:
    """What the text holds, and what of it is not used."""
    for line in text.said:
        print(f"adapt: {line}", flush=True)
    words, used = sum(map(len, text.words.values())), len(text.sentences)
    new = [word for counts in text.new_words.values() for word, _ in counts.most_common()]
    print(
        f"adapt: {used} of {text.read} sentences are used, with {words} words, {len(new)} of them new to the model"
        f"{_named(new)}",
        flush=True,
    )
    if text.bad:
        bad = [word for _, word in sorted(text.bad)]
        print(
            f"adapt: {len(bad)} words cannot be taught, and sentences with them are left out ({REPORT}/"
            f"words_left_out.tsv says why){_named(bad)}",
            flush=True,
        )
    if not new:
        print("adapt: warning: the model has met all of these words in training", flush=True)


def _named(words: list[str]) -> str:
    return f": {' '.join(words[:SHOWN])}" + " ..." * (len(words) > SHOWN) if words else ""


def _figures(
    source: Source, text: NewText, lesson: Lesson, adapted: Adapted, plan: Plan, options: argparse.Namespace
) -> dict[str, Any]:
    """All figures, for JSON."""
    return {
        "model": str(source.start.folder),
        "sha256": source.start.sha256["weights"],
        "text": options.text,
        "rehearse": options.rehearse,
        "dev": options.dev,
        "updates": plan.updates,
        "rate": plan.rate,
        "seed": plan.seed,
        "text_encoder": "trained before" if source.trained_text else "trained here first",
        "sentences": {"read": text.read, "used": len(text.sentences), "held_out": len(lesson.held_out.utterances)},
        "words": {lang: len(words) for lang, words in sorted(text.words.items())},
        "new_words": {lang: dict(counts.most_common()) for lang, counts in sorted(text.new_words.items())},
        "words_left_out": len(text.bad),
        "looks": [look.as_dict() for look in adapted.looks],
        "kept": adapted.kept.as_dict(),
        "seconds": round(adapted.seconds, 1),
    }
