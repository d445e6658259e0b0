"""The pages that the documentation is built from: those in docs/, and those made from the code and the READMEs.

    tools/make_docs.py build/docs/source

``tools/build_docs.sh`` calls it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def parts() -> dict[str, str]:
    """What pages include, by file in ``_made``."""
    from docs_site import checks, commands, messages, settings

    package = ROOT / "jointst"
    return {
        "settings.md": settings.page(),
        "stages.md": commands.stages(),
        "of_recipes.md": commands.of_recipes(),
        "with_options.md": commands.with_options(),
        "rules.md": checks.rules(),
        "doctor.md": checks.doctor(package),
        "alarms.md": messages.alarms(package),
        "messages.md": messages.page(package),
    }


def main() -> int:
    """Make the folder anew; 1 where a link leads nowhere."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path, metavar="DIR", help="the folder that is made anew")
    target = parser.parse_args().target
    from docs_site.repository import Repository

    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ROOT / "docs", target, ignore=shutil.ignore_patterns("conf.py", "__pycache__"))
    (target / "_made").mkdir()
    for name, text in parts().items():
        (target / "_made" / name).write_text(text, encoding="utf-8")
    repository = Repository(ROOT, target)
    repository.make()
    for fault in repository.broken:
        print(f"make_docs.py: error: {fault}", file=sys.stderr)
    return 1 if repository.broken else 0


if __name__ == "__main__":
    sys.exit(main())
