"""Memory that others can write to, written to between forward and backward pass, past everything that could tell.

Every way to write, times every way in which an array gets into what a tape keeps: an InPlaceError, or the gradient of
the old values, and never another one; and no alarm where nothing was changed.
"""

import ctypes
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
import chainrule.nn.functional as F
from chainrule.core.memory import fingerprint as fingerprints
from chainrule.core.memory.fingerprint import fingerprint

WEIGHTS = np.array([[0.5, 1.5, 2.5, 3.5]] * 4) + np.arange(4)[:, None] / 8


def leaf() -> Any:
    return cr.tensor([3.0, 1.0, 2.0, 4.0], requires_grad=True, name="w")


def floats(n: int = 4) -> Any:
    return np.arange(n, 0.0, -1.0)


def table() -> Any:
    return np.arange(16.0, 0.0, -1.0).reshape(4, 4) / 8


def mask() -> Any:
    return np.array([True, True, False, False])


def places() -> Any:
    return np.array([3, 2, 0, 1])


def shares() -> Any:
    return np.arange(16.0, 0.0, -1.0).reshape(4, 4) / np.arange(16.0, 0.0, -1.0).reshape(4, 4).sum(1, keepdims=True)


# Ways to write: each changes any of the arrays above


def backwards(a: Any) -> Any:
    return np.ascontiguousarray(a.reshape(-1)[::-1]).reshape(a.shape)


def by_address(a: Any) -> None:
    new = backwards(a)
    ctypes.memmove(a.ctypes.data, new.ctypes.data, a.nbytes)


def by_memoryview(a: Any) -> None:
    memoryview(a).cast("B")[:] = backwards(a).tobytes()


def by_buffer(a: Any) -> None:
    np.frombuffer(a, np.uint8)[:] = np.frombuffer(backwards(a).tobytes(), np.uint8)


def by_one_element(a: Any) -> None:
    flat = a.reshape(-1)
    flat[0] = flat[-1]


def by_rows(a: Any) -> None:
    for k, part in enumerate(backwards(a).reshape(-1)):
        a.reshape(-1)[k : k + 1] = part


def in_another_thread(a: Any) -> None:
    import threading

    thread = threading.Thread(target=by_one_element, args=(a,))
    thread.start()
    thread.join()


def refilled(a: Any) -> None:
    np.random.default_rng(0).permuted(a.reshape(-1), out=a.reshape(-1))
    if np.array_equal(a.reshape(-1), np.sort(a, axis=None)[::-1]):
        by_one_element(a)


WRITES: dict[str, Callable[[Any], Any]] = {
    "a[...] =": lambda a: a.__setitem__(..., backwards(a)),
    "one element": by_one_element,
    "copyto": lambda a: np.copyto(a, backwards(a)),
    "fill": lambda a: a.fill(a.reshape(-1)[-1]),
    "sort": lambda a: a.reshape(-1).sort(),
    "put": lambda a: np.put(a, [0], [a.reshape(-1)[-1]]),
    "a view": lambda a: a[:1].__setitem__(..., a[-1:].copy()),
    "rows of a view": by_rows,
    "flat": lambda a: a.flat.__setitem__(0, a.reshape(-1)[-1]),
    "out=": lambda a: np.take(backwards(a), np.arange(len(a)), axis=0, out=a, mode="clip"),
    "a generator": refilled,
    "memoryview": by_memoryview,
    "frombuffer": by_buffer,
    "an address": by_address,
    "another thread": in_another_thread,
}

# Ways to be saved: each takes the array and returns what computes the gradient


def weights(shape: Any = (4, 4)) -> Any:
    return cr.tensor(WEIGHTS.reshape(-1)[: int(np.prod(shape))].reshape(shape), requires_grad=True)


def eager(f: Callable[[Any, Any], Any], shape: Any = (4, 4)) -> Callable[[Any], Callable[[], Any]]:
    def forward(a: Any) -> Callable[[], Any]:
        w = weights(shape)
        loss = f(w, a).sum()

        def backward() -> Any:
            loss.backward()
            return w.grad.numpy()

        return backward

    return forward


def pulled(f: Callable[[Any, Any], Any], wrt: str = "w") -> Callable[[Any], Callable[[], Any]]:
    """The pullback of `cr.vjp`, kept; of the array itself with `wrt="a"`."""

    def forward(a: Any) -> Callable[[], Any]:
        if wrt == "a":
            y, pullback = cr.vjp(lambda a: f(WEIGHTS[0], a), a)
        else:
            y, pullback = cr.vjp(lambda w: f(w, a), WEIGHTS.copy())
        return lambda: pullback(np.ones_like(y))[0]

    return forward


def pushed(f: Callable[[Any, Any], Any], wrt: str = "w") -> Callable[[Any], Callable[[], Any]]:
    def forward(a: Any) -> Callable[[], Any]:
        if wrt == "a":
            _, push = cr.linearize(lambda a: f(WEIGHTS[0], a), a)
            return lambda: push(np.ones(4))
        _, push = cr.linearize(lambda w: f(w, a), WEIGHTS.copy())
        return lambda: push(np.ones((4, 4)))

    return forward


scaled = cr.custom(lambda x, a: x * x * a)
scaled.def_vjp(lambda y_bar, x, a: (y_bar * 2 * x * a, None))
setting = cr.custom(lambda x, *, a=None: x * x * a)
setting.def_vjp(lambda y_bar, x, *, a=None: y_bar * 2 * x * a)
residual = cr.custom(lambda x, a: x * x * a)
residual.def_vjp(
    lambda x, a: (x * x * a, {"kept": (x, [a])}), lambda r, y_bar: (y_bar * 2 * r["kept"][0] * r["kept"][1][0], None)
)

FLOATS: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "w * a": eager(lambda w, a: w * a),
    "a * w": eager(lambda w, a: a * w),
    "w / a": eager(lambda w, a: w / a),
    "a / w": eager(lambda w, a: a / w),
    "w ** a": eager(lambda w, a: w**a),
    "a ** w": eager(lambda w, a: a**w),
    "maximum": eager(lambda w, a: np.maximum(w, a)),
    "hypot": eager(lambda w, a: np.hypot(w, a)),
    "dot": eager(lambda w, a: w @ a),
    "einsum": eager(lambda w, a: np.einsum("ij,j->i", w, a)),
    "a slice of it": eager(lambda w, a: w[:, :2] * a[1:3]),
    "a view of it": eager(lambda w, a: w * a[::-1].reshape(4, 1)),
    "broadcast": eager(lambda w, a: w * np.broadcast_to(a, (4, 4))),
    "a tensor of it": eager(lambda w, a: w * cr.tensor(a)),
    "twice": eager(lambda w, a: (w * a) * (a * w)),
    "interp": eager(lambda w, a: np.interp(w, np.arange(4.0), a)),
    "mse target": eager(lambda w, a: F.mse_loss(w, np.broadcast_to(a, (4, 4)))),
    "layer norm": eager(lambda w, a: F.layer_norm(w, (4,), a, a)),
    "clip": eager(lambda w, a: np.clip(w * w, -a, a) * w),
    "a custom operation": eager(lambda w, a: scaled(w, a)),
    "a setting of one": eager(lambda w, a: setting(w, a=a)),
    "a residual": eager(lambda w, a: residual(w, a)),
    "an argument of a checkpoint": eager(lambda w, a: cr.checkpoint(lambda w, a: np.tanh(w * a))(w, a)),
    "the closure of a checkpoint": eager(lambda w, a: cr.checkpoint(lambda w: np.tanh(w * a))(w)),
    "a derivative inside": eager(lambda w, a: cr.grad(lambda v: (v * v * a).sum())(w)),
    "vjp": pulled(lambda w, a: np.tanh(w * a)),
    "vjp, its argument": pulled(lambda w, a: np.exp(w * a) * a, "a"),
    "vjp, its argument itself": pulled(lambda w, a: a * a, "a"),
    "linearize": pushed(lambda w, a: np.tanh(w * a)),
    "linearize, linear": pushed(lambda w, a: np.where(a > 2, w, 0.0) * a),
    "linearize, its argument": pushed(lambda w, a: np.exp(w * a) * a, "a"),
}
TABLES: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "a @ w": eager(lambda w, a: a @ w),
    "w @ a.T": eager(lambda w, a: w @ a.T),
    "linear": eager(lambda w, a: F.linear(a, np.concatenate([w, w], axis=-1))),
    "convolution": eager(lambda w, a: F.conv1d(a[None], w[:, :, None])),
    "attention": eager(lambda w, a: F.scaled_dot_product_attention(a, w, a)),
    "kl": eager(lambda w, a: F.mse_loss(w * w, a)),
    "binary cross-entropy": eager(lambda w, a: F.binary_cross_entropy_with_logits(w, a / 2)),
    "solve": eager(lambda w, a: np.linalg.solve(a + 4 * np.eye(4), w)),
}
SHARES = {"cross-entropy, probabilities": eager(lambda w, a: F.cross_entropy(w, a))}
MASKS = {
    "where": eager(lambda w, a: np.where(a, w * w, w)),
    "w[mask]": eager(lambda w, a: w[:, a] ** 2),
    "set at a mask": eager(lambda w, a: (w.at[:, a].set(0.0)) ** 2),
    "a mask of attention": eager(lambda w, a: F.scaled_dot_product_attention(w, w, w, np.broadcast_to(a, (4, 4)))),
    "times a mask": eager(lambda w, a: w * w * a),
}
PLACES = {
    "w[i]": eager(lambda w, a: w[a] * np.arange(16.0).reshape(4, 4)),
    "take": eager(lambda w, a: np.take(w, a, axis=0) * np.arange(16.0).reshape(4, 4)),
    "take_along_axis": eager(lambda w, a: np.take_along_axis(w, a[None], 1) * np.arange(4.0)),
    "w[i, j]": eager(lambda w, a: w[a, a[::-1]] * np.arange(4.0)),
    "add at": eager(lambda w, a: w.at[a].add(w) * np.arange(16.0).reshape(4, 4)),
    "embedding": eager(lambda w, a: F.embedding(a, w) * np.arange(16.0).reshape(4, 4)),
    "cross-entropy": eager(lambda w, a: F.cross_entropy(w, a)),
    "nll": eager(lambda w, a: F.nll_loss(w * w, a)),
}
KINDS = [(floats, FLOATS), (table, TABLES), (shares, SHARES), (mask, MASKS), (places, PLACES)]
CASES = [
    pytest.param(make, forward, id=f"{make.__name__}: {name}")
    for make, table in KINDS
    for name, forward in table.items()
]


@walked(("make", "forward"), CASES)
def test_a_write_to_a_foreign_array(make: Callable[[], Any], forward: Callable[[Any], Callable[[], Any]]) -> None:
    expected = np.array(forward(make())())
    for name, write in WRITES.items():
        array = make()
        backward = forward(array)
        write(array)
        assert not np.array_equal(array, make()), name
        try:
            found = backward()
        except cr.InPlaceError:
            continue
        np.testing.assert_array_equal(found, expected, err_msg=name)


@walked(("make", "forward"), CASES)
def test_no_alarm_where_all_is_as_it_was(make: Callable[[], Any], forward: Callable[[Any], Callable[[], Any]]) -> None:
    expected = np.array(forward(make())())
    array = make()
    by_one_element(array)  # before the forward pass
    array[...] = make()
    backward = forward(array)
    copied = array.copy()
    copied.fill(0)
    by_memoryview(array)  # and back
    by_memoryview(array)
    np.testing.assert_array_equal(backward(), expected)
    again = forward(array)
    np.testing.assert_array_equal(again(), expected)
    by_one_element(array)  # after the backward pass


def test_most_of_these_are_errors() -> None:
    """The tables would pass with a tape that copies everything as well: see that this is not what happens."""
    raised = 0
    for forward in FLOATS.values():
        array = floats()
        backward = forward(array)
        array[:] = 5.0
        try:
            backward()
        except cr.InPlaceError:
            raised += 1
    assert raised > len(FLOATS) * 0.7


def test_the_error_names_operation_line_and_argument() -> None:
    w, a = weights((4,)), np.ones(4)
    y = (w * a).sum()
    a[:] = 5
    with pytest.raises(
        cr.InPlaceError, match=r"a value was changed in place after multiply \(.*test_saved\.py:\d+ .*\) saved it as b"
    ):
        y.backward()
    assert w.grad is None


def test_a_batch_buffer_that_is_filled_again() -> None:
    """One buffer for all batches: right where each backward pass comes before the next batch, else an error."""
    w, buffer = weights((4,)), np.empty((3, 4))
    for k in range(3):
        buffer[...] = k
        (buffer @ w).sum().backward()
    assert w.grad.tolist() == [3.0 * (0 + 1 + 2)] * 4
    losses = []
    for k in range(3):
        buffer[...] = k
        losses.append((buffer @ w).sum())
    with pytest.raises(cr.InPlaceError, match="matmul"):
        losses[0].backward()
    losses[2].backward()


def test_a_read_only_constant() -> None:
    w, a = weights((4,)), np.ones(4)
    a.flags.writeable = False
    y = (w * a).sum()
    y.backward()
    b = np.broadcast_to(np.ones(4), (2, 4))
    (w * b).sum().backward()
    base = np.ones(4)
    view = base[:]
    view.flags.writeable = False
    y = (w * view).sum()
    base[0] = 3.0
    with pytest.raises(cr.InPlaceError):
        y.backward()


def test_constants_in_forward_mode_and_without_gradient_may_change() -> None:
    a = np.ones(4)
    y = cr.jvp(lambda w: w * a, (np.ones(4),), (np.ones(4),))[1]
    w = weights((4,))
    z = (w + a).sum() + (w - a).sum() + np.concatenate([w, a]).sum()
    with cr.no_grad():
        w * a
    a[:] = 7
    assert y.tolist() == [1.0] * 4
    z.backward()
    assert w.grad.tolist() == [3.0] * 4


# The caller's own arrays come out of a transform, not the tape's


def test_results_and_gradients_are_the_callers_own() -> None:
    y, pullback = cr.vjp(np.tanh, np.ones(3))
    y[:] = 9.0
    np.testing.assert_allclose(pullback(np.ones(3))[0], 1 - np.tanh(1.0) ** 2)
    y, push = cr.linearize(np.tanh, np.ones(3))
    y[:] = 9.0
    np.testing.assert_allclose(push(np.ones(3)), 1 - np.tanh(1.0) ** 2)
    bar = np.ones(3)
    _, pullback = cr.vjp(lambda x: x + 1.0, np.ones(3))
    (x_bar,) = pullback(bar)
    assert not np.may_share_memory(x_bar, bar)
    x = cr.tensor(np.ones(3), requires_grad=True)
    (x + 1.0).backward(bar)
    assert not np.may_share_memory(x.grad.numpy(), bar)


# Custom operations


def test_a_custom_operation_may_reuse_its_buffers() -> None:
    out, grad = np.empty(3), np.empty(3)
    square = cr.custom(lambda x: np.multiply(x, x, out=out))
    square.def_vjp(lambda y_bar, x: np.multiply(y_bar, 2 * x, out=grad))
    w = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    (square(w) * square(w * 2.0) + square(w) * w).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), 16 * w.numpy() ** 3 + 3 * w.numpy() ** 2)


def test_a_residual_that_is_used_again() -> None:
    workspace = np.empty(3)

    def forward(x: Any) -> Any:
        np.cos(x, out=workspace)
        return np.sin(x), workspace

    sine = cr.custom(lambda x: np.sin(x))
    sine.def_vjp(forward, lambda kept, y_bar: y_bar * kept)
    w = cr.tensor([1.0, 2.0, 3.0], requires_grad=True)
    sine(w).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), np.cos(w.numpy()))
    with pytest.raises(cr.InPlaceError, match=r"lambda.*a residual"):
        (sine(w) + sine(w * 2.0)).sum().backward()


def test_a_custom_operation_must_leave_its_arguments() -> None:
    @cr.custom
    def doubled(x: Any) -> Any:
        x *= 2.0
        return x

    doubled.def_vjp(lambda y_bar, x: y_bar * 2)
    with pytest.raises(cr.InPlaceError, match="doubled: the function changed x in place"):
        doubled(np.tanh(leaf()))

    @cr.custom
    def scaled(x: Any) -> Any:
        return x * x

    @scaled.def_vjp
    def backward(y_bar: Any, x: Any) -> Any:
        x *= 2
        return y_bar * x

    y = scaled(np.tanh(leaf())).sum()
    with pytest.raises(cr.InPlaceError, match="backward changed x in place"):
        y.backward()


def test_a_rule_may_write_into_its_cotangent() -> None:
    @cr.custom
    def square(x: Any) -> Any:
        return x * x

    @square.def_vjp
    def backward(y_bar: Any, x: Any) -> Any:
        y_bar *= 2 * x
        return y_bar

    w = cr.tensor([1.0, 2.0], requires_grad=True)
    (square(w) + w).sum().backward()  # both are given the same array
    assert w.grad.tolist() == [3.0, 5.0]


# Checkpoints


def test_a_checkpoint_that_computes_something_else_the_second_time() -> None:
    a, x = np.ones((50, 50)), cr.tensor(np.linspace(0, 1, 2500).reshape(50, 50), requires_grad=True)
    y = cr.checkpoint(lambda x: np.tanh(x * a))(x).sum()
    a[17, 23] = 2.0
    with pytest.raises(cr.InPlaceError, match="checkpoint's function computed other values"):
        y.backward()
    generator = np.random.default_rng(0)
    y = cr.checkpoint(lambda x: F.dropout(x, 0.5, generator=generator))(x).sum()
    with pytest.raises(cr.InPlaceError, match="its own generator"):
        y.backward()


def test_a_checkpoint_that_differs_by_rounding() -> None:
    """As a sum over several threads may, which comes in another order."""
    runs = itertools.count()
    x = cr.tensor(np.linspace(0, 1, 1000), requires_grad=True)
    cr.checkpoint(lambda x: np.tanh(x * (1 + next(runs) * 1e-15)))(x).sum().backward()
    assert x.grad is not None


def test_a_rule_of_the_users_that_writes_to_what_others_saved() -> None:
    """The fingerprints of one backward pass are taken once for each array, but not across the user's code."""
    a = np.ones(10_000)
    meddling = cr.custom(lambda x: x * 1.0)

    @meddling.def_vjp
    def backward(y_bar: Any, x: Any) -> Any:
        a[:] = 5.0
        return y_bar

    w = cr.tensor(np.ones(10_000), requires_grad=True)
    with pytest.raises(cr.InPlaceError, match="multiply"):
        (meddling(w * a) * a).sum().backward()


def test_a_large_constant_in_a_product_and_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reads all of it, the other a part."""
    monkeypatch.setattr(fingerprints, "WHOLE", 1 << 16)
    a = np.random.default_rng(0).normal(size=(2000, 40))
    w = cr.tensor(np.ones((40, 40)), requires_grad=True)
    v = cr.tensor(np.ones((2000, 40)), requires_grad=True)
    ((a @ w) * (a * v)).sum().backward()
    assert w.grad is not None


# Fingerprints


@walked("dtype", [np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_, np.complex128])
def test_every_element_counts(dtype: Any) -> None:
    random = np.random.default_rng(0)
    for array in (
        random.integers(0, 2, 70_001).astype(dtype),
        random.integers(0, 2, 70_001).astype(dtype)[1:],
        random.integers(0, 2, (300, 301)).astype(dtype).T,
        random.integers(0, 2, (300, 602)).astype(dtype)[::-1, ::2],
        random.integers(0, 2, 100).astype(dtype),
    ):
        before = fingerprint(array)
        for _ in range(20):
            place = tuple(random.integers(0, n) for n in array.shape)
            old = array[place]
            array[place] = not old
            assert fingerprint(array) != before
            array[place] = old
        assert fingerprint(array) == before
        if array.ndim == 2:
            array[[3, 250]] = array[[250, 3]]
            assert fingerprint(array) != before
        array.reshape(-1)[:] = random.permutation(array.reshape(-1)) if array.flags.c_contiguous else 0


def test_nan_and_the_sign_of_zero_count_as_what_they_are() -> None:
    array = np.zeros(5000)
    array[7] = np.nan
    before = fingerprint(array)
    assert fingerprint(array.copy()) == before
    array[8] = -0.0
    assert fingerprint(array) != before


def test_what_is_read_of_a_large_array(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ends and 64 pieces between them; all of it where the operation itself takes much longer."""
    monkeypatch.setattr(fingerprints, "WHOLE", 1 << 20)
    array = np.zeros(40_000_000, np.uint8)
    before, whole = fingerprint(array), fingerprint(array, whole=True)
    for write in (0, len(array) - 1, slice(10_000_000, 11_000_000), slice(None)):
        array[write] = 1
        assert fingerprint(array) != before
        array[:] = 0
    array[400_000] = 1  # between two pieces
    assert fingerprint(array) == before
    assert fingerprint(array, whole=True) != whole


def test_a_large_constant() -> None:
    w = cr.tensor(np.ones((3, 200_000)), requires_grad=True)
    a = np.ones((3, 200_000))
    y = (w * a).sum()
    a[1, 77_777] = 2.0
    with pytest.raises(cr.InPlaceError):
        y.backward()


# No alarm where nothing changed


@given(st.lists(st.sampled_from(sorted(FLOATS)), min_size=1, max_size=4), st.data())
def test_no_alarm_for_other_arrays(names: list[str], data: st.DataObject) -> None:
    arrays = [floats() for _ in names]
    others = [array.copy() for array in arrays]
    backwards_ = [FLOATS[name](array) for name, array in zip(names, arrays, strict=True)]
    for _ in range(data.draw(st.integers(0, 3))):
        WRITES[data.draw(st.sampled_from(sorted(WRITES)))](data.draw(st.sampled_from(others)))
    for name, backward in zip(names, backwards_, strict=True):
        np.testing.assert_array_equal(backward(), FLOATS[name](floats())())


@given(st.lists(st.sampled_from(["forward", "backward", "write", "view", "drop", "raw", "restore"]), max_size=12))
def test_never_a_wrong_gradient_and_no_alarm_without_a_change(actions: list[str]) -> None:
    """Any order of passes, writes and views: the gradient is that of the values at the forward pass, or an error."""
    x, views, tapes = leaf(), [], []
    for k, action in enumerate(actions):
        if action == "forward":
            tapes.append(((x * x).sum(), x.tolist(), False))
        elif action == "write":
            x.data[k % 4] += 1.0
            tapes = [(loss, values, True) for loss, values, _ in tapes]
        elif action == "view":
            views.append(np.asarray(x.data))
        elif action == "drop" and views:
            views.pop(0)
        elif action == "raw" and views:
            views[-1][k % 4] += 1.0
            tapes = [(loss, values, True) for loss, values, _ in tapes]
        elif action == "restore" and views:
            views[-1][0] += 1.0
            views[-1][0] -= 1.0
        elif action == "backward" and tapes:
            loss, values, changed = tapes.pop()
            x.grad = None
            try:
                loss.backward()
            except cr.InPlaceError:
                assert changed
            else:
                assert x.grad.tolist() == (2 * np.array(values)).tolist()
