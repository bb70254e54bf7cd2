"""What is only rounding is shown as 0, in every view of a run; what is small for another reason is shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import nn


def cancelling(a, b, c):
    s = a + b
    d = s - c
    return d * 2.0


def centred(x, b):
    z = x + b
    m = z.mean()
    u = z - m
    return (u**2).sum()


def normalised():
    cr.seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 1))
    x = np.random.default_rng(0).normal(size=(4, 2))
    return model, x, {"loss": nn.MSELoss(), "target": np.ones((4, 1))}


def test_terms_that_cancel_are_0_and_the_derivation_says_so():
    d = cr.explain(cancelling, 0.1, 0.2, 0.3)
    assert float(d["d"].value) == 0.1 + 0.2 - 0.3 != 0  # the value stays exact
    text = d.to_text()
    assert "      = 0\n" in text
    assert "= 0 · 2" in text
    assert "0 up to rounding" in text
    assert "10⁻¹" not in text
    for written in (d.to_markdown(), d.to_latex(), d.to_html()):
        assert "0 up to rounding" in written
        assert "5.551" not in written
    assert "반올림 오차 안에서 0" in cr.explain(cancelling, 0.1, 0.2, 0.3, lang="ko").to_text()


def test_a_gradient_that_cancels_is_0_in_the_steps_the_table_and_the_check():
    d = cr.explain(centred, np.array([0.1, 0.2, 0.5]), 0.3)
    assert d.ok
    assert all(float(d[name].displayed) == 0 for name in ("b", "∂L/∂m"))
    assert "10⁻¹" not in d.to_text()
    row = next(row for row in d.confirmations if row.name == "b")
    assert (row.analytic, row.numeric) == (0.0, 0.0)


def test_the_bias_before_a_batch_norm_has_no_gradient():
    model, x, goal = normalised()
    d = cr.explain(model, x, **goal)
    assert not np.any(d["0.bias"].displayed)
    path = cr.explain_grad("0.bias", model, x, **goal)
    assert (path.verdict, path.cause, path.at) == ("zero", "vanishes", "linear (0)")
    assert "no more than its rounding" in path.sentence
    assert (path.steps[-1].size, path.steps[-1].zeros) == (0.0, 1.0)
    assert "반올림" in cr.explain_grad("0.bias", model, x, lang="ko", **goal).sentence


def test_the_bias_of_attention_keys_has_no_gradient():
    h = np.random.default_rng(0).normal(size=(2, 5, 8))
    block = nn.TransformerBlock(8, 2)
    steps = cr.explain(block, h, loss=nn.MSELoss(), target=np.zeros_like(h))
    assert not np.any(steps["attention.key.bias"].displayed)
    assert np.all(steps["attention.value.bias"].displayed)


def test_the_graph_and_the_explorer_show_the_same():
    for text in (
        cr.graph(cancelling, 0.1, 0.2, 0.3).to_svg(),
        cr.graph(centred, np.array([0.1, 0.2, 0.5]), 0.3).to_svg(),
    ):
        assert "e−17" not in text
        assert "e-17" not in text


def test_parts_of_complex_numbers_are_shown_by_the_same_rule():
    def turn(t):
        z = np.exp(1j * t)
        return z.real

    assert "10⁻¹" not in cr.explain(turn, np.pi / 2).to_text()


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=30))
def test_a_sum_minus_itself_in_another_order_is_0(numbers):
    def difference(x):
        total = x.sum()
        for number in np.asarray(numbers)[::-1]:
            total = total - float(number)
        return total

    found = cr.explain(difference, np.array(numbers), level="brief")
    assert float(found.forward[-1].displayed) == 0


@given(st.floats(1e-30, 1e-14), st.floats(0.1, 10))
def test_what_is_small_by_itself_is_shown(small, x):
    def product(x):
        y = small * x
        return y * x

    d = cr.explain(product, x)
    assert all(step.displayed == step.value for step in d.steps)
    softmax = cr.explain(lambda z: cr.softmax(z)[0], np.array([0.0, x - np.log(small)]))
    assert not any(step.rests for step in softmax.forward)


@pytest.mark.parametrize("slope", ["sigmoid", "tanh"])
def test_saturation_stays_the_cause(slope):
    def unit(w):
        return getattr(cr, slope)(w * 1.0) ** 2

    assert cr.explain_grad("w", unit, 18.0).cause == "saturated"
