"""Whole factors and terms that are missing: the slope of an activation, a product of two values, the sum of one."""

import ast
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations_with_replacement, product
from typing import Any

from .sites import OWNERS, Edit, Site, calls, edit_at, is_held, text_of

MOST = 12
"""The most values of which pairs are tried."""
GIVEN = 0.15
"""How much more far-fetched it is that a parameter was forgotten which the caller passes in any case."""
FORGOTTEN: tuple[tuple[ast.operator, str], ...] = (
    (ast.Mult(), "the factor {} is missing"),
    (ast.Add(), "the term {} is missing"),
    (ast.Sub(), "the term {} is missing"),
    (ast.Div(), "the division by {} is missing"),
)
"""How a variable may have been used that nothing reads."""
AXES = (1, -1, 0)
"""The axes along which products are summed."""


def compounds(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Multiply what a statement assigns by such a factor, or add such a term to it."""
    node = site.node
    yield from _projections(site, atoms)
    if not site.is_value or isinstance(node, ast.Constant):
        return
    for atom in atoms:
        for slope in _slopes(atom):
            what = f"the factor {text_of(slope)} is missing"
            yield edit_at(site, "missing-term", what, 1.75, ast.BinOp(node, ast.Mult(), slope))
    if len(atoms) > MOST:
        return
    for a, b in combinations_with_replacement(atoms, 2):
        both = ast.BinOp(a, ast.Mult(), b)
        what = f"the factor {text_of(both)} is missing"
        yield edit_at(site, "missing-term", what, 2.5, ast.BinOp(node, ast.Mult(), both))
        yield from _terms(site, both, 2.6)
    for a, b in product(atoms, repeat=2):
        if text_of(a) != text_of(b):
            for left, right in ((a, b), (a, ast.Attribute(b, "T", ast.Load())), (ast.Attribute(a, "T", ast.Load()), b)):
                yield from _terms(site, ast.BinOp(left, ast.MatMult(), right), 2.7)


def _slopes(atom: ast.expr) -> list[ast.expr]:
    """Return the slopes of a sigmoid and of a tanh, given its value, and that of a ReLU."""
    one = ast.Constant(1)
    square = ast.BinOp(atom, ast.Pow(), ast.Constant(2))
    return [
        ast.BinOp(atom, ast.Mult(), ast.BinOp(one, ast.Sub(), atom)),
        ast.BinOp(one, ast.Sub(), square),
        ast.Compare(atom, [ast.Gt()], [ast.Constant(0)]),
    ]


def _terms(site: Site, term: ast.expr, cost: float) -> Iterator[Edit]:
    what = f"the term {text_of(term)} is missing"
    for kind in (ast.Add(), ast.Sub()):
        yield edit_at(site, "missing-term", what, cost, ast.BinOp(site.node, kind, term))


def _projections(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Subtract the sum of a product, as the rule of a softmax does, or take it for a plain value."""
    node, parent = site.node, site.parent
    is_subtracted = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Sub) and site.place[1] == "right"
    is_factor = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult)
    in_place_of = is_subtracted and isinstance(node, ast.Name)
    if len(atoms) > MOST or site.in_index or not (in_place_of or is_factor or site.is_value):
        return
    for a, b in combinations_with_replacement(atoms, 2):
        for axis in AXES:
            total = ast.Call(
                ast.Attribute(ast.BinOp(a, ast.Mult(), b), "sum", ast.Load()),
                [],
                [ast.keyword("axis", ast.Constant(axis)), ast.keyword("keepdims", ast.Constant(True))],
            )
            if in_place_of:
                what = f"{text_of(node)} is used where {text_of(total)} is needed"
                yield edit_at(site, "missing-term", what, 2.1, total)
            else:
                what = f"the term {text_of(total)} is missing"
                yield edit_at(site, "missing-term", what, 2.45, ast.BinOp(node, ast.Sub(), total))


def forgotten(site: Site, names: Sequence[str], certain: Collection[str]) -> Iterator[Edit]:
    """Use a variable that nothing reads: it is most likely what is missing, above all one that is `certain`."""
    node = site.node
    if site.in_index or isinstance(node, ast.Tuple | ast.Slice | ast.keyword | ast.Constant):
        return
    in_product = isinstance(site.parent, ast.BinOp)
    in_branch = calls(site.parent, "where") and site.place[1:] in (("args", 1), ("args", 2))
    inserted = site.is_value or in_product or in_branch
    for name in names:
        atom, more = ast.parse(name, mode="eval").body, 0.0 if name in certain else GIVEN
        for kind, what in FORGOTTEN if inserted else ():
            what = f"{what.format(name)}, which is nowhere used"
            yield edit_at(site, "missing-term", what, 1.22 + more + 0.02 * in_product, ast.BinOp(node, kind, atom))
        if _is_plain(site) and text_of(node) != name:
            what = f"{text_of(node)} is used where {name} is needed, which is nowhere used"
            yield edit_at(site, "other-argument", what, 1.21 + more + 0.005 * (not inserted), atom)


def _is_plain(site: Site) -> bool:
    """Whether it is a variable that stands for a value: it is not called, and nothing is taken from it."""
    is_called = isinstance(site.parent, ast.Call) and site.place[1] == "func"
    is_variable = isinstance(site.node, ast.Name) or (isinstance(site.node, ast.Attribute) and is_held(site.node.value))
    return is_variable and not is_called and not isinstance(site.parent, ast.Attribute)


def unread(tree: ast.AST) -> list[str]:
    """Return the variables, and parameters, that a function never reads, without those of loops.

    Nor those beside a length that it reads: `N, C, H, W = x.shape` names all, whichever are needed.
    """
    given = [n.arg for n in ast.walk(tree) if isinstance(n, ast.arg) and n.arg not in OWNERS]
    nodes = list(ast.walk(tree))
    loops = [n for one in nodes if isinstance(one, ast.For | ast.comprehension) for n in ast.walk(one.target)]
    names = [n for n in nodes if isinstance(n, ast.Name)]
    own = {id(n) for one in nodes for n in _read_for_itself(one)}
    read = {n.id for n in names if isinstance(n.ctx, ast.Load) and id(n) not in own}
    read |= {n.id for n in loops if isinstance(n, ast.Name)}
    read |= {n.id for one in nodes for n in _lengths(one)}
    bound = [*(n.id for n in names if isinstance(n.ctx, ast.Store)), *given]
    return [name for name in dict.fromkeys(bound) if name not in {*read, "_"}]


def _lengths(statement: ast.AST) -> list[ast.Name]:
    """Return what a statement takes apart a shape into."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Tuple):
        return []
    value = statement.value
    is_shape = isinstance(value, ast.Attribute) and value.attr == "shape"
    is_size = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "size"
    names = [n for n in statement.targets[0].elts if isinstance(n, ast.Name)]
    return names if is_shape or is_size else []


def _read_for_itself(statement: ast.AST) -> list[ast.Name]:
    """Return where a variable is read only to be assigned anew, as in `q = q.unsqueeze(0)`."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return []
    target = statement.targets[0]
    inside = [n for n in ast.walk(statement.value) if isinstance(n, ast.Name)]
    return [n for n in inside if isinstance(target, ast.Name) and n.id == target.id]


def needed(tree: Any) -> set[str]:
    """Return the variables that a function would not have if it did not need them: its own, and its first parameter.

    The others are what its caller passes to every such function; the first is what arrives, or what was saved.
    """
    parameters = [a.arg for a in (*tree.args.posonlyargs, *tree.args.args) if a.arg not in OWNERS]
    return {*(n.id for n in ast.walk(tree) if isinstance(n, ast.Name)), *parameters[:1]}


def given_numbers(site: Site, small: Sequence[float]) -> Iterator[Edit]:
    """Use a number of the forward pass: its slope, its rate, its weight."""
    node = site.node
    if site.in_index:
        return
    is_number = (
        isinstance(node, ast.Constant) and isinstance(node.value, float | int) and not isinstance(node.value, bool)
    )
    if is_number and not isinstance(site.parent, ast.keyword):
        for value in small:
            if value != node.value:
                what = f"the number is wrong: the forward pass has {value:g}"
                yield edit_at(site, "mask" if site.in_mask else "factor", what, 1.25, ast.Constant(value))
    if site.is_value and not is_number:
        for value in small:
            for kind, what in ((ast.Mult(), "factor"), (ast.Div(), "division by")):
                yield edit_at(
                    site, "factor", f"the {what} {value:g} is missing", 1.85, ast.BinOp(node, kind, ast.Constant(value))
                )


def signs_of(site: Site, atoms: Sequence[ast.expr], library: str) -> Iterator[Edit]:
    """Give a number the sign of a value: the slope of |d| is not 1 but sign(d)."""
    node, parent = site.node, site.parent
    in_where = isinstance(parent, ast.Call) and getattr(parent.func, "attr", "") == "where" and site.place[1] == "args"
    is_plain = isinstance(node, ast.Name | ast.Attribute) or (
        isinstance(node, ast.Constant) and isinstance(node.value, int | float) and bool(node.value)
    )
    if not library or not is_plain or site.in_index or not (in_where or site.is_value):
        return
    for atom in atoms:
        if text_of(atom) != text_of(node):
            sign = ast.Call(ast.Attribute(ast.Name(library, ast.Load()), "sign", ast.Load()), [atom], [])
            new = sign if text_of(node) in ("1", "1.0") else ast.BinOp(node, ast.Mult(), sign)
            cost = 1.7 if new is sign or in_where else 2.05  # of a mask, the factor itself is what is missing
            yield edit_at(site, "sign", f"the sign of {text_of(atom)} is missing", cost, new)
