r"""Eigenvalues and eigenvectors of general matrices, and the roots of polynomials.

Both may be complex where the matrix is real. The eigenvalues must be distinct; where two are equal, the term that would
divide by their difference is dropped, as in `decompositions`. (C. Boeddeker, P. Hanebrink, L. Drude, J. Heymann and R.
Haeb-Umbach, "On the computation of complex-valued gradients with application to statistically optimum beamforming",
2017, equations 4.60 and 4.77.)
"""

from typing import NamedTuple

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import General
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.transforms.batch import on_last_axes
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.arrays.shape import astype
from chainrule.rules.elementary.complex_parts import conjugated, is_complex, real

from .decompositions import diagonal, gaps, reciprocal
from .inverses import POSITIVE, identity, solve, squares, star

SKEWED = np.array([[2.0, 0.7, -0.2], [0.3, -1.0, 0.5], [0.1, 0.4, 0.6]])
"""A matrix that is not symmetric, with distinct real eigenvalues."""


class Eig(General):
    r"""A V = V \operatorname{diag}(w)

    The columns of V have length 1.
    """

    on_complex = Complex.REAL_LINEAR
    is_free_in_phase = True
    several = True
    stacked = staticmethod(on_last_axes)
    cases = (case(SKEWED), case(np.stack([SKEWED, POSITIVE])))

    @staticmethod
    def primal(a: Array) -> tuple[Array, Array]:
        w, v = np.linalg.eig(a)
        return w, v

    @staticmethod
    def vjp(y_bar: tuple[Array, Array], y: tuple[Array, Array]) -> Array:
        r"""\bar A = V^{-\top} (\operatorname{diag}(\bar w) + F \odot G) V^\top, \quad
        G = V^\top \bar V - V^\top V \operatorname{diag}(V^\top \bar V)

        with $F_{ij} = 1 / (w_j - w_i)$. For complex V, read conjugate transposes and the conjugate of F, and of the
        diagonal take the real part: this holds for conjugates of cotangents.
        """
        (w_bar, v_bar), (w, v) = map(conjugated, y_bar), y
        vh = star(v)
        moved = vh @ v_bar
        moved = moved - (vh @ v) * real(diagonal(moved))[..., None, :]
        inner = conjugated(gaps(w)) * moved + w_bar[..., None, :] * identity(v)
        return conjugated(solve(vh, inner @ vh))

    @staticmethod
    def jvp(a_dot: Array, y: tuple[Array, Array]) -> tuple[Array, Array]:
        r"""\dot w = \operatorname{diag}(D), \quad \dot V = V (F \odot D - \operatorname{diag}(V^\top V (F \odot D)))

        with $D = V^{-1} \dot A V$: the lengths of the columns stay 1.
        """
        w, v = y
        inner = solve(v, a_dot @ v)
        turned = gaps(w) * inner
        stretched = real(diagonal(star(v) @ (v @ turned)))
        return diagonal(inner), v @ turned - v * stretched[..., None, :]


class EigResult(NamedTuple):
    """Eigenvalues, in no particular order, and eigenvectors, as columns."""

    eigenvalues: Array
    eigenvectors: Array


@implements(np.linalg.eig)
def eig(a: Array) -> EigResult:
    """Return eigenvalues and eigenvectors of square matrices [..., n, n], complex if one of the eigenvalues is.

    Each eigenvector has length 1. Complex ones are determined up to a phase: only functions that do not depend on it
    have a derivative.
    """
    return EigResult(*Eig.apply(squares("eig", a)))


@implements(np.linalg.eigvals)
def eigvals(a: Array) -> Array:
    """Return the eigenvalues of square matrices [..., n, n], in no particular order, complex if one of them is.

    >>> eigvals(np.array([[0.0, 1.0], [-4.0, 0.0]])).imag.tolist()
    [2.0, -2.0]
    """
    return eig(a).eigenvalues


class Roots(General):
    r"""y = \operatorname{roots}(x)"""

    on_complex = Complex.HOLOMORPHIC
    is_shaped_by_values = True
    cases = (case(np.array([1.0, -6.5, 11.0, -4.0])), case(np.array([2.0, -3.0, 1.0, 0.0])), case(np.array([2.0, 1.0])))

    @staticmethod
    def primal(x: Array) -> Array:
        return np.roots(x)

    @staticmethod
    def adjoint(y_bar: Array, x: Array, y: Array) -> Array:
        r"""\bar x_j = -\sum_k \frac{\bar y_k y_k^{n - j}}{p'(y_k)}"""
        powers, slope = _powers_and_slope(x, y)
        return -((y_bar * reciprocal(slope)) @ powers)

    @staticmethod
    def jvp(x: Array, x_dot: Array, y: Array) -> Array:
        r"""\dot y_k = -\frac{1}{p'(y_k)} \sum_j \dot x_j y_k^{n - j}"""
        powers, slope = _powers_and_slope(x, y)
        return -(powers @ x_dot) * reciprocal(slope)


def _powers_and_slope(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the powers of each root that go with the coefficients, and the derivative of the polynomial there."""
    exponents = np.arange(x.shape[0] - 1, -1, -1).astype(y.real.dtype)
    powers = y[:, None] ** exponents
    return powers, powers[:, 1:] @ (x[:-1] * exponents[:-1])


@implements(np.roots)
def roots(p: Array) -> Array:
    """Return the roots of the polynomial with coefficients `p`, the highest power first.

    They are complex if one of them is, in no particular order. A multiple root has no derivative, and gets none.

    >>> roots(np.array([1.0, -3.0, 2.0]))
    array([2., 1.])
    """
    p = arrayed(p)
    if p.ndim != 1:
        raise ValueError(f"roots: got shape {p.shape}, expected a vector of coefficients")
    if not (is_complex(p) or p.dtype.kind == "f"):
        p = astype(p, np.float64)
    return Roots.apply(p)
