#!/usr/bin/env bash
# Make, mend or update the environment in .venv: pinned packages and jointst itself. Needs no root.
# usage: tools/install.sh [--extra NAME]... (dev, docs, cuda, corpora, tts, export, serve, shards, lm, pretrained or bench: see setup.py)
# PYTHON=... chooses the interpreter (3.10 to 3.12). Does nothing, quickly, when all is in place.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
readonly venv=.venv stamp=.venv/.jointst-stamp unfinished=.venv/.jointst-unfinished
readonly python=.venv/bin/python constraints=tools/constraints.txt

say() { echo "tools/install.sh: $*" >&2; }
fail() { say "error: $*"; exit 1; }

extras=()
while [ $# -gt 0 ]; do
    case $1 in
        --extra) [ $# -ge 2 ] || fail "--extra needs a name"; extras+=("$2"); shift 2 ;;
        -h|--help) sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"; exit 0 ;;
        *) fail "unknown option $1 (tools/install.sh --help)" ;;
    esac
done
for extra in ${extras[@]+"${extras[@]}"}; do
    case $extra in
        dev|docs|cuda|corpora|tts|export|serve|shards|lm|pretrained|bench) ;;
        *) fail "unknown extra $extra (dev, docs, cuda, corpora, tts, export, serve, shards, lm, pretrained or bench)" ;;
    esac
done

digest() { cat setup.py "$constraints" | sha256sum | cut -d' ' -f1; }
venv_version() { "$python" -I -S -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || true; }

# The stamp, written last: digest, Python version, the repository's path, the extras.
environment_state() {
    local was_digest="" was_version="" was_root="" was_extras="" extra
    state=incomplete old_root=""
    [ -f "$stamp" ] && [ ! -e "$unfinished" ] || return 0
    { read -r was_digest; read -r was_version; read -r was_root; read -r was_extras; } < "$stamp" || return 0
    [ "$was_digest" = "$(digest)" ] && [ "$was_version" = "$(venv_version)" ] || return 0
    for extra in ${extras[@]+"${extras[@]}"}; do
        [[ " $was_extras " == *" $extra "* ]] || return 0
    done
    if [ "$was_root" = "$root" ]; then state=current; else state=moved old_root=$was_root; fi
}

write_stamp() {
    printf '%s\n' "$(digest)" "$(venv_version)" "$root" "$1" > "$stamp.new"
    mv "$stamp.new" "$stamp"
    rm -f "$unfinished"
}

pick_python() {
    local candidate found=""
    for candidate in ${PYTHON:-python3.12 python3.11 python3.10 python3}; do
        "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null || continue
        found=$candidate
        "$candidate" -c 'import venv, ensurepip' 2>/dev/null && { echo "$candidate"; return; }
    done
    [ -z "$found" ] || fail "$found cannot make environments: install its venv package (Debian: python3-venv)"
    fail "no Python 3.10, 3.11 or 3.12 found; install one, or name it: PYTHON=/path/to/python3.11 tools/install.sh"
}

make_venv() {
    local version base
    version=$(venv_version)
    if [ -e "$unfinished" ]; then
        # A package may be half there and look whole: downloads are cached, so starting afresh is quick.
        say "the last run was interrupted: remaking $venv"
        rm -rf "$venv"
    elif [[ $version =~ ^3\.1[0-2]\. ]] && "$python" -m pip --version >/dev/null 2>&1; then
        touch "$unfinished"
        return
    elif [ -e "$venv" ]; then
        say "$venv does not work (any more): remaking it"
        rm -rf "$venv"
    fi
    base=$(pick_python) || { trap - EXIT; exit 1; }
    say "making $venv with $("$base" -V)"
    mkdir "$venv"
    touch "$unfinished"
    "$base" -m venv "$venv"
}

install_packages() {
    local target="." joined
    joined=$(IFS=,; echo "${extras[*]-}")
    [ -z "$joined" ] || target=".[$joined]"
    say "installing $(grep -c '^[a-z]' "$constraints") pinned packages at most (about 5 GB on disk, minutes at the first time)"
    if "$python" -m pip install --quiet --constraint "$constraints" uv; then
        local uv=("$python" -m uv pip install --python "$python" --constraint "$constraints")
        "${uv[@]}" --quiet setuptools && "${uv[@]}" --no-build-isolation --editable "$target" && return
        say "uv could not install everything: going on with pip"
    else
        say "uv cannot be had here: going on with pip, which is slower"
    fi
    "$python" -m pip install --constraint "$constraints" setuptools
    "$python" -m pip install --constraint "$constraints" --no-build-isolation --editable "$target"
}

# Scripts of an environment name it by its full path: put the new one in, then link jointst again.
mend_moved() {
    # A link to the environment of a copy that is still there: mending it would turn it away from that copy.
    if [ -L "$venv" ] && [ "$old_root/$venv" -ef "$venv" ] && ! [ "$old_root" -ef "$root" ]; then
        fail "$root/$venv is a link to the environment of $old_root: remove the link (rm $venv), then run it again"
    fi
    say "the folder was moved from $old_root: mending $venv"
    "$python" -I - "$old_root/$venv" "$root/$venv" <<'PYTHON'
import pathlib, sys

old, new = sys.argv[1].encode(), sys.argv[2].encode()
for path in [*pathlib.Path(".venv/bin").iterdir(), pathlib.Path(".venv/pyvenv.cfg")]:
    if path.is_file() and not path.is_symlink():
        content = path.read_bytes()
        if b"\0" not in content[:1024] and old in content:
            path.write_bytes(content.replace(old, new))
PYTHON
    local link=(--quiet --no-deps --no-build-isolation --editable .)
    "$python" -m uv pip install --python "$python" --reinstall-package jointst "${link[@]}" ||
        "$python" -m pip install "${link[@]}"
}

environment_state
[ "$state" != current ] || exit 0

[ -w . ] || fail "$root cannot be written"
command -v flock >/dev/null || fail "flock is missing: install util-linux"
exec 9>> .venv.lock
flock --nonblock 9 || { say "another run is installing: waiting for it"; flock 9; }
environment_state
[ "$state" != current ] || exit 0

trap 'say "interrupted; run it again to go on"; trap - EXIT; exit 130' INT TERM HUP
trap '[ $? -eq 0 ] || say "error: $venv is not ready; mend what is said above, then run it again"' EXIT
if [ -f "$stamp" ]; then
    # Keep the extras that are there already.
    for extra in $(sed -n 4p "$stamp"); do
        [[ " ${extras[*]-} " == *" $extra "* ]] || extras+=("$extra")
    done
fi
started=$SECONDS
if [ "$state" = moved ]; then
    mend_moved
else
    make_venv
    install_packages
fi
"$python" -c 'import jointst' || fail "jointst cannot be imported from $venv"
write_stamp "${extras[*]-}"
say "$venv is ready ($((SECONDS - started)) s)"
