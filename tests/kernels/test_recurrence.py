"""Recurrent layers over all steps as one operation: against their steps, and PyTorch, in loops and in NumPy."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.kernels.recurrence import loops
from chainrule.nn import recurrent
from chainrule.rules.network.recurrence import GRU, LSTM, RNN

STEPS, BATCH, INPUTS, WIDTH = 7, 33, 5, 37


LAYERS = {
    "lstm": (nn.LSTM, {}, LSTM),
    "gru": (nn.GRU, {}, GRU),
    "tanh": (nn.RNN, {}, RNN),
    "relu": (nn.RNN, {"nonlinearity": "relu"}, RNN),
}


def made(kind, **settings):
    layer, own, _ = LAYERS[kind]
    return layer(INPUTS, WIDTH, generator=np.random.default_rng(0), **own, **settings)


def drawn(layer, seed=0):
    """A sequence and the parts of a state."""
    rng = np.random.default_rng(seed)
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    shapes = (STEPS, BATCH, INPUTS), *[(count, BATCH, WIDTH)] * layer.states
    return [rng.standard_normal(shape).astype(layer.weight_hh_l0.dtype) for shape in shapes]


def results(layer, tensors):
    y, last = layer(tensors[0], tensors[1] if len(tensors) == 2 else tuple(tensors[1:]))
    return [y, *(last if isinstance(last, tuple) else [last])]


def pulled(layer, inputs):
    """The outputs and last states, and the gradients of a sum of all of them, with respect to everything."""
    tensors = [cr.tensor(a, requires_grad=True) for a in inputs]
    layer.zero_grad()
    parts = results(layer, tensors)
    weights = [np.random.default_rng(k).standard_normal(part.shape).astype(part.dtype) for k, part in enumerate(parts)]
    sum((part * w).sum() for part, w in zip(parts, weights, strict=True)).backward()
    return [*(part.detach().numpy() for part in parts), *(t.grad.numpy() for t in (*tensors, *layer.parameters()))]


def compare(found, expected, dtype):
    room = 256 * np.finfo(dtype).eps
    for mine, other in zip(found, expected, strict=True):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine, other, rtol=room, atol=room * max(1.0, np.abs(other).max()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", [{}, {"bias": False}, {"bidirectional": True}, {"num_layers": 2}])
def test_one_operation_is_all_steps(monkeypatch, dtype, settings):
    for kind in LAYERS:
        layer = made(kind, dtype=dtype, **settings)
        inputs = drawn(layer)
        monkeypatch.setattr(recurrent, "LARGE", 1)
        monkeypatch.setattr(loops, "LEAST", 1 << 10)
        found = pulled(layer, inputs)
        monkeypatch.setattr(loops, "LEAST", 1 << 60)
        by_numpy = pulled(layer, inputs)
        monkeypatch.setattr(recurrent, "LARGE", 1 << 60)
        expected = pulled(layer, inputs)
        compare(found, expected, dtype)
        compare(by_numpy, expected, dtype)


@pytest.mark.parametrize("kind", LAYERS)
def test_it_is_pytorchs(torch, monkeypatch, kind):
    monkeypatch.setattr(recurrent, "LARGE", 1)
    layer, own = made(kind, bidirectional=True, dtype=np.float64), LAYERS[kind][1]
    theirs = getattr(torch.nn, type(layer).__name__)(INPUTS, WIDTH, bidirectional=True, **own).double()
    for name, parameter in theirs.named_parameters():
        parameter.data = torch.tensor(np.array(getattr(layer, name).data).T.copy())
    inputs = drawn(layer)
    found = pulled(layer, inputs)
    tensors = [torch.tensor(a, requires_grad=True) for a in inputs]
    parts = results(theirs, tensors)
    weights = [np.random.default_rng(k).standard_normal(part.shape) for k, part in enumerate(parts)]
    sum((part * torch.tensor(w)).sum() for part, w in zip(parts, weights, strict=True)).backward()
    gradients = [t.grad.numpy() for t in tensors] + [
        dict(theirs.named_parameters())[n].grad.numpy().T for n, _ in layer.named_parameters()
    ]
    compare(found, [*(part.detach().numpy() for part in parts), *gradients], np.float64)


def operations_of(y):
    seen, waiting = {}, [y.node]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            waiting += [parent for parent in node.parents if parent is not None]
    return {node.op for node in seen.values()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LAYERS)
def test_large_layers_take_it_and_maps_do_not(kind):
    layer, record = made(kind), LAYERS[kind][2]
    x = np.random.default_rng(0).standard_normal((36, BATCH, INPUTS)).astype(np.float32)
    assert record in operations_of(layer(x)[0])
    assert record not in operations_of(layer(x[:, :1])[0])
    expected = layer(x)[0].detach().numpy()
    with cr.no_grad():
        np.testing.assert_allclose(cr.compile(lambda x: layer(x)[0])(x), expected, atol=1e-5)
        np.testing.assert_allclose(cr.vmap(lambda x: layer(x)[0], 1, 1)(x), expected, atol=1e-5)


@pytest.mark.parametrize(("record", "gates", "states"), [(LSTM, 4, 2), (GRU, 3, 1)])
def test_extreme_gates_saturate_without_warnings(monkeypatch, record, gates, states):
    for least in (1, 1 << 60):
        monkeypatch.setattr(loops, "LEAST", least)
        z = np.full((2, 3, 2 * gates), 1e4, np.float32) * np.resize(np.array([1, -1], np.float32), 2 * gates)
        w, b, *state = (np.zeros(s, np.float32) for s in ((2, 2 * gates), 2 * gates, *[(3, 2)] * states))
        y, pull = cr.vjp(record.apply, z, w, b, *state)
        assert np.isfinite(y).all()
        assert all(np.isfinite(a).all() for a in pull(np.ones_like(y)))


@walked(("record", "states"), [(LSTM, 2), (GRU, 1), (RNN, 1)])
def test_wrong_shapes_are_named(record, states):
    settings = {"nonlinearity": "tanh"} if record is RNN else {}
    with pytest.raises(ValueError, match=r"expected z \[T, B, .*\] with at least one step.*got the shapes"):
        record.apply(np.zeros((0, 2, 12)), np.zeros((3, 12)), np.zeros(12), *[np.zeros((2, 3))] * states, **settings)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_compiled_step_is_the_eager_one_and_has_one_line_for_the_layer(kind):
    layer, world = made(kind), np.random.default_rng(3)
    x = world.standard_normal((40, BATCH, INPUTS)).astype(np.float32)
    assert recurrent.is_one_operation(np.empty((40, BATCH, WIDTH), np.float32))

    def loss(x):
        return (layer(x)[0] ** 2).mean()

    def step(x):
        layer.zero_grad()
        value = loss(x)
        value.backward()
        return value

    compiled = cr.compile(step)
    for k in range(3):
        value = compiled(x * (k + 1))
        found = [np.array(p.grad) for p in layer.parameters()]
        assert float(step(x * (k + 1))) == pytest.approx(float(value), rel=1e-5)
        compare(found, [p.grad.numpy() for p in layer.parameters()], np.float32)
    assert str(compiled.plan).count(f" {LAYERS[kind][2].__name__.lower()} ") == 1


def test_products_inside_of_one_thread_use_the_pool(monkeypatch):
    from chainrule.kernels import matrices, openblas, pool

    monkeypatch.setattr(pool, "threads", lambda: 2)
    before = openblas.threads()
    with openblas.one_thread():
        assert openblas.threads() == before
        assert matrices.is_limited() == (before == 1)
