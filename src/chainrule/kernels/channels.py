"""Batch normalisation of large arrays [B, C, …]: a channel stays in the cache between passes.

Nothing is copied and no temporary array is made: the values of a channel are read in the order in which they lie. Sums
are formed in float64, since a channel may have a million values. Each is formed by one thread, so no result depends on
the number of threads. Every array is of one dtype, float32 or float64, in C order; nothing checks this.
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

Array = Any
Real = Any
EACH = 64
"""About how many of a product's operations an element takes as long as."""


def normalized(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    """Return y, and the mean μ and deviation σ of each channel."""
    y, mu, sigma = np.empty(x.shape, x.dtype), np.empty(x.shape[1], x.dtype), np.empty(x.shape[1], x.dtype)
    _call(_normalize, x)([x, gamma, beta, np.array([eps]), y, mu, sigma])
    return y, mu, sigma


def gradients(y_bar: Array, x: Array, gamma: Array, mu: Array, sigma: Array) -> tuple[Array, Array, Array]:
    """Return the gradients with respect to x, γ and β."""
    x_bar, gamma_bar, beta_bar = np.empty(x.shape, x.dtype), np.empty_like(gamma), np.empty_like(gamma)
    _call(_pull, x)([y_bar, x, gamma, mu, sigma, x_bar, gamma_bar, beta_bar])
    return x_bar, gamma_bar, beta_bar


def moments(x: Array) -> tuple[Array, Array]:
    """Return the mean and the biased variance of each channel."""
    mean, variance = np.empty(x.shape[1], x.dtype), np.empty(x.shape[1], x.dtype)
    _call(_moments, x)([x, mean, variance])
    return mean, variance


def moments_task(x: Array, mean: Array, variance: Array) -> Any:
    """Return the task that sets the mean and the biased variance of each channel."""
    return _task(_moments, x, [x, mean, variance])


def gradients_task(given: Mapping[str, Array], found: Mapping[str, Array]) -> Any:
    """Return the task that sets those of the gradients that are asked for, by the names of `gradients`.

    What one does not depend on need not be given: only ȳ for that of β.
    """
    y_bar = given["y_bar"]
    of_channels = np.ones((5, y_bar.shape[1]), y_bar.dtype)
    rest = dict(zip(("gamma", "mu", "sigma", "gamma_bar", "beta_bar"), of_channels, strict=True))
    arrays = {"x": y_bar, **rest, **given, **found}
    write = _pull if "x_bar" in found else _sum_up
    return _task(write, y_bar, [arrays[name] for name in _names(write)])


def _task(write: Callable[..., Any], x: Array, arrays: list[Array]) -> Any:
    from .native.tasks import Task, parts_of

    batch, count, inner = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    parts = parts_of(EACH * x.size, count)
    return Task(_text(write, x.dtype)[0], arrays, [batch, count, inner], 0, count, parts=parts)


def _call(write: Callable[..., Any], x: Array) -> Any:
    return _made(write, x.dtype, x.shape[0], x.shape[1], math.prod(x.shape[2:]))


@functools.lru_cache(1024)
def _made(write: Callable[..., Any], dtype: Any, batch: int, count: int, inner: int) -> Any:
    """Return the function as a call for arrays of this shape."""
    from .native.tasks import Call

    arrays = [np.empty(0, one) for one in _text(write, dtype)[1]]
    return Call([_task(write, np.broadcast_to(np.empty((), dtype), (batch, count, inner)), arrays)], arrays)


def _names(write: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the arrays that a function takes after the channel."""
    return write.__code__.co_varnames[1 : write.__code__.co_argcount]


@functools.cache
def _text(write: Callable[..., Any], dtype: Any) -> tuple[str, list[Any]]:
    """Return the code for a range of channels, and the dtypes of its arrays: those named `eps` are float64."""
    from .native.tasks import Function

    dtypes = [np.dtype(np.float64) if name == "eps" else dtype for name in _names(write)]
    function = Function(dtypes, 3)
    with function.code.loop(function.begin, function.end) as channel:
        write(_Channel(function, channel, dtype), *function.places)
    return function.text(), dtypes


class _Channel:
    """One channel of [batch, count, inner] values, while its code is written."""

    def __init__(self, function: Any, index: Any, dtype: Any) -> None:
        from .native.symbol import DOUBLE

        self.code, self.index, self.dtype, self.double = function.code, index, dtype, DOUBLE
        self.batch, self.count, self.inner = function.numbers

    @contextmanager
    def each(self) -> Iterator[Any]:
        """Repeat the code written inside for each value; yield its place."""
        with self.code.loop(0, self.batch) as i:
            start = (i * self.count + self.index) * self.inner
            with self.code.loop(0, self.inner) as j:
                yield start + j

    def sums(self, *terms: Callable[[Any], Real]) -> list[Real]:
        """Return the sums over the channel of functions of a place, formed in float64."""
        totals = [self.code.variable(self.double, 0) for _ in terms]
        with self.each() as at:
            for total, term in zip(totals, terms, strict=True):
                total.add(term(at).astype(self.double))
        return [total.get() for total in totals]

    @property
    def size(self) -> Real:
        """How many values it has, in float64."""
        return (self.batch * self.inner).astype(self.double)


def _spread(channel: _Channel, x: Array) -> tuple[Real, Real]:
    """Return the mean and the variance in float64; the mean is subtracted first, rounded as the values are."""
    (total,) = channel.sums(lambda at: x[at])
    mean = (total / channel.size).astype(channel.dtype)
    (square,) = channel.sums(lambda at: (x[at] - mean) * (x[at] - mean))
    return mean, square / channel.size


def _normalize(
    channel: _Channel, x: Array, gamma: Array, beta: Array, eps: Array, y: Array, mu: Array, sigma: Array
) -> None:
    k = channel.index
    mean, variance = _spread(channel, x)
    deviation = np.sqrt(variance + eps[0]).astype(channel.dtype)
    mu[k], sigma[k] = mean, deviation
    scale, shift = gamma[k] / deviation, beta[k]
    with channel.each() as at:
        y[at] = (x[at] - mean) * scale + shift


def _moments(channel: _Channel, x: Array, mean: Array, variance: Array) -> None:
    found = _spread(channel, x)
    mean[channel.index], variance[channel.index] = found[0], found[1].astype(channel.dtype)


def _sum_up(
    channel: _Channel, y_bar: Array, x: Array, mu: Array, sigma: Array, gamma_bar: Array, beta_bar: Array
) -> tuple[Real, Real]:
    """Set the gradients of γ and β; return what is subtracted from ȳ, and the share of x − μ, on the way to x̄."""
    k, dtype = channel.index, channel.dtype
    mean, wide = mu[k], sigma[k].astype(channel.double)
    total, product = channel.sums(lambda at: y_bar[at], lambda at: y_bar[at] * (x[at] - mean))
    gamma_bar[k], beta_bar[k] = (product / wide).astype(dtype), total.astype(dtype)
    return (total / channel.size).astype(dtype), (product / (channel.size * wide * wide)).astype(dtype)


def _pull(
    channel: _Channel, y_bar: Array, x: Array, gamma: Array, mu: Array, sigma: Array, x_bar: Array,
    gamma_bar: Array, beta_bar: Array,
) -> None:  # fmt: skip
    k = channel.index
    less, share = _sum_up(channel, y_bar, x, mu, sigma, gamma_bar, beta_bar)
    mean, scale = mu[k], gamma[k] / sigma[k]
    with channel.each() as at:
        x_bar[at] = (y_bar[at] - less - (x[at] - mean) * share) * scale
