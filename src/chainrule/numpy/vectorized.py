"""`vectorize`: a function of numbers, applied to each element of arrays and tensors."""

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule.rules.arrays.join import stack

from .wrapping import holds_tensor


class vectorize:
    """NumPy's `vectorize`; with a tensor among the arguments, a loop whose results are joined.

    `otypes`, `doc`, `excluded`, `cache` and `signature` are NumPy's. With tensors `otypes` and `cache` do not matter.

    >>> import chainrule as cr
    >>> relu = vectorize(lambda x: x if x > 0 else 0.0 * x)
    >>> cr.elementwise_grad(relu)(np.array([-1.0, 2.0]))
    array([0., 1.])
    """

    def __init__(self, pyfunc: Callable[..., Any], *args: Any, excluded: Iterable[Any] = (), **settings: Any) -> None:
        self.pyfunc = pyfunc
        self.excluded = frozenset(excluded)
        self.signature = settings.get("signature")
        self._plain = np.vectorize(pyfunc, *args, **{**settings, "excluded": set(self.excluded)})
        functools.update_wrapper(self, pyfunc)

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Apply the function to each element; the arguments broadcast."""
        if not holds_tensor((args, settings)):
            return self._plain(*args, **settings)
        names = [*range(len(args)), *settings]
        values = [*args, *settings.values()]
        moving = [k for k, name in enumerate(names) if name not in self.excluded]
        shape, rows = self._rows([_array(values[k]) for k in moving])
        results = [self._of_row(values, moving, row, len(args), list(settings)) for row in rows]
        if not results:
            raise ValueError("vectorize: got arrays without elements, so the result's dtype is unknown")
        if isinstance(results[0], tuple):
            return tuple(_joined(part, shape) for part in zip(*results, strict=True))
        return _joined(results, shape)

    def _rows(self, arrays: list[Any]) -> tuple[tuple[int, ...], Any]:
        """Return the shape to loop over, and the arguments at each of its places."""
        cores = [0] * len(arrays) if self.signature is None else _core_axes(self.signature, len(arrays))
        outer = [x.shape[: x.ndim - core] for x, core in zip(arrays, cores, strict=True)]
        shape = np.broadcast_shapes(*outer)
        spread = [
            np.broadcast_to(x, (*shape, *x.shape[x.ndim - core :])).reshape((-1, *x.shape[x.ndim - core :]))
            for x, core in zip(arrays, cores, strict=True)
        ]
        return shape, zip(*spread, strict=True)

    def _of_row(self, values: list[Any], moving: list[int], row: Any, count: int, names: list[str]) -> Any:
        call = list(values)
        for k, x in zip(moving, row, strict=True):
            call[k] = x
        return self.pyfunc(*call[:count], **dict(zip(names, call[count:], strict=True)))


def _array(x: Any) -> Any:
    from .making import asarray

    return asarray(x)


def _joined(parts: Any, shape: tuple[int, ...]) -> Any:
    y = stack(parts)
    return y.reshape((*shape, *y.shape[1:]))


def _core_axes(signature: str, count: int) -> list[int]:
    """Return how many axes of each argument a function takes at once, from a signature such as "(n),(n,m)->()"."""
    inputs = re.findall(r"\(([^()]*)\)", signature.partition("->")[0])
    if len(inputs) != count:
        raise ValueError(f"vectorize: got {count} arguments, expected {len(inputs)} by the signature {signature!r}")
    return [len([name for name in axes.split(",") if name.strip()]) for axes in inputs]


class ndenumerate:
    """Pairs of an index and the element there, of an array or a tensor, whose elements keep their gradient.

    >>> import chainrule as cr
    >>> [(place, float(x)) for place, x in ndenumerate(cr.tensor([[1.0, 2.0]]))]
    [((0, 0), 1.0), ((0, 1), 2.0)]
    """

    def __new__(cls, arr: Any) -> Any:
        """Return NumPy's own for plain arrays."""
        return super().__new__(cls) if holds_tensor(arr) else np.ndenumerate(arr)

    def __init__(self, arr: Any) -> None:
        self._array = _array(arr)
        self._places = np.ndindex(*self._array.shape)

    def __iter__(self) -> "ndenumerate":
        return self

    def __next__(self) -> tuple[tuple[int, ...], Any]:
        place = next(self._places)
        return place, self._array[place]
