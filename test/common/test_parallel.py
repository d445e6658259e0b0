"""Work over processes: order, errors, a dying worker, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from jointst.common.errors import DataError, EnvironmentFault
from jointst.common.parallel import run_jobs
from jointst.kaldi.tables import read_table, write_table


@pytest.mark.parametrize("nj", [1, 2])
def test_results_in_order_and_errors_passed_on(tmp_path: Path, nj: int) -> None:
    paths = [tmp_path / str(number) for number in range(5)]
    for path in paths:
        write_table(path, {"key": path.name})
    assert [table["key"] for table in run_jobs(read_table, paths, nj)] == ["0", "1", "2", "3", "4"]
    assert run_jobs(read_table, [], nj) == []
    paths[3].write_text("a\n")
    with pytest.raises(DataError, match=r"3:1 utterance a: has a key and no value") as caught:
        run_jobs(read_table, paths, nj)
    assert (caught.value.path, caught.value.line, caught.value.utterance) == (paths[3], 1, "a")


SCRIPT = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from jointst.common.parallel import run_jobs

    def work(number):
        Path(sys.argv[1], str(os.getpid())).touch()
        if sys.argv[2] == "die":
            os._exit(9)
        time.sleep(60)

    if __name__ == "__main__":
        run_jobs(work, [1, 2, 3, 4], 2, desc="sleep")
    """
)


def start(tmp_path: Path, mode: str) -> subprocess.Popen[str]:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "pids").mkdir()
    root = Path(__file__).resolve().parents[1]
    call = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "pids"), mode]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen(call, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(what: object, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    parent = start(tmp_path, "sleep")
    assert wait_for(lambda: len(list((tmp_path / "pids").iterdir())) == 2)
    workers = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    if number == signal.SIGINT:
        os.killpg(parent.pid, number)  # as a terminal sends it
    else:
        parent.kill()
    _, error = parent.communicate(timeout=20)
    assert parent.returncode != 0
    assert wait_for(lambda: not any(alive(pid) for pid in workers))
    if number == signal.SIGINT:
        assert error.count("Traceback") == 1  # the parent's own; workers are silent


def test_dead_worker_is_explained(tmp_path: Path) -> None:
    _, error = start(tmp_path, "die").communicate(timeout=30)
    assert EnvironmentFault.__name__ in error
    assert "sleep: a worker process died" in error
