"""What enters a transform and what leaves it: arrays in, arrays out; tensors in, tensors out."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.memory.changes import changes
from chainrule.core.memory.fingerprint import fingerprint
from chainrule.core.operands.subclasses import check_plain
from chainrule.core.tensor import Tensor, copied, is_array, value_of
from chainrule.core.traces.capturing import running
from chainrule.core.traces.tape import ARRAYS, DIFFERENTIABLE, EAGER, check_differentiable
from chainrule.core.tree import flatten, leaf_structure, paths

NUMBERS = (float, np.float64)


def is_plain(value: Any) -> bool:
    """Whether a value is really an array or a NumPy scalar, and not a box that represents one."""
    return isinstance(value, np.ndarray | np.generic) and not isinstance(value, Tensor)


def opened(value: Any) -> Any:
    """Return a constant eager tensor's array, or in a capture its representation; anything else as it is."""
    if isinstance(value, Tensor) and (value._trace is ARRAYS or (value._trace is EAGER and not value.requires_grad)):
        return value._value
    return value


def boxed(value: Any) -> Tensor:
    """Return an array as a constant tensor."""
    return Tensor(value, EAGER, None)


def arrayed(value: Any) -> Any:
    """Return a value that the caller may write to; a value that a capture knows as an array counts as one."""
    return Tensor(value, ARRAYS, None) if isinstance(value, Tensor) and value._trace.level < -1 else copied(value)


def is_tensor(x: Any) -> bool:
    """Whether a value is a tensor to the user, rather than an array that a capture has put in a box."""
    return isinstance(x, Tensor) and x._trace.level >= 0


def entering(value: Any, where: str) -> Any:
    """Return what a transform puts in its box for `value`. Raises TypeError unless it is a
    floating-point or complex value.
    """
    if type(value) is np.ndarray and value.dtype in DIFFERENTIABLE and running.capture is None:
        return value  # nearly every argument
    if type(value) in NUMBERS and running.capture is None:
        return np.float64(value)
    value = opened(value)
    if not isinstance(value, Tensor):
        if not isinstance(value, np.ndarray | np.generic | float | int | complex | list):
            hint = "; pass its values: np.asarray(x)" if hasattr(value, "__array__") else ""
            raise TypeError(f"{where}: expected a float or an array of floats, got {type(value).__name__}{hint}")
        # A subclass such as np.matrix may have operators of its own: the rules expect an array's.
        check_plain(where, value)
        if running.capture is not None and np.ndim(value) == 0:
            value_of(value)  # as a number: this looks at its value
        value = np.asarray(value) if isinstance(value, np.ndarray | list) else np.asarray(value)[()]
    check_differentiable(where, value.dtype)
    return copied(value)


def leaving(value: Any, like: Any) -> Any:
    """Return a derivative in the form of its variable: a tensor, an array or a scalar."""
    if type(value) is type(like) is np.ndarray or (type(value) is np.float64 and type(like) in NUMBERS):
        return value
    value = opened(value)
    if is_tensor(value):
        return copied(value)
    if is_tensor(like):
        return Tensor(value, EAGER, None)
    if isinstance(value, Tensor):
        return Tensor(value, ARRAYS, None)
    return np.asarray(value) if isinstance(like, np.ndarray) else np.asarray(value)[()]


class Argument:
    """One argument of a function that is being differentiated: a tree, flattened, with each leaf checked."""

    def __init__(self, transform: str, name: str, tree: Any) -> None:
        self.leaves, self.structure = flatten(tree)
        where = f"{transform}: {name}"
        if self.leaves and self.leaves[0] is tree:
            self.values = [entering(tree, where)]
            return
        try:
            self.values = [entering(x, where) for x in self.leaves]
        except TypeError:
            if len(self.leaves) == 1:
                raise
            # Once more, with the path to each leaf, which takes longer to find than a gradient of small arrays.
            self.values = [entering(x, f"{where}{path}") for x, path in zip(self.leaves, paths(tree), strict=True)]

    @property
    def holds_tensors(self) -> bool:
        """Whether the caller passed tensors, and so gets tensors back."""
        return any(map(is_tensor, self.leaves))


class Alone(Argument):
    """An argument that is one array or number of NumPy's, or a float."""

    def __init__(self, transform: str, k: int, x: Any) -> None:
        self.leaves, self.structure = [x], leaf_structure()
        if running.capture is None and type(x) in NUMBERS:
            self.values = [np.float64(x)]
        elif running.capture is None and x.dtype in DIFFERENTIABLE:
            self.values = [x]
        else:
            self.values = [entering(x, f"{transform}: argument {k}")]


class Given:
    """The arrays that a transform was called with, which its caller or the function itself may write to."""

    def __init__(self, inputs: Sequence[Argument]) -> None:
        self.seen: list[list[Any]] = []
        for one in inputs:
            for x in one.values:
                if type(x) is np.ndarray or is_array(x):
                    self.seen.append([x, fingerprint(x, True)])

    def look(self) -> None:
        """Record which of them have changed since."""
        for pair in self.seen:
            array, before = pair
            now = fingerprint(array, True)
            if now != before:
                changes.mark(array)
                pair[1] = now


def by_name(decorated: Any) -> str | None:
    """Return the module attribute that holds the decorated form of a function; None if there is none.

    Pickle would look up the function there, and find another object.
    """
    f = decorated.function
    name, found = getattr(f, "__qualname__", None), sys.modules.get(getattr(f, "__module__", ""))
    for part in str(name).split("."):
        found = getattr(found, part, None)
    return name if found is decorated else None


def select(transform: str, args: Sequence[Any], argnums: int | Sequence[int]) -> tuple[int, ...]:
    """Return `argnums` as a tuple of positions in `args`; raise ValueError if one is out of range."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for k in numbers:
        if not -len(args) <= k < len(args):
            raise ValueError(f"{transform}: argnums {k} is out of range for {len(args)} positional arguments")
    positions = tuple(k % len(args) for k in numbers)
    if len(set(positions)) < len(positions):
        raise ValueError(f"{transform}: argnums {numbers} names an argument twice")
    return positions
