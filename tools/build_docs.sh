#!/usr/bin/env bash
# Build the documentation: pages in docs/, those made from the code, and the READMEs. Needs no network once installed.
# usage: tools/build_docs.sh [OUT]     (build/docs; open OUT/html/index.html). Warnings and broken links are errors.
set -euo pipefail
case ${1-} in -h|--help) sed -n '2,3s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;; esac
out=$(realpath -m "${1:-$(dirname "${BASH_SOURCE[0]}")/../build/docs}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
if ! "$python" -c 'import sphinx, furo, myst_parser, sphinx_copybutton' 2>/dev/null; then
    echo "tools/build_docs.sh: error: needs the extra docs: tools/install.sh --extra dev --extra docs" >&2
    exit 1
fi
export PYTHONPATH=$PWD/tools:$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUTF8=1
"$python" tools/make_docs.py "$out/source"
"$python" -m sphinx --fail-on-warning --keep-going --quiet --fresh-env -c docs -b html "$out/source" "$out/html"
echo "documentation: $out/html/index.html"
