"""The statement of the program that computed a value, and the names that it gives to its results."""

import ast
import linecache
import re
from functools import cache
from typing import NamedTuple

from chainrule.observe.entry import Entry

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*(?:\.\w+|\[[^\]=]*\])*)\s*(?:[-+*/@]|\*\*|//)?=(?!=)")
_SEVERAL_NAMES = re.compile(r"((?:[A-Za-z_]\w*\s*,\s*)+[A-Za-z_]\w*)\s*=(?!=)")
_KEY = re.compile(r"\[[\"']([A-Za-z_]\w*)[\"']\]$")
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
    names = _names_in(source.text)
    if len(names) < 2 and not _CROWDED.search(source.text):
        return Statement(source.file, source.line, 0, names)
    column = _column(entry)
    found = [one for one in _statements(source.file, source.line) if one[0] <= column < one[1]]
    if not found:
        return Statement(source.file, source.line, 0, names if len(names) > 1 else ())
    start, _, names = max(found)  # the innermost starts last
    return Statement(source.file, source.line, start, names)


def _names_in(text: str) -> tuple[str, ...]:
    several, one = _SEVERAL_NAMES.match(text), _ASSIGNMENT.match(text)
    if several:
        return tuple(name.strip() for name in several[1].split(","))
    return (_name_of(one[1]),) if one else ()


def _name_of(target: str) -> str:
    """Return the name of what is assigned to: of an attribute or of a key its own, of elements that of the array.

    >>> _name_of("self.z1"), _name_of("cache['z1']"), _name_of("out[i]"), _name_of("self.out[:, k]")
    ('z1', 'z1', 'out', 'out')
    """
    key = _KEY.search(target)
    return key[1] if key else target.partition("[")[0].rpartition(".")[2]


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
    simple = [node for node in nodes if not isinstance(node, ast.For | ast.While | ast.If | ast.With)]
    assigned = [(node, _assigned(node)) for node in simple] + [one for node in simple for one in _side_by_side(node)]
    return tuple((indent + node.col_offset, indent + (node.end_col_offset or 0), names) for node, names in assigned)


def _assigned(node: ast.stmt) -> tuple[str, ...]:
    target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    target = node.target if isinstance(node, ast.AnnAssign | ast.AugAssign) else target
    parts = target.elts if isinstance(target, ast.Tuple) else [] if target is None else [target]
    names = [_name_of(ast.unparse(part)) for part in parts]
    return tuple(names) if all(name.isidentifier() for name in names) else ()


def _side_by_side(node: ast.stmt) -> list[tuple[ast.expr, tuple[str, ...]]]:
    """Return each value of `q, v = q + dt * v, v + dt * a` with its own name."""
    names = _assigned(node)
    values = node.value.elts if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) else []
    return [(value, (name,)) for value, name in zip(values, names, strict=True)] if len(values) == len(names) else []
