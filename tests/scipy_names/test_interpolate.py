"""`chainrule.scipy.interpolate`: SciPy's values, derivatives in values, places and questions, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.scipy import interpolate as ours

theirs = pytest.importorskip("scipy.interpolate", reason="SciPy's functions: pip install '.[scipy]'")

RANDOM = np.random.default_rng(0)
X, Y = np.sort(RANDOM.uniform(0, 5, 7)), RANDOM.normal(size=(7, 2))
Q, OUTSIDE = RANDOM.uniform(X[0], X[-1], (3, 2)), np.array([-1.0, 0.5, 9.0])
GRID = (X, np.sort(RANDOM.uniform(0, 2, 4)), np.array([0.0, 1.0, 2.0]))
VALUES = RANDOM.normal(size=(7, 4, 3, 2))
POINTS = np.stack([RANDOM.uniform(p[0], p[-1], 10) for p in GRID], -1)
ENDS: list[Any] = [
    *("not-a-knot", "natural", "clamped", ("natural", "not-a-knot")),
    *(((1, np.full(2, 0.5)), (2, np.full(2, -0.3))), ("not-a-knot", (1, np.full(2, 0.2)))),
]


def same(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@walked("kind", ours.KINDS)
def test_interp1d(kind: str) -> None:
    for x, y, axis in ((X, Y, 0), (X, Y.T, -1), (X[::-1], Y[::-1], 0)):
        same(ours.interp1d(x, y, kind, axis)(Q), theirs.interp1d(x, y, kind, axis)(Q))
    same(ours.interp1d(X, X, kind)(X), X)
    for fill in ("extrapolate", (1.0, 2.0), 3.0, np.nan):
        own, other = (m.interp1d(X, Y[:, 0], kind, bounds_error=False, fill_value=fill) for m in (ours, theirs))
        same(own(OUTSIDE), other(OUTSIDE))
    same(ours.interp1d(X, Y, kind, 0).y, Y)


@walked("ends", ENDS, ids=str)
def test_cubic_splines(ends: Any) -> None:
    for n in (7, 5, 4, 3, 2):
        if n == 2 and not isinstance(ends, str) and "not-a-knot" in ends:
            continue  # SciPy's choice of a line is arbitrary there
        own, other = (m.CubicSpline(X[:n], Y[:n], bc_type=ends) for m in (ours, theirs))
        for nu in range(4):
            same(own(OUTSIDE, nu), other(OUTSIDE, nu))
    own, other = (
        (m.CubicSpline(X, Y.T, 1, ends, extrapolate=False) for m in (ours, theirs))
        if ends in ENDS[:3]
        else (
            own,
            other,
        )
    )
    same(own(OUTSIDE), other(OUTSIDE))


def test_periodic_splines() -> None:
    for n in (7, 3):
        y = Y[:n].copy()
        y[-1] = y[0]
        at = np.linspace(X[0], X[n - 1], 9)
        own, other = (m.CubicSpline(X[:n], y, bc_type="periodic") for m in (ours, theirs))
        same(own(at), other(at))
        same(own(at[[0]], 2), own(at[[-1]], 2))


def test_pchip() -> None:
    for n in (7, 3, 2):
        own, other = (m.PchipInterpolator(X[:n], Y[:n]) for m in (ours, theirs))
        same(own(OUTSIDE), other(OUTSIDE))
    flat = np.array([0.0, 0.0, 1.0, 1.0])
    same(ours.PchipInterpolator(np.arange(4.0), flat)(1.5), theirs.PchipInterpolator(np.arange(4.0), flat)(1.5))
    assert np.isfinite(cr.grad(lambda y: ours.PchipInterpolator(np.arange(4.0), y)(1.5))(flat)).all()


@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_grids(method: str) -> None:
    own, other = (m.RegularGridInterpolator(GRID, VALUES, method) for m in (ours, theirs))
    same(own(POINTS), other(POINTS))
    same(own((POINTS[:, 0], POINTS[:, 1], 1.0)), other((POINTS[:, 0], POINTS[:, 1], 1.0)))
    for fill in (None, 7.0, np.nan):
        own, other = (m.RegularGridInterpolator(GRID, VALUES[..., 0], method, False, fill) for m in (ours, theirs))
        same(own(POINTS * 1.7 - 1), other(POINTS * 1.7 - 1))


CHECKED: list[tuple[Any, Any]] = [
    *((lambda y, kind=kind: ours.interp1d(X, y, kind, 0)(Q), Y) for kind in ("linear", "cubic", "nearest")),
    *((lambda q, kind=kind: ours.interp1d(X, Y[:, 0], kind)(q), Q) for kind in ("linear", "cubic")),
    *((lambda x, ends=ends: ours.CubicSpline(x, Y, bc_type=ends)(Q), X) for ends in ("not-a-knot", "natural")),
    (lambda y: ours.CubicSpline(X, y, bc_type=((1, y[0, 0]), (2, y[1])))(Q, 1), Y),
    (lambda y: ours.PchipInterpolator(X, y)(Q), Y),
    (lambda x: ours.PchipInterpolator(x, Y)(Q), X),
    (lambda v: ours.RegularGridInterpolator(GRID, v)(POINTS), VALUES),
    (lambda p: ours.RegularGridInterpolator(GRID, VALUES)(p), POINTS),
]


@pytest.mark.parametrize("k", range(len(CHECKED)))
def test_derivatives(k: int) -> None:
    f, at = CHECKED[k]
    assert cr.check(f, at).ok


def test_compiled_and_mapped() -> None:
    def loss(q: Any, y: Any) -> Any:
        return (ours.interp1d(X, y, "cubic", fill_value="extrapolate")(q) ** 2).sum()

    slope = cr.grad(loss, (0, 1))
    compiled = cr.compile(slope)
    for _ in range(2):
        q, y = RANDOM.uniform(X[0], X[-1], 5), RANDOM.normal(size=7)
        for found, expected in zip(compiled(q, y), slope(q, y), strict=True):
            same(found, expected)
    f = ours.RegularGridInterpolator(GRID, VALUES, bounds_error=False, fill_value=None)
    same(cr.vmap(f)(POINTS), f(POINTS))


def test_mistakes_are_named() -> None:
    grid = ours.RegularGridInterpolator(GRID, VALUES)
    mistakes = {
        lambda: ours.interp1d(X, Y, "quadratic", 0): "got kind='quadratic', expected one of 'linear'",
        lambda: ours.interp1d(X, Y): "got 2 values along axis 1, expected 7: one for each place",
        lambda: ours.interp1d([0.0, 0.0], [1.0, 2.0]): "must rise strictly",
        lambda: ours.interp1d([0.0], [1.0]): "got x of shape (1,), expected a vector of two places",
        lambda: ours.interp1d(X, 1.0): "got one value",
        lambda: ours.interp1d(X, Y, axis=0)(9.0): "outside of the places; pass fill_value='extrapolate'",
        lambda: ours.interp1d(X, Y, axis=0, bounds_error=True, fill_value="extrapolate"): "exclude each other",
        lambda: ours.interp1d(X, Y, axis=0, fill_value="nearest"): "got fill_value='nearest', expected a value, a pair",
        lambda: ours.interp1d(X, Y, axis=0, fill_value=(1.0,)): "got fill_value=(1.0,)",
        lambda: grid(POINTS, "cubic"): "got method='cubic'",
        lambda: ours.CubicSpline(X, Y, bc_type="free"): "got bc_type 'free', expected 'not-a-knot'",
        lambda: ours.CubicSpline(X, Y, bc_type=("periodic", "natural")): "expected a name, or two conditions",
        lambda: ours.CubicSpline(X, Y)(1.0, 4): "got nu=4, expected 0 to 3",
        lambda: ours.CubicSpline(X, Y, extrapolate="periodic"): "got extrapolate='periodic'",
        lambda: ours.RegularGridInterpolator(GRID, VALUES, "cubic"): "got method='cubic'",
        lambda: ours.RegularGridInterpolator(GRID, VALUES[1:]): "expected [7, 4, 3] in front",
        lambda: grid(POINTS[:, :2]): "got points (10, 2), expected [..., 3]",
        lambda: grid(POINTS + 9): "a point is outside of the grid; pass bounds_error=False",
    }
    for call, said in mistakes.items():
        with pytest.raises(ValueError, match=re.escape(said)):
            call()
