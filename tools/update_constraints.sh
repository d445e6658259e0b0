#!/usr/bin/env bash
# Remake tools/constraints.txt: one lock for Python 3.10 to 3.12, from the requirements in setup.py.
# usage: tools/update_constraints.sh [--upgrade]     (without it, versions stay as they are where they can)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -m uv --version >/dev/null 2>&1; then
    echo "tools/update_constraints.sh: error: needs uv in .venv: run tools/install.sh first" >&2
    exit 1
fi
# setuptools builds jointst itself, uv is the installer: pinned like everything else.
printf 'setuptools\nuv\n' | .venv/bin/python -m uv pip compile setup.py - --quiet --all-extras \
    --no-python-downloads --universal --python-version 3.10 --no-emit-index-url --no-emit-find-links \
    --custom-compile-command tools/update_constraints.sh \
    --output-file tools/constraints.txt "$@" >/dev/null
echo "tools/constraints.txt: $(grep -c '^[a-z]' tools/constraints.txt) pins"
