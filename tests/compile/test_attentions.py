"""Attention written by hand becomes the operation where it is attention, and nothing else does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
import chainrule.torch as door
from chainrule.compile.program import attentions
from chainrule.compile.program.program import Program
from chainrule.kernels.suitable import HAS_COMPILER
from chainrule.nn import functional as F

from .test_passes import written

N, D, HEADS, BATCH = 24, 16, 2, 3
pytestmark = pytest.mark.skipif(not HAS_COMPILER, reason="without a compiler there is no code of attention's")
TRI = np.tri(N, dtype=bool)
LOW = np.triu(np.full((N, N), -np.inf, np.float32), 1)


def turned(k: Any) -> Any:
    return k.swapaxes(-1, -2)


ATTENTION: dict[str, Callable[[Any, Any, Any], Any]] = {
    "added": lambda q, k, v: (
        F.softmax(q @ turned(k) * D**-0.5 + np.float32(-1e9) * np.triu(np.ones((N, N), np.float32), 1), axis=-1) @ v
    ),
    "added −∞": lambda q, k, v: F.softmax(LOW + q @ turned(k) / D**0.5, axis=-1) @ v,
    "added before the scale": lambda q, k, v: F.softmax((q @ turned(k) + LOW) * 0.3, axis=-1) @ v,
    "chosen": lambda q, k, v: F.softmax(np.where(TRI, q @ turned(k) * 0.3, -np.inf), axis=3) @ v,
    "chosen, with axes": lambda q, k, v: F.softmax(np.where(TRI[None, None], q @ turned(k), -1e30), axis=-1) @ v,
    "the hidden chosen": lambda q, k, v: F.softmax(np.where(~TRI, np.float32(-1e9), q @ turned(k)), axis=-1) @ v,
    "queries scaled": lambda q, k, v: F.softmax(np.where(TRI, (q * 0.3) @ turned(k), -np.inf), axis=-1) @ v,
    "scaled twice": lambda q, k, v: F.softmax(0.5 * np.where(TRI, 0.5 * (q @ turned(k)), -np.inf), axis=-1) @ v,
    "without a mask": lambda q, k, v: F.softmax(q @ turned(k) / 4.0, axis=-1) @ v,
    "einsum": lambda q, k, v: np.einsum(
        "bhts,bhsd->bhtd", F.softmax(np.where(TRI, np.einsum("bhtd,bhsd->bhts", q, k), -np.inf), axis=-1), v
    ),
    "einsum, operands changed": lambda q, k, v: np.einsum(
        "bhsd,bhts->bhtd", v, F.softmax(np.where(TRI, np.einsum("bhsd,bhtd->bhts", k, q), -np.inf), axis=-1)
    ),
}
OTHER: dict[str, Callable[[Any, Any, Any], Any]] = {
    "of another type": lambda q, k, v: F.softmax(q @ turned(k) + np.triu(np.full((N, N), -1e9), 1), axis=-1) @ v,
    "a weak mask": lambda q, k, v: F.softmax(np.where(TRI, q @ turned(k), -3.0), axis=-1) @ v,
    "a window": lambda q, k, v: F.softmax(np.where(TRI & ~np.tri(N, k=-4, dtype=bool), q @ turned(k), -1e9), -1) @ v,
    "what comes before": lambda q, k, v: F.softmax(np.where(TRI.T, q @ turned(k), -1e9), axis=-1) @ v,
    "without itself": lambda q, k, v: (
        F.softmax(q @ turned(k) + np.triu(np.full((N, N), -1e9, np.float32)), axis=-1) @ v
    ),
    "a bias": lambda q, k, v: F.softmax(q @ turned(k) + LOW + np.linspace(0, 1, N), axis=-1) @ v,
    "a mask of each head": lambda q, k, v: (
        F.softmax(np.where(np.stack([TRI, TRI.T])[None], q @ turned(k), -1e9), axis=-1) @ v
    ),
    "a negative scale": lambda q, k, v: F.softmax((q @ turned(k) + LOW) * -0.3 + LOW, axis=-1) @ v,
    "over queries": lambda q, k, v: F.softmax(q @ turned(k), axis=-2) @ v,
    "weights turned": lambda q, k, v: turned(F.softmax(q @ turned(k), axis=-1)) @ v,
    "values turned": lambda q, k, v: F.softmax(q @ turned(k), axis=-1)[..., :D] @ turned(v[..., :D, :]),
    "weights that are squared": lambda q, k, v: F.softmax(q @ turned(k), axis=-1) ** 2 @ v,
    "weights that are read": lambda q, k, v: (lambda p: p @ v + p.sum(axis=-1, keepdims=True) + p[..., :D])(
        F.softmax(np.where(TRI, q @ turned(k), -1e9), axis=-1)
    ),
    "scores that are read": lambda q, k, v: (lambda s: F.softmax(s, axis=-1) @ v + s[..., :D])(q @ turned(k)),
}


def tensors(rng: Any = 0) -> list[Any]:
    rng = np.random.default_rng(rng)
    return [cr.tensor(rng.standard_normal((BATCH, HEADS, N, D)).astype(np.float32), requires_grad=True) for _ in "qkv"]


def stepped(attend: Callable[..., Any], parameters: list[Any], compiled: bool) -> tuple[list[Any], Any]:
    """Return result and gradients of two steps, and the compiled function."""

    def step(factor: Any) -> Any:
        for x in parameters:
            x.grad = None
        y = attend(*parameters)
        (y * factor).sum().backward()
        return y

    f = cr.compile(step) if compiled else step
    factor = np.random.default_rng(1).standard_normal((BATCH, HEADS, N, D)).astype(np.float32)
    with np.errstate(all="ignore"):
        found = [f(factor * n).detach().numpy() for n in (1, 2)]
    return found + [x.grad.numpy().copy() for x in parameters], f


def is_recognised(f: Any) -> bool:
    return any(i.name == "blockwise_attention" for i in f.plan.program.instructions)


@walked("name", ATTENTION)
def test_attention_is_recognised(name: str) -> None:
    expected, _ = stepped(ATTENTION[name], tensors(), False)
    found, f = stepped(ATTENTION[name], tensors(), True)
    assert is_recognised(f)
    assert not any(v.shape == (BATCH, HEADS, N, N) for i in f.plan.program.instructions for v in i.outputs)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, 1e-4, 1e-5)


@walked("name", OTHER)
def test_nothing_else_is(name: str) -> None:
    expected, _ = stepped(OTHER[name], tensors(), False)
    found, f = stepped(OTHER[name], tensors(), True)
    assert not is_recognised(f)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, 1e-4, 2e-5)


def test_a_prediction_needs_no_gradients() -> None:
    q, k, v = (x.detach().numpy() for x in tensors())
    f = cr.compile(ATTENTION["chosen"])
    np.testing.assert_allclose(f(q, k, v), ATTENTION["chosen"](q, k, v), 1e-4, 1e-5)
    assert is_recognised(f)


def test_a_mask_among_the_arguments_may_be_any() -> None:
    q, k, v = (x.detach().numpy() for x in tensors())
    f = cr.compile(lambda q, k, v, m: F.softmax(np.where(m, q @ turned(k), -np.inf), axis=-1) @ v)
    for mask in (TRI, np.eye(N, dtype=bool)):
        np.testing.assert_allclose(f(q, k, v, mask), np.asarray(f.function(q, k, v, mask)), 1e-4, 1e-5)
    assert not is_recognised(f)


def test_a_mask_that_the_function_computes_goes_through_every_transform() -> None:
    tokens = np.array([[1, 2, 3, 0, 0], [1, 2, 3, 4, 0]])
    q = np.random.default_rng(0).normal(size=(2, 3, 5, 4))

    def f(q: Any, tokens: Any) -> Any:
        mask = (tokens != 0)[:, None, None, :] & np.tri(5, dtype=bool)
        return (F.scaled_dot_product_attention(q, np.sin(q), np.cos(q), mask=mask) ** 2).sum()

    transforms: tuple[Any, ...] = (
        cr.grad(f),
        lambda q, t: cr.jvp(lambda q: f(q, t), (q,), (np.ones_like(q),)),
        lambda q, t: cr.grad(lambda q: (cr.grad(f)(q, t) ** 2).sum())(q),
        lambda q, t: cr.vmap(lambda q: f(q, t))(np.stack([q, 2 * q])),
    )
    for transform in transforms:
        compiled = cr.compile(transform)
        for given in (tokens, np.ones_like(tokens)):
            found, expected = (g(q, given) for g in (compiled, transform))
            pairs = zip(found, expected, strict=True) if isinstance(expected, tuple) else [(found, expected)]
            for one, other in pairs:
                np.testing.assert_allclose(np.asarray(one), np.asarray(other), 1e-9, 1e-12)


def test_a_mask_whose_values_change_is_noticed() -> None:
    """An array of the user's, and a module's buffer, written to or replaced."""
    mask = TRI.copy()
    q, k, v = (x.detach().numpy() for x in tensors())
    f = cr.compile(lambda q, k, v: F.softmax(np.where(mask, q @ turned(k), -np.inf), axis=-1) @ v)
    for change in (None, (0, 3), (7, 2)):
        if change is not None:
            mask[change] ^= True
        np.testing.assert_allclose(f(q, k, v), np.asarray(f.function(q, k, v)), 1e-4, 1e-5)
    assert not is_recognised(f)


class Attention(door.nn.Module):
    """As nanoGPT and minGPT write it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("bias", door.tril(door.ones(N + 4, N + 4)).view(1, 1, N + 4, N + 4))

    def forward(self, q: Any, k: Any, v: Any) -> Any:
        att = (q @ k.transpose(-2, -1)) * (1.0 / k.size(-1) ** 0.5)
        att = att.masked_fill(self.bias[:, :, : q.size(-2), : q.size(-2)] == 0, float("-inf"))
        return door.nn.functional.softmax(att, dim=-1) @ v


def test_pytorchs_masked_fill_and_its_buffer() -> None:
    def write(m: Any) -> None:
        m.bias[0, 0, 0, 1] = 1.0

    def replace(m: Any) -> None:
        m.bias = door.ones(1, 1, N + 4, N + 4)

    def load(m: Any) -> None:
        m.load_state_dict({"bias": door.tril(door.ones(N + 4, N + 4), 2).view(1, 1, N + 4, N + 4)})

    for change in (write, replace, load):
        model = Attention()
        parameters = [door.tensor(x.detach().numpy()).requires_grad_() for x in tensors()]

        def step(model: Any = model, parameters: Any = parameters) -> Any:
            for x in parameters:
                x.grad = None
            y = model(*parameters)
            y.square().sum().backward()
            return y

        f = cr.compile(step)
        for changed in (False, False, True, True):
            if changed:
                change(model)
            found = [f().detach().numpy(), *(x.grad.numpy() for x in parameters)]
            assert is_recognised(f) is not changed
            expected = [step().detach().numpy(), *(x.grad.numpy() for x in parameters)]
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, 1e-4, 1e-5)


def test_a_program_of_many_products_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads each value is found once, not for each product: a loop of hundreds took seconds."""
    calls: list[Program] = []
    original = Program.users
    monkeypatch.setattr(Program, "users", lambda self: (calls.append(self), original(self))[1])

    def f(w: Any) -> Any:
        x = w
        for _ in range(20):
            x = np.tanh(x @ w)
        return x

    program = written(f, np.eye(3))
    assert not attentions.write_as_attention(program)
    assert len(calls) == 1
