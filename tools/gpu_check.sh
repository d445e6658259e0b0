#!/usr/bin/env bash
# Everything that needs a GPU in about five minutes: kernels against references, benchmarks, 300 updates of jointst train.
# usage: tools/gpu_check.sh OUT [--parts "training graphs fused train kernels compiled"]; OUT/gpu_check.md has all figures
# JOINTST_PYTHON names an interpreter that has all packages; otherwise tools/install.sh makes .venv, with the extra cuda.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fail() { echo "tools/gpu_check.sh: error: $*" >&2; exit 1; }

out="" parts="training graphs fused train kernels"
while [ $# -gt 0 ]; do
    case $1 in
        -h|--help) sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
        --parts) [ $# -ge 2 ] || fail "--parts needs names"; parts=$2; shift 2 ;;
        -*) fail "unknown option $1 (tools/gpu_check.sh --help)" ;;
        *) [ -z "$out" ] || fail "one output folder, not $out and $1"; out=$1; shift ;;
    esac
done
[ -n "$out" ] || fail "name a folder for the figures (tools/gpu_check.sh --help)"
for name in $parts; do
    case $name in
        training|graphs|fused|train|kernels|compiled) ;;
        *) fail "unknown part $name (training, graphs, fused, train, kernels or compiled)" ;;
    esac
done
nvidia-smi -L || fail "there is no GPU"
mkdir -p "$out" || fail "$out cannot be made"
out=$(cd "$out" && pwd)
if [ -n "${JOINTST_PYTHON:-}" ]; then
    python=$JOINTST_PYTHON
    export PYTHONUTF8=1 PYTHONUNBUFFERED=1 PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
else
    "$root/tools/install.sh" --extra dev --extra cuda || exit 1
    . "$root/utils/path.sh"
fi
cd "$root" || exit 1

report=$out/gpu_check.md failed=0
{ echo "# What was checked on $(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)"; echo; } > "$report"

# part NAME SECONDS COMMAND...: its log is OUT/NAME.log; what it leaves as OUT/NAME/bench.md goes into the report.
part() {
    local name=$1 seconds=$2 status=0 began=$SECONDS
    shift 2
    [[ " $parts " == *" $name "* ]] || return 0
    timeout --kill-after=10 "$seconds" "$@" > "$out/$name.log" 2>&1 || status=$?
    echo "- $name: $([ $status -eq 0 ] && echo passed || echo "FAILED with status $status, see $name.log")," \
        "$((SECONDS - began)) s" | tee -a "$report"
    [ ! -f "$out/$name/bench.md" ] || { echo; sed 's/^#/##/' "$out/$name/bench.md"; echo; } >> "$report"
    [ $status -eq 0 ] || failed=1
}

part training 60 "$python" tools/bench_training.py --out "$out/training" --device cuda --models small \
    --seconds 12 --rounds 3
part graphs 60 "$python" tools/bench_training.py --out "$out/graphs" --device cuda --models small \
    --seconds 12 --rounds 3 --graphs
part fused 90 "$python" tools/bench_fused.py --out "$out/fused" --size 8 400 60 4096 640
part train 110 "$python" tools/gpu_train.py --out "$out/train"
part kernels 130 "$python" -m pytest -q -n 4 -p no:cacheprovider --import-mode=importlib test/ops/kernels/triton \
    -o python_files="check_*.py compiled_*.py"
TORCH_LOGS=recompiles part compiled 240 "$python" tools/bench_training.py --out "$out/compiled" \
    --device cuda --models small --seconds 12 --rounds 3 --compile
cat "$report"
exit $failed
