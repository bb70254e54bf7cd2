"""Naive forecasts, which a network has to surpass: the last value, and the value one period ago."""

import numpy as np
from numpy.typing import NDArray

LEAST = 0.3
"""How strongly a series must resemble itself one period ago, as an autocorrelation."""
LONGEST = 1000


def period_of(values: NDArray[np.float64]) -> int | None:
    """Return after how many steps a series [N] repeats itself, None if it does not.

    That is the lag, from 2 to a third of the series, at which the autocorrelation of its changes has its highest peak,
    if it is at least 0.3: changes have no trend.

    >>> k = np.arange(120)
    >>> period_of(np.sin(2 * np.pi * k / 12) + 0.1 * k), period_of(k**2.0)
    (12, None)
    """
    changes = np.diff(np.asarray(values, np.float64))
    most = min(len(changes) // 3, LONGEST)
    if most < 3:
        return None
    around = changes - changes.mean()
    total = float(around @ around)
    if total <= 1e-20 * max(float(changes @ changes), 1e-300) or not np.isfinite(total):
        return None
    padded = np.fft.rfft(around, 2 * len(around))
    found = np.fft.irfft(np.abs(padded) ** 2)[: most + 2] / total
    # A lag further away has fewer pairs: each sum is seen as a mean.
    found *= len(around) / (len(around) - np.arange(len(found)))
    lags = np.arange(2, most + 1)
    peaks = lags[(found[lags] >= LEAST) & (found[lags] > found[lags - 1]) & (found[lags] >= found[lags + 1])]
    if not len(peaks):
        return None
    # Multiples of the period resemble it: the first peak that comes near the highest one is the period.
    highest = found[peaks].max()
    return int(peaks[found[peaks] >= 0.9 * highest][0])


def last_value(values: NDArray[np.float64], begins: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
    """Return the forecasts [n, horizon] from the rows `begins` [n] on: the value just before, again and again.

    >>> last_value(np.array([1.0, 5.0, 2.0]), np.array([1, 2]), 2).tolist()
    [[1.0, 1.0], [5.0, 5.0]]
    """
    return np.repeat(values[begins - 1][:, None], horizon, axis=1)


def seasonal(values: NDArray[np.float64], begins: NDArray[np.int64], horizon: int, period: int) -> NDArray[np.float64]:
    """Return the forecasts [n, horizon] from the rows `begins` [n] on: each value of the last period, again.

    Rows from the first period on need no forecast from before the series; earlier ones begin with its first value.

    >>> seasonal(np.array([1.0, 5.0, 2.0, 6.0]), np.array([4]), 3, period=2).tolist()
    [[2.0, 6.0, 2.0]]
    """
    rows = begins[:, None] - period + np.arange(horizon) % period
    return np.asarray(values[np.maximum(rows, 0)])
