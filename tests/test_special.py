"""Special functions: values as SciPy's, derivatives, SciPy's own ufuncs on tensors, and what is said without SciPy."""

import functools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import special

from .rules.against_numpy import agree

scipy_special = pytest.importorskip("scipy.special", reason="values of SciPy: pip install '.[scipy]'")

INSIDE = np.array([-0.9, -0.2, 0.0, 0.4, 0.99])
AROUND = np.array([-30.0, -1.5, -1e-3, 0.2, 5.0])
POSITIVE = np.array([1e-3, 0.4, 1.0, 3.5, 80.0])
PLACES = {
    **{"erf": AROUND, "erfc": AROUND, "erfinv": INSIDE, "expit": AROUND, "logit": (INSIDE + 1) / 2},
    **{"gammaln": POSITIVE, "digamma": POSITIVE, "psi": POSITIVE},
    **{"i0": AROUND, "i1": AROUND, "i0e": AROUND, "i1e": AROUND},
}


def test_scipys_path_leads_to_the_same_functions():
    import chainrule.scipy.special as by_path
    from chainrule.scipy.special import gamma

    assert gamma is special.gamma
    assert all(getattr(by_path, name) is getattr(special, name) for name in special.__all__)


@walked("name", PLACES)
def test_the_value_is_scipys(name):
    x = PLACES[name]
    expected = getattr(scipy_special, name)(x)
    np.testing.assert_allclose(getattr(scipy_special, name)(cr.tensor(x)).numpy(), expected, rtol=1e-13)
    if name != "psi":
        np.testing.assert_allclose(getattr(special, name)(x), expected, rtol=1e-13)


@walked("name", PLACES)
def test_scipys_ufunc_of_a_tensor_is_differentiated(name):
    x = PLACES[name]
    f = getattr(scipy_special, name)
    moderate = x[(np.abs(x) < 6) & (np.abs(x) > 0.1) & (np.abs(x) < (0.95 if name == "erfinv" else 6))]
    agree(f, f, moderate, tolerance=1e-5)


@walked("n", [0, 1, 3])
def test_orders(n):
    x = np.array([0.5, 2.0])
    for name in ("polygamma", "iv", "ive"):
        f, reference = (functools.partial(getattr(module, name), n) for module in (special, scipy_special))
        agree(f, reference, x, tolerance=1e-6)


@given(st.floats(-1e4, 1e4))
def test_scaled_bessel_functions_do_not_overflow(x):
    for f in (special.i0e, special.i1e, lambda x: special.ive(4, x)):
        y, slope = cr.value_and_grad(f)(x)
        assert np.isfinite([y, slope]).all()


@pytest.mark.parametrize("name", ["xlogy", "xlog1py"])
def test_products_with_a_logarithm(name):
    f = getattr(scipy_special, name)
    agree(f, f, np.array([[0.3], [-2.0]]), np.array([0.5, 2.0]))
    for a, b in [(0.0, 0.0), (0.0, -1.0), (0.0, np.inf), (0.0, np.nan), (2.0, 3.0), (np.nan, 1.0)]:
        np.testing.assert_array_equal(getattr(special, name)(a, b), f(a, b))
    assert cr.grad(special.xlogy, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
    assert cr.grad(special.xlog1py, argnums=(0, 1))(0.0, -1.0) == (0.0, 0.0)


def test_entropy_of_certainty_has_a_finite_gradient():
    p = np.array([0.0, 0.5, 0.5])
    gradient = cr.grad(lambda p: -special.xlogy(p, p).sum())(p)
    np.testing.assert_allclose(gradient[1:], -np.log(0.5) - 1)
    assert np.isfinite(gradient).all()


@given(st.floats(1e-300, 1, exclude_max=True))
def test_logit_is_precise_everywhere(p):
    np.testing.assert_allclose(special.logit(p), scipy_special.logit(p), rtol=4e-15)


def test_logit_is_the_inverse_of_expit():
    x = np.linspace(-30, 15, 50)
    np.testing.assert_allclose(special.logit(special.expit(x)), x, rtol=1e-8)
    np.testing.assert_array_equal(special.logit(np.array([0.0, 1.0])), [-np.inf, np.inf])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_dtypes_stay(dtype):
    x = cr.tensor(np.array([0.25, 0.5], dtype), requires_grad=True)
    for f in (special.erfinv, special.gammaln, special.digamma, special.i0, special.i1e, special.logit):
        y = f(x)
        assert y.dtype == dtype
        assert cr.grad(lambda x, f=f: f(x).sum())(np.array([0.25, 0.5], dtype)).dtype == dtype
    assert special.polygamma(2, x).dtype == dtype
    assert special.gammaln(3) == np.log(2.0)


def test_numpys_i0():
    agree(np.i0, np.i0, np.array([0.5, -2.0]))


@walked("n", [-1, 0.5, np.array([1, 2])])
def test_an_order_that_is_no_whole_number_is_refused(n):
    for f in (special.polygamma, special.yn, special.kn):
        with pytest.raises(ValueError, match="expected one whole number"):
            f(n, 1.0)


def test_without_scipy():
    """What needs it says so, with the command; the rest works."""
    code = """if True:
        import sys
        sys.modules["scipy"] = sys.modules["scipy.special"] = None
        import chainrule as cr
        from chainrule import special
        assert cr.grad(special.xlogy, argnums=1)(2.0, 4.0) == 0.5
        try:
            special.gammaln(2.0)
        except ImportError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "gammaln: needs SciPy; run: python -m pip install 'chainrule[scipy]'\n"
