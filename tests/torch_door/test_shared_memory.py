"""Tensors that share memory without sharing a gradient: detached ones, and views that became leaves."""

import numpy as np
from tests.named import named

import chainrule.torch as door


def _detached_constant(t):
    x = t.arange(6.0).reshape(2, 3)
    row, other = x.detach()[0], x.detach().detach()
    row.mul_(2)
    other[1] += 1
    return x, row, other


def _detached_in_no_grad(t):
    x = t.arange(3.0)
    with t.no_grad():
        x.detach().add_(1)
        x.data.mul_(2)
    return x, x.view(3, 1)


def _view_that_is_trained(t):
    w = t.arange(4.0).view(2, 2).requires_grad_()
    for _ in range(2):
        loss = ((w - 1) ** 2).sum()
        loss.backward()
        with t.no_grad():
            w -= 0.1 * w.grad
            w[0] *= 0.5
        w.grad.zero_()
        w.data.add_(0.5)
    assert w.requires_grad
    assert w.is_leaf
    return w, w.grad


def _parts_of_one_vector(t):
    flat = t.arange(6.0)
    first, second = flat[:4].view(2, 2).requires_grad_(), flat[4:].requires_grad_()
    (first.sum() * second).sum().backward()
    with t.no_grad():
        first -= first.grad
        second.detach().add_(5)
    before = flat.clone()
    flat.mul_(2)
    first.grad = None
    (first**2).sum().backward()
    assert not flat.requires_grad
    return before, flat, first, second, first.grad


def _views_of_a_view_that_is_a_leaf(t):
    flat = t.arange(6.0)
    w = flat.view(2, 3).requires_grad_()
    row = w[0]
    data = w.data
    flat.add_(1)
    with t.no_grad():
        w.T.mul_(3)
    data[1, 1] = 7
    return flat, w, data, row.detach()


CASES = {
    "a detached constant": _detached_constant,
    "in no_grad": _detached_in_no_grad,
    "a view that is trained": _view_that_is_trained,
    "parts of one vector": _parts_of_one_vector,
    "views of a view that is a leaf": _views_of_a_view_that_is_a_leaf,
}


def test_writes_reach_what_shares_the_memory(torch) -> None:
    for name, case in CASES.items():
        with named(name):
            for ours, theirs in zip(case(door), case(torch), strict=True):
                np.testing.assert_array_equal(door.values_of(ours), theirs.detach().numpy())
                assert ours.requires_grad == theirs.requires_grad


def test_an_optimizer_whose_step_is_compiled_changes_the_whole_vector(torch) -> None:
    def trained(t):
        flat = t.arange(6.0) / 6
        w, b = flat[:4].view(2, 2).requires_grad_(), flat[4:].requires_grad_()
        optimizer = t.optim.Adam([w, b], lr=0.1)

        def step(x):
            optimizer.zero_grad()
            loss = ((w @ x + b) ** 2).sum()
            loss.backward()
            optimizer.step()
            return loss

        step = step if t is torch else t.compile(step, fullgraph=True)
        for k in range(4):
            step(t.ones(2) * k)
            if k == 1:
                flat.mul_(0.5)
        return flat, w, b

    for ours, theirs in zip(trained(door), trained(torch), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), 1e-5, 1e-6)


def test_views_of_numbers(torch) -> None:
    """Results without axes, which NumPy's scalars would be, share their memory with their views, too."""

    def written(t, wrap):
        def f(w):
            total, product, mean = w.sum(), w.prod(), (w * w).mean()
            flat = product.ravel()
            total.view(-1)[0] = 7.0
            product.mul_(3)
            mean[None].neg_()
            return total, product, flat, mean, mean * w

        w = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
        found = wrap(f)(w)
        found[-1].sum().backward()
        return *found, w.grad

    expected = written(torch, lambda f: f)
    for wrap in (lambda f: f, lambda f: door.compile(f, fullgraph=True)):
        for ours, theirs in zip(written(door, wrap), expected, strict=True):
            np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), 1e-6)
