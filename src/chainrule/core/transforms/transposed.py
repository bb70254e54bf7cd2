r"""The transpose of a linear map written in operations: the other mode of an operation that has only one rule.

Reverse mode is $\bar x = J^\top \bar y$, linear in $\bar y$. Its derivative with respect to $\bar y$, applied to
$\dot x$, is $J \dot x$: forward mode, from the rule of reverse mode; and vice versa.

If the map uses something that a tape does not see, the transpose would be wrong. So the map is also applied to random
numbers r, and $\langle f(r), c \rangle = \langle r, f^\top(c) \rangle$ is checked.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import is_captured
from chainrule.core.traces.reverse import fit, gradients
from chainrule.core.traces.tape import Tape, next_level

Linear = Callable[[list[Any]], Sequence[Any]]


TOLERANCE = {8: 1e-9, 4: 1e-3, 2: 5e-2}
"""How far apart the two sides of the check may be, by the size in bytes of the narrowest number."""


class NotTransposed(Exception):
    """A map that cannot be transposed; the text says why."""


def transposed(linear: Linear, like: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
    """Return the transpose of `linear`, applied to a cotangent for each of its outputs; None means zero.

    `like` has the shapes and dtypes of the inputs, and so has the result. Raises NotTransposed if `linear` is not
    linear, or not written in operations.
    """
    rng = np.random.default_rng(0)
    drawn = [_drawn(rng, np.shape(x), _dtype(x)) for x in like]
    tape = Tape(next_level())
    boxes = [tape.leaf(x) for x in drawn]
    try:
        outputs = list(linear(list(boxes)))
        seeds = [
            (y._link, fit(bar, y.shape, y.dtype))
            for y, bar in zip(outputs, cotangents, strict=True)
            if bar is not None and isinstance(y, Tensor) and y._trace is tape and y._link is not None
        ]
        found = gradients(seeds, free=True)
    except Exception as error:
        raise NotTransposed(f"{type(error).__name__}: {error}") from error
    result = [found.get(box._link, np.zeros(box.shape, box.dtype)) for box in boxes]
    _check(outputs, cotangents, drawn, result)
    return result


def _drawn(rng: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    numbers = rng.uniform(0.5, 1.5, shape)
    return np.asarray(numbers + 1j * rng.uniform(0.5, 1.5, shape) if dtype.kind == "c" else numbers, dtype)


def _dtype(x: Any) -> Any:
    return np.dtype(getattr(x, "dtype", np.float64))


def _check(outputs: Sequence[Any], cotangents: Sequence[Any], drawn: Sequence[Any], result: Sequence[Any]) -> None:
    """Raise NotTransposed unless ⟨f(r), c⟩ = ⟨r, fᵀ(c)⟩, as far as there are numbers to compare.

    Of complex numbers ⟨a, b⟩ is the real part of their product.
    """
    forward = [(y, bar) for y, bar in zip(outputs, cotangents, strict=True) if y is not None and bar is not None]
    backward = list(zip(drawn, result, strict=True))
    values = [[(_seen(a), _seen(b)) for a, b in pairs] for pairs in (forward, backward)]
    if any(x is None for pairs in values for pair in pairs for x in pair):
        return
    one, other = (sum((np.sum((a * b).real) for a, b in pairs), start=0.0) for pairs in values)
    size = sum((np.sum(np.abs(a * b)) for pairs in values for a, b in pairs), start=0.0)
    dtypes = [_dtype(x) for pairs in (forward, backward) for pair in pairs for x in pair]
    tolerance = TOLERANCE[min(d.itemsize // 2 if d.kind == "c" else d.itemsize for d in dtypes)]
    if np.isfinite(size) and abs(one - other) > tolerance * size:
        raise NotTransposed("it is not linear, or takes values out of their tensors")


def _seen(x: Any) -> Any:
    """Return the numbers in a value, in double precision; None if they are unknown, or are a batch."""
    if is_captured(x):
        return None
    array = np.asarray(value_of(x), np.complex128 if _dtype(x).kind == "c" else np.float64)
    return array if array.shape == np.shape(x) else None
