"""The change that makes a wrong submission right: its line, what is there, and what belongs there.

`check` finds such changes by running them. A submission is not run here, so each changed version is written out as
source, and all run in a box of their own; what they answer is compared with numerical derivatives outside.
"""

import ast
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.check.hypotheses.candidate import Detail, Hypothesis
from chainrule.check.repairs.edits import edits
from chainrule.check.repairs.sites import Edit

from .box import Box, Limits, SubmissionError

BATCH, BATCHES = 200, 4
"""So many changes go into one box, and so many boxes are tried."""
LARGEST = 400
"""The most elements for which derivatives are measured."""
STEP, CLOSE = 1e-5, 1e-5
POINTS = 2
Definition = ast.FunctionDef | ast.ClassDef
Ask = Callable[[Box, str], Callable[..., Any]]
"""Given a box and a name in it, the function `backward(y_bar, *args)`."""


@dataclass(frozen=True)
class _Point:
    """Arguments, a cotangent, and the right gradients."""

    args: tuple[Any, ...]
    y_bar: Any
    gradients: tuple[Any, ...]


def repair(source: str, name: str, f: Callable[..., Any], args: Sequence[Any], ask: Ask, allowed: Sequence[str]) -> Any:
    """Return the likeliest change to `name` that makes all gradients of `f` right, as a hypothesis; None without one.

    `f` is the reference, `args` its arguments; the floating-point ones have gradients.
    """
    points = _points(f, args)
    try:
        tried = list(_versions(source, name)) if points else []
    except (SyntaxError, ValueError, RecursionError):
        return None
    for first in range(0, min(len(tried), BATCH * BATCHES), BATCH):
        batch = tried[first : first + BATCH]
        text = "\n\n".join([source, *(version.replace(_MARK, f"version_{k}") for k, (_, version) in enumerate(batch))])
        with Box(text, Limits(call=5.0, total=20.0), allowed) as box:
            try:
                box.start()
            except SubmissionError:
                return None
            right = (edit for k, (edit, _) in enumerate(batch) if _is_right(ask(box, f"version_{k}"), points))
            edit = next(right, None)
        if edit is not None:
            text = f"{edit.what}: line {edit.line} has `{edit.written}`, and `{edit.wanted}` makes the gradient right"
            detail = Detail(text=text, line=edit.line, written=edit.written, wanted=edit.wanted, what=edit.what)
            return Hypothesis(edit.code, detail, 1.0)
    return None


_MARK = "version_of_a_submission"


def _versions(source: str, name: str) -> Iterator[tuple[Edit, str]]:
    """Yield each change, likeliest first, with the source of the changed function or class under the name _MARK."""
    tree = ast.parse(source)
    top = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    asked = top[name]
    if isinstance(asked, ast.ClassDef):
        parts: list[Definition] = [asked]
        edited = [m for m in asked.body if isinstance(m, ast.FunctionDef) and m.name not in ("__init__", "forward")]
    else:
        parts = _called(asked, top)
        edited = [part for part in parts if isinstance(part, ast.FunctionDef)]
    found = [edit for function in edited for edit in edits(function)]
    for edit in sorted(found, key=lambda e: e.cost):
        undo = edit.apply()
        version = _as_class(asked) if isinstance(asked, ast.ClassDef) else _as_function(name, parts)
        undo.apply()
        if version:
            yield edit, version


def _called(asked: ast.FunctionDef, top: dict[str, Definition]) -> list[Definition]:
    """Return a function and the functions of the file that it calls, directly or not."""
    found, waiting = {asked.name: asked}, [asked]
    while waiting:
        for node in ast.walk(waiting.pop()):
            other = top.get(node.id) if isinstance(node, ast.Name) else None
            if isinstance(other, ast.FunctionDef) and other.name not in found:
                found[other.name] = other
                waiting.append(other)
    return list(found.values())


def _as_class(asked: ast.ClassDef) -> str:
    changed = copy.copy(asked)
    changed.name = _MARK
    return _text(changed)


def _as_function(name: str, parts: Sequence[Definition]) -> str:
    """Return a function that holds the changed ones, so that they call each other and not those of the file."""
    inner = [_text(part) for part in parts]
    if not all(inner):
        return ""
    lines = [f"    {line}" for text in inner for line in text.splitlines()]
    return "\n".join([f"def {_MARK}(*given):", *lines, f"    return {name}(*given)"])


def _text(node: ast.AST) -> str:
    try:
        text = ast.unparse(node)
        ast.parse(text)  # a change may be none that Python takes
        return text
    except (SyntaxError, ValueError, AttributeError, TypeError):
        return ""


def _points(f: Callable[..., Any], args: Sequence[Any]) -> list[_Point]:
    """Return the arguments, and others near them, with measured gradients; none where measuring takes too long."""
    floating = [k for k, x in enumerate(args) if np.asarray(x).dtype.kind == "f"]
    if sum(np.size(args[k]) for k in floating) > LARGEST:
        return []
    rng, points = np.random.default_rng(0), []
    for point in range(POINTS):
        here = [np.array(x) for x in args]
        for k in floating:
            here[k] = here[k] + 0.2 * point * rng.standard_normal(here[k].shape)
        y_bar = rng.standard_normal(np.shape(f(*here)))
        points.append(_Point(tuple(here), y_bar, tuple(_measured(f, here, k, y_bar) for k in floating)))
    return points


def _measured(f: Callable[..., Any], args: Sequence[Any], k: int, y_bar: Any) -> Any:
    """Return the gradient of ⟨y_bar, f⟩ for one argument by central differences."""
    slope = np.zeros(args[k].shape)
    for index in np.ndindex(slope.shape):
        sides = []
        for sign in (1.0, -1.0):
            moved = [np.array(x) for x in args]
            moved[k][index] += sign * STEP
            sides.append(float(np.sum(y_bar * np.asarray(f(*moved)))))
        slope[index] = (sides[0] - sides[1]) / (2 * STEP)
    return slope


def _is_right(backward: Callable[..., Any], points: Sequence[_Point]) -> bool:
    """Whether a version gives the right gradients at all points."""
    for point in points:
        try:
            got = backward(point.y_bar, *point.args)
        except (SubmissionError, ValueError, TypeError, KeyError):
            return False
        found = got if isinstance(got, tuple | list) else (got,)
        if len(found) != len(point.gradients) or not all(map(_close, found, point.gradients)):
            return False
    return True


def _close(got: Any, expected: Any) -> bool:
    try:
        value = np.asarray(got, float)
    except (TypeError, ValueError):
        return False
    scale = float(np.max(np.abs(expected), initial=0.0)) or 1.0
    return value.shape == expected.shape and bool(np.all(np.abs(value - expected) <= CLOSE * scale))
