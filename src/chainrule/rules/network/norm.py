"""Normalisation of each sample over its own features.

In the formulas n is the number of features.

Sources: Ba, Kiros & Hinton, "Layer Normalization" (2016); Zhang & Sennrich, "Root Mean Square Layer Normalization"
(2019).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.kinds import Fused
from chainrule.core.operation import Array, case
from chainrule.core.transforms.batch import first_alone
from chainrule.kernels import outputs
from chainrule.kernels.suitable import LARGE, suitable
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.arrays.windows import wide
from chainrule.rules.linalg.matmul import rows

from . import proofs_of_layers as proofs_of

EPS = 1e-5


def _check(x: Array, eps: float, **parameters: Array) -> None:
    if np.ndim(x) == 0 or np.shape(x)[-1] == 0:
        raise ValueError(f"expected x [..., n] with at least one feature, got shape {np.shape(x)}")
    if not eps >= 0:
        raise ValueError(f"expected eps >= 0, got {eps}")
    for name, parameter in parameters.items():
        if np.shape(parameter) not in ((), np.shape(x)[-1:]):
            raise ValueError(f"expected {name} of shape {np.shape(x)[-1:]}, got {np.shape(parameter)}")


def _mean(x: Array) -> Array:
    return np.mean(x, axis=-1, keepdims=True)


def _mean_product(a: Array, b: Array) -> Array:
    """Return the mean of `a * b` along the last axis, without storing the product."""
    return np.einsum("...i,...i->...", a, b) / a.shape[-1]


def _by_kernel(x: Array, *parameters: Array) -> bool:
    """Whether the kernels of `chainrule.kernels.normalization` apply: large rows, one parameter per feature."""
    return suitable(LARGE, x, *parameters) and all(p.shape == x.shape[-1:] for p in parameters)


def _kept_by_kernel(y_bar: Array, x_hat: Array, sigma: Array) -> bool:
    return suitable(0, y_bar, x_hat, sigma) and y_bar.shape == x_hat.shape


def _large_forward(name: str, x: Array, *parameters: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return y, x_hat and sigma, by the kernel of that name."""
    from chainrule.kernels import normalization

    y, x_hat, sigma = (outputs.empty(shape, x.dtype) for shape in (x.shape, x.shape, x.shape[:-1]))
    getattr(normalization, name)(rows(x), *parameters, float(eps), rows(y), rows(x_hat), sigma.reshape(-1))
    return y, x_hat, sigma


def _large_adjoint(name: str, y_bar: Array, gamma: Array, x_hat: Array, sigma: Array) -> Array:
    """Return x_bar, by the kernel of that name."""
    from chainrule.kernels import normalization

    x_bar = outputs.empty(y_bar.shape, y_bar.dtype)
    parameters = () if gamma is None else (gamma,)
    getattr(normalization, name)(rows(y_bar), *parameters, rows(x_hat), sigma.reshape(-1), rows(x_bar))
    return x_bar


def _is_number(x: Array, number: float) -> bool:
    return type(x) is float and x == number


def _standardized(x: Array, eps: float) -> tuple[Array, Array]:
    """Return x_hat and sigma, by the kernel: what batch normalisation needs, whose scale is one for each row."""
    from chainrule.kernels.normalization import standardize

    x_hat, sigma = outputs.empty(x.shape, x.dtype), outputs.empty(x.shape[:-1], x.dtype)
    standardize(rows(x), float(eps), rows(x_hat), sigma.reshape(-1))
    return x_hat, sigma


def moments(x: Array) -> tuple[Array, Array]:
    """Return the mean and the biased variance of each row of a plain array."""
    if not suitable(LARGE, x):
        return x.mean(axis=-1), x.var(axis=-1)
    from chainrule.kernels import normalization

    mean, variance = np.empty(x.shape[:-1], x.dtype), np.empty(x.shape[:-1], x.dtype)
    normalization.moments(rows(x), mean.reshape(-1), variance.reshape(-1))
    return mean, variance


def _sum_of_products(y_bar: Array, x_hat: Array) -> Array:
    """Return the sum of `y_bar * x_hat` over every axis but the last."""
    if not suitable(LARGE, y_bar, x_hat) or y_bar.shape != x_hat.shape:
        return _rowsum(y_bar * x_hat)
    from chainrule.kernels.normalization import adjoint_gamma

    gamma_bar = np.empty(y_bar.shape[-1:], y_bar.dtype)
    adjoint_gamma(rows(y_bar), rows(x_hat), gamma_bar)
    return gamma_bar


def _rowsum(a: Array) -> Array:
    """Return the sum over every axis but the last."""
    return a.sum(axis=tuple(range(a.ndim - 1)))


class LayerNorm(Fused):
    r"""y_{ij} = \gamma_j \frac{x_{ij} - \frac{1}{n} \sum_k x_{ik}}
    {\sqrt{\frac{1}{n} \sum_k (x_{ik} - \frac{1}{n} \sum_l x_{il})^2 + \text{eps}}} + \beta_j

    Kept are the normalised values $\hat x$ and the deviation $\sigma$ of each row, the root in the denominator; x
    itself can be freed.
    """

    proofs = proofs_of.LAYER_NORM
    role = Role.NORM
    letters = {"gamma": r"\gamma", "beta": r"\beta", "y": "v"}
    definitions = {
        "sigma": (
            r"\sigma_i = \sqrt{\frac{1}{n} \sum_k \left(x_{ik} - \frac{1}{n} \sum_l x_{il}\right)^2 + \text{eps}}"
        ),
        "x_hat": r"\hat x_{ij} = \frac{x_{ij} - \frac{1}{n} \sum_k x_{ik}}{\sigma_i}",
    }
    keeps = ("x_hat", "sigma")
    cases = (
        case((3, 4), (4,), (4,)),
        case((2, 3, 4), (4,), (4,), eps=0.1),
        case((4,), (4,), (4,)),
        case((0, 4), (4,), (4,)),
    )
    stacked = staticmethod(first_alone)

    @staticmethod
    def composite(x: Array, gamma: Array, beta: Array, *, eps: float) -> Array:
        _check(x, eps, gamma=gamma, beta=beta)
        centred = x - _mean(x)
        return gamma * (centred / np.sqrt(_mean(centred * centred) + eps)) + beta

    @staticmethod
    def primal(x: Array, gamma: Array, beta: Array, *, eps: float = EPS) -> Array:
        return LayerNorm.primal_keeping(x, gamma, beta, eps=eps)[0]

    @staticmethod
    def regain(x_hat: Array, sigma: Array, gamma: Array, **_: Any) -> dict[str, Array] | None:
        """Return arguments that have the same derivatives as those of the call: the mean of x has no influence."""
        return None if sigma is None else {"x": x_hat * sigma[..., None], "gamma": gamma}

    @staticmethod
    def anew(kept: dict[str, Any], *, gamma: Array, beta: Array, **_: Any) -> Array:
        """Return the composite where x is a constant, of which nothing, or only the normalised values are kept."""
        x_hat = kept["x_hat"]
        return gamma * (np.zeros(kept["y_shape"], kept["y_dtype"]) if x_hat is None else x_hat) + beta

    @staticmethod
    def primal_keeping(x: Array, gamma: Array, beta: Array, *, eps: float) -> tuple[Array, ...]:
        _check(x, eps, gamma=gamma, beta=beta)
        if _by_kernel(x, gamma, beta):
            return _large_forward("layer_norm", x, gamma, beta, eps=eps)
        is_plain = _is_number(gamma, 1.0) and _is_number(beta, 0.0)
        if is_plain and suitable(LARGE, x):
            x_hat, sigma = _standardized(x, eps)
            return x_hat, x_hat, sigma
        x_hat = wide(x)
        x_hat = x_hat - _mean(x_hat)
        sigma = np.sqrt(_mean_product(x_hat, x_hat) + eps)
        x_hat /= sigma[..., None]
        y = gamma * x_hat + beta
        return y.astype(np.result_type(x, gamma, beta), copy=False), x_hat, sigma

    @staticmethod
    def adjoint_x(y_bar: Array, gamma: Array, x_hat: Array, sigma: Array) -> Array:
        r"""\bar x_{ij} = \frac{\gamma_j \bar y_{ij} - \frac{1}{n} \sum_k \gamma_k \bar y_{ik}
        - \hat x_{ij} \frac{1}{n} \sum_k \gamma_k \bar y_{ik} \hat x_{ik}}{\sigma_i}
        """
        if _by_kernel(y_bar, gamma) and _kept_by_kernel(y_bar, x_hat, sigma):
            return _large_adjoint("layer_norm_adjoint_x", y_bar, gamma, x_hat, sigma)
        if _is_number(gamma, 1.0) and suitable(LARGE, y_bar) and _kept_by_kernel(y_bar, x_hat, sigma):
            return _large_adjoint("standardize_adjoint_x", y_bar, None, x_hat, sigma)
        g = gamma * y_bar
        return (g - _mean(g) - x_hat * _mean_product(g, x_hat)[..., None]) / sigma[..., None]

    @staticmethod
    def adjoint_gamma(y_bar: Array, x_hat: Array) -> Array:
        r"""\bar\gamma_j = \sum_i \bar y_{ij} \hat x_{ij}"""
        return _sum_of_products(y_bar, x_hat)

    @staticmethod
    def adjoint_beta(y_bar: Array) -> Array:
        r"""\bar\beta_j = \sum_i \bar y_{ij}"""
        return _rowsum(y_bar)

    @staticmethod
    def all_adjoints(y_bar: Array, gamma: Array, x_hat: Array, sigma: Array) -> tuple[Array, Array, Array]:
        found = LayerNorm.eager_adjoints(y_bar, gamma, x_hat, sigma)
        if found is None:
            x_bar = LayerNorm.adjoint_x(y_bar, gamma, x_hat, sigma)
            return x_bar, LayerNorm.adjoint_gamma(y_bar, x_hat), LayerNorm.adjoint_beta(y_bar)
        return found

    @staticmethod
    def eager_adjoints(y_bar: Array, gamma: Array, x_hat: Array, sigma: Array) -> tuple[Array, Array, Array] | None:
        if not suitable(LARGE, y_bar, gamma, x_hat, sigma) or y_bar.shape != x_hat.shape:
            return None
        from chainrule.kernels.normalization import layer_norm_backward

        made = [outputs.empty(shape, y_bar.dtype) for shape in (y_bar.shape, gamma.shape, gamma.shape)]
        x_bar, gamma_bar, beta_bar = made
        layer_norm_backward(rows(y_bar), gamma, rows(x_hat), sigma.reshape(-1), rows(x_bar), gamma_bar, beta_bar)
        return x_bar, gamma_bar, beta_bar


class RMSNorm(Fused):
    r"""y_{ij} = \gamma_j \frac{x_{ij}}{\sqrt{\frac{1}{n} \sum_k x_{ik}^2 + \text{eps}}}

    Kept are the normalised values $\hat x$ and the root in the denominator, $\sigma$, of each row.
    """

    proofs = proofs_of.RMS_NORM
    name = "rms_norm"
    role = Role.NORM
    letters = {"gamma": r"\gamma", "y": "v"}
    definitions = {
        "sigma": r"\sigma_i = \sqrt{\frac{1}{n} \sum_k x_{ik}^2 + \text{eps}}",
        "x_hat": r"\hat x_{ij} = \frac{x_{ij}}{\sigma_i}",
    }
    keeps = ("x_hat", "sigma")
    cases = (
        case((3, 4), (4,)),
        case((2, 3, 4), (4,), eps=0.1),
        case((4,), (4,)),
        case((0, 4), (4,)),
    )
    stacked = staticmethod(first_alone)

    @staticmethod
    def composite(x: Array, gamma: Array, *, eps: float) -> Array:
        _check(x, eps, gamma=gamma)
        return gamma * (x / np.sqrt(_mean(x * x) + eps))

    @staticmethod
    def primal(x: Array, gamma: Array, *, eps: float = EPS) -> Array:
        return RMSNorm.primal_keeping(x, gamma, eps=eps)[0]

    @staticmethod
    def regain(x_hat: Array, sigma: Array, gamma: Array, **_: Any) -> dict[str, Array] | None:
        """Return arguments that have the same derivatives as those of the call."""
        return None if sigma is None else {"x": x_hat * sigma[..., None], "gamma": gamma}

    @staticmethod
    def anew(kept: dict[str, Any], *, gamma: Array, **_: Any) -> Array:
        """Return the composite where x is a constant, of which only the normalised values are kept."""
        return gamma * kept["x_hat"]

    @staticmethod
    def primal_keeping(x: Array, gamma: Array, *, eps: float) -> tuple[Array, ...]:
        _check(x, eps, gamma=gamma)
        if _by_kernel(x, gamma):
            return _large_forward("rms_norm", x, gamma, eps=eps)
        values = wide(x)
        sigma = np.sqrt(_mean_product(values, values) + eps)
        x_hat = values / sigma[..., None]
        return (gamma * x_hat).astype(np.result_type(x, gamma), copy=False), x_hat, sigma

    @staticmethod
    def adjoint_x(y_bar: Array, gamma: Array, x_hat: Array, sigma: Array) -> Array:
        r"""\bar x_{ij} = \frac{\gamma_j \bar y_{ij} - \hat x_{ij} \frac{1}{n} \sum_k \gamma_k \bar y_{ik} \hat x_{ik}}
        {\sigma_i}
        """
        if _by_kernel(y_bar, gamma) and _kept_by_kernel(y_bar, x_hat, sigma):
            return _large_adjoint("rms_norm_adjoint_x", y_bar, gamma, x_hat, sigma)
        g = gamma * y_bar
        return (g - x_hat * _mean_product(g, x_hat)[..., None]) / sigma[..., None]

    @staticmethod
    def adjoint_gamma(y_bar: Array, x_hat: Array) -> Array:
        r"""\bar\gamma_j = \sum_i \bar y_{ij} \hat x_{ij}"""
        return _sum_of_products(y_bar, x_hat)


def _over(
    record: type[Fused], x: Array, shape: int | Sequence[int] | None, parameters: dict[str, Array], eps: float
) -> Array:
    """Apply a record to the trailing axes of x, flattened into one; a parameter that is a number stays one."""
    name = record.name
    x = arrayed(x)
    wanted = x.shape[-1:] if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    if not wanted or x.shape[-len(wanted) :] != wanted:
        raise ValueError(f"{name}: expected x to end with the axes {wanted} to normalise over, got shape {x.shape}")
    for key, parameter in parameters.items():
        if np.shape(parameter) not in ((), wanted):
            raise ValueError(f"{name}: expected {key} of shape {wanted}, got {np.shape(parameter)}")
    if len(wanted) == 1:
        return record.apply(x, *parameters.values(), eps=eps)
    flat = [p.reshape(-1) if np.ndim(p) else p for p in parameters.values()]
    y = record.apply(x.reshape(*x.shape[: -len(wanted)], math.prod(wanted)), *flat, eps=eps)
    return y.reshape(x.shape)


def layer_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    eps: float = EPS,
    normalized_shape: int | Sequence[int] | None = None,
) -> Array:
    r"""Return $\gamma \odot \frac{x - \mu}{\sqrt{v + \epsilon}} + \beta$ over the last axis of x.

    With `normalized_shape`, mean and (biased) variance are taken over that many trailing axes, which must have that
    shape. `gamma` and `beta` have the normalised shape; they default to 1 and 0. A constant row becomes `beta`, as long
    as `eps` is positive. Raises ValueError for shapes that do not fit.

    Source: Ba, Kiros & Hinton, "Layer Normalization" (2016), equation 4.

    >>> layer_norm(np.array([[1.0, 3.0]]), eps=0.0)
    array([[-1.,  1.]])
    """
    parameters = {"gamma": 1.0 if gamma is None else gamma, "beta": 0.0 if beta is None else beta}
    return _over(LayerNorm, x, normalized_shape, parameters, eps)


def rms_norm(
    x: Array,
    gamma: Array | None = None,
    eps: float = EPS,
    normalized_shape: int | Sequence[int] | None = None,
) -> Array:
    r"""Return $\gamma \odot \frac{x}{\sqrt{\frac{1}{n} \sum_i x_i^2 + \epsilon}}$ over the last axis of x.

    `gamma` and `normalized_shape` are as in `layer_norm`. Raises ValueError for shapes that do not fit.

    Source: Zhang & Sennrich, "Root Mean Square Layer Normalization" (2019), equation 4.

    >>> rms_norm(np.array([3.0, 3.0]), eps=0.0)
    array([1., 1.])
    """
    return _over(RMSNorm, x, normalized_shape, {"gamma": 1.0 if gamma is None else gamma}, eps)
