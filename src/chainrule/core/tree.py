"""Pytrees: arguments and results that are nested dicts, lists, tuples, dataclasses, modules.

The work is done by optree. As there, `None` is an empty tree; dataclasses are registered when first encountered, with
all their fields as children.
"""

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

Tree: TypeAlias = Any
NAMESPACE = "chainrule"
_registered: dict[type, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {}
_taught: set[type] = set()
_leaf_types: set[type] = {np.ndarray, float, int}
"""Classes known to be no dataclasses, so that a leaf of them is not asked again."""
_lock = threading.RLock()
"""Held while a class is registered, since two threads may encounter it at the same moment."""


@functools.cache
def _optree() -> Any:
    """Import optree at first use, and register the classes registered so far."""
    import optree

    _teach(optree)
    return optree


def _teach(optree: Any) -> None:
    with _lock:
        for cls in _registered.keys() - _taught:
            _taught.add(cls)
            optree.register_pytree_node(cls, *_registered[cls], namespace=NAMESPACE)


def register(cls: type, flatten: Callable[[Any], Any], unflatten: Callable[[Any, Any], Any]) -> None:
    """Register a class: `flatten(object)` returns (children, static part), `unflatten(static, children)` the object."""
    _registered[cls] = flatten, unflatten
    _leaf_types.discard(cls)
    if _optree.cache_info().currsize:
        _teach(_optree())


@functools.cache
def leaf_structure() -> Any:
    """Return the structure of a tree that is one leaf."""
    return _optree().tree_flatten(0, namespace=NAMESPACE)[1]


def flatten(tree: Tree) -> tuple[list[Any], Any]:
    """Return the leaves of a tree in a fixed order, and its structure."""
    if type(tree) in _leaf_types:
        return [tree], leaf_structure()
    leaves, structure = _optree().tree_flatten(tree, namespace=NAMESPACE)
    types = set(map(type, leaves))
    if types <= _leaf_types:
        return leaves, structure
    new = {cls for cls in types if dataclasses.is_dataclass(cls)}
    _leaf_types.update(types - new)
    if not new:
        return leaves, structure
    with _lock:
        for cls in new - _registered.keys():
            _register_dataclass(cls)
    return flatten(tree)


def flatten_to(tree: Tree, is_leaf: Callable[[Any], bool]) -> tuple[list[Any], Any]:
    """Return the leaves of a tree and its structure, where `is_leaf` says what is not to be taken apart."""
    leaves: list[Any]
    leaves, structure = _optree().tree_flatten(tree, is_leaf, namespace=NAMESPACE)
    return leaves, structure


def opened(tree: Tree) -> tuple[list[Any], Callable[[list[Any]], Tree] | None]:
    """Return the leaves of a tree in the order of `flatten`, and what makes such a tree of others; None for one leaf.

    It does without optree, whose import takes 10 ms, for the results that most functions have.

    >>> opened((1.0, 2.0)), opened(1.0)
    (([1.0, 2.0], <class 'tuple'>), ([1.0], None))
    """
    if type(tree) in _leaf_types:
        return [tree], None
    if type(tree) in (tuple, list) and all(type(x) in _leaf_types for x in tree):
        return list(tree), type(tree)
    leaves, structure = flatten(tree)
    is_leaf = structure.num_nodes == 1 and structure.num_leaves == 1
    return leaves, None if is_leaf else functools.partial(unflatten, structure)


def add_leaf_type(cls: type) -> None:
    """Say that objects of a class are leaves."""
    _leaf_types.add(cls)


def unflatten(structure: Any, leaves: Iterable[Any]) -> Tree:
    """Rebuild a tree from its structure and new leaves."""
    if structure is leaf_structure():
        (leaf,) = leaves
        return leaf
    return _optree().tree_unflatten(structure, leaves)


def paths(tree: Tree) -> list[str]:
    """Return the path to each leaf, such as `['w'][0]`, in the order of `flatten`."""
    flatten(tree)
    accessors = _optree().tree_accessors(tree, namespace=NAMESPACE)
    return [accessor.codify("") for accessor in accessors]


class _Nothing:
    """Stands for None in a prefix, where None is a leaf and not an empty tree."""

    def __repr__(self) -> str:
        return "None"


_NOTHING = _Nothing()


def broadcast_prefix(what: str, prefix: Tree, tree: Tree) -> list[Any]:
    """Return an entry of `prefix`, a tree that begins like `tree`, for each leaf of `tree`; None is an entry.

    Raises ValueError, beginning with `what`, if the one does not begin like the other.
    """
    optree = _optree()
    leaves, _ = flatten(tree)
    marked = optree.tree_map(lambda x: _NOTHING if x is None else x, prefix, none_is_leaf=True, namespace=NAMESPACE)
    try:
        found = optree.broadcast_prefix(marked, tree, namespace=NAMESPACE)
    except ValueError as error:
        raise ValueError(f"{what}: {prefix!r} is not a tree that begins like what it is for: {error}") from None
    assert len(found) == len(leaves)
    return [None if x is _NOTHING else x for x in found]


def map_leaves(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Apply `function` to the leaves of trees of the same structure."""
    leaves, structure = flatten(tree)
    rest = [flatten(other)[0] for other in others]
    return unflatten(structure, [function(*row) for row in zip(leaves, *rest, strict=True)])


def _register_dataclass(cls: type) -> None:
    names = [f.name for f in dataclasses.fields(cls)]

    def take_apart(value: Any) -> tuple[list[Any], None, list[str]]:
        return [getattr(value, name) for name in names], None, names

    def put_together(_: None, children: Iterable[Any]) -> Any:
        # Not through __init__, which may convert or check values that are now traced.
        value: Any = object.__new__(cls)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(value, name, child)
        return value

    register(cls, take_apart, put_together)
