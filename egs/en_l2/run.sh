#!/usr/bin/env bash
# All stages of this recipe; ./run.sh --help lists the options. What is special about it stands in conf/.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec "$here/../../utils/run_stages.sh" "$here" "$@"
