#!/usr/bin/env python
"""What phrases cost a search: greedy search and beam with and without them, in turns; Markdown tables and JSON.

    .venv/bin/python tools/bench_phrases.py --out exp/bench_phrases

The decoder and the encoder states are those of ``bench_decode.py``, by which labels are forced at the places and as
often as in speech: how long a search takes depends on where it emits, and phrases must not change that. Every second
phrase begins with labels that are said, so that searches are inside phrases; the labels of the others are random.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench_options import add_toy
from bench_options import parse as parse_options

if TYPE_CHECKING:
    from jointst.decoding.phrase_tree import PhraseTree

LONGEST = 10
"""Labels of a phrase at most."""
MOST = 1.5
"""Times as long as without phrases, at most."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for bench.md and bench.json")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each comparison")
    parser.add_argument("--phrases", type=int, default=120, help="phrases listened for")
    parser.add_argument("--rate", type=float, default=10.0, help="forced labels a second")
    parser.add_argument("--batch", type=int, default=32, help="utterances in all, searched in one batch and one by one")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each utterance")
    parser.add_argument("--beam", type=int, default=4, help="hypotheses of the beam")
    add_toy(parser, rounds=1, phrases=12, batch=3, seconds=1.0)
    return parse_options(parser)


class Comparison:
    """A decoder, the encoder states that force it, and phrases.

    Args:
        arguments: the command line.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        import torch
        from decode_bench.ours import System
        from decode_bench.task import Task

        self.arguments = arguments
        seconds = arguments.seconds
        self.task = Task(
            name="phrases", seconds=arguments.batch * seconds, utterance_seconds=seconds, rate=arguments.rate
        )
        self.decoder = System().decoder.to(arguments.device)
        self.states = self.task.states.to(arguments.device)
        self.lengths = torch.full((len(self.states),), self.states.shape[1], device=arguments.device)
        self.tree = self._tree()

    def _tree(self) -> PhraseTree:
        from decode_bench.task import VOCABULARY

        from jointst.decoding.phrase_tree import Phrase, PhraseTree

        generator = random.Random(0)
        phrases = []
        for number in range(self.arguments.phrases):
            labels = [generator.randrange(1, VOCABULARY) for _ in range(generator.randint(2, LONGEST))]
            if number % 2 == 0:
                said = self.task.labels[number // 2 % len(self.task.labels)]
                begun = generator.randrange(len(said))
                labels[:3] = said[begun : begun + 3]
            phrases.append(Phrase(labels=tuple(labels), weight=1.0))
        return PhraseTree(phrases, VOCABULARY, self.states.device)

    def greedy(self, tree: PhraseTree | None, batch: int) -> list[list[int]]:
        """The labels of greedy search, ``batch`` utterances together."""
        from jointst.decoding.greedy import greedy_search

        found = []
        for states, lengths in zip(self.states.split(batch), self.lengths.split(batch), strict=True):
            found += [hypothesis.labels for hypothesis in greedy_search(self.decoder, states, lengths, 5, tree)]
        return found

    def beam(self, tree: PhraseTree | None) -> list[list[int]]:
        """The labels of beam search, all utterances together."""
        from jointst.decoding.beam import beam_search
        from jointst.decoding.fusion import Fusion

        options: dict[str, Any] = {"width": self.arguments.beam, "nbest": 1, "max_labels_per_position": 5}
        found = beam_search(self.decoder, self.states, self.lengths, fusion=Fusion(phrases=tree), **options)
        return [hypotheses[0].labels for hypotheses in found]

    def methods(self) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
        """Each search without phrases and with them."""
        every = self.arguments.batch
        return {
            "greedy, in a batch": (lambda: self.greedy(None, every), lambda: self.greedy(self.tree, every)),
            "greedy, one by one": (lambda: self.greedy(None, 1), lambda: self.greedy(self.tree, 1)),
            f"beam of {self.arguments.beam}, in a batch": (lambda: self.beam(None), lambda: self.beam(self.tree)),
        }


def measure(arguments: argparse.Namespace, report: Any) -> None:
    """The table of all searches."""
    from bench_report import milliseconds, time_rounds

    comparison = Comparison(arguments)
    rows, ratios = [], {}
    for name, (without, with_phrases) in comparison.methods().items():
        for method in (without, with_phrases):
            comparison.task.check(name, method())
        times = time_rounds({"without": without, "with": with_phrases}, arguments.rounds, arguments.device)
        ratios[name] = median(times["with"]) / median(times["without"])
        rows.append([name, *(milliseconds(times[key]) for key in times), f"{ratios[name]:.2f}"])
    note = f"{comparison.task.description} {arguments.phrases} phrases of 2 to {LONGEST} labels."
    report.table("Search", ["search", "ms without", "ms with", "times as long"], rows, note)
    for name, ratio in ratios.items():
        report.hold(f"{name}: times as long", ratio, most=MOST)


def main() -> None:
    """Set up and compare."""
    arguments = parse()
    from jointst.common.threads import set_threads

    set_threads(arguments.threads)  # before torch is loaded
    from bench_report import Report, machine

    head = machine(arguments.device, arguments.threads)
    report = Report(arguments.out, "Phrases benchmark", head, toy=arguments.toy)
    measure(arguments, report)
    report.write()
    print(report.text())


if __name__ == "__main__":
    main()
