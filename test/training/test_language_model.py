"""``jointst lm``: it learns, goes on after a break to the bit, and starts anew when its text changes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from jointst.config import BatchConfig, LmConfig
from jointst.config.context import Context
from jointst.kaldi.tables import read_table, write_table
from jointst.training.language_model import run
from jointst.training.log import read_log

SMALL = LmConfig(
    dim=16, max_updates=40, validate_every=10, warmup_updates=4, batch=BatchConfig(max_utterances=4), peak_rate=1e-2
)


def settings(context: Context, **changes: object) -> Context:
    lm = dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(context, config=dataclasses.replace(context.config, lm=lm))


def losses(context: Context) -> list[float]:
    return [line["dev_loss"] for line in read_log(context.exp / "lm/log.jsonl") if "dev_loss" in line]


def test_learns_and_keeps_the_mean_of_the_best(toy: Context) -> None:
    made = run(settings(toy))
    assert "perplexity" in made.what
    found = losses(toy)
    assert len(found) == 4
    assert found[-1] < found[0]
    best = json.loads((toy.exp / "lm/checkpoints/best.json").read_text())
    assert min(found) == pytest.approx(best[0]["dev_loss"])
    with safe_open(made.where, framework="pt") as stored:
        assert stored.metadata()["dim"] == "16"
    train = read_table(toy.data / "t_train/text")
    pieces = (toy.exp / "lm/pieces.txt").read_text().splitlines()
    assert [line.replace(" ", "").replace("▁", " ") for line in pieces] == [train[key] for key in sorted(train)]


def test_a_broken_training_goes_on_to_the_bit(toy: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    run(settings(toy))
    unbroken = load_file(toy.exp / "lm/model.safetensors")
    other = dataclasses.replace(toy, name="broken")
    (toy.exp.parent / "broken").mkdir()
    from jointst.training.language_model import LanguageModule

    step = LanguageModule.training_step

    def breaks(self: LanguageModule, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if self.global_step == 25:
            raise RuntimeError("the machine fails")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(LanguageModule, "training_step", breaks)
    with pytest.raises(RuntimeError, match="fails"):
        run(settings(other))
    monkeypatch.setattr(LanguageModule, "training_step", step)
    run(settings(other))
    assert losses(other) == losses(toy)
    continued = load_file(other.exp / "lm/model.safetensors")
    assert all(torch.equal(continued[name], unbroken[name]) for name in unbroken)


def test_other_text_starts_anew_and_keeps_the_old(toy: Context, capsys: pytest.CaptureFixture[str]) -> None:
    run(settings(toy))
    path = toy.data / "t_train/text"
    text = read_table(path)
    write_table(path, {key: value[::-1] for key, value in text.items()})
    run(settings(toy))
    assert "a new one starts" in capsys.readouterr().out
    assert Path(f"{toy.exp}/lm.old-1/model.safetensors").is_file()
    assert len(losses(toy)) == 4
