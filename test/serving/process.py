"""``jointst serve`` as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


class Running:
    """A server in a process of its own.

    Attributes:
        process: of it.
        url: where it listens.
        temporary: the folder for its temporary files.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, temporary: Path) -> None:
        self.process, self.url, self.temporary = process, url, temporary

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def files(self) -> list[str]:
        """What it has open."""
        folder = Path(f"/proc/{self.process.pid}/fd")
        return sorted(os.readlink(path) for path in folder.iterdir())

    @property
    def uploads(self) -> list[Path]:
        """What it keeps of uploads."""
        return list(self.temporary.glob("jointst-serve-*/*"))


@contextmanager
def serving(model: Path, folder: Path, *options: str, token: str | None = None) -> Iterator[Running]:
    """A server that is ready; stopped at the end if it has not been before."""
    temporary = folder / "temporary"
    temporary.mkdir(parents=True)
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary), **LOCAL}
    environment = {**os.environ, **own, **({"JOINTST_SERVE_TOKEN": token} if token else {})}
    command = [
        sys.executable,
        "-m",
        "jointst",
        "serve",
        "--model",
        str(model),
        "--name",
        "toy",
        "--port",
        "0",
        *options,
    ]
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert " at http" in line, (folder / "errors").read_text()
            yield Running(process, line.split()[-1], temporary)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
