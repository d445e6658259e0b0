"""Output labels: one sentencepiece model over all languages, of characters or of word pieces (stage 5)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import sentencepiece

from jointst.common.errors import ConfigError, DataError
from jointst.common.files import write_atomically
from jointst.common.progress import progress
from jointst.config import TokenizerConfig
from jointst.config.context import Context, Made
from jointst.kaldi.directory import DataDirectory

BLANK = 0
"""Label of the blank; text never encodes to it."""
UNKNOWN = 1
"""Label of what the model has no piece for."""
BLANK_PIECE = "<blk>"
UNKNOWN_PIECE = "<unk>"
SPACE = "▁"
"""How sentencepiece writes a space inside pieces (U+2581)."""

# sentencepiece leaves out longer sentences (in bytes) without an error.
_LONGEST_SENTENCE = 1 << 20
# Its sums depend on the number of threads: a fixed one gives the same model whatever --nj is.
_THREADS = 4


class Tokenizer:
    """Text to labels and back; U labels of a text are integers in [1, size), and 0 is the blank."""

    def __init__(self, processor: sentencepiece.SentencePieceProcessor) -> None:
        self._processor = processor

    @classmethod
    def read(cls, path: Path) -> Tokenizer:
        """The tokenizer of a ``tokenizer.model`` file.

        Raises:
            DataError: the file is missing or damaged, or its first pieces are not the blank and the unknown piece.
        """
        fix = "run stage 5, tokenizer"
        if not path.is_file():
            raise DataError("there is no tokenizer model", path=path, fix=fix)
        try:
            tokenizer = cls.from_bytes(path.read_bytes())
        except RuntimeError as error:
            raise DataError(f"cannot be read as a sentencepiece model: {error}", path=path, fix=fix) from None
        first = tokenizer.pieces([BLANK, UNKNOWN]) if tokenizer.size > UNKNOWN else []
        if first != [BLANK_PIECE, UNKNOWN_PIECE]:
            raise DataError(f"starts with {first}, not {BLANK_PIECE} and {UNKNOWN_PIECE}", path=path, fix=fix)
        return tokenizer

    @classmethod
    def from_bytes(cls, content: bytes) -> Tokenizer:
        """The tokenizer of a serialized model, as :func:`train` makes it."""
        processor = sentencepiece.SentencePieceProcessor()
        processor.load_from_serialized_proto(content)
        return cls(processor)

    @property
    def size(self) -> int:
        """Number of labels, the blank and the unknown piece included."""
        return int(self._processor.get_piece_size())

    def encode(self, text: str) -> list[int]:
        """The labels of ``text``, never the blank; unknown characters become :data:`UNKNOWN`."""
        labels: list[int] = self._processor.encode(text, out_type=int)
        return labels

    def encode_all(self, texts: list[str], threads: int = 1) -> list[list[int]]:
        """The labels of each of some texts."""
        labels: list[list[int]] = self._processor.encode(texts, out_type=int, num_threads=threads)
        return labels

    @cached_property
    def digest(self) -> str:
        """A hash of the model."""
        return hashlib.sha256(self._processor.serialized_model_proto()).hexdigest()

    def decode(self, ids: Sequence[int]) -> str:
        """The text of labels; blanks say nothing and an unknown label reads ``⁇``."""
        text: str = self._processor.decode([int(label) for label in ids if label != BLANK])
        return text

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The piece of each label, with :data:`SPACE` for spaces."""
        return [str(self._processor.id_to_piece(int(label))) for label in ids]

    def scores(self) -> list[float]:
        """The log probability that sentencepiece gives each label's piece, what it cuts text by."""
        return [float(self._processor.get_score(label)) for label in range(self.size)]


def train(sentences: Iterable[str], config: TokenizerConfig) -> bytes:
    """A serialized sentencepiece model; the same sentences and settings always give the same bytes.

    Args:
        sentences: normalised text, read several times over.
        config: kind and size; characters ignore the size and keep every character.

    Raises:
        ConfigError: the vocabulary is too small for the characters, or too large for the text.
    """
    sentences = list(sentences)
    characters: set[str] = set()
    for sentence in progress(sentences, desc="characters", unit="sentence"):
        characters.update(sentence)
    needed = len(characters) + 2
    key = "tokenizer.vocabulary_size"
    if config.kind != "char" and config.vocabulary_size < needed + 1:
        problem = f"is {config.vocabulary_size}, but the text has {len(characters)} different characters"
        raise ConfigError(key, problem, f"more than {needed}, or tokenizer.kind char")
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type=config.kind,
            vocab_size=needed if config.kind == "char" else config.vocabulary_size,
            character_coverage=1.0,
            normalization_rule_name="identity",
            # A leading space lets pieces see the start of the first word; as a character it would only be a label more.
            add_dummy_prefix=config.kind != "char",
            max_sentence_length=_LONGEST_SENTENCE,
            num_threads=_THREADS,
            pad_id=BLANK,
            pad_piece=BLANK_PIECE,
            unk_id=UNKNOWN,
            unk_piece=UNKNOWN_PIECE,
            unk_surface="⁇",
            bos_id=-1,
            eos_id=-1,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].rpartition("] ")[2]
        raise ConfigError(key, f"{config.vocabulary_size} does not work: {reason}") from None
    return model.getvalue()


def run(context: Context) -> Made:
    """Stage 5: train on the paired training text and the unpaired text.

    Returns:
        Made: ``data/tokenizer``, with ``tokenizer.model`` and ``tokens.txt`` (``piece id`` on each line).
    """
    config, data = context.config.tokenizer, context.config.data
    sentences: list[str] = []
    for name in (*data.train, *data.unpaired):
        directory = DataDirectory.read(context.data / name, only=("text",))
        sentences += [directory.text[utterance] for utterance in directory.utterances]
    folder = context.data / "tokenizer"
    content = train(sentences, config)
    tokenizer = Tokenizer.from_bytes(content)
    pieces = tokenizer.pieces(range(tokenizer.size))
    tokens = "".join(f"{piece} {label}\n" for label, piece in enumerate(pieces))
    write_atomically(folder / "tokens.txt", tokens)
    write_atomically(folder / "tokenizer.model", content)
    kind = {"char": "characters", "unigram": "unigram pieces", "bpe": "bpe pieces"}[config.kind]
    return Made(what=f"{tokenizer.size} labels ({kind}) from {len(sentences)} sentences", where=folder)
