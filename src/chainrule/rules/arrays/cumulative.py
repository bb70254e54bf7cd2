r"""Products over axes, and running sums and products.

No rule here divides by an element, so all of them hold at zeros, to any order: products without one factor come from a
tree of products, the derivative of a running product from its recurrence.
"""

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import General, Linear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, Operation, case
from chainrule.core.transforms.batch import along_axes, on_last_axes

from . import reduce_options as options
from .reduce import CASES, EMPTY_CASES, Axis, arrayed, axes_of, kept, reducer, sum, widened

RUNNING_CASES = (case((4,)), case((3, 4)), case((2, 1)), case((0, 3)), case((3, 0)))


def products_of_others(x: Array) -> Array:
    """Return, for each element, the product of all others along the last axis, in O(n) operations.

    Neighbours are multiplied pairwise until one is left; on the way back each element gets its pair's result times its
    neighbour.
    """
    n = x.shape[-1]
    if n <= 1:
        return np.ones(x.shape, x.dtype)
    if n % 2:
        x = np.concatenate([x, np.ones((*x.shape[:-1], 1), x.dtype)], axis=-1)
    even, odd = x[..., 0::2], x[..., 1::2]
    others = products_of_others(even * odd)
    paired = np.stack([others * odd, others * even], axis=-1)
    return paired.reshape(x.shape)[..., :n]


def _others(x: Array, axis: Axis) -> Array:
    """Return, for each element, the product of all others along any axes, in the shape of `x`."""
    axes = axes_of(x.shape, axis)
    order = [k for k in range(len(x.shape)) if k not in axes] + list(axes)
    moved = np.transpose(x, order)
    size = int(np.prod([x.shape[k] for k in axes]))
    flat = moved.reshape((*moved.shape[: len(order) - len(axes)], size))
    back = sorted(range(len(order)), key=order.__getitem__)
    return np.transpose(products_of_others(flat).reshape(moved.shape), back)


class Prod(General):
    r"""y = \prod_{\text{axis}} x"""

    on_complex = Complex.HOLOMORPHIC
    symbol = "Π"
    cases = (
        *CASES,
        *EMPTY_CASES,
        case(np.array([0.0, 2.0, 3.0])),
        case(np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]]), axis=1),
    )
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        return widened(np.prod, x, axis=axis, keepdims=keepdims)

    @staticmethod
    def adjoint(y_bar: Array, x: Array, *, axis: Axis) -> Array:
        r"""\bar x = \bar y \odot \operatorname{others}(x)

        where $\operatorname{others}(x)_i = \prod_{j \ne i} x_j$ along the axes.
        """
        return kept(y_bar, x.shape, axis) * _others(x, axis)

    @staticmethod
    def jvp(x: Array, x_dot: Array, *, axis: Axis, keepdims: bool) -> Array:
        r"""\dot y = \sum_{\text{axis}} \operatorname{others}(x) \odot \dot x"""
        return sum(x_dot * _others(x, axis), axis=axis, keepdims=keepdims)


class Cumsum(Linear):
    r"""y_i = \sum_{j \le i} x_j

    Along the last axis; `cumsum` takes any.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = RUNNING_CASES
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(x: Array) -> Array:
        return widened(np.cumsum, x, axis=-1)

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x_i = \sum_{j \ge i} \bar y_j"""
        return Cumsum.apply(y_bar[..., ::-1])[..., ::-1]


def delayed(x: Array, steps: int) -> Array:
    """Return `x` shifted by `steps` along its last axis, with zeros in front."""
    steps = min(steps, x.shape[-1])
    zeros = np.zeros((*x.shape[:-1], steps), x.dtype)
    return np.concatenate([zeros, x[..., : x.shape[-1] - steps]], axis=-1)


def recurrence(a: Array, b: Array) -> Array:
    r"""Return the solution of $s_k = a_k s_{k-1} + b_k$, $s_{-1} = 0$, along the last axis, in O(n log n) operations.

    After the step of width d, (a, b) at position k represent the 2d steps of the recurrence that end there. (W. D.
    Hillis and G. L. Steele, "Data parallel algorithms", 1986; G. E. Blelloch, "Prefix sums and their applications",
    1990, for first-order recurrences.)
    """
    width = 1
    while width < b.shape[-1]:
        b = b + a * delayed(b, width)
        a = a * delayed(a, width)
        width *= 2
    return b


class Cumprod(General):
    r"""y_i = \prod_{j \le i} x_j

    Along the last axis; `cumprod` takes any.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (*RUNNING_CASES, case(np.array([2.0, 0.0, 3.0, 0.0, 1.0])))
    stacked = staticmethod(on_last_axes)

    @staticmethod
    def primal(x: Array) -> Array:
        return widened(np.cumprod, x, axis=-1)

    @staticmethod
    def adjoint(y_bar: Array, x: Array, y: Array) -> Array:
        r"""\bar x_i = \sum_{k \ge i} \bar y_k \prod_{j \le k, j \ne i} x_j

        With $s_i = \bar y_i + x_{i+1} s_{i+1}$ it is $\bar x_i = y_{i-1} s_i$.
        """
        following = delayed(x[..., ::-1], 1)
        return _before(y) * recurrence(following, y_bar[..., ::-1])[..., ::-1]

    @staticmethod
    def jvp(x: Array, x_dot: Array, y: Array) -> Array:
        r"""\dot y_i = \sum_{k \le i} \dot x_k \prod_{j \le i, j \ne k} x_j

        This is the recurrence $\dot y_i = x_i \dot y_{i-1} + y_{i-1} \dot x_i$.
        """
        return recurrence(x, _before(y) * x_dot)


def _before(y: Array) -> Array:
    """Return the running product up to the element before, 1 for the first."""
    if y.shape[-1] == 0:
        return y
    return np.concatenate([np.ones((*y.shape[:-1], 1), y.dtype), y[..., :-1]], axis=-1)


@implements(np.prod)
def prod(
    a: Array, axis: Axis = None, dtype: Array = None, out: Array = None, keepdims: bool = False, **refused: Array
) -> Array:
    """Return the product over `axis`. Its gradient is also right at zeros.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> grad(prod)(np.array([0.0, 2.0, 3.0]))
    array([6., 0., 0.])
    """
    if refused or dtype is not None or out is not None:
        return options.PROD.apply(prod, a, axis, keepdims, dtype=dtype, out=out, **refused)
    return Prod.apply(a, axis=axis, keepdims=keepdims)


def _along(operation: type[Operation], a: Array, axis: int | None) -> Array:
    """Apply an operation on the last axis along another one; None means the flattened array."""
    a = arrayed(a)
    if axis is None or a.ndim < 2:
        return operation.apply(a if a.ndim == 1 else a.reshape((a.size,)))
    if axis in (-1, a.ndim - 1):
        return operation.apply(a)
    return np.swapaxes(operation.apply(np.swapaxes(a, axis, -1)), axis, -1)


@implements(np.cumsum)
def cumsum(a: Array, axis: int | None = None, dtype: Array = None, out: Array = None) -> Array:
    """Return the running sum along `axis`, or of the flattened array.

    >>> cumsum(np.array([1.0, 2.0, 3.0]))
    array([1., 3., 6.])
    """
    if dtype is not None:
        a = arrayed(a).astype(dtype)
    if out is not None:
        return options.written("cumsum", out, cumsum(a, axis))
    return _along(Cumsum, a, axis)


@implements(np.cumprod)
def cumprod(a: Array, axis: int | None = None, dtype: Array = None, out: Array = None) -> Array:
    """Return the running product along `axis`, or of the flattened array.

    >>> cumprod(np.array([1.0, 2.0, 3.0]))
    array([1., 2., 6.])
    """
    if dtype is not None:
        a = arrayed(a).astype(dtype)
    if out is not None:
        return options.written("cumprod", out, cumprod(a, axis))
    return _along(Cumprod, a, axis)


implements((np.multiply, "reduce"))(reducer(prod))
implements((np.add, "accumulate"))(reducer(cumsum))
implements((np.multiply, "accumulate"))(reducer(cumprod))
