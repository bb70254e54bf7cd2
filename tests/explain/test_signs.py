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
