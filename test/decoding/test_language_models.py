"""Language models: what a search asks of them, against the plain run over whole sentences."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from jointst.common.errors import DataError, EnvironmentFault
from jointst.config import TokenizerConfig
from jointst.decoding.fusion import LanguageModel
from jointst.decoding.language_models import NeuralLm, NgramLm
from jointst.nn.language_model import LstmLanguageModel
from jointst.text.tokenizer import Tokenizer, train

CPU = torch.device("cpu")
ARPA = """\\data\\
ngram 1=6
ngram 2=4

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.5
-0.8\t</s>
-0.3\ta\t-0.2
-0.6\tb\t-0.4
-0.9\tc

\\2-grams:
-0.1\t<s> b
-0.7\ta b
-0.05\tb </s>
-0.15\tb a

\\end\\
"""


def sentence_score(lm: LanguageModel, labels: list[int]) -> float:
    """log P of a sentence, its end included, in steps."""
    state, score = lm.initial_state(1), 0.0
    for label in labels:
        score += float(lm.score(state)[0, label - 1])
        held = lm.step(state, torch.tensor([label]), torch.tensor([False]))
        assert torch.equal(held, state)
        state = lm.step(state, torch.tensor([label]), torch.tensor([True]))
    return score + float(lm.end(state)[0])


def neural() -> LstmLanguageModel:
    torch.manual_seed(0)
    return LstmLanguageModel(7, 8).eval()


def test_neural_steps_equal_the_run_over_a_sentence() -> None:
    model = neural()
    labels = torch.tensor([[3, 1, 6, 2]])
    lm = NeuralLm(model)
    with torch.inference_mode():
        assert sentence_score(lm, labels[0].tolist()) == pytest.approx(-float(model.loss(labels, torch.tensor([4]))))
        state = lm.initial_state(2)
        total = lm.score(state).exp().sum(-1) + lm.end(state).exp()
    assert torch.allclose(total, torch.ones(2))


def test_padding_costs_nothing() -> None:
    model = neural()
    sentences = [torch.tensor([3, 1, 6, 2]), torch.tensor([5]), torch.tensor([], dtype=torch.int64)]
    alone = [float(model.loss(labels[None], torch.tensor([len(labels)]))) for labels in sentences]
    padded = torch.nn.utils.rnn.pad_sequence(sentences, batch_first=True, padding_value=1)
    together = float(model.loss(padded, torch.tensor([4, 1, 0])))
    assert together == pytest.approx(sum(alone), rel=1e-5)


def test_neural_model_of_another_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(DataError, match="no language model.*jointst lm"):
        NeuralLm.read(path, "abc", CPU)
    save_file(neural().state_dict(), path, {"tokenizer": "abc", "vocabulary": "7", "dim": "8"})
    assert NeuralLm.read(path, "abc", CPU).initial_state(3).shape == (3, 24)
    with pytest.raises(DataError, match="another tokenizer"):
        NeuralLm.read(path, "abd", CPU)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="damaged"):
        NeuralLm.read(path, "abc", CPU)


@pytest.fixture
def letters() -> Tokenizer:
    return Tokenizer.from_bytes(train(["abc", "cba"], TokenizerConfig(kind="char")))


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    path = tmp_path / "letters.arpa"
    path.write_text(ARPA)
    return path


def test_ngrams_with_back_off(letters: Tokenizer, arpa: Path) -> None:
    pytest.importorskip("kenlm")
    lm = NgramLm(arpa, letters, CPU)
    a, b, c = (letters.encode(letter)[0] for letter in "abc")
    expected = {
        (b, a): -0.1 - 0.15 + (-0.2 - 0.8),  # <s> b, b a, back-off of a and </s>
        (a, b): (-0.5 - 0.3) - 0.7 - 0.05,  # back-off of <s> and a, a b, b </s>
        (c, c): (-0.5 - 0.9) - 0.9 - 0.8,  # c has no back-off weight
        (): -0.5 - 0.8,
    }
    for labels, log10 in expected.items():
        assert sentence_score(lm, list(labels)) == pytest.approx(log10 * math.log(10), abs=1e-5)
    rows: Tensor = torch.tensor([[0], [a], [b], [a], [0]])
    together = lm.score(rows)
    for i in range(len(rows)):
        assert torch.equal(together[i], lm.score(rows[i : i + 1])[0])


def test_ngram_files_that_cannot_serve(letters: Tokenizer, arpa: Path, tmp_path: Path) -> None:
    pytest.importorskip("kenlm")
    with pytest.raises(DataError, match="no file of n-grams"):
        NgramLm(tmp_path / "absent.arpa", letters, CPU)
    arpa.write_text(ARPA[:60])
    with pytest.raises(DataError, match="cannot be read"):
        NgramLm(arpa, letters, CPU)
    words = ARPA
    for letter in "abc":
        words = re.sub(rf"(?<=[\t ]){letter}(?=[\t\n ])", letter * 3, words)
    arpa.write_text(words)
    with pytest.raises(DataError, match=r"knows 0 of 3 label pieces.*pieces\.txt"):
        NgramLm(arpa, letters, CPU)


def test_missing_kenlm_says_how_to_install_it(letters: Tokenizer, arpa: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(EnvironmentFault, match=r"jointst\[lm\]"):
        NgramLm(arpa, letters, CPU)
