# Sourced by every script that runs jointst: the environment, once, and what must be set before Python starts.
# In: root, the repository's folder. Out: python, its interpreter. Thread counts are set by jointst/common/threads.py.

python=$root/.venv/bin/python
export PYTHONUTF8=1        # transcripts are UTF-8 whatever the locale says
export PYTHONDONTWRITEBYTECODE=  # a command loads some thousand modules: compiled once, not each time
export PYTHONUNBUFFERED=1  # lines of a stage appear when they are printed, also in a log file
"$root/tools/install.sh" || return
