"""What a compiled function makes inside, it may write to, as without the compiler."""

import numpy as np
import pytest
from tests.named import named

import chainrule.torch as torch
from chainrule.core.errors import CaptureError

ROWS = torch.tensor([0, 2])


def sums(x, w):
    total = torch.zeros(3)
    for row in x @ w:
        total += row
        total[1:] *= 0.5
    return total.sum()


def columns(x, w):
    y = torch.zeros_like(x)
    for k in range(3):
        y[:, k] = (x @ w)[:, k] + y[:, k - 1]
    return (y**2).sum()


def views(x, w):
    y = torch.ones(3, 3).tril().view(1, 3, 3)
    part = y[0, 1:]
    part += (x @ w)[0]
    return (y * x).sum()


def masks(x, w):
    y = torch.ones(3, 3)
    y[x > 1] = 3.0
    z = (x @ w).clone()
    z[z > 2] = 0.0
    y.masked_fill_(x < 0, 2.0)
    return (y * z).sum()


def methods(x, w):
    y = x.new_zeros(3, 3).scatter_(1, torch.tensor([[1], [0], [2]]), 1.0)
    y.index_add_(0, ROWS, (x @ w)[:2])
    y.index_fill_(1, ROWS, 0.5)
    return (y * x).sum()


def data(x, w):
    y, z = torch.tensor([0.0, 1.0, 2.0]), torch.Tensor([1, 2, 3])
    y[0] = (x @ w)[0, 0]
    z *= torch.FloatTensor(3).fill_(2.0) * (x @ w)[1]
    return (y * z).sum()


def into(x, w):
    out = torch.empty(3, 3)
    torch.mul(x @ w.detach(), 2, out=out)
    return (out * w).sum()


def drawn(x, w):
    y, z = torch.randn(3, 3), torch.rand(3).normal_()
    y[0] = (x @ w)[0]
    z += x[0]
    y *= 0
    return (y + x @ w).sum() + 0 * z.sum()


def trained(f, compiled):
    w = torch.ones(3, 3, requires_grad=True)
    optimizer = torch.optim.SGD([w], 0.01)

    def step(x):
        optimizer.zero_grad()
        loss = f(x, w)
        loss.backward()
        optimizer.step()
        return loss.detach()

    step = torch.compile(step, fullgraph=True) if compiled else step
    return [float(step(torch.arange(9.0).reshape(3, 3) * k - 2)) for k in (1, 2, 3)]


def test_each_kind_of_write_learns_as_without_the_compiler():
    for f in (sums, columns, views, masks, methods, data, into, drawn):
        with named(f.__name__):
            assert trained(f, True) == pytest.approx(trained(f, False), rel=1e-5)


def test_each_call_writes_to_an_array_of_its_own():
    @torch.compile(fullgraph=True)
    def filled(x):
        y = torch.zeros(2)
        y += x
        return y

    first, second = filled(torch.ones(2)), filled(torch.ones(2))
    first += 1
    np.testing.assert_array_equal(first.numpy(), [2, 2])
    np.testing.assert_array_equal(second.numpy(), [1, 1])
    np.testing.assert_array_equal(filled(torch.ones(2)).numpy(), [1, 1])


def test_what_was_made_outside_is_still_not_written_to():
    outside = torch.zeros(2)

    @torch.compile(fullgraph=True)
    def adding(x):
        outside.add_(x)
        return outside * 1

    with pytest.raises(CaptureError, match="outside was written into"):
        adding(torch.ones(2))
    np.testing.assert_array_equal(outside.numpy(), [0, 0])


def test_what_one_call_made_and_kept_is_outside_for_the_next():
    kept = []

    def counting(x):
        if not kept:
            kept.append(torch.zeros(2))
        kept[0] += x
        return kept[0] * 1

    compiled = torch.compile(counting, fullgraph=True)
    try:
        found = [compiled(torch.ones(2)).tolist() for _ in range(3)]
    except CaptureError:
        return  # a refusal is right
    assert found == [[1, 1], [2, 2], [3, 3]]


def test_writes_into_arguments_of_more_shapes_than_there_are_plans():
    compiled, lengths = torch.compile(lambda x, m: (x.add_(1), x[0].mul_(m), x.sum())[-1]), range(1, 21)
    inputs = [torch.ones(n) for n in lengths]
    with pytest.warns(UserWarning, match="captured 16 times"):
        found = [compiled(x, 3.0).item() for x in inputs]
    assert found == [2 * n + 4 for n in lengths]
    assert [x.tolist() for x in inputs] == [[6.0] + [2.0] * (n - 1) for n in lengths]


def test_a_write_into_an_argument_that_is_also_a_variable_reaches_it():
    w = torch.ones(3)
    compiled = torch.compile(lambda x: x.add_(1) + 0 * w.sum())
    for k in range(3):
        compiled(w)
        assert w.tolist() == [k + 2.0] * 3
