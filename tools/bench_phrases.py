#!/usr/bin/env python
"""What phrases cost a search: greedy search and beam with and without them, in turns; Markdown tables and JSON.

    .venv/bin/python tools/bench_phrases.py --out exp/bench_phrases

Encoder states are random, and the decoder's weights are fresh and sharpened until labels come as often as in speech:
what a search does depends on how many labels there are, not on which. The phrases are random labels too; every tenth
begins with labels that the search finds by itself, so that hypotheses are inside phrases all the time.
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

DIM = 128
"""Width of states, predictor and joiner."""
POSITIONS_PER_SECOND = 25
BLANK_BIAS = 2.6
"""Makes labels about one in six of positions."""
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
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 500, 4096], help="sizes of the vocabulary")
    parser.add_argument("--batch", type=int, default=32, help="utterances in all, searched in one batch and one by one")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each utterance")
    parser.add_argument("--beam", type=int, default=4, help="hypotheses of the beam")
    add_toy(parser, rounds=1, phrases=12, labels=[40], batch=3, seconds=1.0)
    return parse_options(parser)


class Comparison:
    """A decoder, encoder states and phrases of one vocabulary.

    Args:
        arguments: the command line.
        vocabulary: labels with the blank.
    """

    def __init__(self, arguments: argparse.Namespace, vocabulary: int) -> None:
        import torch

        from jointst.config import DecoderConfig
        from jointst.nn.decoder import TransducerDecoder

        torch.manual_seed(0)
        self.arguments = arguments
        decoder = TransducerDecoder(vocabulary, DIM, DecoderConfig(embedding_dim=DIM, joint_dim=DIM)).eval()
        with torch.no_grad():
            decoder.joiner.output.weight.mul_(8)
            decoder.joiner.output.bias[0] = BLANK_BIAS
        self.decoder = decoder.to(arguments.device)
        positions = round(arguments.seconds * POSITIONS_PER_SECOND)
        self.states = torch.randn(arguments.batch, positions, DIM, device=arguments.device)
        self.lengths = torch.full((arguments.batch,), positions, device=arguments.device)
        self.plain = self.greedy(None, 1)
        self.tree = self._tree(vocabulary)

    def _tree(self, vocabulary: int) -> PhraseTree:
        from jointst.decoding.phrase_tree import Phrase, PhraseTree

        generator = random.Random(0)
        said = [labels for labels in self.plain if labels]
        phrases = []
        for number in range(self.arguments.phrases):
            labels = [generator.randrange(1, vocabulary) for _ in range(generator.randint(2, LONGEST))]
            if number % 10 == 0:
                labels[:2] = generator.choice(said)[:2]
            phrases.append(Phrase(labels=tuple(labels), weight=1.0))
        return PhraseTree(phrases, vocabulary, self.states.device)

    def greedy(self, tree: PhraseTree | None, batch: int) -> list[list[int]]:
        """The labels of greedy search, ``batch`` utterances together."""
        from jointst.decoding.greedy import greedy_search

        found = []
        for states, lengths in zip(self.states.split(batch), self.lengths.split(batch), strict=True):
            found += [hypothesis.labels for hypothesis in greedy_search(self.decoder, states, lengths, 5, tree)]
        return found

    def beam(self, tree: PhraseTree | None) -> object:
        """Beam search, all utterances together."""
        from jointst.decoding.beam import beam_search
        from jointst.decoding.fusion import Fusion

        options: dict[str, Any] = {"width": self.arguments.beam, "nbest": 1, "max_labels_per_position": 5}
        return beam_search(self.decoder, self.states, self.lengths, fusion=Fusion(phrases=tree), **options)

    def methods(self) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
        """Each search without phrases and with them."""
        every = self.arguments.batch
        return {
            "greedy, in a batch": (lambda: self.greedy(None, every), lambda: self.greedy(self.tree, every)),
            "greedy, one by one": (lambda: self.greedy(None, 1), lambda: self.greedy(self.tree, 1)),
            f"beam of {self.arguments.beam}, in a batch": (lambda: self.beam(None), lambda: self.beam(self.tree)),
        }


def measure(arguments: argparse.Namespace, vocabulary: int, report: Any) -> None:
    """The table of one vocabulary."""
    from bench_report import milliseconds, time_rounds

    comparison = Comparison(arguments, vocabulary)
    rows, ratios = [], {}
    for name, (without, with_phrases) in comparison.methods().items():
        times = time_rounds({"without": without, "with": with_phrases}, arguments.rounds, arguments.device)
        ratios[name] = median(times["with"]) / median(times["without"])
        rows.append([name, *(milliseconds(times[key]) for key in times), f"{ratios[name]:.2f}"])
    labels = sum(map(len, comparison.plain)) / (arguments.batch * arguments.seconds)
    raised = sum(a != b for a, b in zip(comparison.plain, comparison.greedy(comparison.tree, 1), strict=True))
    note = (
        f"{arguments.batch} utterances of {arguments.seconds:g} s, {labels:.1f} labels a second; {arguments.phrases} "
        f"phrases of 2 to {LONGEST} labels change the greedy text of {raised} utterances."
    )
    report.table(f"{vocabulary} labels", ["search", "ms without", "ms with", "times as long"], rows, note)
    for name, ratio in ratios.items():
        report.hold(f"{vocabulary} labels, {name}: times as long", ratio, most=MOST)


def main() -> None:
    """Set up and compare."""
    arguments = parse()
    from jointst.threads import set_threads

    set_threads(arguments.threads)  # before torch is loaded
    from bench_report import Report, machine

    head = machine(arguments.device, arguments.threads)
    report = Report(arguments.out, "Phrases benchmark", head, toy=arguments.toy)
    for vocabulary in arguments.labels:
        measure(arguments, vocabulary, report)
    report.write()
    print(report.text())


if __name__ == "__main__":
    main()
