"""Fourier, cosine and sine transforms with SciPy's names, differentiable, for real and complex numbers.

`overwrite_x` and `workers` are accepted and make no difference.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule.scipy import fft
>>> cr.grad(lambda x: (fft.dct(x, norm="ortho") ** 2).sum())(np.array([1.0, 2.0, 3.0])).round(12)
array([2., 4., 6.])
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.fft import fftfreq, rfftfreq

from chainrule.base.lacking import lacking
from chainrule.core.operation import Array
from chainrule.rules.fft import names
from chainrule.rules.fft.cosine import dct, dctn, dst, dstn, idct, idctn, idst, idstn
from chainrule.rules.fft.names import fftshift, ifftshift
from chainrule.rules.fft.signal import fast_length

__all__ = [
    "dct",
    "dctn",
    "dst",
    "dstn",
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "idct",
    "idctn",
    "idst",
    "idstn",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfft2",
    "irfftn",
    "next_fast_len",
    "rfft",
    "rfft2",
    "rfftfreq",
    "rfftn",
]


def _along_one(ours: Callable[..., Array]) -> Callable[..., Array]:
    def transform(
        x: Array,
        n: int | None = None,
        axis: int = -1,
        norm: Any = None,
        overwrite_x: bool = False,  # noqa: ARG001
        workers: int | None = None,  # noqa: ARG001
    ) -> Array:
        return ours(x, n, axis, norm)

    return _named(transform, ours)


def _along_several(ours: Callable[..., Array], usual: Any) -> Callable[..., Array]:
    def transform(
        x: Array,
        s: Any = None,
        axes: Any = usual,
        norm: Any = None,
        overwrite_x: bool = False,  # noqa: ARG001
        workers: int | None = None,  # noqa: ARG001
    ) -> Array:
        one = [value if value is None or not isinstance(value, int) else (value,) for value in (s, axes)]
        return ours(x, *one, norm)

    return _named(transform, ours)


def _named(function: Callable[..., Array], ours: Callable[..., Array]) -> Callable[..., Array]:
    function.__name__ = function.__qualname__ = ours.__name__
    function.__doc__ = str(ours.__doc__).partition("\n\n")[0]  # without its example
    return function


fft, ifft, rfft, irfft = map(_along_one, (names.fft, names.ifft, names.rfft, names.irfft))
hfft, ihfft = map(_along_one, (names.hfft, names.ihfft))
fftn, ifftn, rfftn, irfftn = (
    _along_several(ours, None) for ours in (names.fftn, names.ifftn, names.rfftn, names.irfftn)
)
fft2, ifft2, rfft2, irfft2 = (
    _along_several(ours, (-2, -1)) for ours in (names.fft2, names.ifft2, names.rfft2, names.irfft2)
)


def next_fast_len(target: int, real: bool = False) -> int:  # noqa: ARG001
    """Return a length of `target` or more for which transforms are fast: a product of 2, 3 and 5.

    >>> next_fast_len(97)
    100
    """
    return fast_length(target)


if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
