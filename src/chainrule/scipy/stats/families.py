"""What the distributions have in common: `loc`, `scale`, the logarithms, and the methods that follow from a density."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.elementary.exponential import exp, log
from chainrule.rules.elementary.normal_family import log_ndtr
from chainrule.rules.elementary.selection import where

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
Density = Callable[..., Array]


def within(inside: Array, value: Callable[[Array], Array], x: Array, safe: Any, outside: float) -> Array:
    """Return `value(x)` inside, and a constant outside, where `safe` stands for x so that no derivative is NaN."""
    return where(inside, value(where(inside, x, safe)), outside)


class Continuous:
    """A continuous distribution with shapes, `loc` and `scale`."""

    def __init__(self, name: str, log_density: Density, cdf: Density, sf: Density | None = None) -> None:
        self.name = name
        self._log_density, self._cdf = log_density, cdf
        self._sf = sf or (lambda x, *shapes: 1 - cdf(x, *shapes))

    def __repr__(self) -> str:
        return f"<distribution {self.name}>"

    def logpdf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the logarithm of the density at `x`."""
        z, shapes, scale = self._standard(x, shapes, loc, scale)
        return self._log_density(z, *shapes) - log(scale)

    def pdf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the density at `x`."""
        return exp(self.logpdf(x, *shapes, loc=loc, scale=scale))

    def cdf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the probability of a value of at most `x`."""
        z, shapes, _ = self._standard(x, shapes, loc, scale)
        return self._cdf(z, *shapes)

    def sf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the probability of a value greater than `x`."""
        z, shapes, _ = self._standard(x, shapes, loc, scale)
        return self._sf(z, *shapes)

    def logcdf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the logarithm of `cdf`."""
        return log(self.cdf(x, *shapes, loc=loc, scale=scale))

    def logsf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the logarithm of `sf`."""
        return log(self.sf(x, *shapes, loc=loc, scale=scale))

    def _standard(self, x: Array, shapes: tuple[Array, ...], loc: Array, scale: Array) -> Any:
        """Return the standardised value, the shapes, and the scale; as in SciPy, both may follow the shapes."""
        count = self._log_density.__code__.co_argcount - 1
        if len(shapes) > count:
            more = shapes[count:]
            if len(more) > 2:
                raise TypeError(f"{self.name}: got {len(shapes)} arguments after x, expected at most {count + 2}")
            shapes, loc = shapes[:count], more[0]
            scale = more[1] if len(more) == 2 else scale
        if len(shapes) < count:
            names = ", ".join(self._log_density.__code__.co_varnames[1 : count + 1])
            raise TypeError(f"{self.name}: got {len(shapes)} shapes, expected {count}: {names}")
        x, scale = floating(x), floating(scale)
        return (x - loc) / scale, tuple(map(floating, shapes)), scale


class Normal(Continuous):
    """The normal distribution, with accurate tails."""

    def logcdf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the logarithm of `cdf`."""
        return log_ndtr(self._standard(x, shapes, loc, scale)[0])

    def logsf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the logarithm of `sf`."""
        return log_ndtr(-self._standard(x, shapes, loc, scale)[0])


class Discrete:
    """A distribution over whole numbers; the logarithm of a mass is −inf for anything else."""

    def __init__(self, name: str, log_mass: Density, cdf: Density | None = None) -> None:
        self.name, self._log_mass, self._cdf = name, log_mass, cdf

    def __repr__(self) -> str:
        return f"<distribution {self.name}>"

    def logpmf(self, k: Array, *shapes: Array, loc: Array = 0.0) -> Array:
        """Return the logarithm of the probability of `k`."""
        k = floating(k) - loc
        return where(np.floor(k) == k, self._log_mass(k, *map(floating, shapes)), -np.inf)

    def pmf(self, k: Array, *shapes: Array, loc: Array = 0.0) -> Array:
        """Return the probability of `k`."""
        return exp(self.logpmf(k, *shapes, loc=loc))

    def cdf(self, k: Array, *shapes: Array, loc: Array = 0.0) -> Array:
        """Return the probability of at most `k`."""
        if self._cdf is None:
            raise AttributeError(f"{self.name}: chainrule has no differentiable cdf; sum pmf over the support")
        return self._cdf(np.floor(floating(k) - loc), *map(floating, shapes))


def floating(x: Array) -> Array:
    """Return an argument as an array of floating-point numbers."""
    x = arrayed(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)
