"""Mistakes put into a function by program: one change of its syntax tree each."""

import ast
import copy
import inspect
import linecache
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """A changed function: what kind of mistake it has, where, and what was written before."""

    kind: str
    line: int
    before: str
    after: str
    function: Callable[..., Any]
    text: str
    original: str

    @property
    def statements(self) -> int:
        """How many statements the function has."""
        body = [n for n in ast.walk(ast.parse(self.text)) if isinstance(n, ast.stmt)]
        is_text = [isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) for n in body]
        return len(body) - 1 - sum(is_text)


def mutants(f: Callable[..., Any]) -> list[Mutant]:
    """Return every mutant of a function."""
    tree = _parsed(f)
    found = []
    nodes = list(ast.walk(tree))
    for position, node in enumerate(nodes):
        for kind, change in _changes(node, _variables(tree)):
            twin = copy.deepcopy(tree)
            target = list(ast.walk(twin))[position]
            replaced = change(target)
            _replace(twin, target, replaced)
            text = ast.unparse(ast.fix_missing_locations(twin))
            before, after = ast.unparse(node), ast.unparse(replaced)
            if text != ast.unparse(tree):
                found.append((kind, before, after, text))
    return [_compiled(f, k, *rest) for k, rest in enumerate(found)]


def _compiled(f: Callable[..., Any], number: int, kind: str, before: str, after: str, text: str) -> Mutant:
    name = f"<mutant {number} of {f.__module__}.{f.__qualname__}, line {f.__code__.co_firstlineno}>"
    lines = text.splitlines(keepends=True)
    linecache.cache[name] = (len(text), None, lines, name)
    space = dict(f.__globals__)
    exec(compile(text, name, "exec"), space)
    original = ast.unparse(_parsed(f)).splitlines()
    line = next((k for k, (a, b) in enumerate(zip(original, text.splitlines(), strict=False), 1) if a != b), 0)
    made = getattr(space[f.__name__], "__func__", space[f.__name__])
    made.__module__, made.__qualname__ = f.__module__, f.__qualname__
    return Mutant(kind, line, before, after, made, text, "\n".join(original))


def _parsed(f: Callable[..., Any]) -> ast.Module:
    """Return a function's syntax tree without `@g.defjvp`: a mutant that is compiled must not become the rule of g."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(f)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [d for d in node.decorator_list if not {"defjvp", "defvjp"} & _attributes(d)]
    return tree


def _attributes(node: ast.AST) -> set[str]:
    return {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}


def _variables(tree: ast.AST) -> list[str]:
    definition = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))
    names = [a.arg for a in definition.args.args]
    names += [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return list(dict.fromkeys(names))


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return
            if isinstance(value, list) and any(item is old for item in value):
                value[next(k for k, item in enumerate(value) if item is old)] = new
                return


def _changes(node: ast.AST, names: list[str]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    if isinstance(node, ast.BinOp):
        yield from _of_operation(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield "sign", lambda n: n.operand
    if isinstance(node, ast.Return) and not isinstance(node.value, ast.Tuple):
        yield "sign", lambda n: ast.Return(ast.UnaryOp(ast.USub(), n.value))
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transposition", lambda n: n.value
    if isinstance(node, ast.keyword) and node.arg == "axis":
        yield "axis", _with_axis
    if isinstance(node, ast.keyword) and node.arg == "keepdims":
        yield "axis", lambda _: ast.keyword("keepdims", ast.Constant(False))
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        for k in range(2):
            other = names[(names.index(node.id) + 1 + 2 * k) % len(names)]
            yield "variable", lambda n, other=other: ast.Name(other, n.ctx)
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield "off by one", lambda n: ast.Constant(n.value + 1)
        yield "off by one", lambda n: ast.Constant(n.value - 1)
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Gt):
        yield "comparison", lambda n: ast.Compare(n.left, [ast.GtE()], n.comparators)
        yield "comparison", lambda n: ast.Compare(n.left, [ast.Lt()], n.comparators)
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub if isinstance(node.op, ast.Add) else ast.Add
        yield "sign", lambda n: ast.AugAssign(n.target, other(), n.value)
        yield "dropped term", lambda n: ast.Assign([n.target], n.value)
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "sum":
        yield "reduction", lambda n: ast.Call(ast.Attribute(n.func.value, "mean", ast.Load()), n.args, n.keywords)


def _of_operation(node: ast.BinOp) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    if isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub if isinstance(node.op, ast.Add) else ast.Add
        yield "sign", lambda n: ast.BinOp(n.left, other(), n.right)
        yield "dropped term", lambda n: n.left
        yield "dropped term", lambda n: n.right
    if isinstance(node.op, ast.Mult | ast.Div | ast.Pow):
        yield "dropped factor", lambda n: n.left
    if isinstance(node.op, ast.Mult):
        yield "dropped factor", lambda n: n.right
    if isinstance(node.op, ast.MatMult):
        for side in ("left", "right"):
            if not (isinstance(getattr(node, side), ast.Attribute) and getattr(node, side).attr == "T"):
                yield "transposition", lambda n, side=side: _turned(n, side)


def _turned(node: ast.BinOp, side: str) -> ast.BinOp:
    setattr(node, side, ast.Attribute(getattr(node, side), "T", ast.Load()))
    return node


def _with_axis(node: ast.keyword) -> ast.keyword:
    old = ast.unparse(node.value)
    return ast.keyword("axis", ast.Constant(1 if old in ("0", "(0, 2, 3)") else 0))
