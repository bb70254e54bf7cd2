"""Pytrees: arguments and results that are nested dicts, lists, tuples, dataclasses, modules.

The work is done by optree. `None` is an empty tree, as there; dataclasses are registered when first met, with all
their fields as children.
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import optree

Tree: TypeAlias = Any
NAMESPACE = "chainrule"
_seen: set[type] = set()


def register(cls: type, flatten: Callable[[Any], Any], unflatten: Callable[[Any, Any], Any]) -> None:
    """Teach trees a class: `flatten(object)` is (children, static part), `unflatten(static, children)` the object."""
    _seen.add(cls)
    optree.register_pytree_node(cls, flatten, unflatten, namespace=NAMESPACE)


def flatten(tree: Tree) -> tuple[list[Any], Any]:
    """Return the leaves of a tree in a fixed order, and its structure."""
    leaves, structure = optree.tree_flatten(tree, namespace=NAMESPACE)
    new = {type(x) for x in leaves if dataclasses.is_dataclass(x) and type(x) not in _seen}
    if not new:
        return leaves, structure
    for cls in new:
        _register_dataclass(cls)
    return flatten(tree)


def unflatten(structure: Any, leaves: Iterable[Any]) -> Tree:
    """Rebuild a tree from its structure and new leaves."""
    return optree.tree_unflatten(structure, leaves)


def paths(tree: Tree) -> list[str]:
    """Return how each leaf is reached, as `['w'][0]`, in the order of `flatten`."""
    flatten(tree)
    accessors = optree.tree_accessors(tree, namespace=NAMESPACE)
    return [accessor.codify("") for accessor in accessors]


def map_leaves(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Apply `function` to the leaves of trees of one structure."""
    leaves, structure = flatten(tree)
    rest = [flatten(other)[0] for other in others]
    return unflatten(structure, [function(*row) for row in zip(leaves, *rest, strict=True)])


def _register_dataclass(cls: type) -> None:
    names = [f.name for f in dataclasses.fields(cls)]

    def take_apart(value: Any) -> tuple[list[Any], None, list[str]]:
        return [getattr(value, name) for name in names], None, names

    def put_together(_: None, children: Iterable[Any]) -> Any:
        # Not through __init__, which may convert or check what is now a traced value.
        value: Any = object.__new__(cls)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(value, name, child)
        return value

    register(cls, take_apart, put_together)
