"""What recipes reach by their own settings, and what yardsticks reach beside them: kept, and one table of all."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from jointst.common.errors import DataError
from jointst.comparison.tables import percent

KIND = "recipe"
COLUMNS = ["recipe", "made by", "set", "streaming", "full-context", "words never heard", "updates", "hours", "on"]
LEGEND = (
    "Rows with `run.sh` or `--conf`: the recipe's own settings, one training each, or where a comparison is named the "
    "mean of its seeds; the others are [yardsticks](tools/README.md#yardsticks). Macro error rate in % (words, or "
    "characters where the language writes no spaces), share of the words recognised that no paired training text "
    "holds, hours of training by the clock, whatever else the machine did. `jointst results --keep exp/NAME` in a "
    "recipe's folder adds its own."
)


def kept(folder: Path) -> dict[str, Any]:
    """What is kept of an experiment, or of a yardstick (``tools/yardstick_*.py``).

    Args:
        folder: exp/<name> in a recipe's folder.

    Raises:
        DataError: a stage up to 8, score, has not run, or has left a damaged file.
    """
    scores, yardstick = _json(folder / "score/scores.json"), folder / "score/yardstick.json"
    found = {
        "kind": KIND,
        "recipe": Path.cwd().name,
        "name": folder.name,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    sets = {"sets": {name: _set(record) for name, record in scores["sets"].items()}}
    if yardstick.is_file():
        return found | _yardstick(_json(yardstick)) | sets
    made = _json(folder / "versions.json")
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    last = json.loads((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    decoding = config.get("decoding", {})
    search = [decoding.get("search", "greedy")] + [decoding["lm"]] * (decoding.get("lm", "none") not in (None, "none"))
    own = {
        "commit": made.get("git_commit"),
        "hardware": made.get("hardware", "unknown"),
        "search": ", ".join(search),
        "updates": last["update"],
        "hours": round(last["seconds"] / 3600, 3),
    }
    return found | own | sets


def _yardstick(about: Mapping[str, Any]) -> dict[str, Any]:
    """What a yardstick says of itself, in the words of a recipe's experiment."""
    return {
        "system": about["system"],
        "limit": about.get("limit"),
        "hardware": about.get("hardware", "unknown"),
        "updates": None,
        "hours": round(about["minutes"] / 60, 3) if "minutes" in about else None,
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError("is not there", path=path, fix="run the recipe up to stage 8") from None
    except ValueError as error:
        raise DataError(f"is not JSON: {error}", path=path, fix="run the stage that writes it with --force") from None
    return found


def _set(record: Mapping[str, Any]) -> dict[str, Any]:
    """Error rates of a set by decoder, macro and by language, and the recall of words never heard."""
    found: dict[str, Any] = {}
    for decoder, own in record["decoders"].items():
        unheard = own["unheard_words"]
        found[decoder] = {
            "macro": round(own["macro"]["error_rate"], 5),
            "languages": {code: round(item["error_rate"], 5) for code, item in own["languages"].items()},
            "recall": round(unheard["recognised"] / unheard["occurrences"], 5) if unheard["occurrences"] else None,
        }
    return found


def compared(stored: Sequence[Mapping[str, Any]], recipes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What recipes reach by settings that are not kept yet, as comparisons found it for the system that is theirs.

    Args:
        stored: comparisons.
        recipes: what is kept.
    """
    there = {(own["recipe"], own["name"]) for own in recipes}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for summary in sorted(stored, key=lambda own: (len(own["grid"]["seeds"]), own["created"])):
        grid = summary["grid"]
        tables = summary["controls"].get("updates", {}).get("tables", [])
        own = [table for table in tables if not table["part"] and OWN in table["systems"]]
        key = summary["recipe"], Path(grid["conf"][-1]).stem
        if own and len(grid["conf"]) == 1 and not grid["overrides"] and key not in there:
            found[key] = _compared(summary, own) | {"name": key[1]}
    return list(found.values())


OWN = "best"
"""The system that recipes train."""


def _compared(summary: Mapping[str, Any], tables: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sets: dict[str, dict[str, Any]] = {}
    for table in tables:
        row = table["systems"][OWN]
        recall = None if row["recall"] is None else row["recall"]["share"]
        sets.setdefault(table["set"], {})[table["decoder"]] = {"macro": row["rates"]["macro"], "recall": recall}
    first = tables[0]["systems"][OWN]
    return {
        "recipe": summary["recipe"],
        "comparison": summary["name"],
        "seeds": first["seeds"],
        "updates": first["updates"],
        "hours": first["hours"],
        "hardware": "; ".join(summary["hardware"]),
        "sets": sets,
    }


def recipe_rows(stored: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Rows under :data:`COLUMNS`, a row for each set of each experiment."""
    rows = []
    for own in sorted(stored, key=lambda own: (own["recipe"], "system" in own)):
        first = [f"[{own['recipe']}](egs/{own['recipe']})", _made_by(own)]
        last = ["-" if own["updates"] is None else f"{own['updates']}"]
        last += ["-" if own["hours"] is None else f"{own['hours']:.2f}", _machine(own["hardware"])]
        for number, (name, decoders) in enumerate(own["sets"].items()):
            rates = [percent(decoders.get(d, {}).get("macro")) for d in ("streaming", "full_context")]
            last_pass = decoders.get("full_context") or next(iter(decoders.values()))
            recall = percent(last_pass["recall"])
            if number:
                first, last = [""] * len(first), [""] * len(last)
            rows.append([*first, name, *rates, recall, *last])
    return rows


def _machine(hardware: str) -> str:
    """The hardware without what goes without saying in a table."""
    return hardware.replace(", no GPU used", "").replace("OMP_NUM_THREADS=1", "1 thread").replace("(R)", "")


def _made_by(own: Mapping[str, Any]) -> str:
    """The settings of an experiment and its search, or the system that a yardstick is and its size, without further
    details."""
    if "system" in own:
        limit = f"; {own['limit']} utterances of each set at most, evenly spread" if own["limit"] else ""
        name, _, about = own["system"].partition(",")
        size = re.search(r" \(\w+\)", about)
        return f"{name}{size[0] if size else ''}{limit}"
    command = f"`--conf conf/{own['name']}.yaml`" if own["name"] != "train" else "`run.sh`"
    if "comparison" in own:
        name = own["comparison"]
        return f"{command}, mean of {own['seeds']} seeds ([{name}](egs/{own['recipe']}/results/{name}.md))"
    return f"{command}, {own['search']}"
