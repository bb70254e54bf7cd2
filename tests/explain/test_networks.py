"""Every kind of layer and loss is explained with every equation verified."""

import dataclasses

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.present.unicode_math import to_unicode

RNG = np.random.default_rng(1)
X, Y = RNG.standard_normal((6, 5)), RNG.standard_normal((6, 3))
IMAGES, CLASSES = RNG.standard_normal((2, 1, 8, 8)), np.array([1, 2])


def around(layer):
    return lambda: nn.Sequential(nn.Linear(5, 4), layer(), nn.Linear(4, 3))


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(7, 8)
        self.pos = nn.Parameter(RNG.standard_normal((5, 8)) * 0.1)
        self.block = nn.TransformerBlock(8, 2)
        self.head = nn.Linear(8, 7)

    def forward(self, t):
        h = self.tok(t) + self.pos
        h = self.block(h, causal=True)
        return self.head(h)


MODELS = {
    **{layer.__name__: around(layer) for layer in (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU)},
    **{layer.__name__: around(layer) for layer in (nn.LeakyReLU, nn.Softplus, nn.Softmax)},
    **{layer.__name__: around(lambda layer=layer: layer(4)) for layer in (nn.LayerNorm, nn.RMSNorm, nn.BatchNorm1d)},
    "Dropout": around(lambda: nn.Dropout(0.5)),
    "Residual": around(lambda: nn.Residual(nn.Sequential(nn.Linear(4, 4), nn.Tanh()))),
}
IMAGE_MODELS = {
    "convolution and max pooling": lambda: (
        nn.Conv2d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        48,
    ),
    "strided, batch norm": lambda: (nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4), nn.AvgPool2d(2), nn.Flatten(), 4),
    "group norm": lambda: (nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), 144),
}
LOSSES = {
    "classes": (nn.CrossEntropyLoss(), np.array([0, 1, 2, 0, 1, 2])),
    "probabilities": (nn.CrossEntropyLoss(), np.eye(3)[[0, 1, 2, 0, 1, 2]]),
    "smoothed": (nn.CrossEntropyLoss(label_smoothing=0.1), np.array([0, 1, 2, 0, 1, 2])),
    "summed": (nn.CrossEntropyLoss(reduction="sum"), np.array([0, 1, 2, 0, 1, 2])),
    "binary": (nn.BCEWithLogitsLoss(), np.eye(3)[[0, 1, 2, 0, 1, 2]]),
    "squared": (nn.MSELoss(), Y),
    "absolute": (nn.L1Loss(), Y),
    "huber": (nn.HuberLoss(), Y),
    "divergence": (nn.KLDivLoss(), np.full((6, 3), 1 / 3)),
    "log-likelihood": (lambda z, t: nn.NLLLoss()(cr.log_softmax(z), t), np.array([0, 1, 2, 0, 1, 2])),
}


def all_verified(derivation):
    wrong = [(step.symbol, step.formula, step.error, step.reason) for step in derivation.unverified]
    return not wrong and derivation.ok, wrong


@pytest.mark.parametrize("name", MODELS)
def test_layers(name):
    cr.seed(0)
    verified, wrong = all_verified(cr.explain(MODELS[name](), X, loss=nn.MSELoss(), target=Y, level="proof"))
    assert verified, wrong


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_images(name):
    cr.seed(0)
    *layers, features = IMAGE_MODELS[name]()
    model = nn.Sequential(*layers, nn.Linear(features, 4))
    verified, wrong = all_verified(cr.explain(model, IMAGES, loss=nn.CrossEntropyLoss(), target=CLASSES))
    assert verified, wrong


@walked("name", LOSSES)
def test_losses(name):
    cr.seed(0)
    loss, target = LOSSES[name]
    verified, wrong = all_verified(
        cr.explain(nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)), X, loss=loss, target=target)
    )
    assert verified, wrong


@pytest.mark.slow
@pytest.mark.parametrize("level", ["brief", "full", "proof"])
def test_a_language_model(level):
    cr.seed(0)
    tokens = RNG.integers(0, 7, (2, 5))
    derivation = cr.explain(LanguageModel(), tokens, loss=nn.CrossEntropyLoss(), target=tokens, level=level)
    verified, wrong = all_verified(derivation)
    assert verified, wrong
    shown = {to_unicode(step.symbol): to_unicode(step.formula) for step in derivation.steps}
    assert shown["∂L/∂V"] == "∂L/∂V = Pᵀ ∂L/∂O"
    assert "W⁽query⁾" in shown["z⁽query⁾"]


def written_in_place(a):
    b = a * 2.0
    b[0] = 0.0
    b[1] += 3.0
    return (b**2).sum()


def with_a_gradient_inside(w):
    g = cr.grad(lambda v: (np.sin(v) * w).sum())(w)
    return (g**2).sum()


@cr.custom
def cubed(x):
    r"""y = x^3"""
    return x**3


@cubed.def_vjp
def cubed_vjp(y_bar, x):
    r"""\bar x = 3 x^2 \odot \bar y"""
    return 3 * x**2 * y_bar


PROGRAMS = {
    "indices": lambda a: (a[1:, np.array([0, 2])] * a[0, -1]).sum(),
    "in place": written_in_place,
    "a gradient inside": with_a_gradient_inside,
    "a checkpoint": lambda a: (cr.checkpoint(lambda b: np.tanh(np.sin(b)))(a) ** 2).sum(),
    "a contraction": lambda a: np.einsum("ij,kj->ik", a, a).sum(),
    "a maximum": lambda a: np.where(a > 0, a, 0.1 * a).max(axis=1).sum(),
    "broadcasting": lambda a: ((a[:, None, :] - a[None, :, :]) ** 2).sum(axis=-1).mean(),
    "moments": lambda a: np.var(a, axis=0).sum() + np.std(a).sum(),
    "norms": lambda a: np.linalg.norm(a) + np.trace(a.T @ a),
    "stacked": lambda a: np.stack([a, a * 2.0]).sum(),
    "split": lambda a: sum((p**2).sum() for p in np.split(a, 2, axis=0)),
    "a user's operation": lambda a: cubed(a).sum(),
}


@walked("name", PROGRAMS)
def test_programs(name):
    x = RNG.standard_normal((4, 3))
    derivation = cr.explain(PROGRAMS[name], x)
    verified, wrong = all_verified(derivation)
    assert verified, wrong
    np.testing.assert_allclose(derivation.backward[-1].value, cr.grad(PROGRAMS[name])(x), rtol=1e-12)


def test_a_user_s_operation_without_a_formula_is_not_verified():
    unstated = cr.custom(lambda x: x**2)
    unstated.def_vjp(lambda y_bar, x: 2 * x * y_bar)
    derivation = cr.explain(lambda x: unstated(x), 3.0)
    assert not derivation.ok
    assert {step.reason for step in derivation.unverified} == {"the record states no formula"}
    assert float(derivation["x"].value) == 6.0
    assert all(row.ok for row in derivation.confirmations)


def test_a_shared_layer_and_frozen_ones():
    layer = nn.Linear(3, 3)
    model = nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh())
    derivation = cr.explain(model, Y, loss=nn.MSELoss(), target=Y)
    verified, wrong = all_verified(derivation)
    assert verified, wrong
    assert len(derivation["0.weight"].lines) + derivation["0.weight"].formula.count("+") >= 1
    model[0].requires_grad_(False)
    with pytest.raises(ValueError, match="every parameter of Sequential is frozen"):
        cr.explain(model, Y, loss=nn.MSELoss(), target=Y)


def test_a_value_split_and_joined():
    def f(x, w):
        a, b = np.split(x * w, 2, axis=-1)
        return (np.concatenate([b, a, b], axis=-1) ** 2).sum()

    x = RNG.standard_normal((2, 4))
    derivation = cr.explain(f, x, 2.0)
    np.testing.assert_allclose(derivation["w"].value, cr.grad(f, 1)(x, 2.0), rtol=1e-12)
    assert all(row.ok for row in derivation.confirmations)


class TestTransformerBlock:
    model = nn.Sequential(*(nn.TransformerBlock(16, 2) for _ in range(4)))
    x = RNG.standard_normal((2, 6, 16))

    @pytest.mark.slow
    def test_repeated_blocks_are_folded(self):
        derivation = cr.explain(self.model, self.x, loss=nn.MSELoss(), target=self.x, level="brief")
        one = cr.explain(self.model[:1], self.x, loss=nn.MSELoss(), target=self.x, level="brief")
        text = derivation.to_text()
        assert derivation.ok
        assert one.ok
        assert "× 4" in text
        assert len(one.to_text().splitlines()) < 150
        assert len(text.splitlines()) < 250
        assert len(derivation.steps) > 3 * len(one.steps)


class Recurrent(nn.Module):
    """A recurrent layer and what reads its last output."""

    def __init__(self, kind, **settings):
        super().__init__()
        self.rnn = kind(3, 4, **settings)
        self.out = nn.Linear(8 if settings.get("bidirectional") else 4, 2)

    def forward(self, x):
        return self.out(self.rnn(x)[0][-1])


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"bidirectional": True}, {"num_layers": 2, "bias": False}], ids=str)
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_networks(kind, settings):
    cr.seed(0)
    sequence, y = RNG.standard_normal((3, 2, 3)), RNG.standard_normal((2, 2))
    model = Recurrent(kind, **settings)
    verified, wrong = all_verified(cr.explain(model, sequence, loss=nn.MSELoss(), target=y))
    assert verified, wrong
    drawn = cr.graph(model, sequence, loss=nn.MSELoss(), target=y)
    assert drawn.to_html().count("<svg") == 1
    assert cr.explain_grad("rnn.weight_hh_l0", model, sequence, loss=nn.MSELoss(), target=y)


@dataclasses.dataclass
class Answer:
    logits: cr.Tensor
    loss: cr.Tensor


class Several(nn.Module):
    """A model whose result has several parts."""

    def __init__(self, form):
        super().__init__()
        self.fc, self.form = nn.Linear(3, 2), form

    def forward(self, x):
        logits = self.fc(x)
        return self.form(logits, (logits**2).mean())


FORMS = {
    "tuple": lambda z, loss: (z, loss),
    "list": lambda z, loss: [loss, z],
    "dict": lambda z, loss: {"logits": z, "loss": loss},
    "dataclass": Answer,
    "nested": lambda z, loss: {"parts": [z, z], "loss": (loss,)},
}


@walked("form", FORMS)
def test_a_result_of_several_parts(form):
    x = RNG.standard_normal((4, 3))
    verified, wrong = all_verified(cr.explain(Several(FORMS[form]), x))
    assert verified, wrong
    assert cr.graph(Several(FORMS[form]), x).operations > 1
    assert cr.explain_grad("fc.weight", Several(FORMS[form]), x)
    taken = cr.explain(
        Several(FORMS["dict"]), x, loss=lambda out, y: ((out["logits"] - y) ** 2).mean(), target=x[:, :2]
    )
    assert all_verified(taken)[0]


def test_a_loss_that_cannot_take_several_parts_says_what_there_is():
    with pytest.raises(TypeError, match=r"MSELoss cannot take what the model returns, a tuple of \[0\] \[2, 4\]"):
        cr.explain(nn.RNN(3, 4), RNG.standard_normal((2, 3)), loss=nn.MSELoss(), target=np.zeros((2, 4)))


@walked("shape", [(3,), (2, 3), (2, 2, 3)])
@walked("swapped", [False, True])
def test_a_product_with_a_transpose_and_a_bias(shape, swapped):
    rng = np.random.default_rng(0)

    def loss(x, w, b):
        y = b + x @ w.T if swapped else x @ w.T + b
        return (y**2).sum()

    derivation = cr.explain(loss, rng.normal(size=shape), rng.normal(size=(4, 3)), rng.normal(size=4))
    assert derivation.ok, derivation.unverified
    if len(shape) > 1:
        assert derivation.forward[0].formula.endswith(r"= x w^{\top} + b")


def test_a_tied_autoencoder():
    rng = np.random.default_rng(0)

    def loss(x, w, b, c):
        code = cr.sigmoid(x @ w + b)
        return ((code @ w.T + c - x) ** 2).mean() + 0.01 * np.abs(code).sum()

    derivation = cr.explain(
        loss, rng.normal(size=(2, 3)), rng.normal(size=(3, 2)), np.zeros(2), np.zeros(3), argnums=(1, 2, 3)
    )
    assert derivation.ok, derivation.unverified
