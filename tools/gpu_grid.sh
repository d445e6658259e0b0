#!/usr/bin/env bash
# Systems side by side on a GPU: data, then paired, joist and best with three seeds, at equal updates and equal time.
# usage: tools/gpu_grid.sh OUT [--seconds N] [--jobs N] [--recipe NAME] [--conf FILE] [--systems "A B"] [--seeds "0 1"]
#                          [-- SETTINGS]
# --jobs: so many trainings at once share the GPU, which one of a small model leaves idle most of the time (1).
# It stops after N seconds (540) and says so; the same command goes on, until the exit status is no longer 3.
# OUT gets summary.json, summary.txt, report.html and the ends of the logs. Without a GPU it runs on the CPU.
# JOINTST_PYTHON names an interpreter that has all packages; otherwise tools/install.sh makes .venv, with the extra cuda.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
fail() { echo "tools/gpu_grid.sh: error: $*" >&2; exit 1; }

out="" seconds=540 jobs=1 recipe=mini conf=conf/gpu.yaml systems="paired joist best" seeds="0 1 2" settings=()
while [ $# -gt 0 ]; do
    case $1 in
        -h|--help) sed -n '2,8s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
        --) shift; settings=("$@"); break ;;
        --seconds|--jobs|--recipe|--conf|--systems|--seeds)
            [ $# -ge 2 ] || fail "$1 needs a value"
            declare "${1#--}=$2"
            shift 2
            ;;
        -*) fail "unknown option $1 (tools/gpu_grid.sh --help)" ;;
        *) [ -z "$out" ] || fail "one output folder, not $out and $1"; out=$1; shift ;;
    esac
done
[ -n "$out" ] || fail "name a folder for the results (tools/gpu_grid.sh --help)"
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "--seconds needs a whole number, not '$seconds'"
[[ $jobs =~ ^[1-9][0-9]*$ ]] || fail "--jobs needs a whole number, not '$jobs'"
[ -f "$root/egs/$recipe/$conf" ] || fail "egs/$recipe/$conf: no such file"
mkdir -p "$out"
out=$(cd "$out" && pwd)
end=$((SECONDS + seconds))

ngpu=0
! nvidia-smi -L > /dev/null 2>&1 || ngpu=1
if [ -n "${JOINTST_PYTHON:-}" ]; then
    python=$JOINTST_PYTHON
    export PYTHONUTF8=1 PYTHONUNBUFFERED=1 PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
else
    [ "$ngpu" -eq 0 ] || "$root/tools/install.sh" --extra cuda
    . "$root/utils/path.sh"
fi
cd "$root/egs/$recipe"

# A stage that is cut off goes on from what it finished.
for stage in corpus validate lexicon features tokenizer; do
    left=$((end - SECONDS))
    if [ "$left" -le 0 ]; then echo "time is up before $stage: run it again"; exit 3; fi
    status=0
    timeout --signal=INT --kill-after=20 "$left" "$python" -m jointst "$stage" --conf "$conf" --nj "$(nproc)" \
        ${settings[@]+"${settings[@]}"} || status=$?
    case $status in
        0) ;;
        124|130|137) echo "time is up in $stage: run it again"; exit 3 ;;
        *) fail "stage $stage failed with status $status" ;;
    esac
done

name=gpu calls=()
# Calls in the background do not hear Ctrl-C: they are ended with the script, and go on the next time.
trap '[ "${#calls[@]}" -eq 0 ] || kill "${calls[@]}" 2> /dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# train SECONDS: becomes one call of compare; several at once share the cells between them.
train() {
    # shellcheck disable=SC2086  # systems and seeds are lists
    exec "$python" -m jointst compare --name "$name" --conf "$conf" --systems $systems --seeds $seeds --controls updates time \
        --align --ngpu "$ngpu" --nj "$(nproc)" --for "$1" --store ${settings[@]+-- "${settings[@]}"}
}
status=3 round=0
# A call that finds all cells taken ends with 3, though those of equal time are still to come.
while [ "$status" -eq 3 ]; do
    left=$((end - SECONDS - 10))  # to end a training in, and to copy
    [ "$left" -gt 0 ] || break
    [ "$round" -eq 0 ] || sleep 1
    round=$((round + 1)) calls=()
    for ((job = 1; job <= jobs; job++)); do
        train "$left" &
        calls+=($!)
    done
    status=0
    for call in "${calls[@]}"; do
        own=0
        wait "$call" || own=$?
        # What failed weighs more than what is left, and that more than what is finished.
        case $own in
            0) ;;
            3) [ "$status" -ne 0 ] || status=3 ;;
            *) status=$own ;;
        esac
    done
done
calls=()
for file in summary.json summary.txt report.html; do
    [ ! -f "exp/compare/$name/$file" ] || cp "exp/compare/$name/$file" "$out/"
done
for log in exp/compare/$name/logs/*.log; do
    [ ! -f "$log" ] || { echo "== $log"; tail -n 20 "$log"; }
done > "$out/logs.txt"
[ "$status" -ne 3 ] || echo "time is up: run it again to go on"
exit "$status"
