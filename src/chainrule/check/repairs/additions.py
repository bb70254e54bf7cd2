"""Things that are missing, or not the ones needed: a variable, a factor, a term, a sum."""

import ast
import builtins
import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .changes import AXES
from .sites import OWNERS, Edit, Place, Site, edit_at, text_of


def variables(site: Site, atoms: Sequence[ast.expr], space: Mapping[str, Any]) -> Iterator[Edit]:
    """Replace a variable, or a name that stands for nothing, by another."""
    node = site.node
    text = text_of(node)
    known = {text_of(atom) for atom in atoms} | set(OWNERS)
    nothing = isinstance(node, ast.Name) and node.id not in space and not hasattr(builtins, node.id)
    if (text not in known and not nothing) or (isinstance(site.parent, ast.Call) and site.place[1] == "func"):
        return
    in_mask = isinstance(site.parent, ast.Compare)
    # What an attribute is taken of may be the object itself; nowhere else it stands for a value.
    owners = [ast.Name(name, ast.Load()) for name in OWNERS] if isinstance(site.parent, ast.Attribute) else []
    # A list that is appended to itself has no end.
    own = text_of(getattr(getattr(site.parent, "func", None), "value", ast.Constant(0)))
    for atom in [*atoms, *owners]:
        if text_of(atom) not in (text, own) and not in_mask:
            code = "shifted" if site.in_index else "other-argument"
            # The object itself is no number, except to what an attribute of it is given.
            cost = 1.1 if text in OWNERS and not owners else 1.6
            yield edit_at(site, code, f"{text} is used where {text_of(atom)} is needed", cost, atom)


def added(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Insert what may be missing: a factor, a term, a sum, a square."""
    node = site.node
    if site.in_index or isinstance(node, ast.Tuple | ast.Slice | ast.keyword):
        return
    if isinstance(node, ast.Constant) and not isinstance(node.value, int | float):
        return
    if (isinstance(site.parent, ast.Attribute) and not site.in_sum) or (
        isinstance(site.parent, ast.Call) and site.place[1] == "func"
    ):
        return
    is_factor = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.Mult | ast.Div)
    if is_factor or site.is_value:
        for atom in atoms:
            squared = ast.BinOp(atom, ast.Pow(), ast.Constant(2))
            yield edit_at(
                site,
                "missing-term",
                f"the term {text_of(squared)} is missing",
                2.4,
                ast.BinOp(node, ast.Sub(), squared),
            )
    in_product = isinstance(site.parent, ast.BinOp) and isinstance(site.parent.op, ast.MatMult)
    if site.is_value or in_product:
        turned = ast.Attribute(node, "T", ast.Load())
        what = f"the term {text_of(turned)} is missing: {text_of(node)} counts once where it enters twice"
        yield edit_at(site, "missing-term", what, 1.65, ast.BinOp(node, ast.Add(), turned))
    if _is_term(site):
        for atom in atoms:
            if text_of(atom) != text_of(node):
                yield from _factors_of_term(site, atom)
    if site.is_value or is_factor or site.in_sum or isinstance(node, ast.BinOp):
        for atom in atoms:
            name = text_of(atom)
            if name == text_of(node) and not site.is_value:
                continue
            yield edit_at(site, "missing-term", f"the factor {name} is missing", 2.0, ast.BinOp(node, ast.Mult(), atom))
            yield edit_at(
                site, "missing-term", f"the division by {name} is missing", 2.1, ast.BinOp(node, ast.Div(), atom)
            )
            yield edit_at(site, "missing-term", f"the term {name} is missing", 2.2, ast.BinOp(node, ast.Add(), atom))
            yield edit_at(site, "missing-term", f"the term {name} is missing", 2.2, ast.BinOp(node, ast.Sub(), atom))
            square = ast.BinOp(atom, ast.Pow(), ast.Constant(2))
            what = f"the division by {text_of(square)} is missing"
            yield edit_at(site, "missing-term", what, 2.35, ast.BinOp(node, ast.Div(), square))
            if site.is_value:
                negative = ast.BinOp(node, ast.Mult(), ast.UnaryOp(ast.USub(), atom))
                yield edit_at(site, "missing-term", f"the factor -{name} is missing", 2.25, negative)
            yield edit_at(site, "missing-term", f"the term {name} is missing", 2.25, ast.BinOp(atom, ast.Sub(), node))
            one_less = ast.BinOp(ast.Constant(1), ast.Sub(), atom)
            yield edit_at(
                site, "missing-term", f"the factor 1 - {name} is missing", 2.3, ast.BinOp(node, ast.Mult(), one_less)
            )
            length = ast.Subscript(ast.Attribute(atom, "shape", ast.Load()), ast.Constant(0), ast.Load())
            yield edit_at(
                site, "factor", f"the division by {name}.shape[0] is missing", 2.2, ast.BinOp(node, ast.Div(), length)
            )
    in_call = isinstance(site.parent, ast.Call) and site.place[1] == "args" and len(site.parent.args) == 1
    if in_call and not site.in_sum:
        for atom in atoms:
            if text_of(atom) != text_of(node):
                what = f"the term {text_of(atom)} is missing"
                yield edit_at(site, "missing-term", what, 2.3, ast.BinOp(atom, ast.Add(), node))
    if is_factor:
        one_more = ast.BinOp(ast.Constant(1), ast.Add(), node)
        yield edit_at(site, "missing-term", "the term 1 is missing", 2.2, one_more)
    if is_factor or in_call or isinstance(site.parent, ast.BinOp):
        squared = ast.BinOp(node, ast.Pow(), ast.Constant(2))
        yield edit_at(site, "missing-term", f"the square of {text_of(node)} is needed", 1.9, squared)
        yield _opposite(site)
    if site.is_value:
        for number, name in ((2, "2"), (0.5, "0.5")):
            yield edit_at(
                site, "factor", f"the factor {name} is missing", 1.9, ast.BinOp(node, ast.Mult(), ast.Constant(number))
            )
        for axis in AXES[:4] + AXES[6:]:
            shown = (
                ast.Constant(axis)
                if not isinstance(axis, tuple)
                else ast.Tuple([ast.Constant(k) for k in axis], ast.Load())
            )
            total = ast.Call(ast.Attribute(node, "sum", ast.Load()), [], [ast.keyword("axis", shown)])
            yield edit_at(site, "broadcast-sum", f"the sum over axis {axis} is missing", 1.7, total)
            kept = ast.Call(
                ast.Attribute(node, "sum", ast.Load()),
                [],
                [ast.keyword("axis", shown), ast.keyword("keepdims", ast.Constant(True))],
            )
            yield edit_at(site, "broadcast-sum", f"the sum over axis {axis} is missing", 1.8, kept)


def _is_term(site: Site) -> bool:
    """Whether it is a variable that is a term of a sum."""
    parent = site.parent
    return (
        isinstance(site.node, ast.Name) and isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add | ast.Sub)
    )


def _factors_of_term(site: Site, atom: ast.expr) -> Iterator[Edit]:
    name, one_less = text_of(atom), ast.BinOp(ast.Constant(1), ast.Sub(), atom)
    for what, cost, new in (
        (f"the factor {name} is missing", 2.06, ast.BinOp(site.node, ast.Mult(), atom)),
        (f"the division by {name} is missing", 2.16, ast.BinOp(site.node, ast.Div(), atom)),
        (f"the factor 1 - {name} is missing", 2.36, ast.BinOp(site.node, ast.Mult(), one_less)),
    ):
        yield edit_at(site, "missing-term", what, cost, new)


def _opposite(site: Site) -> Edit:
    """Replace a by 1 - a, or 1 - a by a."""
    node = site.node
    is_one_less = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and text_of(node.left) == "1"
    new = node.right if is_one_less else ast.BinOp(ast.Constant(1), ast.Sub(), node)
    code = "other-argument" if is_one_less else "missing-term"
    return edit_at(site, code, f"{text_of(node)} is used where {text_of(new)} is needed", 1.9, new)


def of_statement(found: tuple[ast.stmt, Place]) -> Iterator[Edit]:
    """Change how a statement assigns: = for +=, += for -=, or leave it out."""
    statement, place = found
    before = ast.unparse(statement)

    def made(code: str, what: str, cost: float, new: ast.stmt) -> Edit:
        new = ast.copy_location(new, statement)
        after = ast.unparse(ast.fix_missing_locations(copy.deepcopy(new)))
        return Edit(code, what, cost, [(place, new)], statement.lineno, lambda: (before, after), statement.col_offset)

    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Subscript):
            yield made("partial", "the statement does not belong there", 1.05, ast.Pass())
            what = "a contribution is assigned where it must be added"
            yield made("partial", what, 1.1, ast.AugAssign(target, ast.Add(), statement.value))
            what = "a contribution is assigned where it must be subtracted"
            yield made("partial", what, 1.2, ast.AugAssign(target, ast.Sub(), statement.value))
    if isinstance(statement, ast.AugAssign):
        what = "a contribution is added where it must be assigned"
        yield made("accumulated-twice", what, 1.5, ast.Assign([statement.target], statement.value))
        other = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}.get(type(statement.op))
        if other is not None:
            code = "sign" if isinstance(statement.op, ast.Add | ast.Sub) else "factor"
            yield made(
                code,
                "the contribution has the wrong sign" if code == "sign" else "the operation is the wrong one",
                1.0,
                ast.AugAssign(statement.target, other(), statement.value),
            )
        if not isinstance(statement.target, ast.Subscript):
            yield made("factor", "the statement does not belong there", 2.0, ast.Pass())
