"""Things that are missing, or not the ones needed: a variable, a factor, a term, a sum, a stride."""

import ast
import copy
from collections.abc import Iterator, Sequence

from .changes import AXES
from .sites import Edit, Place, Site, below, calls, edit_at, text_of


def variables(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Replace a variable by another."""
    node = site.node
    text = text_of(node)
    known = {text_of(atom) for atom in atoms}
    if text not in known or (isinstance(site.parent, ast.Call) and site.place[1] == "func"):
        return
    in_mask = isinstance(site.parent, ast.Compare)
    for atom in atoms:
        if text_of(atom) != text and not in_mask:
            code = "shifted" if site.in_index else "other-argument"
            yield edit_at(site, code, f"{text} is used where {text_of(atom)} is needed", 1.6, atom)


def added(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Insert what may be missing: a factor, a term, a sum, a square."""
    node = site.node
    if site.in_index or isinstance(node, ast.Tuple | ast.Slice | ast.keyword):
        return
    if isinstance(node, ast.Constant) and not isinstance(node.value, int | float):
        return
    if isinstance(site.parent, ast.Attribute) or (isinstance(site.parent, ast.Call) and site.place[1] == "func"):
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
    if site.is_value or is_factor or isinstance(node, ast.BinOp):
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
            one_less = ast.BinOp(ast.Constant(1), ast.Sub(), atom)
            yield edit_at(
                site, "missing-term", f"the factor 1 - {name} is missing", 2.3, ast.BinOp(node, ast.Mult(), one_less)
            )
            length = ast.Subscript(ast.Attribute(atom, "shape", ast.Load()), ast.Constant(0), ast.Load())
            yield edit_at(
                site, "factor", f"the division by {name}.shape[0] is missing", 2.2, ast.BinOp(node, ast.Div(), length)
            )
    if is_factor or isinstance(site.parent, ast.BinOp):
        squared = ast.BinOp(node, ast.Pow(), ast.Constant(2))
        yield edit_at(site, "missing-term", f"the square of {text_of(node)} is needed", 1.9, squared)
        opposite = ast.BinOp(ast.Constant(1), ast.Sub(), node)
        yield edit_at(site, "missing-term", f"1 - {text_of(node)} is needed in place of {text_of(node)}", 1.9, opposite)
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


def windows(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Change where a window starts: by a stride, a dilation, a padding, or one element."""
    node = site.node
    if isinstance(node, ast.Slice):
        yield from _slices(site, node)
    if not isinstance(node, ast.Name) or not site.in_index:
        return
    index = next(n for n in site.above if isinstance(n, ast.Subscript) or calls(n, "range"))
    same = [s for s in below(index, [], site.statement) if getattr(s.node, "id", "") == node.id]
    if isinstance(index, ast.Subscript):
        same = [s for s in same if s.node is not index.value]
    if not same or same[0].node is not node:
        return
    factors = [ast.Constant(2), ast.Constant(3), *(a for a in atoms if text_of(a) != node.id)]
    for factor in factors:
        changes = [(s.place, ast.copy_location(ast.BinOp(s.node, ast.Mult(), factor), s.node)) for s in same]
        name = text_of(factor)
        what = f"the window moves by 1 where it must move by {name}: the stride is missing"
        yield Edit("stride", what, 1.7, changes, node.id, f"{node.id} * {name}", node.lineno)
    for atom in [ast.Constant(1), *(a for a in atoms if text_of(a) != node.id)]:
        for kind in (ast.Add, ast.Sub):
            new = ast.BinOp(node, kind(), atom)
            code = "shifted" if isinstance(atom, ast.Constant) else "padding"
            what = (
                "the place is off by one" if isinstance(atom, ast.Constant) else f"the window is off by {text_of(atom)}"
            )
            yield edit_at(site, code, what, 1.8, new)


def _slices(site: Site, node: ast.Slice) -> Iterator[Edit]:
    one, minus = ast.Constant(1), ast.UnaryOp(ast.USub(), ast.Constant(1))
    if node.upper is None and node.step is None and isinstance(node.lower, ast.Constant):
        yield edit_at(site, "shifted", "the slice is the wrong end", 1.3, ast.Slice(None, minus, None))
        yield edit_at(site, "shifted", "the slice starts too late", 1.4, ast.Slice(None, None, None))
    if node.lower is None and node.step is None and isinstance(node.upper, ast.UnaryOp):
        yield edit_at(site, "shifted", "the slice is the wrong end", 1.3, ast.Slice(one, None, None))
        yield edit_at(site, "shifted", "the slice ends too early", 1.4, ast.Slice(None, None, None))
    if node.step is not None:
        yield edit_at(
            site,
            "axes-swapped",
            "the order is reversed where it must not be",
            1.4,
            ast.Slice(node.lower, node.upper, None),
        )


def of_statement(found: tuple[ast.stmt, Place]) -> Iterator[Edit]:
    """Change how a statement assigns: = for +=, += for -=, or leave it out."""
    statement, place = found
    before = ast.unparse(statement)

    def made(code: str, what: str, cost: float, new: ast.stmt) -> Edit:
        new = ast.copy_location(new, statement)
        return Edit(
            code,
            what,
            cost,
            [(place, new)],
            before,
            ast.unparse(ast.fix_missing_locations(copy.deepcopy(new))),
            statement.lineno,
        )

    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Subscript):
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
