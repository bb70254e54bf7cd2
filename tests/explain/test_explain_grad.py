"""`cr.explain_grad`: every way in which a gradient is lost is named, with the node where it happened."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn

RNG = np.random.default_rng(2)
X, Y = RNG.standard_normal((6, 5)), RNG.standard_normal((6, 3))


def network(activation, bias=0.0):
    cr.seed(0)
    model = nn.Sequential(nn.Linear(5, 4), activation(), nn.Linear(4, 3))
    model[0].bias.data = np.full(4, bias)
    return model


def asked(model, name="0.weight", **options):
    return cr.explain_grad(name, model, X, loss=nn.MSELoss(), target=Y, **options)


def stopped(a, b):
    s = cr.stop_gradient(a * 2.0)
    return (s * b).sum()


def detached(a, b):
    return ((a * 2.0).detach() * b).sum()


def as_array(a, b):
    return ((a * 2.0).numpy() * b).sum()


def without_tape(a, b):
    with cr.no_grad():
        c = a * 2.0
    return (c * b).sum()


def by_index(a, b):
    k = np.argmax(a, axis=-1)
    return b[np.arange(6), k].sum()


def rounded(a, b):
    return (np.round(a) * b).sum()


@walked(
    ("f", "cause", "operation"),
    [
        (stopped, "detached", "stop_gradient"),
        (detached, "detached", "detach"),
        (as_array, "left-tape", "multiply"),
        (without_tape, "no-grad", "multiply"),
        (by_index, "integer-index", "argmax"),
        (lambda a, b: b.sum() + 0 * b.sum(), "unused", ""),
    ],
)
def test_no_gradient(f, cause, operation):
    path = cr.explain_grad("a", f, X, X)
    assert (path.verdict, path.cause) == ("none", cause)
    assert path.at.startswith(operation)
    assert not path


@walked(
    ("f", "cause"),
    [
        (lambda a, b: (cr.relu(a - 10.0) * b).sum(), "dead-relu"),
        (lambda a, b: (np.clip(a, 50.0, 60.0) * b).sum(), "clipped"),
        (lambda a, b: np.where(b > 1e9, a, b).sum(), "masked"),
        (lambda a, b: (a * (b > 1e9)).sum() + b.sum(), "masked"),
        (lambda a, b: (cr.sigmoid(a + 800.0) * b).sum(), "saturated"),
    ],
)
def test_zero(f, cause):
    path = cr.explain_grad("a", f, X, X)
    assert (path.verdict, path.cause) == ("zero", cause)


def test_a_rounded_value_has_no_derivative():
    path = cr.explain_grad("a", rounded, X, X)
    assert path.cause in ("constant", "vanishes", "zero-factor")
    assert not path


def test_the_way_leads_from_the_loss_to_the_parameter():
    path = asked(network(nn.ReLU, bias=-100.0))
    assert (path.verdict, path.cause, path.at) == ("zero", "dead-relu", "relu (1)")
    assert [step.operation for step in path.steps] == ["mean", "square", "subtract", "linear", "relu", "linear"]
    assert [step.zeros for step in path.steps] == [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    assert path.steps[-1].zeros == 1.0
    assert "largest input is -9" in path.sentence


def test_saturation_tells_the_values():
    path = asked(network(nn.Sigmoid, bias=20.0))
    assert (path.verdict, path.cause) == ("tiny", "saturated")
    assert "between" in path.sentence


def test_a_zero_layer_and_a_frozen_one():
    model = network(nn.ReLU)
    model[2].weight.data = np.zeros((4, 3))
    assert asked(model).cause == "zero-factor"
    model[0].requires_grad_(False)
    assert (asked(model).verdict, asked(model).cause) == ("none", "frozen")


def test_a_deep_network_of_sigmoids():
    cr.seed(0)
    model = nn.Sequential(*(layer for _ in range(12) for layer in (nn.Linear(4, 4), nn.Sigmoid())))
    path = cr.explain_grad(model[0].weight, model, X[:, :4], loss=nn.MSELoss(), target=Y[:, :1].repeat(4, 1))
    assert path.verdict == "tiny"
    sigmoids = [step.factor for step in path.steps if step.operation == "sigmoid"]
    assert len(sigmoids) == 12
    assert max(sigmoids) <= 0.25


def test_not_finite():
    path = cr.explain_grad("a", lambda a: np.sqrt(a).sum(), np.array([0.0, 1.0]))
    assert (path.verdict, path.cause) == ("not-finite", "pole")
    path = cr.explain_grad("a", lambda a: np.log(a).sum(), np.array([0.0, 1.0]))
    assert (path.verdict, path.cause, path.at) == ("not-finite", "loss-not-finite", "log")


def test_healthy_and_partly_zero():
    path = asked(network(nn.Tanh))
    assert path
    assert path.verdict == "healthy"
    path = cr.explain_grad("E", lambda E: E[np.array([0, 2])].sum(), X)
    assert (path.verdict, path.cause) == ("partly-zero", "partly")


def test_a_parameter_by_itself_or_by_name():
    model = network(nn.Tanh)
    assert asked(model, model[2].bias).name == "2.bias"
    with pytest.raises(ValueError, match=r"no parameter is called 'weight'; there are 0\.weight, 0\.bias"):
        asked(model, "weight")


def test_korean():
    path = asked(network(nn.ReLU, bias=-100.0), lang="ko")
    assert "기울기가 모두 0입니다" in str(path)
    assert path._repr_html_().startswith('<div class="chainrule" lang="ko">')


def normalised(x, w, g):
    z = x @ w
    return ((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5) * g).sum() ** 2


def attended(x, w, v):
    scores = (x @ w) @ (x @ v).T / 2.0
    e = np.exp(scores - scores.max(1, keepdims=True))
    return ((e / e.sum(1, keepdims=True)) @ x).var()


def classified(x, w1, b1, w2, b2):
    z = np.tanh(x @ w1 + b1) @ w2 + b2
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return -np.log(e / e.sum(axis=1, keepdims=True))[:, 0].mean()


@walked(
    ("f", "shapes"),
    [
        (lambda x, w: ((x @ w) ** 2).sum(), [(2, 3), (3,)]),
        (lambda x, w: ((x @ w) ** 2).sum(), [(3,), (3, 2)]),
        (lambda x, w: (x @ w) ** 2, [(3,), (3,)]),
        (lambda x, w: ((x @ w.T) ** 2).sum(), [(2, 3), (4, 3)]),
        (lambda x, w, b: ((x @ w.T + b) ** 2).sum(), [(2, 3), (4, 3), (4,)]),
        (lambda x, w, b: ((x @ w + b) ** 2).sum(), [(2, 3), (3,), ()]),
        (lambda x, w, b: (np.tanh(x @ w + b) ** 2).sum(), [(3,), (3, 2), (2,)]),
        (lambda x, w, b: ((b + x @ w) ** 2).sum(), [(5, 2, 3), (3, 4), (4,)]),
        (lambda x, w, b: (nn.functional.linear(x, w, b) ** 2).sum(), [(3,), (3, 2), (2,)]),
        (lambda x, w: sum((part**2).sum() for part in np.split(x @ w, 2)), [(4, 3), (3,)]),
        (normalised, [(6, 3), (3, 2), (2,)]),
        (attended, [(4, 3), (3, 2), (3, 2)]),
        (classified, [(2, 3), (3, 4), (4,), (4, 2), (2,)]),
    ],
)
def test_every_argument_of_every_shape_has_a_path(f, shapes):
    args = [np.asarray(RNG.standard_normal(shape)) for shape in shapes]
    gradients = cr.grad(f, argnums=tuple(range(len(args))))(*args)
    for (name, x), gradient in zip(zip(f.__code__.co_varnames, args, strict=False), gradients, strict=True):
        path = cr.explain_grad(name, f, *args)
        step = path.steps[-1]
        assert step.shape == x.shape, name
        assert step.size == pytest.approx(np.linalg.norm(gradient)), name
        assert all(s.symbol for s in path.steps), name
        assert name in str(path)


def test_what_one_line_combines_is_one_step():
    args = RNG.standard_normal((2, 3)), RNG.standard_normal((3, 4)), RNG.standard_normal(4)
    path = cr.explain_grad("w", lambda x, w, b: np.tanh(x @ w + b).sum(), *args)
    assert [(step.symbol, step.operation) for step in path.steps][-1] == ("w", "linear")
    factors = np.prod([step.factor for step in path.steps])
    assert path.steps[-1].size == pytest.approx(factors)  # each value is used once: the gradient is the product


def test_a_loss_that_is_constant_is_asked_about_too():
    path = cr.explain_grad("w", lambda w, x: np.sign(w * x).sum(), np.ones(2), np.ones(2))
    assert (path.verdict, path.cause, path.at) == ("none", "constant", "sign")


def test_a_relu_written_as_a_maximum_is_dead():
    path = cr.explain_grad("w", lambda w, x: np.maximum(w * x - 9, 0).sum(), np.ones(2), np.ones(2))
    assert (path.verdict, path.cause, path.at) == ("zero", "dead-relu", "maximum")
    assert "its largest input is -8" in path.sentence
    other = cr.explain_grad("w", lambda w, x: np.maximum(w * x, 5.0).sum(), np.ones(2), np.ones(2))
    assert other.cause == "masked"
