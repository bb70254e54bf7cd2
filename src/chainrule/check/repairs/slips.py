"""Slips of the pen: a power of the whole for one of a part, another activation's slope, parts out of order, an axis."""

import ast
import functools
from collections.abc import Iterator
from itertools import combinations

from .sites import Edit, Site, calls, edit_at, text_of

STACKS = ("hstack", "vstack", "dstack", "stack", "concatenate", "cat", "column_stack")
"""Functions that put parts side by side."""


def slips(site: Site) -> Iterator[Edit]:
    """Undo such a slip."""
    if site.in_index:
        return
    if isinstance(site.node, ast.BinOp):
        yield from _powers(site, site.node)
        yield from _slopes(site, site.node)
        yield from _diagonal(site, site.node)
    if isinstance(site.node, ast.Call | ast.BinOp):
        yield from _halves(site, site.node)
    if isinstance(site.node, ast.Name | ast.Attribute):
        yield from _columns(site, site.node)
        yield from _half_of_value(site, site.node)
    is_parts = isinstance(site.node, ast.Tuple | ast.List) and site.place[1:] == ("args", 0)
    if is_parts and calls(site.parent, *STACKS):
        yield from _orders(site, site.node)


def _powers(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    """Take `(1 - h) ** 2` for `1 - h ** 2`, and the other way round."""
    left, right = node.left, node.right
    if isinstance(node.op, ast.Pow) and isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add | ast.Sub):
        new = ast.BinOp(left.left, left.op, ast.BinOp(left.right, ast.Pow(), right))
        what = f"the power is taken of {text_of(left)} where one of {text_of(left.right)} alone is needed"
        yield edit_at(site, "missing-term", what, 1.25, new)
    is_sum = isinstance(node.op, ast.Add | ast.Sub)
    if is_sum and isinstance(right, ast.BinOp) and isinstance(right.op, ast.Pow):
        whole = ast.BinOp(left, node.op, right.left)
        what = f"the power is taken of {text_of(right.left)} alone where one of {ast.unparse(whole)} is needed"
        yield edit_at(site, "missing-term", what, 1.35, ast.BinOp(whole, ast.Pow(), right.right))


def _slopes(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    """Take the slope of a sigmoid for that of a tanh, and the other way round, both by their values."""
    one = ast.Constant(1)
    if isinstance(node.op, ast.Mult):
        for value, rest in ((node.left, node.right), (node.right, node.left)):
            if text_of(rest) == f"1 - {text_of(value)}":
                what = "the slope of a sigmoid is used where that of a tanh is needed"
                new = ast.BinOp(one, ast.Sub(), ast.BinOp(value, ast.Pow(), ast.Constant(2)))
                yield edit_at(site, "missing-term", what, 1.3, new)
    power = node.right
    if isinstance(node.op, ast.Sub) and text_of(node.left) in ("1", "1.0") and isinstance(power, ast.BinOp):
        is_square = isinstance(power.op, ast.Pow) and text_of(power.right) == "2"
        if is_square or (isinstance(power.op, ast.Mult) and text_of(power.left) == text_of(power.right)):
            what = "the slope of a tanh is used where that of a sigmoid is needed"
            new = ast.BinOp(power.left, ast.Mult(), ast.BinOp(one, ast.Sub(), power.left))
            yield edit_at(site, "missing-term", what, 1.4, new)


def _halves(site: Site, node: ast.Call | ast.BinOp) -> Iterator[Edit]:
    """Complete half of the slope of a sigmoid that is called where it is needed, `sigmoid(x)` or `1 - sigmoid(x)`."""
    other: ast.expr
    if isinstance(node, ast.Call):
        called, other = node, ast.BinOp(ast.Constant(1), ast.Sub(), node)
    elif isinstance(node.op, ast.Sub) and text_of(node.left) in ("1", "1.0") and isinstance(node.right, ast.Call):
        called = other = node.right
    else:
        return
    is_factor = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Mult)
    if is_factor and len(called.args) == 1 and not called.keywords:
        what = f"the factor {text_of(other)} is missing"
        yield edit_at(site, "missing-term", what, 1.24, ast.BinOp(node, ast.Mult(), other))


def _half_of_value(site: Site, node: ast.Name | ast.Attribute) -> Iterator[Edit]:
    """Complete half of the slope of a sigmoid, written by its value: `g * s` for `g * s * (1 - s)`."""
    if isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Mult):
        rest = ast.BinOp(ast.Constant(1), ast.Sub(), node)
        what = f"the factor {text_of(rest)} is missing"
        yield edit_at(site, "missing-term", what, 1.32, ast.BinOp(node, ast.Mult(), rest))


def _diagonal(site: Site, node: ast.BinOp) -> Iterator[Edit]:
    """Take the whole Jacobian of a softmax for its diagonal: `p * (g - (g * p).sum(…))` for `g * p * (1 - p)`."""
    parts = _factors(node)
    is_whole = not (isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Mult))
    for one in parts if is_whole and len(parts) > 2 else ():
        rest = [p for p in parts if p is not one and text_of(p) != f"1 - {text_of(one)}"]
        if len(rest) != len(parts) - 2:
            continue
        arriving = functools.reduce(lambda a, b: ast.BinOp(a, ast.Mult(), b), rest)
        for axis in (-1, 0):
            along = [ast.keyword("axis", ast.Constant(axis)), ast.keyword("keepdims", ast.Constant(True))]
            total = ast.Call(ast.Attribute(ast.BinOp(arriving, ast.Mult(), one), "sum", ast.Load()), [], along)
            what = f"of the softmax's Jacobian there is only the diagonal, {text_of(one)} * (1 - {text_of(one)})"
            new = ast.BinOp(one, ast.Mult(), ast.BinOp(arriving, ast.Sub(), total))
            yield edit_at(site, "missing-term", what, 1.3, new)


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _columns(site: Site, node: ast.Name | ast.Attribute) -> Iterator[Edit]:
    """Take `g[:, None] * p` for `g * p`, which spreads one number for each row along the rows."""
    parent = site.parent
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.Div | ast.Add | ast.Sub):
        what = f"{text_of(node)} needs a new axis at its end"
        for cost, whole in ((2.15, ast.Slice()), (2.2, ast.Constant(...))):
            index = ast.Tuple([whole, ast.Constant(None)], ast.Load())
            yield edit_at(site, "axes-swapped", what, cost, ast.Subscript(node, index, ast.Load()))


def _orders(site: Site, node: ast.Tuple | ast.List) -> Iterator[Edit]:
    """Exchange two of the parts that are put side by side."""
    for i, j in combinations(range(len(node.elts)), 2):
        parts = list(node.elts)
        parts[i], parts[j] = parts[j], parts[i]
        what = f"{text_of(node.elts[i])} and {text_of(node.elts[j])} are in each other's place"
        yield edit_at(site, "axes-swapped", what, 1.28, type(node)(parts, ast.Load()))
