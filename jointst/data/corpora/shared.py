"""Sentences that training and held-out sets of one corpus share, as official splits of prompts often do.

Test sets stay as their authors cut them: a development set loses the sentences of the test sets, training those of
both. Sentences are compared as the rule sentence-overlap of stage 2 compares them, which would refuse the corpus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jointst.common.errors import DataError
from jointst.data.corpora.usable import drop_all
from jointst.data.rules.leaks import NEARLY_ALL, fold
from jointst.kaldi.directory import DataDirectory

PARTS = ("train", "dev", "test")


def keep_held_out_whole(
    corpus: str, sets: Mapping[str, Sequence[DataDirectory]], *, same_sentences: bool, most: float
) -> None:
    """Take out of training and development sets the utterances whose sentence a set held out from them has.

    A held-out set nearly all of whose sentences are in training is meant to be so, as in a corpus of commands: training
    keeps them, and stage 2 says so.

    Args:
        corpus: its name.
        sets: those of each of :data:`PARTS`; their tables are changed.
        same_sentences: ``corpus.same_sentences``: nothing is taken out.
        most: share of a part that may be lost, ``corpus.most_left_out``.

    Raises:
        DataError: a part would lose more.
    """
    if same_sentences:
        return
    said = []
    for part, others in (("dev", ("test",)), ("train", ("dev", "test"))):
        own = [item for item in sets.get(part, ()) if item.text]
        held: set[tuple[str, str]] = set()
        for other in (item for name in others for item in sets.get(name, ())):
            held |= _withheld(own, other)
        for item in own:
            shared = [utterance for utterance in item.text if _key(item, utterance) in held]
            if len(shared) > most * len(item.text):
                raise DataError(
                    f"{len(shared)} of {len(item.text)} utterances have sentences of the {' or '.join(others)} set",
                    path=item.path,
                    fix="if they are meant to, state corpus.same_sentences: true and data.same_sentences: true; "
                    "otherwise split it anew, or raise corpus.most_left_out",
                )
            if shared:
                said.append(f"{item.path.name} {len(shared)} of {len(item.text)}")
                drop_all(item, shared)
    if said:
        print(
            f"corpus {corpus}: taken out, since sets held out from them have the same sentences: {', '.join(said)} "
            "(corpus.same_sentences: true keeps them)",
            flush=True,
        )


def _withheld(own: Sequence[DataDirectory], other: DataDirectory) -> set[tuple[str, str]]:
    """The sentences of a held-out set, none where nearly all of them are in these sets too."""
    held = [_key(other, utterance) for utterance in other.text]
    known = {key for item in own for key in (_key(item, utterance) for utterance in item.text)}
    shared = sum(key in known for key in held)
    return set() if shared > 1 and shared >= NEARLY_ALL * len(held) else set(held)


def _key(item: DataDirectory, utterance: str) -> tuple[str, str]:
    return item.utt2lang.get(utterance, ""), fold(item.text[utterance])
