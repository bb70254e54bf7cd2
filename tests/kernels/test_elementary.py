"""Each function of `chainrule.kernels.elementary` within its bound, and NumPy's values at the ends of its domain."""

import re
from typing import Any

import numpy as np
import pytest
from tests.named import walked

from chainrule.kernels import elementary

WIDER = np.finfo(np.longdouble).nmant > 60
NO_REFERENCE = pytest.mark.skipif(not WIDER, reason="this machine's longdouble is a double: no reference for float64")
DTYPES = [np.float32, pytest.param(np.float64, marks=NO_REFERENCE)]
LARGE = {np.float32: 38, np.float64: 300}
OF_ONE: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("log", "log2", "log10"), (0.0, np.inf)),
    **{"log1p": (-1.0, np.inf), "exp2": (-1074.0, 1023.9), "sinh": (-710.0, 710.0), "cosh": (-710.0, 710.0)},
    **{"arcsinh": (-np.inf, np.inf), "arccosh": (1.0, np.inf), "arctanh": (-1.0, 1.0), "arctan": (-np.inf, np.inf)},
    **{"arcsin": (-1.0, 1.0), "arccos": (-1.0, 1.0), "cbrt": (-np.inf, np.inf)},
}
OF_TWO = ("arctan2", "hypot", "logaddexp", "logaddexp2")
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan, 5e-324, 1e-310, 1e-40, 1.7e308, 3e38, -3e38]


def _samples(dtype: Any, low: float, high: float) -> Any:
    rng = np.random.default_rng(0)
    size, most = 4000, LARGE[dtype]
    near = rng.uniform(-3, 3, size), rng.uniform(-100, 100, size), rng.uniform(-1, 1, size)
    far = rng.choice([-1.0, 1.0], size) * 10.0 ** rng.uniform(-most, most, size)
    x = np.concatenate([*near, far, rng.uniform(max(low, -800.0), min(high, 800.0), size)])
    return np.unique(x[(x > low) & (x < high)].astype(dtype))


def _bound(name: str) -> int:
    found = re.search(r"within (\d) ulp", getattr(elementary, name).__doc__)
    assert found is not None
    return int(found[1])


def _errors(y: Any, exact: Any, least: Any = 0.0) -> Any:
    """Errors in ulp, of numbers that are in range."""
    rounded = exact.astype(y.dtype)
    in_range = np.isfinite(rounded) & np.isfinite(y)
    assert np.array_equal(y[~in_range], rounded[~in_range], equal_nan=True)
    ulp = np.spacing(np.maximum(np.abs(rounded), least)).astype(np.longdouble)
    return (np.abs(y.astype(np.longdouble) - exact) / ulp)[in_range]


@pytest.mark.parametrize("dtype", DTYPES)
@walked("name", OF_ONE)
def test_functions_of_one_number(name: str, dtype: Any) -> None:
    x = _samples(dtype, *OF_ONE[name])
    with np.errstate(all="ignore"):
        y, exact = getattr(elementary, name)(x), getattr(np, name)(x.astype(np.longdouble))
        assert y.dtype == dtype
        assert _errors(y, exact).max() <= _bound(name)


@pytest.mark.parametrize("dtype", DTYPES)
@walked("name", OF_TWO)
def test_functions_of_two_numbers(name: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    far = 0.0 if name.startswith("log") else 0.4 * LARGE[dtype]
    a, b = ((rng.normal(size=9000) * 20 * 10.0 ** rng.uniform(-far, far, 9000)).astype(dtype) for _ in range(2))
    with np.errstate(all="ignore"):
        y, exact = getattr(elementary, name)(a, b), getattr(np, name)(a.astype(np.longdouble), b.astype(np.longdouble))
        # A logarithm of a sum that is near zero is a difference of larger numbers.
        least = np.maximum(np.abs(a), np.abs(b)) if name.startswith("log") else 0.0
        assert _errors(y, exact, least).max() <= _bound(name)


@walked("dtype", [np.float32, np.float64])
@walked("name", [*OF_ONE, *OF_TWO])
def test_the_ends_of_the_domain(name: str, dtype: Any) -> None:
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL, dtype)
        args = (x,) if name in OF_ONE else tuple(np.array(np.meshgrid(x[:10], x[:10])).reshape(2, -1))
        y, expected = getattr(elementary, name)(*args), getattr(np, name)(*args)
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps)
    signed = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y)[signed], np.signbit(expected)[signed])
