"""An LSTM over all steps as one operation: against its steps, and PyTorch, in loops and in NumPy."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.kernels import recurrence
from chainrule.nn import recurrent
from chainrule.rules.network.recurrence import LSTM

STEPS, BATCH, INPUTS, WIDTH = 7, 33, 5, 37


def drawn(dtype, seed=0):
    rng = np.random.default_rng(seed)
    shapes = (STEPS, BATCH, INPUTS), (1, BATCH, WIDTH), (1, BATCH, WIDTH)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def pulled(layer, x, h, c):
    """The outputs and last states, and the gradients of a sum of all of them, with respect to everything."""
    tensors = [cr.tensor(a, requires_grad=True) for a in (x, h, c)]
    layer.zero_grad()
    y, last = layer(tensors[0], tuple(tensors[1:]))
    parts = [y, *last]
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
    layer = nn.LSTM(INPUTS, WIDTH, dtype=dtype, generator=np.random.default_rng(0), **settings)
    x, h, c = drawn(dtype)
    count = 2 if {"bidirectional", "num_layers"} & set(settings) else 1
    h, c = np.repeat(h, count, axis=0), np.repeat(c, count, axis=0)
    monkeypatch.setattr(recurrent, "LARGE", 1)
    found = pulled(layer, x, h, c)
    monkeypatch.setattr(recurrence, "LEAST", 1 << 60)
    by_numpy = pulled(layer, x, h, c)
    monkeypatch.setattr(recurrent, "LARGE", 1 << 60)
    expected = pulled(layer, x, h, c)
    compare(found, expected, dtype)
    compare(by_numpy, expected, dtype)


def test_it_is_pytorchs(torch, monkeypatch):
    monkeypatch.setattr(recurrent, "LARGE", 1)
    layer, theirs = nn.LSTM(INPUTS, WIDTH), torch.nn.LSTM(INPUTS, WIDTH)
    for name, parameter in theirs.named_parameters():
        parameter.data = torch.tensor(np.array(getattr(layer, name).data).T.copy())
    x, h, c = drawn(np.float32)
    found = pulled(layer, x, h, c)
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, h, c)]
    y, last = theirs(tensors[0], tuple(tensors[1:]))
    parts = [y, *last]
    weights = [np.random.default_rng(k).standard_normal(part.shape).astype(np.float32) for k, part in enumerate(parts)]
    sum((part * torch.tensor(w)).sum() for part, w in zip(parts, weights, strict=True)).backward()
    gradients = [t.grad.numpy() for t in tensors] + [
        dict(theirs.named_parameters())[n].grad.numpy().T for n, _ in layer.named_parameters()
    ]
    for mine, other in zip(found, [*(part.detach().numpy() for part in parts), *gradients], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5 * max(1.0, np.abs(other).max()))


@pytest.mark.slow
def test_large_layers_take_it_and_programs_and_maps_do_not(monkeypatch):
    layer = nn.LSTM(INPUTS, WIDTH)
    x, *_ = drawn(np.float32)

    def operations(x):
        y, _ = layer(x)
        found, waiting = set(), [y.node]
        while waiting:
            node = waiting.pop()
            found.add(node.op)
            waiting += [parent for parent in node.parents if parent is not None]
        return found

    assert LSTM in operations(x)
    assert LSTM not in operations(x[:, :1])
    expected = layer(x)[0].detach().numpy()
    with cr.no_grad():
        np.testing.assert_allclose(cr.compile(lambda x: layer(x)[0])(x), expected, atol=1e-5)
        np.testing.assert_allclose(cr.vmap(lambda x: layer(x)[0], 1, 1)(x), expected, atol=1e-5)


def test_extreme_gates_saturate_without_warnings(monkeypatch):
    for least in (1, 1 << 60):
        monkeypatch.setattr(recurrence, "LEAST", least)
        z = np.full((2, 3, 8), 1e4, np.float32) * np.array([1, -1, 1, -1, 1, -1, 1, -1], np.float32)
        w, b, h, c = (np.zeros(shape, np.float32) for shape in ((2, 8), 8, (3, 2), (3, 2)))
        y, pull = cr.vjp(LSTM.apply, z, w, b, h, c)
        assert np.isfinite(y).all()
        assert all(np.isfinite(a).all() for a in pull(np.ones_like(y)))
