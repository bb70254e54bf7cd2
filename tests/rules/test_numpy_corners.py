"""NumPy's corners: options of reductions, methods of universal functions, orders, names of arguments, attributes."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
import chainrule.numpy as cnp
from chainrule.core.tensor import value_of

from .against_numpy import agree, apart

M, V = apart(3, 4), apart(4)
CHOSEN = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
POSITIVE = np.abs(M) + 0.3


def both(call: Any, *xs: Any, **settings: Any) -> None:
    """Hold a call against NumPy's, given tensors."""
    agree(call, call, *xs, **settings)


@walked("name", ["sum", "prod", "mean", "var", "std", "nansum", "nanprod", "nanmean"])
def test_where_leaves_elements_out(name: str) -> None:
    both(lambda x: getattr(np, name)(x, axis=1, where=CHOSEN), M)
    both(lambda x: getattr(np, name)(x, where=CHOSEN[0], keepdims=True), M)


@walked("name", ["sum", "prod", "max", "min", "nansum", "nanprod", "nanmax", "nanmin"])
def test_initial_takes_part(name: str) -> None:
    both(lambda x: getattr(np, name)(x, axis=0, initial=0.21), M)
    both(lambda x: getattr(np, name)(x, axis=0, initial=0.21, where=CHOSEN), M)


@walked("name", ["sum", "prod", "mean", "var", "cumsum", "cumprod", "nansum", "trace"])
def test_the_dtype_of_a_result(name: str) -> None:
    x = cr.tensor(M, requires_grad=True)
    y = getattr(np, name)(x, dtype=np.float32)
    assert y.dtype == np.float32
    np.testing.assert_allclose(value_of(y), getattr(np, name)(M, dtype=np.float32), rtol=1e-5)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float64


@walked("axis", [0, -1, None])
@walked("name", ["sum", "max", "cumsum", "prod", "squeeze", "mean", "sort", "flip", "ptp"])
def test_a_number_has_an_axis_where_numpy_says_so(name: str, axis: Any) -> None:
    try:
        expected = getattr(np, name)(np.float64(0.7), axis=axis)
    except np.exceptions.AxisError:
        return
    np.testing.assert_array_equal(value_of(getattr(np, name)(cr.tensor(0.7), axis=axis)), expected)


# Universal functions

BINARY = ["add", "multiply", "maximum", "minimum", "subtract", "divide", "logaddexp", "hypot", "fmax"]


@walked("name", BINARY)
def test_methods_of_universal_functions(name: str) -> None:
    ufunc = getattr(np, name)
    both(lambda x: ufunc.reduce(x, axis=1), POSITIVE)
    both(lambda x: ufunc.reduce(x, keepdims=True), POSITIVE)
    both(lambda x: ufunc.accumulate(x, axis=1), POSITIVE)
    both(lambda x: ufunc.reduceat(x, [0, 2, 1], axis=1), POSITIVE)
    both(lambda a, b: ufunc.outer(a, b), POSITIVE[0], POSITIVE[1, :2] + 0.07)


@walked("name", ["add", "multiply", "fmax", "logaddexp"])
def test_options_of_reduce(name: str) -> None:
    ufunc = getattr(np, name)
    both(lambda x: ufunc.reduce(x, axis=1, initial=0.4, where=CHOSEN), POSITIVE)
    both(lambda x: ufunc.reduce(x, axis=None), POSITIVE)


def test_a_function_without_an_identity_names_what_it_needs() -> None:
    x = cr.tensor(M)
    with pytest.raises(ValueError, match=r"np\.subtract\.reduce: got axis=None for 2 axes"):
        np.subtract.reduce(x, axis=None)
    with pytest.raises(ValueError, match=r"np\.hypot\.reduce: where= needs initial="):
        np.hypot.reduce(x, axis=0, where=CHOSEN)
    with pytest.raises(IndexError, match=r"np\.add\.reduceat: got the indices"):
        np.add.reduceat(x, [0, 7])


def test_the_record_holder_gets_the_gradient() -> None:
    x = np.array([2.0, 1.0, 2.0, np.nan, 3.0])
    y, pullback = cr.vjp(np.maximum.accumulate, x)
    np.testing.assert_array_equal(y, np.maximum.accumulate(x))
    np.testing.assert_array_equal(pullback(np.ones(5))[0], [3, 0, 0, 2, 0])


@walked("name", ["add", "multiply", "maximum", "divide"])
def test_unbuffered_writes_at_repeated_places(name: str) -> None:
    def at(x: Any, v: Any) -> Any:
        y = x * 1.0
        getattr(np, name).at(y, [0, 2, 0, 0], v)
        return y

    both(at, POSITIVE[0], POSITIVE[1])


@pytest.mark.parametrize("ours", [np, cnp])
def test_the_dtype_and_out_of_a_universal_function(ours: Any) -> None:
    x = cr.tensor(V, requires_grad=True)
    y = ours.add(x, 1, dtype=np.float32)
    assert y.dtype == np.float32
    out = cr.zeros(4)
    assert ours.exp(x, out=out, where=V > 0) is out
    np.testing.assert_allclose(value_of(out), np.where(V > 0, np.exp(V), 0))
    out.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(value_of(x.grad), np.where(V > 0, np.exp(V), 0))


# Shapes


@walked("order", ["C", "F", "A", "K"])
def test_orders(order: Any) -> None:
    turned = np.asfortranarray(M)
    both(lambda x: x.ravel(order), M)
    both(lambda x: x.flatten(order), M)
    for x in (M, turned, M[:, ::2].T):
        np.testing.assert_array_equal(cr.elementwise_grad(lambda x: x.ravel(order))(x), np.ones_like(x))
        np.testing.assert_array_equal(cr.vjp(lambda x: x.ravel(order), x)[0], x.ravel(order))
        if order != "K":
            found = cr.vjp(lambda x: np.reshape(x, (2, -1), order=order), x)[0]
            np.testing.assert_array_equal(found, x.reshape((2, -1), order=order))


def test_a_view_or_a_copy_on_request() -> None:
    x = cr.zeros(2, 3)
    view, copy = np.reshape(x, 6, copy=False), np.reshape(x, 6, copy=True)
    x[0, 0] = 1.0
    assert (float(view[0]), float(copy[0])) == (1.0, 0.0)
    with pytest.raises(ValueError, match="reshape: copy=False"):
        np.reshape(x.T, 6, copy=False)


PADDINGS = [
    *({"mode": mode} for mode in ("maximum", "minimum", "mean", "median", "linear_ramp")),
    *({"mode": mode, "stat_length": 2} for mode in ("maximum", "mean")),
    {"mode": "linear_ramp", "end_values": ((1.0, 2.0), (3.0, -1.0))},
    *({"mode": mode, "reflect_type": "odd"} for mode in ("reflect", "symmetric")),
]


@walked("settings", PADDINGS)
def test_padding_from_the_edges(settings: Any) -> None:
    both(lambda x: np.pad(x, ((1, 2), (5, 0)), **settings), M)


def test_windows() -> None:
    windows = np.lib.stride_tricks.sliding_window_view
    both(lambda x: windows(x, 2), V)
    both(lambda x: windows(x, (2, 3)), M)
    both(lambda x: windows(x, (2, 2), axis=(1, 1)), M)
    with pytest.raises(ValueError, match="sliding_window_view: got a window of 9"):
        windows(cr.tensor(V), 9)


NAMED = [
    lambda x: np.split(ary=x, indices_or_sections=3),
    lambda x: np.array_split(x, indices_or_sections=2, axis=1),
    lambda x: np.transpose(a=x),
    lambda x: np.concatenate((x, x), axis=1, dtype=np.float32),
    lambda x: np.roll(a=x, shift=1),
    lambda x: np.flip(m=x),
    lambda x: np.take(a=x, indices=[0, 1], axis=1),
    lambda x: np.tile(A=x, reps=2),
    lambda x: np.vstack(tup=(x, x)),
    lambda x: np.tril(m=x),
    lambda x: np.pad(array=x, pad_width=1),
]


@walked("call", NAMED)
def test_numpys_own_names_of_arguments(call: Any) -> None:
    for got, expected in zip(call(cr.tensor(M)), call(M), strict=True):
        np.testing.assert_allclose(value_of(got), expected, rtol=1e-6)


# Functions that had options missing


def test_fits_with_their_covariance() -> None:
    x, y = np.array([0.0, 1.0, 2.0, 5.0]), np.array([0.3, 0.4, 0.1, 0.7])
    both(lambda y: np.polyfit(x, y, 1, cov=True)[1], y)
    both(lambda y: np.polyfit(x, y, 1, cov="unscaled")[0], y)
    both(lambda y: np.polyfit([0, 1, 2, 5], y, 1, full=True)[1], y)
    with pytest.raises(ValueError, match="polyfit: cov=True needs more points"):
        np.polyfit(cr.tensor(x[:2]), y[:2], 1, cov=True)


def test_one_triangle_of_a_symmetric_matrix() -> None:
    x = apart(3, 3)
    for triangle in ("L", "U"):
        both(lambda x, triangle=triangle: np.linalg.eigvalsh(x, triangle), x)
    gradient = cr.grad(lambda x: np.linalg.eigvalsh(x, UPLO="L")[0])(x)
    np.testing.assert_array_equal(gradient[np.triu_indices(3, 1)], 0)


@pytest.mark.parametrize("density", [False, True])
def test_histograms_of_several_dimensions(density: bool) -> None:
    points = np.array([[0.1, 0.2], [0.3, 0.9], [0.8, 0.4], [0.75, 0.35]])
    weights = np.array([1.0, 2.0, 0.5, 0.7])
    both(lambda w: np.histogramdd(points, 3, density=density, weights=w)[0], weights)
    both(lambda w: np.histogram2d(*points.T, bins=[2, 3], density=density, weights=w)[0], weights)
    counts = np.histogram2d(cr.tensor(points[:, 0]), points[:, 1], bins=3)[0]
    np.testing.assert_array_equal(counts, np.histogram2d(*points.T, bins=3)[0])


def test_choosing_out_of_range() -> None:
    for mode in ("wrap", "clip"):
        both(lambda x, mode=mode: np.choose([0, 3, -1, 1], [x, x**2], mode=mode), V)


# Attributes and methods


def test_attributes_of_memory() -> None:
    x = cr.tensor(M)
    assert (x.nbytes, x.itemsize, x.strides) == (M.nbytes, M.itemsize, M.strides)
    assert x.flags.c_contiguous
    assert not x.T.flags.c_contiguous
    assert x.tobytes() == M.tobytes()
    assert (x.item(2), x.item(1, 0)) == (M[0, 2], M[1, 0])


def test_elements_in_order() -> None:
    both(lambda x: x.flat[3:7:2], M)
    both(lambda x: np.stack(list(x.flat)), M)
    assert len(cr.tensor(M).flat) == 12

    def written(x: Any) -> Any:
        y = x * 1.0
        y.flat[[0, 5]] = x[0, 1]
        y.flat[::4] = [1.0, 2.0]
        return y

    both(written, M)


def test_views_of_a_tensor() -> None:
    x = cr.zeros(3)
    y = x.view()
    y[0] = 2.0
    assert float(x[0]) == 2.0
    assert x.view(np.float64).dtype == np.float64
    with pytest.raises(TypeError, match=r"x.view: got dtype int64, expected float64; for another one use x.astype"):
        x.view(np.int64)


@walked(
    "call",
    [
        lambda x: x.nonzero()[1],
        lambda x: x.compress([True, False, True], axis=0),
        lambda x: x[0].argpartition(1)[:1],
        lambda x: np.sort(x[0]).searchsorted(0.2),
        lambda x: divmod(x, 0.5)[1],
        lambda x: np.stack(divmod(2.0, x)),
    ],
)
def test_methods_as_numpys(call: Any) -> None:
    np.testing.assert_allclose(value_of(call(cr.tensor(M))), call(M))


# What only chainrule.numpy can do

LISTED = {
    **dict.fromkeys(("mean", "sum", "max", "std", "median", "cumsum", "sort", "transpose", "diff", "trapezoid"), ()),
    **{"dot": (V,), "clip": (-0.5, 0.5), "append": (V,), "kron": (V,), "reshape": ((2, 2),), "take": ([0, 1],)},
    **{"column_stack": (), "vstack": (), "atleast_2d": (), "linalg.norm": (), "zeros_like": (), "shape": ()},
    **{"full_like": (2.0,), "ndim": (), "size": (), "logsumexp": (), "add.reduce": (), "maximum.accumulate": ()},
}


@walked("name", LISTED)
def test_lists_that_hold_tensors(name: str) -> None:
    def call(x: Any, module: Any = cnp) -> Any:
        function = module
        for part in name.split("."):
            function = getattr(function, part)
        return function([x[0], x[1], x[2], x[3]], *LISTED[name])

    expected = call(V) if name == "logsumexp" else call(V, np)
    got = call(cr.tensor(V, requires_grad=True))
    np.testing.assert_allclose(value_of(got) if isinstance(got, cr.Tensor) else got, expected)


def kernel(x: Any) -> Any:
    k = cnp.zeros((4, 4))
    for i in range(4):
        for j in range(4):
            k[i, j] = x[i] * x[j] ** 2
    return k


def stamped(x: Any) -> Any:
    k = cnp.empty((2, 4))
    k[0], k[1] = x, 2.0
    k[1, cnp.tril_indices(2)[0]] *= x[2]
    return k


def filled(x: Any) -> Any:
    k = cnp.eye(4)
    cnp.fill_diagonal(k, x)
    return k


def into(x: Any) -> Any:
    k = cnp.ones(4)
    cnp.multiply(x, 2.0, out=k)
    return cnp.clip(k, -0.4, 0.4, out=cnp.zeros(4)) + cnp.dot(np.eye(4), x, out=cnp.zeros(4))


MADE = [
    kernel,
    stamped,
    filled,
    into,
    lambda x: cnp.full(3, x[1]),
    lambda x: cnp.full((2, 4), x),
    lambda x: cnp.linspace(0.0, x[3], 3),
    lambda x: cnp.fromiter((v * 2 for v in x), float),
    lambda x: cnp.array([[x[0], 1.0], [2, x[1]]]),
    lambda x: cnp.array(x, ndmin=3),
    lambda x: cnp.stack([v for _, v in cnp.ndenumerate(x)]),
    lambda x: cnp.ascontiguousarray([x[0], x[1]]),
    lambda x: cnp.vectorize(lambda v: v**2 if v > 0 else v)(x),
    lambda x: cnp.vectorize(lambda v, w: cnp.sum(w) * v, excluded=[1])(x, M),
    lambda x: cnp.vectorize(lambda v: cnp.sum(v**2), signature="(n)->()")(x * M),
]


@walked("call", MADE)
def test_making_arrays_inside_a_transform(call: Any) -> None:
    agree(call, call, V)


def test_outside_a_transform_an_array_is_numpys() -> None:
    for made in (cnp.zeros(3), cnp.full(3, 2.0), cnp.eye(2), cnp.linspace(0, 1, 3), cnp.zeros_like(V)):
        assert type(made) is np.ndarray

    def inside(x: Any) -> Any:
        assert type(cnp.arange(3)) is np.ndarray, "integers take no traced value"
        return x * cnp.arange(3).sum()

    assert cr.grad(inside)(1.0) == 3.0
    assert type(cnp.zeros(3)) is np.ndarray


MISSING_HERE: set[str] = set()
"""Names of NumPy that chainrule.numpy lacks."""


def test_every_name_of_numpy_is_there() -> None:
    names = {name for name in dir(np) if not name.startswith("_")}
    assert {name for name in names if not hasattr(cnp, name)} == MISSING_HERE
    assert names <= set(dir(cnp))
    assert {name for name in dir(np.linalg) if not name.startswith("_")} <= set(dir(cnp.linalg))


def test_a_name_without_a_derivative_says_so_on_a_tensor() -> None:
    np.testing.assert_array_equal(cnp.hanning(3), np.hanning(3))
    with pytest.raises(TypeError, match=r"np\.kaiser: chainrule has no derivative for it"):
        cnp.kaiser(3, cr.tensor(1.0))


def test_a_module_of_its_own() -> None:
    from chainrule.numpy.linalg import det

    assert float(cr.grad(lambda x: det([[x, 1.0], [1.0, x]]))(3.0)) == pytest.approx(6.0)
    assert partial(cnp.linalg.norm, ord=1)(V) == np.linalg.norm(V, 1)
