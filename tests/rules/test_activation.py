"""Activation functions against PyTorch, at extreme inputs and at their kinks."""

import math

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.rules.network.activation import (
    SELU_ALPHA,
    SELU_LAMBDA,
    celu,
    elu,
    gelu,
    glu,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanhshrink,
)
from chainrule.rules.network.piecewise import (
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    relu6,
    softshrink,
    threshold,
)

SMOOTH = np.array([-1e4, -300.0, -40.0, -7.0, -1.3, -1e-3, 1e-3, 0.8, 5.0, 40.0, 300.0, 1e4])
KINKED = np.array([-1e4, -3.5, -3.0, -1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0, 3.0, 3.5, 6.0, 7.0, 1e4])
# (chainrule's function, PyTorch's name, settings of both)
CASES = [
    *((f, f.__name__, {}) for f in (selu, gelu, softplus, elu, celu, leaky_relu)),
    *((sigmoid, "sigmoid", {}), (relu, "relu", {}), (silu, "silu", {}), (mish, "mish", {})),
    *((logsigmoid, "logsigmoid", {}), (softsign, "softsign", {}), (tanhshrink, "tanhshrink", {})),
    (gelu, "gelu", {"approximate": "tanh"}),
    *((leaky_relu, "leaky_relu", {"negative_slope": s}) for s in (0.0, 0.3, -0.5)),
    *((elu, "elu", {"alpha": 0.5}), (celu, "celu", {"alpha": 0.5}), (softplus, "softplus", {"beta": 3.0})),
]
PIECEWISE = [
    *((f, f.__name__, {}) for f in (hardtanh, relu6, softshrink, hardshrink)),
    *((relu, "relu", {}), (leaky_relu, "leaky_relu", {}), (elu, "elu", {}), (celu, "celu", {}), (selu, "selu", {})),
    *(
        (hardtanh, "hardtanh", {"min_val": -0.5, "max_val": 3.0}),
        (threshold, "threshold", {"threshold": 0.5, "value": 2.0}),
    ),
    *((softshrink, "softshrink", {"lambd": 1.0}), (hardshrink, "hardshrink", {"lambd": 0.2})),
]
EVERY = [*dict.fromkeys(f for f, _, settings in [*CASES, *PIECEWISE] if not settings), hardsigmoid, hardswish]


def described(case):
    return case[1] + "".join(f"-{key}={value}" for key, value in case[2].items())


def compare(torch, case, x, rtol=1e-10):
    f, name, settings = case
    leaf = torch.tensor(x, requires_grad=True)
    y = getattr(torch.nn.functional, name)(leaf, **settings)
    y.sum().backward()
    value, pullback = cr.vjp(lambda x: f(x, **settings), x)
    np.testing.assert_allclose(value, y.detach().numpy(), rtol=rtol, atol=1e-14)
    np.testing.assert_allclose(pullback(np.ones_like(x))[0], leaf.grad.numpy(), rtol=rtol, atol=1e-14)


@walked("case", CASES, ids=described)
def test_values_and_gradients_are_those_of_pytorch(torch, case):
    compare(torch, case, SMOOTH)


@walked("case", PIECEWISE, ids=described)
def test_kinks_are_those_of_pytorch(torch, case):
    compare(torch, case, KINKED)


def test_hardsigmoid_is_that_of_pytorch_whose_sixth_is_single_precision(torch):
    x = KINKED.astype(np.float32)
    compare(torch, (hardsigmoid, "hardsigmoid", {}), x, rtol=1e-6)


def test_hardswish_is_that_of_pytorch_beside_its_kinks(torch):
    compare(torch, (hardswish, "hardswish", {}), KINKED[np.abs(KINKED) != 3])


@walked("dtype", [np.float32, np.float64])
@walked("f", EVERY, ids=lambda f: getattr(f, "__name__", str(f)))
def test_large_inputs_stay_finite_and_keep_their_dtype(f, dtype):
    x = np.array([-1e4, -90.0, 0.0, 90.0, 1e4], dtype)
    y, pullback = cr.vjp(f, x)
    (x_bar,) = pullback(np.ones_like(x))
    assert y.dtype == x_bar.dtype == dtype
    assert np.isfinite(y).all()
    assert np.isfinite(x_bar).all()
    curvature = cr.elementwise_grad(cr.elementwise_grad(f))(x)
    assert curvature.dtype == dtype
    assert np.isfinite(curvature).all()


@pytest.mark.parametrize("x", [-700.0, -100.0, -40.0, -1.0, 2.0, 40.0])
def test_small_values_keep_their_relative_precision(x):
    exact = math.exp(x) / (1 + math.exp(x)) if x < 0 else 1 / (1 + math.exp(-x))
    assert float(sigmoid(x)) == pytest.approx(exact, rel=4e-16)
    assert float(cr.grad(sigmoid)(x)) == pytest.approx(exact / (1 + math.exp(x)), rel=1e-14, abs=1e-16)
    assert float(silu(x)) == pytest.approx(x * exact, rel=4e-16)
    assert float(softplus(x)) == pytest.approx(math.log1p(math.exp(x)), rel=1e-15)
    assert float(logsigmoid(-x)) == pytest.approx(-math.log1p(math.exp(x)), rel=1e-15)


def test_gelu_keeps_its_relative_precision_in_the_left_tail():
    special = pytest.importorskip("scipy.special", reason="a comparison with scipy: pip install '.[scipy]'")
    x = np.linspace(-37, 9, 500)
    cdf = special.ndtr(x)
    np.testing.assert_allclose(gelu(x), x * cdf, rtol=1e-12)
    slope = cr.elementwise_grad(gelu)(x)
    np.testing.assert_allclose(slope, cdf + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), rtol=1e-11)


def test_the_constants_of_selu_keep_mean_and_variance():
    """Gauss-Hermite quadrature is exact only for polynomials, so the half-axes are integrated on their own."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    half = 6.0 * (nodes + 1)
    density = 6.0 * weights * np.exp(-(half**2) / 2) / math.sqrt(2 * math.pi)
    moments = [(density * (selu(half) ** k + selu(-half) ** k)).sum() for k in (1, 2)]
    np.testing.assert_allclose(moments, [0.0, 1.0], atol=1e-13)
    np.testing.assert_allclose([SELU_ALPHA, SELU_LAMBDA], [1.6732632423543772, 1.0507009873554805], rtol=1e-15)


def test_prelu_learns_its_slope(torch):
    x = np.linspace(-2, 2, 12).reshape(2, 3, 2)
    w = np.array([0.1, 0.2, 0.3])
    leaves = [torch.tensor(v, requires_grad=True) for v in (x, w)]
    torch.nn.functional.prelu(*leaves).sum().backward()
    found = cr.grad(lambda x, w: prelu(x, w).sum(), argnums=(0, 1))(x, w[:, None])
    for got, leaf in zip(found, leaves, strict=True):
        np.testing.assert_allclose(got.reshape(leaf.shape), leaf.grad.numpy(), rtol=1e-14)


@walked("axis", [-1, 0, 1])
def test_glu_is_that_of_pytorch(torch, axis):
    x = np.random.default_rng(0).normal(size=(4, 2, 6))
    leaf = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.glu(leaf, dim=axis)
    y.square().sum().backward()
    np.testing.assert_allclose(glu(x, axis), y.detach().numpy(), rtol=1e-14)
    np.testing.assert_allclose(cr.grad(lambda x: (glu(x, axis) ** 2).sum())(x), leaf.grad.numpy(), rtol=1e-13)


@walked(
    ("call", "message"),
    [
        (lambda x: gelu(x, approximate="erf"), "gelu: expected approximate="),
        (lambda x: celu(x, alpha=0.0), "celu: expected alpha > 0, got 0.0"),
        (lambda x: softplus(x, beta=-1.0), "softplus: expected beta > 0, got -1.0"),
        (lambda x: hardtanh(x, 1.0, 1.0), "hardtanh: expected min_val < max_val"),
        (lambda x: softshrink(x, -0.1), "softshrink: expected lambd >= 0, got -0.1"),
        (lambda x: hardshrink(x, math.nan), "hardshrink: expected lambd >= 0, got nan"),
        (glu, "glu: expected an even length along axis -1"),
        (lambda x: glu(x, 2), "glu: axis 2 is out of range"),
    ],
)
def test_wrong_settings_are_refused_by_name(call, message):
    with pytest.raises(ValueError, match=message):
        call(cr.tensor(np.zeros(3)))


@walked("f", [*EVERY, lambda x: prelu(x, 0.5), lambda x: threshold(x, 0.0, 1.0)])
def test_nan_is_not_hidden(f):
    assert np.isnan(f(np.array([np.nan]))).all()
