"""Comparisons, logic and tests of values. Their results are constants, and so is a stopped gradient."""

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import Constant
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.core.tree import Tree, map_leaves


class Less(Constant):
    r"""y = [a < b]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.less(a, b)


class LessEqual(Constant):
    r"""y = [a \le b]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.less_equal(a, b)


class Greater(Constant):
    r"""y = [a > b]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.greater(a, b)


class GreaterEqual(Constant):
    r"""y = [a \ge b]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.greater_equal(a, b)


class Equal(Constant):
    r"""y = [a = b]"""

    on_complex = Complex.HOLOMORPHIC
    takes_anything = True
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.equal(a, b)


class NotEqual(Constant):
    r"""y = [a \ne b]"""

    on_complex = Complex.HOLOMORPHIC
    takes_anything = True
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.not_equal(a, b)


class LogicalAnd(Constant):
    r"""y = [a \ne 0 \land b \ne 0]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.logical_and(a, b)


class LogicalOr(Constant):
    r"""y = [a \ne 0 \lor b \ne 0]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.logical_or(a, b)


class LogicalXor(Constant):
    r"""y = [[a \ne 0] \ne [b \ne 0]]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.logical_xor(a, b)


class LogicalNot(Constant):
    r"""y = [x = 0]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.logical_not(x)


class Isnan(Constant):
    r"""y = [x \ne x]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.isnan(x)


class Isinf(Constant):
    r"""y = [|x| = \infty]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.isinf(x)


class Isfinite(Constant):
    r"""y = [|x| < \infty]"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.isfinite(x)


class Signbit(Constant):
    r"""y = [x < 0]

    Also true of -0.0, and of a NaN whose sign bit is set.
    """

    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.signbit(x)


class StopGradient(Constant):
    r"""y = x"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return x


less = implements(np.less)(Less.apply)
less_equal = implements(np.less_equal)(LessEqual.apply)
greater = implements(np.greater)(Greater.apply)
greater_equal = implements(np.greater_equal)(GreaterEqual.apply)
equal = implements(np.equal)(Equal.apply)
not_equal = implements(np.not_equal)(NotEqual.apply)
logical_and = implements(np.logical_and)(LogicalAnd.apply)
logical_or = implements(np.logical_or)(LogicalOr.apply)
logical_xor = implements(np.logical_xor)(LogicalXor.apply)
logical_not = implements(np.logical_not)(LogicalNot.apply)
isnan = implements(np.isnan)(Isnan.apply)
isinf = implements(np.isinf)(Isinf.apply)
isfinite = implements(np.isfinite)(Isfinite.apply)
signbit = implements(np.signbit)(Signbit.apply)


def stop_gradient(x: Tree) -> Tree:
    """Return the same values as constants: every derivative through them, in either mode, is zero.

    `x` is an array, a tensor, or a nested structure of them, which comes back with its structure.

    >>> import numpy as np
    >>> from chainrule.core.transforms.derivatives import grad
    >>> float(grad(lambda x: x * stop_gradient(x))(3.0))
    3.0
    """
    return map_leaves(StopGradient.apply, x)
