"""The ``mini`` corpus: short commands of closed grammars, spoken by eSpeak NG in many voices.

Sets of each language, no sentence in two of them::

    mini_train         paired; nothing but heard words, training voices
    mini_dev           the same, half of it in voices of its own
    mini_test          the same, half of it in voices of its own
    mini_test_unheard  as mini_test, and each sentence holds a word that no paired training sentence has
    mini_dev_unheard   the same for settings to be chosen by, in the voices of mini_dev; in no recipe's lists by itself
    mini_test_engine   the sentences of mini_test by corpus.mini.test_engines, heard nowhere else
    mini_speech        corpus.mini.speech_utterances for self-training, half with such words, training voices; its
                       transcripts are for measuring alone
    mini_unpaired      text only, half of it with such words

Audio is 16 kHz FLAC under ``data/audio/mini/<language>/``; a speaker is ``<language>_<variant>``. Paired sets have
``phone_times``, from eSpeak itself. Everything follows from the seed, whatever the number of processes.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jointst.common.errors import ConfigError, EnvironmentFault
from jointst.common.files import write_atomically
from jointst.common.languages import language
from jointst.common.parallel import run_jobs
from jointst.common.units import seconds_of
from jointst.config import CorpusConfig, MiniConfig
from jointst.data.corpora.engines import OUTPUT_RATE, PEAK, Engine, engine_class, to_output
from jointst.data.corpora.espeak import (
    DEV_VOICES,
    SAMPLING_RATE,
    TEST_VOICES,
    TRAIN_VOICES,
    USUAL_PITCH,
    USUAL_RATE,
    Synthesiser,
    sounding,
    trim,
)
from jointst.data.corpora.grammar import Grammar, Sentence, read_grammars
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.phone_times import PhoneTime, cut, write_phone_times

VERSION = 3

RATES = (150, 220)
"""Lowest and highest speaking rate, in eSpeak's words a minute."""
PITCHES = (30, 70)
"""Lowest and highest eSpeak pitch."""
JOB_SIZE = 100
"""Utterances synthesised by one engine, in order."""

PAIRED = {
    "train": (TRAIN_VOICES,),
    "dev": (TRAIN_VOICES, DEV_VOICES),
    "test": (TRAIN_VOICES, TEST_VOICES),
    "test_unheard": (TRAIN_VOICES, TEST_VOICES),
    "dev_unheard": (TRAIN_VOICES, DEV_VOICES),
    "speech": (TRAIN_VOICES,),
}
"""Paired sets and the groups of voices that take turns in each."""


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What is to be spoken, by whom and how; ``text`` is the transcript, ``speech`` what eSpeak reads."""

    id: str
    lang: str
    variant: str
    text: str
    speech: str
    rate: int
    pitch: int
    audio: Path


def prepare(config: CorpusConfig, data: Path, nj: int) -> list[Path]:
    """Make the corpus.

    Args:
        config: its ``languages`` and ``mini`` are used.
        data: folder of the data directories.
        nj: processes.

    Returns:
        The data directories.

    Raises:
        ConfigError: a grammar has fewer sentences than the sets want; an engine is unknown, or speaks no language.
        EnvironmentFault: an engine is missing or lacks a voice.
    """
    audio = data / "audio" / "mini"
    utterances: dict[str, list[Utterance]] = {name: [] for name in PAIRED}
    unpaired: dict[str, str] = {}
    elsewhere: list[Utterance] = []
    for lang, grammar in read_grammars(languages=config.languages).items():
        sets = _draw(grammar, config.mini)
        for name in PAIRED:
            utterances[name] += _cast(grammar, name, sets[name], config.mini.seed, audio / lang)
        elsewhere += _cast_elsewhere(grammar, sets["test"], config.mini, audio / lang)
        for index, sentence in enumerate(sets["unpaired"]):
            unpaired[f"{lang}-unpaired-{index:05d}"] = grammar.text(sentence)
    jobs = [job for items in utterances.values() for job in _jobs(items)]
    sizes = [len(job) for job in jobs]
    done = run_jobs(_synthesise, jobs, nj, desc="mini: synthesis", unit="utterance", sizes=sizes)
    times = {utterance: spoken for part in done for utterance, spoken in part.items()}
    if config.mini.test_engines and not elsewhere:
        problem = f"{' '.join(config.mini.test_engines)}: no voice in {' '.join(config.languages)}"
        raise ConfigError("corpus.mini.test_engines", problem, "name one that speaks some of the languages, or none")
    _speak_elsewhere(elsewhere)
    _remove_others(audio, {item.audio for items in (*utterances.values(), elsewhere) for item in items})
    made = [_directory(data / f"mini_{name}", items) for name, items in utterances.items() if items]
    for item in made:
        write_phone_times(item.path, {utterance: times[utterance] for utterance in item.text})
    if elsewhere:
        made.append(_directory(data / "mini_test_engine", elsewhere))
    languages = {key: key.partition("-")[0] for key in unpaired}
    text_only = DataDirectory(path=data / "mini_unpaired", text=unpaired, utt2lang=languages)
    return [item.write(item.path).path for item in (*made, text_only)]


def _draw(grammar: Grammar, config: MiniConfig) -> dict[str, list[Sentence]]:
    try:
        return grammar.draw_sets(
            {
                "test_unheard": ("unheard", config.test_utterances),
                "dev": ("heard", config.dev_utterances),
                "test": ("heard", config.test_utterances),
                "train": ("heard", config.train_utterances),
                "unpaired": ("mixed", config.unpaired_sentences),
                "dev_unheard": ("unheard", config.dev_utterances),
                "speech": ("mixed", config.speech_utterances),
            },
            seed=config.seed,
        )
    except ConfigError as error:
        raise error.under("corpus.mini") from None


def _cast(grammar: Grammar, name: str, sentences: list[Sentence], seed: int, folder: Path) -> Iterator[Utterance]:
    """Give each sentence a voice, a rate and a pitch; the groups of voices take turns, each voice as often as any."""
    generator = random.Random(f"{seed} {grammar.lang} {name}")
    groups = PAIRED[name]
    waiting: list[list[str]] = [[] for _ in groups]
    for index, sentence in enumerate(sentences):
        turn = index % len(groups)
        if not waiting[turn]:
            waiting[turn] = generator.sample(groups[turn], len(groups[turn]))
        variant = waiting[turn].pop()
        utterance = f"{grammar.lang}_{variant}-{name}-{index:05d}"
        yield _utterance(grammar, utterance, variant, sentence, generator, folder)


def _utterance(
    grammar: Grammar, key: str, variant: str, sentence: Sentence, generator: random.Random, folder: Path
) -> Utterance:
    """A sentence in a voice, at a rate and a pitch that are drawn."""
    return Utterance(
        id=key,
        lang=grammar.lang,
        variant=variant,
        text=grammar.text(sentence),
        speech=grammar.speech(sentence),
        rate=generator.randint(*RATES),
        pitch=generator.randint(*PITCHES),
        audio=folder / f"{key}.flac",
    )


def _cast_elsewhere(
    grammar: Grammar, sentences: list[Sentence], config: MiniConfig, folder: Path
) -> Iterator[Utterance]:
    """Give the sentences to the voices of other engines, which take turns; none where no engine knows the language."""
    key = "corpus.mini.test_engines"
    voices = [
        f"{name}_{voice}"
        for name in config.test_engines
        for group in engine_class(name, key).voices(grammar.lang)
        for voice in group
    ]
    generator = random.Random(f"{config.seed} {grammar.lang} engine")
    for index, (sentence, variant) in enumerate(zip(sentences, itertools.cycle(voices))):
        utterance = f"{grammar.lang}_{variant}-test_engine-{index:05d}"
        yield _utterance(grammar, utterance, variant, sentence, generator, folder)


def _speak_elsewhere(utterances: Sequence[Utterance]) -> None:
    """Write the audio of utterances whose ``variant`` is an engine and a voice of it."""
    import soundfile

    with contextlib.ExitStack() as stack:
        engines: dict[str, Engine] = {}
        for item in utterances:
            name, _, voice = item.variant.partition("_")
            if name not in engines:
                engines[name] = engine_class(name)()
                stack.callback(engines[name].close)
            engine, rate, pitch = engines[name], item.rate / USUAL_RATE, item.pitch / USUAL_PITCH
            samples = trim(engine.say(item.speech, item.lang, voice, rate=rate, pitch=pitch), engine.sampling_rate)
            if not samples.size:
                raise EnvironmentFault(f"{name} is silent: voice {voice}, text {item.speech!r}")
            flac = io.BytesIO()
            soundfile.write(flac, to_output(samples, engine.sampling_rate), int(OUTPUT_RATE), "PCM_16", format="FLAC")
            write_atomically(item.audio, flac.getvalue())


def _jobs(utterances: Sequence[Utterance]) -> Iterator[Sequence[Utterance]]:
    """Pieces that do not depend on the number of processes, since an engine's output depends on what it said before."""
    return (utterances[start : start + JOB_SIZE] for start in range(0, len(utterances), JOB_SIZE))


def _synthesise(utterances: Sequence[Utterance]) -> dict[str, list[PhoneTime]]:
    """Write the audio of some utterances, and say when each of their phones is spoken."""
    import soundfile
    import torch
    from torchaudio.transforms import Resample

    torch.set_num_threads(1)
    resample = Resample(int(SAMPLING_RATE), int(OUTPUT_RATE))
    times = {}
    with Synthesiser() as engine:
        for item in utterances:
            voice = language(item.lang).speaks
            samples = engine.speak(item.speech, voice, item.variant, rate=item.rate, pitch=item.pitch)
            part = sounding(samples, SAMPLING_RATE)
            samples = samples[part]
            if not samples.size:
                raise EnvironmentFault(f"eSpeak NG is silent: voice {voice}+{item.variant}, text {item.speech!r}")
            waveform = resample(torch.from_numpy(samples.astype("float32")))
            waveform *= PEAK / waveform.abs().max()
            flac = io.BytesIO()
            soundfile.write(flac, waveform.numpy(), int(OUTPUT_RATE), format="FLAC", subtype="PCM_16")
            write_atomically(item.audio, flac.getvalue())
            start, duration = seconds_of(part.start, SAMPLING_RATE), seconds_of(samples.size, SAMPLING_RATE)
            times[item.id] = cut(engine.phone_times, start, duration)
    return times


def _remove_others(folder: Path, wanted: set[Path]) -> None:
    """Remove the audio of earlier settings."""
    for path in folder.rglob("*.flac"):
        if path not in wanted:
            path.unlink()


def _directory(path: Path, utterances: Sequence[Utterance]) -> DataDirectory:
    return DataDirectory(
        path=path,
        text={item.id: item.text for item in utterances},
        utt2spk={item.id: f"{item.lang}_{item.variant}" for item in utterances},
        utt2lang={item.id: item.lang for item in utterances},
        wav_scp={item.id: str(item.audio) for item in utterances},
    )
