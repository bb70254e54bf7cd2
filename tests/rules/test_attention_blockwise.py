"""Attention in blocks, with blocks so small that little arrays have many: against the plain form, in every mode."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.core.operation import REGISTRY
from chainrule.rules.attention import blocks as attention_blocks
from chainrule.rules.attention.blockwise import BlockwiseAttention, blockwise_attention, draws
from chainrule.rules.attention.plain import attention_method, scaled_dot_product_attention

RNG = np.random.default_rng(0)
OPEN = np.True_


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(attention_blocks, "ROWS", 4)
    monkeypatch.setattr(attention_blocks, "COLUMNS", 3)


def drawn(*shapes, dtype=np.float64):
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def agree(ours, theirs, args, rtol=1e-11):
    """Hold value, gradients and tangents of two functions against each other."""
    dots = drawn(*(x.shape for x in args), dtype=args[0].dtype)
    (y, pull), (z, other) = cr.vjp(ours, *args), cr.vjp(theirs, *args)
    y_bar = drawn(y.shape, dtype=y.dtype)[0][..., ::-1]
    pairs = [(y, z), *zip(pull(y_bar), other(y_bar), strict=True)]
    pairs.append((cr.jvp(ours, args, dots)[1], cr.jvp(theirs, args, dots)[1]))
    for got, expected in pairs:
        assert got.dtype == expected.dtype
        assert np.isfinite(got).all()
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol)


def both(method, **given):
    return lambda *args: scaled_dot_product_attention(*args, method=method, **given)


SHAPES = {
    "one head": ((11, 5), (11, 5), (11, 5)),
    "cross, and another size of values": ((2, 7, 3), (2, 13, 3), (2, 13, 6)),
    "more queries than keys": ((2, 13, 3), (2, 5, 3), (2, 5, 1)),
    "two axes of heads": ((2, 3, 8, 4), (2, 3, 8, 4), (2, 3, 8, 4)),
    "keys for all heads": ((3, 9, 4), (9, 4), (9, 4)),
    "queries for all heads": ((9, 4), (3, 6, 4), (3, 6, 2)),
    "values for all heads": ((2, 9, 4), (2, 6, 4), (6, 2)),
    "one row, one key": ((1, 2), (1, 2), (1, 3)),
    "no keys": ((3, 2), (0, 2), (0, 2)),
    "no features in the values": ((3, 2), (4, 2), (4, 0)),
    "no heads": ((0, 3, 2), (0, 4, 2), (0, 4, 2)),
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_it_is_the_plain_form(shapes, causal):
    agree(both("blockwise", causal=causal), both("plain", causal=causal), drawn(*shapes))


@walked("scale", [0.0, 2.5, -1.0])
def test_any_scale(scale):
    agree(both("blockwise", scale=scale), both("plain", scale=scale), drawn((2, 9, 4), (2, 9, 4), (2, 9, 4)))


def masks():
    hidden = RNG.random((2, 3, 9, 8)) < 0.6
    hidden[0, 1, 2:5] = False  # rows that may attend to nothing
    hidden[:, :, 0, 0] = True
    yield "booleans", hidden
    yield "for all heads", hidden[0, 1]
    yield "key padding", np.arange(8) < np.array([5, 0])[:, None, None, None]
    yield "query padding", (np.arange(9) < 6)[:, None]
    yield "nothing", np.zeros((), bool)
    yield "everything", np.ones((1, 1), bool)
    yield "added", RNG.standard_normal((2, 3, 9, 8))
    yield "added to the keys", RNG.standard_normal((2, 1, 1, 8))
    yield "added to the rows", RNG.standard_normal((3, 9, 1))
    yield "a number", np.array(0.5)
    yield "added and hidden", np.where(hidden, RNG.standard_normal((2, 3, 9, 8)), -np.inf)
    yield "more heads than the queries have", RNG.random((4, 1, 1, 9, 8)) < 0.7


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [pytest.param(mask, id=name) for name, mask in masks()])
def test_masks(mask, causal):
    args = drawn((2, 3, 9, 4), (2, 3, 8, 4), (2, 3, 8, 5))
    agree(both("blockwise", mask=mask, causal=causal), both("plain", mask=mask, causal=causal), args)
    if mask.dtype.kind == "f" and np.isfinite(mask).all():
        of = {
            m: lambda *a, m=m: scaled_dot_product_attention(*a, causal=causal, method=m) for m in ("blockwise", "plain")
        }
        agree(of["blockwise"], of["plain"], [*args, mask])


def test_a_row_that_may_attend_to_nothing_is_zero_and_so_is_its_gradient():
    args = drawn((9, 4), (8, 4), (8, 5))
    mask = np.ones((9, 8), bool)
    mask[3:6] = False
    y, pull = cr.vjp(both("blockwise", mask=mask), *args)
    assert not y[3:6].any()
    q_bar, *rest = pull(np.ones(y.shape))
    assert not q_bar[3:6].any()
    assert all(np.isfinite(x).all() for x in (q_bar, *rest))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("causal", [False, True])
def test_narrow_dtypes_stay_and_are_close(dtype, causal):
    args = drawn((2, 9, 4), (2, 9, 4), (2, 9, 5))
    narrow = [x.astype(dtype) for x in args]
    (y, pull), (z, other) = (cr.vjp(both("blockwise", causal=causal), *a) for a in (narrow, args))
    assert y.dtype == dtype
    tolerance = 40 * np.finfo(dtype).eps
    np.testing.assert_allclose(y, z, atol=tolerance)
    for got, expected in zip(pull(np.ones_like(y)), other(np.ones_like(z)), strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, atol=tolerance * 4)


def test_large_scores_overflow_nothing():
    q, k, v = (100 * x for x in drawn((9, 4), (9, 4), (9, 4), dtype=np.float32))
    y, pull = cr.vjp(both("blockwise"), q, k, v)
    expected = scaled_dot_product_attention(*(x.astype(np.float64) for x in (q, k, v)), method="plain")
    np.testing.assert_allclose(y, expected, rtol=1e-4)
    assert all(np.isfinite(x).all() for x in pull(np.ones_like(y)))


def test_nan_is_not_hidden():
    q, k, v = drawn((9, 4), (9, 4), (9, 4))
    q[5, 0] = np.nan
    y = blockwise_attention(q, k, v)
    assert np.isnan(y[5]).all()
    assert np.isfinite(np.delete(y, 5, 0)).all()


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 14), m=st.integers(1, 14), heads=st.integers(1, 3), group=st.integers(1, 3),
    d=st.integers(1, 9), causal=st.booleans(), hide=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_sizes(n, m, heads, group, d, causal, hide, seed):
    rng = np.random.default_rng(seed)
    q, k, v = (rng.standard_normal(s) for s in ((heads * group, n, d), (heads, m, d), (heads, m, d)))
    mask = rng.random((heads * group, n, m)) < 0.6 if hide else None
    given = {"mask": mask, "causal": causal, "enable_gqa": True}
    agree(both("blockwise", **given), both("plain", **given), (q, k, v), rtol=1e-10)


def test_second_derivatives_and_jacobians():
    args = drawn((5, 2), (4, 2), (4, 2))

    def loss(method):
        return lambda q, k, v: (scaled_dot_product_attention(q, k, v, causal=True, method=method) ** 3).sum()

    for transform in (cr.hessian, cr.jacfwd, cr.jacrev):
        for n in range(3):
            ours, theirs = (transform(loss(m), argnums=n)(*args) for m in ("blockwise", "plain"))
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)
    ours, theirs = (
        cr.grad(lambda q, m=m: (cr.jvp(loss(m), (q, *args[1:]), args)[1]) ** 2)(args[0]) for m in ("blockwise", "plain")
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    _, push = cr.linearize(lambda q: loss("blockwise")(q, *args[1:]), args[0])
    slope = cr.grad(loss("plain"))(*args)
    np.testing.assert_allclose(cr.grad(lambda t: push(t) ** 2)(args[0]), 2 * push(args[0]) * slope, rtol=1e-9)


# Dropout


def dropped(*args, seed=7, p=0.4, **given):
    return blockwise_attention(*args, dropout=p, seed=np.uint64(seed), **given)


def composite(*args, seed=7, p=0.4, mask=OPEN, causal=False):
    return BlockwiseAttention.composite(
        *args, mask, np.uint64(seed), causal=causal, scale=None, dropout=p, mask_moves=True
    )


@pytest.mark.parametrize("causal", [False, True])
def test_dropout_draws_the_same_in_every_mode(causal):
    args = drawn((2, 3, 9, 4), (2, 1, 8, 4), (2, 1, 8, 5))
    agree(lambda *a: dropped(*a, causal=causal), lambda *a: composite(*a, causal=causal), args)


def test_dropout_keeps_the_mean_and_depends_on_the_seed():
    q, k = np.zeros((4, 50, 2)), np.zeros((4, 60, 2))
    weights = dropped(q, k, np.eye(60), p=0.25) * 60
    np.testing.assert_allclose(np.unique(weights), [0, 1 / 0.75])
    assert abs((weights > 0).mean() - 0.75) < 0.02
    assert not np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights, dropped(q, k, np.eye(60), p=0.25, seed=8) * 60)


def test_the_random_numbers_are_those_of_philox():
    """Philox2x32 as its authors wrote it, one pair of words at a time; and no bit, row or column stands out."""

    def philox(counter, key, rounds=7):
        left, right = counter
        for _ in range(rounds):
            high, low = divmod(left * 0xD256D193, 2**32)
            left, right, key = high ^ key ^ right, low, (key + 0x9E3779B9) % 2**32
        return left

    found = draws(np.uint64(5), (2, 3, 4))
    keys = attention_blocks.keys_of_heads(np.uint64(5), 2)
    for h, i, j in np.ndindex(found.shape):
        assert found[h, i, j] == philox((j, i), int(keys[h]))
    many = draws(np.uint64(1), (2, 300, 300))
    u = many / 2.0**32
    assert abs(u.mean() - 0.5) < 0.005
    assert abs(u.var() - 1 / 12) < 0.002
    for other in (u[:, 1:, :] - u[:, :-1, :], u[:, :, 1:] - u[:, :, :-1], u[0] - u[1]):
        assert abs(other.var() - 1 / 6) < 0.003
    bits = [(many >> np.uint64(k)) & np.uint64(1) for k in range(32)]
    assert max(abs(bit.mean() - 0.5) for bit in bits) < 0.01


def test_ten_rounds_give_the_known_answer():
    """Random123's known answer for philox2x32, 10 rounds, counter and key 0: ff1dae59 6cd10df2."""
    left = right = key = 0
    for _ in range(10):
        high, low = divmod(left * 0xD256D193, 2**32)
        left, right, key = high ^ key ^ right, low, (key + 0x9E3779B9) % 2**32
    assert (left, right) == (0xFF1DAE59, 0x6CD10DF2)


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_dropout_is_a_probability_below_one(p):
    with pytest.raises(ValueError, match="blockwise_attention: dropout: expected a probability"):
        dropped(*drawn((3, 2), (3, 2), (3, 2)), p=p)


# Memory, and which method


def test_what_is_saved_is_q_k_v_the_output_and_one_number_for_each_row():
    assert BlockwiseAttention.residuals == ("q", "k", "v", "mask", "seed", "y", "lse")
    _, lse = BlockwiseAttention.primal_keeping(
        *drawn((2, 9, 4), (2, 8, 4), (2, 8, 4)), OPEN, 0, causal=False, scale=None, dropout=0.0, mask_moves=False
    )
    assert lse.shape == (2, 9)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_memory_grows_with_the_length_and_not_with_its_square(monkeypatch, mode):
    monkeypatch.setattr(attention_blocks, "ROWS", 64)
    monkeypatch.setattr(attention_blocks, "COLUMNS", 64)

    def run(args):
        if mode == "reverse":
            cr.vjp(both("blockwise", causal=True), *args)[1](args[0])
        else:
            cr.jvp(both("blockwise", causal=True), args, args)

    def peak(n):
        args = drawn(*[(n, 8)] * 3, dtype=np.float32)
        tracemalloc.start()
        run(args)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    run(drawn(*[(256, 8)] * 3, dtype=np.float32))  # compiles, which takes three times as long while memory is traced
    first, second = peak(1024), peak(2048)
    assert second <= 2.1 * first
    assert second < 2048 * 2048


def test_the_kernels_are_compiled_once_for_each_dtype():
    kernels = pytest.importorskip("chainrule.kernels.attention.blocks")
    if hasattr(kernels.forward, "signatures"):  # not where Numba's compiler is off
        for kernel in (kernels.forward, kernels.reverse, kernels.tangent):
            assert len(kernel.signatures) <= 2


def test_results_are_the_same_to_the_last_bit():
    args = drawn((1, 40, 4), (1, 40, 4), (1, 40, 4), dtype=np.float32)

    def once():
        y, pull = cr.vjp(both("blockwise", causal=True), *args)
        return [y, *pull(args[0])]

    first = once()
    for _ in range(5):
        assert all(np.array_equal(a, b) for a, b in zip(first, once(), strict=True))


def test_the_method_depends_on_the_number_of_weights():
    assert attention_method((1024, 64), (1023, 64)) == "plain"
    assert attention_method((1024, 64), (1024, 64)) == "blockwise"
    assert attention_method((8, 512, 64), (1, 256, 64)) == "blockwise"
    assert attention_method((4096, 64, 8), (4096, 64, 8)) == "plain"

    def taken(n):
        x = cr.tensor(np.ones((n, 1)), requires_grad=True)
        return scaled_dot_product_attention(x, x, x).node.name

    assert taken(64) == "scaled_dot_product_attention"
    assert taken(1024) == "blockwise_attention"


def test_a_method_that_there_is_not():
    with pytest.raises(ValueError, match="method: expected 'auto', 'plain' or 'blockwise', got 'flash'"):
        scaled_dot_product_attention(*drawn((3, 2), (3, 2), (3, 2)), method="flash")


@walked(
    ("shapes", "mask"),
    [
        (((3, 4), (5, 3), (5, 2)), None),
        (((3, 4), (5, 4), (6, 2)), None),
        (((3, 4), (5, 4), (5, 2)), np.ones((3, 4), bool)),
    ],
)
def test_errors_say_what_does_not_fit(shapes, mask):
    with pytest.raises(ValueError, match="blockwise_attention: expected"):
        blockwise_attention(*drawn(*shapes), mask=mask)


def test_grouped_heads_say_what_does_not_fit():
    with pytest.raises(
        ValueError, match=r"enable_gqa: expected q \[\.\.\., H, N, d\].*got q \(5, 3, 2\), k \(2, 3, 2\)"
    ):
        scaled_dot_product_attention(*drawn((5, 3, 2), (2, 3, 2), (2, 3, 2)), enable_gqa=True)
    with pytest.raises(ValueError, match="broadcasts to the 4 heads of q, got shape"):
        scaled_dot_product_attention(
            *drawn((4, 3, 2), (2, 3, 2), (2, 3, 2)), mask=np.ones((2, 3, 3), bool), enable_gqa=True
        )


# The derivation


@walked("step", BlockwiseAttention.derivation, ids=lambda step: step.title)
@walked("mask", [OPEN, np.tri(5, 7, dtype=bool), RNG.standard_normal((5, 7))])
def test_each_step_of_the_derivation_holds_by_number(step, mask):
    args = (*drawn((2, 5, 3), (2, 7, 3), (2, 7, 4)), mask, np.uint64(0))
    assert step.applies(*args)
    left, right = step.check(*args)
    assert left.shape == right.shape
    np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-14)


def test_the_derivation_says_where_it_does_not_apply():
    args = (*drawn((5, 3), (7, 3), (7, 4)), np.zeros((5, 7), bool), np.uint64(0))
    assert not any(step.applies(*args) for step in REGISTRY["blockwise_attention"].derivation)


@pytest.mark.parametrize("causal", [False, True])
def test_torchs_grouped_heads(torch, causal):
    q, k, v, y_bar = drawn((2, 6, 9, 4), (2, 2, 9, 4), (2, 2, 9, 4), (2, 6, 9, 4))
    leaves = [torch.tensor(x, requires_grad=True) for x in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*leaves, is_causal=causal, enable_gqa=True)
    expected.backward(torch.tensor(y_bar))
    for method in ("plain", "blockwise"):
        y, pull = cr.vjp(both(method, causal=causal, enable_gqa=True), q, k, v)
        np.testing.assert_allclose(y, expected.detach().numpy(), atol=1e-12)
        for got, leaf in zip(pull(y_bar), leaves, strict=True):
            np.testing.assert_allclose(got, leaf.grad.numpy(), atol=1e-12)
