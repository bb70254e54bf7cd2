"""Signs and numbers that the chain rule brings together: written as one, and still what the gradient is."""

import itertools

import numpy as np
import pytest
from tests.named import named

import chainrule as cr
from chainrule.formula.evaluation import parse
from chainrule.present.unicode_math import to_unicode

X, C = np.array([0.5, 2.0]), np.array([1.0, -3.0])
A = np.linspace(0.1, 1.0, 60).reshape(3, 20)


@pytest.mark.parametrize("level", ["full", "proof"])
def test_signs_and_numbers_are_joined(level):
    cases = {
        "twice negated": (lambda x: np.negative(-x).sum(), X, "∂L/∂x = 1"),
        "a negated mean": (lambda x: -(-x * 2).sum(), X, "∂L/∂x = 2"),
        "a number times a mean": (lambda x: (x / 2 / 3).mean(), X, "∂L/∂x = 1/12"),
        "a mean of halved squares": (lambda a: (0.5 * (a - 1) ** 2).mean(), A, "∂L/∂a = 1/60 (a - 1)"),
        "thirds": (lambda x: 3 * (2 * x).sum() / 7, X, "∂L/∂x = 6/7"),
        "no fraction": (lambda x: (np.pi * x).mean(), X, "∂L/∂x = 1/2 · 3.142"),
    }
    for name, (f, x, expected) in cases.items():
        with named(name):
            found = cr.explain(f, x, level=level)
            assert found.ok
            assert to_unicode(found.steps[-1].formula) == expected


def test_a_product_with_minus_one_is_a_sign():
    found = cr.explain(lambda x: -(x * C).sum(), X)
    assert found.ok
    assert to_unicode(found.steps[-1].formula).split(" = ")[-1] == "-C"
    assert to_unicode(cr.explain(lambda x: np.negative(-x).sum(), X).steps[0].formula) == "L = Σ x"


@pytest.mark.slow
def test_what_is_displayed_is_the_gradient():
    for a, b, c in itertools.product((-3.0, -1.0, 0.5), (-0.5, 60.0), (-7.0, 1.0)):

        def loss(x, a=a, b=b, c=c):
            return (-(-(-x * a) / c) - a).mean() * b

        with named(a, b, c):
            found = cr.explain(loss, X)
            assert found.ok
            step = found.steps[-1]
            right = step.formula.split(" = ")[-1]
            assert step.value == pytest.approx(float(parse(right).evaluate({})), rel=1e-12)


def test_a_derivation_is_written_to_a_path(tmp_path):
    found = cr.explain(lambda x: (x * x).sum(), X)
    for write, name in ((found.to_html, "d.html"), (found.to_latex, "d.tex"), (found.to_markdown, "d.md")):
        assert write(tmp_path / name) == write() == (tmp_path / name).read_text(encoding="utf-8")


def test_a_constant_of_one_is_no_factor_and_a_sign_is_before_its_term():
    def pendulum(k, c):
        q, v, dt = 1.0, 0.0, 0.1
        for _ in range(2):
            a = -k * q - c * v
            q, v = q + dt * v, v + dt * a
        return (q + v - 0.9) ** 2

    derivation = cr.explain(pendulum, 2.0, 0.1)
    found = [to_unicode(step.formula) for step in derivation.steps]
    assert derivation.ok
    assert found[0] == "a⁽¹⁾ = -k - c · 0"
    assert to_unicode(derivation.steps[0].numbers) == "(-2) · 1 - 0.1 · 0"
    assert not any(" · 1 " in f"{text} " or "(-∂" in text or "(-k)" in text for text in found)
    assert not any(to_unicode(step.numbers or "").startswith("0 + ") for step in derivation.steps)


def test_a_number_and_an_array_are_multiplied_with_a_dot():
    a = np.array([1.0, -2.0, 0.5])

    def distance(M):
        return np.sqrt(((M @ a) ** 2).sum() + 1e-9)

    derivation = cr.explain(distance, np.arange(6.0).reshape(2, 3), level="proof")
    assert derivation.ok
    assert any("∂L/∂u · 2 M a" in to_unicode(step.formula) for step in derivation.steps)


def test_a_rule_for_a_number_that_multiplies_an_array_has_its_sum():
    x = np.array([1.0, -2.0, 0.5])

    def loss(t):
        z = t * x + x
        return (z**2).sum()

    lines = [to_unicode(line.latex) for line in cr.explain(loss, 0.3, level="proof")["t"].lines]
    assert lines[-1].startswith("∂L/∂t = Σ ")
    assert lines[-1].endswith(" ⊙ x")
