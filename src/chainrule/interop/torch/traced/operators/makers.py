"""ATen's operators that create arrays, constant or random."""

# ATen's arguments, including those that do not apply here

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import plain
from chainrule.interop.torch.traced.call import Call, arrayed, carries, cast
from chainrule.random import Draw

Shape = Sequence[int]


@carries("full", "new_full")
def full(call: Call, *given: Any, **_: Any) -> Any:
    """Return an array filled with one number: `full(size, value)`, `x.new_full(size, value)`."""
    size, value = given[-2:]
    if hasattr(value, "_trace"):
        return np.broadcast_to(cast(value, call.dtype), tuple(size))
    return np.full(tuple(size), value, call.dtype)


@carries("full_like")
def full_like(call: Call, x: Any, fill_value: Any, **_: Any) -> Any:
    """Return an array of the shape of x, filled with one number."""
    return full(call, x.shape, fill_value)


def _constant(number: int) -> Any:
    def carry_out(call: Call, *given: Any, **_: Any) -> Any:
        size = given[-1].shape if hasattr(given[-1], "shape") else given[-1]
        return np.full(tuple(size), number, call.dtype)

    return carry_out


carries("zeros", "new_zeros", "zeros_like", "empty", "new_empty", "empty_like")(_constant(0))
carries("ones", "new_ones", "ones_like")(_constant(1))


@carries("new_empty_strided", "empty_strided")
def empty_strided(call: Call, *given: Any, **_: Any) -> Any:
    """Return zeros: the contents of an empty array are unspecified."""
    return np.zeros(tuple(given[-2]), call.dtype)


@carries("empty_permuted")
def empty_permuted(call: Call, size: Shape, *_: Any, **__: Any) -> Any:
    """Return zeros, which a dropout in place fills; the order of the axes in memory does not matter here."""
    return np.zeros(tuple(size), call.dtype)


@carries("scalar_tensor")
def scalar_tensor(call: Call, value: Any, **_: Any) -> Any:
    """Return a number as an array."""
    return np.asarray(value, call.dtype)


@carries("arange")
def arange(call: Call, *given: Any, **_: Any) -> Any:
    """Return evenly spaced numbers: `(end)`, `(start, end)` or `(start, end, step)`."""
    return np.arange(*given).astype(call.dtype)


@carries("linspace")
def linspace(call: Call, start: float, end: float, steps: int, **_: Any) -> Any:
    """Return evenly spaced numbers, including the end."""
    return np.linspace(start, end, steps, dtype=call.dtype)


@carries("eye")
def eye(call: Call, n: int, m: int | None = None, **_: Any) -> Any:
    """Return a matrix with ones on the diagonal."""
    return np.eye(n, m, dtype=call.dtype)


@carries("tril_indices")
def tril_indices(call: Call, row: int, col: int, offset: int = 0, **_: Any) -> Any:
    """Return the row and column indices on and below a diagonal."""
    return np.stack(np.tril_indices(row, offset, col)).astype(call.dtype)


@carries("triu_indices")
def triu_indices(call: Call, row: int, col: int, offset: int = 0, **_: Any) -> Any:
    """Return the row and column indices on and above a diagonal."""
    return np.stack(np.triu_indices(row, offset, col)).astype(call.dtype)


# Random numbers: from the same distribution as PyTorch's, but not the same sequence


def _drawn(call: Call, shape: Shape, method: str) -> Any:
    return Draw.apply(np.zeros((), call.dtype), method=method, size=tuple(shape), generator=None)


@carries("rand")
def rand(call: Call, size: Shape, **_: Any) -> Any:
    """Draw uniform numbers from [0, 1)."""
    return _drawn(call, size, "random")


@carries("rand_like")
def rand_like(call: Call, x: Any, **_: Any) -> Any:
    """Draw uniform numbers from [0, 1), in the shape of x."""
    return _drawn(call, x.shape, "random")


@carries("randn")
def randn(call: Call, size: Shape, **_: Any) -> Any:
    """Draw standard normal numbers."""
    return _drawn(call, size, "standard_normal")


@carries("randn_like")
def randn_like(call: Call, x: Any, **_: Any) -> Any:
    """Draw standard normal numbers, in the shape of x."""
    return _drawn(call, x.shape, "standard_normal")


@carries("bernoulli")
def bernoulli(call: Call, x: Any, p: Any = None, **_: Any) -> Any:
    """Draw ones with probability p, or with the probabilities in x, and zeros otherwise."""
    chance = arrayed(x if p is None else p)
    return plain(lambda u, chance: (u < chance).astype(call.dtype), _drawn(call, x.shape, "random"), chance)
