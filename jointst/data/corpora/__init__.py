"""Stage 1: data directories from corpora. One corpus is one module here, named in :data:`SOURCES`.

Such a module has ``prepare(config, data, nj) -> list[Path]``: it makes the folders ``data/<corpus>_<set>`` and
returns them; it is safe to call again, also after a kill; it draws nothing from other corpora, except that a source
of unpaired text leaves out every sentence of the development and test sets it finds in ``data``. ``VERSION``, an
integer, is raised when the same settings give other data. Where it is made of files of the user's own,
``input_files(config) -> list[Path]`` names them: when one changes, it is prepared again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
from pathlib import Path
from types import ModuleType

from jointst.common.errors import ConfigError
from jointst.common.files import write_atomically
from jointst.config import CorpusConfig
from jointst.config.context import Context, Made
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.tables import count_lines

SOURCES = {
    "mini": "jointst.data.corpora.mini",
    "synthetic": "jointst.data.corpora.synthetic",
    "prompts": "jointst.data.corpora.prompts",
    "festvox_ru": "jointst.data.corpora.festvox_ru",
    "tuxpaint_stamps": "jointst.data.corpora.tuxpaint_stamps",
    "gcin_voice": "jointst.data.corpora.gcin_voice",
    "librispeech": "jointst.data.corpora.librispeech",
    "fleurs": "jointst.data.corpora.fleurs",
    "common_voice": "jointst.data.corpora.common_voice",
    "mls": "jointst.data.corpora.mls",
    "voxpopuli": "jointst.data.corpora.voxpopuli",
    "table": "jointst.data.corpora.table",
    "libreoffice_help": "jointst.data.corpora.libreoffice_help",
    "fortunes": "jointst.data.corpora.fortunes",
    "gnome_help": "jointst.data.corpora.gnome_help",
    "wordfreq": "jointst.data.corpora.wordfreq",
    "text_files": "jointst.data.corpora.text_files",
}
"""Module of each corpus."""
TEXT_SOURCES = ("libreoffice_help", "fortunes", "gnome_help", "wordfreq", "text_files")
"""Sources of unpaired text: prepared last, since they leave out the sentences of development and test sets."""
_HELD_OUT = {"dev", "development", "valid", "validation", "eval", "test"}


def run(context: Context) -> Made:
    """Prepare every corpus of ``corpus.sources`` that is not up to date; sets of the user's own are left alone.

    Raises:
        ConfigError: an unknown source, or a set in ``data`` that no source makes.
        EnvironmentFault, DataError: from the corpus.
    """
    config = context.config.corpus
    for key, name in enumerate(config.sources):
        if name not in SOURCES:
            raise ConfigError("corpus.sources", f"item {key} is {name!r}", f"known: {' '.join(SOURCES)}")
    made: list[Path] = []
    for name in sorted(config.sources, key=lambda name: name in TEXT_SOURCES):
        if context.force:
            _stamp(context.data, name).unlink(missing_ok=True)
        made += _prepare(name, config, context.data, context.nj)
    for name in context.all_sets:
        if not (context.data / name / "text").is_file():
            problem = f"the set {name!r} is not in {context.data}"
            if name in context.config.data.pseudo:
                raise ConfigError("data.pseudo", problem, "run jointst pseudo_label with a trained system first")
            if not config.sources:
                raise ConfigError("data", problem, "corpus.sources is empty: make the set there, with a file text")
            raise ConfigError("data", problem, f"corpus.sources made: {' '.join(path.name for path in made)}")
    encoder = context.config.model.audio_encoder
    if encoder.pretrained is not None:  # in this stage, which may need the network; a wrong list is told first
        from jointst.pretrained.source import encoder_folder

        print(f"audio encoder {encoder.kind}: {encoder_folder(encoder, Path(config.downloads))}", flush=True)
    if not config.sources:
        return Made(what=f"nothing, corpus.sources is empty: {len(context.all_sets)} own sets", where=context.data)
    total = sum(count_lines(path / "text") for path in made)
    return Made(what=f"{len(made)} data directories with {total} utterances or sentences", where=context.data)


def user_files(config: CorpusConfig) -> list[Path]:
    """Files of the user's own that the sources are made of."""
    modules = [importlib.import_module(SOURCES[name]) for name in config.sources if name in SOURCES]
    return [path for module in modules if hasattr(module, "input_files") for path in module.input_files(config)]


def held_out(data: Path) -> list[Path]:
    """The ``text`` files of all development and test sets in ``data``: those with such a word in their names."""
    return sorted(path for path in data.glob("*/text") if _HELD_OUT & set(path.parent.name.split("_")))


def _stamp(data: Path, name: str) -> Path:
    return data / ".stages" / f"corpus_{name}.json"


def _prepare(name: str, config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Prepare one corpus unless its stamp is current."""
    module = importlib.import_module(SOURCES[name])
    stamp = _stamp(data, name)
    digest = _digest(name, module, config, data)
    if stamp.is_file():
        try:
            record = json.loads(stamp.read_text())
        except ValueError:
            record = {}  # half written on a disk that failed: prepared again
        made = [Path(path) for path in record.get("made", [])]
        if record.get("digest") == digest and made and all((path / "text").is_file() for path in made):
            print(f"corpus {name}: up to date", flush=True)
            return made
    stamp.unlink(missing_ok=True)
    made = list(module.prepare(config, data, nj))
    write_atomically(stamp, json.dumps({"digest": digest, "made": [str(path) for path in made]}) + "\n")
    for path in made:
        print(f"corpus {name}: {describe(DataDirectory.read(path))}", flush=True)
    return made


def _digest(name: str, module: ModuleType, config: CorpusConfig, data: Path) -> str:
    """A hash of all that a corpus depends on."""
    from jointst.text.normalise import VERSION

    settings = dataclasses.asdict(config)
    del settings["sources"], settings["downloads"], settings["most_left_out"]  # the last only says what is refused
    for key in ("transcriber_marks", "same_sentences"):
        if not settings[key]:
            del settings[key]
    for other in SOURCES:  # a section of one corpus does not concern another
        if other != name:
            settings.pop(other, None)
    parts = [VERSION, getattr(module, "VERSION", 1), settings]
    if name != "text_files":
        settings.pop("text_files", None)
        del settings["longest_sentence"]
    if hasattr(module, "input_files"):
        present = [path for path in module.input_files(config) if path.is_file()]
        parts += [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in present]
    if name in TEXT_SOURCES:
        parts += [hashlib.sha256(path.read_bytes()).hexdigest() for path in held_out(data)]
    else:
        del settings["unpaired_sentences"], settings["longest_phrase"]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def describe(directory: DataDirectory) -> str:
    """One line about a set: its name, size, languages and speakers."""
    kind = "utterances" if directory.has_audio else "sentences"
    line = f"{directory.path.name}: {len(directory.text)} {kind} in {' '.join(directory.languages)}"
    speakers = len(set(directory.utt2spk.values()))
    return f"{line}, {speakers} speakers" if directory.has_audio else line


def split_of(lang: str, sentence: str) -> str:
    """``train`` (80 %), ``dev`` (8 %) or ``test`` (12 %), by a hash of the sentence: a sentence never is in two."""
    share = int.from_bytes(hashlib.sha256(f"{lang} {sentence}".encode()).digest()[:4], "big") / 2**32
    return "dev" if share < 0.08 else "test" if share < 0.20 else "train"
