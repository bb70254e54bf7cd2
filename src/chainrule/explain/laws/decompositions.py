r"""The parts of matrix decompositions, and the gradients through them, in plain NumPy.

The formulas are those of the records; of complex matrices they hold for conjugate transposes and for the conjugates of
the gradients, as the derivation then writes them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.explain.derive.template import sides
from chainrule.explain.derive.unit import Unit
from chainrule.observe.entry import array_of
from chainrule.rules.linalg.decompositions import Cholesky, Eigh, Qr, Svd
from chainrule.rules.linalg.eigenvalues import Eig
from chainrule.rules.linalg.inverses import Pinv, Slogdet

Function = Callable[..., Any]

DECOMPOSED: Mapping[Any, tuple[str, Function]] = {
    Eig: (r"\operatorname{eig}", np.linalg.eig),
    Eigh: (r"\operatorname{eigh}", lambda a: np.linalg.eigh(hermitian(a))),
    Qr: (r"\operatorname{qr}", np.linalg.qr),
    Svd: (r"\operatorname{svd}", lambda a: np.linalg.svd(a, full_matrices=False)),
    Slogdet: (r"\operatorname{slogdet}", np.linalg.slogdet),
}
"""The functions that give the parts of a decomposition, as they are shown and computed."""

PARTS: Mapping[Any, tuple[str, ...]] = {
    **dict.fromkeys((Eig, Eigh), ("w", "v")),
    **{Qr: ("q", "r"), Svd: ("u", "s", ""), Slogdet: ("s", "y")},
}
"""The names of the parts in the records' formulas; SVD's third part is the transpose of its V."""


def star(a: Any) -> Any:
    """Return the conjugate transposes."""
    return np.conj(np.swapaxes(a, -1, -2))


def hermitian(a: Any) -> Any:
    """Return the mean of matrices and their conjugate transposes: the symmetric part of real ones."""
    return (a + star(a)) / 2


def _diagonal(a: Any) -> Any:
    return np.diagonal(a, axis1=-2, axis2=-1)


def _as_matrix(d: Any) -> Any:
    """Return the diagonal matrices of vectors."""
    return d[..., None] * np.eye(d.shape[-1])


def _reciprocal_gaps(w: Any) -> Any:
    gaps = w[..., None, :] - w[..., :, None]
    return np.divide(1.0, gaps, out=np.zeros_like(gaps), where=gaps != 0)


def _hermitian_eigen(unit: Unit, bars: Any) -> Any:
    (w_bar, v_bar), (w, v) = bars, unit.output.value
    return hermitian(v @ (_as_matrix(w_bar) + _reciprocal_gaps(w) * (star(v) @ v_bar)) @ star(v))


def _eigen(unit: Unit, bars: Any) -> Any:
    (w_bar, v_bar), (w, v) = bars, unit.output.value
    moved = star(v) @ v_bar
    moved = moved - (star(v) @ v) * np.real(_diagonal(moved))[..., None, :]
    inner = _as_matrix(w_bar) + np.conj(_reciprocal_gaps(w)) * moved
    return np.linalg.inv(star(v)) @ inner @ star(v)


def _triangular(unit: Unit, bars: Any) -> Any:
    (q_bar, r_bar), (q, r) = bars, unit.output.value
    inner = r @ star(r_bar) - star(q_bar) @ q
    below = np.tril(inner, -1)
    copied = below + star(below) + _as_matrix(np.real(_diagonal(inner)))
    return (q_bar + q @ copied) @ np.linalg.inv(star(r))


def _singular(unit: Unit, bars: Any) -> Any:
    (u_bar, s_bar, vt_bar), (u, s, vt) = bars, unit.output.value
    v, v_bar = star(vt), star(vt_bar)
    f, middle, inverse = _reciprocal_gaps(s**2), _as_matrix(s), _as_matrix(1 / s)
    of_u, of_v = star(u) @ u_bar, star(v) @ v_bar
    j, k = (f * (a - star(a)) for a in (of_u, of_v))
    turn = 0.5j * np.imag(_diagonal(of_u - of_v)) / s if np.iscomplexobj(of_u) else 0.0
    found = u @ (j @ middle + middle @ k + _as_matrix(s_bar + turn)) @ vt
    p_u, p_v = (np.eye(a.shape[-2]) - a @ star(a) for a in (u, v))
    return found + p_u @ u_bar @ inverse @ vt + u @ inverse @ star(v_bar) @ p_v


def _triangle(unit: Unit, y_bar: Any) -> Any:
    y = unit.output.value
    inner = star(y) @ y_bar
    half = np.tril(inner, -1) + _as_matrix(_diagonal(inner)) / 2
    return hermitian(np.linalg.inv(star(y)) @ half @ np.linalg.inv(y))


def _pseudoinverse(unit: Unit, y_bar: Any) -> Any:
    a, y = array_of(unit.inputs[0]), unit.output.value
    rows, columns = star(y_bar) @ y @ star(y), star(y) @ y @ star(y_bar)
    return rows - star(y) @ y_bar @ star(y) - a @ y @ rows + columns - columns @ y @ a


def _determinant(unit: Unit, _: int, bars: Any) -> Any:
    """Return the gradient through the sign of a determinant, a phase if it is complex, and through its logarithm."""
    (s_bar, y_bar), sign = bars, unit.output.value[0]
    turn = 1j * np.imag(s_bar * sign) if np.iscomplexobj(sign) else 0.0
    inverse = np.linalg.inv(array_of(unit.inputs[0]))
    return np.asarray(y_bar + turn)[..., None, None] * np.swapaxes(inverse, -1, -2)


def _conjugated(adjoint: Callable[[Unit, Any], Any]) -> Callable[[Unit, int, Any], Any]:
    """Return the gradient by a formula that holds for the conjugates of gradients."""

    def pulled(unit: Unit, _: int, bars: Any) -> Any:
        several = isinstance(bars, tuple)
        return np.conj(adjoint(unit, tuple(map(np.conj, bars)) if several else np.conj(bars)))

    return pulled


CONJUGATED: Mapping[Any, Callable[[Unit, int, Any], Any]] = {
    Eig: _conjugated(_eigen),
    Eigh: _conjugated(_hermitian_eigen),
    Qr: _conjugated(_triangular),
    Svd: _conjugated(_singular),
    Cholesky: _conjugated(_triangle),
    Pinv: _conjugated(_pseudoinverse),
}
"""The gradient that goes back through each decomposition whose formula holds for the conjugates of gradients."""
ADJOINTS = {**CONJUGATED, Slogdet: _determinant}
"""The gradient that goes back through each decomposition."""


def with_conjugates(latex: str) -> str:
    r"""Return a formula for complex matrices: of conjugate transposes, for the conjugates of gradients.

    >>> with_conjugates(r"\bar A = Y^\top \bar Y")
    '\\bar A = \\operatorname{conj}\\left(Y^{*} \\operatorname{conj}(\\bar Y)\\right)'
    """
    left, (right, *_) = sides(latex)
    right = re.sub(r"\\bar [A-Za-z]", lambda bar: rf"\operatorname{{conj}}({bar[0]})", right)
    right = right.replace(r"^{-\top}", "^{-*}").replace(r"^\top", "^{*}")
    return rf"{left} = \operatorname{{conj}}\left({right}\right)"
