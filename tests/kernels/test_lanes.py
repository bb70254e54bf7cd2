"""Attention by vectors of queries: against the formula in float64, for rows that lie anywhere and any vector length."""

import math
import re
from itertools import product

import numpy as np
import pytest

from chainrule.kernels.attention import forward, lanes, reverse, units
from chainrule.kernels.native import vectors
from chainrule.kernels.native.machine import assembly_for
from chainrule.kernels.native.tasks import Call, Function, Task, run_all
from chainrule.rules.attention.blocks import attend_by_lanes, pull_by_lanes

RNG = np.random.default_rng


def reference(q, k, v, y_bar, causal, alpha):
    """y, the logarithms of the sums, and the three gradients, in float64."""
    q, k, v, y_bar = (x.astype(np.float64) for x in (q, k, v, y_bar))
    s = q @ k.swapaxes(-1, -2) * alpha
    s = np.where(np.tri(*s.shape[-2:], dtype=bool), s, -np.inf) if causal else s
    top = s.max(-1, keepdims=True)
    total = np.exp(s - top).sum(-1, keepdims=True)
    p = np.exp(s - top) / total
    s_bar = alpha * p * (p_bar := y_bar @ v.swapaxes(-1, -2)) - alpha * p * (p_bar * p).sum(-1, keepdims=True)
    lse = (top + np.log(total))[..., 0]
    return p @ v, lse, s_bar @ k, s_bar.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ y_bar


def in_gaps(rng, dtype, batch, heads, rows, width):
    """Heads that lie side by side in each row of a longer array, as a layer's output has them."""
    whole = rng.normal(size=(batch, rows, heads, width + 3)).astype(dtype)
    return whole[..., :width].transpose(0, 2, 1, 3)


def computed(q, k, v, y_bar, causal, alpha):
    """The same by the kernels, into rows with gaps."""
    y, q_bar, k_bar, v_bar = (in_gaps(RNG(1), x.dtype, *x.shape) for x in (y_bar, q, k, v))
    lse = np.full(q.shape[:-1], np.nan, q.dtype)
    run_all([lanes.forward_task(q, k, v, y, lse, causal, alpha)])()
    run_all(lanes.reverse_tasks(q, k, v, y, y_bar, lse, q_bar, k_bar, v_bar, causal, alpha))()
    return y, lse, q_bar, k_bar, v_bar


@pytest.fixture(params=[pytest.param(16, marks=pytest.mark.slow), pytest.param(32, marks=pytest.mark.slow), 64])
def register(request, monkeypatch):
    """Vectors of another length than the processor's: LLVM makes several registers of one, or part of one."""
    for module in (lanes, units, vectors):
        monkeypatch.setattr(module, "register_bytes", lambda: request.param)
    for cached in (forward.forward, reverse.reverse, reverse.added):
        cached.cache_clear()
    yield request.param
    for cached in (forward.forward, reverse.reverse, reverse.added):
        cached.cache_clear()


def assert_close(found, expected, dtype, what):
    for name, a, b in zip(("y", "lse", "q_bar", "k_bar", "v_bar"), found, expected, strict=True):
        bound = 40 * np.finfo(dtype).eps * max(1.0, np.abs(b).max())
        np.testing.assert_allclose(a, b, rtol=0, atol=bound, err_msg=f"{what}: {name}")


def test_it_is_the_formula(register):
    # Each pair of widths is compiled anew, each length is not.
    lengths = [(1, 1), (5, 7), (33, 200), (130, 64), (64, 130), (40, 90)]
    widths = (
        [(16, 48, np.float32, True), (12, 16, np.float64, False)] if register == 64 else [(8, 16, np.float32, True)]
    )
    for (rows, keys), (d, e, dtype, causal) in product(lengths, widths):
        rng = RNG(0)
        q, k, v, y_bar = (
            in_gaps(rng, dtype, 2, 3, n, width) for n, width in ((rows, d), (keys, d), (keys, e), (rows, e))
        )
        found = computed(q, k, v, y_bar, causal, 0.3)
        assert_close(found, reference(q, k, v, y_bar, causal, 0.3), dtype, (rows, keys, d, e, causal, dtype))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_run_on_the_vectors_of_neon(dtype, monkeypatch):
    for module in (lanes, units, vectors):
        monkeypatch.setattr(module, "register_bytes", lambda: 16)
    dtype = np.dtype(dtype)
    kind = "4s" if dtype == np.float32 else "2d"
    for text in (forward.forward.__wrapped__(dtype, 16, 16, True), reverse.reverse.__wrapped__(dtype, 16, 16, True, 4)):
        lines = assembly_for(text, "aarch64-unknown-linux-gnu", "neoverse-n1")
        products = re.findall(r"\bfml[as]\s+v\d+\." + kind, lines)
        assert len(products) > 20, len(products)  # tiles of sums, and the polynomial


@pytest.mark.slow
def test_heads_that_share_keys_add_up_and_few_keys_are_cut_in_pieces():
    for heads, shared, rows, causal in ((4, 1, 40, False), (4, 2, 70, True), (1, 1, 1030, True), (2, 1, 600, False)):
        rng = RNG(2)
        q, y_bar = (in_gaps(rng, np.float32, 1, heads, rows, 16) for _ in range(2))
        few = [in_gaps(rng, np.float32, 1, shared, rows, 16) for _ in range(2)]
        each = [np.repeat(x, heads // shared, 1) for x in few]
        *expected, of_k, of_v = reference(q, *each, y_bar, causal, 0.25)
        of_k, of_v = (x.reshape(1, shared, -1, rows, 16).sum(2) for x in (of_k, of_v))
        y, q_bar = (np.empty_like(q) for _ in range(2))
        k_bar, v_bar = (np.empty((1, shared, rows, 16), np.float32) for _ in range(2))
        lse = np.empty(q.shape[:-1], np.float32)
        k, v, of_keys, of_values = (
            np.broadcast_to(x[:, :, None], (1, shared, heads // shared, rows, 16)) for x in (*few, k_bar, v_bar)
        )
        apart = [x.reshape(1, shared, heads // shared, *x.shape[2:]) for x in (q, y, y_bar, q_bar)]
        sums = lse.reshape(1, shared, heads // shared, rows)
        run_all([lanes.forward_task(apart[0], k, v, apart[1], sums, causal, 0.25)])()
        tasks = lanes.reverse_tasks(apart[0], k, v, *apart[1:3], sums, apart[3], of_keys, of_values, causal, 0.25)
        run_all(tasks)()
        assert (len(tasks) == 2) is (rows > 512)
        found = (apart[1].reshape(q.shape), lse, apart[3].reshape(q.shape), k_bar, v_bar)
        assert_close(found, (*expected, of_k, of_v), np.float32, (heads, shared, rows))


@pytest.mark.slow
def test_queries_go_by_strips_where_keys_are_cut(monkeypatch):
    monkeypatch.setattr(lanes, "PART", 1)  # so little work is cut already
    for (rows, keys), causal in product([(600, 1100), (1100, 600), (512, 512)], [True, False]):
        rng = RNG(rows)
        q, k, v, y_bar = (in_gaps(rng, np.float64, 1, 2, n, 16) for n in (rows, keys, keys, rows))
        k, v = k[:, :1], v[:, :1]
        y, lse = np.empty_like(y_bar), np.empty(q.shape[:-1])
        run_all([lanes.forward_task(q, k, v, y, lse, causal, 0.3)])()
        sizes, found = [], []
        for strip in (256, 1 << 20):
            monkeypatch.setattr(lanes, "STRIP", strip)
            made = [np.full_like(x, np.nan) for x in (q, k, v)]
            tasks = lanes.reverse_tasks(q, k, v, y, y_bar, lse, *made, causal, 0.3)
            run_all(tasks)()
            sizes.append((len(tasks), tasks[0].kept[-1].size))
            found.append(made)
        pieces = min(4, keys // 256)
        assert sizes == [(2 * -(-rows // 256), (pieces - 1) * 2 * 256 * 16), (2, (pieces - 1) * 2 * rows * 16)]
        for a, b in zip(*found, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
        expected = reference(q, np.repeat(k, 2, 1), np.repeat(v, 2, 1), y_bar, causal, 0.3)[2:]
        for a, b in zip(found[0], expected, strict=True):
            np.testing.assert_allclose(a, b if len(b[0]) == a.shape[1] else b.sum(1, keepdims=True), atol=1e-11)


def test_no_result_depends_on_how_units_are_shared_out():
    rng = RNG(3)
    q, k, v, y_bar = (in_gaps(rng, np.float32, 2, 4, 150, 16) for _ in range(4))
    found = []
    for parts in (1, 3, 64):
        y, q_bar, k_bar, v_bar = (np.empty(q.shape, np.float32) for _ in range(4))
        lse = np.empty(q.shape[:-1], np.float32)
        for tasks in (
            lambda: [lanes.forward_task(q, k, v, y, lse, True, 0.2)],  # noqa: B023
            lambda: lanes.reverse_tasks(q, k, v, y, y_bar, lse, q_bar, k_bar, v_bar, True, 0.2),  # noqa: B023
        ):
            made = tasks()
            for task in made:
                task.parts = min(parts, task.end)
            run_all(made)()
        found.append((y, lse, q_bar, k_bar, v_bar))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_units_go_through_long_keys_together_to_the_same_bits(monkeypatch):
    for rows, keys, causal in ((40, 300, False), (310, 310, True), (300, 140, True), (140, 300, True), (1, 200, False)):
        rng = RNG(6)
        q, k, v, y_bar = (in_gaps(rng, np.float32, 1, 2, n, 16) for n in (rows, keys, keys, rows))
        found = []
        for least in (0, 2**30):
            monkeypatch.setattr(lanes, "LONG_KEYS", least)
            found.append(computed(q, k, v, y_bar, causal, 0.3))
        for a, b in zip(*found, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=str((rows, keys, causal)))
        assert_close(found[0], reference(q, k, v, y_bar, causal, 0.3), np.float32, (rows, keys, causal))


def test_values_that_are_not_finite():
    rng = RNG(4)
    q, k, v, y_bar = (rng.normal(size=(1, 1, 40, 16)).astype(np.float32) for _ in range(4))
    q[0, 0, 3, 2], q[0, 0, 5], k[0, 0, 7, 0] = np.nan, 0, np.inf
    k[..., 0] = np.abs(k[..., 0])
    q[0, 0, :, 0] = -1  # every score of key 7 is −∞, and no other
    q[0, 0, 5, 0] = 0  # 0 · ∞
    with np.errstate(all="ignore"):
        expected = reference(q, k, v, y_bar, False, 0.25)
        found = computed(q, k, v, y_bar, False, 0.25)
    for a, b in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    rows = ~np.isnan(expected[1][0, 0])
    assert rows.sum() == 38
    np.testing.assert_allclose(found[0][0, 0, rows], expected[0][0, 0, rows], atol=1e-5)


def test_a_row_that_attends_to_nothing_is_zero():
    q, k, v, y_bar = (np.ones((1, 1, 3, 8), np.float32) for _ in range(4))
    q[0, 0, 1] = -np.inf
    y, lse, q_bar, _, v_bar = computed(q, k, v, y_bar, False, 1.0)
    assert (y[0, 0, 1] == 0).all()
    assert lse[0, 0, 1] == -math.inf
    np.testing.assert_allclose(v_bar, 2 / 3, rtol=1e-6)
    assert np.isfinite(q_bar[0, 0, [0, 2]]).all()


def test_tasks_keep_what_they_are_given():
    q, k, v, y_bar = (RNG(5).normal(size=(1, 1, 8, 8)).astype(np.float32) for _ in range(4))
    expected = reference(q, k, v, y_bar, False, 0.5)
    y = np.empty_like(q)
    task = lanes.forward_task(q.copy(), k.copy(), v.copy(), y, np.empty((1, 1, 8), np.float32), False, 0.5)
    others = [np.full((1, 1, 8, 8), np.nan, np.float32) for _ in range(64)]  # in the memory of what nobody keeps
    run_all([task])()
    np.testing.assert_allclose(y, expected[0], atol=1e-5)
    assert all(np.isnan(x).all() for x in others)


@pytest.mark.parametrize("shared", [False, True])
def test_results_lie_as_the_inputs_and_have_the_same_bits(shared):
    """Heads cut out of rows give heads that are joined to rows without a copy."""
    rng = np.random.default_rng(0)
    shape = (2, 5, 3, 16)
    q, k, v, y_bar = (rng.standard_normal(shape).astype(np.float32).swapaxes(1, 2) for _ in range(4))
    if shared:
        k, v = k[:, :1], v[:, :1]
    lying = [*attend_by_lanes(q, k, v, True, None)]
    lying += pull_by_lanes(q, k, v, *lying, y_bar, True, None)
    straight = [np.ascontiguousarray(x) for x in (q, k, v, y_bar)]
    plain = [*attend_by_lanes(*straight[:3], True, None)]
    plain += pull_by_lanes(*straight[:3], *plain, straight[3], True, None)
    for one, other in zip(lying, plain, strict=True):
        np.testing.assert_array_equal(one, other)
    y, _, q_bar, k_bar, v_bar = lying
    for made, like in ((y, q), (q_bar, q), (k_bar, k), (v_bar, v)):
        assert made.shape == like.shape
        assert made.swapaxes(1, 2).flags.c_contiguous


def test_queries_that_are_repeated_have_results_of_their_own():
    rng = np.random.default_rng(0)
    q = np.broadcast_to(rng.standard_normal((5, 16)), (2, 3, 5, 16))
    k, v = rng.standard_normal((2, 3, 4, 16)), rng.standard_normal((2, 3, 4, 16))
    y, _ = attend_by_lanes(q, k, v, False, None)
    expected, _ = attend_by_lanes(q.copy(), k, v, False, None)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("rows", [24, 600])
def test_a_call_made_for_a_layout_serves_other_arrays_of_it(rows):
    """Each time the matrices are found anew, whether keys are cut into pieces (600 rows of one head) or not."""
    shape = (1, rows, 1, 16) if rows > 24 else (2, rows, 3, 16)
    for seed in range(3):
        rng = RNG(seed)
        q, k, v, y_bar = (rng.standard_normal(shape).astype(np.float32).swapaxes(1, 2) for _ in range(4))
        k, v = k[:, :1], v[:, :1]
        found = [*attend_by_lanes(q, k, v, True, 0.3)]
        found += pull_by_lanes(q, k, v, *found, y_bar, True, 0.3)
        expected = list(reference(q, k, v, y_bar, True, 0.3))
        expected[3:] = (x.sum(1, keepdims=True) for x in expected[3:])
        for mine, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, other, atol=1e-4)


def test_a_call_without_memory_says_so():
    function = Function([np.float32])
    function.code.lines.append("  ret i64 0")
    task = Task(function.text().replace("  ret i64 0\n  ret i64 -1", "  ret i64 0"), [x := np.zeros(1, np.float32)])
    with pytest.raises(AssertionError, match="cannot fail"):
        Call([task], [x])([x])
    task.rescue = lanes._no_memory
    with pytest.raises(MemoryError, match="shorter sequences"):
        Call([task], [x])([x])
