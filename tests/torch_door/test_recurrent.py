"""Recurrent layers step by step and as one operation: PyTorch's results and gradients, packed sequences as well."""

import numpy as np
import pytest

import chainrule.torch as door
from chainrule.nn import recurrent

LENGTHS = [7, 3, 5, 1]
KINDS = {"RNN": {}, "relu": {"nonlinearity": "relu"}, "LSTM": {}, "GRU": {}}


def pulled(lib, layer, x, packs):
    """Outputs and last states, and all gradients of a weighted sum of them."""
    x = lib.tensor(x, requires_grad=True)
    rnn = lib.nn.utils.rnn
    y, last = layer(rnn.pack_padded_sequence(x, lib.tensor(LENGTHS), enforce_sorted=False) if packs else x)
    parts = [rnn.pad_packed_sequence(y)[0] if packs else y, *(last if isinstance(last, tuple) else [last])]
    weights = [lib.tensor(np.random.default_rng(k).standard_normal(part.shape)) for k, part in enumerate(parts)]
    sum((part * w).sum() for part, w in zip(parts, weights, strict=True)).backward()
    found = [*parts, x.grad, *(p.grad for p in layer.parameters())]
    return [a.detach().numpy() for a in found]


@pytest.mark.parametrize("large", [1, 1 << 60])
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_pytorchs(torch, monkeypatch, kind, large):
    monkeypatch.setattr(recurrent, "LARGE", large)
    name = kind if kind in ("RNN", "LSTM", "GRU") else "RNN"
    for both_ways in (False, True):
        settings = {"num_layers": 2, "bidirectional": both_ways, "bias": both_ways, **KINDS[kind]}
        theirs = getattr(torch.nn, name)(5, 8, **settings).double()
        ours = getattr(door.nn, name)(5, 8, **settings).double()
        ours.load_state_dict({key: door.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
        x = np.random.default_rng(0).standard_normal((max(LENGTHS), len(LENGTHS), 5))
        for packs in (False, True):
            theirs.zero_grad()
            ours.zero_grad()
            expected = pulled(torch, theirs, x, packs)
            for mine, other in zip(pulled(door, ours, x, packs), expected, strict=True):
                np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12)
