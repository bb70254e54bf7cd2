"""Every kind of layer and loss is explained with every equation verified."""

import time

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.explain.unicode_math import to_unicode

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


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    cr.seed(0)
    loss, target = LOSSES[name]
    verified, wrong = all_verified(
        cr.explain(nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)), X, loss=loss, target=target)
    )
    assert verified, wrong


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

    def test_the_time_does_not_explode(self):
        start = time.process_time()
        cr.explain(self.model, self.x, loss=nn.MSELoss(), target=self.x, level="brief")
        assert time.process_time() - start < 5
