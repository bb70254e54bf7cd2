"""`chainrule.scipy.ndimage`: SciPy's values in every mode, derivatives in every argument, and what is refused."""

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.scipy import ndimage as ours

theirs = pytest.importorskip("scipy.ndimage", reason="SciPy's functions: pip install '.[scipy]'")

RANDOM = np.random.default_rng(0)
X, PLACES = RANDOM.normal(size=(7, 6)), RANDOM.uniform(-2, 8, (2, 40))
W, V = RANDOM.normal(size=(3, 2)), RANDOM.normal(size=(4, 3))
FILTERS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("correlate1d", (X, [1.0, 2.0, 3.0, 4.0]), {"axis": 0, "cval": 0.3}),
    ("convolve1d", (X, [1.0, 2.0, 3.0, 4.0]), {}),
    ("convolve1d", (X, [1.0, 2.0, 3.0]), {"origin": 1}),
    ("correlate", (X, W), {"origin": (1, 0)}),
    ("convolve", (X, W), {}),
    ("convolve", (X, V), {"origin": [-1, 1]}),
    ("gaussian_filter", (X, 1.3), {}),
    ("gaussian_filter", (X, (0.7, 1.3)), {"order": (1, 2)}),
    ("gaussian_filter", (X, 1.3), {"radius": 2, "axes": (1,)}),
    ("gaussian_filter1d", (X, 1.0), {"order": 3}),
    ("uniform_filter", (X, 4), {}),
    ("uniform_filter1d", (X, 3), {"origin": -1}),
    ("sobel", (X, 0), {}),
    ("prewitt", (X,), {}),
    ("laplace", (X,), {}),
    ("gaussian_laplace", (X, 1.0), {}),
    ("gaussian_gradient_magnitude", (X, 1.0), {}),
]
RESAMPLED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("map_coordinates", (X, PLACES), {"order": 1, "cval": 0.5}),
    ("map_coordinates", (X, PLACES), {"order": 0}),
    ("affine_transform", (X, np.array([[0.8, 0.3], [-0.2, 0.9]]), [0.31, -0.42]), {"order": 1}),
    ("affine_transform", (X, np.array([0.8, 1.1]), 0.1), {"order": 1, "output_shape": (4, 5)}),
    ("affine_transform", (X, np.array([[0.8, 0.3, 0.1], [-0.2, 0.9, 0.2]])), {"order": 1}),
    ("shift", (X, (0.5, -1.3)), {"order": 1}),
]
MODES = ("reflect", "constant", "nearest", "mirror", "wrap")


def _holds(name: str, args: Any, settings: dict[str, Any]) -> None:
    f = getattr(ours, name)
    np.testing.assert_allclose(f(*args, **settings), getattr(theirs, name)(*args, **settings), atol=1e-12)
    report = cr.check(lambda x: f(x, *args[1:], **settings), args[0])
    assert report.ok, report


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_filters(mode: str) -> None:
    for name, args, settings in FILTERS:
        _holds(name, args, {**settings, "mode": mode})


@pytest.mark.parametrize("mode", [*MODES, "grid-wrap", "grid-constant", "grid-mirror"])
def test_interpolation(mode: str) -> None:
    for name, args, settings in RESAMPLED:
        _holds(name, args, {**settings, "mode": mode})


def test_the_other_arguments_have_derivatives_too() -> None:
    inner = RANDOM.uniform(0.1, 4.9, (2, 9))
    calls = (
        (lambda w: ours.correlate1d(X, w), np.ones(3)),
        (lambda w: ours.convolve(X, w), W),
        (lambda s: ours.gaussian_filter1d(X, s, radius=3), 0.8),
        (lambda s: ours.gaussian_filter(X, s, order=1, radius=3), np.array([0.8, 1.2])),
        (lambda at: ours.map_coordinates(X, at, order=1), inner),
        (lambda s: ours.shift(X, s, order=1, mode="nearest"), np.array([0.3, 0.6])),
    )
    for f, at in calls:
        assert cr.check(f, at).ok


def test_an_image_is_moved_onto_another() -> None:
    """The use of all this: a shift is found by descending along its gradient."""
    image = ours.gaussian_filter(RANDOM.normal(size=(20, 20)), 2.0)
    moved = ours.shift(image, (0.7, -0.4), order=1, mode="wrap")
    slope = cr.compile(cr.grad(lambda s: ((ours.shift(image, s, order=1, mode="wrap") - moved) ** 2).sum()))
    at = np.zeros(2)
    for _ in range(60):
        at = at - 0.2 * slope(at)
    np.testing.assert_allclose(at, (0.7, -0.4), atol=0.02)


def test_mistakes_are_named() -> None:
    mistakes = {
        lambda: ours.correlate1d(X, W): "correlate1d: got weights of shape (3, 2), expected a vector",
        lambda: ours.correlate(X, [1.0]): "expected as many axes",
        lambda: ours.correlate1d(X, [1.0, 1.0], mode="edge"): "got mode='edge', expected one of 'reflect'",
        lambda: ours.correlate1d(X, [1.0, 1.0], origin=2): "got origin=2 for 2 weights, expected -1 to 0",
        lambda: ours.gaussian_filter1d(X, 1.0, order=-1): "got order=-1, expected 0 or more",
        lambda: ours.gaussian_filter1d(X, 1.0, radius=-1): "got radius=-1, expected a whole number",
        lambda: ours.gaussian_filter1d(X, -1.0): "got sigma=-1.0, expected a positive number",
        lambda: ours.gaussian_filter(X, (1.0,)): "got 1 values as sigma, expected one, or 2: one for each axis",
        lambda: ours.gaussian_filter(X, 1.0, (0, 0, 0)): "got 3 values as order",
        lambda: ours.uniform_filter(X, (3,)): "got 1 values as size",
        lambda: ours.uniform_filter1d(X, 0): "got size=0, expected 1 or more",
        lambda: ours.uniform_filter(X, 3, mode=["wrap", "wrap"]): "got mode=['wrap', 'wrap'], expected one of",
        lambda: ours.correlate(X, W, origin=(0,)): "correlate: got 1 values as origin",
        lambda: ours.convolve(X, W, origin=(0,)): "convolve: got 1 values as origin",
        lambda: ours.shift(X, (1.0, 2.0, 3.0), order=1): "got a shift of shape (3,), expected one number, or 2",
        lambda: ours.map_coordinates(X, PLACES, 1, "edge"): "map_coordinates: got mode='edge'",
        lambda: ours.map_coordinates(X, PLACES): "got order=3, expected 0 or 1",
        lambda: ours.map_coordinates(X, PLACES[:1], 1): "got coordinates (1, 40), expected [2, …]",
        lambda: ours.affine_transform(X, np.eye(3), order=1): "got a matrix (3, 3), expected (2, 2)",
    }
    for call, said in mistakes.items():
        with pytest.raises(ValueError, match=re.escape(said)):
            call()
    with pytest.raises(TypeError, match=r"real numbers; filter x\.real and x\.imag"):
        ours.correlate1d(X + 1j, [1.0, 1.0])
