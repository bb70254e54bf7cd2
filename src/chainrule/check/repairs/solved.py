"""What must stand at a place for the gradient to be right: solved for, and then looked up among what rules are made of.

Where the gradient depends on an expression element by element, and linearly, the value that the expression must have
follows from two more runs. Thousands of expressions are then compared with it at once, without running any of them.
"""

import ast
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.base.budget import look
from chainrule.check.hypotheses.candidate import fits
from chainrule.check.why.context import Context

from .classics import library_of
from .ending import watched
from .phrases import Phrase, phrases, times
from .program import FunctionSource
from .sites import Edit, Site, atoms_of, edit_at, sites, text_of

PROBE = "__chainrule_value__"
"""What the function is called that takes an expression's place."""
FEWEST = 4
"""The fewest elements that an expression is recognised by: fewer fit by chance."""
LINEAR = 1e-8
"""How far from linear a gradient may be in a value, relative to its size."""
CLOSE = 1e-7
"""How close, relative to its size, a value must come to the one that is needed."""
COST = 2.75
"""How far-fetched what is found here is: it is looked for when no usual mistake has been found."""

Made = Callable[[Any], Any]
Array = Any


@dataclass
class Seen:
    """What an expression is in a run: its value, to which `shift` is added, and the names around it."""

    atoms: dict[str, Any]
    shift: Array = None
    value: Any = None
    count: int = 0
    around: dict[str, Array] = field(default_factory=dict)

    def __call__(self, value: Any) -> Any:
        """Stand in the expression's place."""
        self.value, self.count = value, self.count + 1
        if self.shift is None:
            frame = sys._getframe(1)
            self.around = {
                text: found for text, code in self.atoms.items() if (found := _read(code, frame)) is not None
            }
            return value
        shift = self.shift
        if hasattr(value, "new_tensor"):  # PyTorch's
            value = value.double()  # a mask may be of booleans
            return value + value.new_tensor(shift.tolist())
        return np.asarray(value) + shift


def _read(code: Any, frame: Any) -> Array | None:
    try:
        value = eval(code, frame.f_globals, dict(frame.f_locals))
        value = np.asarray(value.detach() if hasattr(value, "detach") else value)
    except Exception:  # not assigned yet
        return None
    return value.astype(float) if value.dtype.kind in "fbiu" and value.size else None


def solutions(program: FunctionSource, rebuilt: Made, context: Context, until: float) -> Iterator[Edit]:
    """Yield changes that give an expression the value that it must have, the simplest at each place first."""
    atoms = {text_of(a): a for a in [*atoms_of(program.tree), *_inner(program.tree)]}
    codes = {text: compile(ast.Expression(ast.parse(text, mode="eval").body), "", "eval") for text in atoms}
    for site in sites(program.tree):
        if time.thread_time() > until:
            return
        if _is_number(site):
            yield from _at(site, program, rebuilt, context, codes)


def _inner(tree: Any) -> list[ast.expr]:
    """Return the products, sums and powers in a function that call nothing."""
    found = [n for n in ast.walk(tree) if isinstance(n, ast.BinOp)]
    return [n for n in found if not any(isinstance(m, ast.Call | ast.Lambda) for m in ast.walk(n))]


def _is_number(site: Site) -> bool:
    """Whether it can stand for a value: no index, no setting, nothing that is called or taken apart."""
    node, parent = site.node, site.parent
    if site.in_index or site.in_loop_head or site.loops or isinstance(parent, ast.Attribute | ast.keyword):
        return False
    if isinstance(node, ast.Constant) and (isinstance(node.value, bool) or not isinstance(node.value, int | float)):
        return False
    if isinstance(parent, ast.Call) and site.place[1] == "func":
        return False
    return isinstance(node, ast.BinOp | ast.Name | ast.Attribute | ast.Call | ast.Constant | ast.UnaryOp)


def _at(site: Site, program: FunctionSource, rebuilt: Made, context: Context, codes: dict[str, Any]) -> Iterator[Edit]:
    seen = Seen(codes)
    call = ast.Call(ast.Name(PROBE, ast.Load()), [site.node], [])
    undo = edit_at(site, "", "", 0.0, call).apply()
    function = program.compiled({**program.space, PROBE: seen})
    undo.apply()
    subject = None if function is None else rebuilt(function)
    if subject is None:
        return

    def run(shift: Array | None) -> Array | None:
        seen.shift, seen.count = shift, 0
        look()
        watched()
        try:
            arguments = {name: np.array(x) for name, x in context.arguments.items()}
            found = subject.backward(arguments, np.array(context.y_bar)).get(context.argument)
        except Exception:
            return None
        return None if found is None or seen.count != 1 else np.asarray(found, float)

    run(None)
    try:
        value = np.asarray(seen.value.detach() if hasattr(seen.value, "detach") else seen.value, float)
    except (TypeError, ValueError, RuntimeError):
        return
    around = dict(seen.around)
    for shape in dict.fromkeys((context.expected.shape, value.shape)):
        needed = _needed(run, shape, value, context)
        if needed is not None and needed.size >= FEWEST and (_varies(needed) or not _varies(value)):
            yield from _named(site, program, np.broadcast_to(value, needed.shape), needed, around)
            return


def _varies(a: Array) -> bool:
    """Whether it is not one number everywhere: where one is needed, what is there does not belong there."""
    return bool(np.ptp(a) > CLOSE * np.max(np.abs(a)))


def _needed(
    run: Callable[[Array | None], Array | None], shape: tuple[int, ...], value: Array, context: Context
) -> Array | None:
    """Return the value with which the gradient is right; None where it does not follow element by element."""
    expected = context.expected
    try:
        if (
            np.broadcast_shapes(shape, expected.shape) != expected.shape
            or np.broadcast_shapes(value.shape, shape) != shape
        ):
            return None
    except ValueError:
        return None
    other = np.random.default_rng(0).uniform(0.5, 1.5, shape)
    found = [run(np.zeros(shape)), run(np.ones(shape)), run(other)]
    if any(g is None or g.shape != expected.shape or not np.all(np.isfinite(g)) for g in found):
        return None
    base, ones, moved = found
    slope = ones - base  # type: ignore[operator]
    size = float(np.max(np.abs(slope), initial=0.0))
    if not size or np.max(np.abs(moved - base - slope * other)) > LINEAR * size:  # type: ignore[operator]
        return None
    lack = expected - base
    weight, wanted = _summed(slope * slope, shape), _summed(slope * lack, shape)
    if not np.all(weight):
        return None
    step = wanted / weight
    if not fits(base + slope * step, expected, context):
        return None
    return np.asarray(value + step)


def _summed(a: Array, shape: tuple[int, ...]) -> Array:
    """Return the sum over the axes along which a shape is spread."""
    a = a.sum(axis=tuple(range(a.ndim - len(shape))))
    return a.sum(axis=tuple(k for k, n in enumerate(shape) if n == 1 and a.shape[k] != 1), keepdims=True)


def _named(
    site: Site, program: FunctionSource, value: Array, needed: Array, around: dict[str, Array]
) -> Iterator[Edit]:
    known = phrases(around, needed.shape, library_of(program.space, program.tree))
    with np.errstate(all="ignore"):
        targets = [(needed, "is"), (needed / value, "times"), (value / needed, "over"), (needed - value, "plus")]
    for target, how in targets:
        free = np.isnan(target)  # 0 where 0 is needed: any factor does there
        if np.any(np.isinf(target)) or not np.any(target[~free]) or np.sum(~free) < FEWEST:
            continue
        for phrase, factor in times(known, target, CLOSE):
            new = phrase.scaled(factor)
            yield _edit(site, new, how, COST + 0.1 * phrase.size + 0.05 * (factor != 1))


def _edit(site: Site, new: Phrase, how: str, cost: float) -> Edit:
    node, text = site.node, new.text
    if how == "is":
        code = "other-argument" if new.size == 1 else "missing-term"
        before, after = _where_they_differ(node, new.node)
        what = f"{text_of(before)} is used where {ast.unparse(after)} is needed"
        return edit_at(site, code, what, cost, new.node)
    what, operator = {
        "times": (f"the factor {text} is missing", ast.Mult()),
        "over": (f"the division by {text} is missing", ast.Div()),
        "plus": (f"the term {text} is missing", ast.Add()),
    }[how]
    return edit_at(site, "missing-term", what, cost + 0.02, ast.BinOp(node, operator, new.node))


def _where_they_differ(before: ast.expr, after: ast.expr) -> tuple[ast.expr, ast.expr]:
    """Return what differs between two expressions: of two calls of one function, what it is called with."""
    if not isinstance(before, ast.Call) or not isinstance(after, ast.Call):
        return before, after
    same = text_of(before.func) == ast.unparse(after.func) and not before.keywords and not after.keywords
    if same and len(before.args) == len(after.args) == 1:
        return before.args[0], after.args[0]
    return before, after
