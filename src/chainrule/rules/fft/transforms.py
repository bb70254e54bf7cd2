r"""The discrete Fourier transform along one axis, its inverse, and their forms for real signals.

The matrix of the transform, $W_{kj} = e^{-2 \pi \mathrm{i} k j / n}$, is symmetric: as long as cotangents are not
conjugated it is its own transpose, whatever the norm. The transforms of real signals keep half of the spectrum. In
their transposes, frequencies that stand for two count twice.
"""

from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import Linear
from chainrule.core.operation import Array, case
from chainrule.core.traces.tape import real_only
from chainrule.core.transforms.batch import Call, Mine, Settings, Values
from chainrule.rules.elementary.complex_parts import conjugated

OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}
"""The norm that puts the factor 1/n on the other direction."""

CASES = (
    case((5,)),
    case((6,), norm="ortho"),
    case((3, 4), axis=-2),
    case((4,), n=6, norm="forward"),
    case((2, 7), n=4),
    case((2, 5), n=3, norm="backward"),
    case((1,)),
    case((0, 3)),
)


def _stacked(values: Values, mine: Mine, settings: Settings) -> Call:  # noqa: ARG001
    """Transform each value of a stack: the axis is counted from the end."""
    return values, settings


def resized(x: Array, n: int, axis: int) -> Array:
    """Return `x` cut or padded with zeros to length `n` along an axis counted from the end."""
    here = x.shape[axis]
    if n == here:
        return x
    if n < here:
        return x[(..., slice(n), *(slice(None),) * (-axis - 1))]
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, n - here)
    return np.pad(x, widths)


def doubled(n: int, axis: int, dtype: Any, once: float = 1.0, twice: float = 2.0) -> Array:
    """Return the weights of the half spectrum of n real samples: `twice` for frequencies that stand for two."""
    weights = np.full(n // 2 + 1, twice, dtype)
    weights[0] = once
    if n % 2 == 0:
        weights[-1] = once
    return weights.reshape((-1, *(1,) * (-axis - 1)))


class Fft(Linear):
    r"""y = \operatorname{fft}(x)"""

    on_complex = Complex.HOLOMORPHIC
    cases = CASES
    cost = 8
    stacked = staticmethod(_stacked)

    @staticmethod
    def primal(x: Array, *, n: int | None = None, axis: int = -1, norm: Any = None) -> Array:
        return np.fft.fft(x, n, axis, norm)

    @staticmethod
    def adjoint(y_bar: Array, x_shape: tuple[int, ...], *, axis: int, norm: Any) -> Array:
        r"""\bar x = \operatorname{fft}(\bar y)

        Cut or padded to the length of x, as x was to that of y.
        """
        return resized(Fft.apply(y_bar, axis=axis, norm=norm), x_shape[axis], axis)


class Ifft(Linear):
    r"""y = \operatorname{ifft}(x)"""

    on_complex = Complex.HOLOMORPHIC
    cases = CASES
    cost = 8
    stacked = staticmethod(_stacked)

    @staticmethod
    def primal(x: Array, *, n: int | None = None, axis: int = -1, norm: Any = None) -> Array:
        return np.fft.ifft(x, n, axis, norm)

    @staticmethod
    def adjoint(y_bar: Array, x_shape: tuple[int, ...], *, axis: int, norm: Any) -> Array:
        r"""\bar x = \operatorname{ifft}(\bar y)

        Cut or padded to the length of x, as x was to that of y.
        """
        return resized(Ifft.apply(y_bar, axis=axis, norm=norm), x_shape[axis], axis)


class Rfft(Linear):
    r"""y = \operatorname{rfft}(x)

    The half spectrum of real samples.
    """

    on_complex = Complex.MADE
    cases = CASES
    cost = 4
    stacked = staticmethod(_stacked)

    @staticmethod
    def primal(x: Array, *, n: int | None = None, axis: int = -1, norm: Any = None) -> Array:
        if np.iscomplexobj(x):
            raise TypeError(real_only("rfft", f"dtype {x.dtype}"))
        return np.fft.rfft(x, n, axis, norm)

    @staticmethod
    def adjoint(y_bar: Array, x_shape: tuple[int, ...], *, n: int | None, axis: int, norm: Any) -> Array:
        r"""\bar x = n\operatorname{irfft}(\operatorname{conj}(\bar y) w)

        where w is ½ for the frequencies that stand for two, and 1 for the others.
        """
        n = x_shape[axis] if n is None else n
        weighed = conjugated(y_bar) * doubled(n, axis, y_bar.real.dtype, 1.0, 0.5)
        return resized(Irfft.apply(weighed, n=n, axis=axis, norm=OPPOSITE[norm]), x_shape[axis], axis)


class Irfft(Linear):
    r"""y = \operatorname{irfft}(x)

    Real samples from a half spectrum. The imaginary parts of frequency 0 and, for an even number of samples, of the
    last one do not count.
    """

    on_complex = Complex.REAL_LINEAR
    cases = CASES[:5] + CASES[7:]  # from one frequency come no samples unless n is given
    cost = 4
    stacked = staticmethod(_stacked)

    @staticmethod
    def primal(x: Array, *, n: int | None = None, axis: int = -1, norm: Any = None) -> Array:
        return np.fft.irfft(x, n, axis, norm)

    @staticmethod
    def adjoint(y_bar: Array, x_shape: tuple[int, ...], *, n: int | None, axis: int, norm: Any) -> Array:
        r"""\bar x = \frac{1}{n} \operatorname{conj}(\operatorname{rfft}(\bar y)) w

        where w is 2 for the frequencies that stand for two, and 1 for the others.
        """
        n = 2 * (x_shape[axis] - 1) if n is None else n
        spectrum = conjugated(Rfft.apply(y_bar, axis=axis, norm=OPPOSITE[norm]))
        return resized(spectrum * doubled(n, axis, y_bar.dtype), x_shape[axis], axis)
