"""Attention's methods, dropout and shared heads in `nn`."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.nn.functional.attention import DropoutSeed, attention_method, scaled_dot_product_attention
from chainrule.rules.attention import blocks as attention_blocks


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(attention_blocks, "ROWS", 4)
    monkeypatch.setattr(attention_blocks, "COLUMNS", 3)


def drawn(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in shapes]


@pytest.mark.parametrize("method", ["plain", "blockwise"])
def test_dropout_keeps_the_mean_and_draws_anew(method):
    q, k = np.zeros((50, 2)), np.zeros((60, 2))
    generator = np.random.default_rng(0)

    def weights():
        return 60 * scaled_dot_product_attention(q, k, np.eye(60), dropout=0.25, generator=generator, method=method)

    first, second = weights(), weights()
    np.testing.assert_allclose(np.unique(first), [0, 1 / 0.75])
    assert abs((first > 0).mean() - 0.75) < 0.05
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("method", ["plain", "blockwise"])
def test_dropout_is_fixed_by_the_seed(method):
    args = drawn((9, 4), (9, 4), (9, 4))

    def once():
        cr.seed(3)
        y, pull = cr.vjp(lambda *a: scaled_dot_product_attention(*a, dropout=0.5, method=method), *args)
        return [y, *pull(np.ones_like(y))]

    for a, b in zip(once(), once(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", ["plain", "blockwise"])
def test_gradients_of_dropout_are_those_of_the_weights_that_were_drawn(method):
    q, k, v = drawn((9, 4), (8, 4), (8, 3))

    def loss(q):
        cr.seed(1)
        return (scaled_dot_product_attention(q, k, v, dropout=0.4, method=method) ** 2).sum()

    direction = drawn((9, 4))[0][::-1]
    numeric = (loss(q + 1e-6 * direction) - loss(q - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose((cr.grad(loss)(q) * direction).sum(), numeric, rtol=1e-6)


@pytest.mark.parametrize("method", ["plain", "blockwise"])
def test_dropout_of_everything_is_zero(method):
    args = drawn((9, 4), (8, 4), (8, 3))
    y, pull = cr.vjp(lambda *a: scaled_dot_product_attention(*a, dropout=1.0, method=method), *args)
    assert not y.any()
    assert not any(x.any() for x in pull(np.ones_like(y)))
    with pytest.raises(ValueError, match="scaled_dot_product_attention: dropout: p: expected a probability"):
        scaled_dot_product_attention(*args, dropout=1.5)


@walked("method", ["plain", "blockwise"])
@walked("mask", [None, np.tri(9, 8, dtype=bool), np.ones((2, 1, 9, 8)), np.ones((2, 6, 9, 8))])
@walked("dropout", [0.0, 0.3])
def test_shared_heads_are_repeated_heads(method, mask, dropout):
    q, k, v = drawn((2, 6, 9, 4), (2, 2, 8, 4), (2, 2, 8, 3))

    def run(f):
        cr.seed(0)
        y, pull = cr.vjp(f, q, k, v)
        return [y, *pull(np.cos(np.arange(y.size)).reshape(y.shape))]

    def shared(q, k, v):
        return scaled_dot_product_attention(q, k, v, mask, dropout=dropout, enable_gqa=True, method=method)

    def repeated(q, k, v):
        k, v = (np.repeat(x, 3, axis=1) for x in (k, v))
        return scaled_dot_product_attention(q, k, v, mask, dropout=dropout, method=method)

    for got, expected in zip(run(shared), run(repeated), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def test_the_seed_is_a_constant_drawn_by_the_generator():
    first = DropoutSeed.apply(np.zeros(3), generator=np.random.default_rng(0))
    second = DropoutSeed.apply(np.zeros(3), generator=np.random.default_rng(0))
    assert first.dtype == np.uint64
    assert first == second
    assert DropoutSeed.kind == "constant"


@pytest.mark.parametrize("causal", [False, True])
def test_a_layer_with_shared_heads_is_one_with_repeated_weights(causal):
    shared = nn.MultiheadAttention(12, 6, num_kv_heads=2, dtype=np.float64, generator=np.random.default_rng(0))
    whole = nn.MultiheadAttention(12, 6, dtype=np.float64)
    assert shared.key.weight.shape == shared.value.weight.shape == (12, 4)
    for name in ("query", "output"):
        getattr(whole, name).load_state_dict(getattr(shared, name).state_dict())
    for name in ("key", "value"):
        weight = getattr(shared, name).weight.numpy().reshape(12, 2, 2)
        getattr(whole, name).weight.data = np.repeat(weight, 3, axis=1).reshape(12, 12)
    (x,) = drawn((3, 7, 12))
    np.testing.assert_allclose(shared(x, causal=causal).numpy(), whole(x, causal=causal).numpy(), atol=1e-12)
    assert "num_kv_heads=2" in repr(shared)
    assert "num_kv_heads" not in repr(whole)


def test_heads_that_do_not_fit():
    with pytest.raises(ValueError, match="num_kv_heads: expected a divisor of the 6 heads, got 4"):
        nn.MultiheadAttention(12, 6, num_kv_heads=4)


def test_a_block_takes_shared_heads():
    block = nn.TransformerBlock(8, 4, num_kv_heads=1)
    assert block.attention.key.weight.shape == (8, 2)
    assert block(np.zeros((3, 5, 8))).shape == (3, 5, 8)


def test_a_long_sequence_goes_blockwise_through_the_layer(monkeypatch):
    monkeypatch.setattr(attention_blocks, "ROWS", 256)
    monkeypatch.setattr(attention_blocks, "COLUMNS", 256)
    layer = nn.MultiheadAttention(8, 2, generator=np.random.default_rng(0))
    (x,) = drawn((1, 1024, 8))
    x = x.astype(np.float32)
    assert attention_method((1, 2, 1024, 4), (1, 2, 1024, 4)) == "blockwise"
    y = layer(cr.tensor(x), causal=True)
    q, k, v = (layer._heads(part, x, 2) for part in (layer.query, layer.key, layer.value))
    plain = scaled_dot_product_attention(q, k, v, causal=True, method="plain")
    expected = layer.output(np.swapaxes(plain.numpy(), 1, 2).reshape(1, 1024, 8))
    np.testing.assert_allclose(y.numpy(), expected.numpy(), atol=1e-5)


def test_a_captured_program_draws_dropout_anew():
    from chainrule.compile import compile

    args = drawn((9, 4), (9, 4), (9, 4))

    def loss(q, k, v):
        return (scaled_dot_product_attention(q, k, v, dropout=0.5, method="blockwise") ** 2).sum()

    gradient = cr.grad(loss, argnums=(0, 1, 2))
    compiled = compile(gradient)
    first, second = compiled(*args), compiled(*args)
    assert not np.allclose(first[0], second[0])
    cr.seed(0)
    got = compiled(*args)
    cr.seed(0)
    for a, b in zip(got, gradient(*args), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
