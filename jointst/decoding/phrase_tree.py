"""A tree of phrases that raises the scores of the labels which spell them, for all hypotheses of a search at once.

An Aho-Corasick automaton over labels: the state of a hypothesis is the node of the longest end of its labels that
begins a phrase. A label that goes deeper has its bonus at once; the arc back from a phrase that is left unfinished
takes back what was given for it; a finished phrase keeps it. So a whole sequence is raised by its finished phrases
alone:

- a label of the tree has the largest weight of the phrases that begin with it and what stands before it;
- a finished phrase keeps the weights of its labels; of phrases that finish with the same label, the longest does, and
  what others inside it have kept is part of that.

B rows (any utterances and hypotheses), N nodes, A arcs of a node at most, V labels with the blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from jointst.nn.predictor import BLANK

ROOT = 0


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """Labels to listen for.

    Attributes:
        labels: at least one.
        weight: the bonus of each, above 0.
    """

    labels: tuple[int, ...]
    weight: float


@dataclass(kw_only=True)
class _Node:
    """A beginning of phrases.

    Attributes:
        parent: the node without its last label; its own for the root.
        label: its last label.
        depth: labels.
        weight: bonus of the last label.
        children: label to node.
        back: node of the longest shorter end of its labels that begins a phrase.
        ends: whether it is a whole phrase.
        given: bonus of its labels.
        kept: what finished phrases inside it have kept.
        finished: node of the longest end of its labels that is a whole phrase; the root for none.
    """

    parent: int
    label: int
    depth: int
    weight: float = 0.0
    children: dict[int, int] = field(default_factory=dict)
    back: int = ROOT
    ends: bool = False
    given: float = 0.0
    kept: float = 0.0
    finished: int = ROOT

    @property
    def level(self) -> float:
        """Bonus that a hypothesis has for these labels."""
        return max(self.given, self.kept)

    @property
    def pending(self) -> float:
        """The part of it that goes back unless a phrase is finished."""
        return self.level - self.kept


class PhraseTree:
    """Phrases as tables on the device of a search; a state is the number of a node.

    Labels that begin a phrase are the same everywhere, and stand in one row of V. A node has beside them the few labels
    that go on from it or from the nodes behind it: A arcs at most, so that tables are N A, never N V.

    Args:
        phrases: at least one; where two have the same labels, the larger weight holds.
        vocabulary: V.
        device: of the search.
        space: the label of a space alone, if the model has one. Before the first word of a phrase it has no bonus, and
            utterances begin as if one had been said.
    """

    def __init__(
        self, phrases: Sequence[Phrase], vocabulary: int, device: torch.device, space: int | None = None
    ) -> None:
        nodes = _grow(phrases, space)
        order = sorted(range(len(nodes)), key=lambda number: nodes[number].depth)
        for number in order[1:]:
            _link(nodes, number)
        self._initial = ROOT if space is None else nodes[ROOT].children.get(space, ROOT)
        arcs = [_arcs(nodes, number) for number in range(len(nodes))]
        shape = len(nodes), max(1, *map(len, arcs))
        columns = torch.full(shape, BLANK)  # which is never asked for: rows with fewer arcs write there
        following = torch.zeros(shape, dtype=torch.int64)
        gain, held = torch.zeros(shape), torch.zeros(shape)
        for number, found in enumerate(arcs):
            for place, (label, (child, before)) in enumerate(found.items()):
                columns[number, place] = label
                following[number, place] = child
                gain[number, place] = nodes[child].level - nodes[before].level
                held[number, place] = nodes[before].pending
        first_gain = torch.zeros(vocabulary)
        first_following = torch.zeros(vocabulary, dtype=torch.int64)
        for label, child in nodes[ROOT].children.items():
            first_gain[label] = nodes[child].level
            first_following[label] = child
        self._columns, self._following = columns.to(device), following.to(device)
        self._gain, self._score = gain.to(device), (gain + held).to(device)
        self._first_gain, self._first_following = first_gain.to(device), first_following.to(device)
        self._pending = torch.tensor([node.pending for node in nodes], device=device)
        self._most = torch.maximum(self._gain.amax(1), self._first_gain.max())

    def initial_state(self, batch: int) -> Tensor:
        """The state before the first label, (B,)."""
        return torch.full((batch,), self._initial, dtype=torch.int64, device=self._columns.device)

    def step(self, state: Tensor, labels: Tensor, emitted: Tensor) -> Tensor:
        """The state after ``labels`` (B,), in the rows where ``emitted`` (B,) is true."""
        here = self._columns[state] == labels[:, None]  # (B, A)
        deeper = (self._following[state] * here).amax(1)  # no arc leads to the root
        following = torch.where(deeper > ROOT, deeper, self._first_following[labels])
        return torch.where(emitted, following, state)

    def gains(self, state: Tensor) -> Tensor:
        """Bonus of every label that goes deeper, 0 for the others, (B, V-1): what to decide by where labels stay."""
        return self._row(state, self._gain)

    def most(self, state: Tensor) -> Tensor:
        """No label gains more, (B,)."""
        return self._most[state]

    def scores(self, state: Tensor) -> Tensor:
        """Bonus of every label, less what it takes back, (B, V-1): what to compare whole sequences by."""
        return self._row(state, self._score) - self._pending[state, None]

    def end(self, state: Tensor) -> Tensor:
        """What the end of the sentence takes back, (B,), at most 0."""
        return -self._pending[state]

    def _row(self, state: Tensor, values: Tensor) -> Tensor:
        row = self._first_gain.expand(len(state), -1)  # (B, V)
        return row.scatter(1, self._columns[state], values[state])[:, BLANK + 1 :]


def _grow(phrases: Sequence[Phrase], space: int | None) -> list[_Node]:
    """The nodes of all phrases, the root first, with their weights."""
    assert phrases, "a tree of no phrases"
    nodes = [_Node(parent=ROOT, label=0, depth=0)]
    for phrase in phrases:
        number = ROOT
        for depth, label in enumerate(phrase.labels, start=1):
            parent, number = number, nodes[number].children.setdefault(label, len(nodes))
            if number == len(nodes):
                nodes.append(_Node(parent=parent, label=label, depth=depth))
            if depth > 1 or label != space:
                nodes[number].weight = max(nodes[number].weight, phrase.weight)
        nodes[number].ends = True
    return nodes


def _link(nodes: list[_Node], number: int) -> None:
    """The way back from a node and its bonus, once all nodes of less depth have theirs."""
    node = nodes[number]
    parent = nodes[node.parent]
    if node.depth > 1:
        behind = parent.back
        while behind != ROOT and node.label not in nodes[behind].children:
            behind = nodes[behind].back
        node.back = nodes[behind].children.get(node.label, ROOT)
    node.given = parent.given + node.weight
    node.kept = parent.kept
    node.finished = number if node.ends else nodes[node.back].finished
    if node.finished != ROOT:
        phrase, before = nodes[node.finished], number
        for _ in range(phrase.depth):
            before = nodes[before].parent
        node.kept += max(0.0, phrase.given - (parent.kept - nodes[before].kept))


def _arcs(nodes: list[_Node], number: int) -> dict[int, tuple[int, int]]:
    """Labels that lead deeper from a node or from those behind it but the root: the child, and the node before it."""
    found: dict[int, tuple[int, int]] = {}
    while number != ROOT:
        for label, child in nodes[number].children.items():
            found.setdefault(label, (child, number))
        number = nodes[number].back
    return found
