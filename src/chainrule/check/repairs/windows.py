"""Where a window starts and ends: a stride, a dilation, a padding, one element too far."""

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from .sites import Edit, Place, Site, below, calls, edit_at, text_of


def windows(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Change where a window starts: by a stride, a dilation, a padding, or one element."""
    node = site.node
    if isinstance(node, ast.Slice):
        yield from _slices(site, node)
    if isinstance(node, ast.Subscript):
        yield from _crops(site, atoms)
    if site.is_value and not isinstance(node, ast.Constant):
        yield from _cropped(site, atoms)
    if not isinstance(node, ast.Name) or not site.in_index:
        return
    index = next(n for n in site.above if isinstance(n, ast.Subscript) or calls(n, "range"))
    same = [s for s in below(index, [], site.statement) if getattr(s.node, "id", "") == node.id]
    if isinstance(index, ast.Subscript):
        same = [s for s in same if s.node is not index.value]
    if not same or same[0].node is not node:
        return
    if isinstance(index, ast.Subscript):
        yield from _all_steps(site, index, atoms)
    for factor in [*_others(atoms, node.id), ast.Constant(2), ast.Constant(3)]:
        changes = [(s.place, ast.copy_location(ast.BinOp(s.node, ast.Mult(), factor), s.node)) for s in same]
        what = _step_of(site, index, node.id, text_of(factor))
        yield _of_all("stride", what, 1.7, changes, index)
    yield from _along(site, index, node.id)
    for atom in [*_others(atoms, node.id, *site.loops), ast.Constant(1)]:
        for kind in (ast.Add, ast.Sub):
            new = ast.BinOp(node, kind(), atom)
            code = "shifted" if isinstance(atom, ast.Constant) else "padding"
            what = (
                "the place is off by one" if isinstance(atom, ast.Constant) else f"the window is off by {text_of(atom)}"
            )
            yield edit_at(site, code, what, 1.4 if isinstance(atom, ast.Constant) else 1.8, new)


def _along(site: Site, index: Any, name: str) -> Iterator[Edit]:
    """Let a place move with a second loop as well: `x[i + j]` for `x[i]`."""
    used = {n.id for n in ast.walk(index) if isinstance(n, ast.Name)}
    if name not in site.loops or not isinstance(index, ast.Subscript):
        return
    for other in site.loops:
        if other not in used:
            what = f"the place moves with {name} alone where it must move with {name} + {other}"
            yield edit_at(site, "shifted", what, 1.5, ast.BinOp(site.node, ast.Add(), ast.Name(other, ast.Load())))


def _step_of(site: Site, index: Any, name: str, factor: str) -> str:
    """Say what a missing factor of a loop's variable is: of a window it is the stride, of the kernel's the dilation."""
    loops = site.loops
    if name in loops and not any(isinstance(n, ast.Slice) for n in ast.walk(index)):
        used = [n.id for n in ast.walk(index) if isinstance(n, ast.Name) and n.id in loops]
        if len(used) > 1 and loops.index(name) == max(map(loops.index, used)):
            return f"{name} moves the place by 1 where it must move it by {factor}: the dilation is missing"
    return f"the window moves by 1 where it must move by {factor}: the stride is missing"


def _all_steps(site: Site, index: ast.Subscript, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Let every axis of a window move by a stride, or start elsewhere: a mistake that is made in all of them."""
    moving = _moving(index.slice)
    inner = [s for s in below(index, [], site.statement) if isinstance(s.node, ast.Name) and s.node.id in moving]
    inner = [s for s in inner if s.node is not index.value]
    names = list(dict.fromkeys(s.node.id for s in inner))
    if len(names) < 2 or names[0] != site.node.id:
        return
    free = _others(atoms, *names)
    along = f"along {' and '.join(names)}"
    changes: list[tuple[str, str, float, ast.operator, ast.expr]] = []
    for factor in [*free, ast.Constant(2), ast.Constant(3)]:
        what = f"the window moves by 1 {along} where it must move by {text_of(factor)}: the stride is missing"
        changes += [("stride", what, 1.45, ast.Mult(), factor)]
    for by in [*free, ast.Constant(1)]:
        code, what = "shifted" if isinstance(by, ast.Constant) else "padding", f"the window is off by {text_of(by)}"
        changes += [(code, f"{what} {along}", 1.9, kind, by) for kind in (ast.Add(), ast.Sub())]
    for code, what, cost, kind, by in changes:
        new = [(s.place, ast.copy_location(ast.BinOp(s.node, kind, by), s.node)) for s in inner]
        yield _of_all(code, what, cost, new, index)


def _of_all(code: str, what: str, cost: float, new: Sequence[tuple[Place, Any]], index: Any) -> Edit:
    """Return one change of several places in an index, with the texts of the whole before and after."""
    written = ast.unparse(index)
    undo = Edit(code, what, cost, new, index.lineno).apply()
    wanted = ast.unparse(index)
    undo.apply()
    return Edit(code, what, cost, new, index.lineno, lambda: (written, wanted), index.col_offset)


def _moving(index: ast.expr) -> set[str]:
    """Return the variables at which a window starts: those of the slices `i : i + k`."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return {p.lower.id for p in parts if isinstance(p, ast.Slice) and isinstance(p.lower, ast.Name)}


def _others(atoms: Sequence[ast.expr], *names: str) -> list[ast.expr]:
    """Return the values that have another name than these."""
    return [a for a in atoms if text_of(a) not in names]


def _crops(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Cut both ends of the axes that are cut at one, by as much as a padding has."""
    index = site.node.slice
    parts = list(index.elts) if isinstance(index, ast.Tuple) else [index]
    cut = [
        k
        for k, p in enumerate(parts)
        if isinstance(p, ast.Slice) and p.step is None and (p.lower is None) != (p.upper is None)
    ]
    ends = {
        k: p.upper
        for k, p in enumerate(parts)
        if isinstance(p, ast.Slice) and p.step is None and p.lower is None and isinstance(p.upper, ast.Name)
    }
    for width in _widths(atoms) if ends and not isinstance(site.node.ctx, ast.Store) else ():
        moved = [
            ast.Slice(width, ast.BinOp(ends[k], ast.Add(), width)) if k in ends else p for k, p in enumerate(parts)
        ]
        what = f"the padding is cut off at the wrong end: the slice must start at {text_of(width)}"
        yield edit_at(site, "padding", what, 1.42, ast.Subscript(site.node.value, _index(moved), ast.Load()))
    if not cut or any(name in ast.unparse(index) for name in site.loops):
        return
    for width in _widths(atoms):
        inside = [_inside(width) if k in cut else p for k, p in enumerate(parts)]
        new = ast.Subscript(site.node.value, _index(inside), ast.Load())
        what = f"the padding is cut off at one end where it must be cut off at both, by {text_of(width)}"
        yield edit_at(site, "padding", what, 1.85, new)


def _cropped(site: Site, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Cut a padding off a value: of one axis, or of the last two."""
    for width in _widths(atoms):
        for axes in ([_inside(width)], [ast.Constant(...), *[_inside(width)] * 2]):
            new = ast.Subscript(site.node, _index(axes), ast.Load())
            yield edit_at(site, "padding", f"the padding of {text_of(width)} is not cut off", 1.9, new)


def _widths(atoms: Sequence[ast.expr]) -> list[ast.expr]:
    return [*atoms, ast.Constant(1), ast.Constant(2)]


def _inside(width: ast.expr) -> ast.Slice:
    return ast.Slice(width, ast.UnaryOp(ast.USub(), width), None)


def _index(parts: Sequence[ast.expr]) -> ast.expr:
    return parts[0] if len(parts) == 1 else ast.Tuple(list(parts), ast.Load())


def _slices(site: Site, node: ast.Slice) -> Iterator[Edit]:
    used = {n.id for n in ast.walk(site.parent) if isinstance(n, ast.Name)}
    for name in site.loops if node.lower is None and node.step is None else ():
        if name not in used and node.upper is not None:
            start = ast.Name(name, ast.Load())
            what = f"the window stays at the start where it must move with {name}"
            new = ast.Slice(start, ast.BinOp(start, ast.Add(), node.upper), None)
            yield edit_at(site, "shifted", what, 1.5, new)
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
