"""Which changes can matter: those of lines that the gradient under test comes from, and not of the forward pass."""

import ast
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import Any

import numpy as np

from chainrule.check.subjects.editing import with_helpers
from chainrule.check.subjects.subject import Subject

from .program import FunctionSource, Program
from .sites import Edit

UNMOVED = 4
"""After so many changes of a line that leave the gradient what it is, to the last bit, the line is left alone."""
SHARED = 0.5
"""How much more far-fetched a change is of what the forward pass does as well: that pass says what is right."""


@dataclass
class Reach:
    """Notes of each line whether changes of it change the gradient."""

    gradient: Any
    """The gradient before any change."""
    _unmoved: Counter[tuple[Any, int]] = field(default_factory=Counter)
    _moved: set[tuple[Any, int]] = field(default_factory=set)

    def noted(self, edit: Edit, program: Program, found: Any) -> None:
        """Note the gradient with a change; None where the pass did not run."""
        key = (program, edit.line)
        if found is not None and np.array_equal(found, self.gradient, equal_nan=True):
            self._unmoved[key] += 1
        elif found is not None:
            self._moved.add(key)

    def is_out_of(self, edit: Edit, program: Program) -> bool:
        """Whether a change most likely changes nothing: many of its line did not. One of several places may."""
        key = (program, edit.line)
        if not np.any(self.gradient):  # of zeros a change may multiply what is 0 in any case
            return False
        return len(edit.changes) == 1 and key not in self._moved and self._unmoved[key] >= UNMOVED


def forward_codes(subject: Subject) -> set[CodeType]:
    """Return the code of the user's functions that a forward pass consists of."""
    held: Any = getattr(subject, "layer", getattr(subject, "called", None))
    forward = getattr(held, "forward", held)
    return {function.__code__ for function, _ in with_helpers(forward, lambda f: f)}


def less_likely(program: Program, shared: set[CodeType]) -> Callable[[Edit], Edit]:
    """Return what makes the changes less likely that are of a forward pass, other than of what that keeps."""
    if not isinstance(program, FunctionSource) or program.function.__code__ not in shared:
        return lambda edit: edit
    keeping = {
        line
        for statement in ast.walk(program.tree)
        if isinstance(statement, ast.stmt) and _keeps(statement)
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    }
    return lambda edit: edit if edit.line in keeping else replace(edit, cost=edit.cost + SHARED)


def _keeps(statement: ast.stmt) -> bool:
    """Whether a statement returns something, or lays it up: in an attribute, or together with others."""
    if isinstance(statement, ast.Return):
        return True
    if isinstance(statement, ast.Assign):
        is_laid_up = any(isinstance(target, ast.Attribute) for target in statement.targets)
        return is_laid_up or isinstance(statement.value, ast.Tuple | ast.List | ast.Dict)
    return False
