"""Run the command line: ``python -m jointst``."""

import sys

try:
    from jointst.recipe.cli import main
except KeyboardInterrupt:
    sys.exit(130)
sys.exit(main())
