"""The stages of every recipe, in order: what each reads, makes, and where its work is written."""

from __future__ import annotations

from pathlib import Path

from jointst.common.languages import LANGUAGES
from jointst.common.lock import Claim
from jointst.config.context import Context, reads_data, writes_experiment
from jointst.config.stated import AUDIO_ENCODER
from jointst.recipe.stage import Stage, present


def _texts(context: Context) -> list[Path]:
    return [context.data / name / "text" for name in context.all_sets]


def _phones(context: Context) -> list[Path]:
    return [context.data / name / "phones" for name in context.all_sets]


def _feats(context: Context) -> list[Path]:
    return [context.data / name / "feats.scp" for name in context.paired_sets]


def _speech(context: Context) -> list[Path]:
    return present(context.data / name / file for name in context.paired_sets for file in ("wav.scp", "phones"))


def _encoder_files(context: Context) -> list[Path]:
    """The files of a pretrained encoder that is the user's own folder."""
    source = context.config.model.audio_encoder.source
    return [] if source is None else present(path for path in Path(source).glob("*.*"))


def _user_lexicons(context: Context) -> list[Path]:
    user = context.config.lexicon.user_lexicon
    return [] if user is None else present(Path(user.replace("{lang}", code)) for code in LANGUAGES)


def _corpus_files(context: Context) -> list[Path]:
    from jointst.data.corpora import user_files

    return present(user_files(context.config.corpus))


def _lexicon(context: Context) -> list[Path]:
    return [context.data / "lang" / "phones.txt"]


def _tokenizer(context: Context) -> list[Path]:
    return [context.data / "tokenizer" / "tokenizer.model"]


def _durations(context: Context) -> list[Path]:
    folder, data = context.config.durations_folder, context.config.data
    names = [Path(name).name for name in (*data.train, *data.pseudo, *data.unpaired)]
    return [] if folder is None else [folder / name for name in names]


def _training(context: Context) -> list[Claim]:
    """The locks of a training: also that of another experiment's durations, which it reads."""
    folder = context.config.durations_folder
    read = [] if folder is None else [Claim.beside(folder, shared=True)]
    return [*writes_experiment(context), *read]


def _model(context: Context) -> list[Path]:
    return [context.exp / "model.safetensors"]


def search_files(context: Context) -> list[Path]:
    """The files of the language model and of the phrases that decoding uses."""
    decoding = context.config.decoding
    own = [context.exp / "lm" / "model.safetensors"] if decoding.lm == "neural" else []
    return own + [Path(path) for path in (decoding.arpa, decoding.phrases) if path is not None]


def fusion_files(context: Context) -> list[Path]:
    """All that decoding reads beside the model."""
    tuned = context.config.decoding.weights == "tuned"
    return search_files(context) + ([context.exp / "tune.json"] if tuned else [])


def _hypotheses(context: Context) -> list[Path]:
    folders = [context.exp / "decode" / name for name in context.config.data.test]
    return [folder / decoder / "hyp.text" for folder in folders for decoder in context.config.model.decoders]


def _scores(context: Context) -> list[Path]:
    return [context.exp / "score" / "scores.json"]


def _alignment(context: Context) -> list[Path]:
    return [context.exp / "align" / "layers.json"]


def _phone_times(context: Context) -> list[Path]:
    return present(context.data / name / "phone_times" for name in context.config.data.dev)


def _report(context: Context) -> list[Path]:
    return [context.exp / "report.html"]


STAGES: tuple[Stage, ...] = (
    Stage(
        number=0,
        name="doctor",
        help="check environment, disk, devices and extras, with a fix for each fault (--report: for an issue)",
        function="jointst.recipe.doctor:run",
        instead={"--report": "jointst.recipe.doctor_report:run"},
        always=True,
        claims=lambda context: [],
    ),
    Stage(
        number=1,
        name="corpus",
        help="make data directories: train, dev, test without shared sentences, and unpaired text",
        function="jointst.data.corpora:run",
        sections=("corpus", AUDIO_ENCODER),
        inputs=_corpus_files,
        outputs=_texts,
    ),
    Stage(
        number=2,
        name="validate",
        help="check every data directory: file, line, utterance, rule and fix; validate DIR ... needs no settings",
        function="jointst.data.validate:run",
        alone="jointst.data.validate_folders:run",
        sections=("data",),
        always=True,
        claims=reads_data,
    ),
    Stage(
        number=3,
        name="lexicon",
        help="pronounce every word: lexicons, the phone set, a coverage report, phone strings",
        function="jointst.text.lexicon:run",
        sections=("data", "lexicon"),
        inputs=lambda context: _texts(context) + _user_lexicons(context),
        outputs=lambda context: _phones(context) + _lexicon(context),
    ),
    Stage(
        number=4,
        name="features",
        help="features, or states of a frozen encoder, in compressed arks, with their statistics, at several speeds",
        function="jointst.data.features:run",
        sections=("data", "features", AUDIO_ENCODER),
        inputs=lambda context: _speech(context) + _encoder_files(context),
        outputs=_feats,
    ),
    Stage(
        number=5,
        name="tokenizer",
        help="train the sentencepiece model of the labels on training text",
        function="jointst.training.prepare:run",
        sections=("data", "tokenizer"),
        inputs=_texts,
        outputs=_tokenizer,
    ),
    Stage(
        number=6,
        name="train",
        help="train the joint model; continues from the last checkpoint",
        function="jointst.training.train:run",
        follow="jointst.training.train:follow",
        sections=("data", "lexicon", "features", "tokenizer", "model", "loss", "training"),
        inputs=lambda context: _feats(context) + _phones(context) + _tokenizer(context) + _durations(context),
        outputs=_model,
        per_experiment=True,
        claims=_training,
    ),
    Stage(
        number=7,
        name="decode",
        help="hypotheses of both decoders with time stamps, confidence and n-best",
        function="jointst.decoding.decode:run",
        sections=("data", "decoding"),
        inputs=lambda context: _model(context) + fusion_files(context),
        outputs=_hypotheses,
        per_experiment=True,
    ),
    Stage(
        number=8,
        name="score",
        help="word and character error rates per language, macro and pooled, and speed",
        function="jointst.scoring.score:run",
        sections=("data", "scoring"),
        inputs=_hypotheses,
        outputs=_scores,
        per_experiment=True,
    ),
    Stage(
        number=9,
        name="align",
        help="layer-wise alignment of speech and text, heat maps, and the HTML report",
        function="jointst.analysis.align:run",
        sections=("data", "align"),
        inputs=lambda context: _model(context) + _scores(context) + _phone_times(context),
        outputs=lambda context: _alignment(context) + _report(context),
        per_experiment=True,
    ),
    Stage(
        number=10,
        name="export",
        help="pack the model: safetensors, settings, tokenizer, lexicons, onnx/ for sherpa-onnx (--check SET tries it)",
        function="jointst.export.pack:run",
        sections=("export",),
        instead={"--check": "jointst.export.onnx.check:run"},
        inputs=_model,
        outputs=lambda context: [
            context.exp / "packed" / name for name in ("model.safetensors", "text_branch.safetensors")
        ],
        per_experiment=True,
    ),
)
"""Every stage; a recipe runs them in this order."""
