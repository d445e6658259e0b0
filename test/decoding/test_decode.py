"""Decoding and tuning on disk: what is written, which weights hold, what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from jointst.common.errors import ConfigError, DataError
from jointst.config import DecodingConfig, LmConfig, ModelConfig, TuneConfig
from jointst.config.context import Context
from jointst.data.dataset import read_directories
from jointst.decoding import decode, tune
from jointst.decoding.search import Search, build_search, digest_models
from jointst.kaldi.tables import read_table
from jointst.models.build import digest_symbols, load_trained
from jointst.recipe.stages import fusion_files
from jointst.training import language_model

DECODERS = ModelConfig().decoders
GRID = TuneConfig(lm_weights=(0.5,), ilm_weights=(0.2,), label_bonuses=(0.0, 2.0))


def changed(context: Context, **decoding: Any) -> Context:
    config = dataclasses.replace(context.config, decoding=DecodingConfig(**decoding), tune=GRID)
    return dataclasses.replace(context, config=config)


def records(context: Context, decoder: str) -> dict[str, dict[str, Any]]:
    lines = (context.exp / "decode/t_test" / decoder / "hyp.jsonl").read_text().splitlines()
    return {record["utterance"]: record for record in map(json.loads, lines)}


@pytest.fixture
def with_lm(toy: Context) -> Context:
    """The toy experiment with a language model of a few updates."""
    config = dataclasses.replace(toy.config, lm=LmConfig(dim=8, max_updates=4, validate_every=2))
    toy = dataclasses.replace(toy, config=config)
    language_model.run(toy)
    return toy


def test_a_beam_of_one_writes_what_greedy_search_writes(toy: Context) -> None:
    decode.run(toy)
    greedy = {decoder: records(toy, decoder) for decoder in DECODERS}
    decode.run(changed(toy, search="beam", beam=1, nbest=1))
    for decoder in DECODERS:
        beam = records(toy, decoder)
        assert beam.keys() == greedy[decoder].keys()
        for utterance, record in beam.items():
            expected = greedy[decoder][utterance]
            assert "nbest" not in expected
            assert all(record[key] == expected[key] for key in ("text", "tokens", "times"))
            assert len(record["nbest"]) == 1


def test_nbest_is_written_best_first(toy: Context) -> None:
    decode.run(changed(toy, search="beam", beam=4, nbest=3, label_bonus=3.0))
    for decoder in DECODERS:
        found = records(toy, decoder)
        texts = read_table(toy.exp / "decode/t_test" / decoder / "hyp.text", allow_empty=True)
        for utterance, record in found.items():
            scores = [item["score"] for item in record["nbest"]]
            assert len(scores) == 3
            assert scores == sorted(scores, reverse=True)
            assert record["score"] == scores[0]
            assert texts[utterance] == " ".join(record["text"].split()) or texts[utterance] == record["text"]
            assert len(record["tokens"]) == len(record["times"]) == len(record["confidence"])
            spoken = "".join(word["word"] for word in record["words"])
            assert spoken == record["text"].replace(" ", "").replace("⁇", "<unk>")


def test_tuned_weights_are_of_dev_alone_and_are_used(
    with_lm: Context, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def spy(root: Path, names: Any, *rest: Any) -> Any:
        read.extend(names)
        return read_directories(root, names, *rest)

    monkeypatch.setattr(tune, "read_directories", spy)
    context = changed(with_lm, search="beam", beam=2, nbest=1, lm="neural", weights="tuned")
    tune.run(context)
    assert read == ["t_dev"]
    shown = capsys.readouterr().out
    record = json.loads((context.exp / "tune.json").read_text())
    for row in ("greedy, no LM", "beam, no LM", "beam, LM", "beam, LM - ILM"):
        assert row in shown
        assert row in record["decoders"]["streaming"]["rows"]
    for name in DECODERS:
        rows = record["decoders"][name]["rows"]
        beams = [rows[row] for row in rows if row.startswith("beam")]
        chosen = rows[record["decoders"][name]["best"]]
        assert chosen["error_rate"] == min(row["error_rate"] for row in beams)
        assert record["chosen"][name] == {key: chosen[key] for key in ("lm", "ilm", "bonus")}
        assert rows["beam, LM - ILM"]["ilm"] > 0
        assert rows["beam, LM"]["ilm"] == 0
    search = build_search(context, load_trained(context))
    assert {name: dataclasses.asdict(search.weights[name]) for name in DECODERS} == record["chosen"]
    assert "tuned" in capsys.readouterr().out
    decode.run(context)


def test_tuned_weights_that_do_not_hold(with_lm: Context) -> None:
    context = changed(with_lm, search="beam", lm="neural", weights="tuned")
    with pytest.raises(DataError, match=r"no tuned weights.*jointst tune"):
        decode.run(context)
    path = context.exp / "tune.json"
    chosen = {name: {"lm": 0.1, "ilm": 0.0, "bonus": 0.0} for name in DECODERS}
    path.write_text(json.dumps({"lm": "ngram", "arpa": "a.arpa", "models": "", "chosen": chosen}))
    with pytest.raises(DataError, match="was tuned for decoding.lm ngram, decoding.arpa a.arpa"):
        decode.run(context)
    path.write_text("{}")
    with pytest.raises(DataError, match="is damaged"):
        decode.run(context)


def test_weights_tuned_for_another_model_are_refused(with_lm: Context) -> None:
    context = changed(with_lm, search="beam", beam=1, nbest=1, lm="neural", weights="tuned")
    chosen = {name: {"lm": 0.1, "ilm": 0.0, "bonus": 0.0} for name in DECODERS}
    record = {"lm": "neural", "arpa": None, "models": digest_models(context), "chosen": chosen}
    (context.exp / "tune.json").write_text(json.dumps(record))
    assert build_search(context, load_trained(context)).weights["streaming"].lm == 0.1
    weights = context.exp / "model.safetensors"
    state = {name: tensor + 1 for name, tensor in load_file(weights).items()}
    save_file(state, str(weights), {"symbols": digest_symbols(context.data)})  # trained again
    with pytest.raises(DataError, match=r"another model or language model.*run jointst tune"):
        build_search(context, load_trained(context))


def test_tuning_hears_the_languages_that_decoding_hears(toy: Context) -> None:
    given: list[list[str]] = []
    trained = load_trained(toy)
    encode = trained.model.encode_speech

    def spy(features: Any, lengths: Any, languages: Any = ()) -> Any:
        given.append(list(languages))
        return encode(features, lengths, languages)

    trained.model.encode_speech = spy  # type: ignore[method-assign]
    directories = read_directories(toy.data, ["t_dev"])
    tune.Dev(trained, directories, Search(settings=DecodingConfig(), lm=None, weights={}), may_lack=False)
    assert given
    assert {code for codes in given for code in codes} == {"ar", "en", "ru", "zh"}


def test_nothing_to_tune(toy: Context) -> None:
    with pytest.raises(ConfigError, match="nothing to tune"):
        tune.run(changed(toy, search="beam"))


def test_a_missing_language_model_is_named(toy: Context) -> None:
    with pytest.raises(DataError, match=r"no language model.*run jointst lm"):
        decode.run(changed(toy, search="beam", lm="neural"))


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_phrases_are_decoded_with(toy: Context, packed: Path, search: str) -> None:
    options: dict[str, Any] = {"search": search, "beam": 2, "nbest": 1}
    decode.run(changed(toy, **options))
    plain = {decoder: records(toy, decoder) for decoder in DECODERS}
    path = Path("phrases.txt")
    path.write_text("the window\nдверь\t30\n", encoding="utf-8")
    context = changed(toy, **options, phrases=str(path), phrase_weight=2.0)
    assert path in fusion_files(context)
    decode.run(context)
    for decoder in DECODERS:
        found = records(toy, decoder)
        assert found.keys() == plain[decoder].keys()
        assert any(record["text"] != plain[decoder][key]["text"] for key, record in found.items())
    assert json.loads((toy.exp / "decode/phrases.json").read_text(encoding="utf-8"))["ru"] == ["дверь"]
    path.write_text("the window\tnone\n")
    with pytest.raises(DataError, match=r"phrases.txt:1: has the weight 'none'"):
        decode.run(context)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"search": "widest"}, "search"),
        ({"phrase_weight": 0.0}, "phrase_weight"),
        ({"phrase_weight": float("nan")}, "phrase_weight"),
        ({"phrase_weight": 1e9}, "phrase_weight"),
        ({"phrases": "a", "phrase_language": "xx"}, "phrase_language"),
        ({"lm": "neural"}, "lm"),
        ({"ilm_weight": 0.1}, "ilm_weight"),
        ({"weights": "tuned"}, "weights"),
        ({"search": "beam", "beam": 2, "nbest": 3}, "nbest"),
        ({"search": "beam", "lm": "ngram"}, "arpa"),
        ({"search": "beam", "lm": "neural", "arpa": "x"}, "arpa"),
        ({"search": "beam", "lm_weight": -1.0}, "lm_weight"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        DecodingConfig(**settings)
    assert raised.value.key == key
