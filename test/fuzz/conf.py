"""Readers of settings."""

from __future__ import annotations

from pathlib import Path

from fuzz.target import HARD, Target
from jointst.config import Config
from jointst.config.conf_file import check_conf
from jointst.config.load import parse

SEEDS = (
    b"corpus: {sources: [mini], languages: [en]}\nmodel:\n  dim: 32\n  size: small\n# a comment\n",
    b"data:\n  train: [a]\n  dev: [b]\n  test: [c]\ntraining: {peak_rate: 1.0e-3, max_updates: 10}\n",
    b"features: {sampling_rate: 8000, speed_perturbation: [0.9, 1.0]}\ndecoding: {lm: null}\nscoring: {sclite: 'no'}\n",
)
PIECES = (
    *HARD, b"&a ", b"*a", b"<<: ", b"!!python/object:os.system ", b"!!binary ", b"? ", b"- ", b"{}", b"[]", b"null",
    b"~", b"yes", b"1e3", b"0x1F", b"0o7", b"1:30", b"2001-01-01", b"---\n", b"...\n", b"%YAML 9.9\n", b"model: ",
    b"dim: ", b"|\n", b">\n", b"!a ", b"${HOME}", b".inf", b"-", b"=",
)  # fmt: skip


def _check(content: bytes) -> None:
    Path("conf.yaml").write_bytes(content)
    check_conf(Path("conf.yaml"), Config)


def _parse(content: bytes) -> None:
    Path("conf.yaml").write_bytes(content)
    parse("train", "", ["--conf", "conf.yaml"])


TARGETS = [
    Target(name="conf_keys", seeds=lambda: SEEDS, read=_check, names="conf.yaml", pieces=PIECES),
    Target(name="conf", seeds=lambda: SEEDS, read=_parse, names="", pieces=PIECES, slow=True),
]
