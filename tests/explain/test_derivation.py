"""`cr.explain`: the derivations of the textbook's networks come out, with their numbers, every equation verified."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.present.unicode_math import to_unicode
from chainrule.rules.network.activation import Relu
from chainrule.rules.network.cross_entropy import RuleStep, SoftmaxCrossEntropy
from chainrule.rules.network.linear import LinearMap

RNG = np.random.default_rng(0)


def neuron(x, w, b, y):
    z = w * x + b
    a = cr.sigmoid(z)
    return 0.5 * (a - y) ** 2


def two_layers(x, W1, b1, W2, b2, y):
    z1 = x @ W1 + b1
    a1 = cr.relu(z1)
    z2 = a1 @ W2 + b2
    return nn.functional.cross_entropy(z2, y)


def formulas(derivation):
    return {to_unicode(step.symbol): to_unicode(step.formula) for step in derivation.steps}


def mlp(*widths, activation=nn.ReLU):
    cr.seed(0)
    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


# The textbook's networks


class TestOneNeuron:
    derivation = cr.explain(neuron, 2.0, 0.5, 0.1, 1.0, argnums=(1, 2))

    def test_is_verified(self):
        assert self.derivation.ok
        assert self.derivation.equations() == self.derivation.equations_verified() == 7

    def test_formulas(self):
        assert formulas(self.derivation) == {
            "z": "z = w · x + b",
            "a": "a = σ(z) = 1/(1 + e^(-z))",
            "L": "L = 0.5 · (a - y)²",
            "∂L/∂a": "∂L/∂a = a - y",
            "∂L/∂z": "∂L/∂z = ∂L/∂a · ∂a/∂z = ∂L/∂a · a (1 - a)",
            "∂L/∂b": "∂L/∂b = ∂L/∂z",
            "∂L/∂w": "∂L/∂w = ∂L/∂z · x",
        }

    def test_numbers_are_exact_and_rounded_for_display_only(self):
        assert float(self.derivation["a"].value) == pytest.approx(0.7502601055951177, rel=1e-15)
        assert float(self.derivation["w"].value) == pytest.approx(-0.0935874678657066, rel=1e-14)
        assert to_unicode(self.derivation["L"].numbers) == "0.5 · (0.7503 - 1)²"

    def test_a_step_knows_its_line(self):
        step = self.derivation["z"]
        assert step.source.text == "z = w * x + b"
        assert step.source.file == __file__


class TestTwoLayers:
    x, y = RNG.standard_normal((5, 3)), np.eye(2)[[0, 1, 1, 0, 1]]
    W1, b1, W2, b2 = (RNG.standard_normal(shape) for shape in ((3, 4), (4,), (4, 2), (2,)))
    derivation = cr.explain(two_layers, x, W1, b1, W2, b2, y, argnums=(1, 2, 3, 4))

    def test_the_table_of_gradients_and_shapes(self):
        rows = [
            (to_unicode(s.symbol), to_unicode(s.formula.split(" = ")[-1]), s.shape) for s in self.derivation.backward
        ]
        assert rows == [
            ("∂L/∂ℓ", "1/5", (5,)),
            ("δ⁽²⁾", "(ŷ - y)/5", (5, 2)),
            ("∂L/∂W⁽²⁾", "a⁽¹⁾ᵀ δ⁽²⁾", (4, 2)),
            ("∂L/∂b⁽²⁾", "Σᵢ δ⁽²⁾ᵢⱼ", (2,)),
            ("∂L/∂a⁽¹⁾", "δ⁽²⁾ W⁽²⁾ᵀ", (5, 4)),
            ("δ⁽¹⁾", "∂L/∂a⁽¹⁾ ⊙ [z⁽¹⁾ > 0]", (5, 4)),
            ("∂L/∂W⁽¹⁾", "xᵀ δ⁽¹⁾", (3, 4)),
            ("∂L/∂b⁽¹⁾", "Σᵢ δ⁽¹⁾ᵢⱼ", (4,)),
        ]

    def test_softmax_with_cross_entropy_is_derived_in_full(self):
        lines = [to_unicode(line.latex) for line in self.derivation["δ⁽²⁾"].lines]
        assert lines[1:3] == ["∂ℓ/∂ŷᵢ = -yᵢ/ŷᵢ", "∂ŷᵢ/∂z⁽²⁾ⱼ = ŷᵢ ([i = j] - ŷⱼ)"]
        assert "∂ℓ/∂z⁽²⁾ⱼ = ŷⱼ - yⱼ" in lines
        assert all(line.ok for line in self.derivation["δ⁽²⁾"].lines)

    def test_gradients_are_the_engines(self):
        args = (self.x, self.W1, self.b1, self.W2, self.b2, self.y)
        for name, gradient in zip(("W1", "b1", "W2", "b2"), cr.grad(two_layers, (1, 2, 3, 4))(*args), strict=True):
            np.testing.assert_array_equal(self.derivation[name].value, gradient)

    def test_is_verified_and_confirmed(self):
        assert self.derivation.ok
        assert len(self.derivation.confirmations) == 4
        assert max(row.error for row in self.derivation.confirmations) < 1e-8


def test_many_layers():
    network = [(RNG.standard_normal((n, m)), np.zeros(m)) for n, m in ((4, 5), (5, 6), (6, 3))]
    x, y = RNG.standard_normal((7, 4)), np.arange(7) % 3

    def loss(network, x, y):
        a = x
        for W, b in network[:-1]:
            a = cr.relu(nn.functional.linear(a, W, b))
        return nn.functional.cross_entropy(nn.functional.linear(a, *network[-1]), y)

    derivation = cr.explain(loss, network, x, y, argnums=0)
    shown = formulas(derivation)
    assert derivation.ok
    assert shown["z⁽²⁾"] == "z⁽²⁾ = a⁽¹⁾ W⁽²⁾ + b⁽²⁾"
    assert shown["δ⁽¹⁾"].endswith("= ∂L/∂a⁽¹⁾ ⊙ [z⁽¹⁾ > 0]")
    assert shown["∂L/∂W⁽³⁾"] == "∂L/∂W⁽³⁾ = a⁽²⁾ᵀ δ⁽³⁾"
    for (dW, db), k in zip(cr.backprop(network, x, y), (0, 1, 2), strict=True):
        np.testing.assert_allclose(derivation[f"network[{k}][0]"].value, dW, rtol=1e-12)
        np.testing.assert_allclose(derivation[f"network[{k}][1]"].value, db, rtol=1e-12)


def test_the_linear_map_with_its_index_proof():
    def loss(x, W, b):
        z = x @ W + b
        a = cr.relu(z)
        return a.sum()

    args = (RNG.standard_normal((32, 10)), RNG.standard_normal((10, 5)), RNG.standard_normal(5))
    derivation = cr.explain(loss, *args, level="proof")
    lines = [to_unicode(line.latex) for line in derivation["W"].lines]
    assert derivation.ok
    assert derivation["W"].shape == (10, 5)
    assert derivation["b"].shape == (5,)
    assert lines == [
        "zᵢⱼ = Σₖ xᵢₖ Wₖⱼ + bⱼ",
        "∂zᵢⱼ/∂Wₘₙ = xᵢₘ [j = n]",
        "∂L/∂Wₘₙ = Σᵢⱼ ∂L/∂zᵢⱼ xᵢₘ [j = n]",
        "∂L/∂Wₘₙ = Σᵢ xᵢₘ ∂L/∂zᵢₙ",
    ]


class TestAttention:
    q, k, v = (RNG.standard_normal(shape) for shape in ((3, 4), (5, 4), (5, 2)))

    def test_written_out(self):
        def attention(Q, K, V):
            scores = Q @ K.T / np.sqrt(Q.shape[-1])
            weights = cr.softmax(scores)
            output = weights @ V
            return (output**2).sum()

        derivation = cr.explain(attention, self.q, self.k, self.v)
        shown = formulas(derivation)
        assert derivation.ok
        assert shown["scores"] == "scores = (Q Kᵀ)/2"
        assert shown["∂L/∂V"] == "∂L/∂V = weightsᵀ ∂L/∂output"
        assert shown["∂L/∂weights"] == "∂L/∂weights = ∂L/∂output Vᵀ"
        assert shown["∂L/∂scores"].startswith("∂L/∂scores = weights ⊙ (∂L/∂weights - Σ[axis 1]")

    @pytest.mark.parametrize("causal", [False, True])
    def test_fused_with_its_form_in_blocks(self, causal):
        def attention(Q, K, V):
            return (nn.functional.scaled_dot_product_attention(Q, K, V, causal=causal) ** 2).sum()

        derivation = cr.explain(attention, self.q, self.k, self.v, level="proof")
        lines = [to_unicode(line.latex) for line in derivation["Q"].lines]
        assert derivation.ok
        assert "Λᵢ = log Σⱼ e^(Sᵢⱼ)" in lines
        assert "D = rowsum(P̄ ⊙ P) = rowsum(∂L/∂O ⊙ O)" in lines
        assert formulas(derivation)["∂L/∂V"] == "∂L/∂V = Pᵀ ∂L/∂O"


def test_mazur():
    """Matt Mazur, "A Step by Step Backpropagation Example" (2015)."""
    x, target = np.array([0.05, 0.10]), np.array([0.01, 0.99])

    def error(W1, W2):
        h = cr.sigmoid(x @ W1 + 0.35)
        o = cr.sigmoid(h @ W2 + 0.60)
        return (0.5 * (target - o) ** 2).sum()

    W1, W2 = np.array([[0.15, 0.25], [0.20, 0.30]]), np.array([[0.40, 0.50], [0.45, 0.55]])
    derivation = cr.explain(error, W1, W2)
    assert derivation.ok
    assert float(derivation["L"].value) == pytest.approx(0.298371109, abs=5e-10)
    np.testing.assert_allclose((W2 - 0.5 * derivation["W2"].value).T.ravel()[:2], [0.35891648, 0.408666186], atol=5e-9)
    assert formulas(derivation)["L"] == "L = Σ 0.5 · (target - o)²"


def test_a_value_used_several_times_sums_what_comes_back():
    derivation = cr.explain(lambda a: a * a + 3.0 * a, 2.0)
    assert formulas(derivation)["∂L/∂a"] == "∂L/∂a = 3 + 2 a"
    assert float(derivation["a"].value) == 7.0


# What a reader must never see


@pytest.fixture
def wrong_formula(monkeypatch):
    def inject(rule, docstring):
        monkeypatch.setattr(rule, "__doc__", docstring)

    return inject


def explained():
    return cr.explain(
        mlp(3, 4, 2), RNG.standard_normal((5, 3)), loss=nn.CrossEntropyLoss(), target=np.eye(2)[[0, 1, 1, 0, 1]]
    )


@pytest.mark.parametrize(
    ("rule", "docstring", "symbol"),
    [
        (Relu.partial, r"\frac{\partial y}{\partial x} = [y < 0]", "δ⁽¹⁾"),
        (LinearMap.adjoint_w, r"\bar W = \bar y\,x^\top", "∂L/∂W⁽¹⁾"),
        (LinearMap.adjoint_b, r"\bar b_j = 2 \sum_i \bar y_{ij}", "∂L/∂b⁽¹⁾"),
    ],
)
def test_a_wrong_formula_is_not_shown_as_verified(wrong_formula, rule, docstring, symbol):
    wrong_formula(rule, docstring)
    derivation = explained()
    step = derivation[symbol]
    assert not derivation.ok
    assert not step.verified
    assert all(not s.verified for s in derivation.unverified)
    for text in (derivation.to_text(), derivation.to_markdown(), derivation.to_latex()):
        assert "not verified" in text.lower()


def test_a_wrong_line_of_a_fused_derivation_is_not_shown_as_verified(monkeypatch):
    steps = list(SoftmaxCrossEntropy.derivation)
    wrong = RuleStep(steps[2].title, steps[2].latex.replace(r"- \hat y_j", r"+ \hat y_j"), steps[2].check)
    monkeypatch.setattr(SoftmaxCrossEntropy, "derivation", (*steps[:2], wrong, *steps[3:]))
    derivation = explained()
    assert [line.ok for line in derivation["δ⁽²⁾"].lines].count(False) == 1
    assert not derivation.ok


def test_a_formula_that_cannot_be_read_is_counted(wrong_formula):
    wrong_formula(Relu.partial, r"y \mapsto \text{the obvious thing} = ?")
    derivation = explained()
    assert derivation["δ⁽¹⁾"].error is None
    count = derivation.equations()
    assert derivation.equations_verified() == count - 1
    assert f"{count - 1} of {count} equations are verified; 1 are not" in derivation.to_text()


# What a call leaves as it was, and what it refuses


def test_the_model_and_the_random_numbers_stay_as_they_were():
    cr.seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    before = model.state_dict()
    expected = cr.rand(3).numpy()
    cr.seed(3)
    nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    derivation = cr.explain(model, RNG.standard_normal((6, 3)), loss=nn.MSELoss(), target=np.zeros((6, 2)))
    assert derivation.ok
    np.testing.assert_array_equal(cr.rand(3).numpy(), expected)
    assert all(p.grad is None for p in model.parameters())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@walked(
    ("call", "error", "message"),
    [
        (
            lambda: cr.explain(mlp(3, 2), np.ones((4, 3))),
            ValueError,
            r"expected a scalar loss; pass its loss and target",
        ),
        (lambda: cr.explain(mlp(3, 2)), TypeError, r"needs data: cr\.explain\(model, x"),
        (lambda: cr.explain(mlp(3, 2), np.ones((4, 3)), target=np.ones((4, 2))), ValueError, "a target but no loss"),
        (lambda: cr.explain(mlp(3, 2), np.ones((4, 3)), loss=nn.MSELoss()), TypeError, r"pass target="),
        (lambda: cr.explain(3), TypeError, "expected a model or a function, got int"),
        (lambda: cr.explain(lambda x: 3.0, 1.0), ValueError, "depends on no argument that has a gradient"),
        (
            lambda: cr.explain(lambda x: (x, x), 1.0),
            TypeError,
            r"returns a tuple of \[0\] \[\], \[1\] \[\], expected one scalar",
        ),
        (lambda: cr.explain(lambda x: x * np.inf, 1.0), ValueError, "the loss is inf"),
        (lambda: cr.explain(lambda x: x, 1.0, lang="fr"), ValueError, "lang: expected one of en, ko"),
        (lambda: cr.explain(lambda x: x, 1.0, level="long"), ValueError, "level: expected one of brief, full, proof"),
        (lambda: cr.explain(lambda x: x, 1.0, argnums=2), ValueError, "out of range"),
        (lambda: cr.explain(neuron, 2.0, 0.5, 0.1, 1.0)["q"], KeyError, "no step for 'q'; expected one of"),
    ],
)
def test_a_wrong_call_says_what_to_do(call, error, message):
    with pytest.raises(error, match=message):
        call()


# A law for every network


@pytest.mark.slow
@settings(max_examples=25)
@given(
    widths=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    rows=st.integers(1, 4),
    activation=st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.Softplus]),
    seed=st.integers(0, 99),
)
def test_every_equation_of_every_network_is_verified(widths, rows, activation, seed):
    rng = np.random.default_rng(seed)
    model = mlp(*widths, activation=activation).double()
    x, y = rng.standard_normal((rows, widths[0])), rng.standard_normal((rows, widths[-1]))
    derivation = cr.explain(model, x, loss=nn.MSELoss(), target=y, level="proof")
    assert derivation.equations_verified() == derivation.equations()
    assert all(row.ok for row in derivation.confirmations)
    nn.MSELoss()(model(x), y).backward()
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(derivation[name].value, parameter.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_the_function_is_found_under_its_name_in_the_package():
    from chainrule.explain import explain

    assert explain(lambda x: x * x, 3.0).ok
    assert cr.explain(lambda x: x * x, 3.0).ok
