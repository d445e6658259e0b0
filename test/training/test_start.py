"""Starting from a trained model: rows by symbol, what is fresh and left, what is refused, and continuing to the bit."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from jointst.common.errors import DataError, JointstError
from jointst.common.files import write_atomically
from jointst.config import BatchConfig, LossConfig, SpeechBatchConfig
from jointst.config.context import Context
from jointst.config.load import to_yaml
from jointst.kaldi.directory import DataDirectory
from jointst.models.build import build_model, digest_symbols, read_symbols
from jointst.models.joint import JointModel
from jointst.nn.language_model import LstmLanguageModel
from jointst.text.lexicon import PhoneTable
from jointst.text.tokenizer import run as train_tokenizer
from jointst.training.fingerprint import fingerprint
from jointst.training.log import read_log
from jointst.training.module import JointModule
from jointst.training.start_model import read_start
from jointst.training.take_over import TakeOver, take_over
from jointst.training.train import run

LETTERS = {"o": "ß", "e": "t", "t": "e", "天": "地"}
"""To the letters of the new data: o and 天 are gone, ß and 地 are new, e and t are as frequent as the other was."""
CLOCK = ("seconds", "to_go", "audio_per_hour")
LABELS = (
    "streaming_decoder.predictor.embedding.weight",
    "full_context_decoder.joiner.output.weight",
    "full_context_decoder.joiner.output.bias",
    "streaming_decoder.additive.encoder.weight",
    "streaming_decoder.additive.encoder.bias",
    "full_context_decoder.additive.predictor.weight",
)
PHONES = ("text_encoder.embedding.weight", "ctc.weight", "ctc.bias")


def changed(context: Context, section: str, **values: object) -> Context:
    part = dataclasses.replace(getattr(context.config, section), **values)
    return dataclasses.replace(context, config=dataclasses.replace(context.config, **{section: part}))


@pytest.fixture
def new(toy: Context) -> Context:
    """An experiment on data of other letters, which starts from the toy model."""
    root = Path("other")
    shutil.copytree(toy.data, root)
    letters = str.maketrans(LETTERS)
    phones: set[str] = set()
    for name in ("t_train", "t_dev", "t_test"):
        old = DataDirectory.read(root / name)
        texts, spoken = (
            {key: value.translate(letters) for key, value in table.items()} for table in (old.text, old.phones)
        )
        dataclasses.replace(old, text=texts, phones=spoken).write(root / name)
        phones.update(phone for value in spoken.values() for phone in value.split())
    write_atomically(root / "lang/phones.txt", PhoneTable.of(phones).to_text())
    context = changed(dataclasses.replace(toy, name="new"), "data", root=str(root))
    train_tokenizer(context)
    context = dataclasses.replace(
        context, config=dataclasses.replace(context.config, loss=LossConfig(ctc_only_updates=0))
    )
    return changed(
        context,
        "training",
        start_from=str(toy.exp),
        max_updates=2,
        validate_every=2,
        speech_batch=SpeechBatchConfig(max_utterances=4),
        text_batch=BatchConfig(max_utterances=4),
    )


def found(context: Context) -> TakeOver:
    """What the experiment takes."""
    start_from = context.config.training.start_from
    assert start_from is not None
    return take_over(read_start(Path(start_from)), context.config, read_symbols(context.config, context.data))


def given(context: Context) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The weights of the new model before and after it is given those of the start."""
    torch.manual_seed(7)
    model = build_model(context.config, read_symbols(context.config, context.data))
    fresh = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found(context).give(model)
    return fresh, model.state_dict()


def test_rows_are_taken_by_symbol(toy: Context, new: Context) -> None:
    fresh, got = given(new)
    start = load_file(toy.exp / "model.safetensors")
    old, here = (read_symbols(toy.config, context.data) for context in (toy, new))
    for names, before, after in (
        (LABELS, *(table.tokenizer.pieces(range(table.tokenizer.size)) for table in (old, here))),
        (PHONES, old.phones.symbols, here.phones.symbols),
    ):
        shared = [symbol for symbol in after if symbol in before]
        assert [after.index(symbol) for symbol in shared] != [before.index(symbol) for symbol in shared], "same rows"
        assert {"ß", "地"} == set(after) - set(before)
        for name in names:
            for row, symbol in enumerate(after):
                wanted = start[name][before.index(symbol)] if symbol in before else fresh[name][row]
                assert torch.equal(got[name][row], wanted), (name, symbol)
    others = [name for name in got if name not in {*LABELS, *PHONES} and "decoder" not in name]
    assert all(torch.equal(got[name], start[name]) for name in others)


def test_languages_are_taken_by_code(toy: Context, new: Context) -> None:
    """Whichever languages the toolkit knew when the start was trained."""
    spoken = [changed(context, "model", language_embedding=True) for context in (toy, new)]
    model = build_model(spoken[0].config, read_symbols(toy.config, toy.data))
    state = model.state_dict()
    codes = ("", "zh", "ru", "xx", "en")
    state["language.vectors.weight"] = torch.randn(len(codes), toy.config.model.dim)
    about = {"symbols": digest_symbols(toy.data), "languages": " ".join(codes)}
    save_file(state, toy.exp / "model.safetensors", about)
    write_atomically(toy.exp / "config.yaml", to_yaml(spoken[0].config))
    _, got = given(spoken[1])
    rows = found(spoken[1]).rows["languages"]
    assert rows.left == ["xx"]
    assert "de" in rows.fresh
    vectors = got["language.vectors.weight"]
    for code, row in (("", 0), ("en", 3), ("ru", 10), ("zh", 12)):  # none, then codes in order
        assert torch.equal(vectors[row], state["language.vectors.weight"][codes.index(code)]), code
    assert torch.equal(vectors[2], torch.zeros(16)), "German is new"


def test_it_is_said_and_kept_what_was_taken(toy: Context, new: Context, capsys: pytest.CaptureFixture[str]) -> None:
    run(new)
    said = capsys.readouterr().out
    assert "starting from exp/toy (sha256 " in said
    assert "normalisation: mean and variance of the start" in said
    kept = json.loads((new.exp / "started_from.json").read_text())
    assert kept["folder"] == "exp/toy"
    labels = read_symbols(new.config, new.data).tokenizer.size
    assert f"labels: {labels - 2} of {labels} mapped by symbol; 2 fresh: " in said
    assert (kept["labels"]["mapped"], kept["labels"]["of"], set(kept["labels"]["left"])) == (
        labels - 2,
        labels,
        {*"o天"},
    )
    assert kept["parts"]["audio_encoder"]["fresh"] == kept["parts"]["audio_encoder"]["left"] == 0
    assert kept["parts"]["ctc"]["fresh"] == kept["parts"]["ctc"]["left"] == 2 * (16 + 1)
    assert len(kept["sha256"]["weights"]) == 64
    for name in ("tokenizer.model", "lang/phones.txt"):
        assert (new.exp / name).is_file(), "an experiment can be started from when its data are made anew"
    trained = read_start(new.exp)
    assert trained.symbols.phones == read_symbols(new.config, new.data).phones


def test_statistics_are_those_of_the_start(toy: Context, new: Context) -> None:
    path = toy.exp / "model.safetensors"
    state = load_file(path)
    state["normalisation.mean"] += 3.0
    save_file(state, path, {"symbols": digest_symbols(toy.data)})
    run(new)
    got = load_file(new.exp / "model.safetensors")
    assert torch.equal(got["normalisation.mean"], torch.full((8,), 3.0))


def test_a_packed_start_has_the_text_branch_too(packed: Path, new: Context) -> None:
    """Wherever the folder lies, without its recipe; unless the branch is of another model."""
    whole = found(new)
    moved = packed.rename("elsewhere")
    taken = found(changed(new, "training", start_from=str(moved)))
    assert (taken.whole, taken.mapped, taken.fresh) == (whole.whole, whole.mapped, whole.fresh)
    weights = moved / "model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(weights).items()}, weights)
    with pytest.raises(DataError, match="text_branch.safetensors: is the text branch of another model"):
        found(changed(new, "training", start_from=str(moved)))


@pytest.mark.parametrize("metadata", [True, False])
def test_a_start_packed_without_text_branch_lacks_what_only_training_uses(
    packed: Path, new: Context, metadata: bool
) -> None:
    """Those packed before there was metadata too; wherever the folder lies, without its recipe."""
    moved = packed.rename("elsewhere")
    (moved / "text_branch.safetensors").unlink()
    if not metadata:
        save_file(load_file(moved / "model.safetensors"), moved / "model.safetensors")
    new = changed(new, "training", start_from=str(moved))
    taken = found(new)
    parts = {name.split(".")[0] for name in taken.fresh if ".additive." not in name}
    assert parts == {"text_encoder", "ctc"}
    assert any(".additive." in name for name in taken.fresh)
    assert "exact_updates" in " ".join(taken.warnings(new.config))
    fresh, got = given(new)
    assert torch.equal(got["ctc.weight"], fresh["ctc.weight"])
    state = load_file(moved / "model.safetensors")
    assert torch.equal(got["subsampling.projection.weight"], state["subsampling.projection.weight"])
    run(new)


def test_a_start_of_the_time_before_the_band(toy: Context, new: Context) -> None:
    path = toy.exp / "model.safetensors"
    save_file(
        {name: part for name, part in load_file(path).items() if ".additive." not in name},
        path,
        {"symbols": digest_symbols(toy.data)},
    )
    assert {name.split(".")[1] for name in found(new).fresh} == {"additive"}


def test_more_and_fewer_layers(new: Context) -> None:
    taken = found(changed(new, "model", audio_layers=2, streaming_layers=1))
    assert {name.rsplit("layers.")[1].split(".")[0] for name in taken.fresh} == {"1"}
    assert {name.split(".layers.")[0] for name in taken.fresh} == {"audio_encoder"}
    assert {name.split(".layers.")[0] for name in taken.left} == {"streaming_encoder"}


def test_other_symbols_for_the_same_weights_are_fresh(new: Context) -> None:
    assert set(found(changed(new, "model", ctc_target="labels")).fresh) == {"ctc.weight", "ctc.bias"}
    assert set(found(changed(new, "tokenizer", text_input="pieces")).fresh) == set(PHONES)


def test_tables_of_a_recipe_that_were_made_anew_are_found_where_they_were_kept(
    toy: Context, new: Context, packed: Path
) -> None:
    """An experiment from before tables were kept with it; its packed folder has them."""
    whole = found(new).record()
    shutil.rmtree(toy.data / "tokenizer")
    assert found(new).record() == whole
    shutil.rmtree(packed)
    with pytest.raises(JointstError, match="exp/toy: the symbol tables that this model was trained with are gone"):
        found(new)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def with_state(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Context], None]:
    """Change the start's weights on disk."""

    def damage(toy: Context) -> None:
        state = load_file(toy.exp / "model.safetensors")
        change(state)
        save_file(state, toy.exp / "model.safetensors", {"symbols": digest_symbols(toy.data)})

    return damage


def language_model(toy: Context) -> None:
    model = LstmLanguageModel(9, 4, 0.0)
    save_file(model.state_dict(), toy.exp / "model.safetensors", {"tokenizer": "x", "vocabulary": "9", "dim": "4"})


def without_symbols_of_any(toy: Context) -> None:
    """The start knows no letter of the new data."""
    symbols = read_symbols(toy.config, toy.data)
    phones = PhoneTable.of(str(number) for number in range(symbols.phones.size - 3))
    write_atomically(toy.data / "lang/phones.txt", phones.to_text())
    letters = "".join(chr(0x1200 + number) for number in range(symbols.tokenizer.size - 2))
    old = DataDirectory.read(toy.data / "t_train")
    dataclasses.replace(old, text=dict.fromkeys(old.text, letters)).write(old.path)
    train_tokenizer(toy)
    with_state(lambda state: None)(toy)


REFUSED: dict[str, tuple[Callable[[Context], Any], str]] = {
    "no-such-folder": (lambda toy: toy.exp.rename("gone"), r"exp/toy: there is no such folder .*exp/<name>/packed"),
    "empty-folder": (lambda toy: [shutil.rmtree(toy.exp), toy.exp.mkdir()], r"exp/toy: holds no model"),
    "half-a-file": (lambda toy: cut(toy.exp / "model.safetensors"), r"model.safetensors: is no whole file .*copy it"),
    "empty-file": (lambda toy: (toy.exp / "model.safetensors").write_bytes(b""), r"is no whole file of safetensors"),
    "a-pickle-by-that-name": (
        lambda toy: torch.save({"a": torch.zeros(9)}, toy.exp / "model.safetensors"),
        r"is no whole file of safetensors",
    ),
    "pickles-alone": (
        lambda toy: (toy.exp / "model.safetensors").rename(toy.exp / "model.pt"),
        r"exp/toy: has no model.safetensors but model.pt, a pickle",
    ),
    "not-finished": (
        lambda toy: [(toy.exp / "checkpoints").mkdir(), (toy.exp / "model.safetensors").unlink()],
        r"has no model.safetensors: its training has not ended .*to the end",
    ),
    "a-language-model": (language_model, r"is a language model of jointst lm, no recogniser"),
    "another-model": (
        lambda toy: save_file({"encoder.weight": torch.zeros(3)}, toy.exp / "model.safetensors"),
        r"is another kind of model, no recogniser: it holds encoder",
    ),
    "no-settings": (lambda toy: (toy.exp / "config.yaml").unlink(), r"config.yaml: is missing"),
    "foreign-settings": (lambda toy: (toy.exp / "config.yaml").write_text("encoder: conformer\n"), r"config.yaml:1: "),
    "settings-of-another": (
        lambda toy: write_atomically(toy.exp / "config.yaml", to_yaml(changed(toy, "model", audio_layers=2).config)),
        r"does not fit the settings .* beside it: audio_encoder.layers.1",
    ),
    "a-weight-missing": (
        with_state(lambda state: state.pop("text_encoder.norm.weight")),
        r"does not fit .*text_encoder.norm.weight is missing, by these it is \(16,\)",
    ),
    "not-finite": (
        with_state(lambda state: state["widening.weight"].fill_(float("nan"))),
        r"widening.weight has values that are not finite",
    ),
    "no-shared-symbol": (without_symbols_of_any, r"shares no label and no phone with the new data"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_start_that_cannot_be_is_refused_and_nothing_is_written(case: str, toy: Context, new: Context) -> None:
    damage, message = REFUSED[case]
    damage(toy)
    (new.exp / "checkpoints").mkdir(parents=True)
    for name in ("fingerprint.txt", "model.safetensors", "checkpoints/last.ckpt"):
        (new.exp / name).write_text("of an earlier training")
    with pytest.raises(JointstError, match=message) as raised:
        run(new)
    assert "\n" not in str(raised.value)
    assert sorted(path.name for path in Path("exp").glob("new*")) == ["new"]
    assert (new.exp / "fingerprint.txt").read_text() == "of an earlier training"
    assert not (new.exp / "config.yaml").exists()


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("model", {"dim": 32}, r"has the shape \(16.*\) there and \(32.*\) here, and \d+ .*--model.dim 16"),
        ("model", {"kernel_size": 5}, r"convolution.depthwise.weight .*--model.kernel_size 15"),
        ("model", {"heads": 4}, r"model.heads: is 4, and 2 in training.start_from exp/toy"),
        ("model", {"right_context": 4}, r"model.right_context: is 4, and -1 in .*--model.right_context -1"),
        ("model", {"subsampling": 2}, r"subsampling.projection.weight has the shape .*--model.subsampling 4"),
        ("features", {"mel_bins": 40}, r"features.mel_bins: is 40, and 8 in .*--features.mel_bins 8"),
        ("features", {"sampling_rate": 8000}, r"features.sampling_rate: is 8000, and 16000"),
        ("features", {"hop": 5.0}, r"features.hop: is 5.0, and 10.0"),
        ("features", {"cmvn": "global"}, r"features.cmvn: is global, and none"),
    ],
)
def test_settings_that_the_weights_cannot_have(
    section: str, values: dict[str, object], message: str, new: Context
) -> None:
    with pytest.raises(JointstError, match=message):
        run(changed(new, section, **values))
    assert not new.exp.exists()


def test_another_joiner_is_refused(new: Context) -> None:
    decoder = dataclasses.replace(new.config.model.decoder, kind="rnnt")
    with pytest.raises(JointstError, match="model.decoder.kind: is rnnt, and hat in"):
        run(changed(new, "model", decoder=decoder))


@pytest.mark.parametrize("path", ["exp/new", "exp/new/packed", "./exp/../exp/new"])
def test_an_experiment_does_not_start_from_itself(path: str, toy: Context, new: Context) -> None:
    shutil.copytree(toy.exp, new.exp)
    with pytest.raises(JointstError, match=r"is this very experiment.*--name"):
        run(changed(new, "training", start_from=path))
    assert sorted(path.name for path in Path("exp").iterdir()) == ["new", "toy"]


@pytest.mark.parametrize(
    ("name", "message"), [("model.pt", "is a pickle"), ("last.ckpt", "is a pickle"), ("model.safetensors", "is a file")]
)
def test_a_file_is_no_start(name: str, message: str, toy: Context, new: Context) -> None:
    path = toy.exp / name
    path.touch()
    with pytest.raises(JointstError, match=message):
        run(changed(new, "training", start_from=str(path)))
    assert not new.exp.exists()


def breaks_at(update: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original = JointModule.training_step

    def step(self: JointModule, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.global_step == update:
            raise ConnectionAbortedError
        return original(self, batch, batch_idx)

    monkeypatch.setattr(JointModule, "training_step", step)


@pytest.mark.parametrize(("what", "said"), [("gone", "is gone"), ("changed", "has changed"), ("as it was", "")])
def test_a_broken_training_goes_on_to_the_bit_without_its_start(
    what: str,
    said: str,
    toy: Context,
    new: Context,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {"max_updates": 6, "validate_every": 3, "freeze": ("audio_encoder",), "freeze_updates": 5}
    whole = changed(new, "training", **settings)
    run(whole)
    broken = dataclasses.replace(whole, name="broken")
    with monkeypatch.context() as patch:
        breaks_at(4, patch)
        with pytest.raises(ConnectionAbortedError):
            run(broken)
    if what == "gone":
        shutil.rmtree(toy.exp)
    elif what == "changed":
        with_state(lambda state: state["widening.weight"].add_(1.0))(toy)
    capsys.readouterr()
    run(broken)
    output = capsys.readouterr().out
    assert "going on from" in output
    assert (f"exp/toy {said} since" in output) if said else ("since" not in output)
    one, other = (load_file(each.exp / "model.safetensors") for each in (whole, broken))
    assert all(torch.equal(one[name], other[name]) for name in one)
    logs = [
        [
            {key: value for key, value in line.items() if key not in ("seconds", "to_go", "audio_per_hour")}
            for line in log
        ]
        for log in (read_log(each.exp / "log.jsonl") for each in (whole, broken))
    ]
    assert logs[0] == logs[1]


def test_broken_before_its_first_checkpoint_it_reads_the_start_again(
    toy: Context, new: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        breaks_at(1, patch)
        with pytest.raises(ConnectionAbortedError):
            run(new)
    before = json.loads((new.exp / "started_from.json").read_text())
    with_state(lambda state: state["widening.weight"].add_(1.0))(toy)
    run(new)
    after = json.loads((new.exp / "started_from.json").read_text())
    assert before["sha256"]["weights"] != after["sha256"]["weights"]
    run(changed(dataclasses.replace(new, force=True), "training", start_from=None))
    assert not (new.exp / "started_from.json").exists()
    assert (Path("exp/new.old-1") / "started_from.json").is_file()


def test_another_start_is_another_training_and_the_same_elsewhere_is_not(toy: Context, new: Context) -> None:
    run(new)
    shutil.copytree(toy.exp, "copied")
    run(changed(new, "training", start_from="copied"))
    assert not Path("exp/new.old-1").exists()
    with_state(lambda state: state["widening.weight"].add_(1.0))(dataclasses.replace(toy, name="../copied"))
    run(changed(new, "training", start_from="copied"))
    assert Path("exp/new.old-1").exists()
    marks = {fingerprint(new, {"weights": each, "symbols": ""}) for each in "ab"} | {
        fingerprint(changed(new, "training", start_from=None))
    }
    assert len(marks) == 3


def test_without_a_start_fingerprints_are_what_they_were(new: Context) -> None:
    plain = changed(new, "training", start_from=None)
    assert fingerprint(plain) == fingerprint(plain, None)
    frozen = changed(plain, "training", freeze=("ctc",))
    assert len({fingerprint(each) for each in (plain, frozen, changed(frozen, "training", freeze_updates=3))}) == 3


def test_the_first_update_begins_with_the_weights_that_were_taken(
    new: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    original = JointModule.training_step

    def step(self: JointModule, batch: Any, batch_idx: int) -> torch.Tensor:
        seen.append({name: part.clone() for name, part in self.model.state_dict().items()})
        return original(self, batch, batch_idx)

    monkeypatch.setattr(JointModule, "training_step", step)
    run(new)
    torch.manual_seed(new.config.training.seed)
    model: JointModel = build_model(new.config, read_symbols(new.config, new.data))
    found(new).give(model)
    assert all(torch.equal(seen[0][name], part) for name, part in model.state_dict().items())
