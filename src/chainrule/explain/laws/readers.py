"""Formulas over sequences and the parts of a decomposition: the same in plain NumPy, to verify them.

The code follows the formula and shares nothing with the rule.
"""

import functools
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
from chainrule.rules.linalg.matrix_functions import Expm, Logm, SolveSylvester, Sqrtm, scipy_linalg

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


def _at(unit: Unit, x: Any, size: int) -> Any:
    """Return zeros with each element of x added at its position."""
    return np.bincount(array_of(unit.inputs[1]).ravel(), np.ravel(x), size)


def _of_each(name: str, a: Any) -> Any:
    """Return SciPy's function of each matrix."""
    function = getattr(scipy_linalg(name), name)
    return np.real(np.array([function(one) for one in np.reshape(a, (-1, *np.shape(a)[-2:]))])).reshape(np.shape(a))


def _frechet(name: str, unit: Unit, _: int, y_bar: Any) -> Any:
    """Return the derivative of a matrix function at the transposed matrix: a corner of its value for a block matrix."""
    a = np.swapaxes(array_of(unit.inputs[0]), -1, -2)
    rows = np.concatenate([a, y_bar], axis=-1), np.concatenate([0 * a, a], axis=-1)
    return _of_each(name, np.concatenate(rows, axis=-2))[..., : a.shape[-1], a.shape[-1] :]


def _sylvester(a: Any, b: Any, q: Any) -> Any:
    """Return the solution of a x + x b = q, as a system of linear equations, for each matrix of a stack."""
    if any(np.ndim(x) > 2 for x in (a, b, q)):
        return _each_sylvester(a, b, q)
    system = np.kron(a, np.eye(len(b))) + np.kron(np.eye(len(a)), np.transpose(b))
    return np.linalg.solve(system, np.ravel(q)).reshape(np.shape(q))


_each_sylvester = np.vectorize(_sylvester, signature="(n,n),(m,m),(n,m)->(n,m)")


def _sqrtm_adjoint(unit: Unit, _: int, y_bar: Any) -> Any:
    root = turned(_of_each("sqrtm", array_of(unit.inputs[0])))
    return _sylvester(root, root, y_bar)


def _sylvester_adjoint(unit: Unit, k: int, y_bar: Any) -> Any:
    a, b, q = (array_of(x) for x in unit.inputs)
    y, q_bar = _sylvester(a, b, q), _sylvester(turned(a), turned(b), y_bar)
    found = (-q_bar @ turned(y), -turned(y) @ q_bar, q_bar)[k]
    return found.sum(axis=tuple(range(found.ndim - (a, b, q)[k].ndim)))


Forward = Callable[..., Any]
Backward = Callable[[Unit, int, Any], Any]
WHOLE: Mapping[Any, tuple[Forward | None, Backward]] = {
    Scatter: (_scattered, lambda unit, _, y_bar: y_bar[unit.settings["index"]]),
    TakeAt: (
        lambda _, x, i: x[np.asarray(i, int)],
        lambda unit, _, y_bar: _at(unit, y_bar, np.size(array_of(unit.inputs[0]))),
    ),
    AddAt: (
        lambda unit, x, _: _at(unit, x, unit.settings["size"]),
        lambda unit, _, y_bar: y_bar[array_of(unit.inputs[1])],
    ),
    Expm: (lambda _, a: scipy_linalg("expm").expm(a), functools.partial(_frechet, "expm")),
    Logm: (lambda _, a: _of_each("logm", a), functools.partial(_frechet, "logm")),
    Sqrtm: (lambda _, a: _of_each("sqrtm", a), _sqrtm_adjoint),
    SolveSylvester: (lambda _, *xs: _sylvester(*xs), _sylvester_adjoint),
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
