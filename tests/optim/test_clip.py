"""Clipping against PyTorch's, its laws, and gradients that are not finite."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim

GRADS = st.lists(
    npst.arrays(np.float64, npst.array_shapes(max_dims=2, max_side=4), elements=st.floats(-1e6, 1e6)), min_size=1
)


def with_grads(grads):
    parameters = [cr.tensor(np.zeros_like(g), requires_grad=True, name=f"p{k}") for k, g in enumerate(grads)]
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = grad
    return parameters


# Below about 1e-154 a square is no longer exact, in NumPy's norm of the result as well.
@given(GRADS, st.just(0.0) | st.floats(1e-100, 1e3))
def test_the_norm_is_that_before_and_the_rest_is_one_factor(grads, max_norm):
    parameters = with_grads(grads)
    norm = optim.clip_grad_norm_(parameters, max_norm)
    flat = np.concatenate([g.ravel() for g in grads])
    assert norm == pytest.approx(np.linalg.norm(flat), rel=1e-12, abs=1e-150)
    factor = min(1.0, max_norm / (norm + 1e-6))
    after = np.concatenate([p.grad.numpy().ravel() for p in parameters])
    np.testing.assert_allclose(after, factor * flat, rtol=1e-12, atol=1e-300)
    assert np.linalg.norm(after) <= max(max_norm, 1e-300) * (1 + 1e-12)


@walked("max_norm", [0.5, 3.0, 100.0])
def test_it_is_torchs(torch, max_norm):
    rng = np.random.default_rng(0)
    grads = [rng.standard_normal((3, 2)), rng.standard_normal(4)]
    mine = with_grads(grads)
    theirs = [torch.zeros(g.shape, dtype=torch.float64, requires_grad=True) for g in grads]
    for p, g in zip(theirs, grads, strict=True):
        p.grad = torch.tensor(g)
    ours, expected = optim.clip_grad_norm_(mine, max_norm), torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    assert ours == pytest.approx(float(expected), rel=1e-14)
    optim.clip_grad_value_(mine, 0.1)
    torch.nn.utils.clip_grad_value_(theirs, 0.1)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-14)


@walked(("dtype", "size"), [(np.float32, 1e30), (np.float64, 1e200), (np.float64, 1e308)])
def test_squares_that_overflow_do_not_matter(dtype, size):
    (p,) = with_grads([np.full(1, size, dtype)])
    assert optim.clip_grad_norm_([p], 1.0) == pytest.approx(size, rel=1e-6)
    assert p.grad.dtype == dtype
    assert p.grad.numpy() == pytest.approx(1.0, rel=1e-6)


def test_gradients_that_are_one_array_are_scaled_once():
    a, b = (cr.tensor(np.ones(2), requires_grad=True) for _ in range(2))
    ((a + b) * 2.0).sum().backward()
    norm = optim.clip_grad_norm_([a, b], 1.0)
    assert norm == 4.0
    np.testing.assert_allclose(a.grad.numpy(), 0.5, rtol=1e-6)
    np.testing.assert_allclose(b.grad.numpy(), 0.5, rtol=1e-6)


@walked("bad", [np.nan, np.inf, -np.inf])
def test_a_gradient_that_is_not_finite_is_named(bad):
    grads = [np.ones(2), np.array([1.0, bad, bad])]
    model = nn.Module()
    model.good, model.bad = nn.Parameter(np.zeros(2)), nn.Parameter(np.zeros(3))
    model.good.grad, model.bad.grad = grads
    with pytest.raises(cr.GradientError, match="the gradient of bad is NaN or infinite in 2 of 3 elements"):
        optim.clip_grad_norm_(model.parameters(), 1.0)
    np.testing.assert_array_equal(model.good.grad.numpy(), 1.0)
    norm = optim.clip_grad_norm_(model.parameters(), 1.0, on_nonfinite="ignore")
    assert not np.isfinite(norm)
    np.testing.assert_array_equal(model.bad.grad.numpy(), grads[1])
    optim.clip_grad_norm_(model.parameters(), 1.0, on_nonfinite="zero")
    assert all((p.grad.numpy() == 0).all() for p in model.parameters())


def test_what_has_no_gradient_does_not_count():
    with_gradient, without = with_grads([np.full(4, 2.0)])[0], cr.zeros(3, requires_grad=True)
    assert optim.clip_grad_norm_([without], 1.0) == 0.0
    assert optim.clip_grad_norm_([with_gradient, without], 1.0) == 4.0
    assert without.grad is None


@walked("bound", [-1.0, float("nan"), "1"])
def test_a_wrong_bound_is_refused(bound):
    for clip in (optim.clip_grad_norm_, optim.clip_grad_value_):
        with pytest.raises((TypeError, ValueError), match=clip.__name__):
            clip(with_grads([np.ones(2)]), bound)
    with pytest.raises(ValueError, match="on_nonfinite"):
        optim.clip_grad_norm_([], 1.0, on_nonfinite="skip")


def test_scaled_gradients_of_a_scaled_loss_are_those_of_the_loss():
    """A power of two changes no digit; here it keeps float16 gradients from vanishing."""
    w = cr.tensor(np.full(3, 2.0, np.float16), requires_grad=True)
    tiny = np.float16(2.0**-14)
    (w * tiny * tiny).sum().backward()
    assert not w.grad.numpy().any()
    w.grad = None
    (w * tiny * (tiny * 2**10)).sum().backward()
    assert (w.grad.numpy() == np.float16(2.0**-18)).all()
    optim.scale_grads_([w], 2.0**-4)
    assert (w.grad.numpy() == np.float16(2.0**-22)).all()
    with pytest.raises(ValueError, match="scale_grads_: factor: expected a finite number, got inf"):
        optim.scale_grads_([w], float("inf"))


def test_accumulated_gradients_are_those_of_the_whole_batch():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((10, 4)), rng.standard_normal((10, 2))
    model, loss = nn.Linear(4, 2, dtype=np.float64), nn.MSELoss()
    loss(model(x), y).backward()
    whole = {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
    model.zero_grad()
    for part in (slice(0, 4), slice(4, 8), slice(8, 10)):
        (len(x[part]) * loss(model(x[part]), y[part])).backward()
    optim.scale_grads_(model.parameters(), 1 / len(x))
    for name, p in model.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), whole[name], atol=1e-15)
