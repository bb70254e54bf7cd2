"""Gradients that are no derivative by design are recognised, and right where they are expected."""

import functools
import re

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.check.report.korean_reasons import fitted
from chainrule.check.why.numbers import _said

STEPS = 3
OPAQUE = functools.partial
"""Hides a function's code, so that no change of it is tried."""
A = np.random.default_rng(1).uniform(1.5, 2.5, (3, 4))
X = np.random.default_rng(0).standard_normal((3, 4))


def straight(x):
    return x + cr.stop_gradient(np.round(x) - x)


@cr.custom
def step(x):
    return (np.asarray(x) > 0).astype(float)


@step.def_vjp
def step_rule(g, x):
    return g / (1 + 10 * np.abs(x)) ** 2


@cr.custom
def reverse(x):
    return np.array(x)


@reverse.def_vjp
def reverse_rule(g, x):
    return -0.3 * g


@cr.custom
def scaled(x):
    return np.array(x)


@scaled.def_vjp
def scaled_rule(g, x):
    return 128.0 * g


CASES = {
    "scaling": (scaled, "gradient-scaling"),
    "by stop_gradient": (straight, "straight-through"),
    "identity": (lambda x: straight(2 * x), "straight-through"),
    "surrogate": (step, "straight-through"),
    "surrogate in a network": (lambda x: step(np.tanh(x)).sum(), "straight-through"),
    "reversal": (reverse, "gradient-reversal"),
    "reversal in a network": (lambda x: (reverse(x * 2) ** 2).sum(), "gradient-reversal"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_named_and_may_be_expected(name):
    f, code = CASES[name]
    report = cr.check(f, X)
    assert (report.verdict, report.findings[0].code) == ("wrong", code)
    assert f"expected='{code}'" in str(report)
    assert not cr.check(f, X, expected={"straight-through": "gradient-reversal"}.get(code, "straight-through")).ok
    meant = cr.check(f, X, expected=code)
    assert meant.ok
    assert any(code in note for note in meant.notes)
    assert "worst relative error" not in str(meant)
    assert cr.check(f, X, expected=["straight-through", "gradient-reversal", "gradient-scaling"], explain=False).ok


def test_a_wrong_gradient_is_not_accepted_for_it():
    report = cr.check(np.tanh, X, backward=lambda g, x: g, expected="straight-through")
    assert report.verdict == "wrong"
    report = cr.check(np.tanh, X, backward=lambda g, x: -g * (1 - np.tanh(x) ** 2), expected="gradient-reversal")
    assert (report.verdict, report.findings[0].code) == ("wrong", "sign")


def test_a_constant_with_a_gradient_is_no_straight_through():
    report = cr.check(lambda x: 0.0 * x, X, backward=lambda g, x: g)
    assert report.findings[0].code != "straight-through"


NEGATIVE = -np.abs(X) - 0.5
SLOPED = {
    "relu": (lambda x: np.maximum(x, 0), NEGATIVE, lambda g, x: g * (x < 0)),
    "relu of one": (lambda x: np.maximum(x, 0), np.array([-0.7]), lambda g, x: g * (x < 0)),
    "clip": (lambda x: np.clip(x, -0.4, 0.4), NEGATIVE, lambda g, x: g * (np.abs(x) > 0.4)),
    "relu of a product": (lambda x: np.maximum(x @ np.ones((4, 2)), 0), NEGATIVE, lambda g, x: g @ np.ones((2, 4))),
    "hard shrinkage": (lambda x: np.where(np.abs(x) > 9, x, 0), X, lambda g, x: g * (np.abs(x) < 9)),
    "float32": (lambda x: np.maximum(x, 0), NEGATIVE.astype(np.float32), lambda g, x: g * (x < 0)),
    "angle": (np.angle, -NEGATIVE, lambda g, x: g / np.abs(x)),
}


@walked("name", SLOPED)
def test_a_wrong_rule_where_the_function_is_flat_only_here_is_no_straight_through(name):
    f, x, backward = SLOPED[name]
    report = cr.check(f, x, backward=backward)
    assert report.verdict == "wrong"
    assert "straight-through" not in {h.code for h in report.findings[0].hypotheses}
    if name in ("relu", "relu of one", "clip", "float32"):
        assert report.findings[0].code == "mask"


STEPPED = {
    "sign": np.sign,
    "rounded": np.round,
    "of a network": lambda x: (np.tanh(x) @ np.linspace(-1, 1, 8).reshape(4, 2) > 0) * 1.5,
    "summed": lambda x: np.floor(4 * x).sum(),
    "quantized": lambda x: np.clip(np.round(x / 0.1), -8, 7) * 0.1,
    "one-hot": lambda x: (x == x.max(-1, keepdims=True)) * 1.0,
}


@walked("name", STEPPED)
def test_steps_of_every_kind_are_still_recognised(name):
    def surrogate(g, x):
        return (np.sum(g) / (1 + x * x)).astype(x.dtype)

    for dtype in (np.float64, np.float32):
        report = cr.check(STEPPED[name], X.astype(dtype), backward=OPAQUE(surrogate))
        assert report.findings[0].code == "straight-through", dtype


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="expected: got 'sign', expected one of straight-through, gradient-reversal, "):
        cr.check(np.tanh, X, expected="sign")


def test_an_estimator_that_draws_is_not_deterministic():
    rng = np.random.default_rng(0)

    def estimate(g, x):
        return g * np.cos(x) * (1 + rng.standard_normal(x.shape))

    assert cr.check(np.sin, X, backward=estimate).verdict == "non-deterministic"


def test_a_layer():
    class Step:
        def forward(self, x):
            return np.sign(x)

        def backward(self, g):
            return g

    assert cr.check_layer(Step(), X).findings[0].code == "straight-through"
    assert cr.check_layer(Step(), X, expected="straight-through").ok


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_numbers_and_arrays_of_one_element(torch, shape):
    a = torch.full(shape, 0.3)
    assert cr.check_torch(lambda a, x: a * x, a, torch.ones(3)).verdict == "right"
    module = torch.nn.Linear(3, 1)
    module.scale = torch.nn.Parameter(a)
    assert cr.check_torch(lambda x: module(x).sum() * module.scale, torch.ones(3)).verdict == "right"
    assert cr.check(lambda a, x: a * x, np.full(shape, 0.3), X).verdict == "right"
    layer = nn.Linear(4, 1)
    layer.scale = nn.Parameter(np.full(shape, 0.5))
    assert cr.check(lambda x: layer(x).sum() * layer.scale, X).verdict == "right"


@pytest.mark.slow
def test_functions_of_pytorch(torch):
    class Rounded(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.round(x)

        @staticmethod
        def backward(ctx, g):
            return g

    x = torch.tensor([0.2, 1.4, -0.7])
    assert cr.check_torch(Rounded, x).findings[0].code == "straight-through"
    assert cr.check_torch(lambda x: Rounded.apply(2 * x).sum(), x, expected="straight-through").ok

    def raises(x):
        if not torch.equal(x.detach(), there):
            raise RuntimeError("out of the lattice")
        return x

    there = x.double()
    report = cr.check_torch(raises, there)
    assert report.verdict == "raises"
    assert "out of the lattice" in str(report)


@pytest.mark.slow
def test_functions_of_jax(jax):
    @jax.custom_vjp
    def rounded(x):
        return jax.numpy.round(x)

    rounded.defvjp(lambda x: (jax.numpy.round(x), None), lambda _, g: (g,))
    x = jax.numpy.array([0.2, 1.4, -0.7])
    assert cr.check_jax(rounded, x).findings[0].code == "straight-through"
    assert cr.check_jax(rounded, x, expected="straight-through").ok


def test_a_gradient_that_is_right_to_a_tolerance_is_approximate():
    def root(a):
        return np.sqrt(a)

    def by_newton(g, a):
        y = np.ones_like(a)
        for _ in range(STEPS):
            y = (y + a / y) / 2
        return g / (2 * y)

    report = cr.check(root, A, backward=OPAQUE(by_newton))
    assert report.verdict == "wrong"
    assert report.findings[0].code == "approximate"
    assert "tolerance" in str(report.findings[0].detail)
    assert "허용 오차" in report.to_text("ko")
    assert cr.check(root, A, backward=OPAQUE(by_newton), expected="approximate").ok


def with_epsilon(p):
    return -np.log(p + 1e-5)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_slope(g, x):
    t = np.tanh(0.0356774 * x**3 + 0.797885 * x)
    return g * (0.5 * t + (0.0535161 * x**3 + 0.398942 * x) * (1 - t**2) + 0.5)


NEARLY = {
    "an epsilon in the forward pass": (with_epsilon, lambda g, p: -g / p, "1e-05 in the forward pass", "순전파에만"),
    "rounded numbers": (gelu, gelu_slope, "the rounding of 0.0356774, 0.797885, 0.0535161", "반올림한 수 0.0356774"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NEARLY)
def test_the_number_that_makes_a_gradient_approximate_is_named(name):
    f, backward, english, korean = NEARLY[name]
    report = cr.check(f, A, backward=backward)
    assert report.findings[0].code == "approximate"
    assert english in str(report)
    assert korean in report.to_text("ko")
    hidden = cr.check(f, A, backward=OPAQUE(backward))  # what one pass has cannot be said if the other is not seen
    assert english not in str(hidden)
    assert cr.check(f, A, backward=backward, expected="approximate").ok


def test_a_number_of_the_backward_pass_alone_is_named_in_both_languages():
    what = next(_said({0.5: None}, {0.5: None, 1e-5: None}))
    assert what == "1e-05 in the backward pass, which the other does not have"
    text = f"the gradient agrees to 4e-06 of its size; the rest may come from {what}; if that is meant, pass x"
    assert "역전파에만 있는 1e-05 때문일" in fitted(text)


def test_a_larger_error_and_a_constant_factor_are_no_approximation():
    slips = {
        "larger": lambda g, a: g * np.cos(a) * (1 + 1e-2 * np.sin(9 * a)),
        "factor": lambda g, a: g * np.cos(a) * (1 + 1e-5),
    }
    for name, backward in slips.items():
        report = cr.check(np.sin, A, backward=OPAQUE(backward), expected="approximate")
        assert not report.ok, name
        assert report.findings[0].code != "approximate", name


def test_a_gradient_through_a_clamp_is_told_by_its_bound():
    def clamped(v):
        v = np.asarray(v)
        return np.log(np.maximum(v, 0.5)) + 0.1 / np.maximum(v, 0.5)

    def through(g, v):
        v = np.maximum(v, 0.5)
        return g / v - 0.1 * g / v**2

    at = np.random.default_rng(3).uniform(0.1, 0.9, 15)
    report = cr.check(clamped, at, backward=OPAQUE(through))
    text = str(report.findings[0].detail)
    assert report.findings[0].code == "partial"
    low, high = (float(n) for n in re.search(r"v is below a bound between (\S+) and (\S+)", text).groups())
    assert low <= 0.5 <= high


def test_a_gradient_through_a_clamp_of_two_sides_is_told_by_its_range():
    at = np.random.default_rng(3).standard_normal(20)
    report = cr.check(lambda x: np.clip(x, -0.6, 0.7), at, backward=OPAQUE(lambda g, x: g))
    reasons = {h.code: str(h.detail) for h in report.findings[0].hypotheses}
    assert "x is outside a range of about [-0." in reasons["partial"]


def test_a_function_that_passes_on_only_here_is_no_scaling():
    positive = np.abs(X) + 0.1
    report = cr.check(lambda x: np.maximum(x, 0), positive, backward=OPAQUE(lambda g, x: 2 * g * (x > 0)))
    assert (report.verdict, report.findings[0].code) == ("wrong", "factor")
