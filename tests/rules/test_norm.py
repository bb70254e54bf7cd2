import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.named import walked

import chainrule.rules  # noqa: F401
from chainrule.core.transforms.derivatives import grad, vjp
from chainrule.rules.network.norm import layer_norm, rms_norm

rows = hnp.arrays(np.float64, (3, 5), elements=st.floats(-1e4, 1e4, width=32))


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in [(2, 3, 4), (4,), (4,), (2, 3, 4)]]


def test_layer_norm_is_the_formula(arrays):
    x, gamma, beta, _ = arrays
    wanted = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(layer_norm(x, gamma, beta, eps=1e-3), gamma * wanted + beta, rtol=1e-12)
    np.testing.assert_allclose(layer_norm(x, eps=1e-3), wanted, rtol=1e-12)


def test_rms_norm_is_the_formula(arrays):
    x, gamma, _, _ = arrays
    wanted = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(rms_norm(x, gamma, eps=1e-3), gamma * wanted, rtol=1e-12)
    np.testing.assert_allclose(rms_norm(x, eps=1e-3), wanted, rtol=1e-12)


@given(rows)
def test_the_gradient_is_orthogonal_to_what_the_output_does_not_see(x):
    y_bar = np.random.default_rng(0).normal(size=x.shape)
    (x_bar,) = vjp(layer_norm, x)[1](y_bar)
    assert np.all(np.isfinite(x_bar))
    # A shift of a row changes nothing; a stretch does so but for eps.
    scale = 1e-12 * np.abs(x_bar).max(initial=1.0)
    np.testing.assert_allclose(x_bar.sum(axis=-1), 0.0, atol=10 * scale)
    stretched = x + np.linspace(-1.0, 1.0, 5)
    for f, along in [(layer_norm, stretched - stretched.mean(axis=-1, keepdims=True)), (rms_norm, stretched)]:
        (x_bar,) = vjp(lambda x, f=f: f(x, eps=0.0), stretched)[1](y_bar)
        size = np.abs(x_bar * along).sum(axis=-1)
        assert np.all(np.abs((x_bar * along).sum(axis=-1)) <= 1e-9 * size + 1e-9)


@given(rows, st.floats(-100, 100))
def test_a_shift_does_not_change_layer_norm(x, shift):
    x = x + np.linspace(-1.0, 1.0, 5)
    np.testing.assert_allclose(layer_norm(x + shift), layer_norm(x), atol=1e-6)


def test_large_values_raise_no_warning():
    x = np.array([[1e4, -1e4, 1e4, -1e4]])
    for dtype in (np.float32, np.float64):
        np.testing.assert_allclose(layer_norm(x.astype(dtype)), [[1.0, -1.0, 1.0, -1.0]], rtol=1e-6)
        np.testing.assert_allclose(rms_norm(x.astype(dtype)), [[1.0, -1.0, 1.0, -1.0]], rtol=1e-6)


def test_float16_is_computed_in_float32():
    x = np.array([[1000.0, -1000.0, 1000.0, -1000.0]], np.float16)
    for f in (layer_norm, rms_norm):
        y, pull = vjp(f, x)
        assert y.dtype == np.float16
        np.testing.assert_allclose(y, [[1.0, -1.0, 1.0, -1.0]], rtol=1e-3)
        (x_bar,) = pull(np.ones((1, 4), np.float16))
        assert x_bar.dtype == np.float16


def test_a_constant_row_becomes_beta():
    x, beta = np.full((2, 3), 7.0), np.array([1.0, 2.0, 3.0])
    assert layer_norm(x, np.ones(3), beta).tolist() == [beta.tolist()] * 2
    assert np.all(np.isfinite(grad(lambda x: layer_norm(x, np.ones(3), beta).sum())(x)))


def test_several_axes_are_normalised_together(arrays):
    x, _, _, y_bar = arrays
    rng = np.random.default_rng(1)
    gamma, beta = rng.normal(size=(2, 3, 4))
    y, pull = vjp(lambda x, g, b: layer_norm(x, g, b, normalized_shape=(3, 4)), x, gamma, beta)
    flat, flat_pull = vjp(layer_norm, x.reshape(2, 12), gamma.reshape(12), beta.reshape(12))
    np.testing.assert_array_equal(y, flat.reshape(x.shape))
    for got, wanted in zip(pull(y_bar), flat_pull(y_bar.reshape(2, 12)), strict=True):
        np.testing.assert_array_equal(got.reshape(wanted.shape), wanted)
    assert rms_norm(x, gamma, normalized_shape=[3, 4]).shape == x.shape
    assert layer_norm(x, normalized_shape=4).shape == x.shape


@walked(
    ("call", "message"),
    [
        (lambda: layer_norm(np.zeros((2, 3)), np.ones(4)), r"layer_norm: expected gamma of shape \(3,\), got \(4,\)"),
        (
            lambda: layer_norm(np.zeros((2, 3)), normalized_shape=4),
            r"layer_norm: expected x to end with the axes \(4,\)",
        ),
        (lambda: layer_norm(np.zeros((2, 0))), "layer_norm: expected x .* at least one feature"),
        (lambda: layer_norm(np.float64(1.0)), "layer_norm: expected x to end with"),
        (lambda: rms_norm(np.zeros((2, 3)), eps=-1.0), "rms_norm: expected eps >= 0, got -1.0"),
    ],
)
def test_errors_say_what_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_torch_agrees(torch, arrays):
    x, gamma, beta, y_bar = arrays
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    ty = torch.nn.functional.layer_norm(leaves[0], (4,), leaves[1], leaves[2], eps=1e-3)
    ty.backward(torch.tensor(y_bar))
    y, pull = vjp(lambda *a: layer_norm(*a, eps=1e-3), x, gamma, beta)
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-12)
    for got, leaf in zip(pull(y_bar), leaves, strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_torch_agrees_on_rms_norm(torch, arrays):
    x, gamma, _, y_bar = arrays
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, gamma)]
    ty = torch.nn.functional.rms_norm(leaves[0], (4,), leaves[1], eps=1e-3)
    ty.backward(torch.tensor(y_bar))
    y, pull = vjp(lambda *a: rms_norm(*a, eps=1e-3), x, gamma)
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-12)
    for got, leaf in zip(pull(y_bar), leaves, strict=True):
        np.testing.assert_allclose(got, leaf.grad.numpy(), rtol=1e-9, atol=1e-12)
