"""What a backward pass calls: another function in place of one, arguments exchanged, a factor of one missing."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from chainrule.check.subjects.editing import is_users

from .changes import AXIS
from .sites import Edit, Site, edit_at, text_of

MOST = 6
"""The most arguments of which each two are exchanged."""
HELPERS = 12
"""The most functions of the user's that are tried in place of one."""
WHOLE = 2.6
"""The cost of another function for the whole pass: the right one may stand beside it, and says nothing of this one."""


def of_calls(site: Site, atoms: Sequence[ast.expr], space: Mapping[str, Any]) -> Iterator[Edit]:
    """Change what is called, and what with."""
    node = site.node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and is_users(space.get(node.func.id)):
        yield from _others(site, node, node.func.id, space)
    if isinstance(node, ast.Call):
        yield from _named_axes(site, node, atoms)
    if isinstance(node, ast.Call) and len(node.args) > 2 and not any(isinstance(a, ast.Starred) for a in node.args):
        yield from _exchanged(site, node)
    parent = site.parent
    if not isinstance(parent, ast.Call) or site.place[1] != "args" or len(parent.args) < 2:
        return
    if isinstance(node, ast.Name) and not site.in_index and is_users(space.get(text_of(parent.func))):
        for atom in atoms:
            if text_of(atom) != node.id:
                what = f"the factor {text_of(atom)} is missing"
                yield edit_at(site, "missing-term", what, 2.03, ast.BinOp(node, ast.Mult(), atom))


def _others(site: Site, node: ast.Call, name: str, space: Mapping[str, Any]) -> Iterator[Edit]:
    """Call another function of the user's that takes as many arguments."""
    count = space[name].__code__.co_argcount
    alike = [n for n, f in space.items() if n != name and is_users(f) and f.__code__.co_argcount == count]
    cost = WHOLE if isinstance(site.parent, ast.Return | ast.Lambda) else 1.25
    for other in alike[:HELPERS]:
        what = f"{name} is used where {other} is needed"
        new = ast.Call(ast.Name(other, ast.Load()), node.args, node.keywords)
        yield edit_at(site, "other-argument", what, cost, new)


def _named_axes(site: Site, node: ast.Call, atoms: Sequence[ast.expr]) -> Iterator[Edit]:
    """Take the axis that a variable says for one that is written as a number."""
    given = [k for k in node.keywords if k.arg in AXIS and isinstance(k.value, ast.Constant)]
    for one in given[:1]:
        for atom in atoms:
            if text_of(atom).rpartition(".")[2] in AXIS:
                keywords = [ast.keyword(k.arg, atom) if k is one else k for k in node.keywords]
                new = ast.Call(node.func, node.args, keywords)
                yield edit_at(site, "axes-swapped", "it is taken over the wrong axis", 1.22, new)


def _exchanged(site: Site, node: ast.Call) -> Iterator[Edit]:
    """Exchange two arguments."""
    if site.in_index or len(node.args) > MOST:
        pairs = [(k, k + 1) for k in range(len(node.args) - 1)]
    else:
        pairs = list(combinations(range(len(node.args)), 2))
    for i, j in pairs:
        args = list(node.args)
        if isinstance(args[i], ast.Constant) and isinstance(args[j], ast.Constant):
            continue
        args[i], args[j] = args[j], args[i]
        what = f"{text_of(args[j])} and {text_of(args[i])} are in each other's place"
        yield edit_at(site, "other-argument", what, 1.5, ast.Call(node.func, args, node.keywords))
