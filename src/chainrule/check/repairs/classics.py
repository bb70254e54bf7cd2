"""Mistakes that courses know by name: one row for all, repeated indices, an earlier value overwritten, n for n − 1."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from types import ModuleType
from typing import Any

from .sites import Edit, Place, Site, edit_at, text_of

OF_ARRAYS = ("exp", "sqrt", "where", "floor", "pi")
"""What a library of arrays has."""
NUMPY = ("np", "numpy", "jnp", "cr", "torch")
"""What a library of arrays is called."""
FUNCTIONS = ("exp", "tanh", "log", "sqrt")
"""Functions that are left out."""


def classics(site: Site, atoms: Sequence[ast.expr], space: Mapping[str, Any]) -> Iterator[Edit]:
    """Undo such a mistake in one expression."""
    node = site.node
    if isinstance(node, ast.Tuple) and isinstance(site.parent, ast.Subscript) and site.parent.slice is node:
        yield from _rows(site, node)
        yield from _new_axes(site, node)
    if site.in_index or isinstance(node, ast.Tuple | ast.Slice | ast.keyword):
        return
    is_divisor = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Div) and site.place[1] == "right"
    if is_divisor and isinstance(node, ast.Name):
        for kind, sign in ((ast.Sub(), "-"), (ast.Add(), "+")):
            what = f"{node.id} is used where {node.id} {sign} 1 is needed"
            yield edit_at(site, "factor", what, 1.6, ast.BinOp(node, kind, ast.Constant(1)))
    is_term = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Add | ast.Sub)
    if is_term and isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        for number in (2, 3, 0.5):
            new = ast.BinOp(ast.Constant(number), ast.Mult(), node)
            yield edit_at(site, "factor", f"the factor {number:g} is missing", 1.95, new)
    if site.is_value and isinstance(node, ast.BinOp):
        for atom in atoms:
            root = ast.BinOp(atom, ast.Pow(), ast.Constant(0.5))
            what = f"the division by the root of {text_of(atom)} is missing"
            yield edit_at(site, "factor", what, 2.15, ast.BinOp(node, ast.Div(), root))
    if isinstance(node, ast.Name) and isinstance(site.parent, ast.BinOp):
        yield from _functions(site, node, space)


def _rows(site: Site, node: ast.Tuple) -> Iterator[Edit]:
    """Give each row its own column: `d[:, y]` where `d[range(len(y)), y]` is needed."""
    if len(node.elts) != 2 or not isinstance(node.elts[0], ast.Slice) or not isinstance(node.elts[1], ast.Name):
        return
    whole, column = node.elts
    if any(part is not None for part in (whole.lower, whole.upper, whole.step)):  # type: ignore[attr-defined]
        return
    length = ast.Call(ast.Name("len", ast.Load()), [column], [])
    rows = ast.Call(ast.Name("range", ast.Load()), [length], [])
    what = f"all rows are indexed where each row has its own entry of {text_of(column)}"
    yield edit_at(site, "partial", what, 1.3, ast.Tuple([rows, column], ast.Load()))


def _new_axes(site: Site, node: ast.Tuple) -> Iterator[Edit]:
    """Put new axes elsewhere: `g[:, None]` where `g[None, :]` is needed."""
    is_new = [isinstance(e, ast.Constant) and e.value is None for e in node.elts]
    if not any(is_new) or all(is_new):
        return
    others = [e for e, new in zip(node.elts, is_new, strict=True) if not new]
    for places in combinations(range(len(node.elts)), sum(is_new)):
        if [k in places for k in range(len(node.elts))] == is_new:
            continue
        rest = iter(others)
        elements = [ast.Constant(None) if k in places else next(rest) for k in range(len(node.elts))]
        yield edit_at(site, "axes-swapped", "the new axis is in the wrong place", 1.3, ast.Tuple(elements, ast.Load()))


def _functions(site: Site, node: ast.Name, space: Mapping[str, Any]) -> Iterator[Edit]:
    library = library_of(space)
    for name in FUNCTIONS if library else ():
        called = ast.Call(ast.Attribute(ast.Name(library, ast.Load()), name, ast.Load()), [node], [])
        yield edit_at(site, "missing-term", f"{node.id} is used where {name}({node.id}) is needed", 2.4, called)


def library_of(space: Mapping[str, Any], tree: Any = None) -> str:
    """Return what a library of arrays is called, rather one that the function uses, or an empty string."""
    used = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name)] if tree is not None else []
    own = next((name for name in used if _has_functions(space.get(name))), "")
    usual = own or next((name for name in NUMPY if name in space), "")
    return usual or next((name for name, value in space.items() if _has_functions(value)), "")


def _has_functions(value: Any) -> bool:
    return isinstance(value, ModuleType) and all(hasattr(value, name) for name in OF_ARRAYS)


def statements(found: tuple[ast.stmt, Place], tree: Any, space: Mapping[str, Any]) -> Iterator[Edit]:
    """Undo such a mistake in how a statement assigns."""
    statement, place = found
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add):
        target = statement.target
        if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice) and "np" in space:
            at = ast.Attribute(ast.Attribute(ast.Name("np", ast.Load()), "add", ast.Load()), "at", ast.Load())
            array = ast.Name(target.value.id, ast.Load()) if isinstance(target.value, ast.Name) else target.value
            new = ast.Expr(ast.Call(at, [array, target.slice, statement.value], []))
            what = "an index that occurs several times counts only once in +="
            yield _statement(statement, place, "partial", what, 1.2, new)
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        name = statement.targets[0].id
        if _assigned_before(tree, statement, name):
            what = f"{name} is overwritten where a contribution must be added to it"
            new_value = ast.AugAssign(ast.Name(name, ast.Store()), ast.Add(), statement.value)
            yield _statement(statement, place, "missing-term", what, 1.25, new_value)


def _assigned_before(tree: Any, statement: ast.stmt, name: str) -> bool:
    earlier = (n for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id == name)
    return any(n.lineno < statement.lineno for n in earlier)


def _statement(statement: ast.stmt, place: Place, code: str, what: str, cost: float, new: ast.stmt) -> Edit:
    new = ast.copy_location(new, statement)
    ast.fix_missing_locations(new)
    return Edit(
        code,
        what,
        cost,
        [(place, new)],
        statement.lineno,
        lambda: (ast.unparse(statement), ast.unparse(new)),
        statement.col_offset,
    )
