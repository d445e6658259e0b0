"""ESPnet's CTC/attention conformer on the data directories of a recipe, by its own programs in its own environment."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import soundfile
import yaml

from jointst.common.errors import EnvironmentFault
from jointst.common.files import write_atomically
from jointst.common.parallel import run_jobs
from jointst.common.processes import temporary
from jointst.kaldi.audio import load_audio
from jointst.kaldi.directory import DataDirectory
from jointst.kaldi.speed import change_speed, with_speed
from jointst.kaldi.tables import read_table, write_table

PACKAGES = ("espnet==202511", "torch==2.11.*", "torchaudio==2.11.*", "setuptools<81")
"""What the environment holds; setuptools, since ESPnet's dependencies still ask for pkg_resources."""
RATE = 16000
PACK = 50
"""Utterances that one process converts."""
AVERAGED = 5
"""Best epochs by the accuracy on the dev sets, whose weights are averaged, as ESPnet's recipes do."""
SIZES: dict[str, dict[str, int]] = {
    "tiny": {"dim": 32, "heads": 2, "inner": 64, "encoder": 2, "decoder": 1},
    "small": {"dim": 144, "heads": 4, "inner": 576, "encoder": 8, "decoder": 3},
    "medium": {"dim": 256, "heads": 4, "inner": 1024, "encoder": 12, "decoder": 6},
}
"""small is for hours of speech, medium is what ESPnet's recipes have for a hundred, tiny is to see it run."""
_AVERAGE = """
import sys, torch
out, *paths = sys.argv[1:]
states = [torch.load(path, map_location="cpu") for path in paths]
mean = {name: sum(state[name] for state in states) / len(states) if value.is_floating_point() else value
        for name, value in states[-1].items()}
torch.save(mean, out)
"""


def install(environment: Path) -> Path:
    """The Python of ESPnet's environment, which is made unless it is there (5 GB).

    Raises:
        EnvironmentFault: a package cannot be had.
    """
    python, done = environment / "bin" / "python", environment / "packages.json"
    if done.is_file() and json.loads(done.read_text()) == list(PACKAGES):
        return python
    if not python.is_file():
        print(f"making {environment}: {' '.join(PACKAGES)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES]
    if subprocess.run(command, check=False).returncode:
        raise EnvironmentFault(f"ESPnet cannot be installed: {' '.join(command)}")
    write_atomically(done, json.dumps(PACKAGES) + "\n")
    return python


class _Job(NamedTuple):
    """Audio to be written as FLAC: name of the utterance, entry, segment, file, speed."""

    items: list[tuple[str, str, Any, str, float]]


def _convert(job: _Job) -> dict[str, int]:
    """Samples of each utterance."""
    counts = {}
    for utterance, entry, segment, path, speed in job.items:
        if not os.path.exists(path):
            samples = load_audio(entry, segment, RATE, utterance=utterance)
            samples = change_speed(samples, speed)
            written = temporary(Path(path))
            soundfile.write(str(written), samples, RATE, format="FLAC")
            os.replace(written, path)
        counts[utterance] = soundfile.info(path).frames
    return counts


def write_data(folder: Path, sets: Sequence[DataDirectory], speeds: Sequence[float], nj: int) -> float:
    """Write ``wav.scp``, ``text`` and the shapes of some sets together, and their audio as FLAC.

    Args:
        folder: where to.
        sets: data directories.
        speeds: at which each utterance is there.
        nj: processes.

    Returns:
        Seconds of audio.
    """
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    items, text = [], {}
    for directory in sets:
        for utterance in directory.utterances:
            for speed in speeds:
                name = with_speed(f"{directory.path.name}-{utterance}" if len(sets) > 1 else utterance, speed)
                entry = directory.wav_scp[directory.recording(utterance)]
                path = str((folder / "audio" / f"{len(items):08d}.flac").resolve())
                items.append((name, entry, directory.segments.get(utterance), path, speed))
                text[name] = directory.text[utterance]
    jobs = [_Job(items[i : i + PACK]) for i in range(0, len(items), PACK)]
    counts = {name: count for part in run_jobs(_convert, jobs, nj, desc=folder.name) for name, count in part.items()}
    write_table(folder / "wav.scp", {item[0]: item[3] for item in items})
    write_table(folder / "text", text)
    write_table(folder / "speech_shape", counts)
    write_table(folder / "text_shape", {name: len(said) for name, said in text.items()})
    return sum(counts.values()) / RATE


def write_tokens(path: Path, texts: Sequence[str]) -> None:
    """The characters of training text, most frequent first, with ESPnet's own symbols around them."""
    counts = Counter(character for text in texts for character in text)
    characters = ["<space>" if character == " " else character for character, _ in counts.most_common()]
    write_atomically(path, "\n".join(["<blank>", "<unk>", *characters, "<sos/eos>"]) + "\n")


def settings(size: str, updates: int, seconds: float) -> dict[str, Any]:
    """The training's settings, as ESPnet's recipes have them, but for sizes and the length of an epoch.

    Args:
        size: a key of :data:`SIZES`.
        updates: of an epoch, after which the dev sets are looked at.
        seconds: of audio in a batch.
    """
    sizes = SIZES[size]
    dropout = dict.fromkeys(("dropout_rate", "positional_dropout_rate"), 0.1)
    return {
        "token_type": "char",
        "frontend": "default",
        "frontend_conf": {"fs": "16k", "n_fft": 512, "win_length": 400, "hop_length": 160},
        "specaug": "specaug",
        "specaug_conf": {
            "apply_time_warp": True,
            "time_warp_window": 5,
            "time_warp_mode": "bicubic",
            "apply_freq_mask": True,
            "freq_mask_width_range": [0, 27],
            "num_freq_mask": 2,
            "apply_time_mask": True,
            "time_mask_width_ratio_range": [0.0, 0.05],
            "num_time_mask": 5,
        },
        "normalize": "utterance_mvn",
        "encoder": "conformer",
        "encoder_conf": {
            "output_size": sizes["dim"],
            "attention_heads": sizes["heads"],
            "linear_units": sizes["inner"],
            "num_blocks": sizes["encoder"],
            **dropout,
            "attention_dropout_rate": 0.1,
            "input_layer": "conv2d",
            "normalize_before": True,
            "macaron_style": True,
            "rel_pos_type": "latest",
            "pos_enc_layer_type": "rel_pos",
            "selfattention_layer_type": "rel_selfattn",
            "activation_type": "swish",
            "use_cnn_module": True,
            "cnn_module_kernel": 15,
        },
        "decoder": "transformer",
        "decoder_conf": {
            "attention_heads": sizes["heads"],
            "linear_units": sizes["inner"],
            "num_blocks": sizes["decoder"],
            **dropout,
            "self_attention_dropout_rate": 0.1,
            "src_attention_dropout_rate": 0.1,
        },
        "model_conf": {"ctc_weight": 0.3, "lsm_weight": 0.1, "length_normalized_loss": False},
        "optim": "adam",
        "optim_conf": {"lr": 0.002, "weight_decay": 1e-6},
        "scheduler": "warmuplr",
        "scheduler_conf": {"warmup_steps": 1500},
        "init": "xavier_uniform",
        "batch_type": "numel",
        "batch_bins": int(seconds * RATE),
        "num_iters_per_epoch": updates,
        "max_epoch": 10000,  # the clock ends it
        "grad_clip": 5,
        "best_model_criterion": [["valid", "acc", "max"]],
        "keep_nbest_models": AVERAGED,
        "num_att_plot": 0,
        "use_matplotlib": False,
        "use_tensorboard": False,
        "log_interval": 50,
        "num_workers": 0,
    }


class ESPnet:
    """ESPnet's programs on the data in a folder.

    Args:
        python: of its environment.
        folder: with ``train``, ``dev`` and the test sets as :func:`write_data` writes them.
        threads: of torch.
        gpus: 0 or 1.
    """

    def __init__(self, python: Path, folder: Path, threads: int, gpus: int) -> None:
        self.python, self.folder, self.threads, self.gpus = python, folder, threads, gpus
        self.training = folder / "exp"

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {**own, "OMP_NUM_THREADS": str(self.threads)}

    def train(self, config: Mapping[str, Any], minutes: float) -> float:
        """Train until so many minutes are over, all runs since the first together.

        Returns:
            Minutes that it took.

        Raises:
            EnvironmentFault: it ended with an error.
        """
        write_atomically(self.folder / "train.yaml", yaml.safe_dump(dict(config), sort_keys=False))
        command = ["-m", "espnet2.bin.asr_train", "--config", self.folder / "train.yaml", "--ngpu", self.gpus]
        command += ["--output_dir", self.training, "--token_list", self.folder / "tokens.txt", "--resume", "true"]
        for part, data in (("train", "train"), ("valid", "dev")):
            own = self.folder / data
            for file, name, kind in (("wav.scp", "speech", "sound"), ("text", "text", "text")):
                command += [f"--{part}_data_path_and_name_and_type", f"{own / file},{name},{kind}"]
                command += [f"--{part}_shape_file", own / f"{name}_shape"]
        clock = self.folder / "minutes.json"
        spent: float = json.loads(clock.read_text()) if clock.is_file() else 0.0
        begun = time.monotonic()
        if spent < minutes:
            try:
                log = self.folder / "train.log"
                print(f"training ESPnet for {minutes - spent:.1f} minutes, log in {log}", flush=True)
                status = self._run(command, log, 60 * (minutes - spent))
            finally:
                spent += (time.monotonic() - begun) / 60
                write_atomically(clock, json.dumps(spent) + "\n")
            if status:
                raise EnvironmentFault(f"ESPnet's training ended with status {status}, its last words in {log}")
        return spent

    def average(self) -> Path:
        """The mean of the weights of the best epochs that are kept.

        Raises:
            EnvironmentFault: no epoch was finished.
        """
        epochs = sorted(self.training.glob("*epoch.pth"), key=lambda path: path.stat().st_mtime)
        if not epochs:
            raise EnvironmentFault(f"ESPnet finished no epoch in {self.training}: more minutes, or fewer --updates")
        averaged = self.training / "averaged.pth"
        subprocess.run(
            [str(self.python), "-c", _AVERAGE, str(averaged), *map(str, epochs)], check=True, env=self._environment()
        )
        return averaged

    def decode(self, model: Path, name: str, beam: int) -> tuple[dict[str, str], float]:
        """What it recognises in a test set, and how many seconds that takes.

        Raises:
            EnvironmentFault: it ended with an error.
        """
        own, out = self.folder / name, self.folder / "decode" / name
        shutil.rmtree(out, ignore_errors=True)
        command = ["-m", "espnet2.bin.asr_inference", "--asr_train_config", self.training / "config.yaml"]
        command += ["--asr_model_file", model, "--ngpu", self.gpus, "--output_dir", out, "--num_workers", 0]
        command += ["--data_path_and_name_and_type", f"{own / 'wav.scp'},speech,sound", "--key_file", own / "wav.scp"]
        command += ["--beam_size", beam, "--ctc_weight", 0.3]
        begun = time.monotonic()
        print(f"decoding {name}, log in {out}.log", flush=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        self._run(command, Path(f"{out}.log"), None)
        seconds = time.monotonic() - begun
        text = out / "1best_recog" / "text"
        if not text.is_file():
            raise EnvironmentFault(f"ESPnet recognised nothing, its last words in {out}.log")
        return read_table(text, allow_empty=True), seconds

    def _run(self, command: Sequence[object], log: Path, seconds: float | None) -> int | None:
        """Run one of its programs; its status, or None where it was ended since the time was over."""
        with (
            open(log, "a", encoding="utf-8") as stream,
            _started([str(self.python), *map(str, command)], stream, self._environment()) as process,
        ):
            try:
                return process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                return None


@contextlib.contextmanager
def _started(command: list[str], stream: Any, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that ends when this one leaves it."""
    process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
