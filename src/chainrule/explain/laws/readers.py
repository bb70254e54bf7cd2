"""Formulas over sequences and the parts of a decomposition: the same in plain NumPy, to verify them.

The code follows the formula and shares nothing with the rule.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.explain.derive.unit import Unit
from chainrule.formula.functions import as_double
from chainrule.formula.more_functions import cofactors
from chainrule.observe.entry import array_of
from chainrule.rules.arrays.calculus import Convolve, Correlate
from chainrule.rules.arrays.index import Scatter
from chainrule.rules.arrays.row_index import AddAt, TakeAt
from chainrule.rules.linalg.decompositions import Cholesky
from chainrule.rules.linalg.eigenvalues import Roots
from chainrule.rules.linalg.inverses import Det
from chainrule.rules.linalg.matrix_functions import Expm, Logm, SolveSylvester, Sqrtm, scipy_linalg

from .decompositions import ADJOINTS, CONJUGATED, hermitian, with_conjugates
from .laws import Law, backward_law, forward_law, is_complex

Function = Callable[..., Any]


def _scattered(unit: Unit, x: Any) -> Any:
    y = np.zeros(unit.settings["shape"], as_double(x).dtype)
    np.add.at(y, unit.settings["index"], x)
    return y


def turned(a: Any) -> Any:
    """Return the matrices transposed."""
    return np.swapaxes(a, -1, -2)


def _convolution_adjoint(unit: Unit, k: int, y_bar: Any) -> Any:
    other, own = array_of(unit.inputs[1 - k]), array_of(unit.inputs[k])
    return np.array([np.sum(y_bar[i : i + len(other)] * other) for i in range(len(own))])


def _correlation_adjoint(unit: Unit, k: int, y_bar: Any) -> Any:
    a, v = (array_of(x) for x in unit.inputs)
    found = np.zeros(len(a) if k == 0 else len(v), np.result_type(a, v, y_bar))
    for i, one in enumerate(y_bar):
        if k == 0:
            found[i : i + len(v)] += one * v
        else:
            found += one * a[i : i + len(v)]
    return found


def _cofactors_adjoint(unit: Unit, _: int, y_bar: Any) -> Any:
    return np.asarray(y_bar)[..., None, None] * cofactors(array_of(unit.inputs[0]))


def _roots_adjoint(unit: Unit, _: int, y_bar: Any) -> Any:
    """Return the derivative of each root by each coefficient, from the polynomial's own derivative there."""
    p, roots = array_of(unit.inputs[0]), unit.output.value
    powers = np.array([[y ** (len(p) - 1 - j) for j in range(len(p))] for y in roots])
    return -(y_bar / np.polyval(np.polyder(p), roots)) @ powers


def _at(unit: Unit, x: Any, size: int) -> Any:
    """Return zeros with each element of x added at its position."""
    found = np.zeros(size, as_double(x).dtype)
    np.add.at(found, array_of(unit.inputs[1]).ravel(), np.ravel(x))
    return found


def _of_each(name: str, a: Any) -> Any:
    """Return SciPy's function of each matrix."""
    function = getattr(scipy_linalg(name), name)
    found = np.array([function(one) for one in np.reshape(a, (-1, *np.shape(a)[-2:]))]).reshape(np.shape(a))
    return found if np.iscomplexobj(a) else np.real(found)


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
    Correlate: (lambda _, a, v: np.correlate(a, np.conj(v), "valid"), _correlation_adjoint),
    Roots: (lambda _, x: np.roots(x), _roots_adjoint),
    Det: (lambda _, a: np.linalg.det(a), _cofactors_adjoint),
    **{record: (None, adjoint) for record, adjoint in ADJOINTS.items()},
    Cholesky: (lambda _, a: np.linalg.cholesky(hermitian(a)), ADJOINTS[Cholesky]),
}
"""The forward pass, where it has one result, and the cotangent of each argument."""


def whole_forward(unit: Unit) -> Law | None:
    """Return the law of the forward pass."""
    law, function = forward_law(unit), WHOLE[unit.record][0]
    if law is None or function is None:
        return law
    if unit.record is Cholesky and not np.array_equal(x := array_of(unit.inputs[0]), hermitian(x)):
        law = Law(law.latex.replace("(A)", r"(\operatorname{symmetric}(A))"))
    arguments = ", ".join(unit.argument_names)
    return Law(law.latex, rf"y = \operatorname{{whole}}({arguments})", {"whole": lambda *xs: function(unit, *xs)})


def whole_backward(unit: Unit, k: int) -> Law | None:
    """Return the law for the cotangent of input k."""
    law, _ = backward_law(unit, k)
    function, bars = WHOLE[unit.record][1], unit.output.gradient
    if law is None:
        return None
    if unit.record in CONJUGATED and is_complex(unit):
        law = Law(with_conjugates(law.latex))
    left = rf"\bar {unit.argument_names[k]}"
    return Law(law.latex, rf"{left} = \operatorname{{whole}}(0)", {"whole": lambda _: function(unit, k, bars)})
