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
# Beside the first tests, for it has but one thread.
echo "== mypy --strict jointst: what it says comes last"
types=$(mktemp)
trap 'rm -f "$types"' EXIT
"$python" -m mypy --strict jointst > "$types" 2>&1 &
mypy=$!
echo "== pytest"
# Two processes of one thread each: tests are too small for more threads, and many of them wait. Each takes whole files,
# in the order of test/conftest.py: what a file's tests share is made once.
status=0
OMP_NUM_THREADS=1 "$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@" || status=$?
echo "== mypy --strict jointst"
wait "$mypy" || status=$?
cat "$types"
exit "$status"
