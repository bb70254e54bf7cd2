"""Which changes can help a backward pass that raises: those of what runs before, above all of the line that raises."""

import ast
from collections.abc import Mapping
from types import CodeType

from chainrule.check.subjects.raised import passed
from chainrule.check.subjects.subject import Array, Arrays, Subject

from .program import FunctionSource, Program
from .sites import Edit

HERE = 0.7
"""How much likelier a change of the statement that raises is than one of another."""


def lines_raising(subject: Subject, arguments: Arrays, y_bar: Array) -> dict[CodeType, int]:
    """Return the functions that the exception of a backward pass passes, each with its line; empty if it has none."""
    try:
        subject.backward(arguments, y_bar)
    except Exception as error:
        return dict(passed(error))
    return {}


def extra_cost(edit: Edit, program: Program, lines: Mapping[CodeType, int]) -> float | None:
    """Return how much likelier or less likely a change is than its cost says; None if it cannot help."""
    if not isinstance(program, FunctionSource) or program.function.__code__ not in lines:
        return 0.0
    line = lines[program.function.__code__]
    statements = [n for n in ast.walk(program.tree) if isinstance(n, ast.stmt) and n.lineno <= line <= _end(n)]
    if not statements:
        return 0.0
    here = max(statements, key=lambda n: (n.lineno, -_end(n)))
    if here.lineno <= edit.line <= _end(here):
        return -HERE
    repeated = any(isinstance(n, ast.For | ast.While | ast.FunctionDef) for n in statements if n is not program.tree)
    return None if edit.line > _end(here) and not repeated else 0.0


def _end(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno
