"""Batch normalisation of large arrays in one pass each way: against the operations that it replaces, and PyTorch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.kernels import channels, pool
from chainrule.nn.functional import normalization
from chainrule.rules.network.batch_norm import BatchNorm

F = cr.nn.functional
LEFT_TO_OPERATIONS = 1 << 60


def drawn(shape, dtype, far=0.0):
    rng = np.random.default_rng(0)
    x, gamma, beta = far + rng.standard_normal(shape), rng.standard_normal(shape[1]), rng.standard_normal(shape[1])
    return [a.astype(dtype) for a in (x, gamma, beta, rng.standard_normal(shape))]


def pulled(x, gamma, beta, y_bar, **given):
    """The value, the gradients, and the running moments after the call."""
    moments = np.zeros(x.shape[1], x.dtype), np.ones(x.shape[1], x.dtype)
    y, pull = cr.vjp(lambda *a: F.batch_norm(a[0], *moments, *a[1:], training=True, **given), x, gamma, beta)
    return [y, *pull(y_bar), *moments]


@pytest.mark.slow
@settings(deadline=None)
@given(
    batch=st.integers(1, 9),
    count=st.integers(1, 7),
    sides=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    dtype=st.sampled_from([np.float32, np.float64]),
    far=st.sampled_from([0.0, 1000.0]),
)
def test_it_is_the_composite_to_rounding_with_the_same_bits_on_one_thread(batch, count, sides, dtype, far):
    shape = (batch, count, *sides)
    if batch * np.prod(sides) < 2:
        return
    x, gamma, beta, y_bar = drawn(shape, dtype, far)
    exact = [a.astype(np.float64) for a in (x, gamma, beta)]
    y, pull = cr.vjp(lambda *a: BatchNorm.composite(*a, eps=1e-2), *exact)
    expected = [y, *pull(y_bar.astype(np.float64))]
    found = []
    for threads in (1, 2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pool, "threads", lambda threads=threads: threads)
            y, *kept = channels.normalized(x, gamma, beta, 1e-2)
            found.append([y, *channels.gradients(y_bar, x, gamma, *kept), *channels.moments(x)])
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two, strict=True)
    expected += [exact[0].mean((0, *range(2, x.ndim))), exact[0].var((0, *range(2, x.ndim)))]
    room = np.finfo(dtype).eps * (16 + 8 * far)
    for mine, other in zip(found[0], expected, strict=True):
        assert mine.dtype == dtype
        summed = max(8.0, (x.size / count) ** 0.5)  # rounding errors of a sum add up like a random walk
        np.testing.assert_allclose(mine, other, rtol=room, atol=room * max(1.0, np.abs(other).max()) * summed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(16, 8, 20, 17), (40, 3, 301), (5, 7, 9, 11, 13)])
def test_a_large_array_has_the_gradients_and_running_moments_of_the_operations(monkeypatch, shape, dtype):
    given = drawn(shape, dtype, far=2.0)
    x = cr.tensor(given[0], requires_grad=True)
    assert F.batch_norm(x, None, None, *given[1:3], training=True).node.op is BatchNorm
    found = pulled(*given)
    turned = np.ascontiguousarray(given[0].swapaxes(0, 1)).swapaxes(0, 1)  # in another order of memory
    again = pulled(turned, *given[1:3], given[3][..., ::-1].copy()[..., ::-1])
    monkeypatch.setattr(normalization, "LARGE", LEFT_TO_OPERATIONS)
    expected = pulled(*given)
    room = 64 * np.finfo(dtype).eps
    for mine, other, third in zip(found, again, expected, strict=True):
        scale = np.abs(third).max()
        np.testing.assert_allclose(mine, third, rtol=room, atol=room * scale)
        np.testing.assert_allclose(other, third, rtol=room, atol=room * scale)


@pytest.mark.slow
def test_it_is_pytorchs(torch):
    given = drawn((16, 8, 20, 17), np.float32, far=2.0)
    found = pulled(*given, momentum=0.3, eps=1e-3)
    x, gamma, beta = (torch.tensor(a, requires_grad=True) for a in given[:3])
    moments = torch.zeros(8), torch.ones(8)
    y = torch.nn.functional.batch_norm(x, *moments, gamma, beta, True, 0.3, 1e-3)
    y.backward(torch.tensor(given[3]))
    for mine, theirs in zip(found, (y.detach(), x.grad, gamma.grad, beta.grad, *moments), strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def test_second_derivatives_maps_and_programs_go_by_the_operations():
    x, gamma, beta, y_bar = drawn((16, 4, 32, 20), np.float64)

    def loss(x, gamma):
        return (F.batch_norm(x, None, None, gamma, beta, training=True) ** 2 * y_bar).sum()

    direction = np.random.default_rng(1).standard_normal(x.shape)
    second = cr.hvp(loss, (x, gamma), (direction, np.zeros(4)))[0]
    step = 1e-5
    ahead, behind = (cr.grad(loss)(x + sign * step * direction, gamma) for sign in (1, -1))
    np.testing.assert_allclose(second, (ahead - behind) / (2 * step), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(cr.compile(cr.grad(loss))(x, gamma), cr.grad(loss)(x, gamma), rtol=1e-9, atol=1e-12)
    stacked = cr.vmap(lambda x: loss(x, gamma))(np.stack([x, 2 * x]))
    np.testing.assert_allclose(stacked, [loss(x, gamma), loss(2 * x, gamma)], rtol=1e-10)


def test_one_value_in_each_channel_is_refused():
    with pytest.raises(ValueError, match="more than one value"):
        F.batch_norm(np.ones((1, 1 << 15, 1)), None, None, np.ones(1 << 15), np.ones(1 << 15), training=True)
