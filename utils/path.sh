# Sourced by every script that runs jointst: the environment, once, and what must be set before Python starts.
# In: root, the repository's folder; ngpu, where GPUs are asked for. Out: python, its interpreter. Thread counts are set by jointst/common/threads.py.

python=$root/.venv/bin/python
export PYTHONUTF8=1        # transcripts are UTF-8 whatever the locale says
export PYTHONDONTWRITEBYTECODE=  # a command loads some thousand modules: compiled once, not each time
export PYTHONUNBUFFERED=1  # lines of a stage appear when they are printed, also in a log file
extras=()
case ${ngpu:-0} in 0) ;; *) extras=(--extra cuda) ;; esac  # what aligns speech and text on GPUs
"$root/tools/install.sh" ${extras[@]+"${extras[@]}"} || return
