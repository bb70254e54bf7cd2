"""Normalisations are derived as their papers write them, whatever the axes the program moves."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.explain.derive.indices import indices_of

RNG = np.random.default_rng(0)


def derived(model, *shape, **settings):
    x = RNG.normal(size=shape)
    return cr.explain(model, x, loss=lambda y: (y**2 * np.arange(y.shape[-1])).mean(), **settings)


def formulas(derivation):
    return {step.formula for step in derivation.steps}


@walked("shape", [(4, 3), (2, 3, 5), (2, 3, 4, 4)], ids=str)
@walked("level", ["full", "proof"])
def test_batch_normalisation_is_the_papers_two_lines(shape, level):
    layer = nn.BatchNorm2d(3) if len(shape) == 4 else nn.BatchNorm1d(3)
    layer.weight.data[...] = [0.5, -1.0, 2.0]
    derivation = derived(layer, *shape, level=level)
    assert derivation.ok
    assert derivation.equations() == derivation.equations_verified()
    forward = [step.formula for step in derivation.forward]
    at = "n m" if len(shape) == 2 else "n m i"  # a table has no places
    assert forward[2:4] == [
        rf"\hat x_{{{at}}} = \frac{{x_{{{at}}} - \mu_{{m}}}}{{\sigma_{{m}}}}",
        rf"v_{{{at}}} = \gamma_{{m}} \hat x_{{{at}}} + \beta_{{m}}",
    ]
    lines = [line.latex for step in derivation.steps for line in step.lines]
    assert any("i" in indices_of(latex) for latex in (*forward, *lines)) == (len(shape) > 2)
    assert not any("reshape" in formula or "transpose" in formula for formula in formulas(derivation))


def test_in_evaluation_the_scale_and_the_shift_are_the_layers():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.BatchNorm2d(3)).eval()
    derivation = derived(model, 2, 2, 5, 5)
    assert derivation.ok
    names = {row.name: row.symbol for row in derivation.symbols}
    assert (names["1.weight"], names["3.bias"]) == (r"\gamma^{(2)}", r"\beta^{(3)}")
    assert "reshape" not in str(derivation)


@pytest.mark.parametrize("norm", ["group", "instance"])
def test_groups_have_no_scale_of_one(norm):
    def f(x, w):
        if norm == "group":
            return (nn.functional.group_norm(x, 2, w, w) ** 3).sum()
        return (nn.functional.instance_norm(x, weight=w, bias=w) ** 3).sum()

    derivation = cr.explain(f, RNG.normal(size=(2, 4, 3, 3)), RNG.normal(size=4), level="proof")
    assert derivation.ok
    assert any(r"\hat x" in formula for formula in formulas(derivation))
    assert not any(" + 0" in formula or "= 1 " in formula for formula in formulas(derivation))


def test_a_normalisation_without_parameters_is_proved():
    derivation = cr.explain(
        lambda x: (nn.functional.layer_norm(x, (3,)) ** 3).sum(), RNG.normal(size=(2, 3)), level="proof"
    )
    assert derivation.ok
    assert max(len(step.lines) for step in derivation.backward) > 5


def test_a_value_used_twice_stays_apart():
    def f(x, w):
        scale = np.reshape(w, (-1, 1, 1))
        return ((x * scale) * scale).sum()

    assert cr.explain(f, RNG.normal(size=(2, 3, 2, 2)), RNG.normal(size=3)).ok


def test_scaled_factors_of_a_product_are_lines_of_their_own():
    def f(q, k, c):
        return np.sum(((q * c) @ (np.swapaxes(k, -1, -2) * np.swapaxes(c, 0, 1))) ** 2)

    derivation = cr.explain(f, RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 3, 4)), RNG.normal(size=(1, 4)))
    assert derivation.ok


def test_a_row_masked_throughout_by_the_smallest_number_is_evaluated_relative_to_it():
    mask = np.where([[0], [1]], np.finfo(float).min, 0.0) + np.zeros((2, 4))
    derivation = cr.explain(lambda x: (cr.softmax(x + mask, -1) * np.arange(4.0)).sum(), RNG.normal(size=(2, 4)))
    assert derivation.unverified == ()


@pytest.mark.parametrize(
    ("channels", "kernels", "forward", "backward"),
    [
        (
            4,
            (4, 2, 3),
            "Σₘₖ wₒₘₖ x[n, 2 ⌊o/2⌋ + m, i + k]",
            "Σ[o, k, i: ⌊o/2⌋ = ⌊m/2⌋, i + k = j] w[o, m mod 2, k]",
        ),
        (3, (3, 1, 3), "Σₖ wₒ₀ₖ xₙₒᵢ₊ₖ", "Σ[o, k, i: o = m, i + k = j] wₒ₀ₖ"),
    ],
)
def test_a_kernel_takes_the_channels_of_its_group(channels, kernels, forward, backward):
    groups = channels // kernels[1]

    def loss(x, w):
        y = nn.functional.conv1d(x, w, groups=groups)
        return (y**2).sum()

    rng = np.random.default_rng(0)
    d = cr.explain(loss, rng.standard_normal((2, channels, 6)), rng.standard_normal(kernels))
    assert d.ok
    assert forward in d.to_text()
    assert backward in d.to_text()
