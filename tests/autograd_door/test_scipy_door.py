"""`autograd.scipy`: values as SciPy's, derivatives in both modes where autograd has them."""

from typing import Any

import numpy as onp
import pytest
from tests.named import walked

from chainrule.autograd import grad, jacobian, value_and_grad
from chainrule.autograd.test_util import check_grads

pytest.importorskip("scipy")

import scipy.integrate
import scipy.linalg
import scipy.signal
import scipy.special
import scipy.stats

from chainrule.autograd.scipy import integrate, linalg, misc, signal, special, stats

X = onp.array([0.3, 0.6, 0.8])


@walked(
    ("name", "args", "argnum"),
    [
        *(
            (name, (X,), 0)
            for name in ("gamma", "rgamma", "gammaln", "psi", "logit", "j0", "j1", "y0", "y1", "erfinv", "ndtri")
        ),
        *((name, (X + 0.2,), 0) for name in ("erfcinv", "ndtr", "log_ndtr", "expit", "erf", "i0", "i1")),
        *((name, (X, X + 1.0), (0, 1)) for name in ("beta", "betaln")),
        ("betainc", (1.5, 2.5, X), 2),
        *((name, (1.7, X), 1) for name in ("gammainc", "gammaincc", "iv", "ive")),
        *((name, (2, X), 1) for name in ("jn", "yn", "polygamma")),
        ("jv", (2.5, X + 3.0), 1),
        ("multigammaln", (X + 3.0, 2), 0),
        ("xlogy", (X, X), (0, 1)),
    ],
)
def test_special_functions(name: str, args: Any, argnum: Any) -> None:
    onp.testing.assert_allclose(getattr(special, name)(*args), getattr(scipy.special, name)(*args), rtol=1e-10)
    check_grads(getattr(special, name), argnum, modes=["rev"])(*args)


def test_logsumexp_with_weights() -> None:
    weights = onp.array([0.5, 2.0, 1.0])
    for settings in ({}, {"b": weights}, {"b": weights, "keepdims": True}):
        expected = scipy.special.logsumexp(X, **settings)
        onp.testing.assert_allclose(special.logsumexp(X, **settings), expected)
        check_grads(lambda x, settings=settings: special.logsumexp(x, **settings))(X)
    assert misc.logsumexp is special.logsumexp
    with pytest.raises(TypeError, match="return_sign=True is not supported"):
        special.logsumexp(X, return_sign=True)


POINT = onp.array([0.2, 0.5, 0.3])
COVARIANCE = onp.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.0]])


@walked(
    ("name", "function", "args", "argnum"),
    [
        *(("norm", f, (X, 0.2, 1.3), (0, 1, 2)) for f in ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf")),
        *(("t", f, (X, 3.5, 0.1, 1.2), (0, 1, 2, 3)) for f in ("pdf", "logpdf")),
        *(("t", f, (X, 3.5, 0.1, 1.2), (0, 2)) for f in ("cdf", "logcdf")),
        *(("gamma", f, (X, 2.5), (0, 1)) for f in ("pdf", "logpdf")),
        *(("beta", f, (X, 2.5, 1.5), (0, 1, 2)) for f in ("pdf", "logpdf")),
        *(("chi2", f, (X, 3.0), 0) for f in ("pdf", "logpdf", "cdf")),
        ("gamma", "cdf", (X, 2.5, 0.0, 2.0), (0, 3)),
        ("beta", "cdf", (X, 2.5, 1.5), 0),
        *(("poisson", f, (onp.array([0.0, 2.0, 5.0]), X + 1.0), 1) for f in ("pmf", "logpmf", "cdf")),
        ("dirichlet", "logpdf", (POINT, X + 1.0), 1),
        ("multivariate_normal", "logpdf", (onp.stack([X, POINT]), POINT, COVARIANCE), (0, 1, 2)),
        ("multivariate_normal", "pdf", (X, POINT, COVARIANCE), (0, 1)),
        ("multivariate_normal", "entropy", (POINT, COVARIANCE), 1),
    ],
)
def test_distributions(name: str, function: str, args: Any, argnum: Any) -> None:
    ours, theirs = getattr(getattr(stats, name), function), getattr(getattr(scipy.stats, name), function)
    onp.testing.assert_allclose(ours(*args), theirs(*args), rtol=1e-10)
    if not (name == "multivariate_normal" and function == "entropy"):
        check_grads(ours, argnum, modes=["rev"], order=1)(*args)


def test_outside_of_a_support_the_density_is_zero() -> None:
    for distribution, args in (("gamma", (2.0,)), ("beta", (2.0, 3.0)), ("chi2", (3.0,))):
        found = getattr(stats, distribution)
        onp.testing.assert_array_equal(found.logpdf(onp.array([-1.0]), *args), [-onp.inf])
        assert float(grad(lambda x, f=found, args=args: f.pdf(x, *args))(-1.0)) == 0.0
    assert stats.poisson.pmf(0.5, 2.0) == 0.0


def test_a_singular_covariance() -> None:
    flat = onp.diag([1.0, 2.0, 0.0])
    x = onp.array([0.1, 0.4, 0.0])
    expected = scipy.stats.multivariate_normal.logpdf(x, onp.zeros(3), flat, allow_singular=True)
    assert stats.multivariate_normal.logpdf(x, onp.zeros(3), flat, allow_singular=True) == pytest.approx(expected)
    with pytest.raises(onp.linalg.LinAlgError, match="pass allow_singular=True"):
        stats.multivariate_normal.logpdf(x, onp.zeros(3), flat)
    assert stats.multivariate_normal.logpdf(0.5) == pytest.approx(scipy.stats.multivariate_normal.logpdf(0.5))


def test_linear_algebra() -> None:
    a, b, q = COVARIANCE, COVARIANCE[::-1] + 3 * onp.eye(3), onp.arange(9.0).reshape(3, 3)
    for settings in ({}, {"lower": True}, {"trans": 1}, {"unit_diagonal": True}):
        expected = scipy.linalg.solve_triangular(a, X, **settings)
        onp.testing.assert_allclose(linalg.solve_triangular(a, X, **settings), expected)
        check_grads(lambda a, b, s=settings: linalg.solve_triangular(a, b, **s), (0, 1), order=1)(a, X)
    onp.testing.assert_allclose(linalg.solve_sylvester(a, b, q), scipy.linalg.solve_sylvester(a, b, q))
    check_grads(linalg.solve_sylvester, (0, 1, 2))(a, b, q)
    check_grads(lambda a: linalg.sqrtm(a @ a.T))(a)
    bands = onp.array([[0.0, 1.0, 2.0], [4.0, 5.0, 6.0], [1.0, 0.5, 0.0]])
    onp.testing.assert_allclose(linalg.solve_banded((1, 1), bands, X), scipy.linalg.solve_banded((1, 1), bands, X))
    check_grads(linalg.solve_banded, (1, 2), modes=["rev"])((1, 1), bands, X)
    assert float(grad(lambda a: linalg.det(a))(a)[0, 0]) == pytest.approx(
        scipy.linalg.inv(a)[0, 0] * scipy.linalg.det(a)
    )


@walked("mode", ["full", "valid", "same"])
def test_convolution(mode: str) -> None:
    a, b = onp.arange(20.0).reshape(4, 5) / 7, onp.array([[1.0, -2.0], [0.5, 3.0]])
    onp.testing.assert_allclose(signal.convolve(a, b, mode=mode), scipy.signal.convolve2d(a, b, mode))
    check_grads(lambda a, b: signal.convolve(a, b, mode=mode), (0, 1), modes=["rev"], order=1)(a, b)
    rows = signal.convolve(a, b, axes=([1], [1]), mode=mode)
    assert rows.shape[:2] == (4, 2)
    onp.testing.assert_allclose(rows[1, 1], onp.convolve(a[1], b[1], mode))


def test_wrong_convolutions() -> None:
    with pytest.raises(ValueError, match="convolve: got mode='other'"):
        signal.convolve(X, X, mode="other")
    with pytest.raises(ValueError, match="one array must be the longer one along all axes"):
        signal.convolve(onp.ones((2, 5)), onp.ones((3, 4)), mode="valid")
    with pytest.raises(ValueError, match="at most three"):
        signal.convolve(onp.ones((1, 1, 1, 1)), onp.ones((1, 1, 1, 1)))


def test_an_ordinary_differential_equation() -> None:
    def slope(y: Any, t: Any, rate: Any) -> Any:
        return -rate * y

    t = onp.array([0.0, 0.5, 1.0])
    final = lambda y0, rate: integrate.odeint(slope, y0, t, (rate,), rtol=1e-9, atol=1e-10)[-1].sum()  # noqa: E731
    y0 = onp.array([1.0, 2.0])
    value, gradient = value_and_grad(final, (0, 1))(y0, 0.7)
    assert float(value) == pytest.approx(3 * onp.exp(-0.7), rel=1e-6)
    onp.testing.assert_allclose(gradient[0], onp.exp(-0.7) * onp.ones(2), rtol=1e-5)
    assert float(gradient[1]) == pytest.approx(-3 * onp.exp(-0.7), rel=1e-5)
    times = jacobian(lambda t: integrate.odeint(slope, y0, t, (0.7,))[-1])(t)
    onp.testing.assert_allclose(times[:, -1], -0.7 * y0 * onp.exp(-0.7), rtol=1e-4)
