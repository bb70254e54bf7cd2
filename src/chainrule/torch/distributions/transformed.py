"""Mixtures, and distributions of transformed variables."""

import math
from collections.abc import Sequence
from typing import Any

from ..autograd.modes import no_grad
from ..elementwise import sigmoid, tanh
from ..nn import functional as F
from .distribution import Distribution


class Transform:
    """An invertible function; a subclass defines `_call`, `_inverse` and `log_abs_det_jacobian`."""

    event_dim = 0

    def __call__(self, x: Any) -> Any:
        """Return the value at x."""
        return self._call(x)

    @property
    def inv(self) -> "Transform":
        """The inverse."""
        return _Inverse(self)

    def _call(self, x: Any) -> Any:
        raise TypeError(f"{type(self).__name__}: define _call(x)")

    def _inverse(self, y: Any) -> Any:
        raise TypeError(f"{type(self).__name__}: define _inverse(y)")

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Return log |dy/dx|."""
        raise TypeError(f"{type(self).__name__}: define log_abs_det_jacobian(x, y)")


class _Inverse(Transform):
    def __init__(self, forward: Transform) -> None:
        self._forward, self.event_dim = forward, forward.event_dim

    @property
    def inv(self) -> Transform:
        return self._forward

    def _call(self, x: Any) -> Any:
        return self._forward._inverse(x)

    def _inverse(self, y: Any) -> Any:
        return self._forward._call(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -self._forward.log_abs_det_jacobian(y, x)


class ExpTransform(Transform):
    """exp(x)."""

    def _call(self, x: Any) -> Any:
        return x.exp()

    def _inverse(self, y: Any) -> Any:
        return y.log()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Return log |dy/dx|."""
        return x


class AffineTransform(Transform):
    """loc + scale x."""

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        self.loc, self.scale, self.event_dim = loc, scale, event_dim

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Return log |dy/dx|."""
        size = self.scale.abs().log() if hasattr(self.scale, "abs") else math.log(abs(self.scale))
        found = 0 * x + size
        return found.sum(tuple(range(-self.event_dim, 0))) if self.event_dim else found


class SigmoidTransform(Transform):
    """1 / (1 + exp(-x))."""

    def _call(self, x: Any) -> Any:
        return sigmoid(x)

    def _inverse(self, y: Any) -> Any:
        return y.log() - (-y).log1p()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Return log |dy/dx|."""
        return -F.softplus(-x) - F.softplus(x)


class TanhTransform(Transform):
    """tanh(x)."""

    def _call(self, x: Any) -> Any:
        return tanh(x)

    def _inverse(self, y: Any) -> Any:
        return y.atanh()

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Return log |dy/dx|."""
        return 2 * (math.log(2) - x - F.softplus(-2 * x))


class SoftplusTransform(Transform):
    """log(1 + exp(x))."""

    def _call(self, x: Any) -> Any:
        return F.softplus(x)

    def _inverse(self, y: Any) -> Any:
        return (-(-y).expm1()).log() + y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Return log |dy/dx|."""
        return -F.softplus(-x)


class PowerTransform(Transform):
    """x to a power."""

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        self.exponent = exponent

    def _call(self, x: Any) -> Any:
        return x**self.exponent

    def _inverse(self, y: Any) -> Any:
        return y ** (1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Return log |dy/dx|."""
        return (self.exponent * y / x).abs().log()


class ComposeTransform(Transform):
    """Transforms one after the other."""

    def __init__(self, parts: Sequence[Transform], cache_size: int = 0) -> None:
        self.parts = list(parts)
        self.event_dim = max((part.event_dim for part in self.parts), default=0)

    def _call(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x

    def _inverse(self, y: Any) -> Any:
        for part in reversed(self.parts):
            y = part._inverse(y)
        return y

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """Return log |dy/dx|."""
        total: Any = 0
        for part in self.parts:
            y = part(x)
            total = total + _summed(part.log_abs_det_jacobian(x, y), self.event_dim - part.event_dim)
            x = y
        return total


def _summed(x: Any, axes: int) -> Any:
    return x.sum(tuple(range(-axes, 0))) if axes else x


class TransformedDistribution(Distribution):
    """The distribution of a transformed variable."""

    def __init__(self, base_distribution: Any, transforms: Any, validate_args: Any = None) -> None:
        self.base_dist = base_distribution
        self.transforms = [transforms] if isinstance(transforms, Transform) else list(transforms)
        self.has_rsample = base_distribution.has_rsample
        shape = (*base_distribution.batch_shape, *base_distribution.event_shape)
        axes = max([len(base_distribution.event_shape), *(part.event_dim for part in self.transforms)])
        super().__init__(shape[: len(shape) - axes], shape[len(shape) - axes :], validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return ComposeTransform(self.transforms)(self.base_dist.rsample(sample_shape))

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        with no_grad():
            return ComposeTransform(self.transforms)(self.base_dist.sample(sample_shape))

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        axes, total, y = len(self.event_shape), 0.0, value
        for part in reversed(self.transforms):
            x = part._inverse(y)
            total = total - _summed(part.log_abs_det_jacobian(x, y), axes - part.event_dim)
            y = x
        return _summed(self.base_dist.log_prob(y), axes - len(self.base_dist.event_shape)) + total


class MixtureSameFamily(Distribution):
    """A mixture: the last batch axis of `component_distribution` is that of the classes of `mixture_distribution`."""

    def __init__(self, mixture_distribution: Any, component_distribution: Any, validate_args: Any = None) -> None:
        self.mixture_distribution, self.component_distribution = mixture_distribution, component_distribution
        super().__init__(component_distribution.batch_shape[:-1], component_distribution.event_shape, validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        with no_grad():
            which = self.mixture_distribution.sample(sample_shape)
            found = self.component_distribution.sample(sample_shape)
            axes = len(self.event_shape)
            which = which.reshape((*which.shape, *[1] * (axes + 1)))
            axis = found.ndim - axes - 1
            shape = tuple(1 if k == axis else n for k, n in enumerate(found.shape))
            return found.gather(axis, which.expand(shape)).squeeze(axis)

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        axis = value.ndim - len(self.event_shape)
        parts = self.component_distribution.log_prob(value.unsqueeze(axis))
        return (parts + self.mixture_distribution.logits).logsumexp(-1)

    def _weights(self) -> Any:
        probs = self.mixture_distribution.probs
        return probs.reshape((*probs.shape, *[1] * len(self.event_shape)))

    @property
    def mean(self) -> Any:
        """The mean."""
        return (self._weights() * self.component_distribution.mean).sum(-1 - len(self.event_shape))

    @property
    def variance(self) -> Any:
        """The variance: of the components, and between them."""
        axis, weights = -1 - len(self.event_shape), self._weights()
        middle = self.mean.unsqueeze(axis)
        inside = (weights * self.component_distribution.variance).sum(axis)
        return inside + (weights * (self.component_distribution.mean - middle) ** 2).sum(axis)
