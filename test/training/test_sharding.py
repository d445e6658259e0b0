"""Two processes that share one model (FSDP2): what two with a copy each come to, also where it broke off; and what DDP
is told of weights that take part in no loss."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torch.distributed as dist
from pretrained.small_whisper import small_whisper, write_hub
from pretrained.tiny import MODELS, write_model
from safetensors.torch import load_file
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from jointst.common.errors import ConfigError
from jointst.config import (
    AudioEncoderConfig,
    BatchConfig,
    Config,
    ConsistencyConfig,
    FeatureConfig,
    LossConfig,
    SpeechBatchConfig,
    TrainingConfig,
)
from jointst.config.context import Context
from jointst.config.load import parse, to_yaml
from jointst.data.features import run as make_features
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import write_table
from jointst.ops.zero_gradients import with_zeros
from jointst.pretrained.fine_tuning import recompute
from jointst.pretrained.registry import open_encoder
from jointst.training.sharding import units
from jointst.training.unused import Unused

ROOT = Path(__file__).resolve().parents[2]
RECORDED = str(ROOT / "test" / "ranks" / "recorded.py")
START = """
import sys
from jointst.ranks.spawn import run_processes

sys.exit(run_processes([sys.executable, *sys.argv[1:]], 2))
"""
UPDATES = 20


@pytest.fixture
def tuned(toy: Context) -> Context:
    """The toy experiment before training, with a small Whisper that is fine-tuned, from the third update on.

    Its speech is of noise. Some is longer than a window, and a batch of two has no text: a process may have both, or
    none, while the other has not.
    """
    write_hub(Path("hub"), small_whisper(positions=50))
    generator = np.random.default_rng(5)
    for split in ("t_train", "t_dev", "t_test"):
        directory = DataDirectory.read(toy.data / split)
        entries = {}
        for number, (utterance, frames) in enumerate(directory.utt2num_frames.items()):
            entries[utterance] = str(Path("wav", f"{utterance}.wav").absolute())
            Path("wav").mkdir(exist_ok=True)
            samples = 0.1 * generator.standard_normal(160 * frames * (1 + number % 2))
            soundfile.write(entries[utterance], samples, 16000)
        write_table(directory.path / "wav.scp", entries)
        (directory.path / "feats.scp").unlink()
        (directory.path / "utt2num_frames").unlink()
    shutil.rmtree(toy.exp)
    encoder = AudioEncoderConfig(
        kind="whisper", source="hub", dim=16, use="fine_tuned", rate=0.5, rate_decay=0.5, recompute=True
    )
    config = Config(
        data=toy.config.data,
        features=FeatureConfig(),
        model=dataclasses.replace(toy.config.model, audio_encoder=encoder),
        loss=LossConfig(ctc_only_updates=5, consistency=ConsistencyConfig(weight=0.3, start_update=8, ramp_updates=4)),
        training=TrainingConfig(
            max_updates=UPDATES,
            validate_every=UPDATES // 2,
            keep_best=1,
            warmup_updates=5,
            peak_rate=1e-3,
            weight_decay=0.5,
            gradient_clip=0.5,
            paired_text_share=0.2,
            speech_batch=SpeechBatchConfig(max_utterances=3),
            text_batch=BatchConfig(max_utterances=3),
            freeze=("pretrained",),
            freeze_updates=2,
        ),
    )
    context = dataclasses.replace(toy, config=config, nj=1)
    make_features(context)
    Path("toy.yaml").write_text(to_yaml(config))
    return context


def train(name: str, *settings: str) -> tuple[dict[int, float], dict[str, torch.Tensor]]:
    """Train ``exp/<name>`` in two processes: the loss of every batch by its number, and the weights."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", START, RECORDED, "train", "--conf", "toy.yaml", "--name", name, *settings]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    losses = {}
    for path in sorted(Path().glob("losses_*.txt")):
        lines = (line.split() for line in path.read_text().splitlines())
        losses.update({int(number): float(loss) for number, loss in lines})
        path.unlink()
    return losses, load_file(f"exp/{name}/model.safetensors")


def check_same(
    got: tuple[dict[int, float], dict[str, torch.Tensor]], expected: tuple[dict[int, float], dict[str, torch.Tensor]]
) -> None:
    assert got[0].keys() <= expected[0].keys()
    assert max(abs(got[0][number] / expected[0][number] - 1) for number in got[0]) < 1e-5
    assert {name: weight.shape for name, weight in got[1].items()} == {
        name: weight.shape for name, weight in expected[1].items()
    }
    for name, weight in expected[1].items():
        torch.testing.assert_close(got[1][name], weight, rtol=1e-4, atol=1e-5, msg=lambda said, name=name: name + said)


def test_two_that_share_a_model_come_to_what_two_with_copies_do(tuned: Context) -> None:
    copies = train("copies")
    assert sorted(copies[0]) == list(range(2 * UPDATES))
    shared = train("shared", "--training.sharding", "fsdp")
    assert len(shared[0]) == len(copies[0])
    check_same(shared, copies)
    shutil.copytree("exp/shared", "exp/broken")
    for path in ("model.safetensors", "checkpoints/last.ckpt"):
        Path("exp/broken", path).unlink()
    resumed = train("broken", "--training.sharding", "fsdp")  # from the checkpoint before the last one
    assert sorted(resumed[0]) == list(range(UPDATES, 2 * UPDATES))
    check_same(resumed, copies)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[DeviceMesh]:
    """This process alone."""
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


@pytest.mark.parametrize("name", ["whisper", *MODELS])
@pytest.mark.parametrize("again", [False, True])
def test_each_kind_of_encoder_can_be_shared(name: str, again: bool, mesh: DeviceMesh, tmp_path: Path) -> None:
    """Its layers are called as modules, and nothing else asks for their weights."""
    if name != "whisper":
        pytest.importorskip("transformers")
        write_model(tmp_path / "hub", name)
    gradients = []
    for shares in (False, True):
        opened = small_whisper() if name == "whisper" else open_encoder(MODELS[name][0], tmp_path / "hub")
        encoder = opened.train()
        if again:
            recompute(encoder)
        if shares:
            assert len(units(encoder)) > 1
            for layer in [*units(encoder), encoder]:
                fully_shard(layer, mesh=mesh)
        torch.manual_seed(4)
        states, _ = encoder(torch.randn(2, 20, encoder.row_width), torch.tensor([20, 13]))
        torch.manual_seed(5)
        (states[0] * torch.randn_like(states[0])).sum().backward()
        found = {key: weight.grad for key, weight in encoder.named_parameters() if weight.grad is not None}
        whole = {key: grad.full_tensor() if isinstance(grad, DTensor) else grad for key, grad in found.items()}
        gradients.append(whole)
    assert gradients[0].keys() == gradients[1].keys()
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient)


class _Phased(nn.Module):
    """Three parts: the second is used in the second phase alone, the third is frozen in the first."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.always, self.later, self.thawing = (nn.Linear(3, 3) for _ in range(3))
        self.never = nn.Parameter(torch.ones(2))

    def loss(self, update: int) -> torch.Tensor:
        self.thawing.requires_grad_(update >= 2)
        states = self.thawing(self.always(torch.ones(1, 3)))
        return (self.later(states) if update >= 2 else states).square().sum()


def phased(share: bool) -> dict[str, torch.Tensor]:
    """The weights after some updates, with all gradients there to be shared, or as they come."""
    model = _Phased()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    unused = Unused(list(model.parameters()))
    for update in range(4):
        loss = model.loss(update)
        torch.autograd.backward(unused.beside(loss, update >= 2) if share else loss)
        there = [name for name, weight in model.named_parameters() if weight.grad is not None]
        assert not share or len(there) == len(list(model.parameters()))
        unused.forget()
        assert all((weight.grad is not None) == (update >= 2) for weight in model.later.parameters())
        optimizer.step()
        optimizer.zero_grad()
    return model.state_dict()


def test_unused_weights_have_zeros_to_share_and_no_step() -> None:
    found, expected = phased(share=True), phased(share=False)
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    assert torch.equal(found["never"], torch.ones(2))


def test_zeros_for_what_a_loss_does_not_depend_on() -> None:
    used, other, frozen = (nn.Parameter(torch.full((2,), torch.inf)) for _ in range(3))
    frozen.requires_grad_(False)
    total = (used * 0 + used.detach().clamp_max(3.0)).nan_to_num().sum()
    assert with_zeros(total, [frozen]) is total
    beside = with_zeros(total, [other, frozen])
    assert torch.equal(beside, total)
    beside.backward()  # type: ignore[no-untyped-call]
    assert other.grad is not None
    assert torch.equal(other.grad, torch.zeros(2))
    assert frozen.grad is None


# (settings beside training.sharding: fsdp, what is said)
WRONG: dict[str, tuple[list[str], str]] = {
    "graphs": (["--training.graphs", "true"], r"training.graphs: is true with training.sharding: fsdp"),
    "compile": (["--training.compile", "true"], r"training.compile: is true with training.sharding: fsdp"),
    "auto": (
        ["--training.speech_batch.max_seconds", "auto"],
        r"training.speech_batch.max_seconds: is auto with training.sharding: fsdp .a number",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_go_with_shares(case: str) -> None:
    settings, said = WRONG[case]
    with pytest.raises(ConfigError, match=said):
        parse("train", "", ["--training.sharding", "fsdp", *settings])
