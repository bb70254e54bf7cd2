"""SciPy's names in `chainrule.scipy`: SciPy's values, and right gradients."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import scipy as ours

scipy = pytest.importorskip("scipy")

RANDOM = np.random.default_rng(0)
A, B = RANDOM.normal(size=(4, 4)), RANDOM.normal(size=(5, 6))
V, K = RANDOM.normal(size=5), RANDOM.normal(size=(2, 3))

CALLS = {
    "linalg.hankel": [((V,), {}), ((V, V[:3]), {})],
    "linalg.companion": [((V,), {})],
    "linalg.convolution_matrix": [((V, n, mode), {}) for n in (3, 7) for mode in ("full", "same", "valid")],
    "linalg.polar": [((A,), {}), ((A, "left"), {}), ((B,), {}), ((B.T,), {})],
    "linalg.svd": [((A,), {"compute_uv": False})],
    "linalg.eigvalsh": [((A,), {}), ((A,), {"lower": False})],
    "signal.convolve2d": [((B, K, mode), {}) for mode in ("full", "same", "valid")],
    "signal.correlate2d": [((B, K, mode), {}) for mode in ("full", "same", "valid")],
    "signal.detrend": [((B,), {}), ((B, 0), {}), ((B, -1, "constant"), {}), ((V,), {})],
}


def named(package, name):
    for part in name.split("."):
        package = getattr(package, part)
    return package


@walked("name", CALLS)
def test_values_and_derivatives(name) -> None:
    from scipy import linalg, signal  # noqa: F401

    f = named(ours, name)
    for args, settings in CALLS[name]:
        expected, found = named(scipy, name)(*args, **settings), f(*args, **settings)
        for one, other in zip(cr.core.tree.flatten(found)[0], cr.core.tree.flatten(expected)[0], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-11)
        report = cr.check(lambda x: f(x, *args[1:], **settings), args[0])  # noqa: B023
        assert report.ok, report


def test_eigenvalues_are_complex() -> None:
    from scipy import linalg

    assert ours.linalg.eigvals(A).dtype == complex
    np.testing.assert_allclose(ours.linalg.eigvals(A), linalg.eigvals(A))
    w, v = ours.linalg.eig(A)
    np.testing.assert_allclose(A @ v, v * w, atol=1e-10)
    assert cr.check(lambda a: np.abs(ours.linalg.eigvals(a)) ** 2, A).ok


def test_mistakes() -> None:
    for call, said in {
        lambda: ours.signal.convolve2d(B, K, boundary="wrap"): "np.pad",
        lambda: ours.signal.convolve2d(B, V): "two matrices",
        lambda: ours.signal.detrend(V, bp=[2]): "several lines",
        lambda: ours.signal.detrend(V, type="cubic"): "expected 'linear'",
        lambda: ours.linalg.polar(A, "up"): "expected 'left'",
        lambda: ours.linalg.companion(V[:1]): "two coefficients",
        lambda: ours.linalg.convolution_matrix(V, 3, "half"): "expected 'full'",
    }.items():
        with pytest.raises(ValueError, match=said):
            call()
