#!/usr/bin/env bash
# All tests: style, types, then pytest. usage: test/run.sh [pytest's own arguments], as in: test/run.sh test/nn -x
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${1-} in -h|--help) sed -n '2s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;; esac
cd "$root"
tools/install.sh --extra dev --extra export
. utils/path.sh

echo "== ruff check"
"$python" -m ruff check .
echo "== mypy --strict"
"$python" -m mypy --strict jointst
echo "== pytest"
# Two processes of one thread each: tests are too small for more threads, and many of them wait.
OMP_NUM_THREADS=1 exec "$python" -m pytest -n 2 "$@"
