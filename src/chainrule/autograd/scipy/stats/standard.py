"""From a standard distribution to one with `loc` and `scale`, as SciPy's are called."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..special import _found

Density = Callable[..., Any]


def special(name: str) -> Any:
    """Return a special function by its name."""
    return _found(name)


def scaled(logpdf: Density, shapes: int, support: Callable[[Any], Any] | None = None) -> Density:
    """Return `logpdf(x, *shapes, loc=0, scale=1)` from that of the standard distribution, -inf outside its support."""

    def log_density(x: Any, *args: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """Return the logarithm of the density."""
        given = [*args[shapes:], *((loc, scale)[len(args) - shapes :])]
        z = (np.asarray(x) if isinstance(x, list) else x) - given[0]
        z = z / given[1]
        if support is None:
            return logpdf(z, *args[:shapes]) - np.log(given[1])
        inside = support(getattr(z, "detach", lambda: z)())
        y = logpdf(np.where(inside, z, 0.5), *args[:shapes]) - np.log(given[1])
        return np.where(inside, y, -np.inf)

    return log_density


def moved(cdf: Density, shapes: int) -> Density:
    """Return `cdf(x, *shapes, loc=0, scale=1)` from that of the standard distribution."""

    def distribution(x: Any, *args: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
        """Return the probability of a value up to x."""
        given = [*args[shapes:], *((loc, scale)[len(args) - shapes :])]
        return cdf((x - given[0]) / given[1], *args[:shapes])

    return distribution


def exponential(logpdf: Density) -> Density:
    """Return the density from its logarithm."""

    def density(*args: Any, **settings: Any) -> Any:
        """Return the density."""
        return np.exp(logpdf(*args, **settings))

    return density
