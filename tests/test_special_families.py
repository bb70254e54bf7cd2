"""Bessel functions of any order, elliptic integrals, polynomials, power transformations, quantiles, and shapes."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import special, stats

from .named import named

scipy_special = pytest.importorskip("scipy.special", reason="values of SciPy: pip install '.[scipy]'")
import scipy.stats  # noqa: E402

P, U, S = np.array([0.3, 1.0, 2.5]), np.array([0.1, 0.5, 0.9]), np.array([-2.0, 0.0, 1.5])
CALLS = {
    **dict.fromkeys(("jv", "iv", "ive", "kv", "kve", "yv"), (1.5, P)),
    **{f"{name} of a negative order": (-0.5, P) for name in ("jv", "iv", "kv", "yv")},
    **dict.fromkeys(("k0e", "k1e", "airy", "wrightomega", "cosm1", "log_expit", "exprel", "gammasgn"), (P,)),
    **dict.fromkeys(("spherical_jn", "eval_legendre", "eval_chebyt", "eval_chebyu", "eval_hermite"), (2, P)),
    **dict.fromkeys(("eval_hermitenorm", "eval_laguerre"), (3, P)),
    **{"eval_gegenbauer": (3, 0.7, U), "eval_genlaguerre": (3, 0.7, U), "eval_jacobi": (3, 0.7, 0.2, U)},
    **{"ellipk": (U,), "ellipe": (U,), "ellipkm1": (U,), "ellipkinc": (P, U), "ellipeinc": (P, U)},
    **{"boxcox": (P, S), "boxcox1p": (P, S), "inv_boxcox": (U, S / 3), "inv_boxcox1p": (U, S / 3)},
    **{"huber": (P, S), "pseudo_huber": (P, S), "owens_t": (S, P)},
    **{"gammaincinv": (P, U), "gammainccinv": (P, U), "betaincinv": (P, P[::-1].copy(), U)},
    **{"gammainc": (P, U), "gammaincc": (P, U), "betainc": (P, P[::-1].copy(), U)},
    **{"voigt_profile": (S, P, U), "wofz": (S + 1j * P,), "sph_harm_y": (2, 1, P, S)},
}


@walked("name", CALLS)
def test_scipys_value_and_every_derivative(name: str) -> None:
    args = CALLS[name]
    f, reference = (getattr(room, name.split()[0]) for room in (special, scipy_special))
    expected = reference(*args)
    found = f(*args)
    for one, other in zip(np.atleast_1d(found), np.atleast_1d(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    moving = tuple(k for k, x in enumerate(args) if isinstance(x, np.ndarray))
    if name == "gammasgn":
        return
    rows = lambda *xs: np.stack(f(*xs)) if isinstance(found, tuple) else f(*xs)  # noqa: E731
    report = cr.check(functools.partial(_moved, rows, args, moving), *(args[k] for k in moving))
    assert report.ok, report


def _moved(f, args, moving, *xs):
    args = list(args)
    for k, x in zip(moving, xs, strict=True):
        args[k] = x
    return f(*args)


def test_box_and_coxs_transformation_has_all_derivatives_where_the_power_is_zero() -> None:
    f = lambda p: special.boxcox(3.0, p)  # noqa: E731
    for k in range(1, 4):  # the k-th derivative at zero is log(x)^(k + 1) / (k + 1)
        f = cr.grad(f)
        assert float(f(0.0)) == pytest.approx(np.log(3.0) ** (k + 1) / (k + 1), rel=1e-12)


@given(st.floats(0.05, 5), st.floats(-2, 2))
def test_power_transformations_are_undone(x: float, p: float) -> None:
    assert special.inv_boxcox(special.boxcox(x, p), p) == pytest.approx(x, rel=1e-7)
    assert special.inv_boxcox1p(special.boxcox1p(x, p), p) == pytest.approx(x, rel=1e-7)


@pytest.mark.slow
@given(st.floats(0.1, 60), st.floats(0.1, 60), st.floats(0.001, 0.999))
def test_the_slopes_in_the_shapes(a: float, b: float, q: float) -> None:
    """Against differences; and the two sums of probabilities that are one do not change."""
    across = lambda f: (8 * (f(1) - f(-1)) - (f(2) - f(-2))) / 12 / h  # noqa: E731
    x, h = float(scipy_special.betaincinv(a, b, q)), 1e-4 * a
    if 1e-12 < x < 1 - 1e-12:
        slope = cr.grad(special.betainc)(a, b, x)
        expected = across(lambda k: scipy_special.betainc(a + k * h, b, x))
        assert slope == pytest.approx(expected, rel=1e-5, abs=1e-12 / h)
        if 1e-4 < x < 1 - 1e-4:  # closer to an end, 1 - x loses too much of x
            assert slope == pytest.approx(-cr.grad(special.betainc, argnums=1)(b, a, 1 - x), rel=1e-8, abs=1e-12)
    y = float(scipy_special.gammaincinv(a, q))
    slope = cr.grad(special.gammainc)(a, y)
    expected = across(lambda k: scipy_special.gammainc(a + k * h, y))
    assert slope == pytest.approx(expected, rel=1e-5, abs=1e-12 / h)
    assert slope == -cr.grad(special.gammaincc)(a, y)


def test_the_slopes_at_the_ends() -> None:
    assert cr.grad(special.gammainc)(0.5, 1e5) == cr.grad(special.gammainc)(2.0, 0.0) == 0
    assert cr.grad(special.betainc)(0.5, 2.0, 1.0) == cr.grad(special.betainc)(0.5, 2.0, 0.0) == 0
    assert np.isnan(cr.grad(special.gammainc)(-1.0, 1.0))


def test_a_second_derivative_in_a_shape_is_refused_by_name() -> None:
    with pytest.raises(cr.MissingRuleError, match="gradient with respect to a"):
        cr.grad(cr.grad(special.gammainc))(2.0, 1.0)


SHAPES = {
    **{"gamma": (2.5,), "beta": (2.0, 3.0), "t": (4.0,), "chi2": (3.0,), "f": (4.0, 6.0), "lognorm": (0.7,)},
    **{"pareto": (2.5,), "weibull_min": (1.7,), "truncnorm": (-1.0, 2.0), "gennorm": (1.5,), "invgamma": (2.5,)},
    **{"loguniform": (1.0, 3.0), "vonmises": (1.3,), "wrapcauchy": (0.4,)},
}
CONTINUOUS = [name for name in stats.__all__ if hasattr(getattr(stats, name), "isf")]
Q = np.array([0.03, 0.4, 0.9])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ppf", "isf"])
def test_quantiles(method: str) -> None:
    for name in CONTINUOUS:
        with named(name):
            _holds(name, method)


def _holds(name: str, method: str) -> None:
    shapes = SHAPES.get(name, ())
    f, reference = (getattr(getattr(room, name), method) for room in (stats, scipy.stats))
    arguments = (Q, *shapes, 0.5, 2.0)
    np.testing.assert_array_equal(f(*arguments), reference(*arguments))
    assert cr.check(f, *arguments).ok
    h = 1e-4
    second = (reference(0.3 + h, *shapes) - 2 * reference(0.3, *shapes) + reference(0.3 - h, *shapes)) / h**2
    assert cr.grad(cr.grad(f))(0.3, *shapes) == pytest.approx(second, rel=1e-4, abs=1e-5)


def test_quantiles_at_and_beyond_the_ends() -> None:
    q = np.array([0.0, 1.0, -1.0, 0.5])
    np.testing.assert_array_equal(stats.norm.ppf(cr.tensor(q)).numpy(), [-np.inf, np.inf, np.nan, 0])
    np.testing.assert_allclose(cr.elementwise_grad(stats.norm.ppf)(q), [0, 0, 0, np.sqrt(2 * np.pi)])
    assert float(stats.poisson.ppf(0.7, 3.0)) == scipy.stats.poisson.ppf(0.7, 3.0)
    assert cr.grad(lambda loc: stats.poisson.ppf(0.7, 3.0, loc=loc))(1.0) == 1


def test_quantiles_under_transforms() -> None:
    np.testing.assert_allclose(cr.vmap(cr.grad(stats.norm.ppf))(Q), cr.elementwise_grad(stats.norm.ppf)(Q))
    step = cr.compile(lambda q: stats.t.ppf(q, 3.0).sum())
    for q in (Q, Q / 2):
        assert float(step(q)) == pytest.approx(float(scipy.stats.t.ppf(q, 3.0).sum()))


@walked(
    ("call", "said"),
    [
        (lambda: special.jv([1, 2], P), "one finite number"),
        (lambda: special.kv(np.nan, P), "one finite number"),
        (lambda: special.eval_legendre(1.5, P), "one whole number"),
        (lambda: special.eval_jacobi(2, [1.0, 2.0], 0.0, P), "alpha"),
        (lambda: special.sph_harm_y(2, 0.5, P, P), "m=0.5"),
        (lambda: special.voigt_profile(P, 0.0, 1.0), "positive sigma"),
    ],
)
def test_mistakes(call, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
