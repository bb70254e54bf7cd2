"""Everything a function reaches is computed in float64, on copies: nothing is rounded, nothing of the user's moves."""

import functools
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.explain.derive import evaluated
from chainrule.nn import functional as F
from chainrule.rules.arrays.index import IndexAdd
from chainrule.rules.network.softmax import LogSumExp

from ..named import named

RNG = np.random.default_rng(1)
X = RNG.standard_normal((3, 2))
X32 = X.astype(np.float32)
Y = np.array([0, 1, 1])
WEIGHTS = RNG.standard_normal((2, 2)).astype(np.float32)


def network():
    cr.seed(3)
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))


GLOBAL = network()
SCALE = np.float32(0.3)
TABLE = {"scale": [np.float32(0.7)]}


def of_a_global(x):
    return F.cross_entropy(GLOBAL(x) * SCALE, Y)


def of_a_helper(x):
    return helper(x).mean()


def helper(x):
    return np.tanh(GLOBAL(x)) * TABLE["scale"][0]


def recursive(x, n=3):
    return (GLOBAL(x) * SCALE).sum() if n == 0 else recursive(np.tanh(x), n - 1)


def with_default(x, *, model=GLOBAL):
    return F.cross_entropy(model(x), Y)


class Trainer:
    """A class of the user's own that is no module."""

    def __init__(self):
        self.model = network()
        self.steps = []

    def loss(self, x):
        self.steps.append(1)
        return self._scaled(F.cross_entropy(self.model(x), Y))

    def _scaled(self, value):
        return value * SCALE

    def __call__(self, x):
        return self.loss(x) * SCALE


class Slotted:
    __slots__ = ("model",)

    def __init__(self):
        self.model = network()

    def loss(self, x):
        return F.cross_entropy(self.model(x), Y)


@dataclass
class Settings:
    model: nn.Module = field(default_factory=network)
    weight: np.ndarray = field(default_factory=lambda: WEIGHTS)


class Pair(NamedTuple):
    model: nn.Module
    y: np.ndarray


class ReachesOut(nn.Module):
    """A module whose forward and its helper use what stands outside of it."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(2, 2)
        self.scales = [np.float32(0.3), np.float32(0.1)]

    def forward(self, x):
        return self.helper(self.fc(x)) @ WEIGHTS

    def helper(self, z):
        return GLOBAL(np.tanh(z)) * self.scales[0]


def composed(*functions):
    return lambda x: functools.reduce(lambda value, f: f(value), functions, x)


def subjects():
    m, y, parts = network(), Y, {"models": [network(), network()]}
    settings, pair = Settings(), Pair(network(), Y)
    w = cr.tensor(WEIGHTS, requires_grad=True)
    nets = ModuleType("nets_of_the_user")
    nets.model = network()

    def nested(x):
        def inner(z):
            return m(z) * SCALE

        return F.cross_entropy(inner(x), y)

    def regularised(x):
        return F.cross_entropy(m(x), y) + 0.1 * (m[0].weight ** 2).sum()

    def cast(x):
        return (x.astype(np.float32) @ WEIGHTS).astype(np.float32).sum()

    def made_inside(x):
        cr.seed(0)
        return F.cross_entropy(nn.Linear(2, 2)(x), y)

    return {
        "closure": lambda x: F.cross_entropy(m(x), y),
        "global": of_a_global,
        "helper": of_a_helper,
        "recursive": recursive,
        "default": with_default,
        "bound method": Trainer().loss,
        "callable object": Trainer(),
        "slots": Slotted().loss,
        "module's method": lambda x, f=m.forward: F.cross_entropy(f(x), y),
        "partial": functools.partial(lambda model, x: F.cross_entropy(model(x), y), m),
        "partial of a partial": functools.partial(functools.partial(lambda a, b, x: (a(b(x))).sum(), m), np.tanh),
        "container": lambda x: F.cross_entropy(parts["models"][0](x) + parts["models"][1](x), y),
        "dataclass": lambda x: F.cross_entropy(settings.model(x) @ settings.weight, y),
        "named tuple": lambda x: F.cross_entropy(pair.model(x), pair.y),
        "composition": composed(m, np.tanh, lambda z: (z * SCALE).sum()),
        "user's module": lambda x: F.cross_entropy(nets.model(x), y),
        "tensor": lambda x: np.tanh(x @ w).sum(),
        "array": lambda x: np.tanh(x @ WEIGHTS).sum(),
        "nested function": nested,
        "parameter by itself": regularised,
        "cast": cast,
        "made inside": made_inside,
        "two networks": lambda x: F.cross_entropy(m(x) + GLOBAL(x), y),
        "transformer": (lambda block: lambda x: (block(x[None].repeat(2, -1)) ** 2).mean())(
            nn.TransformerBlock(4, 2, 8)
        ),
    }


def everything(derivation):
    return derivation.ok, [(s.symbol, s.formula, s.error, s.reason) for s in derivation.unverified]


@walked("x", [X, X32], ids=["float64", "float32"])
@walked("name", subjects())
def test_every_equation_is_verified_and_every_gradient_confirmed(name, x):
    derivation = cr.explain(subjects()[name], x)
    assert everything(derivation) == (True, [])
    assert not any(row.note for row in derivation.confirmations)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), lambda z, y: F.cross_entropy(z * SCALE, y)])
def test_a_model_and_its_loss_reach_outside(loss):
    assert everything(cr.explain(ReachesOut(), X32, loss=loss, target=Y)) == (True, [])


def test_a_module_in_a_function_reads_as_the_module_itself():
    model = network()
    alone = cr.explain(model, X, loss=nn.CrossEntropyLoss(), target=Y)
    inside = cr.explain(lambda x: F.cross_entropy(model(x), Y), X)
    assert [s.formula for s in alone.forward] == [s.formula.replace("Y", "y") for s in inside.forward]
    for name in ("0.weight", "0.bias", "2.weight", "2.bias"):
        assert inside[name].formula == alone[name].formula
        np.testing.assert_array_equal(inside[name].value, alone[name].value)
    assert [s.module for s in inside.forward[:3]] == ["0", "1", "2"]
    assert {row.role for row in inside.symbols if row.name.startswith("0.")} == {"parameter"}


def test_two_modules_have_their_variables_names():
    encoder, decoder = nn.Linear(2, 3), nn.Linear(3, 2)
    derivation = cr.explain(lambda x: F.cross_entropy(decoder(np.tanh(encoder(x))), Y), X)
    assert derivation["encoder.weight"].verified
    assert derivation["decoder.bias"].verified
    path = cr.explain_grad(decoder.weight, lambda x: F.cross_entropy(decoder(np.tanh(encoder(x))), Y), X)
    assert (path.name, path.verdict) == ("decoder.weight", "healthy")


def test_what_is_reached_and_not_used_is_not_shown():
    used, idle = network(), network()
    derivation = cr.explain(lambda x: F.cross_entropy((used if len(x) else idle)(x), Y), X)
    assert [name for name, _ in derivation.modules] == ["used", "used.0", "used.1", "used.2"]
    assert not derivation.unused
    assert all(row.name.startswith(("used.", "x")) or not row.name for row in derivation.symbols)


def test_an_unused_parameter_of_a_used_module_is_found():
    model = network()
    f = lambda x: F.cross_entropy(model[2](model[0](x)) + 0 * model[2].bias.detach(), Y)  # noqa: E731
    model[0].bias.requires_grad_(False)
    assert cr.explain_grad("0.bias", f, X).cause == "frozen"


def test_nothing_of_the_user_is_changed():
    norm, history, counts = nn.BatchNorm1d(2), [], {"calls": 0}
    trainer, generator, buffer = Trainer(), np.random.default_rng(0), np.zeros(2, np.float32)

    def f(x):
        history.append(float(np.sum(cr.tensor(1.0))))
        counts["calls"] += 1
        buffer[:] = 7
        return (norm(x) * generator.standard_normal(2)).var() + trainer.loss(x)

    before = {name: array.copy() for name, array in norm.state_dict().items()}
    state = generator.bit_generator.state
    assert cr.explain(f, X32).equations_verified() > 5
    assert (history, counts, trainer.steps) == ([], {"calls": 0}, [])
    assert generator.bit_generator.state == state
    assert not buffer.any()
    for name, array in norm.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
        assert array.dtype == before[name].dtype
    assert {p.dtype for p in trainer.model.parameters()} == {np.dtype(np.float32)}
    assert all(p.grad is None for p in trainer.model.parameters())


def test_a_kink_is_a_kink_and_nothing_else_is():
    derivation = cr.explain(lambda x: cr.relu(x).sum(), np.array([0.0, 1.0]))
    assert [row.note for row in derivation.confirmations] == ["kink"]


def test_the_graph_is_drawn_in_float64_too():
    model = network()
    drawn = cr.graph(lambda x: F.cross_entropy(model(x), Y), X32)
    assert {np.asarray(v.value).dtype for v in drawn.vertices if v.kind == "parameter"} == {np.dtype(np.float64)}
    assert {"0.weight", "2.bias"} <= {v.name for v in drawn.vertices}


def test_what_is_written_into_an_array_of_single_precision_is_not_rounded():
    def loss(x):
        y = IndexAdd.apply(np.zeros(3, np.float32), x, index=(np.array([0, 0, 2]),))
        return (y**2).sum()

    derivation = cr.explain(loss, np.array([0.1, 0.2, 0.3]))
    assert derivation.ok, derivation.unverified


LOGITS = np.array([[1.0, -2.0, 0.5], [0.3, 0.7, -1.1]])
OF_LOGITS = {
    "softmax": lambda z: (cr.softmax(z) ** 2).sum(),
    "log_softmax": lambda z: F.log_softmax(z)[0, 1] + F.log_softmax(z, axis=0)[1, 2],
    "logsumexp": lambda z: cr.logsumexp(z, axis=1).sum(),
    "classes": lambda z: F.cross_entropy(z, np.array([0, 1])),
    "probabilities": lambda z: F.cross_entropy(z, np.full((2, 3), 1 / 3)),
    "binary": lambda z: F.binary_cross_entropy_with_logits(z, np.full((2, 3), 0.3)),
    "softplus": lambda z: F.softplus(z).sum(),
    "mish": lambda z: F.mish(z).sum(),
    "logaddexp": lambda z: np.logaddexp(z[0], z[1]).sum(),
}
SCALES = {"large": LOGITS * 1000, "shifted up": LOGITS + 2000, "shifted down": LOGITS - 2000}


@pytest.mark.parametrize("name", OF_LOGITS)
def test_logits_of_a_network_that_diverges_are_explained(name):
    for scale, z in SCALES.items():
        with named(scale):
            derivation = cr.explain(OF_LOGITS[name], z, level="proof")
            assert [(s.formula, s.error, s.reason) for s in derivation.unverified] == []


def test_a_wrong_rule_is_found_where_exponentials_leave_the_range():
    right = LogSumExp.vjp.__doc__
    LogSumExp.vjp.__doc__ = r"\bar x = \bar y \odot \frac{e^x}{\sum_{\text{axis}} e^{1.001 x}}"
    try:
        derivation = cr.explain(OF_LOGITS["logsumexp"], SCALES["shifted up"])
    finally:
        LogSumExp.vjp.__doc__ = right
    assert [step.reason for step in derivation.unverified] == ["deviates"]


def test_values_without_a_symbol_are_written_once(monkeypatch):
    """Each is part of its user's equation, and that of the next one: written anew every time, the work would double."""
    written = []
    whole = evaluated.render
    monkeypatch.setattr(evaluated, "render", lambda *args: written.append(1) or whole(*args))

    def count(terms):
        def loss(x):
            return (((sum(0.5 * (x + k) for k in range(terms)) * 0.1 + x) * 0.5 + x) ** 2).sum()

        written.clear()
        assert cr.explain(loss, np.array([1.0, 2.0])).ok
        return len(written)

    assert count(8) < 3 * count(4)
