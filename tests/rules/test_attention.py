import numpy as np
import pytest
from tests.named import walked

import chainrule.rules  # noqa: F401
from chainrule.core.transforms.derivatives import grad, jvp, vjp
from chainrule.rules.attention.plain import scaled_dot_product_attention as attend
from chainrule.rules.network.softmax import softmax


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in [(2, 3, 4), (2, 5, 4), (2, 5, 6), (2, 3, 6)]]


def test_the_gradients_are_those_of_the_text(arrays):
    q, k, v, d_out = arrays
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(4)
    weights = softmax(scores)
    output, pull = vjp(attend, q, k, v)
    np.testing.assert_allclose(output, weights @ v, rtol=1e-12)
    d_weights = d_out @ v.swapaxes(-1, -2)
    row_sum = (d_weights * weights).sum(axis=-1, keepdims=True)
    d_scores = weights * (d_weights - row_sum)
    dq, dk, dv = pull(d_out)
    np.testing.assert_allclose(dv, weights.swapaxes(-1, -2) @ d_out, rtol=1e-12)
    np.testing.assert_allclose(dq, d_scores @ k / np.sqrt(4), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(dk, d_scores.swapaxes(-1, -2) @ q / np.sqrt(4), rtol=1e-10, atol=1e-14)
    # What the memory-efficient form rests on.
    np.testing.assert_allclose(row_sum[..., 0], (d_out * output).sum(axis=-1), rtol=1e-10)


def test_a_row_of_weights_sums_to_one(arrays):
    q, k, v, _ = arrays
    np.testing.assert_allclose(attend(q, k, np.ones(v.shape), causal=True), 1.0, rtol=1e-14)


def test_causal_is_the_mask_below_the_diagonal(arrays):
    q, k, v, d_out = arrays
    mask = np.tri(3, 5, dtype=bool)
    additive = np.where(mask, 0.0, -np.inf)
    wanted, pull = vjp(lambda *a: attend(*a, causal=True), q, k, v)
    for f in (lambda *a: attend(*a, mask=mask), lambda *a: attend(*a, mask=additive)):
        y, other = vjp(f, q, k, v)
        np.testing.assert_array_equal(y, wanted)
        for one, two in zip(pull(d_out), other(d_out), strict=True):
            np.testing.assert_array_equal(one, two)
    changed = k.copy()
    changed[:, 2:] += 100.0
    np.testing.assert_array_equal(attend(q, changed, v, causal=True)[:, :2], wanted[:, :2])


def test_causal_and_a_mask_hold_together(arrays):
    q, k, v, _ = arrays
    mask = np.random.default_rng(1).random((2, 3, 5)) < 0.7
    both = attend(q, k, v, mask=mask & np.tri(3, 5, dtype=bool))
    np.testing.assert_array_equal(attend(q, k, v, mask=mask, causal=True), both)


def test_a_fully_masked_row_gives_zero_and_gets_no_gradient(arrays):
    q, k, v, d_out = arrays
    mask = np.ones((3, 5), bool)
    mask[1] = False
    y, pull = vjp(lambda *a: attend(*a, mask=mask), q, k, v)
    assert not y[:, 1].any()
    dq, dk, dv = pull(d_out)
    assert not dq[:, 1].any()
    assert all(np.all(np.isfinite(g)) for g in (dq, dk, dv))
    _, y_dot = jvp(lambda *a: attend(*a, mask=mask), (q, k, v), (q, k, v))
    assert not y_dot[:, 1].any()
    assert np.all(np.isfinite(y_dot))


def test_an_added_mask_has_a_gradient(arrays):
    q, k, v, d_out = arrays
    bias = np.random.default_rng(2).normal(size=(3, 5))

    def loss(bias):
        return np.sum(attend(q, k, v, mask=bias, causal=True) * d_out)

    gradient = grad(loss)(bias)
    np.testing.assert_allclose(gradient.sum(axis=-1), 0.0, atol=1e-14)
    direction = np.random.default_rng(3).normal(size=bias.shape)
    numeric = (loss(bias + 1e-6 * direction) - loss(bias - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose(np.sum(gradient * direction), numeric, rtol=1e-7)


def test_large_scores_pick_one_value_and_raise_no_warning():
    q, k = np.array([[100.0]]), np.array([[100.0], [-100.0]])
    v = np.array([[1.0, 2.0], [3.0, 4.0]])
    y, pull = vjp(lambda *a: attend(*a, scale=1.0), q, k, v)
    assert y.tolist() == [[1.0, 2.0]]
    dq, dk, dv = pull(np.ones((1, 2)))
    assert dq.tolist() == [[0.0]]
    assert dk.tolist() == [[0.0], [0.0]]
    assert dv.tolist() == [[1.0, 1.0], [0.0, 0.0]]


@walked(
    ("shapes", "mask", "error", "message"),
    [
        (
            ((3, 4), (5, 3), (5, 2)),
            None,
            ValueError,
            r"expected q \[.*got q \(3, 4\), k \(5, 3\), v \(5, 2\)",
        ),
        (((3, 4), (5, 4), (6, 2)), None, ValueError, r"got q \(3, 4\), k \(5, 4\), v \(6, 2\)"),
        (((4,), (5, 4), (5, 2)), None, ValueError, r"expected q \[\.\.\., N, d\]"),
        (((3, 0), (5, 0), (5, 2)), None, ValueError, "at least one feature"),
        (((3, 4), (5, 4), (5, 2)), np.ones((3, 4), bool), ValueError, r"the scores \(3, 5\), got shape \(3, 4\)"),
        (((1, 4), (5, 4), (5, 2)), np.ones((3, 5), bool), ValueError, r"the scores \(1, 5\), got shape \(3, 5\)"),
        (((3, 4), (5, 4), (5, 2)), np.ones((3, 5), int), TypeError, "expected a boolean mask.*got int64"),
    ],
)
def test_errors_say_what_does_not_fit(shapes, mask, error, message):
    with pytest.raises(error, match="scaled_dot_product_attention: .*" + message):
        attend(*map(np.zeros, shapes), mask=mask)


@walked("settings", [{}, {"causal": True}, {"scale": 0.3}, {"masked": "bool"}, {"masked": "float"}])
def test_torch_agrees(torch, settings):
    rng = np.random.default_rng(5)
    q, k, v, d_out = (rng.normal(size=(2, 4, 6, 8)) for _ in range(4))
    settings = dict(settings)
    mask = {None: None, "bool": rng.random((6, 6)) < 0.6, "float": rng.normal(size=(6, 6))}[
        settings.pop("masked", None)
    ]
    if mask is not None and mask.dtype == bool:
        mask |= np.eye(6, dtype=bool)
    leaves = [torch.tensor(a, requires_grad=True) for a in (q, k, v)]
    ty = torch.nn.functional.scaled_dot_product_attention(
        *leaves,
        attn_mask=None if mask is None else torch.tensor(mask),
        is_causal=settings.get("causal", False),
        scale=settings.get("scale"),
    )
    ty.backward(torch.tensor(d_out))
    y, pull = vjp(lambda *a: attend(*a, mask=mask, **settings), q, k, v)
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-10, atol=1e-13)
    for got, leaf in zip(pull(d_out), leaves, strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), rtol=1e-9, atol=1e-12)
