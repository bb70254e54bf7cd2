"""Softmax and its logarithm, along any axes.

An entry of −inf is a masked score: its weight is 0 and no gradient reaches it. A row that is −inf throughout has no
largest entry; its softmax is 0 everywhere (nothing may be chosen), its log-softmax and log-sum-exp are −inf, and the
gradient through softmax and log-sum-exp is 0. PyTorch and JAX return NaN for such a row.
"""

import numpy as np

from chainrule.core.facts import Flat, Role
from chainrule.core.kinds import General
from chainrule.core.operands.keywords import explained
from chainrule.core.operation import Array, case
from chainrule.core.transforms.batch import along_axes
from chainrule.kernels.suitable import LARGE, suitable
from chainrule.rules.arrays.reduce import Axis, kept, widened
from chainrule.rules.linalg.matmul import rows

from . import proofs as proofs_of

MASKED = np.array([[0.5, -np.inf, -1.0], [2.0, 0.0, -np.inf]])


def exponentials(x: Array, axis: Axis) -> tuple[Array, Array, Array, Array]:
    """Return `x - m`, its exponential, the sum of that, and `m`, the largest entry along `axis`, for a plain array.

    No exponential overflows, and the sum is at least 1. If `m` is −inf, 0 is subtracted instead and the sum of zeros is
    replaced by 1, so that quotients and logarithms of it are defined.
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    shifted = x - np.where(top == -np.inf, 0.0, top)
    powers = np.exp(shifted)
    total = widened(np.sum, powers, axis=axis, keepdims=True)
    return shifted, powers, np.where(total == 0, 1.0, total), top


def _by_kernel(axis: Axis, x: Array, *others: Array) -> bool:
    """Whether the kernels of `chainrule.kernels.softmax` apply: large arrays of one shape, along rows."""
    return suitable(LARGE, x, *others) and axis in (-1, x.ndim - 1) and all(a.shape == x.shape for a in others)


class LogSumExp(General):
    r"""y = \log \sum_{\text{axis}} e^x"""

    proofs = {"x": proofs_of.LOGSUMEXP}
    name = "logsumexp"
    role = Role.SOFTMAX
    cases = (
        case((3, 4)),
        case((3, 4), axis=-1),
        case((2, 3, 4), axis=(0, -1)),
        case((2, 3, 4), axis=1, keepdims=True),
        case((3,), axis=0),
        case(()),
        case((0, 3), axis=1),
        case(MASKED, axis=1),
    )
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        _, _, total, top = exponentials(x, axis)
        y = np.log(total) + top
        return y if keepdims else np.squeeze(y, axis=axis)[()]

    @staticmethod
    def vjp(y_bar: Array, x: Array, *, axis: Axis) -> Array:
        r"""\bar x = \bar y \odot \frac{e^x}{\sum_{\text{axis}} e^x}

        Not computed as $e^{x - y}$ from the saved y, whose rounding error grows with the size of x.
        """
        return kept(y_bar, x.shape, axis) * Softmax.apply(x, axis=axis)

    @staticmethod
    def jvp(x_dot: Array, x: Array, *, axis: Axis, keepdims: bool) -> Array:
        r"""\dot y = \sum_{\text{axis}} \frac{e^x}{\sum_{\text{axis}} e^x} \odot \dot x"""
        return np.sum(Softmax.apply(x, axis=axis) * x_dot, axis=axis, keepdims=keepdims)


class Softmax(General):
    r"""y = \frac{e^x}{\sum_{\text{axis}} e^x}

    Its Jacobian along the axis is $\frac{\partial y_i}{\partial x_j} = y_i ([i = j] - y_j)$: symmetric, so both
    modes apply the same matrix, and its rows sum to zero.
    """

    proofs = {"x": proofs_of.SOFTMAX}
    role = Role.SOFTMAX
    flat = Flat.BOTH
    bounds = (0.0, 1.0)
    letters = {"y": "p"}
    cases = (
        case((3, 4)),
        case((3, 4), axis=0),
        case((2, 3, 4), axis=(0, -1)),
        case((2, 3), axis=None),
        case((5,)),
        case((), axis=None),
        case((0, 3)),
        case(MASKED),
    )
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Axis = -1) -> Array:
        if _by_kernel(axis, x):
            from chainrule.kernels.softmax import softmax as by_rows

            y = np.empty_like(x)
            by_rows(rows(x), rows(y))
            return y
        _, powers, total, _ = exponentials(x, axis)
        return powers / total

    @staticmethod
    def vjp(y_bar: Array, y: Array, *, axis: Axis) -> Array:
        r"""\bar x = y \odot \left(\bar y - \sum_{\text{axis}} \bar y \odot y\right)"""
        if _by_kernel(axis, y, y_bar):
            from chainrule.kernels.softmax import softmax_backward

            x_bar = np.empty_like(y)
            softmax_backward(rows(y_bar), rows(y), rows(x_bar))
            return x_bar
        return y * (y_bar - np.sum(y_bar * y, axis=axis, keepdims=True))

    @staticmethod
    def jvp(x_dot: Array, y: Array, *, axis: Axis) -> Array:
        r"""\dot y = y \odot \left(\dot x - \sum_{\text{axis}} \dot x \odot y\right)"""
        return y * (x_dot - np.sum(x_dot * y, axis=axis, keepdims=True))


class LogSoftmax(General):
    r"""y = x - \log \sum_{\text{axis}} e^x

    Its Jacobian along the axis is $\frac{\partial y_i}{\partial x_j} = [i = j] - e^{y_j}$.
    """

    proofs = {"x": proofs_of.LOG_SOFTMAX}
    role = Role.SOFTMAX
    cases = (
        case((3, 4)),
        case((3, 4), axis=0),
        case((2, 3, 4), axis=(0, -1)),
        case((2, 3), axis=None),
        case((5,)),
        case((0, 3)),
    )
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Axis = -1) -> Array:
        shifted, _, total, _ = exponentials(x, axis)
        return shifted - np.log(total)

    @staticmethod
    def vjp(y_bar: Array, y: Array, *, axis: Axis) -> Array:
        r"""\bar x = \bar y - e^y \odot \sum_{\text{axis}} \bar y"""
        return y_bar - np.exp(y) * np.sum(y_bar, axis=axis, keepdims=True)

    @staticmethod
    def jvp(x_dot: Array, y: Array, *, axis: Axis) -> Array:
        r"""\dot y = \dot x - \sum_{\text{axis}} e^y \odot \dot x"""
        return x_dot - np.sum(np.exp(y) * x_dot, axis=axis, keepdims=True)


@explained
def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the logarithm of the sum of exponentials along `axis` (all axes by default), without overflow.

    Over no entries, or only −inf, it is −inf. Raises IndexError for an axis that `x` does not have.

    Source: Blanchard, Higham & Higham, "Accurately computing the log-sum-exp and softmax functions", IMA J. Numer.
    Anal. 41 (2021).

    >>> float(logsumexp(np.array([1e4, 1e4]))) == 1e4 + float(np.log(2))
    True
    """
    return LogSumExp.apply(x, axis=axis, keepdims=keepdims)


@explained
def softmax(x: Array, axis: Axis = -1) -> Array:
    """Return non-negative weights that sum to 1 along `axis`; the shape is that of `x`.

    An entry of −inf gets weight 0; if all are −inf, all weights are 0. Raises IndexError for an axis that `x`
    does not have.

    Source: Bridle, "Probabilistic interpretation of feedforward classification network outputs" (1990).

    >>> softmax(np.array([0.0, np.log(3.0), -np.inf]))
    array([0.25, 0.75, 0.  ])
    """
    return Softmax.apply(x, axis=axis)


@explained
def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """Return the logarithm of `softmax(x, axis)`, accurate even where the softmax itself underflows.

    >>> log_softmax(np.array([0.0, -1e4]))
    array([     0., -10000.])
    """
    return LogSoftmax.apply(x, axis=axis)
