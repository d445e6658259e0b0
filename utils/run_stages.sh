#!/usr/bin/env bash
# The stage driver of every recipe: each stage is one jointst command. Called by egs/<recipe>/run.sh.
set -uo pipefail
readonly stages=(doctor corpus validate lexicon features tokenizer train decode score align export)

usage() {
    local number
    cat <<USAGE
usage: run.sh [options] [-- --section.key value ...]

  --stage N        first stage (0)
  --stop-stage N   last stage ($((${#stages[@]} - 1)))
  --conf FILE      settings, in the recipe's folder; its name is the experiment's (conf/train.yaml); of several,
                   a later one wins, as in: --conf conf/train.yaml --conf ../systems/joist.yaml
  --nj N           processes for long work
  --ngpu N         GPUs to train and decode on, and for a frozen encoder
  --nproc N        processes that train on the CPU, on each node
  --nodes N        nodes that train, with --launcher slurm
  --launcher slurm run stage 6 as a job of Slurm; the other stages run here
  --slurm "K=V .." its parameters, submitit's: "timeout_min=600 slurm_partition=gpu"
  --force          run stages even when all they make is up to date
  --dry-run        only print the commands
  -h, --help       this text
  -- ...           settings for every stage, for example: -- --training.max_updates 100

USAGE
    for number in "${!stages[@]}"; do echo "  stage $number: ${stages[number]}"; done
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit
recipe=$1
shift
. "$root/utils/parse_options.sh"
parse_options $((${#stages[@]} - 1)) "$@"
caller=$PWD
cd "$recipe" || exit

looked_in() { if [ "$PWD" -ef "$caller" ]; then echo "$PWD"; else echo "$PWD or $caller"; fi; }

# What --conf may name in this recipe.
settings_there() {
    local found
    found=$(find conf -name '*.yaml' 2>/dev/null | sort | paste -sd ' ')
    echo "${found:+there is }${found:-write conf/train.yaml, as docs/tutorial.md shows}"
}

common=()
for conf in "${confs[@]}"; do
    if [ ! -f "$conf" ] && [[ $conf != /* ]] && [ -f "$caller/$conf" ]; then conf=$caller/$conf; fi
    [ -f "$conf" ] || option_error "--conf $conf: no such file in $(looked_in); $(settings_there)"
    common+=(--conf "$conf")
done
conf_options=("${common[@]}")
[ -z "$nj" ] || common+=(--nj "$nj")
[ -z "$ngpu" ] || common+=(--ngpu "$ngpu")
[ "$force" = false ] || common+=(--force)

# The arguments of stage $number.
stage_arguments() {
    arguments=("${common[@]}")
    [ "${stages[number]}" != train ] || arguments+=(${training[@]+"${training[@]}"})
    arguments+=(${overrides[@]+"${overrides[@]}"})
}

show() { printf '%s' "$1"; shift; printf ' %q' "$@"; echo; }

# How to go on from stage $number with the same options.
go_on() {
    local options=(--stage "$number")
    [ "$stop_stage" -eq $((${#stages[@]} - 1)) ] || options+=(--stop-stage "$stop_stage")
    [ "${conf_options[*]}" = "--conf conf/train.yaml" ] || options+=("${conf_options[@]}")
    [ -z "$nj" ] || options+=(--nj "$nj")
    [ -z "$ngpu" ] || options+=(--ngpu "$ngpu")
    options+=(${typed[@]+"${typed[@]}"})
    [ ${#overrides[@]} -eq 0 ] || options+=(-- "${overrides[@]}")
    show ./run.sh "${options[@]}"
}

if [ "$dry_run" = true ]; then
    echo "cd $(printf %q "$PWD")"
    for ((number = stage; number <= stop_stage; number++)); do
        stage_arguments
        show ../../.venv/bin/python -m jointst "${stages[number]}" "${arguments[@]}"
    done
    exit 0
fi

. "$root/utils/path.sh" || exit

# A stage runs in a process group of its own, so that whatever ends this script can end all of it.
child=""
end_stage() {
    trap 'kill -KILL -- "-$child" 2>/dev/null' INT TERM HUP  # a second Ctrl-C does not wait
    if [ -n "$child" ]; then
        kill "-$1" -- "-$child" 2>/dev/null
        local waited
        for ((waited = 0; waited < 100; waited++)); do
            kill -0 -- "-$child" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-$child" 2>/dev/null
        wait "$child" 2>/dev/null
    fi
    echo "run.sh: interrupted in stage $number ${stages[number]}; go on with: $(go_on)" >&2
    exit "$2"
}
number=$stage
trap 'end_stage INT 130' INT
trap 'end_stage TERM 143' TERM
trap 'end_stage HUP 129' HUP

for ((number = stage; number <= stop_stage; number++)); do
    stage_arguments
    show ../../.venv/bin/python -m jointst "${stages[number]}" "${arguments[@]}"
    set -m
    "$python" -m jointst "${stages[number]}" "${arguments[@]}" < /dev/null &
    child=$!
    set +m
    wait "$child"
    status=$?
    child=""
    if [ "$status" -ne 0 ]; then
        echo "run.sh: stage $number ${stages[number]} failed with status $status;" \
            "mend what it says, then go on with: $(go_on)" >&2
        exit "$status"
    fi
done

report=$PWD/exp/$(basename "${conf%.*}")/report.html
if [ -f "$report" ] && [ "$stop_stage" -ge 9 ]; then echo "report: $report"; fi
