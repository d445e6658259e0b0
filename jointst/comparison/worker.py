"""The process of a cell: ``python -m jointst.comparison.worker STAGE,STAGE ARGUMENT ...`` runs stages as commands."""

from __future__ import annotations

import shlex
import sys

from jointst.recipe.cli import main, print_anything

MARK = "$ jointst "
"""What the line of a command begins with in a cell's log."""


def run(arguments: list[str]) -> int:
    """Run stages one after another; the exit status of the last, or of the first that fails."""
    print_anything()
    stages, *settings = arguments
    for stage in stages.split(","):
        print(f"{MARK}{stage} {shlex.join(settings)}", flush=True)
        status = main([stage, *settings])
        if status != 0:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
