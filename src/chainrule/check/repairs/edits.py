"""Changes to one expression that undo common mistakes."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import additions, called, changes, classics, compounds, slips, windows
from .sites import Edit, Place, Site, atoms_of, sites


def edits(
    tree: Any, small: Sequence[float] = (), space: Mapping[str, Any] | None = None, kept: Sequence[str] = ()
) -> list[Edit]:
    """Return every change to try, most likely first.

    `small` are numbers of the forward pass that are below 1, such as its ε; `space` are the globals of the function;
    `kept` are the attributes that the forward pass sets and the function does not read.
    """
    atoms = atoms_of(tree)
    compared = [*(ast.parse(name, mode="eval").body for name in kept), *atoms]
    found, unread, needed = [], [*compounds.unread(tree), *kept], compounds.needed(tree)
    for site in sites(tree):
        if site.in_loop_head:
            continue
        found += [*changes.comparisons(site, compared), *_of_site(site, atoms, small, space or {})]
        found += compounds.forgotten(site, unread, needed)
    found += changes.all_axes(tree)
    for statement in _statements(tree):
        found += [*additions.of_statement(statement), *classics.statements(statement, tree, space or {})]
    return sorted(found, key=lambda e: e.cost)


def _statements(tree: Any) -> Iterator[tuple[ast.stmt, Place]]:
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                yield from ((s, (node, name, k)) for k, s in enumerate(value) if isinstance(s, ast.stmt))


def _of_site(site: Site, atoms: Sequence[ast.expr], small: Sequence[float], space: Mapping[str, Any]) -> Iterator[Edit]:
    yield from changes.transposes(site)
    yield from changes.signs(site)
    yield from changes.axes(site)
    yield from changes.numbers(site, space)
    yield from changes.roots(site, tuple(dict.fromkeys((*small, *changes.SMALL))))
    yield from changes.sides(site, small)
    yield from changes.operators(site)
    yield from changes.calls_changed(site)
    yield from additions.variables(site, atoms, space)
    yield from additions.added(site, atoms)
    yield from changes.subscripts(site)
    yield from compounds.compounds(site, atoms)
    yield from compounds.given_numbers(site, small)
    yield from compounds.signs_of(site, atoms, classics.library_of(space))
    yield from windows.windows(site, atoms)
    yield from classics.classics(site, atoms, space)
    yield from slips.slips(site)
    yield from called.of_calls(site, atoms, space)
