"""Random numbers that can be differentiated with respect to the parameters of their distribution.

A number is drawn from a fixed distribution, and shifted and scaled by the parameters, so the derivative goes through
them: the reparameterisation of D. P. Kingma and M. Welling, "Auto-encoding variational Bayes" (2014), section 2.4.
What is drawn is a constant. `generator` is a NumPy Generator; without one it is the default that `chainrule.seed`
fixes. `size` is the shape, by default that of the parameters broadcast together.

>>> import chainrule as cr
>>> from chainrule import random
>>> cr.grad(lambda mean: random.normal(mean, 2.0).sum())(np.zeros(3))
array([1., 1., 1.])
"""

from typing import Any

import numpy as np

from chainrule.core.errors import GradientError
from chainrule.core.kinds import Constant
from chainrule.core.operation import Array
from chainrule.core.random import source
from chainrule.core.traces.capturing import every_value
from chainrule.core.transforms.mapped import is_mapped

__all__ = ["bernoulli_mask", "gumbel", "normal", "uniform"]

Generator = Any
Size = int | tuple[int, ...] | None


class Draw(Constant, register=False):
    r"""y = \operatorname{draw}(x)

    Numbers of a standard distribution, in the dtype of x and, without a size, in its shape. An operation, not merely
    an array, so that a program captured from a trace draws again when it is run again.
    """

    @staticmethod
    def primal(x: Array, *, method: str = "random", size: Size = None, generator: Generator = None) -> Array:
        """Draw by the generator's method of that name."""
        drawn = getattr(source(generator), method)(size=np.shape(x) if size is None else size)
        return np.asarray(drawn, x.dtype)


def _drawn(method: str, like: Array, size: Size, generator: Generator) -> Array:
    floating = like.dtype.kind == "f"
    return Draw.apply(like if floating else np.asarray(like, np.float64), method=method, size=size, generator=generator)


def _parameters(*parameters: Array) -> Array:
    """Return a sum of the parameters: it has the shape and dtype that they have together."""
    total = parameters[0]
    for parameter in parameters[1:]:
        total = total + parameter
    return total if hasattr(total, "dtype") else np.asarray(total, np.float64)


def normal(loc: Array = 0.0, scale: Array = 1.0, size: Size = None, generator: Generator = None) -> Array:
    r"""Return numbers with mean `loc` and standard deviation `scale`: $y = \mathrm{loc} + \mathrm{scale}\,\epsilon$.

    `loc` and `scale` are differentiable. Raises ValueError for a negative `scale`.

    >>> y = normal(np.zeros(3), 2.0, generator=np.random.default_rng(0))
    >>> y.round(3)
    array([ 0.251, -0.264,  1.281])
    """
    _check_scale("normal", scale)
    return loc + scale * _drawn("standard_normal", _parameters(loc, scale), size, generator)


def uniform(low: Array = 0.0, high: Array = 1.0, size: Size = None, generator: Generator = None) -> Array:
    r"""Return numbers uniform in [low, high): $y = \mathrm{low} + (\mathrm{high} - \mathrm{low})\,u$.

    `low` and `high` are differentiable. Raises ValueError where `high` is less than `low`.

    >>> uniform(2.0, 4.0, 3, np.random.default_rng(0)).round(3)
    array([3.274, 2.54 , 2.082])
    """
    low_values, high_values = every_value(low), every_value(high)
    if np.any(np.asarray(high_values) < np.asarray(low_values)):
        raise ValueError(f"uniform: got low={low_values} and high={high_values}, expected low <= high")
    return low + (high - low) * _drawn("random", _parameters(low, high), size, generator)


def gumbel(loc: Array = 0.0, scale: Array = 1.0, size: Size = None, generator: Generator = None) -> Array:
    r"""Return numbers of the Gumbel distribution: $y = \mathrm{loc} - \mathrm{scale} \log(-\log u)$.

    `loc` and `scale` are differentiable. The largest of logits with such numbers added is a draw from their softmax;
    the softmax of them is a draw that can be differentiated. (C. J. Maddison, A. Mnih and Y. W. Teh, "The concrete
    distribution", 2017; E. Jang, S. Gu and B. Poole, "Categorical reparameterization with Gumbel-softmax", 2017.)
    Raises ValueError for a negative `scale`.
    """
    _check_scale("gumbel", scale)
    # -log(-log u) of a uniform u is minus the logarithm of a standard exponential number, which is never 0 in practice;
    # where a float32 rounds one to 0, the smallest positive number stands for it.
    exponential = _drawn("standard_exponential", _parameters(loc, scale), size, generator)
    tiny = np.finfo(exponential.dtype).tiny
    return loc - scale * np.log(np.maximum(exponential, tiny))


def bernoulli_mask(p: Array, shape: Size = None, generator: Generator = None, dtype: Any = None) -> Array:
    """Return an array that is 1 with probability `p` and 0 otherwise, in the shape and dtype of `p` or as asked for.

    A jump has no derivative: a `p` that requires a gradient raises GradientError. Raises ValueError where `p` is no
    probability.

    >>> bernoulli_mask(0.5, 6, np.random.default_rng(0))
    array([0., 1., 1., 1., 0., 0.])
    """
    if getattr(p, "requires_grad", False):
        raise GradientError(
            "bernoulli_mask: a 0 or 1 has no derivative with respect to its probability; pass p.detach(), or draw a "
            "relaxed one, such as sigmoid((logit(p) + gumbel() - gumbel()) / temperature)"
        )
    values = np.asarray(every_value(p))
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"bernoulli_mask: got p={values}, expected probabilities from 0 to 1")
    p = p if is_mapped(p) else values
    wanted = np.dtype(dtype or (p.dtype if p.dtype.kind == "f" else np.float64))
    u = _drawn("random", p.astype(np.float64), shape, generator)
    return (u < p).astype(wanted)


def _check_scale(name: str, scale: Array) -> None:
    values = every_value(scale)
    if np.any(np.asarray(values) < 0):
        raise ValueError(f"{name}: got scale={values}, expected 0 or more")
