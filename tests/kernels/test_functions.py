"""The scalar functions against their bounds: densely sampled, at special values, and in both precisions."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.kernels import functions
from chainrule.kernels.native.tasks import Function, Task, run_once

WIDER = np.finfo(np.longdouble).nmant > 60
DTYPES = [
    np.float32,
    pytest.param(
        np.float64,
        marks=pytest.mark.skipif(not WIDER, reason="this machine's longdouble is a double: no reference for float64"),
    ),
]
NAMES = ("exp", "expm1", "log1p_exp", "tanh", "sigmoid", "erf", "normal_cdf", "gelu", "gelu_tanh", "silu", "gelu_slope")


def each(function, x, y):
    """Set y to a function of x, as machine code."""
    written = Function([x.dtype, y.dtype])
    source, target = written.places
    with written.code.loop(written.begin, written.end) as i:
        target[i] = function(source[i])
    assert run_once(Task(written.text(), [x, y], end=x.size)) == -1


def results(x):
    x, y = np.ascontiguousarray(x), np.full((len(NAMES), x.size), np.nan, x.dtype)
    for name, row in zip(NAMES, y, strict=True):
        each(getattr(functions, name), x, row)
    return dict(zip(NAMES, y, strict=True))


# The references, in extended precision: 64 bits of mantissa, 11 more than a double has.

PI = 4 * np.arctan(np.longdouble(1))


def exp_minus_square(x, factor):
    """exp(−factor x²) for an x of at most 53 bits, with the square as a sum of two exact products."""
    high = x.astype(np.float64).view(np.int64) & -(1 << 27)
    high = high.view(np.float64).astype(np.longdouble)
    return np.exp(-factor * high * high) * np.exp(-factor * ((x - high) * (x + high)))


def normal_tail(z):
    """Φ(−z) for z ≥ 0: a series of positive terms below 3, Laplace's continued fraction above (Abramowitz & Stegun,
    "Handbook of Mathematical Functions" (1964), 26.2.11 and 26.2.14).
    """
    density = exp_minus_square(z, np.longdouble(0.5)) / np.sqrt(2 * PI)
    low = np.minimum(z, 3)
    term = total = low
    for k in range(1, 60):
        term = term * low * low / (2 * k + 1)
        total = total + term
    high = fraction = np.maximum(z, 3)
    for k in range(300, 0, -1):
        fraction = high + k / fraction
    return np.where(z < 3, 0.5 - density * total, density / fraction)


def normal_cdf(x):
    tail = normal_tail(np.abs(x))
    return np.where(x < 0, tail, 1 - tail)


def erf(x):
    z = np.minimum(np.abs(x), 10)
    term = total = z
    for k in range(1, 400):
        term = term * 2 * z * z / (2 * k + 1)
        total = total + term
    return np.sign(x) * 2 / np.sqrt(PI) * exp_minus_square(z, np.longdouble(1)) * total


def sigmoid(x):
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def inner(x):
    return 2 * np.sqrt(2 / PI) * (x + np.longdouble(44715) / 1000000 * x**3)


def density(x):
    return exp_minus_square(x, np.longdouble(0.5)) / np.sqrt(2 * PI)


REFERENCES = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log1p_exp": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "erf": erf,
    "normal_cdf": normal_cdf,
    "gelu": lambda x: x * normal_cdf(x),
    "gelu_tanh": lambda x: x * sigmoid(inner(x)),
    "silu": lambda x: x * sigmoid(x),
    "gelu_slope": lambda x: normal_cdf(x) + x * density(x),
}


def samples(dtype, count=4000):
    """All signs and sizes: where the functions bend, where they are 0 or 1, near 0, and over the range of exp."""
    rng = np.random.default_rng(0)
    reach = -math.log(float(np.finfo(dtype).smallest_subnormal))
    spans = [rng.uniform(-span, span, count) for span in (0.6, 3, 12, 40, reach)]
    small = 10 ** rng.uniform(-12, 0, count) * rng.choice([-1, 1], count)
    return np.concatenate([*spans, small]).astype(dtype)


def errors(name, x, y):
    """The errors of results in the unit of the bound that the docstring states."""
    with np.errstate(all="ignore"):
        # float32 is held to doubles where they are all there is.
        exact = REFERENCES[name](x.astype(np.longdouble))
        rounded = exact.astype(x.dtype)
        unit = np.spacing(np.abs(rounded)).astype(np.longdouble)
        if name == "gelu_tanh":
            unit *= np.where(x < -1, 1 + np.abs(x.astype(np.longdouble)) ** 3, 1)
        if name == "gelu_slope":
            terms = np.maximum(normal_cdf(x.astype(np.longdouble)), np.abs(x * density(x.astype(np.longdouble))))
            unit = np.maximum(unit, np.spacing(terms.astype(x.dtype)))
        return np.where(np.isinf(rounded), np.where(y == rounded, 0, np.inf), np.abs(y - exact) / unit)


def docstring(name):
    return getattr(functions, name).__doc__


def bound(name):
    return int(re.search(r"within (\d) ulp", docstring(name)).group(1))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_each_function_keeps_its_bound(dtype):
    x = samples(dtype)
    found = {name: errors(name, x, y) for name, y in results(x).items()}
    assert {n: (np.max(e), x[np.argmax(e)]) for n, e in found.items() if not np.max(e) <= bound(n)} == {}


def test_the_bounds_are_those_promised():
    assert bound("exp") <= 2
    assert all(bound(name) <= 4 for name in ("tanh", "sigmoid", "silu", "erf"))


def test_a_function_that_is_off_is_found():
    x = samples(np.float32)
    x = x[np.abs(x) < 80]
    y = np.exp(x.astype(np.float64)).astype(np.float32)
    assert np.max(errors("exp", x, y)) <= 0.51
    assert np.max(errors("exp", x, y * np.float32(1 + 5e-7))) > 2


LIMITS = {  # at −∞, 0 and +∞
    "exp": (0, 1, np.inf),
    "expm1": (-1, 0, np.inf),
    "log1p_exp": (0, math.log(2), np.inf),
    "tanh": (-1, 0, 1),
    "sigmoid": (0, 0.5, 1),
    "erf": (-1, 0, 1),
    "normal_cdf": (0, 0.5, 1),
    **dict.fromkeys(("gelu", "gelu_tanh", "silu"), (0, 0, np.inf)),
    "gelu_slope": (0, 0.5, 1),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values(dtype):
    # Each as often as a vector has lanes and once more: the loop's vectors and its remainder are two codes.
    points = np.array([-np.inf, 0, np.inf, np.nan, -0.0, np.finfo(dtype).max, np.finfo(dtype).min], dtype)
    for name, y in results(np.repeat(points, 37)).items():
        y = y.reshape(len(points), 37)
        assert (np.isnan(y) == (np.arange(len(points)) == 3)[:, None]).all(), name
        assert (y == y[:, :1]).sum() == (len(points) - 1) * 37, name
        np.testing.assert_array_equal(y[:3, 0], np.array(LIMITS[name], dtype), err_msg=name)
        np.testing.assert_array_equal(y[4, 0], y[1, 0], err_msg=name)
        if np.isfinite(LIMITS[name][2]):
            np.testing.assert_array_equal(y[5:, 0], y[[2, 0], 0], err_msg=name)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_is_gradual_at_its_ends(dtype):
    info = np.finfo(dtype)
    largest, least = np.log(np.array([info.max, info.smallest_subnormal], dtype))
    x = np.array([np.nextafter(largest, dtype(0)), largest + 1, least, least - 1], dtype)
    y = results(x)["exp"]
    assert np.isfinite(y[0])
    assert y[0] > 0.99 * info.max
    assert np.isinf(y[1])
    assert y[2] == info.smallest_subnormal
    assert y[3] == 0


@pytest.mark.slow
@given(st.floats(-200, 200, width=32), st.sampled_from([np.float32, np.float64]))
def test_symmetries(x, dtype):
    y, mirrored = (results(np.array([each], dtype)) for each in (x, -x))
    for name in ("tanh", "erf"):
        assert y[name] == -mirrored[name]
    for name in ("sigmoid", "normal_cdf", "gelu_slope"):
        np.testing.assert_allclose(y[name] + mirrored[name], 1, atol=2 * np.finfo(dtype).eps)
    for name in ("gelu", "gelu_tanh", "silu"):
        info = np.finfo(dtype)
        np.testing.assert_allclose(y[name] - mirrored[name], x, rtol=8 * info.eps, atol=4 * info.smallest_subnormal)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_monotone_functions_do_not_step_back_by_more_than_their_bound(dtype):
    x = np.sort(samples(dtype, 1000))
    for name in ("exp", "log1p_exp", "tanh", "sigmoid", "erf", "normal_cdf"):
        y = results(x)[name]
        assert (np.isfinite(y[:-1]) | np.isinf(y[1:])).all()
        y = y[np.isfinite(y)]
        assert np.all(y[:-1] - y[1:] <= bound(name) * np.spacing(np.abs(y[:-1]))), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_quotient_by_a_root_is_right_where_that_is_0_or_infinite(dtype):
    info = np.finfo(dtype)
    b = np.repeat(np.array([0, np.inf, info.smallest_subnormal, 2], dtype), 37)
    y = np.empty_like(b)
    each(lambda x: 1 / np.sqrt(x), b, y)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(y, 1 / np.sqrt(b))


@pytest.mark.parametrize(("dtype", "integer"), [(np.float32, np.int32), (np.float64, np.int64)])
def test_ordered_keeps_the_order(dtype, integer):
    info = np.finfo(dtype)
    tiny = info.smallest_subnormal
    x = np.array([-np.inf, info.min, -1, -tiny, 0, tiny, 1, info.max, np.inf, np.nan], dtype)
    order, back = np.empty(x.size, integer), np.empty_like(x)
    written = Function([dtype, integer, dtype])
    number, place, again = written.places
    with written.code.loop(written.begin, written.end) as i:
        place[i] = functions.ordered(number[i], number[i])
        again[i] = functions.unordered(number[i], place[i])
    assert run_once(Task(written.text(), [x, order, back], end=x.size)) == -1
    assert (np.diff(order.astype(object)) > 0).all()
    np.testing.assert_array_equal(back, x)
