r"""NumPy's linear algebra: inverses, systems of equations, determinants, least squares.

Everything works on matrices in the last two axes; leading axes are batches. The formulas are those of M. Giles,
"Collected matrix derivative results for forward and reverse mode algorithmic differentiation" (2008), unless another
source is named.
"""

from typing import NamedTuple

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import General
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.traces.capturing import effect, every_value, plain
from chainrule.core.traces.dispatch import described
from chainrule.core.transforms.batch import along_last_axes, on_last_axes
from chainrule.rules.arrays.reduce import arrayed, sum
from chainrule.rules.elementary.complex_parts import conjugated, imag, is_complex, real

from . import proofs as proofs_of
from .matmul import matmul, transposed

REGULAR = np.array([[2.0, 0.5, -0.3], [0.1, -1.5, 0.7], [0.4, 0.2, 1.2]])
POSITIVE = np.array([[2.0, 0.5, -0.3], [0.5, 1.5, 0.2], [-0.3, 0.2, 1.0]])
BATCH = np.stack([REGULAR, REGULAR.T - 0.3, -REGULAR[::-1]])
TALL = np.array([[1.0, 0.4], [-0.5, 2.0], [0.3, 0.7]])


def squares(name: str, a: Array) -> Array:
    """Return `a` as an array of square matrices. Raises ValueError if it is not one."""
    a = arrayed(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"{name}: got {described(a)}, expected square matrices [..., n, n]")
    return a


def identity(like: Array) -> Array:
    """Return the identity matrix with as many columns as `like` and its dtype."""
    return np.eye(like.shape[-1], dtype=like.dtype)


def star(x: Array) -> Array:
    """Return the conjugate transpose of each matrix, the transpose of real ones."""
    return conjugated(transposed(x))


def symmetric(x: Array) -> Array:
    """Return the symmetric part of each matrix, of complex ones the Hermitian part."""
    return (x + star(x)) / 2


class Inv(General):
    r"""Y = A^{-1}"""

    proofs = {"a": proofs_of.INVERSE}
    on_complex = Complex.HOLOMORPHIC
    cases = (case(REGULAR), case(BATCH), case(np.zeros((0, 3, 3))))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(a: Array) -> Array:
        return np.linalg.inv(a)

    @staticmethod
    def adjoint(y_bar: Array, y: Array) -> Array:
        r"""\bar A = -Y^\top \bar Y Y^\top"""
        return -(transposed(y) @ y_bar @ transposed(y))

    @staticmethod
    def jvp(a_dot: Array, y: Array) -> Array:
        r"""\dot Y = -Y \dot A Y"""
        return -(y @ a_dot @ y)


class Solve(General):
    r"""Y = A^{-1} B"""

    proofs = proofs_of.SOLVE
    on_complex = Complex.HOLOMORPHIC
    cases = (case(REGULAR, (3, 2)), case(BATCH, (3, 2)), case(REGULAR, (2, 3, 1)), case(np.zeros((0, 3, 3)), (3, 2)))
    stacked = staticmethod(along_last_axes)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.linalg.solve(a, b)

    @staticmethod
    def vjp(y_bar: Array, a: Array, y: Array) -> tuple[Array, Array]:
        r"""\bar B = (A^\top)^{-1} \bar Y, \quad \bar A = -(A^\top)^{-1} \bar Y Y^\top"""
        b_bar = Solve.apply(transposed(a), y_bar)
        return -(b_bar @ transposed(y)), b_bar

    @staticmethod
    def jvp(a: Array, a_dot: Array, b_dot: Array, y: Array) -> Array:
        r"""\dot Y = A^{-1} (\dot B - \dot A Y)"""
        return Solve.apply(a, b_dot - a_dot @ y)


def cofactors(a: Array, y: Array) -> Array:
    r"""Return the matrices of cofactors, $\det(A) A^{-\top}$, also where the determinant y is zero.

    There they come from the recurrence $M_k = A M_{k-1} + c_k I$, $c_k = -\operatorname{tr}(A M_k) / k$ (U. Le Verrier,
    1840; D. K. Faddeev, 1949): it divides by no element, so it can be differentiated again.
    """
    if np.all(every_value(y) != 0):  # if a captured call meets a zero later, the inverse raises an error
        return y[..., None, None] * transposed(Inv.apply(a))
    n, eye = a.shape[-1], identity(a)
    m = a * 0 + eye
    for k in range(1, n):
        product = matmul(a, m)
        m = product - sum(product * eye, axis=(-1, -2), keepdims=True) / k * eye
    return transposed(m) * (-1) ** (n - 1)


class Det(General):
    r"""y = \det A"""

    on_complex = Complex.HOLOMORPHIC
    cases = (case(REGULAR), case(BATCH), case(np.diag([0.0, 2.0, 3.0])), case((1, 1)), case(np.zeros((0, 3, 3))))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(a: Array) -> Array:
        return np.linalg.det(a)

    @staticmethod
    def adjoint(y_bar: Array, a: Array, y: Array) -> Array:
        r"""\bar A = \bar y \operatorname{cofactors}(A)

        This is $\bar y\,y\,A^{-\top}$ if A is invertible.
        """
        return y_bar[..., None, None] * cofactors(a, y)

    @staticmethod
    def jvp(a: Array, a_dot: Array, y: Array) -> Array:
        r"""\dot y = \sum_{ij} \operatorname{cofactors}(A)_{ij} \dot A_{ij}"""
        return sum(cofactors(a, y) * a_dot, axis=(-1, -2))


class Slogdet(General):
    r"""(s, y) = (\operatorname{sign}(\det A), \log \operatorname{abs}(\det A))"""

    on_complex = Complex.REAL_LINEAR
    several = True
    cases = (case(REGULAR), case(BATCH))
    stacked = staticmethod(on_last_axes)
    of_complex = {"vjp": r"\bar A = (\bar y + \mathrm{i} \operatorname{imag}(\bar s s)) A^{-\top}"}

    @staticmethod
    def primal(a: Array) -> tuple[Array, Array]:
        sign, logarithm = np.linalg.slogdet(a)
        return sign, logarithm

    @staticmethod
    def vjp(y_bar: tuple[Array, Array], a: Array, y: tuple[Array, Array]) -> Array:
        r"""\bar A = \bar y A^{-\top}

        The sign of a real determinant is constant.
        """
        weight = y_bar[1]
        if is_complex(y[0]):
            weight = weight + 1j * imag(y_bar[0] * y[0])
        return weight[..., None, None] * transposed(Inv.apply(a))

    @staticmethod
    def jvp(a: Array, a_dot: Array, y: tuple[Array, Array]) -> tuple[Array, Array]:
        r"""(\dot s, \dot y) = (\mathrm{i} \operatorname{imag}(t) s, \operatorname{real}(t)), \quad
        t = \operatorname{tr}(A^{-1} \dot A)
        """
        t = sum(transposed(Inv.apply(a)) * a_dot, axis=(-1, -2))
        return y[0] * (1j * imag(t) if is_complex(t) else 0), t


class Pinv(General):
    r"""Y = \operatorname{pinv}(A)

    The pseudoinverse. (G. H. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate", 1973, equation 4.12; it holds where the rank is constant.)
    """

    on_complex = Complex.REAL_LINEAR
    cases = (case(TALL), case(TALL.T), case(BATCH))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(a: Array, *, rcond: float | None = None) -> Array:
        return np.linalg.pinv(a, rcond=rcond)

    @staticmethod
    def adjoint(y_bar: Array, a: Array, y: Array) -> Array:
        r"""\bar A = -Y^\top \bar Y Y^\top + \bar Y^\top Y Y^\top - A Y \bar Y^\top Y Y^\top
        + Y^\top Y \bar Y^\top - Y^\top Y \bar Y^\top Y A

        For complex matrices, the conjugate of what it is for the conjugate of $\bar Y$ with conjugate transposes.
        """
        y_bar = conjugated(y_bar)
        yt, bar_t = star(y), star(y_bar)
        left, right = bar_t @ y @ yt, yt @ y @ bar_t
        return conjugated(-(yt @ y_bar @ yt) + (left - a @ (y @ left)) + (right - right @ y @ a))

    @staticmethod
    def jvp(a: Array, a_dot: Array, y: Array) -> Array:
        r"""\dot Y = -Y \dot A Y + Y Y^\top \dot A^\top - Y Y^\top \dot A^\top A Y
        + \dot A^\top Y^\top Y - Y A \dot A^\top Y^\top Y

        For complex matrices, with conjugate transposes.
        """
        yt, dot_t = star(y), star(a_dot)
        left, right = dot_t @ yt @ y, y @ yt @ dot_t
        return -(y @ a_dot @ y) + (right - right @ a @ y) + (left - y @ (a @ left))


class SlogdetResult(NamedTuple):
    """The sign of a determinant, and the logarithm of its absolute value."""

    sign: Array
    logabsdet: Array


class LstsqResult(NamedTuple):
    """The result of `lstsq`; the last two are constants."""

    x: Array
    residuals: Array
    rank: Array
    singular_values: Array


@implements(np.linalg.inv)
def inv(a: Array) -> Array:
    """Return the inverses of square matrices [..., n, n]. Raises LinAlgError if one is singular.

    >>> inv(np.array([[2.0, 0.0], [0.0, 4.0]]))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return Inv.apply(squares("inv", a))


@implements(np.linalg.solve)
def solve(a: Array, b: Array) -> Array:
    """Return the solution x of `a x = b` for matrices `a` [..., n, n] and `b` [n] or [..., n, m].

    >>> solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, 2.0]))
    array([1. , 0.5])
    """
    a, b = squares("solve", a), arrayed(b)
    if b.ndim != 1:
        return Solve.apply(a, b)
    x = Solve.apply(a, b.reshape((b.shape[0], 1)))
    return x.reshape(x.shape[:-1])


@implements(np.linalg.det)
def det(a: Array) -> Array:
    """Return the determinants of square matrices [..., n, n]. The gradient is right even where they are zero.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> grad(det)(np.array([[1.0, 2.0], [2.0, 4.0]]))
    array([[ 4., -2.],
           [-2.,  1.]])
    """
    return Det.apply(squares("det", a))


@implements(np.linalg.slogdet)
def slogdet(a: Array) -> SlogdetResult:
    """Return the sign of determinants and the logarithm of their absolute value, which does not overflow."""
    return SlogdetResult(*Slogdet.apply(squares("slogdet", a)))


@implements(np.linalg.pinv)
def pinv(
    a: Array,
    rcond: float | None = None,
    hermitian: bool = False,  # noqa: ARG001
    *,
    rtol: float | None = None,
) -> Array:
    """Return the pseudoinverses of matrices [..., n, m]; `hermitian` makes no difference.

    Singular values below `rcond` (or `rtol`, its other name) times the largest count as zero. The derivative holds as
    long as the rank does not change.
    """
    if rcond is not None and rtol is not None:
        raise ValueError(f"pinv: got both rcond={rcond} and rtol={rtol}, two names for one thing; give one")
    return Pinv.apply(arrayed(a), rcond=rtol if rcond is None else rcond)


def _check_rank(is_full: bool, was_full: bool) -> None:
    """Raise if a compiled call would have a different number of residuals from this one."""
    if is_full != was_full:
        raise ValueError("lstsq: the matrix has full rank in some calls only, and the residuals' shape depends on it")


@implements(np.linalg.lstsq)
def lstsq(a: Array, b: Array, rcond: float | None = None) -> LstsqResult:
    """Return the least-squares solution x of `a x = b`, for `a` [n, m] and `b` [n] or [n, k]; of several, the shortest.

    Also the sums of squared residuals (empty if the rank is less than m, or n is at most m) and, as constants, the rank
    and the singular values of `a`.

    >>> lstsq(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 3.0, 5.0])).x.round(6)
    array([1., 2.])
    """
    a, b = arrayed(a), arrayed(b)
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise ValueError(f"lstsq: got a {described(a)} and b {described(b)}, expected [n, m] and [n] or [n, k]")
    n, m = a.shape
    cutoff = np.finfo(a.dtype).eps * np.max(a.shape) if rcond is None else rcond
    values = plain(lambda a: np.linalg.svd(a, compute_uv=False), a)
    rank = plain(lambda values: np.sum(values > cutoff * np.max(values, initial=0.0)), values)
    is_full = bool(np.all(every_value(rank) == m))
    effect(lambda rank: _check_rank(rank == m, is_full), rank, writes=())
    x = matmul(pinv(a, cutoff), b)
    misfit = matmul(a, x) - b
    whole = is_full and n > m
    squares_of = real(conjugated(misfit) * misfit)
    residuals = np.atleast_1d(sum(squares_of, axis=0)) if whole else np.zeros(0, squares_of.dtype)
    return LstsqResult(x, residuals, rank, values)
