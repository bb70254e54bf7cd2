"""What the distributions have in common: `loc`, `scale`, the logarithms, and the methods that follow from a density."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import plain
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

    def ppf(self, q: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the quantile of `q`: the value that `cdf` takes there; NaN unless 0 ≤ q ≤ 1."""
        return self._quantile(q, shapes, loc, scale, "ppf")

    def isf(self, q: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the value whose `sf` is `q`; NaN unless 0 ≤ q ≤ 1."""
        return self._quantile(q, shapes, loc, scale, "isf")

    def _quantile(self, q: Array, shapes: tuple[Array, ...], loc: Array, scale: Array, name: str) -> Array:
        """Return `loc + scale z` for SciPy's quantile z, differentiated as the root that it is (to the third order)."""
        shapes, (loc, scale) = divided(self.name, self._log_density, shapes, (loc, scale))
        q = floating(q)
        z = plain(lambda q, *shapes: _of_scipy(self.name, name)(q, *shapes), q, *shapes)
        if any(isinstance(x, Tensor) for x in (q, *shapes)):
            z = self._root(z, q, shapes, name)
        return loc + scale * z

    def _root(self, z: Array, q: Array, shapes: tuple[Array, ...], name: str) -> Array:
        """Return `z` with its dependence on `q` and the shapes: two steps of Newton's method, less their values."""
        inside = plain(lambda q, z: (q > 0) & (q < 1) & np.isfinite(z), q, z)
        middle = plain(lambda z, *shapes: _of_scipy(self.name, name)(0.5, *shapes) + np.zeros_like(z), z, *shapes)
        at, q = where(inside, z, middle), where(inside, q, 0.5)
        for _ in range(2):
            density = exp(self._log_density(at, *shapes))
            step = (q - self._cdf(at, *shapes)) if name == "ppf" else (self._sf(at, *shapes) - q)
            step = step / density
            at = at + (step - plain(lambda step: step, step))
        return where(inside, at, z)

    def _standard(self, x: Array, shapes: tuple[Array, ...], loc: Array, scale: Array) -> Any:
        """Return the standardised value, the shapes, and the scale."""
        shapes, (loc, scale) = divided(self.name, self._log_density, shapes, (loc, scale))
        x, scale = floating(x), floating(scale)
        return (x - loc) / scale, shapes, scale


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
        k, shapes = self._standard(k, shapes, loc)
        return where(np.floor(k) == k, self._log_mass(k, *shapes), -np.inf)

    def pmf(self, k: Array, *shapes: Array, loc: Array = 0.0) -> Array:
        """Return the probability of `k`."""
        return exp(self.logpmf(k, *shapes, loc=loc))

    def cdf(self, k: Array, *shapes: Array, loc: Array = 0.0) -> Array:
        """Return the probability of at most `k`."""
        if self._cdf is None:
            raise AttributeError(f"{self.name}: chainrule has no differentiable cdf; sum pmf over the support")
        k, shapes = self._standard(k, shapes, loc)
        return self._cdf(np.floor(k), *shapes)

    def ppf(self, q: Array, *shapes: Array, loc: Array = 0.0) -> Array:
        """Return the least whole number whose `cdf` is at least `q`; its derivatives are zero, except that of `loc`."""
        shapes, (loc,) = divided(self.name, self._log_mass, shapes, (loc,))
        return loc + plain(lambda q, *shapes: _of_scipy(self.name, "ppf")(q, *shapes), floating(q), *shapes)

    def _standard(self, k: Array, shapes: tuple[Array, ...], loc: Array) -> Any:
        shapes, (loc,) = divided(self.name, self._log_mass, shapes, (loc,))
        return floating(k) - loc, shapes


def _of_scipy(distribution: str, method: str) -> Callable[..., Any]:
    """Return a method of SciPy's distribution; an ImportError says how to install it."""
    try:
        import scipy.stats
    except ModuleNotFoundError as error:
        raise ImportError(
            f"stats.{distribution}.{method}: needs SciPy; run: python -m pip install 'chainrule[scipy]'"
        ) from error
    found: Callable[..., Any] = getattr(getattr(scipy.stats, distribution), method)
    return found


def divided(name: str, density: Density, given: tuple[Array, ...], more: tuple[Array, ...]) -> Any:
    """Return the shapes that a density takes, and `more` (loc, scale), which as in SciPy may follow the shapes."""
    names = density.__code__.co_varnames[1 : density.__code__.co_argcount]
    count = len(names)
    if len(given) > count + len(more):
        raise TypeError(f"{name}: got {len(given)} arguments after x, expected at most {count + len(more)}")
    if len(given) < count:
        raise TypeError(f"{name}: got {len(given)} shapes, expected {count}: {', '.join(names)}")
    behind = given[count:]
    return tuple(map(floating, given[:count])), (*behind, *more[len(behind) :])


def floating(x: Array) -> Array:
    """Return an argument as an array of floating-point numbers."""
    x = arrayed(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)
