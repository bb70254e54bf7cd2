r"""Functions of square matrices, and the Sylvester equation, as SciPy computes them.

The exponential and the logarithm have the derivative

$$f\begin{pmatrix} A & E \\ 0 & A \end{pmatrix} = \begin{pmatrix} f(A) & L(A, E) \\ 0 & f(A) \end{pmatrix}$$

(N. J. Higham, "Functions of Matrices", 2008, theorem 3.6), and L(Aᵀ, ·) is the adjoint of L(A, ·) (there, section 3.1).
The derivative of the square root Y solves Y Ẏ + Ẏ Y = Ȧ.
"""

from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import General
from chainrule.core.operation import Array, case
from chainrule.core.transforms.batch import along_last_axes, on_last_axes

from .inverses import POSITIVE, REGULAR, squares
from .matmul import transposed

SMALL = np.array([[0.2, 0.5, -0.3], [0.1, -0.5, 0.7], [0.4, 0.2, 0.3]])


def scipy_linalg(asked: str) -> Any:
    """Return `scipy.linalg`; an ImportError says how to install it."""
    try:
        import scipy.linalg
    except ModuleNotFoundError as error:
        raise ImportError(f"{asked}: needs SciPy; run: python -m pip install 'chainrule[scipy]'") from error
    return scipy.linalg


def _floats(a: Array) -> Array:
    """Return an array in double precision, in which everything is computed."""
    return np.asarray(a, np.complex128 if np.iscomplexobj(a) else np.float64)


def _principal(name: str, a: Array) -> Array:
    """Return SciPy's function of each matrix; a ValueError if that of a real matrix is not real."""
    function = getattr(scipy_linalg(name), name)
    # The logarithm estimates norms with random vectors: the global generator stays where the user left it.
    state = np.random.get_state()  # noqa: NPY002
    try:
        found = [function(one) for one in np.reshape(_floats(a), (-1, *a.shape[-2:]))]
    finally:
        np.random.set_state(state)  # noqa: NPY002
    y = np.asarray(found).reshape(a.shape)
    if np.iscomplexobj(y) and not np.iscomplexobj(a):
        size = np.abs(y).max(initial=0.0)
        if np.abs(y.imag).max(initial=0.0) > 1e-10 * size:
            raise ValueError(
                "the result is not real: the matrix has an eigenvalue that is negative or not real; "
                "pass it as a complex matrix"
            )
        y = y.real
    return y.astype(a.dtype, copy=False)


def _derivative(function: Any, a: Array, direction: Array) -> Array:
    """Return the derivative of a matrix function at `a` in a direction."""
    n = a.shape[-1]
    a, direction = np.broadcast_arrays(a, direction)
    top = np.concatenate([a, direction], axis=-1)
    bottom = np.concatenate([a * 0, a], axis=-1)
    return function(np.concatenate([top, bottom], axis=-2))[..., :n, n:]


class Expm(General):
    r"""Y = \operatorname{expm}(A)"""

    on_complex = Complex.HOLOMORPHIC
    cases = (case(SMALL), case(np.stack([SMALL, -SMALL.T])))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(a: Array) -> Array:
        return np.asarray(scipy_linalg("expm").expm(_floats(a)), a.dtype)

    @staticmethod
    def adjoint(y_bar: Array, a: Array) -> Array:
        r"""\bar A = L(A^\top, \bar Y)"""
        return _derivative(Expm.apply, transposed(a), y_bar)

    @staticmethod
    def jvp(a: Array, a_dot: Array) -> Array:
        r"""\dot Y = L(A, \dot A)"""
        return _derivative(Expm.apply, a, a_dot)


class Logm(General):
    r"""Y = \operatorname{logm}(A)

    For complex matrices, and real ones whose principal logarithm is real.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (case(POSITIVE), case(np.stack([POSITIVE, POSITIVE + np.eye(3)])))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(a: Array) -> Array:
        return _principal("logm", a)

    @staticmethod
    def adjoint(y_bar: Array, a: Array) -> Array:
        r"""\bar A = L(A^\top, \bar Y)"""
        return _derivative(Logm.apply, transposed(a), y_bar)

    @staticmethod
    def jvp(a: Array, a_dot: Array) -> Array:
        r"""\dot Y = L(A, \dot A)"""
        return _derivative(Logm.apply, a, a_dot)


class SolveSylvester(General):
    r"""Y = \operatorname{sylvester}(A, B, Q)

    The solution of A Y + Y B = Q.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (
        case(REGULAR, POSITIVE, (3, 3)),
        case(REGULAR, np.array([[1.0, 0.2], [0.0, 2.0]]), (3, 2)),
        case(np.stack([REGULAR, POSITIVE]), POSITIVE, (2, 3, 3)),
    )
    stacked = staticmethod(along_last_axes)

    @staticmethod
    def primal(a: Array, b: Array, q: Array) -> Array:
        dtype = np.result_type(a, b, q)
        solve = scipy_linalg("solve_sylvester").solve_sylvester
        if a.ndim == b.ndim == q.ndim == 2:
            return np.asarray(solve(*map(_floats, (a, b, q))), dtype)
        n, m = q.shape[-2:]
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2], q.shape[:-2])
        sizes = ((a, n, n), (b, m, m), (q, n, m))
        rows = [np.broadcast_to(_floats(x), (*stack, r, c)).reshape(-1, r, c) for x, r, c in sizes]
        return np.asarray([solve(*row) for row in zip(*rows, strict=True)], dtype).reshape(*stack, n, m)

    @staticmethod
    def vjp(y_bar: Array, a: Array, b: Array, y: Array) -> tuple[Array, Array, Array]:
        r"""\bar Q = \operatorname{sylvester}(A^\top, B^\top, \bar Y), \quad \bar A = -\bar Q Y^\top,
        \quad \bar B = -Y^\top \bar Q
        """
        q_bar = SolveSylvester.apply(transposed(a), transposed(b), y_bar)
        return -(q_bar @ transposed(y)), -(transposed(y) @ q_bar), q_bar

    @staticmethod
    def jvp(a: Array, a_dot: Array, b: Array, b_dot: Array, q_dot: Array, y: Array) -> Array:
        r"""\dot Y = \operatorname{sylvester}(A, B, \dot Q - \dot A Y - Y \dot B)"""
        return SolveSylvester.apply(a, b, q_dot - a_dot @ y - y @ b_dot)


class Sqrtm(General):
    r"""Y = \operatorname{sqrtm}(A)

    The principal square root of complex matrices, and of real ones for which it is real.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (case(POSITIVE), case(np.stack([POSITIVE, POSITIVE + np.eye(3)])))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(a: Array) -> Array:
        return _principal("sqrtm", a)

    @staticmethod
    def adjoint(y_bar: Array, y: Array) -> Array:
        r"""\bar A = \operatorname{sylvester}(Y^\top, Y^\top, \bar Y)"""
        return SolveSylvester.apply(transposed(y), transposed(y), y_bar)

    @staticmethod
    def jvp(a_dot: Array, y: Array) -> Array:
        r"""\dot Y = \operatorname{sylvester}(Y, Y, \dot A)"""
        return SolveSylvester.apply(y, y, a_dot)


def expm(a: Array) -> Array:
    """Return the exponential of square matrices [..., n, n].

    >>> expm(np.zeros((2, 2)))
    array([[1., 0.],
           [0., 1.]])
    """
    return Expm.apply(squares("expm", a))


def logm(a: Array) -> Array:
    """Return the principal logarithm of square matrices [..., n, n]; a ValueError if that of a real one is not real."""
    return Logm.apply(squares("logm", a))


def sqrtm(a: Array) -> Array:
    """Return the principal square root of square matrices [..., n, n]; a ValueError if that of a real one is not real.

    >>> sqrtm(np.array([[4.0, 0.0], [0.0, 9.0]]))
    array([[2., 0.],
           [0., 3.]])
    """
    return Sqrtm.apply(squares("sqrtm", a))


def solve_sylvester(a: Array, b: Array, q: Array) -> Array:
    """Return the solution x of `a x + x b = q`, for `a [..., n, n]`, `b [..., m, m]` and `q [..., n, m]`."""
    a, b = squares("solve_sylvester", a), squares("solve_sylvester", b)
    if np.shape(q)[-2:] != (a.shape[-1], b.shape[-1]):
        raise ValueError(
            f"solve_sylvester: got a {a.shape}, b {b.shape} and q {np.shape(q)}, expected [n, n], [m, m] and [n, m]"
        )
    return SolveSylvester.apply(a, b, q)
