"""autograd.scipy.stats.multivariate_normal: `logpdf(x, mean=None, cov=1, allow_singular=False)`, `pdf`, `entropy`."""

from typing import Any

import numpy as np
import scipy.stats as _stats

from chainrule.rules.arrays.shape import Reshape
from chainrule.rules.linalg.gaussian import multivariate_normal

from .standard import exponential

__all__ = ["entropy", "logpdf", "pdf", "rvs"]

rvs = _stats.multivariate_normal.rvs
_LOG_2PI = float(np.log(2 * np.pi))
_SMALL = 1e6 * float(np.finfo(float).eps)
"""SciPy's bound for the eigenvalues that count as zero, relative to the largest."""


def _shape(x: Any) -> tuple[int, ...]:
    """Return a shape; an array or a tensor is asked itself, since NumPy's function for it takes as long as a sum."""
    found: tuple[int, ...] = x.shape if hasattr(x, "shape") else np.shape(x)
    return found


def _parameters(x: Any, mean: Any, cov: Any) -> tuple[Any, Any]:
    """Return a mean [d] and a covariance [d, d]."""
    if mean is not None and len(_shape(cov)) == 2:
        return mean, cov
    shapes = [_shape(v)[-1] for v in (mean, cov) if v is not None and _shape(v)]
    d = max(shapes) if shapes else (_shape(x) or (1,))[-1]
    mean = np.zeros(d) if mean is None else mean
    if not _shape(cov):
        cov = cov * np.eye(d)
    elif len(_shape(cov)) == 1:
        cov = np.diag(cov)
    return mean, cov


def logpdf(x: Any, mean: Any = None, cov: Any = 1.0, allow_singular: bool = False) -> Any:
    """Return the logarithm of the density at `x` [..., d].

    With `allow_singular` directions without variance do not count; otherwise a `cov` that is not positive definite
    raises LinAlgError.
    """
    mean, cov = _parameters(x, mean, cov)
    deviation = x - mean
    shape = _shape(deviation)
    if shape and cov.shape == (1, 1) and shape[-1] != 1:
        deviation, shape = deviation[..., None], (*shape, 1)
    if allow_singular:
        return _singular(deviation, cov)
    if len(shape) == 1:
        # Nobody else sees the row, so it is no view that a write would have to reach.
        return multivariate_normal(Reshape.apply(deviation, shape=(1, *shape)), cov)[0]
    if len(shape) == 2:
        return multivariate_normal(deviation, cov)
    rows = np.reshape(deviation, (-1, cov.shape[0]))
    return np.reshape(multivariate_normal(rows, cov), shape[:-1])


def _singular(deviation: Any, cov: Any) -> Any:
    """Return the logarithm of the density within the directions that have a variance."""
    values, vectors = np.linalg.eigh(cov)
    plain = getattr(values, "detach", lambda: values)()
    kept = np.flatnonzero(np.asarray(plain) > _SMALL * np.max(np.abs(np.asarray(plain))))
    values, vectors = values[kept], vectors[:, kept]
    distances = np.sum((deviation @ vectors) ** 2 / values, axis=-1)
    return -(distances + len(kept) * _LOG_2PI + np.sum(np.log(values))) / 2


pdf = exponential(logpdf)


def entropy(mean: Any = None, cov: Any = 1.0) -> Any:
    """Return the differential entropy, in nats."""
    mean, cov = _parameters(mean, mean, cov)
    return (cov.shape[0] * (1 + _LOG_2PI) + np.linalg.slogdet(cov)[1]) / 2 + 0.0 * np.sum(mean)
