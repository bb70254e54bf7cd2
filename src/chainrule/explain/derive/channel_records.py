"""Records for derivations only: normalisations as the papers write them.

The program moves the channels to the front for batch normalisation and shapes its parameters to broadcast; none of
that is in the formulas. n counts samples, m channels and i places; N values share a mean.
"""

from typing import Any, ClassVar

import numpy as np

from chainrule.core.facts import Role, proof
from chainrule.core.kinds import Bilinear, General
from chainrule.core.operation import Array, case
from chainrule.rules.elementary.proofs import DEFINITION
from chainrule.rules.network import proofs_of_layers as layers
from chainrule.rules.network.batch_norm import by_channel
from chainrule.rules.network.norm import EPS, LayerNorm, RMSNorm


def _like(parameter: Array, x: Array) -> Array:
    return np.reshape(parameter, (-1, *[1] * (x.ndim - 2)))


class ChannelNorm(General, register=False):
    r"""y_{n m i} = \frac{x_{n m i} - \mu_m}{\sigma_m}

    Each channel over all samples and places with mean 0 and variance 1: batch normalisation in training.
    """

    name = "batch_norm"
    arrange = staticmethod(by_channel)
    letters: ClassVar[dict[str, str]] = {"y": r"\hat x"}
    definitions: ClassVar[dict[str, str]] = {
        "mu": r"\mu_m = \frac{1}{N} \sum_{n, i} x_{n m i}",
        "sigma": r"\sigma_m = \sqrt{\frac{1}{N} \sum_{n, i} (x_{n m i} - \mu_m)^2 + \text{eps}}",
    }
    keeps = ("mu", "sigma")
    proofs: ClassVar[Any] = {
        "x": proof(
            ("The mean of a channel", r"\mu_m = \frac{1}{N} \sum_{n, i} x_{n m i}"),
            (
                "Its deviation",
                r"\sigma_m = \sqrt{\frac{1}{N} \sum_{n, i} (x_{n m i} - \mu_m)^2 + \text{eps}}",
            ),
            (DEFINITION, r"y_{n m i} = \frac{x_{n m i} - \mu_m}{\sigma_m}"),
            (
                "Every value has the same share in the mean",
                r"\frac{\partial \mu_m}{\partial x_{l m k}} = \frac{1}{N}",
            ),
            (
                "In the deviation the mean's own share cancels, as the differences from it sum to zero",
                r"\frac{\partial \sigma_m}{\partial x_{l m k}} = \frac{1}{2 \sigma_m} \frac{2}{N} (x_{l m k} - \mu_m)"
                r" = \frac{y_{l m k}}{N}",
            ),
            (
                "The quotient rule; a bracket is 1 where it holds, else 0",
                r"\frac{\partial y_{n m i}}{\partial x_{l m k}}"
                r" = \frac{[n = l]\,[i = k] - \frac{1}{N}}{\sigma_m}"
                r" - \frac{x_{n m i} - \mu_m}{\sigma_m^2} \frac{y_{l m k}}{N}",
            ),
            (
                "The chain rule over the channel",
                r"\bar x_{l m k} = \sum_{n, i} \bar y_{n m i} \frac{1}{\sigma_m}"
                r" \left([n = l]\,[i = k] - \frac{1}{N} - \frac{1}{N} y_{n m i} y_{l m k}\right)",
            ),
            (
                "What the bracket leaves: the gradient without its mean and without its part along the normalised"
                " channel",
                r"\bar x_{n m i} = \frac{\bar y_{n m i} - \frac{1}{N} \sum_{l, k} \bar y_{l m k}"
                r" - y_{n m i} \frac{1}{N} \sum_{l, k} \bar y_{l m k} y_{l m k}}{\sigma_m}",
            ),
        )
    }
    cases = (case((2, 3, 4)), case((4, 3)), case((2, 3, 2, 2), eps=0.1))

    @staticmethod
    def primal(x: Array, *, eps: float = EPS) -> Array:
        """Return the normalised values."""
        axes = (0, *range(2, x.ndim))
        mean = np.mean(x, axis=axes, keepdims=True)
        return (x - mean) / np.sqrt(np.mean((x - mean) ** 2, axis=axes, keepdims=True) + eps)

    @staticmethod
    def jvp(y: Array, x: Array, x_dot: Array, *, eps: float) -> Array:
        """Return the change of the normalised values."""
        axes = (0, *range(2, x.ndim))
        mean: Any = lambda a: np.mean(a, axis=axes, keepdims=True)  # noqa: E731
        sigma = np.sqrt(mean((x - mean(x)) ** 2) + eps)
        return (x_dot - mean(x_dot) - y * mean(x_dot * y)) / sigma

    @staticmethod
    def adjoint_x(y_bar: Array, y: Array, sigma: Array) -> Array:
        r"""\bar x_{n m i} = \frac{\bar y_{n m i} - \frac{1}{N} \sum_{l, k} \bar y_{l m k}
        - y_{n m i} \frac{1}{N} \sum_{l, k} \bar y_{l m k} y_{l m k}}{\sigma_m}
        """
        axes = (0, *range(2, y.ndim))
        mean: Any = lambda a: np.mean(a, axis=axes, keepdims=True)  # noqa: E731
        return (y_bar - mean(y_bar) - y * mean(y_bar * y)) / _like(sigma, y)


_ONE_TERM = "Each output contains one of them"
_OVER_ALL = "The chain rule, over all samples and places"
_OWN_CHANNEL = "Each output contains its own input"


class ChannelAffine(Bilinear, register=False):
    r"""y_{n m i} = \gamma_m x_{n m i} + \beta_m

    A scale and a shift for each channel.
    """

    name = "affine"
    arrange = staticmethod(by_channel)
    letters: ClassVar[dict[str, str]] = {"gamma": r"\gamma", "beta": r"\beta", "y": "v"}
    proofs: ClassVar[Any] = {
        "x": proof(
            (DEFINITION, r"y_{n m i} = \gamma_m x_{n m i} + \beta_m"),
            (_OWN_CHANNEL, r"\bar x_{n m i} = \gamma_m \bar y_{n m i}"),
        ),
        "gamma": proof(
            (DEFINITION, r"y_{n m i} = \gamma_m x_{n m i} + \beta_m"),
            (_ONE_TERM, r"\frac{\partial y_{n m i}}{\partial \gamma_o} = [m = o]\,x_{n m i}"),
            (_OVER_ALL, r"\bar \gamma_m = \sum_{n, i} \bar y_{n m i} x_{n m i}"),
        ),
        "beta": proof(
            (DEFINITION, r"y_{n m i} = \gamma_m x_{n m i} + \beta_m"),
            (_ONE_TERM, r"\frac{\partial y_{n m i}}{\partial \beta_o} = [m = o]"),
            (_OVER_ALL, r"\bar \beta_m = \sum_{n, i} \bar y_{n m i}"),
        ),
    }
    cases = (case((2, 3, 4), (3,), (3,)), case((2, 3, 2, 2), (3,), (3,)))

    @staticmethod
    def primal(x: Array, gamma: Array, beta: Array) -> Array:
        """Return the scaled and shifted values."""
        return _like(gamma, x) * x + _like(beta, x)

    @staticmethod
    def adjoint_x(y_bar: Array, gamma: Array) -> Array:
        r"""\bar x_{n m i} = \gamma_m \bar y_{n m i}"""
        return _like(gamma, y_bar) * y_bar

    @staticmethod
    def adjoint_gamma(y_bar: Array, x: Array) -> Array:
        r"""\bar \gamma_m = \sum_{n, i} \bar y_{n m i} x_{n m i}"""
        return np.sum(y_bar * x, axis=(0, *range(2, x.ndim)))

    @staticmethod
    def adjoint_beta(y_bar: Array) -> Array:
        r"""\bar \beta_m = \sum_{n, i} \bar y_{n m i}"""
        return np.sum(y_bar, axis=(0, *range(2, y_bar.ndim)))


class ChannelScale(Bilinear, register=False):
    r"""y_{n m i} = \gamma_m x_{n m i}

    A scale for each channel.
    """

    name = "affine"
    arrange = staticmethod(by_channel)
    letters: ClassVar[dict[str, str]] = {"gamma": r"\gamma"}
    proofs: ClassVar[Any] = {
        "x": proof(
            (DEFINITION, r"y_{n m i} = \gamma_m x_{n m i}"),
            (_OWN_CHANNEL, r"\bar x_{n m i} = \gamma_m \bar y_{n m i}"),
        ),
        "gamma": proof(
            (DEFINITION, r"y_{n m i} = \gamma_m x_{n m i}"),
            (_ONE_TERM, r"\frac{\partial y_{n m i}}{\partial \gamma_o} = [m = o]\,x_{n m i}"),
            (_OVER_ALL, r"\bar \gamma_m = \sum_{n, i} \bar y_{n m i} x_{n m i}"),
        ),
    }
    cases = (case((2, 3, 4), (3,)),)

    @staticmethod
    def primal(x: Array, gamma: Array) -> Array:
        """Return the scaled values."""
        return _like(gamma, x) * x

    @staticmethod
    def adjoint_x(y_bar: Array, gamma: Array) -> Array:
        r"""\bar x_{n m i} = \gamma_m \bar y_{n m i}"""
        return _like(gamma, y_bar) * y_bar

    @staticmethod
    def adjoint_gamma(y_bar: Array, x: Array) -> Array:
        r"""\bar \gamma_m = \sum_{n, i} \bar y_{n m i} x_{n m i}"""
        return np.sum(y_bar * x, axis=(0, *range(2, x.ndim)))


class PlainLayerNorm(General, register=False):
    r"""y_{i j} = \frac{x_{i j} - \mu_i}{\sigma_i}

    Layer normalisation without a scale and a shift.
    """

    name = "layer_norm"
    role = Role.NORM
    letters: ClassVar[dict[str, str]] = {"y": r"\hat x"}
    definitions: ClassVar[dict[str, str]] = {
        "mu": r"\mu_i = \frac{1}{n} \sum_k x_{i k}",
        "sigma": r"\sigma_i = \sqrt{\frac{1}{n} \sum_k (x_{i k} - \mu_i)^2 + \text{eps}}",
    }
    keeps = ("mu", "sigma")
    proofs: ClassVar[Any] = {"x": layers.PLAIN_LAYER_NORM}
    cases = (case((3, 4)), case((2, 3, 4), eps=0.1))

    @staticmethod
    def primal(x: Array, *, eps: float = EPS) -> Array:
        """Return the normalised rows."""
        return LayerNorm.primal(x, np.ones(()), np.zeros(()), eps=eps)

    @staticmethod
    def jvp(y: Array, x: Array, x_dot: Array, *, eps: float) -> Array:
        """Return the change of the normalised rows."""
        sigma = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
        return PlainLayerNorm.adjoint_x(x_dot, y, sigma[..., 0])

    @staticmethod
    def adjoint_x(y_bar: Array, y: Array, sigma: Array) -> Array:
        r"""\bar x_{i j} = \frac{\bar y_{i j} - \frac{1}{n} \sum_k \bar y_{i k}
        - y_{i j} \frac{1}{n} \sum_k \bar y_{i k} y_{i k}}{\sigma_i}
        """
        mean: Any = lambda a: np.mean(a, axis=-1, keepdims=True)  # noqa: E731
        return (y_bar - mean(y_bar) - y * mean(y_bar * y)) / sigma[..., None]


class PlainRMSNorm(General, register=False):
    r"""y_{i j} = \frac{x_{i j}}{\sigma_i}

    Root mean square normalisation without a scale.
    """

    name = "rms_norm"
    role = Role.NORM
    letters: ClassVar[dict[str, str]] = {"y": r"\hat x"}
    definitions: ClassVar[dict[str, str]] = {
        "sigma": r"\sigma_i = \sqrt{\frac{1}{n} \sum_k x_{i k}^2 + \text{eps}}",
    }
    keeps = ("sigma",)
    proofs: ClassVar[Any] = {"x": layers.PLAIN_RMS_NORM}
    cases = (case((3, 4)), case((2, 3, 4), eps=0.1))

    @staticmethod
    def primal(x: Array, *, eps: float = EPS) -> Array:
        """Return the normalised rows."""
        return RMSNorm.primal(x, np.ones(()), eps=eps)

    @staticmethod
    def jvp(y: Array, x: Array, x_dot: Array, *, eps: float) -> Array:
        """Return the change of the normalised rows."""
        return PlainRMSNorm.adjoint_x(x_dot, y, np.sqrt((x * x).mean(axis=-1) + eps))

    @staticmethod
    def adjoint_x(y_bar: Array, y: Array, sigma: Array) -> Array:
        r"""\bar x_{i j} = \frac{\bar y_{i j} - y_{i j} \frac{1}{n} \sum_k \bar y_{i k} y_{i k}}{\sigma_i}"""
        return (y_bar - y * np.mean(y_bar * y, axis=-1, keepdims=True)) / sigma[..., None]
