"""Activation functions, under PyTorch's names.

Where it is exact, the two branches around zero are added, each vanishing on the other's side: several times faster than
selecting between them.
"""

import math

import numpy as np

from chainrule.core.facts import Flat, Role
from chainrule.core.kinds import Elementwise
from chainrule.core.operands.keywords import explained, explained_of_one
from chainrule.core.operation import Array, Kink
from chainrule.rules.elementary.error_function import erfc
from chainrule.rules.elementary.exponential import exp
from chainrule.rules.elementary.selection import minimum, where
from chainrule.rules.elementary.trigonometric import tanh

from . import proofs as proofs_of


class Sigmoid(Elementwise):
    r"""y = \sigma(x) = \frac{1}{1 + e^{-x}}"""

    proofs = {"x": proofs_of.SIGMOID}
    role = Role.ACTIVATION
    flat = Flat.BOTH
    bounds = (0.0, 1.0)
    symbol = "σ"
    cost = 10

    @staticmethod
    def element(x: Array) -> Array:
        from chainrule.kernels.functions import sigmoid as by_instructions

        return by_instructions(x)

    @staticmethod
    def primal(x: Array) -> Array:
        # No exponent is positive: neither side overflows, and both keep their relative precision.
        return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\sigma'(x) = y (1 - y)"""
        return y * (1 - y)


class Relu(Elementwise):
    r"""y = \max(x, 0)"""

    proofs = {"x": proofs_of.RELU}
    role = Role.ACTIVATION
    flat = Flat.ZERO_LEFT
    bounds = (0.0, math.inf)
    symbol = "ReLU"
    kinks = (Kink((0.0,), (0.0,), "the slope of the flat side, as in PyTorch and JAX"),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.maximum(x, 0)

    element = primal  # so that the adjoint of a large array is one loop: NumPy takes long to multiply by booleans

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = [x > 0]"""
        return y > 0


class LeakyRelu(Elementwise):
    r"""y = \begin{cases} x & x > 0 \\ \mathrm{negative slope}\,x & \text{otherwise} \end{cases}"""

    proofs = {"x": proofs_of.LEAKY_RELU}
    role = Role.ACTIVATION
    kinks = (Kink((0.0,), (0.01,), "the slope on the left, as in PyTorch; JAX takes that on the right"),)

    @staticmethod
    def primal(x: Array, *, negative_slope: float = 0.01) -> Array:
        return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)

    @staticmethod
    def partial(x: Array, *, negative_slope: float) -> Array:
        r"""\frac{\partial y}{\partial x} = [x > 0] + \mathrm{negative slope}\,[x \le 0]"""
        return (x > 0) + (x <= 0) * x.dtype.type(negative_slope)


class Prelu(Elementwise):
    r"""y = \begin{cases} x & x > 0 \\ w x & \text{otherwise} \end{cases}"""

    proofs = proofs_of.PRELU
    role = Role.ACTIVATION
    kinks = (Kink((0.0, 0.25), (0.25, 0.0), "the slope on the left, as in PyTorch"),)

    @staticmethod
    def primal(x: Array, w: Array) -> Array:
        return np.where(x > 0, x, w * x)

    @staticmethod
    def partial_x(x: Array, w: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = [x > 0] + w [x \le 0]"""
        return where(x > 0, 1, w)

    @staticmethod
    def partial_w(x: Array) -> Array:
        r"""\frac{\partial y}{\partial w} = \min(x, 0)"""
        return where(x > 0, 0, x)


class Elu(Elementwise):
    r"""y = \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & \text{otherwise} \end{cases}"""

    proofs = {"x": proofs_of.ELU}
    role = Role.ACTIVATION
    flat = Flat.LEFT

    @staticmethod
    def primal(x: Array, *, alpha: float = 1.0) -> Array:
        return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0))

    @staticmethod
    def partial(x: Array, *, alpha: float) -> Array:
        r"""\frac{\partial y}{\partial x} = [x > 0] + \alpha e^{\min(x, 0)} [x \le 0]"""
        return (x > 0) + (x <= 0) * (alpha * exp(minimum(x, 0)))


class Celu(Elementwise):
    r"""y = \begin{cases} x & x > 0 \\ \alpha (e^{x / \alpha} - 1) & \text{otherwise} \end{cases}"""

    proofs = {"x": proofs_of.CELU}
    role = Role.ACTIVATION
    flat = Flat.LEFT

    @staticmethod
    def primal(x: Array, *, alpha: float = 1.0) -> Array:
        return np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / alpha)

    @staticmethod
    def partial(x: Array, *, alpha: float) -> Array:
        r"""\frac{\partial y}{\partial x} = e^{\min(x, 0) / \alpha}"""
        return exp(minimum(x, 0) / alpha)


def _selu_constants() -> tuple[float, float]:
    """Return α and λ, for which (mean, variance) = (0, 1) is a fixed point.

    Klambauer, Unterthiner, Mayr, Hochreiter: Self-normalizing neural networks (2017), eq. 14.
    """
    half = math.erfc(1 / math.sqrt(2)) * math.sqrt(math.e)
    full = math.erfc(math.sqrt(2)) * math.e**2
    alpha = math.sqrt(2 / math.pi) / (1 - half)
    variance = 2 * full + math.pi * half**2 - 2 * (2 + math.pi) * half + math.pi + 2
    return alpha, (1 - half) * math.sqrt(2 * math.pi / variance)


SELU_ALPHA, SELU_LAMBDA = _selu_constants()


class Selu(Elementwise):
    r"""y = \lambda \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & \text{otherwise} \end{cases}"""

    proofs = {"x": proofs_of.SELU}
    role = Role.ACTIVATION
    flat = Flat.LEFT
    kinks = (Kink((0.0,), (SELU_ALPHA * SELU_LAMBDA,), "the slope on the left, as in PyTorch and JAX"),)

    @staticmethod
    def primal(x: Array, *, alpha: float = SELU_ALPHA, lambda_: float = SELU_LAMBDA) -> Array:
        return lambda_ * (np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0)))

    @staticmethod
    def partial(x: Array, *, alpha: float, lambda_: float) -> Array:
        r"""\frac{\partial y}{\partial x} = \lambda ([x > 0] + \alpha e^{\min(x, 0)} [x \le 0])"""
        return lambda_ * ((x > 0) + (x <= 0) * (alpha * exp(minimum(x, 0))))


class Gelu(Elementwise):
    r"""y = x\,\Phi(x)

    Φ is the standard normal cumulative distribution function.
    """

    proofs = {"x": proofs_of.GELU}
    role = Role.ACTIVATION
    flat = Flat.ZERO_LEFT
    symbol = "GELU"
    cost = 20

    @staticmethod
    def element(x: Array) -> Array:
        from chainrule.kernels.functions import gelu as by_instructions

        return by_instructions(x)

    @staticmethod
    def primal(x: Array) -> Array:
        return x * _normal_cdf(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \Phi(x) + \frac{x}{\sqrt{2 \pi}} \exp(-\frac{x^2}{2})"""
        return GeluSlope.apply(x)


class GeluSlope(Elementwise):
    r"""y = \Phi(x) + \frac{x}{\sqrt{2 \pi}} \exp(-\frac{x^2}{2})

    The slope of GELU: an operation of its own, because one exponential is enough for it, and for GELU besides.
    """

    proofs = {"x": proofs_of.GELU_SLOPE}
    cost = 20

    @staticmethod
    def element(x: Array) -> Array:
        from chainrule.kernels.functions import gelu_slope as by_instructions

        return by_instructions(x)

    @staticmethod
    def primal(x: Array) -> Array:
        return _normal_cdf(x) + x * np.exp(-0.5 * (x * x)) * (1 / math.sqrt(2 * math.pi))

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{2 - x^2}{\sqrt{2 \pi}} \exp(-\frac{x^2}{2})"""
        square = x * x
        return (2 - square) * exp(-0.5 * square) * (1 / math.sqrt(2 * math.pi))


def _normal_cdf(x: Array) -> Array:
    return 0.5 * erfc(x * -math.sqrt(0.5))


CUBIC = 0.044715
"""The coefficient of the cubic term: Hendrycks, Gimpel: Gaussian error linear units (2016), section 2."""


class GeluTanh(Elementwise):
    r"""y = \frac{x}{2} \left(1 + \tanh(\sqrt{\frac{2}{\pi}} (x + 0.044715 x^3))\right)"""

    proofs = {"x": proofs_of.GELU_TANH}
    role = Role.ACTIVATION
    flat = Flat.ZERO_LEFT
    cost = 15

    @staticmethod
    def element(x: Array) -> Array:
        from chainrule.kernels.functions import gelu_tanh as by_instructions

        return by_instructions(x)

    @staticmethod
    def primal(x: Array) -> Array:
        return 0.5 * x * (1 + _gelu_tanh(x))

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1 + \tanh(\sqrt{\frac{2}{\pi}} (x + 0.044715 x^3))}{2} +
        \frac{x}{2} \left(1 - \tanh^2(\sqrt{\frac{2}{\pi}} (x + 0.044715 x^3))\right)
        \sqrt{\frac{2}{\pi}} (1 + 3 \cdot 0.044715 x^2)
        """
        t = _gelu_tanh(x)
        inner_slope = math.sqrt(2 / math.pi) * (1 + 3 * CUBIC * (x * x))
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner_slope


def _gelu_tanh(x: Array) -> Array:
    return tanh(math.sqrt(2 / math.pi) * (x + CUBIC * (x * x * x)))


class Silu(Elementwise):
    r"""y = x\,\sigma(x)"""

    proofs = {"x": proofs_of.SILU}
    role = Role.ACTIVATION
    flat = Flat.ZERO_LEFT
    symbol = "SiLU"
    cost = 12

    @staticmethod
    def element(x: Array) -> Array:
        from chainrule.kernels.functions import silu as by_instructions

        return by_instructions(x)

    @staticmethod
    def primal(x: Array) -> Array:
        return x * Sigmoid.primal(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \sigma(x) + x\,\sigma(x) (1 - \sigma(x))"""
        s = sigmoid(x)
        return s + x * s * (1 - s)


def _softplus(x: Array) -> Array:
    """Return log(1 + eˣ), without overflow and with full relative precision for both signs."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


class Softplus(Elementwise):
    r"""y = \frac{\log(1 + e^{\beta x})}{\beta}"""

    proofs = {"x": proofs_of.SOFTPLUS}
    role = Role.ACTIVATION
    flat = Flat.ZERO_LEFT
    bounds = (0.0, math.inf)

    @staticmethod
    def primal(x: Array, *, beta: float = 1.0) -> Array:
        return _softplus(beta * x) / beta

    @staticmethod
    def element(x: Array, *, beta: float) -> Array:
        from chainrule.kernels.functions import log1p_exp

        return log1p_exp(beta * x) / beta

    @staticmethod
    def partial(x: Array, *, beta: float) -> Array:
        r"""\frac{\partial y}{\partial x} = \sigma(\beta x)"""
        return sigmoid(beta * x)


class Logsigmoid(Elementwise):
    r"""y = \log(\sigma(x))"""

    proofs = {"x": proofs_of.LOGSIGMOID}
    role = Role.ACTIVATION
    flat = Flat.RIGHT
    bounds = (-math.inf, 0.0)

    @staticmethod
    def primal(x: Array) -> Array:
        return -_softplus(-x)

    @staticmethod
    def element(x: Array) -> Array:
        from chainrule.kernels.functions import log1p_exp

        return -log1p_exp(-x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \sigma(-x)"""
        return sigmoid(-x)


class Mish(Elementwise):
    r"""y = x \tanh(\log(1 + e^x))"""

    proofs = {"x": proofs_of.MISH}
    role = Role.ACTIVATION
    flat = Flat.ZERO_LEFT

    @staticmethod
    def primal(x: Array) -> Array:
        return x * np.tanh(_softplus(x))

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} =
        \tanh(\log(1 + e^x)) + x\,\sigma(x) (1 - \tanh^2(\log(1 + e^x)))
        """
        t = tanh(softplus(x))
        return t + x * sigmoid(x) * (1 - t * t)


class Softsign(Elementwise):
    r"""y = \frac{x}{1 + |x|}"""

    proofs = {"x": proofs_of.SOFTSIGN}
    role = Role.ACTIVATION
    flat = Flat.BOTH
    bounds = (-1.0, 1.0)

    @staticmethod
    def primal(x: Array) -> Array:
        return x / (1 + np.abs(x))

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{(1 + |x|)^2}"""
        r = 1 / (1 + np.absolute(x))
        return r * r


class Tanhshrink(Elementwise):
    r"""y = x - \tanh(x)"""

    proofs = {"x": proofs_of.TANHSHRINK}

    @staticmethod
    def primal(x: Array) -> Array:
        return x - np.tanh(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \tanh^2(x)"""
        t = tanh(x)
        return t * t


sigmoid = Sigmoid.apply
relu = explained_of_one(Relu.apply, "relu")
prelu = Prelu.apply
silu = explained_of_one(Silu.apply, "silu")
mish = explained_of_one(Mish.apply, "mish")
logsigmoid = Logsigmoid.apply
softsign = Softsign.apply
tanhshrink = Tanhshrink.apply


@explained
def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """Return `x` where positive, else `negative_slope * x`. Maas, Hannun, Ng: Rectifier nonlinearities … (2013).

    >>> leaky_relu(np.array([-1.0, 2.0]), 0.1)
    array([-0.1,  2. ])
    """
    return LeakyRelu.apply(x, negative_slope=float(negative_slope))


@explained
def elu(x: Array, alpha: float = 1.0) -> Array:
    """Return `x` where positive, else `alpha * (exp(x) - 1)`. Clevert, Unterthiner, Hochreiter (2015).

    >>> elu(np.array([-1e4, 2.0]))
    array([-1.,  2.])
    """
    return Elu.apply(x, alpha=float(alpha))


@explained
def celu(x: Array, alpha: float = 1.0) -> Array:
    """Return `x` where positive, else `alpha * (exp(x / alpha) - 1)`: smooth for every `alpha`. Barron (2017).

    >>> celu(np.array([-1e4, 2.0]), 0.5)
    array([-0.5,  2. ])
    """
    if not alpha > 0:
        raise ValueError(f"celu: expected alpha > 0, got {alpha}")
    return Celu.apply(x, alpha=float(alpha))


@explained
def selu(x: Array) -> Array:
    """Return the self-normalising ELU: `elu(x, α)` times λ, the constants of Klambauer et al. (2017).

    >>> selu(np.array([-1e4, 1.0]))
    array([-1.75809934,  1.05070099])
    """
    return Selu.apply(x)


@explained
def gelu(x: Array, approximate: str = "none") -> Array:
    """Return `x` times the standard normal CDF or, with "tanh", an approximation of it.

    Hendrycks, Gimpel: Gaussian error linear units (2016).

    >>> gelu(np.array([-1.0, 1.0]))
    array([-0.15865525,  0.84134475])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu: expected approximate="none" or "tanh", got {approximate!r}')
    return (Gelu if approximate == "none" else GeluTanh).apply(x)


@explained
def softplus(x: Array, beta: float = 1.0) -> Array:
    """Return `log(1 + exp(beta * x)) / beta`, without overflow for any `x`.

    >>> softplus(np.array([-1e4, 0.0, 1e4]))
    array([0.00000000e+00, 6.93147181e-01, 1.00000000e+04])
    """
    if not beta > 0:
        raise ValueError(f"softplus: expected beta > 0, got {beta}")
    return Softplus.apply(x, beta=float(beta))


@explained
def glu(x: Array, axis: int = -1) -> Array:
    """Split `x` into halves `a`, `b` along an axis and return `a * sigmoid(b)`. Dauphin et al. (2016).

    >>> glu(np.array([1.0, 2.0, 0.0, 0.0]))
    array([0.5, 1. ])
    """
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"glu: axis {axis} is out of range for shape {x.shape}")
    half, odd = divmod(x.shape[axis], 2)
    if odd:
        raise ValueError(f"glu: expected an even length along axis {axis}, got shape {x.shape}")
    before = (slice(None),) * (axis % x.ndim)
    return x[(*before, slice(half))] * sigmoid(x[(*before, slice(half, None))])
