"""Reductions without what is NaN: values as NumPy's, derivatives, the warnings of slices with nothing left."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.core.tensor import value_of

from .against_numpy import agree, apart

HOLED = apart(4, 5)
HOLED[0, 1] = HOLED[2, 1] = HOLED[2, 4] = np.nan
REDUCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(np, name) for name in ("nanmax", "nanmin", "nanprod", "nanvar", "nanstd", "nanmedian")
}
WAYS = ({}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"axis": (0, 1)}, {"axis": (1, 0), "keepdims": True})


def filled(function: Callable[..., Any], **keywords: Any) -> Callable[..., Any]:
    """The function of what is not NaN, so that finite differences do not meet it."""
    known = ~np.isnan(HOLED)
    places = np.flatnonzero(known)

    def of_known(x: Any) -> Any:
        holed = cr.numpy.array(np.full(HOLED.size, np.nan)) if isinstance(x, cr.Tensor) else np.full(HOLED.size, np.nan)
        if isinstance(x, cr.Tensor):
            return function(cr.tensor(holed).at[places].set(x).reshape(HOLED.shape), **keywords)
        holed[places] = x
        return function(holed.reshape(HOLED.shape), **keywords)

    return of_known


@walked("name", REDUCTIONS)
@walked("keywords", WAYS, ids=str)
def test_a_reduction(name: str, keywords: dict[str, Any]) -> None:
    f = filled(REDUCTIONS[name], **keywords)
    agree(f, f, HOLED[~np.isnan(HOLED)])


@walked("name", ["nancumsum", "nancumprod"])
@walked("axis", [None, 0, 1])
def test_a_running_reduction(name: str, axis: int | None) -> None:
    f = filled(getattr(np, name), axis=axis)
    agree(f, f, HOLED[~np.isnan(HOLED)])


@pytest.mark.parametrize("name", ["nanvar", "nanstd"])
def test_degrees_of_freedom(name: str) -> None:
    f = filled(REDUCTIONS[name], axis=1, ddof=1)
    agree(f, f, HOLED[~np.isnan(HOLED)])


@walked("method", ["linear", "hazen", "lower", "nearest", "midpoint"])
@walked("q", [0.3, 1.0, np.array([0.1, 0.77]), np.array([[0.5], [0.9]])])
def test_quantiles(method: str, q: Any) -> None:
    for keywords in ({}, {"axis": 0}, {"axis": 1, "keepdims": True}):
        f = filled(lambda x, k=keywords: np.nanquantile(x, q, method=method, **k))
        agree(f, f, HOLED[~np.isnan(HOLED)], second=False)
    g = filled(lambda x: np.nanpercentile(x, 100 * q, axis=1, method=method))
    agree(g, g, HOLED[~np.isnan(HOLED)], second=False)


def test_a_quantile_is_differentiable_in_its_place() -> None:
    f = lambda q: np.nanquantile(HOLED, q, axis=1)  # noqa: E731
    agree(f, f, np.array([0.31, 0.62]))


@given(
    st.lists(st.sampled_from([np.nan, -1.5, 0.0, 0.0, 2.0, 3.0]), min_size=1, max_size=6).filter(
        lambda x: not np.isnan(x).all()
    ),
    st.sampled_from([*REDUCTIONS, "nancumsum", "nancumprod"]),
    st.sampled_from([np.float32, np.float64]),
)
def test_nan_receives_no_gradient(x: list[float], name: str, dtype: Any) -> None:
    array = np.array(x, dtype)
    y, pullback = cr.vjp(getattr(np, name), array)
    np.testing.assert_allclose(y, getattr(np, name)(array), rtol=1e-6)
    (gradient,) = pullback(np.ones_like(y))
    assert gradient.dtype == dtype
    assert np.isfinite(gradient).all()
    assert not gradient[np.isnan(array)].any()


def test_equal_elements_have_no_gradient_of_the_spread() -> None:
    np.testing.assert_array_equal(cr.grad(np.nanstd)(np.array([0.1, np.nan, 0.1, 0.1])), np.zeros(4))


@walked("name", ["nanmax", "nanmin", "nanmedian", "nanvar", "nanstd"])
def test_nothing_left_is_nan_with_numpys_warning(name: str) -> None:
    x = np.array([[np.nan, np.nan], [1.0, 2.0]])
    with pytest.warns(RuntimeWarning) as expected:
        y = REDUCTIONS[name](x, axis=1)
    with pytest.warns(RuntimeWarning) as warned:
        got = REDUCTIONS[name](cr.tensor(x), axis=1)
    assert str(warned[0].message) == str(expected[0].message)
    np.testing.assert_array_equal(value_of(got), y)


@walked("name", ["nanmax", "nanmin", "nanmedian"])
def test_no_elements_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{'nanmedian' if name == 'nanmedian' else name}: got no elements"):
        REDUCTIONS[name](cr.tensor(np.zeros((0,))))


def test_out_is_refused() -> None:
    with pytest.raises(TypeError, match=r"nanmax.*out="):
        np.nanmax(cr.tensor([1.0]), out=np.zeros(()))
