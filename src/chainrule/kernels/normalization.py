r"""Layer normalisation and RMS normalisation of the rows of [R, n], and their backward passes.

$\hat x = (x - \mu) / \sigma$ and $y = \gamma \odot \hat x + \beta$, with the biased variance
$\sigma^2 = \frac{1}{n} \sum_k (x_k - \mu)^2 + \text{eps}$; RMS normalisation is without μ and β. The formulas of the
backward pass are those of `chainrule.rules.network.norm`.

What is kept for it is $\hat x$ [R, n] and σ [R], as the records do, and not x, μ and σ: of x or $\hat x$ one array has
to live until then in either case, this one lets x be freed or overwritten, and the backward pass has nothing to compute
again. The mean is subtracted before squares are formed, since the difference of two large sums would lose the variance
of rows far from 0. Every array is of one dtype, float32 or float64, in C order; nothing checks this.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .native.rows import Rows, by_rows
from .native.symbol import DOUBLE
from .native.tasks import Function, Task

Array = Any
Real = Any


@by_rows
def layer_norm(
    rows: Rows, x: Array, gamma: Array, beta: Array, eps: Real, y: Array, x_hat: Array, sigma: Array
) -> None:
    """Set y, x̂ and σ for the rows of x."""
    with rows.each() as (i, start):
        total = rows.sum()
        with rows.columns() as j:
            x_hat[start + j] = x[start + j]
            total.add(x[start + j])
        mean, square = total.get() / rows.n, rows.sum()
        with rows.columns() as j:
            centred = x_hat[start + j] - mean
            x_hat[start + j] = centred
            square.add(centred * centred)
        sigma[i] = np.sqrt(square.get() / rows.n + eps)
        inverse = 1 / sigma[i]
        with rows.columns() as j:
            h = x_hat[start + j] * inverse
            x_hat[start + j] = h
            y[start + j] = gamma[j] * h + beta[j]


def _of_row(rows: Rows, terms: Callable[[Real], Real]) -> Real:
    """Return the mean of the terms in a row, added up in float64: a row may be a channel of a whole batch of images."""
    total = rows.code.variable(DOUBLE, 0)
    with rows.columns() as j:
        total.add(terms(j))
    return (total.get() / rows.n).astype(rows.dtype)


@by_rows
def standardize(rows: Rows, x: Array, eps: Real, x_hat: Array, sigma: Array) -> None:
    """Set x̂ and σ for the rows of x."""
    with rows.each() as (i, start):
        mean = _of_row(rows, lambda j: x[start + j])
        sigma[i] = np.sqrt(_of_row(rows, lambda j: (x[start + j] - mean) * (x[start + j] - mean)) + eps)
        inverse = 1 / sigma[i]
        with rows.columns() as j:
            x_hat[start + j] = (x[start + j] - mean) * inverse


@by_rows
def standardize_twice(rows: Rows, x: Array, eps: Real, y: Array, x_hat: Array, sigma: Array) -> None:
    """Set x̂ and σ for the rows of x, and y to x̂ as well."""
    with rows.each() as (i, start):
        mean = _of_row(rows, lambda j: x[start + j])
        sigma[i] = np.sqrt(_of_row(rows, lambda j: (x[start + j] - mean) * (x[start + j] - mean)) + eps)
        inverse = 1 / sigma[i]
        with rows.columns() as j:
            h = (x[start + j] - mean) * inverse
            x_hat[start + j], y[start + j] = h, h


@by_rows
def standardize_adjoint_x(rows: Rows, y_bar: Array, x_hat: Array, sigma: Array, x_bar: Array) -> None:
    """Set `x_bar`."""
    with rows.each() as (i, start):
        mean = _of_row(rows, lambda j: y_bar[start + j])
        share = _of_row(rows, lambda j: y_bar[start + j] * x_hat[start + j])
        inverse = 1 / sigma[i]
        with rows.columns() as j:
            x_bar[start + j] = (y_bar[start + j] - mean - x_hat[start + j] * share) * inverse


@by_rows
def moments(rows: Rows, x: Array, mean: Array, variance: Array) -> None:
    """Set the mean and the biased variance of each row of x."""
    with rows.each() as (i, start):
        middle = _of_row(rows, lambda j: x[start + j])
        mean[i] = middle
        variance[i] = _of_row(rows, lambda j: (x[start + j] - middle) * (x[start + j] - middle))


def moved(rows: Array, mean: Array, variance: Array, momentum: float) -> list[Task]:
    """Return the tasks that move running moments towards those of rows, the variance with n − 1."""
    now = np.empty((2, *mean.shape), rows.dtype)
    return [*moments.tasks([rows, now[0], now[1]]), moved_to(now[0], now[1], mean, variance, momentum, rows.shape[1])]


def moved_to(mean_now: Array, variance_now: Array, mean: Array, variance: Array, momentum: float, count: int) -> Task:
    """Return the task that moves running moments towards others, those of so many values each."""
    numbers = np.array([momentum, count / (count - 1)], mean.dtype)
    return Task(_moving(mean.dtype), [mean_now, variance_now, mean, variance, numbers], [], 0, len(mean))


@functools.cache
def _moving(dtype: Any) -> str:
    function = Function([dtype] * 5, flags="")  # each operation is rounded by itself, as in NumPy
    code, (mean_now, variance_now, mean, variance, numbers) = function.code, function.places
    with code.loop(function.begin, function.end) as i:
        mean[i] = mean[i] + numbers[0] * (mean_now[i] - mean[i])
        variance[i] = variance[i] + numbers[0] * (variance_now[i] * numbers[1] - variance[i])
    return function.text()


@by_rows
def layer_norm_backward(
    rows: Rows, y_bar: Array, gamma: Array, x_hat: Array, sigma: Array, x_bar: Array, gamma_bar: Array, beta_bar: Array
) -> None:
    """Set `x_bar` [R, n], `gamma_bar` [n] and `beta_bar` [n]."""
    rows.clear(gamma_bar, beta_bar)
    with rows.each() as (i, start):
        mean, product = rows.sum(), rows.sum()
        with rows.columns() as j:
            g, h = y_bar[start + j], x_hat[start + j]
            mean.add(gamma[j] * g)
            product.add(gamma[j] * g * h)
            gamma_bar[j] = gamma_bar[j] + g * h
            beta_bar[j] = beta_bar[j] + g
        _set_x_bar(rows, i, start, mean, product, y_bar, gamma, x_hat, sigma, x_bar)


def _set_x_bar(
    rows: Rows, i: Real, start: Real, mean: Real, product: Real, y_bar: Array, gamma: Array, x_hat: Array,
    sigma: Array, x_bar: Array,
) -> None:  # fmt: skip
    """Set a row of `x_bar`, given the sums of γ ȳ (None for RMS normalisation, which has no mean) and of γ ȳ x̂."""
    share, inverse = product.get() / rows.n, 1 / sigma[i]
    less = None if mean is None else mean.get() / rows.n
    with rows.columns() as j:
        g = gamma[j] * y_bar[start + j]
        g = g if less is None else g - less
        x_bar[start + j] = (g - x_hat[start + j] * share) * inverse


@by_rows
def layer_norm_adjoint_x(rows: Rows, y_bar: Array, gamma: Array, x_hat: Array, sigma: Array, x_bar: Array) -> None:
    """Set `x_bar` alone."""
    with rows.each() as (i, start):
        mean, product = rows.sum(), rows.sum()
        with rows.columns() as j:
            g = gamma[j] * y_bar[start + j]
            mean.add(g)
            product.add(g * x_hat[start + j])
        _set_x_bar(rows, i, start, mean, product, y_bar, gamma, x_hat, sigma, x_bar)


@by_rows
def adjoint_gamma(rows: Rows, y_bar: Array, x_hat: Array, gamma_bar: Array) -> None:
    """Set `gamma_bar` alone, of either normalisation."""
    rows.clear(gamma_bar)
    with rows.each() as (_, start), rows.columns() as j:
        gamma_bar[j] = gamma_bar[j] + y_bar[start + j] * x_hat[start + j]


@by_rows
def adjoint_beta(rows: Rows, y_bar: Array, beta_bar: Array) -> None:
    """Set `beta_bar` alone."""
    rows.clear(beta_bar)
    with rows.each() as (_, start), rows.columns() as j:
        beta_bar[j] = beta_bar[j] + y_bar[start + j]


@by_rows
def rms_norm(rows: Rows, x: Array, gamma: Array, eps: Real, y: Array, x_hat: Array, sigma: Array) -> None:
    """Set y, x̂ and σ for the rows of x."""
    with rows.each() as (i, start):
        square = rows.sum()
        with rows.columns() as j:
            x_hat[start + j] = x[start + j]
            square.add(x[start + j] * x[start + j])
        sigma[i] = np.sqrt(square.get() / rows.n + eps)
        inverse = 1 / sigma[i]
        with rows.columns() as j:
            h = x_hat[start + j] * inverse
            x_hat[start + j] = h
            y[start + j] = gamma[j] * h


@by_rows
def rms_norm_adjoint_x(rows: Rows, y_bar: Array, gamma: Array, x_hat: Array, sigma: Array, x_bar: Array) -> None:
    """Set `x_bar` alone."""
    with rows.each() as (i, start):
        product = rows.sum()
        with rows.columns() as j:
            product.add(gamma[j] * y_bar[start + j] * x_hat[start + j])
        _set_x_bar(rows, i, start, None, product, y_bar, gamma, x_hat, sigma, x_bar)
