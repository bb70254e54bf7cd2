"""Formulas over sequences and the parts of a decomposition: the same in plain NumPy, to verify them.

The code follows the formula and shares nothing with the rule.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.explain.derive.unit import Unit
from chainrule.formula.more_functions import cofactors, copied, symmetric
from chainrule.observe.entry import array_of
from chainrule.rules.arrays.calculus import Convolve, Correlate
from chainrule.rules.arrays.index import Scatter
from chainrule.rules.arrays.row_index import AddAt, TakeAt
from chainrule.rules.linalg.decompositions import Eigh, Qr, Svd
from chainrule.rules.linalg.inverses import Det, Slogdet

from .laws import Law, backward_law, forward_law

Function = Callable[..., Any]


def _scattered(unit: Unit, x: Any) -> Any:
    y = np.zeros(unit.settings["shape"])
    np.add.at(y, unit.settings["index"], x)
    return y


def _eigen_adjoint(unit: Unit, _: int, bars: Any) -> Any:
    (w_bar, v_bar), (w, v) = bars, unit.output.value
    gaps = w[..., None, :] - w[..., :, None]
    f = np.divide(1.0, gaps, out=np.zeros(gaps.shape), where=gaps != 0)
    turned = np.swapaxes(v, -1, -2)
    inner = w_bar[..., None] * np.eye(w.shape[-1]) + f * (turned @ v_bar)
    return symmetric(v @ inner @ turned)


def _triangular_adjoint(unit: Unit, _: int, bars: Any) -> Any:
    (q_bar, r_bar), (q, r) = bars, unit.output.value
    inner = r @ np.swapaxes(r_bar, -1, -2) - np.swapaxes(q_bar, -1, -2) @ q
    return (q_bar + q @ copied(inner)) @ np.linalg.inv(np.swapaxes(r, -1, -2))


def turned(a: Any) -> Any:
    """Return the matrices transposed."""
    return np.swapaxes(a, -1, -2)


def _singular_adjoint(unit: Unit, _: int, bars: Any) -> Any:
    (u_bar, s_bar, vt_bar), (u, s, vt) = bars, unit.output.value
    v, v_bar, size = turned(vt), turned(vt_bar), s.shape[-1]
    gaps = s[..., None, :] ** 2 - s[..., :, None] ** 2
    f = np.divide(1.0, gaps, out=np.zeros(gaps.shape), where=gaps != 0)
    j, k = (f * (turned(a) @ b - turned(b) @ a) for a, b in ((u, u_bar), (v, v_bar)))
    middle = s[..., None] * np.eye(size)
    inverse = (1 / s)[..., None] * np.eye(size)
    p_u, p_v = (np.eye(a.shape[-2]) - a @ turned(a) for a in (u, v))
    found = u @ (j @ middle + middle @ k + s_bar[..., None] * np.eye(size)) @ vt
    return found + p_u @ u_bar @ inverse @ vt + u @ inverse @ turned(v_bar) @ p_v


def _determinant_adjoint(unit: Unit, _: int, bars: Any) -> Any:
    inverse = np.linalg.inv(array_of(unit.inputs[0]))
    return np.asarray(bars[1])[..., None, None] * np.swapaxes(inverse, -1, -2)


def _convolution_adjoint(unit: Unit, k: int, y_bar: Any) -> Any:
    other, own = array_of(unit.inputs[1 - k]), array_of(unit.inputs[k])
    return np.array([np.sum(y_bar[i : i + len(other)] * other) for i in range(len(own))])


def _correlation_adjoint(unit: Unit, k: int, y_bar: Any) -> Any:
    a, v = (array_of(x) for x in unit.inputs)
    found = np.zeros(len(a) if k == 0 else len(v))
    for i, one in enumerate(y_bar):
        if k == 0:
            found[i : i + len(v)] += one * v
        else:
            found += one * a[i : i + len(v)]
    return found


def _cofactors_adjoint(unit: Unit, _: int, y_bar: Any) -> Any:
    return np.asarray(y_bar)[..., None, None] * cofactors(array_of(unit.inputs[0]))


def _added(unit: Unit, x: Any, size: int) -> Any:
    y = np.zeros(size)
    np.add.at(y, np.ravel(array_of(unit.inputs[1])).astype(int), np.ravel(x))
    return y


Forward = Callable[..., Any]
Backward = Callable[[Unit, int, Any], Any]
WHOLE: Mapping[Any, tuple[Forward | None, Backward]] = {
    TakeAt: (
        lambda unit, x, _: x[array_of(unit.inputs[1])],
        lambda unit, _, y_bar: _added(unit, y_bar, np.size(array_of(unit.inputs[0]))),
    ),
    AddAt: (
        lambda unit, x, _: _added(unit, x, unit.settings["size"]),
        lambda unit, _, y_bar: y_bar[array_of(unit.inputs[1])],
    ),
    Scatter: (_scattered, lambda unit, _, y_bar: y_bar[unit.settings["index"]]),
    Convolve: (lambda _, a, v: np.convolve(a, v), _convolution_adjoint),
    Correlate: (lambda _, a, v: np.correlate(a, v, "valid"), _correlation_adjoint),
    Eigh: (None, _eigen_adjoint),
    Qr: (None, _triangular_adjoint),
    Svd: (None, _singular_adjoint),
    Slogdet: (None, _determinant_adjoint),
    Det: (lambda _, a: np.linalg.det(a), _cofactors_adjoint),
}
"""The forward pass, where it has one result, and the cotangent of each argument."""
DECOMPOSED: Mapping[Any, tuple[str, Function]] = {
    Eigh: (r"\operatorname{eigh}", np.linalg.eigh),
    Qr: (r"\operatorname{qr}", np.linalg.qr),
    Svd: (r"\operatorname{svd}", lambda a: np.linalg.svd(a, full_matrices=False)),
    Slogdet: (r"\operatorname{slogdet}", np.linalg.slogdet),
}
"""The functions that give the parts of a decomposition, as they are shown and computed."""

PARTS: Mapping[Any, tuple[str, ...]] = {Eigh: ("w", "v"), Qr: ("q", "r"), Svd: ("u", "s", ""), Slogdet: ("s", "y")}
"""The names of the parts in the records' formulas; SVD's third part is the transpose of its V."""


def whole_forward(unit: Unit) -> Law | None:
    """Return the law of the forward pass."""
    law, function = forward_law(unit), WHOLE[unit.record][0]
    if law is None or function is None:
        return law
    arguments = ", ".join(unit.argument_names)
    return Law(law.latex, rf"y = \operatorname{{whole}}({arguments})", {"whole": lambda *xs: function(unit, *xs)})


def whole_backward(unit: Unit, k: int) -> Law | None:
    """Return the law for the cotangent of input k."""
    law, _ = backward_law(unit, k)
    function, bars = WHOLE[unit.record][1], unit.output.gradient
    if law is None:
        return None
    left = rf"\bar {unit.argument_names[k]}"
    return Law(law.latex, rf"{left} = \operatorname{{whole}}(0)", {"whole": lambda _: function(unit, k, bars)})
