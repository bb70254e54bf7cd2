"""`torch.utils._pytree`: nested lists, tuples and dicts taken apart. Libraries use it, though PyTorch names it private.

Dicts keep the order of their keys, and None is a leaf. A class of your own is a leaf, unless it is registered.
"""

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = [
    "TreeSpec",
    "register_pytree_node",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_structure",
    "tree_unflatten",
]

Leaf = Callable[[Any], bool] | None


def _of_dict(tree: Any) -> tuple[list[Any], Any]:
    return list(tree.values()), list(tree)


def _of_default(tree: Any) -> tuple[list[Any], Any]:
    return list(tree.values()), (tree.default_factory, list(tree))


_NODES: dict[type, tuple[Callable[[Any], tuple[Iterable[Any], Any]], Callable[[Any, Any], Any]]] = {
    list: (lambda tree: (tree, None), lambda items, _: list(items)),
    tuple: (lambda tree: (tree, None), lambda items, _: tuple(items)),
    dict: (_of_dict, lambda items, keys: dict(zip(keys, items, strict=True))),
    OrderedDict: (_of_dict, lambda items, keys: OrderedDict(zip(keys, items, strict=True))),
    defaultdict: (_of_default, lambda items, kept: defaultdict(kept[0], zip(kept[1], items, strict=True))),
    deque: (lambda tree: (tree, tree.maxlen), lambda items, size: deque(items, size)),
}


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_fn: Callable[[Any, Any], Any],
    **_: Any,
) -> None:
    """Let objects of a class be taken apart: `flatten_fn(x)` returns items and a context, `unflatten_fn` takes both."""
    _NODES[cls] = flatten_fn, unflatten_fn


@dataclass(frozen=True)
class TreeSpec:
    """The structure of a tree: a class, its context, and the structures of its items; of a leaf, no class."""

    type: Any
    context: Any
    children_specs: tuple["TreeSpec", ...]

    @property
    def num_leaves(self) -> int:
        """The number of leaves."""
        return 1 if self.type is None else sum(child.num_leaves for child in self.children_specs)

    @property
    def num_children(self) -> int:
        """The number of items."""
        return len(self.children_specs)

    def is_leaf(self) -> bool:
        """Whether this is a leaf."""
        return self.type is None


_LEAF = TreeSpec(None, None, ())


def _apart(tree: Any, is_leaf: Leaf) -> tuple[list[Any], Any] | None:
    """Return the items of a node and its context; None for a leaf."""
    if is_leaf is not None and is_leaf(tree):
        return None
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return list(tree), None
    if type(tree) not in _NODES:
        return None
    items, context = _NODES[type(tree)][0](tree)
    return list(items), context


def tree_flatten(tree: Any, is_leaf: Leaf = None) -> tuple[list[Any], TreeSpec]:
    """Return the leaves of a tree, and its structure.

    >>> tree_flatten({"b": [1, (2, None)], "a": 3})[0]
    [1, 2, None, 3]
    """
    parts = _apart(tree, is_leaf)
    if parts is None:
        return [tree], _LEAF
    leaves: list[Any] = []
    children = []
    for item in parts[0]:
        own, spec = tree_flatten(item, is_leaf)
        leaves += own
        children.append(spec)
    return leaves, TreeSpec(type(tree), parts[1], tuple(children))


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """Return the tree of a structure with these leaves.

    >>> leaves, spec = tree_flatten([1, {"a": 2}])
    >>> tree_unflatten([10, 20], spec)
    [10, {'a': 20}]
    """
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten: got {len(leaves)} leaves, expected {treespec.num_leaves}")
    return _together(iter(leaves), treespec)


def _together(leaves: Iterator[Any], spec: TreeSpec) -> Any:
    if spec.type is None:
        return next(leaves)
    items = [_together(leaves, child) for child in spec.children_specs]
    if spec.type not in _NODES:  # a named tuple
        return spec.type(*items)
    return _NODES[spec.type][1](items, spec.context)


def tree_leaves(tree: Any, is_leaf: Leaf = None) -> list[Any]:
    """Return the leaves of a tree."""
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree: Any, is_leaf: Leaf = None) -> Iterator[Any]:
    """Yield the leaves of a tree."""
    yield from tree_leaves(tree, is_leaf)


def tree_structure(tree: Any, is_leaf: Leaf = None) -> TreeSpec:
    """Return the structure of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Leaf = None) -> Any:
    """Return the tree with `func(leaf, …)` in place of each leaf; `rests` are trees that have its structure at least.

    >>> tree_map(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]})
    {'x': 11, 'y': [22]}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    rows = [_up_to(spec, rest) for rest in rests]
    return _together(iter([func(*row) for row in zip(leaves, *rows, strict=True)]), spec)


def _up_to(spec: TreeSpec, tree: Any) -> list[Any]:
    """Return what a tree has where a structure has leaves."""
    if spec.type is None:
        return [tree]
    parts = _apart(tree, None)
    if type(tree) is not spec.type or parts is None or len(parts[0]) != spec.num_children:
        raise ValueError(f"tree_map: expected a {spec.type.__name__} of {spec.num_children} items, got {tree!r}")
    items = [tree[key] for key in spec.context] if type(tree) in (dict, OrderedDict) else parts[0]
    return [leaf for child, item in zip(spec.children_specs, items, strict=True) for leaf in _up_to(child, item)]


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Leaf = None) -> Any:
    """Call `func` on each leaf, and return the tree as it is."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(kind: Any, func: Callable[[Any], Any], tree: Any, is_leaf: Leaf = None) -> Any:
    """Return the tree with `func(leaf)` in place of each leaf of a class, or that a predicate holds for."""
    chosen = kind if callable(kind) and not isinstance(kind, type) else lambda x: isinstance(x, kind)
    return tree_map(lambda x: func(x) if chosen(x) else x, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: Leaf = None) -> bool:
    """Whether a predicate holds for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: Leaf = None) -> bool:
    """Whether a predicate holds for any leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))
