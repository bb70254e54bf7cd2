r"""Fourier transforms: their formulas, and NumPy's transforms to verify them.

The matrix of the transform is symmetric, so what goes back through it is the same transform, cut or padded to the
length that went in. A transform of real numbers keeps half of the spectrum: the other half goes back as zeros, and
of what comes out the real part counts. Backwards through its inverse, a frequency that stands for two counts twice.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.explain.derive.unit import Unit
from chainrule.observe.entry import array_of
from chainrule.rules.fft.transforms import Fft, Ifft, Irfft, Rfft

from .laws import Law

TRANSFORMS: Mapping[Any, Callable[..., Any]] = {
    Fft: np.fft.fft,
    Ifft: np.fft.ifft,
    Rfft: np.fft.rfft,
    Irfft: np.fft.irfft,
}


def spectral_forward(unit: Unit) -> Law:
    """Return the law of the forward pass."""
    transform = TRANSFORMS[unit.record]
    n, axis, norm = (unit.settings[name] for name in ("n", "axis", "norm"))
    length = array_of(unit.inputs[0]).shape[axis]
    resized = n is not None and n != (2 * (length - 1) if unit.record is Irfft else length)
    arguments = f"x, {n}" if resized else "x"
    latex = rf"y = {_named(unit, unit.record.name)}({arguments})"
    return Law(latex, r"y = \operatorname{spectrum}(x)", {"spectrum": lambda x: transform(x, n, axis, norm)})


def spectral_backward(unit: Unit, _: int, shape: tuple[int, ...]) -> Law:
    """Return the law for the cotangent of the signal."""
    if unit.record is Irfft:
        return _backward_to_half(unit, shape)
    inverse, of_real = unit.record is Ifft, unit.record is Rfft
    axis, norm = unit.settings["axis"], unit.settings["norm"]
    n, length = unit.settings["n"] or shape[axis], shape[axis]
    padded = rf"{_named(unit, 'ifft' if inverse else 'fft')}(\bar y{f', {n}' if of_real else ''})"
    transform = np.fft.ifft if inverse else np.fft.fft

    def back(y_bar: Any) -> Any:
        return _to_length(transform(y_bar, n, axis, norm), length, axis)

    return Law(rf"\bar x = {_cut(padded, n, length)}", r"\bar x = \operatorname{back}(\bar y)", {"back": back})


def _backward_to_half(unit: Unit, shape: tuple[int, ...]) -> Law:
    axis, norm = unit.settings["axis"], unit.settings["norm"]
    n, length = unit.output.shape[axis], shape[axis]
    kept = n // 2 + 1
    weights = np.ones(kept)
    weights[1 : (n + 1) // 2] = 2.0
    listed = ", ".join(f"{w:.0f}" for w in weights) if kept <= 6 else rf"1, 2, \ldots, 2, {weights[-1]:.0f}"
    latex = rf"({listed}) \odot {_named(unit, 'ifft')}(\bar y)[0{{:}}{kept}]"

    def back(y_bar: Any) -> Any:
        half = np.take(np.fft.ifft(y_bar, n, axis, norm), range(kept), axis)
        return _to_length(half * weights.reshape((-1, *(1,) * (-axis - 1))), length, axis)

    return Law(rf"\bar x = {_cut(latex, kept, length)}", r"\bar x = \operatorname{back}(\bar y)", {"back": back})


def _named(unit: Unit, name: str) -> str:
    """Return the name of a transform with the axis and the norm, where they are not the usual ones."""
    axis, norm = unit.settings["axis"], unit.settings["norm"]
    told = [f"axis {axis + unit.output.ndim}"] * (unit.output.ndim > 1) + [norm] * (norm not in (None, "backward"))
    return rf"\operatorname{{{name}}}" + (rf"_{{\text{{{', '.join(told)}}}}}" if told else "")


def _cut(latex: str, n: int, length: int) -> str:
    """Return what n elements are as so many as went in: without the last ones, or with zeros after them."""
    if n == length:
        return latex
    if length < n:
        return rf"{latex}[0{{:}}{length}]" if "odot" not in latex else rf"\left({latex}\right)[0{{:}}{length}]"
    return rf"\operatorname{{pad}}({latex}, {length})"


def _to_length(x: Any, length: int, axis: int) -> Any:
    n = x.shape[axis]
    if length <= n:
        return np.take(x, range(length), axis)
    widths = [(0, 0)] * x.ndim
    widths[axis] = (0, length - n)
    return np.pad(x, widths)
