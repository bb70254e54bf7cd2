"""`vectorize`: a function of numbers, applied to each element of arrays and tensors."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from chainrule.rules.arrays.join import stack

from .wrapping import holds_tensor


class vectorize:
    """NumPy's `vectorize`; with a tensor among the arguments, a loop whose results are joined.

    `otypes`, `doc`, `excluded`, `cache` and `signature` are NumPy's. With tensors `otypes` and `cache` do not matter,
    and a `signature` is a TypeError: `np.apply_along_axis` calls a function of vectors.

    >>> import chainrule as cr
    >>> relu = vectorize(lambda x: x if x > 0 else 0.0 * x)
    >>> cr.elementwise_grad(relu)(np.array([-1.0, 2.0]))
    array([0., 1.])
    """

    def __init__(self, pyfunc: Callable[..., Any], *args: Any, excluded: Iterable[Any] = (), **settings: Any) -> None:
        self.pyfunc = pyfunc
        self.excluded = frozenset(excluded)
        self.signature = settings.get("signature")
        self._plain = np.vectorize(pyfunc, *args, excluded=set(self.excluded), **settings)
        functools.update_wrapper(self, pyfunc)

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Apply the function to each element; the arguments broadcast."""
        if not holds_tensor((args, settings)):
            return self._plain(*args, **settings)
        if self.signature is not None:
            raise TypeError("vectorize: signature= is not supported on tensors; use np.apply_along_axis, or a loop")
        names = [*range(len(args)), *settings]
        values = [*args, *settings.values()]
        moving = [k for k, name in enumerate(names) if name not in self.excluded]
        arrays = np.broadcast_arrays(*[_array(values[k]) for k in moving])
        shape = arrays[0].shape
        rows = zip(*(x.reshape(-1) for x in arrays), strict=True)
        results = [self._of_row(values, moving, row, len(args), list(settings)) for row in rows]
        if not results:
            raise ValueError("vectorize: got arrays without elements, so the result's dtype is unknown")
        if isinstance(results[0], tuple):
            return tuple(stack(part).reshape(shape) for part in zip(*results, strict=True))
        return stack(results).reshape(shape)

    def _of_row(self, values: list[Any], moving: list[int], row: Any, count: int, names: list[str]) -> Any:
        call = list(values)
        for k, x in zip(moving, row, strict=True):
            call[k] = x
        return self.pyfunc(*call[:count], **dict(zip(names, call[count:], strict=True)))


def _array(x: Any) -> Any:
    from .making import asarray

    return asarray(x)
