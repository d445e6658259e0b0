"""Jobs of a cluster, through submitit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jointst.common.errors import JointstError


@contextlib.contextmanager
def executor_in(folder: Path, cluster: str, parameters: Mapping[str, Any]) -> Iterator[Any]:
    """Submits jobs; raises JointstError where there is no such cluster, or it refuses the parameters.

    Args:
        folder: of submitit's files, which all nodes must see.
        cluster: submitit's name of where; ``local`` starts all jobs as processes of this machine.
        parameters: submitit's, as ``timeout_min`` or ``slurm_partition``.
    """
    import submitit

    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(name="jointst", **parameters)
        yield executor
    except (RuntimeError, NameError, AssertionError, submitit.core.utils.FailedJobError) as error:
        raise JointstError(f"{cluster}: {error}") from None
