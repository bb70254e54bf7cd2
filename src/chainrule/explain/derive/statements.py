"""The statement of the program that computed a value, and the names that it gives to its results."""

import ast
import linecache
import re
from functools import cache
from typing import NamedTuple

from chainrule.observe.entry import Entry

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\s*=(?!=)")
_SEVERAL_NAMES = re.compile(r"((?:[A-Za-z_]\w*\s*,\s*)+[A-Za-z_]\w*)\s*=(?!=)")
_CROWDED = re.compile(r";\s*[^\s#]|^\s*(?:for|while|if|with)\b.*:\s*[^\s#]")
"""A line with more than one statement, which does not say by itself which of them a value is from."""


class Statement(NamedTuple):
    """One statement: its file, its line, the column where it starts, and the names that it assigns to."""

    file: str
    line: int
    column: int
    names: tuple[str, ...]


def statement_of(entry: Entry) -> Statement | None:
    """Return the statement that made an entry; None for a leaf and inside a lambda, which assigns to nothing."""
    source = entry.source
    if source is None or source.function.endswith("<lambda>"):
        return None
    if not _CROWDED.search(source.text):
        return Statement(source.file, source.line, 0, _names_in(source.text))
    column = _column(entry)
    found = [one for one in _statements(source.file, source.line) if one[0] <= column < one[1]]
    if not found:
        return Statement(source.file, source.line, 0, ())
    start, _, names = max(found)  # the innermost starts last
    return Statement(source.file, source.line, start, names)


def _names_in(text: str) -> tuple[str, ...]:
    several, one = _SEVERAL_NAMES.match(text), _ASSIGNMENT.match(text)
    if several:
        return tuple(name.strip() for name in several[1].split(","))
    return (one[1],) if one else ()


def _column(entry: Entry) -> int:
    """Return the column in the source at which the operation was called; -1 where Python does not keep it."""
    if entry.where is None:
        return -1
    code, offset = entry.where
    positions = list(code.co_positions())
    column = positions[offset // 2][2] if 0 <= offset // 2 < len(positions) else None
    return -1 if column is None else column


@cache
def _statements(file: str, line: int) -> tuple[tuple[int, int, tuple[str, ...]], ...]:
    """Return the statements of a line, as their first column, the one behind their last, and the names they assign."""
    text = linecache.getline(file, line)
    indent = len(text) - len(text.lstrip())
    try:
        body = ast.parse(text.strip()).body
    except SyntaxError:  # part of a longer statement
        return ()
    nodes = [node for one in body for node in ast.walk(one) if isinstance(node, ast.stmt)]
    return tuple(
        (indent + node.col_offset, indent + (node.end_col_offset or 0), _assigned(node))
        for node in nodes
        if not isinstance(node, ast.For | ast.While | ast.If | ast.With)
    )


def _assigned(node: ast.stmt) -> tuple[str, ...]:
    target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    target = node.target if isinstance(node, ast.AnnAssign) else target
    parts = target.elts if isinstance(target, ast.Tuple) else [] if target is None else [target]
    names = [part.id for part in parts if isinstance(part, ast.Name)]
    return tuple(names) if len(names) == len(parts) else ()
