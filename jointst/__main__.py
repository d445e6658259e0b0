"""Run the command line: ``python -m jointst``."""

import sys

from jointst.cli import main

sys.exit(main())
