"""Steps of large parameters, which kernels take, against those of NumPy and PyTorch."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.kernels.suitable import LARGE, LARGE_STEP
from chainrule.optim import one_pass

from .test_optimizers import IDS, SETTINGS

SHAPE = (LARGE // 16 + 1, 17)


def walk(ours, settings, dtype, steps=5):
    """Take steps along the same random gradients, and return the value and the state after them."""
    rng = np.random.default_rng(0)
    p = nn.Parameter(rng.standard_normal(SHAPE).astype(dtype))
    optimizer = ours([p], **settings)
    for _ in range(steps):
        p.grad = (rng.standard_normal(SHAPE) + 0.5).astype(dtype)
        optimizer.step()
    return {"value": p.numpy().copy(), **optimizer.state_dict()["state"][0]}


@pytest.fixture
def by_numpy(monkeypatch):
    """Calls a function with every step left to NumPy."""

    def call(f, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(one_pass, "LARGE", 1 << 60)
            patch.setattr(one_pass, "LARGE_STEP", 1 << 60)
            return f(*arguments)

    return call


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("ours", "name", "settings"), SETTINGS, ids=IDS)
def test_a_kernel_takes_the_step_of_numpy(by_numpy, ours, name, settings, dtype):
    settings = {"lr": 0.05, **settings}
    mine, expected = walk(ours, settings, dtype), by_numpy(walk, ours, settings, dtype)
    assert mine.keys() == expected.keys()
    eps = np.finfo(dtype).eps
    for key, value in expected.items():
        np.testing.assert_allclose(mine[key], value, rtol=64 * eps, atol=64 * eps, err_msg=key)


@walked(("ours", "name", "settings"), SETTINGS, ids=IDS)
def test_a_kernel_takes_the_step_of_torch(torch, ours, name, settings):
    value = walk(ours, settings, np.float64)["value"]
    rng = np.random.default_rng(0)
    p = torch.tensor(rng.standard_normal(SHAPE), requires_grad=True)
    theirs = getattr(torch.optim, name)([p], **settings)
    for _ in range(5):
        p.grad = torch.tensor(rng.standard_normal(SHAPE) + 0.5)
        theirs.step()
    np.testing.assert_allclose(value, p.detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.fixture
def taken(monkeypatch):
    """Collects, for each step, whether a kernel took it."""
    answers, ask = [], one_pass.suitable
    monkeypatch.setattr(one_pass, "suitable", lambda *a: answers.append(ask(*a)) or answers[-1])
    return answers


def test_which_steps_a_kernel_takes(taken):
    large = np.ones(LARGE, np.float32)
    for value, grad in (
        (large, large),
        (large.astype(np.float16), large.astype(np.float16)),
        (large, np.broadcast_to(large[:1], large.shape)),
        (np.ones((200, 300)).T, np.ones((200, 300)).T),
    ):
        p = cr.tensor(value, requires_grad=True)
        optimizer = optim.SGD([p], lr=0.5)
        optimizer._update(p._value, grad, {}, optimizer.param_groups[0])
        assert (np.asarray(p._value) == 0.5).all()
    assert taken == [True, False, False, False]


def test_a_gradient_of_another_shape_is_left_to_numpy_and_its_error():
    optimizer = optim.SGD([cr.tensor(np.ones(LARGE), requires_grad=True)], lr=0.5)
    value = np.ones(LARGE)
    with pytest.raises(ValueError, match="broadcast"):
        optimizer._update(value, np.ones(LARGE + 1), {}, optimizer.param_groups[0])


def test_a_value_that_cannot_be_written_to_is_numpys_error():
    optimizer = optim.SGD([cr.tensor(np.ones(LARGE), requires_grad=True)], lr=0.5)
    value = np.ones(LARGE)
    value.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        optimizer._update(value, np.ones(LARGE), {}, optimizer.param_groups[0])


@pytest.mark.parametrize(("ours", "least"), [(optim.SGD, LARGE), (optim.Adagrad, LARGE_STEP)])
def test_a_step_goes_to_the_kernel_from_its_size_on(monkeypatch, ours, least):
    sizes = []

    def step(kernel, arrays, *settings):
        if taken := one_pass.in_one_pass(kernel, arrays, *settings):
            sizes.append(arrays[0].size)
        return taken

    monkeypatch.setattr("chainrule.optim.optimizer.in_one_pass", step)
    for size in (least - 1, least):
        p = nn.Parameter(np.ones(size, np.float32))
        p.grad = np.ones(size, np.float32)
        ours([p], lr=0.1).step()
    assert sizes == [least]


@walked("ours", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad])
def test_a_new_learning_rate_compiles_nothing(ours):
    from chainrule.kernels import optimizers

    p = nn.Parameter(np.ones(SHAPE, np.float32))
    optimizer = ours([p], lr=0.1)
    kernels = [k for k in vars(optimizers).values() if hasattr(k, "signatures")]
    counts = []
    for lr in (0.1, 0.01, 1, 0):
        optimizer.param_groups[0]["lr"] = lr
        p.grad = np.ones(SHAPE, np.float32)
        optimizer.step()
        counts.append(sum(len(k.signatures) for k in kernels))
    assert len(set(counts)) == 1


SEVERAL = ((LARGE_STEP // 64, 65), (1,), (3, 5, 7), (), (0, 4), (LARGE_STEP, 3))


def walk_of_several(ours, settings, dtype, turned=False):
    """Take steps of several parameters; with `turned`, of one that no kernel takes."""
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(shape).astype(dtype) for shape in SEVERAL]
    if turned:
        values[0] = np.asfortranarray(values[0])
    parameters = [cr.tensor(value, requires_grad=True) for value in values]
    if turned:
        parameters[0].data = values[0]
    optimizer = ours(parameters, **settings)
    for _ in range(3):
        for p in parameters:
            p.grad = (rng.standard_normal(p.shape) + 0.5).astype(dtype)
        optimizer.step()
    return [p.numpy().copy() for p in parameters], optimizer.state_dict()["state"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("ours", "name", "settings"), SETTINGS, ids=IDS)
def test_several_parameters_step_together_as_each_by_numpy(by_numpy, ours, name, settings, dtype):
    settings = {"lr": 0.05, **settings}
    expected, states = by_numpy(walk_of_several, ours, settings, dtype)
    eps = np.finfo(dtype).eps
    for turned in (False, True):
        values, mine = walk_of_several(ours, settings, dtype, turned)
        for one, other in zip(values, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=64 * eps, atol=64 * eps)
        for one, other in zip(mine, states, strict=True):
            assert one.keys() == other.keys()
            for key, value in other.items():
                np.testing.assert_allclose(one[key], value, rtol=64 * eps, atol=64 * eps, err_msg=key)


def test_parameters_that_count_differently_step_each_by_itself():
    """One gets its first gradient later."""
    a, b = (nn.Parameter(np.ones((LARGE_STEP, 2))) for _ in range(2))
    together, apart = optim.Adam([a, b]), [nn.Parameter(np.ones((LARGE_STEP, 2))) for _ in range(2)]
    alone = [optim.Adam([p]) for p in apart]
    for grads in ((1.0, None), (2.0, -1.0), (0.5, 3.0)):
        for p, q, optimizer, grad in zip((a, b), apart, alone, grads, strict=True):
            p.grad = q.grad = None if grad is None else np.full(p.shape, grad)
            if grad is not None:
                optimizer.step()
        together.step()
    for p, q in zip((a, b), apart, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    assert [state["step"] for state in together.state_dict()["state"]] == [3, 2]
