"""The arguments of a call: which of them may change from call to call, and what a plan is made for."""

import dataclasses
import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from chainrule.core.operands.faces import is_face
from chainrule.core.tensor import Tensor
from chainrule.core.traces.modes import modes
from chainrule.core.traces.node import Leaf
from chainrule.core.traces.tape import EAGER
from chainrule.core.tree import flatten, flatten_to, unflatten

from .reach import is_module


class Key:
    """What a plan was made for: the structure of the arguments, shapes and dtypes, and the fixed ones."""

    def __init__(self, structure: Any, leaves: tuple[Any, ...]) -> None:
        self.structure, self.leaves = structure, leaves

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.leaves == other.leaves and self.structure == other.structure

    def __hash__(self) -> int:
        return hash(self.leaves)


class CallArguments:
    """The arguments of one call, taken apart."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        self.numbers: frozenset[Any] = frozenset()
        """The Python numbers that a plan may be replayed with others of: places of leaves, and paths of variables."""
        self.refused: set[Any] = set()
        """Those of them that a capture could not leave open."""
        self.counted: set[Any] = set()
        """The paths of fixed numbers that were all that the function changed outside of itself in a capture."""
        self.is_laid = False
        """Whether a capture is to have copies of the arrays with the same gaps between the elements."""
        # Modules and optimisers are passed on as they are: only containers are taken apart.
        parts = [taken_apart(x) for x in (*args, *kwargs.values())]
        self.leaves = [leaf for leaves, _ in parts for leaf in leaves]
        self.structures = [structure for _, structure in parts]
        self.counts = [len(leaves) for leaves, _ in parts]
        described = tuple(map(_described, self.leaves))
        orders = tuple(_orders((*args, *kwargs.values())))
        structure = (len(args), tuple(kwargs), tuple(self.structures), orders, modes.floor > EAGER.level)
        self.key = Key(structure, described)
        self.is_traced = any(map(_is_traced, self.leaves))

    def names(self, f: Any) -> list[str]:
        """Return a name for each leaf: the parameter of `f` that it belongs to."""
        code = getattr(inspect.unwrap(getattr(f, "__func__", f)), "__code__", None)
        known = code.co_varnames[: code.co_argcount] if code is not None else ()
        known = known[1:] if getattr(f, "__self__", None) is not None else known
        places = [known[k] if k < len(known) else f"argument {k}" for k in range(len(self.args))]
        return [name for name, n in zip((*places, *self.kwargs), self.counts, strict=True) for _ in range(n)]

    def rebuilt(self, leaves: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments with other leaves."""
        rest, made = iter(leaves), []
        for structure, count in zip(self.structures, self.counts, strict=True):
            mine = [next(rest) for _ in range(count)]
            made.append(mine[0] if structure is None else unflatten(structure, mine))
        return made[: len(self.args)], dict(zip(self.kwargs, made[len(self.args) :], strict=True))


def takes_any_names(f: Any) -> bool:
    """Whether a function may take arguments of any names (`**kwargs`), and go through them in the call's order."""
    f = getattr(f, "__func__", f)
    while (code := getattr(f, "__code__", None)) is not None and not code.co_flags & inspect.CO_VARKEYWORDS:
        if (inner := getattr(f, "__wrapped__", None)) is None:
            return False
        f = inner
    return True


def taken_apart(x: Any) -> tuple[list[Any], Any]:
    """Return the leaves of an argument, and its structure, or None where it is no container.

    A module is a leaf, also within containers: its mode and its layers matter besides its parameters.
    """
    is_open = isinstance(x, tuple | list | dict) or (is_face(x) and hasattr(x, "shape"))  # a face's tensor
    if not is_open:
        return [x], None
    leaves, structure = flatten(x)
    return flatten_to(x, is_module) if any(map(is_module, _parts(x))) else (leaves, structure)


def _parts(x: Any) -> Iterator[Any]:
    """Yield what containers and dataclasses hold, at any depth, without them."""
    for one in _inside(x) or ():
        if _inside(one) is None:
            yield one
        else:
            yield from _parts(one)


def _inside(x: Any) -> Iterable[Any] | None:
    """Return what a container or a dataclass holds, or None where an object is neither."""
    if isinstance(x, dict):
        return x.values()
    if isinstance(x, tuple | list):
        return x
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        return [getattr(x, field.name, None) for field in dataclasses.fields(x)]
    return None


def _orders(x: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the keys of each dict in the order in which a function meets them, which structures leave out."""
    if isinstance(x, dict):
        yield tuple(x)
    for one in _inside(x) or ():
        yield from _orders(one)


def _is_traced(x: Any) -> bool:
    """Whether a value belongs to a running transform, or is more than an array: then `f` itself runs."""
    if isinstance(x, Tensor):
        return x._trace is not EAGER or isinstance(x._value, Tensor)
    return isinstance(x, np.ndarray) and type(x) is not np.ndarray


def is_data(x: Any) -> bool:
    """Whether an argument may change from call to call."""
    if isinstance(x, Tensor):
        return not isinstance(x._link, Leaf)
    return isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "fiub"


def _described(x: Any) -> Any:
    if is_data(x):
        scalar = not isinstance(x._value if isinstance(x, Tensor) else x, np.ndarray)
        return ("array", x.shape, x.dtype, isinstance(x, Tensor), getattr(x, "requires_grad", False), scalar)
    if isinstance(x, int | float | bool | str | bytes | type(None)):
        # 0.0 equals −0.0, and NaN not even itself.
        return ("fixed", type(x), x if not isinstance(x, float) or (x and x == x) else repr(x))
    return ("object", type(x), _Same(x))


class _Same:
    """An object that equals itself alone, and is kept alive."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.x is other.x

    def __hash__(self) -> int:
        return id(self.x)

    def __repr__(self) -> str:
        return type(self.x).__name__
