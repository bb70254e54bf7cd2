"""`Distribution`: what all of them share."""

from typing import Any

import numpy as np

from .. import shapes
from ..autograd.modes import no_grad
from ..creation import as_tensor
from ..dtypes import Size, default
from ..face import Tensor, wrapped


def parameters(*given: Any) -> list[Any]:
    """Return parameters as tensors of one shape."""
    like = next((x for x in given if isinstance(x, Tensor)), None)
    kind = default.floating if like is None else like.dtype
    made = [x if isinstance(x, Tensor) else as_tensor(x, dtype=kind) for x in given]
    return list(shapes.broadcast_tensors(*made)) if len(made) > 1 else made


class Distribution:
    """A distribution of `batch_shape` independent variables, each of `event_shape`."""

    has_rsample = False

    def __init__(self, batch_shape: Any = (), event_shape: Any = (), validate_args: Any = None) -> None:
        self.batch_shape, self.event_shape = Size(batch_shape), Size(event_shape)

    def _shape(self, sample_shape: Any) -> tuple[int, ...]:
        return (*sample_shape, *self.batch_shape, *self.event_shape)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples through which gradients reach the parameters."""
        raise TypeError(f"{type(self).__name__}: has no differentiable samples; use sample() and log_prob()")

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        with no_grad():
            return self.rsample(sample_shape)

    def sample_n(self, n: int) -> Any:
        """Return n samples."""
        return self.sample((n,))

    def log_prob(self, value: Any) -> Any:
        """Return the logarithm of density or probability."""
        raise TypeError(f"{type(self).__name__}: has no log_prob")

    def entropy(self) -> Any:
        """Return the entropy."""
        raise TypeError(f"{type(self).__name__}: has no entropy")

    @property
    def mean(self) -> Any:
        """The mean."""
        raise TypeError(f"{type(self).__name__}: has no mean")

    @property
    def variance(self) -> Any:
        """The variance."""
        raise TypeError(f"{type(self).__name__}: has no variance")

    @property
    def stddev(self) -> Any:
        """The standard deviation."""
        return self.variance.sqrt()

    def perplexity(self) -> Any:
        """Return the exponential of the entropy."""
        return self.entropy().exp()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(batch_shape: {self.batch_shape}, event_shape: {self.event_shape})"


class Independent(Distribution):
    """A distribution whose last batch axes count as axes of one event."""

    def __init__(self, base_distribution: Any, reinterpreted_batch_ndims: int, validate_args: Any = None) -> None:
        shape, n = base_distribution.batch_shape, reinterpreted_batch_ndims
        cut = len(shape) - n
        super().__init__(shape[:cut], shape[cut:] + base_distribution.event_shape)
        self.base_dist, self._n = base_distribution, n

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.base_dist.rsample(sample_shape)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.base_dist.sample(sample_shape)

    def _summed(self, x: Any) -> Any:
        return x.sum(tuple(range(-self._n, 0))) if self._n else x

    def log_prob(self, value: Any) -> Any:
        """Return the sum of the log-densities."""
        return self._summed(self.base_dist.log_prob(value))

    def entropy(self) -> Any:
        """Return the sum of the entropies."""
        return self._summed(self.base_dist.entropy())

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.base_dist.mean

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.base_dist.variance


def drawn(array: Any, like: Any) -> Any:
    """Return an array as a tensor in the dtype of another."""
    return wrapped(np.asarray(array).astype(like._x.dtype))
