"""A toy experiment on disk: data directories, symbol tables, features, an untrained model, hypotheses, a log."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from jointst.common.files import write_atomically
from jointst.config import AlignConfig, Config, DataConfig, ExportConfig, FeatureConfig, ModelConfig, ScoringConfig
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.export.pack import run as export
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import write_table
from jointst.models.build import build_model, digest_symbols, read_symbols
from jointst.text.lexicon import PhoneTable
from jointst.text.tokenizer import run as train_tokenizer

# A test run started in the background ignores Ctrl-C and hang-ups, and so would every process it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

SENTENCES = {
    "en": ["open the door", "close the window", "open the window", "the red door", "close it now"],
    "ru": ["открой дверь", "закрой окно", "красная дверь", "открой окно", "закрой это"],
    "ar": ["افتح الباب", "اغلق النافذة", "باب احمر", "افتح النافذة", "اغلق هذا"],
    "zh": ["今天天气很好", "红色的门", "打开窗户", "关上门", "今天很好"],
}
MEL_BINS = 8
LONG = """
recipes/test_languages recipes/test_mini documentation/test_tutorial documentation/test_site comparison/test_command
integration/test_interruption tools/test_benchmarks documentation/test_commands pretrained/test_fine_tuning
serving/test_page ops/kernels/test_triton export/test_onnx training/test_two_processes training/test_train
ranks/test_launch ranks/test_faults fuzz/test_fuzz integration/test_two_runs comparison/test_systems
training/test_sharding
integration/test_overfit serving/test_server adaptation/test_command ops/kernels/test_cuda_simulator
tools/test_gpu_check tools/test_bench_transducer integration/test_bad_input test_threads
""".split()
"""Files whose tests take the longest, in this order: processes that share the tests begin with them, and none is left
alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of long files first."""
    folder = Path(__file__).parent
    rank = {folder / f"{name}.py": number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def _directory(path: Path, first: int, last: int, generator: np.random.Generator) -> None:
    """A set of some sentences of each language: one phone for each letter, about four frames for each phone."""
    text, phones, frames, matrices = {}, {}, {}, {}
    for lang, sentences in SENTENCES.items():
        for i in range(first, last):
            utterance = f"{lang}_v{i % 2 + (2 if first else 0)}-{i}"
            text[utterance] = sentences[i]
            phones[utterance] = " ".join(sentences[i].replace(" ", ""))
            frames[utterance] = 5 * len(phones[utterance].split()) + 8
            matrices[utterance] = generator.standard_normal((frames[utterance], MEL_BINS)).astype(np.float32)
    path.mkdir(parents=True)
    ark = path / "feats.ark"
    kaldiio.save_ark(str(ark), matrices, scp=str(path / "feats.scp"))
    feats = dict(line.split(" ", 1) for line in (path / "feats.scp").read_text().splitlines())
    DataDirectory(
        path=path,
        text=text,
        utt2spk={key: key.split("-")[0] for key in text},
        utt2lang={key: key[:2] for key in text},
        feats_scp=feats,
        utt2num_frames=frames,
        phones=phones,
    ).write(path)


def _config() -> Config:
    return Config(
        data=DataConfig(train=("t_train",), dev=("t_dev",), test=("t_test",), unpaired=()),
        features=FeatureConfig(mel_bins=MEL_BINS, cmvn="none"),
        model=ModelConfig(
            dim=16, full_context_dim=24, audio_layers=1, streaming_layers=2, full_context_layers=1, heads=2
        ),
        scoring=ScoringConfig(sclite="auto"),
        align=AlignConfig(utterances=12, heat_maps=3),
        export=ExportConfig(onnx="no"),  # seconds that only its own tests need
    )


def _outputs(folder: Path, test: DataDirectory) -> None:
    for decoder, cut in (("streaming", 4), ("full_context", 1)):
        hypotheses = {key: text[:-cut] + ("x" if "door" in text else "") for key, text in test.text.items()}
        hypotheses[test.utterances[1]] = test.text[test.utterances[1]]
        write_table(folder / "decode/t_test" / decoder / "hyp.text", hypotheses)
    timing = {"audio_seconds": 10, "encoder_seconds": 0.1, "streaming_seconds": 0.1, "full_context_seconds": 0.3}
    write_atomically(folder / "decode/t_test/timing.json", json.dumps(timing))
    log = [
        {"update": u, "seconds": u / 3, "rate": 1e-3, "loss": 40 / u, "ctc": 30 / u, "spread/layer0": 0.5}
        for u in range(1, 101, 10)
    ]
    lines = [*log, {"update": 91, "seconds": 31.0, "dev_loss": 2.0, "dev_streaming": 2.5}]
    write_atomically(folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def _make_toy() -> Context:
    """The toy experiment in the working directory."""
    context = Context(config=_config(), name="toy")
    generator = np.random.default_rng(0)
    for name, first, last in (("t_train", 0, 2), ("t_dev", 2, 5), ("t_test", 2, 5)):
        _directory(context.data / name, first, last, generator)
    phones = {p for sentences in SENTENCES.values() for sentence in sentences for p in sentence.replace(" ", "")}
    write_atomically(context.data / "lang/phones.txt", PhoneTable.of(phones).to_text())
    train_tokenizer(context)
    torch.manual_seed(0)
    model = build_model(context.config, read_symbols(context.config, context.data))
    context.exp.mkdir(parents=True)
    digest = digest_symbols(context.data)
    save_file(model.state_dict(), str(context.exp / "model.safetensors"), {"symbols": digest})
    write_atomically(context.exp / "config.yaml", to_yaml(context.config))
    write_atomically(context.exp / "versions.json", json.dumps({"git_commit": "0123456789abcdef"}))
    _outputs(context.exp, DataDirectory.read(context.data / "t_test"))
    return context


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The context of an experiment that has been trained and decoded, but not scored or aligned."""
    monkeypatch.chdir(tmp_path)
    return _make_toy()


@pytest.fixture(scope="session")
def packed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``packed``, made once for all tests, which only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("packed"))
        return _pack(_make_toy()).resolve()


@pytest.fixture
def packed(toy: Context) -> Path:
    """The toy model packed by stage 10, its weights such that it emits something for about every other position."""
    return _pack(toy)


def _pack(toy: Context) -> Path:
    weights = toy.exp / "model.safetensors"
    state = load_file(weights)
    for decoder in ("streaming_decoder", "full_context_decoder"):
        state[f"{decoder}.joiner.output.weight"] *= 8
        state[f"{decoder}.joiner.project_encoder.weight"] *= 4
        state[f"{decoder}.joiner.output.bias"][0] = 1.0
    save_file(state, str(weights), {"symbols": digest_symbols(toy.data)})
    return export(toy).where
