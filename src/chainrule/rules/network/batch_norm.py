r"""Batch normalisation of [B, C, …] in one pass each way, for large arrays.

In the formulas b counts samples, m channels and i places; N values share a mean. `chainrule.nn.functional.batch_norm`
says when it is used.

Source: Ioffe & Szegedy, "Batch Normalization" (2015), algorithm 1 and section 3.
"""

import math
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.kinds import Fused
from chainrule.core.operation import Array, case
from chainrule.kernels import channels
from chainrule.kernels.suitable import LARGE, suitable
from chainrule.rules.arrays.windows import wide

from . import proofs_of_layers as proofs_of


def _check(x: Array, eps: float, **parameters: Array) -> None:
    if np.ndim(x) < 2 or 0 in np.shape(x):
        raise ValueError(f"expected x [batch, channels, …] with at least one value, got shape {np.shape(x)}")
    if not eps >= 0:
        raise ValueError(f"expected eps >= 0, got {eps}")
    for name, parameter in parameters.items():
        if np.shape(parameter) != np.shape(x)[1:2]:
            raise ValueError(f"expected {name} of shape {np.shape(x)[1:2]}, got {np.shape(parameter)}")


def by_channel(x: Array) -> Array:
    """Return an array `[B, C, …]` as `[B, C, all other axes]`.

    >>> by_channel(np.zeros((2, 3, 4, 5))).shape, by_channel(np.zeros((2, 3))).shape
    ((2, 3, 20), (2, 3, 1))
    """
    return np.reshape(x, (*x.shape[:2], math.prod(x.shape[2:])))


def axes_of(x: Array) -> tuple[int, ...]:
    """Return the axes of [B, C, …] that the values of a channel lie along."""
    return (0, *range(2, x.ndim))


def _by_channel(parameter: Array, x: Array) -> Array:
    """Return a parameter [C] in a shape that broadcasts to [B, C, …]."""
    return parameter.reshape((-1, *[1] * (x.ndim - 2)))


def channel_moments(x: Array) -> tuple[Array, Array]:
    """Return the mean and the biased variance of each channel of a plain array."""
    if suitable(LARGE, x):
        return channels.moments(x)
    return x.mean(axis=axes_of(x)), x.var(axis=axes_of(x))


class BatchNorm(Fused):
    r"""y_{b m i} = \gamma_m \frac{x_{b m i} - \mu_m}{\sigma_m} + \beta_m

    Kept are the mean $\mu$ and the deviation $\sigma$ of each channel.
    """

    proofs = proofs_of.BATCH_NORM
    role = Role.NORM
    letters = {"gamma": r"\gamma", "beta": r"\beta", "y": r"\hat x"}
    definitions = {
        "mu": r"\mu_m = \frac{1}{N} \sum_{b, i} x_{b m i}",
        "sigma": r"\sigma_m = \sqrt{\frac{1}{N} \sum_{b, i} (x_{b m i} - \mu_m)^2 + \text{eps}}",
    }
    keeps = ("mu", "sigma")
    arrange = staticmethod(by_channel)
    cases = (case((3, 4, 5), (4,), (4,)), case((2, 3, 4), (3,), (3,), eps=0.1))

    @staticmethod
    def composite(x: Array, gamma: Array, beta: Array, *, eps: float) -> Array:
        _check(x, eps, gamma=gamma, beta=beta)
        centred = x - np.mean(x, axis=axes_of(x), keepdims=True)
        x_hat = centred / np.sqrt(np.mean(centred * centred, axis=axes_of(x), keepdims=True) + eps)
        return x_hat * _by_channel(gamma, x) + _by_channel(beta, x)

    @staticmethod
    def primal(x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5) -> Array:
        return BatchNorm.primal_keeping(x, gamma, beta, eps=eps)[0]

    @staticmethod
    def primal_keeping(x: Array, gamma: Array, beta: Array, *, eps: float) -> tuple[Array, ...]:
        _check(x, eps, gamma=gamma, beta=beta)
        if suitable(LARGE, x, gamma, beta):
            return channels.normalized(x, gamma, beta, float(eps))
        values = wide(x)
        mu = values.mean(axis=axes_of(x))
        sigma = np.sqrt(values.var(axis=axes_of(x)) + eps)
        y = _by_channel(gamma, x) * _standardized(values, mu, sigma) + _by_channel(beta, x)
        return y.astype(np.result_type(x, gamma, beta), copy=False), mu, sigma

    @staticmethod
    def adjoint_x(y_bar: Array, x: Array, gamma: Array, mu: Array, sigma: Array) -> Array:
        r"""\bar x_{b m i} = \frac{\gamma_m}{\sigma_m} \left(\bar y_{b m i} - \frac{1}{N} \sum_{l, k} \bar y_{l m k}
        - \frac{x_{b m i} - \mu_m}{\sigma_m^2} \frac{1}{N} \sum_{l, k} \bar y_{l m k} (x_{l m k} - \mu_m)\right)
        """
        axes, x_hat = axes_of(x), _standardized(x, mu, sigma)
        mean, share = (np.mean(part, axis=axes, keepdims=True) for part in (y_bar, y_bar * x_hat))
        return (y_bar - mean - x_hat * share) * _by_channel(gamma / sigma, x)

    @staticmethod
    def adjoint_gamma(y_bar: Array, x: Array, mu: Array, sigma: Array) -> Array:
        r"""\bar\gamma_m = \sum_{b, i} \bar y_{b m i} \frac{x_{b m i} - \mu_m}{\sigma_m}"""
        return np.sum(y_bar * _standardized(x, mu, sigma), axis=axes_of(x))

    @staticmethod
    def adjoint_beta(y_bar: Array) -> Array:
        r"""\bar\beta_m = \sum_{b, i} \bar y_{b m i}"""
        return np.sum(y_bar, axis=axes_of(y_bar))

    @staticmethod
    def all_adjoints(y_bar: Array, x: Array, gamma: Array, mu: Array, sigma: Array) -> tuple[Array, Array, Array]:
        r"""$\bar x$, $\bar\gamma$ and $\bar\beta$, by the formulas above."""
        gamma_bar = BatchNorm.adjoint_gamma(y_bar, x, mu, sigma)
        return BatchNorm.adjoint_x(y_bar, x, gamma, mu, sigma), gamma_bar, BatchNorm.adjoint_beta(y_bar)

    @staticmethod
    def eager_adjoints(y_bar: Array, x: Array, gamma: Array, mu: Array, sigma: Array) -> Any:
        if not suitable(LARGE, x, gamma, mu, sigma) or type(y_bar) is not np.ndarray or y_bar.dtype != x.dtype:
            return None
        return channels.gradients(np.ascontiguousarray(y_bar), x, gamma, mu, sigma)


def _standardized(x: Array, mu: Array, sigma: Array) -> Array:
    return (x - _by_channel(mu, x)) / _by_channel(sigma, x)
