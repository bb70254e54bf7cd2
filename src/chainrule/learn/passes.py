"""Backward passes with a mistake: one line of a right one is rewritten, and `chainrule.check` confirms the mistake.

The rewritings are those that people make: a factor or a term dropped, a sign, a matrix not transposed, a mean for a
sum. One that leaves the gradient right is not used.
"""

import ast
import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from chainrule.check import check
from chainrule.present.texts import LANGUAGES, filled

from .code import run
from .draw import Draw
from .lines import Both, Scene

WHY: Mapping[str, Both] = {
    "factor": ("the factor `{part}` is missing in `{name}`", "`{name}`에서 인수 `{part}`{이} 빠졌습니다"),
    "divisor": ("`{name}` is not divided by `{part}`", "`{name}`{을} `{part}`{으로} 나누지 않았습니다"),
    "term": ("the term `{part}` is missing in `{name}`", "`{name}`에서 항 `{part}`{이} 빠졌습니다"),
    "sign": ("the sign in `{name}` is reversed", "`{name}`의 부호가 반대입니다"),
    "transposed": (
        "in `{name}`, `{part}` is transposed where it must not be, or not where it must be",
        "`{name}`에서 `{part}`의 전치가 빠졌거나 한 번 더 들어갔습니다",
    ),
    "mean": ("`{name}` is a mean where a sum is needed", "`{name}`에서 합 대신 평균을 구했습니다"),
}
"""What a rewriting does, in English and in Korean."""
Change = tuple[ast.expr, str, str]
"""A rewritten expression, the key of what was done, and the part it was done to."""


@dataclass(frozen=True)
class Slip:
    """A wrong backward pass: its source, the line that differs (from 0), what is wrong in both languages, its kind."""

    source: str
    line: int
    why: Mapping[str, str]
    kind: str


def report_of(scene: Scene, backward: Callable[..., Any], network: Callable[..., Any], explain: bool = True) -> Any:
    """Check a backward pass of a scene's network: only the learned arguments are differentiated."""
    order = list(scene.given)

    def reduced(*learned: Any) -> Any:
        values = dict(scene.given) | dict(zip(scene.learned, learned, strict=True))
        return network(*(values[name] for name in order))

    def by_hand(y_bar: Any, *learned: Any) -> Any:
        values = dict(scene.given) | dict(zip(scene.learned, learned, strict=True))
        got = backward(*(values[name] for name in order))
        return tuple(y_bar * np.asarray(g) for g in (got if isinstance(got, tuple) else (got,)))

    reduced.__name__ = network.__name__
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [inspect.Parameter(name, kind) for name in scene.learned]
    vars(reduced)["__signature__"] = inspect.Signature(names)  # findings say W1, not arg 0
    return check(reduced, *(scene.given[name] for name in scene.learned), backward=by_hand, explain=explain)


def slips(scene: Scene, source: str, network: Callable[..., Any], draw: Draw) -> Iterator[Slip]:
    """Yield wrong versions of a backward pass, at most one for a line, in an order that is drawn.

    They are judged at numbers at which nothing agrees by chance: with x = 1 a missing factor x is no mistake.
    """
    elsewhere, lines = scene.elsewhere(Draw("slips", source)), set()
    for slip in draw.shuffled(_rewritten(source)):
        if slip.line not in lines and _is_wrong(elsewhere, slip.source, network):
            lines.add(slip.line)
            yield slip


def _is_wrong(scene: Scene, source: str, network: Callable[..., Any]) -> bool:
    """Whether it runs and `check` refuses it; what does not run, nobody would hand in."""
    try:
        return bool(report_of(scene, run(source, "backward"), network, explain=False).verdict == "wrong")
    except (ValueError, TypeError, IndexError):
        return False


@cache
def _rewritten(source: str) -> tuple[Slip, ...]:
    """Return each version of a source with one rewriting."""
    tree = ast.parse(source)
    found = []
    for k, statement in enumerate(_body(tree)):
        if not isinstance(statement, ast.Assign) or not _is_backward(statement):
            continue
        for value, done, part in _changes(statement.value):
            changed = copy.deepcopy(tree)
            line = _body(changed)[k]
            assert isinstance(line, ast.Assign)
            line.value = value
            fields = {"name": ast.unparse(statement.targets[0]), "part": part}
            why = {lang: filled(text, **fields) for lang, text in zip(LANGUAGES, WHY[done], strict=True)}
            text = ast.unparse(changed)
            found.append(Slip(text, _first_difference(ast.unparse(tree), text), why, done))
    return tuple(found)


def _first_difference(a: str, b: str) -> int:
    return next(k for k, (x, y) in enumerate(zip(a.splitlines(), b.splitlines(), strict=True)) if x != y)


def _body(tree: ast.Module) -> list[ast.stmt]:
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    return function.body


def _is_backward(statement: ast.Assign) -> bool:
    target = statement.targets[0]
    return isinstance(target, ast.Name) and target.id.startswith("d") and not isinstance(statement.value, ast.Name)


def _changes(node: ast.expr) -> Iterator[Change]:
    """Yield an expression with one thing in it changed."""
    yield from _here(node)
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.expr):
            for other, done, part in _changes(value):
                copied = copy.copy(node)
                setattr(copied, field, other)
                yield copied, done, part


def _here(node: ast.expr) -> Iterator[Change]:
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield left, "factor", ast.unparse(right)
            yield right, "factor", ast.unparse(left)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            yield left, "divisor", ast.unparse(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            yield ast.BinOp(right, ast.Sub(), left), "sign", ""
            yield left, "term", ast.unparse(right)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield left, "term", ast.unparse(right)
            yield right, "term", ast.unparse(left)
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            yield ast.BinOp(_flipped(left), ast.MatMult(), right), "transposed", _bare(left)
            yield ast.BinOp(left, ast.MatMult(), _flipped(right)), "transposed", _bare(right)
        case ast.Call(func=ast.Attribute(value=x, attr="sum"), keywords=keywords):
            yield ast.Call(ast.Attribute(x, "mean"), [], keywords), "mean", ""


def _flipped(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Attribute) and node.attr == "T" else ast.Attribute(node, "T")


def _bare(node: ast.expr) -> str:
    return ast.unparse(node).removesuffix(".T")
