"""Arguments of `torch.compile` in dicts, lists and tuples are the tensors that the function gets without it."""

from collections import namedtuple

import numpy as np
import pytest

import chainrule.torch as door
from chainrule.torch import nn

from ..named import named

Pair = namedtuple("Pair", "a b")


def some(k):
    return door.tensor(np.random.default_rng(k).normal(size=(4, 3)).astype(np.float32))


def written(batch):
    batch["x"].add_(1)
    batch["more"][0][1] = 5
    return batch["x"].sum()


def longer(batch):
    batch.append(batch[0] * 2)
    return batch[0].sum()


def another_key(batch):
    batch["y"] = batch["x"] * 2
    return batch["x"].sum()


def replaced(batch):
    batch["x"] = batch["x"] * 2
    return batch["x"].sum()


def taken(batch):
    return batch.pop("x") * 2


CASES = {
    "a dict": (lambda b: b["x"].max(1).values + b["n"].float().mean(), lambda k: {"x": some(k), "n": door.tensor([k])}),
    "a tuple": (lambda b: b[0].max(dim=1)[0] + b[1][0].view(-1)[:4], lambda k: (some(k), [some(k + 1)])),
    "a named tuple": (lambda b: b.a.sum(dim=0) + b.b.unsqueeze(0), lambda k: Pair(some(k), some(k + 1))),
    "writes": (written, lambda k: {"x": some(k), "more": [some(k)]}),
}
REFUSED = {
    "longer": (longer, lambda k: [some(k)]),
    "another key": (another_key, lambda k: {"x": some(k)}),
    "replaced": (replaced, lambda k: {"x": some(k)}),
    "taken": (taken, lambda k: {"x": some(k)}),
}


def texts(f, made):
    found = []
    for k in range(3):
        batch = made(k)
        found += [str(f(batch)), str(batch)]
    return found


def test_containers():
    for name, (f, made) in CASES.items():
        with named(name):
            assert texts(door.compile(f, fullgraph=True), made) == texts(f, made)
    for name, (f, made) in REFUSED.items():
        with named(name), pytest.warns(UserWarning, match="runs uncompiled"):
            assert texts(door.compile(f), made) == texts(f, made)


def test_a_recurrent_state_goes_in_and_out():
    door.manual_seed(0)
    model = nn.LSTM(3, 4, batch_first=True)
    compiled, ours, theirs = door.compile(model, fullgraph=True), None, None
    for k in range(4):
        y, ours = compiled(some(k)[None], ours)
        expected, theirs = model(some(k)[None], theirs)
        ours, theirs = ([x.detach() for x in state] for state in (ours, theirs))
        ours, theirs = tuple(ours), tuple(theirs)
        np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), 1e-5, 1e-6)


def test_the_norm_of_float64_gradients_is_float64(torch):
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=shape) for shape in ((3, 5), (5,))]
    found = []
    for lib, compiles in ((torch, False), (door, False), (door, True)):
        p = [lib.nn.Parameter(lib.tensor(np.zeros_like(g))) for g in gradients]
        for one, g in zip(p, gradients, strict=True):
            one.grad = lib.tensor(g.copy())

        def clip(lib=lib, p=p):
            return lib.nn.utils.clip_grad_norm_(p, 0.5)

        norm = door.compile(clip)() if compiles else clip()
        assert str(norm.dtype) == "torch.float64"
        found.append(np.concatenate([norm.numpy().ravel(), *(one.grad.numpy().ravel() for one in p)]))
    for one in found[1:]:
        np.testing.assert_allclose(one, found[0], 1e-12)
