"""Numbers as text: short for a reader, exact for a program."""

import json
import math
from typing import Any

import numpy as np

FITS = 11
"""The most characters of a list in a box."""
MOST_EXACT = 20_000
"""The most numbers of an array that are written out."""


def short(x: float) -> str:
    """Return a number to four significant digits.

    >>> short(0.5), short(-1.23456e-7), short(12345.678), short(float("nan"))
    ('0.5', '−1.235e-7', '12350', 'nan')
    """
    if not math.isfinite(x):
        return str(x).replace("-", "−")
    if x == int(x) and abs(x) < 1e6:
        return str(int(x)).replace("-", "−")
    text = f"{x:.4g}"
    if "e" in text and 1e-4 <= abs(x) < 1e6:
        text = f"{float(text):.0f}"
    return text.replace("-", "−").replace("e−0", "e-").replace("e−", "e-").replace("e+0", "e").replace("e+", "e")


def summary(x: Any) -> str:
    """Return a value as it fits into a box: a number, two or three short ones, or the norm.

    >>> summary(np.float64(0.25)), summary(np.array([1.0, 2.5])), summary(np.array([3.0, 4.0, 0.0, 0.0]))
    ('0.25', '[1, 2.5]', '‖5‖')
    """
    if x is None or isinstance(x, tuple):
        return ""
    array = np.asarray(x)
    if array.ndim == 0:
        return short(float(array))
    if array.ndim == 1 and 0 < array.size <= 3:
        text = f"[{', '.join(short(float(v)) for v in array)}]"
        if len(text) <= FITS:
            return text
    return f"‖{short(float(np.linalg.norm(array.astype(np.float64).ravel())))}‖"


def plain(x: Any) -> Any:
    """Return a value as JSON has it: numbers, nested lists; what JSON has no number for as a string; None if too large.

    >>> plain(np.array([1.0, np.inf])), plain(np.int64(3)), plain(None)
    ([1.0, 'Infinity'], 3, None)
    """
    if x is None or isinstance(x, tuple) or np.size(x) > MOST_EXACT:
        return None
    return _replaced(np.asarray(x).tolist())


def _replaced(x: Any) -> Any:
    if isinstance(x, list):
        return [_replaced(v) for v in x]
    if isinstance(x, float) and not math.isfinite(x):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    return x


def exact(x: Any) -> str | None:
    """Return a value so that nothing is lost: `repr` of a number, JSON of an array; None if it is too large.

    >>> exact(np.float64(0.1)), exact(np.array([[1.0, 0.1]])), exact(None)
    ('0.1', '[[1.0, 0.1]]', None)
    """
    found = plain(x)
    if found is None:
        return None
    return json.dumps(found) if isinstance(found, list) else str(found)
