"""autograd.misc.flatten: nested containers of arrays as one vector, and back."""

from collections.abc import Callable
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.core.tree import flatten as _leaves_of
from chainrule.core.tree import unflatten as _unflatten
from chainrule.rules.arrays.join import Split

__all__ = ["flatten", "flatten_func"]


def flatten(value: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return nested lists, tuples and dictionaries of arrays and numbers as one vector, and the function back.

    Dictionaries are taken in the order of their keys. The dtypes of the parts are not preserved.

    >>> vector, unflatten = flatten({"b": np.ones(2), "a": 3.0})
    >>> vector
    array([3., 1., 1.])
    >>> unflatten(vector)["b"]
    array([1., 1.])
    """
    leaves, structure = _leaves_of(value)
    shapes = [np.shape(x) for x in leaves]
    cuts = tuple(accumulate(prod(shape) for shape in shapes))[:-1]

    def unflatten(vector: Any) -> Any:
        if isinstance(vector, Tensor):
            parts = Split.apply(vector, cuts=cuts) if leaves else ()
        else:
            parts = tuple(vector[a:b] for a, b in zip((0, *cuts), (*cuts, None), strict=True)) if leaves else ()
        return _unflatten(structure, [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])

    vector = np.concatenate([np.ravel(x) for x in leaves]) if leaves else np.array([])
    return vector, unflatten


def flatten_func(func: Callable[..., Any], example: Any) -> tuple[Callable[..., Any], Callable[[Any], Any], Any]:
    """Return `func` from vectors to vectors, the function back from a vector, and the vector of the example."""
    vector, unflatten = flatten(example)

    def of_vector(x: Any, *args: Any) -> Any:
        return flatten(func(unflatten(x), *args))[0]

    return of_vector, unflatten, vector
