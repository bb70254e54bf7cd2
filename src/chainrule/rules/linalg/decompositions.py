r"""Decompositions of matrices: Cholesky, QR, eigenvalues of symmetric matrices, singular values.

For complex matrices, read conjugate transposes in the formulas, and "Hermitian" for "symmetric". The formulas of
reverse mode then hold for conjugates of cotangents, so the rules conjugate on entry and on return. (C. Boeddeker,
P. Hanebrink, L. Drude, J. Heymann and R. Haeb-Umbach, "On the computation of complex-valued gradients", 2017.)
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import General
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.traces.capturing import plain
from chainrule.core.transforms.batch import on_last_axes
from chainrule.rules.arrays.reduce import arrayed, sum
from chainrule.rules.elementary.complex_parts import conjugated, imag, is_complex, real

from .inverses import POSITIVE, REGULAR, TALL, identity, solve, squares, star, symmetric
from .matmul import matmul, transposed


def lower(x: Array, diagonal: float = 1.0) -> Array:
    """Return the lower triangles of matrices, with their diagonals scaled."""
    n = x.shape[-1]
    mask = np.tril(np.ones((n, n), x.dtype), -1) + np.eye(n, dtype=x.dtype) * x.dtype.type(diagonal)
    return x * mask


def diagonal(x: Array) -> Array:
    """Return the diagonals of square matrices."""
    return sum(x * identity(x), axis=-1)


def _diagonal_matrix(x: Array) -> Array:
    """Return square matrices with these diagonals."""
    return x[..., None, :] * np.eye(x.shape[-1], dtype=x.dtype)


def reciprocal(x: Array) -> Array:
    """Return 1 / x, and zero where x is zero."""
    zero = plain(lambda x: x == 0, x, stacks=True)
    return np.where(zero, 0, 1 / np.where(zero, 1, x))


def gaps(x: Array) -> Array:
    r"""Return $F_{ij} = 1 / (x_j - x_i)$, zero where the two are equal."""
    return reciprocal(x[..., None, :] - x[..., :, None])


class Cholesky(General):
    r"""Y = \operatorname{cholesky}(A)

    The lower triangular Y with $A = Y Y^\top$. The symmetric part of A is used, so that the gradient is symmetric.
    (I. Murray, "Differentiation of the Cholesky decomposition", 2016, equations 8 and 10.)
    """

    on_complex = Complex.REAL_LINEAR
    cases = (case(POSITIVE), case(np.stack([POSITIVE, POSITIVE[::-1, ::-1] + np.eye(3)])), case(np.zeros((0, 3, 3))))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(a: Array) -> Array:
        return np.linalg.cholesky(symmetric(a))

    @staticmethod
    def adjoint(y_bar: Array, y: Array) -> Array:
        r"""\bar A = \operatorname{symmetric}(Y^{-\top} \operatorname{lower}(Y^\top \bar Y) Y^{-1})

        where lower takes the lower triangle with half its diagonal.
        """
        yt = star(y)
        half = solve(yt, lower(yt @ conjugated(y_bar), 0.5))
        return conjugated(symmetric(star(solve(yt, star(half)))))

    @staticmethod
    def jvp(a_dot: Array, y: Array) -> Array:
        r"""\dot Y = Y \operatorname{lower}(Y^{-1} \dot A Y^{-\top})"""
        half = solve(y, symmetric(a_dot))
        return y @ lower(solve(y, star(half)), 0.5)


class Eigh(General):
    r"""A V = V \operatorname{diag}(w)

    For symmetric A; the symmetric part is used. (M. Giles, "Collected matrix derivative results", 2008, section 3.1.)
    """

    on_complex = Complex.REAL_LINEAR
    is_free_in_phase = True
    several = True
    cases = (case(POSITIVE), case(np.stack([POSITIVE, REGULAR + REGULAR.T])))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(a: Array, *, triangle: str = "L") -> tuple[Array, Array]:
        # The two triangles are equal, but the signs of the vectors depend on which one LAPACK reads.
        w, v = np.linalg.eigh(symmetric(a), triangle)  # type: ignore[call-overload]
        return w, v

    @staticmethod
    def vjp(y_bar: tuple[Array, Array], y: tuple[Array, Array]) -> Array:
        r"""\bar A = V (\operatorname{diag}(\bar w) + F \odot V^\top \bar V) V^\top

        with $F_{ij} = 1 / (w_j - w_i)$, of which the symmetric part is taken.
        """
        (w_bar, v_bar), (w, v) = y_bar, y
        inner = w_bar[..., None, :] * identity(v) + gaps(w) * (star(v) @ conjugated(v_bar))
        return conjugated(symmetric(v @ inner @ star(v)))

    @staticmethod
    def jvp(a_dot: Array, y: tuple[Array, Array]) -> tuple[Array, Array]:
        r"""\dot w = \operatorname{diag}(V^\top \dot A V), \quad \dot V = V (F \odot V^\top \dot A V)"""
        w, v = y
        inner = star(v) @ symmetric(a_dot) @ v
        return diagonal(inner), v @ (gaps(w) * inner)


class Qr(General):
    r"""A = Q R

    For full-rank matrices with no more columns than rows. (S. F. Walter and L. Lehmann, "Algorithmic differentiation
    of linear algebra functions with application in optimum experimental design", 2010.)
    """

    on_complex = Complex.REAL_LINEAR
    several = True
    cases = (case(REGULAR), case(TALL), case(np.stack([TALL, -TALL[::-1]])))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(a: Array) -> tuple[Array, Array]:
        q, r = np.linalg.qr(a)
        return q, r

    @staticmethod
    def vjp(y_bar: tuple[Array, Array], y: tuple[Array, Array]) -> Array:
        r"""\bar A = (\bar Q + Q \operatorname{copied}(R \bar R^\top - \bar Q^\top Q)) R^{-\top}

        where copied mirrors the lower triangle to the upper one, and of a complex diagonal takes the real part: the
        diagonal of R is real.
        """
        (q_bar, r_bar), (q, r) = map(conjugated, y_bar), y
        m = r @ star(r_bar) - star(q_bar) @ q
        below = lower(m, 0.0)
        copied = below + star(below) + _diagonal_matrix(real(diagonal(m)))
        return conjugated(star(solve(r, star(q_bar + q @ copied))))

    @staticmethod
    def jvp(a_dot: Array, y: tuple[Array, Array]) -> tuple[Array, Array]:
        r"""\dot Q = Q \Omega + (I - Q Q^\top) \dot A R^{-1}, \quad \dot R = (Q^\top \dot A R^{-1} - \Omega) R

        where Ω is the antisymmetric matrix with the lower triangle of $Q^\top \dot A R^{-1}$, and for complex matrices
        with the imaginary part of its diagonal.
        """
        q, r = y
        moved = transposed(solve(transposed(r), transposed(a_dot)))
        w = star(q) @ moved
        omega = lower(w, 0.0) - star(lower(w, 0.0))
        if is_complex(w):
            omega = omega + _diagonal_matrix(1j * imag(diagonal(w)))
        return q @ (omega - w) + moved, (w - omega) @ r


class Svd(General):
    r"""A = U \operatorname{diag}(s) V^\top

    With as many singular values as A has rows or columns, whichever are fewer. (J. Townsend, "Differentiating the
    singular value decomposition", 2016.)
    """

    on_complex = Complex.REAL_LINEAR
    is_free_in_phase = True
    several = True
    cases = (case(REGULAR), case(TALL), case(TALL.T), case(np.stack([TALL, -2 * TALL[::-1]])))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(a: Array) -> tuple[Array, Array, Array]:
        u, s, vt = np.linalg.svd(a, full_matrices=False)
        return u, s, vt

    @staticmethod
    def vjp(y_bar: tuple[Array, Array, Array], y: tuple[Array, Array, Array]) -> Array:
        r"""\bar A = U (J S + S K + \operatorname{diag}(\bar s)) V^\top
        + P_U \bar U S^{-1} V^\top + U S^{-1} \bar V^\top P_V

        with $J = F \odot (U^\top \bar U - \bar U^\top U)$, $K = F \odot (V^\top \bar V - \bar V^\top V)$,
        $F_{ij} = 1 / (s_j^2 - s_i^2)$, $P_U = I - U U^\top$ and $P_V = I - V V^\top$. For complex matrices,
        $\operatorname{imag}(\operatorname{diag}(U^* \bar U - V^* \bar V)) / 2 s$ turns the diagonal.
        """
        (u_bar, s_bar, vt_bar), (u, s, vt) = map(conjugated, y_bar), y
        ut, v, v_bar = star(u), star(vt), star(vt_bar)
        f, inverse = _square_gaps(s), reciprocal(s)[..., None, :]
        j, k = ut @ u_bar, vt @ v_bar
        rotation = f * (j - star(j)) * s[..., None, :] + s[..., :, None] * (f * (k - star(k)))
        if is_complex(j):
            s_bar = s_bar + 0.5j * imag(diagonal(j - k)) * reciprocal(s)
        a_bar = u @ (rotation + _diagonal_matrix(s_bar)) @ vt
        if u.shape[-2] > s.shape[-1]:
            a_bar = a_bar + ((u_bar - u @ j) * inverse) @ vt
        if v.shape[-2] > s.shape[-1]:
            a_bar = a_bar + u @ star((v_bar - v @ k) * inverse)
        return conjugated(a_bar)

    @staticmethod
    def jvp(a_dot: Array, y: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        r"""\dot s = \operatorname{diag}(U^\top \dot A V)

        With $D = U^\top \dot A V$: $\dot U = U (F \odot (D S + S D^\top)) + P_U \dot A V S^{-1}$ and
        $\dot V = V (F \odot (S D + D^\top S)) + P_V \dot A^\top U S^{-1}$. For complex matrices, half of the
        imaginary part of $\operatorname{diag}(D) / s$ turns the phases of U, and the other half those of V back.
        """
        u, s, vt = y
        ut, v = star(u), star(vt)
        f, row, column, inverse = _square_gaps(s), s[..., None, :], s[..., :, None], reciprocal(s)[..., None, :]
        moved, turned = a_dot @ v, star(a_dot) @ u
        d = ut @ moved
        dt = star(d)
        of_u, of_v = f * (d * row + column * dt), f * (column * d + dt * row)
        if is_complex(d):
            phases = _diagonal_matrix(0.5j * imag(diagonal(d)) * reciprocal(s))
            of_u, of_v = of_u + phases, of_v - phases
        u_dot, v_dot = u @ of_u, v @ of_v
        if u.shape[-2] > s.shape[-1]:
            u_dot = u_dot + (moved - u @ d) * inverse
        if v.shape[-2] > s.shape[-1]:
            v_dot = v_dot + (turned - v @ dt) * inverse
        return u_dot, diagonal(d), star(v_dot)


def _square_gaps(s: Array) -> Array:
    """Return $1 / (s_j^2 - s_i^2)$ as a product, which avoids cancellation."""
    return gaps(s) * reciprocal(s[..., None, :] + s[..., :, None])


class EighResult(NamedTuple):
    """Eigenvalues, ascending, and eigenvectors, as columns."""

    eigenvalues: Array
    eigenvectors: Array


class QRResult(NamedTuple):
    """Orthonormal columns and an upper triangular matrix."""

    Q: Array
    R: Array


class SVDResult(NamedTuple):
    """Left singular vectors as columns, singular values descending, right singular vectors as rows."""

    U: Array
    S: Array
    Vh: Array


@implements(np.linalg.cholesky)
def cholesky(a: Array, /, *, upper: bool = False) -> Array:
    """Return the lower (or upper) Cholesky factor of positive definite matrices `a` [..., n, n], real or complex.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 2.0]]))
    array([[2., 0.],
           [1., 1.]])
    """
    y = Cholesky.apply(squares("cholesky", a))
    return star(y) if upper else y


@implements(np.linalg.eigh)
def eigh(a: Array, UPLO: str | None = None) -> EighResult:  # noqa: N803, RUF100
    """Return eigenvalues and eigenvectors of symmetric matrices [..., n, n].

    With `UPLO` "L" or "U" only that triangle is read, so that the other one gets no gradient. Without it, the symmetric
    part is used, and the gradient is symmetric.

    >>> eigh(np.array([[2.0, 0.0], [9.0, 1.0]]), UPLO="U").eigenvalues
    array([1., 2.])
    """
    if UPLO is None:
        return EighResult(*Eigh.apply(squares("eigh", a)))
    if UPLO not in ("L", "U"):
        raise ValueError(f"eigh: got UPLO={UPLO!r}, expected 'L' or 'U'")
    return EighResult(*Eigh.apply(_of_triangle(squares("eigh", a), UPLO), triangle=UPLO))


def _of_triangle(a: Array, which: str) -> Array:
    """Return the symmetric matrices that have one triangle of these."""
    kept = lower(a) if which == "L" else a - lower(a, 0.0)
    return kept + star(kept - a * identity(a))


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Array, UPLO: str | None = None) -> Array:  # noqa: N803, RUF100
    """Return the eigenvalues of symmetric matrices [..., n, n], ascending; `UPLO` as in `eigh`."""
    return eigh(a, UPLO).eigenvalues


@implements(np.linalg.qr)
def qr(a: Array, mode: str = "reduced") -> Any:
    """Return Q [..., n, k] and R [..., k, m] with `a = Q R`, k the lesser of n and m; only R with `mode="r"`.

    The modes "complete" and "raw" raise ValueError: the columns that they add are not determined by `a`.
    """
    a = arrayed(a)
    if mode not in ("reduced", "r"):
        raise ValueError(f"qr: got mode={mode!r}, expected 'reduced' or 'r', which have a derivative")
    n = a.shape[-2]
    if n >= a.shape[-1]:
        q, r = Qr.apply(a)
    else:
        # The columns beyond the square part are combinations of the same orthonormal columns.
        q, square = Qr.apply(a[..., :n])
        r = np.concatenate([square, matmul(star(q), a[..., n:])], axis=-1)
    return r if mode == "r" else QRResult(q, r)


@implements(np.linalg.svd)
def svd(a: Array, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:  # noqa: ARG001
    """Return U [..., n, k], the singular values [..., k] and Vᵀ [..., k, m]; only the values without `compute_uv`.

    `full_matrices=True` works for square matrices only: the vectors it adds are not determined by `a`.

    >>> svd(np.array([[3.0, 0.0], [0.0, -2.0]]), compute_uv=False)
    array([3., 2.])
    """
    a = arrayed(a)
    if compute_uv and full_matrices and a.shape[-1] != a.shape[-2]:
        raise ValueError(f"svd: full_matrices=True has no derivative for shape {a.shape}; pass full_matrices=False")
    found = SVDResult(*Svd.apply(a))
    return found if compute_uv else found.S


@implements(np.linalg.svdvals)
def svdvals(a: Array) -> Array:
    """Return the singular values of matrices [..., n, m], descending."""
    return svd(a, compute_uv=False)
