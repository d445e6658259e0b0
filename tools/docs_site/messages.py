"""Everything that the toolkit may say went wrong, with what to do about it, read from its source.

A message is a call that makes an error, a finding of the doctor, a demand on settings, or a text that begins with
``warning:``. Names of what a message shows stand in angle brackets.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs_site.markdown import code, plain, table

ERRORS = {
    "AlignmentError": "",
    "CollapseError": "",
    "ConfigError": "key problem fix",
    "DataError": "problem",
    "EnvironmentFault": "",
    "JointstError": "",
    "require": "holds key problem fix",
}
"""What is called with a message, and the names of its arguments by position; without names, the last is all of it."""
TELLERS, TOLD = ("idle", "alarms"), "found.append"
"""Functions that append what they say to a list, and how."""
HAND_ON = ("errors.py", "refused.py")
"""Modules that make errors of what others say."""
_UNKNOWN = re.compile(r"(<[^<>]*>)?")
"""Words that say nothing."""


@dataclass(frozen=True)
class Message:
    """Something that is said.

    Attributes:
        kind: the error's class; ``warning`` for one that ends nothing.
        text: the message.
        fix: what to do, where the message has that apart.
        module: the file that says it, from the package's folder.
        line: there.
    """

    kind: str
    text: str
    fix: str
    module: str
    line: int


def _assigned(place: ast.AST, name: str, before: int) -> ast.expr | None:
    """The last value that a function, or else the top of a module, has given a name before a line; of a loop over
    values that are written there, all of them."""
    found: tuple[int, ast.expr] | None = None
    for node in place.body if isinstance(place, ast.Module) else ast.walk(place):
        if isinstance(node, (ast.For, ast.comprehension)) and name in {
            part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)
        }:
            return node.iter if isinstance(node.target, ast.Name) else None
        if not isinstance(node, ast.Assign) or node.lineno >= before:
            continue
        for target in node.targets:
            targets, values = [target], [node.value]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                targets, values = list(target.elts), list(node.value.elts)
            for part, value in zip(targets, values):
                if isinstance(part, ast.Name) and part.id == name and (found is None or node.lineno > found[0]):
                    found = node.lineno, value
    return None if found is None else found[1]


def _is_text(node: ast.expr) -> bool:
    """Whether an expression is surely a text."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and (_is_text(node.left) or _is_text(node.right))
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _placeholder(node: ast.expr) -> str:
    """What stands for a value that is only known when it runs: a plain name, if there is one."""
    while isinstance(node, ast.Call) and len(node.args) == 1:
        node = node.args[0]
    if isinstance(node, ast.Attribute):
        return f"<{node.attr}>"
    return f"<{node.id}>" if isinstance(node, ast.Name) else "<...>"


class _Words:
    """Expressions of a module as the words that they make."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree

    def of(self, node: ast.expr | None, function: ast.AST, depth: int = 0) -> str:
        """The words of an expression; what is only known when it runs stands in angle brackets."""
        if node is None:
            return ""
        if isinstance(node, ast.Constant):
            return "" if node.value is None else str(node.value)
        if isinstance(node, ast.JoinedStr):
            return "".join(self.of(part, function, depth) for part in node.values)
        if isinstance(node, ast.FormattedValue):
            return self.of(node.value, function, depth)
        if isinstance(node, ast.BinOp) and _is_text(node):
            return self.of(node.left, function, depth) + self.of(node.right, function, depth)
        if isinstance(node, ast.IfExp):
            either = self.of(node.body, function, depth), self.of(node.orelse, function, depth)
            return " / ".join(part for part in either if part)
        if isinstance(node, ast.Name) and depth < 3:
            value = _assigned(function, node.id, node.lineno) or _assigned(self._tree, node.id, node.lineno)
            if isinstance(value, ast.Tuple) and all(isinstance(part, ast.Constant) for part in value.elts):
                return ", ".join(self.of(part, function) for part in value.elts)
            if isinstance(value, (ast.Constant, ast.JoinedStr, ast.IfExp, ast.BinOp)):
                return self.of(value, function, depth + 1)
        return _placeholder(node)


def _spoken(node: ast.AST, function: ast.AST) -> Iterator[tuple[ast.AST, ast.Call | ast.JoinedStr | ast.Constant]]:
    """Each call and each whole text below a node, with the function around it."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        function = node
    if isinstance(node, (ast.Call, ast.JoinedStr)) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield function, node
    for child in () if isinstance(node, ast.JoinedStr) else ast.iter_child_nodes(node):
        yield from _spoken(child, function)


def _message(
    node: ast.Call | ast.JoinedStr | ast.Constant, function: ast.AST, words: _Words, module: str
) -> Message | None:
    """What a call or a text says, if it is a message."""
    if not isinstance(node, ast.Call):
        text = words.of(node, function)
        mark = next((mark for mark in ("warning: ", "WARNING: ") if text.startswith(mark)), "")
        text = text.removeprefix(mark)
        said = mark and not (text.startswith("<") and text.endswith(">"))  # else it hands on what another says
        return Message("warning", text, "", module, node.lineno) if said else None
    name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    told = isinstance(function, ast.FunctionDef) and function.name in TELLERS and ast.unparse(node.func) == TOLD
    if told or (name == "warn" and node.args):
        text = words.of(node.args[0], function)
        return None if text.startswith("<") else Message("warning", text, "", module, node.lineno)
    if name == "__init__" and node.args and _is_text(node.args[0]):  # of a kind of error
        return Message("JointstError", words.of(node.args[0], function), "", module, node.lineno)
    if name == "Finding":
        return _finding(node, function, words, module)
    return _error(name, node, function, words, module) if name in ERRORS else None


def _finding(call: ast.Call, function: ast.AST, words: _Words, module: str) -> Message | None:
    """What the doctor finds; what is in order is none."""
    said = {keyword.arg or "": words.of(keyword.value, function) for keyword in call.keywords}
    if "what" not in said or said["level"] == "ok":
        return None
    kind = "EnvironmentFault" if said["level"] == "FAULT" else "warning"
    return Message(kind, f"{said['what']}: {said['detail']}", said.get("fix", ""), module, call.lineno)


def _error(name: str, call: ast.Call, function: ast.AST, words: _Words, module: str) -> Message | None:
    keys = ERRORS[name].split()
    given = dict(zip(keys, call.args)) if keys else {"problem": call.args[-1]} if call.args else {}
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    key, text, fix = (words.of(given.get(part), function) for part in ("key", "problem", "fix"))
    handed_on = text.startswith("<") and text.endswith(">") and text.count("<") == 1
    if not text or (handed_on and (not fix or fix.startswith("<"))):
        return None
    kind = "ConfigError" if name == "require" else name
    return Message(kind, f"{key}: {text}" if key else text, fix, module, call.lineno)


def messages(package: Path) -> list[Message]:
    """Every message of a package, module by module."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package.parent).as_posix()
        if path.name in HAND_ON:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        words = _Words(tree)
        for function, node in _spoken(tree, tree):
            message = _message(node, function, words, module)
            if message is not None:
                found.append(message)
    return found


def rows(found: list[Message]) -> list[list[str]]:
    """Messages as rows of a table; what a message itself says of what to do stands apart."""
    lines = []
    for message in found:
        text, _, fix = " ".join(message.text.split()).partition("what to do: ")
        fixes = "; ".join(part for part in (fix, message.fix) if not _UNKNOWN.fullmatch(part))
        lines.append([plain(text.rstrip("; ")), plain(fixes), _link(message.module)])
    return lines


def _link(module: str) -> str:
    return f"[{code(module.partition('/')[2])}](../../{module})"


ROOMS = {
    "jointst/recipe": "Recipes and commands",
    "jointst/config": "Settings",
    "jointst/kaldi": "Data directories and audio",
    "jointst/data": "Data and corpora",
    "jointst/text": "Text",
    "jointst/pretrained": "Pretrained encoders",
    "jointst/training": "Training",
    "jointst/ranks": "Training in several processes",
    "jointst/decoding": "Search and language models",
    "jointst/transcription": "Transcribe",
    "jointst/adaptation": "Adapt",
    "jointst/serving": "Serve",
    "jointst/export": "Export",
    "jointst/comparison": "Compare",
}
"""Titles of the parts of the page; everything else comes last."""
OTHERS = "Everything else"


def page(package: Path) -> str:
    """All messages, part by part."""
    parts: dict[str, list[Message]] = {title: [] for title in (*ROOMS.values(), OTHERS)}
    for message in messages(package):
        room = next((title for folder, title in ROOMS.items() if message.module.startswith(f"{folder}/")), OTHERS)
        parts[room].append(message)
    lines = []
    for title, found in parts.items():
        if found:
            lines += [f"## {title}\n", table(["it says", "what to do", "said by"], rows(found))]
    return "\n".join(lines)


def alarms(package: Path) -> str:
    """What may end or trouble a training."""
    kinds = ("CollapseError", "EnvironmentFault", "warning", "AlignmentError")
    found = [m for m in messages(package) if m.module.startswith("jointst/training/") and m.kind in kinds]
    return table(["it says", "what to do", "said by"], rows(sorted(found, key=lambda m: kinds.index(m.kind))))
