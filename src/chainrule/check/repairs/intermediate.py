"""The first value of a backward pass that is wrong: its variables with a repair, against those without it."""

import ast
import sys
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any

import numpy as np

from chainrule.check.subjects.subject import Subject

from .program import Definition

CLOSE = 1e-9
"""The largest relative difference of two values that count as equal."""


def first_wrong(
    tree: Definition, before: tuple[Subject, CodeType], after: tuple[Subject, CodeType], arguments: Any, y_bar: Any
) -> tuple[str, int] | None:
    """Return the first variable whose value a repair changes, and the line that assigns it.

    `before` and `after` are the subject without and with the repair, each with the code of the function that was
    changed; `tree` is that function. None where no variable differs, as where all is one expression.
    """
    order = _assigned(tree)
    if not order:
        return None
    wrong, right = (_variables(subject, code, arguments, y_bar) for subject, code in (before, after))
    for name, line in order.items():
        if name in wrong and name in right and not _equal(wrong[name], right[name]):
            return name, line
    return None


def _assigned(tree: Definition) -> dict[str, int]:
    """Return the variables of a function in the order of their first assignment, each with the line of its last."""
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if _has_target(node) else []  # type: ignore[attr-defined]
        for target in targets:
            for one in ast.walk(target):
                if isinstance(one, ast.Name):
                    found[one.id] = max(found.get(one.id, 0), node.lineno)  # type: ignore[attr-defined]
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def _has_target(node: ast.AST) -> bool:
    return isinstance(node, ast.AugAssign | ast.AnnAssign)


def _variables(subject: Subject, code: CodeType, arguments: Any, y_bar: Any) -> Mapping[str, Any]:
    """Run a backward pass, and return the variables of one of its functions as they are when it first returns."""
    found: dict[str, Any] = {}

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code and not found:
            found.update(frame.f_locals)

    if sys.getprofile() is not None:  # someone is measuring
        return {}
    sys.setprofile(watch)
    try:
        subject.backward({name: np.array(x) for name, x in arguments.items()}, np.array(y_bar))
    except Exception:  # without the repair it may not run
        return {}
    finally:
        sys.setprofile(None)
    return found


def _equal(a: Any, b: Any) -> bool:
    """Whether two variables hold the same numbers; what holds none says nothing."""
    try:
        a, b = (np.asarray(x.detach() if hasattr(x, "detach") else x, float) for x in (a, b))
    except Exception:  # a dict, a tensor on another device, a tracer
        return True
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=CLOSE, atol=CLOSE * float(abs(b).max(initial=0.0))))
