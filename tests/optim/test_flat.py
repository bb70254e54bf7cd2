"""Parameters in one buffer: views that nobody notices."""

from typing import Any

import numpy as np
from tests.named import walked

import chainrule as cr
from chainrule import optim
from chainrule.core.memory.changes import changes
from chainrule.optim.flat import Flat, aligned_zeros, joined


def some() -> list[cr.Tensor]:
    return [cr.tensor(np.full(shape, k + 1.0), requires_grad=True) for k, shape in enumerate([(2, 3), (), (4,), (0,)])]


def test_parameters_become_views_with_their_values() -> None:
    parameters = some()
    before = changes.replaced
    flat = Flat(parameters, ["momentum_buffer"])
    assert changes.replaced > before
    assert flat.value.tolist() == [1.0] * 6 + [2.0] + [3.0] * 4
    for k, p in enumerate(parameters):
        assert p.shape == [(2, 3), (), (4,), (0,)][k]
        assert np.shares_memory(p.data, flat.value) or p.size == 0
    flat.value += 1
    assert parameters[0].numpy().tolist() == [[2.0] * 3] * 2
    parameters[2].data[1] = 9.0
    assert flat.value[8] == 9.0
    assert [g.shape for g in flat.grads] == [p.shape for p in parameters]
    assert flat.holds_values()


def test_replaced_values_are_noticed() -> None:
    parameters = some()
    flat = Flat(parameters, [])
    parameters[0].data = np.zeros((2, 3))
    assert not flat.holds_values()


def test_state_is_taken_in() -> None:
    parameters = some()
    optimizer = optim.SGD(parameters, lr=0.1, momentum=0.9)
    for p in parameters:
        p.grad = np.ones(p.shape)
    optimizer.step()
    states = [optimizer.state[p] for p in parameters]
    flat = Flat(parameters, ["momentum_buffer"])
    flat.take_state(states)
    assert flat.slots["momentum_buffer"].tolist() == [1.0] * 11
    assert all(np.shares_memory(s["momentum_buffer"], flat.slots["momentum_buffer"]) for s in states[:3])
    before, states[2]["momentum_buffer"] = states[2]["momentum_buffer"], np.full(4, 7.0)
    assert flat.take_state(states)
    assert flat.slots["momentum_buffer"][7:].tolist() == [7.0] * 4
    assert before.tolist() == [1.0] * 4
    states[2]["momentum_buffer"] = replaced = np.full(4, 7.0)
    assert not flat.take_state(states)  # somebody holds it
    assert states[2]["momentum_buffer"] is replaced
    del replaced
    assert flat.take_state(states)
    assert flat.slots["momentum_buffer"].tolist() == [1.0] * 7 + [7.0] * 4


def test_a_tape_from_before_sees_that_values_moved_and_not_that_they_changed() -> None:
    """Adopting copies: a backward pass recorded before is still right."""
    (w, *_) = parameters = some()
    y = (w * w).sum()
    Flat(parameters, [])
    y.backward()
    assert w.grad.numpy().tolist() == [[2.0] * 3] * 2


@walked("dtype", [np.float16, np.float32, np.float64])
@walked("size", [0, 1, 17])
def test_zeros_begin_at_a_line_of_the_cache(size: int, dtype: Any) -> None:
    x = aligned_zeros(size, dtype)
    assert (x.size, x.dtype) == (size, dtype)
    assert not x.any()
    assert size == 0 or x.ctypes.data % 64 == 0


def test_neighbours_are_joined() -> None:
    flat = aligned_zeros(10, np.float32)
    flat[:] = np.arange(10)
    whole = joined([flat[:4].reshape(2, 2), flat[4:5].reshape(()), flat[5:10]])
    assert whole is not None
    assert whole.tolist() == list(range(10))
    whole *= 2
    assert flat[9] == 18.0
    part = joined([flat[2:4], flat[4:7]])
    assert part is not None
    assert part.size == 5
    assert part.tolist() == [4.0, 6.0, 8.0, 10.0, 12.0]


@walked(
    "pieces",
    [
        lambda f: [f[:2], f[3:5]],
        lambda f: [f[2:4], f[:2]],
        lambda f: [f[:2], f[2:4].astype(np.float64)],
        lambda f: [f[:8:2], f[8:]],
        lambda f: [f[:6].reshape(2, 3).T, f[6:]],
        lambda f: [np.ones(2, np.float32), np.ones(3, np.float32)],
        lambda f: [f[:2], f[:2]],
    ],
    ids=["gap", "order", "dtype", "strided", "transposed", "apart", "twice"],
)
def test_what_is_not_one_piece_is_not_joined(pieces: Any) -> None:
    assert joined(pieces(aligned_zeros(10, np.float32))) is None


def test_a_single_array() -> None:
    x = np.ones(3)
    found = joined([x])
    assert found is None or found.tolist() == [1.0, 1.0, 1.0]


def _optimizers() -> dict[str, Any]:
    return {
        "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "adam": lambda p: optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.1),
        "adamw": lambda p: optim.AdamW(p, lr=0.1, maximize=True),
        "rmsprop": lambda p: optim.RMSprop(p, lr=0.1, centered=True, momentum=0.5),
        "adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1),
    }


@walked("name", _optimizers())
@walked("size", [3, 40_000], ids=["small", "by the kernel"])
def test_flat_steps_are_steps_of_each_parameter(name: str, size: int) -> None:
    rng = np.random.default_rng(0)
    grads = [[rng.normal(size=shape) for shape in [(2, size), (), (4,)]] for _ in range(4)]
    found = []
    for compiles in (False, True):
        parameters = [cr.tensor(np.ones(g.shape), requires_grad=True) for g in grads[0]]
        optimizer = _optimizers()[name](parameters)

        def step(*gs: Any, parameters: Any = parameters, optimizer: Any = optimizer) -> None:
            for p, g in zip(parameters, gs, strict=True):
                p.grad = None
                (p * g).sum().backward()
            optimizer.step()

        f = cr.compile(step) if compiles else step
        for gs in grads:
            f(*gs)
        state = [np.asarray(x) for one in optimizer.state.values() for x in one.values()]
        found.append([*(p.numpy() for p in parameters), *state])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_parameters_of_two_dtypes_are_not_laid_together() -> None:
    parameters = [cr.tensor(np.ones(2, dtype), requires_grad=True) for dtype in (np.float32, np.float64)]
    optimizer = optim.SGD(parameters, lr=0.5)

    def step(x: Any) -> None:
        optimizer.zero_grad()
        sum((p * x).sum() for p in parameters).backward()
        optimizer.step()

    compiled = cr.compile(step)
    for _ in range(2):
        compiled(np.ones(2))
    assert [p.numpy().tolist() for p in parameters] == [[0.0, 0.0]] * 2
    assert [p.dtype for p in parameters] == [np.float32, np.float64]
