"""Values changed in place between a forward and a backward pass: an error, or the gradient of the old values.

Never a wrong one; and no alarm where nothing that was saved has changed.
"""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.core.memory.changes import changes

from ..named import named

VALUES = [3.0, 1.0, 2.0, 4.0]


def leaf(values: Any = VALUES) -> Any:
    return cr.tensor(values, requires_grad=True, name="w")


def put_in(x: Any) -> None:
    x.data[0] = 5.0


def assign_out(x: Any) -> None:
    np.add(x.data, 1.0, out=x.data)


def add_in_place(x: Any) -> None:
    x.data += 1.0


def optimiser_step(x: Any) -> None:
    x.data -= 0.1 * np.ones(4)
    x.data *= 0.9


def index_in_no_grad(x: Any) -> None:
    with cr.no_grad():
        x[1:] = 0.0


def marked(x: Any) -> None:
    np.asarray(x.data)[0] = 5.0  # past NumPy's functions
    x.mark_changed()


def set_flat(x: Any) -> None:
    x.data.flat = 0.0


WRITES: dict[str, Callable[[Any], Any]] = {
    "x.data[0] = 5": put_in,
    "x.data += 1": add_in_place,
    "out=x.data": assign_out,
    "an optimiser's step": optimiser_step,
    "x[1:] = 0 under no_grad": index_in_no_grad,
    "mark_changed": marked,
    "copyto": lambda x: np.copyto(x.data, np.zeros(4)),
    "copyto(dst=)": lambda x: np.copyto(dst=x.data, src=np.zeros(4)),
    "put": lambda x: np.put(x.data, [0], [9.0]),
    "putmask": lambda x: np.putmask(x.data, x.data > 0, 9.0),
    "place": lambda x: np.place(x.data, x.data > 0, [9.0]),
    "put_along_axis": lambda x: np.put_along_axis(x.data, np.array([0]), 9.0, 0),
    "add.at": lambda x: np.add.at(x.data, [0], 1.0),
    "cumsum(out=)": lambda x: np.cumsum(np.ones(4), out=x.data),
    "take(out=)": lambda x: np.take(np.zeros(4), [0, 1, 2, 3], out=x.data),
    "dot(out=)": lambda x: np.dot(np.ones((4, 4)), np.ones(4), out=x.data),
    "sort": lambda x: x.data.sort(),
    "partition": lambda x: x.data.partition(2),
    "fill": lambda x: x.data.fill(0.0),
    "method put": lambda x: x.data.put([0], [9.0]),
    "flat": set_flat,
    "flat[0]": lambda x: x.data.flat.__setitem__(0, 9.0),
    "a slice": lambda x: x.data[1:].__setitem__(0, 9.0),
    "a reshaped view": lambda x: x.data.reshape(2, 2).__setitem__((0, 0), 9.0),
    "np.reshape": lambda x: np.reshape(x.data, (2, 2)).__setitem__((0, 0), 9.0),
    "np.ravel": lambda x: np.ravel(x.data).__setitem__(0, 9.0),
    "a transposed view": lambda x: x.data.reshape(2, 2).T.fill(0.0),
    "shuffle": lambda x: np.random.default_rng(0).shuffle(x.data),
}
USES: dict[str, Callable[[Any], Any]] = {
    "x * x": lambda x: (x * x).sum(),
    "by itself in a function": lambda x: np.sin(x).sum(),
    "a view of it": lambda x: (x.reshape(2, 2) ** 2).sum(),
    "a view of a view": lambda x: np.exp(x.reshape(2, 2).T[:, 0]).sum() + (x[1:] * x[:-1]).sum(),
    "as a constant": lambda x: (x.detach() * leaf()).sum() + (x * x).sum(),
    "a product": lambda x: x @ x,
    "a custom operation": lambda x: cubed(x).sum(),
    "an argument of a checkpoint": lambda x: cr.checkpoint(lambda x: ((x + 1) * (x + 1)).sum())(x),
    "in the closure of a checkpoint": lambda x: cr.checkpoint(lambda: ((x + 1) * (x + 1)).sum())(),
    "a view in a checkpoint": lambda x: cr.checkpoint(lambda x: ((x + 1) * (x + 1)).sum())(x.reshape(2, 2)),
    "one of many": lambda x: (np.stack([x, x + 1]) * np.concatenate([x, x]).reshape(2, 4)).sum() + (x * x).sum(),
}


@cr.custom
def cubed(x: Any) -> Any:
    return x**3


@cubed.def_vjp
def _(y_bar: Any, x: Any) -> Any:
    return y_bar * 3 * x**2


@walked("write", WRITES.values(), ids=WRITES)
def test_a_write_is_an_error(write: Callable[[Any], Any]) -> None:
    for name, use in USES.items():
        with named(name):
            x = leaf()
            loss = use(x)
            write(x)
            assert x.data.tolist() != VALUES
            with pytest.raises(cr.InPlaceError, match=r"backward: .* was changed"):
                loss.backward()
            assert x.grad is None


@walked("write", WRITES.values(), ids=WRITES)
def test_before_the_forward_pass_writes_are_free(write: Callable[[Any], Any]) -> None:
    for name, use in USES.items():
        with named(name):
            x = leaf()
            write(x)
            use(x).backward()
            twin = leaf(np.array(x.data))
            use(twin).backward()
            np.testing.assert_array_equal(x.grad.numpy(), twin.grad.numpy())


REPLACEMENTS: dict[str, Callable[[Any], Any]] = {
    "an array": lambda x: np.zeros(4),
    "a tensor": lambda x: cr.zeros(4),
    "its own elements in another order": lambda x: x.data[::-1],
    "a rolled copy": lambda x: np.roll(x.data, 1),
    "a sorted copy": lambda x: np.sort(x.data),
}


@walked("use", USES.values(), ids=USES)
@walked("new", REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_replaced_values_leave_old_tapes_right_or_say_so(new: Callable[[Any], Any], use: Callable[[Any], Any]) -> None:
    x, twin = leaf(), leaf()
    loss = use(x)
    values = np.array(new(x))
    x.data = new(x)
    assert x.data.tolist() == values.tolist()
    use(twin).backward()
    try:
        loss.backward()
    except cr.InPlaceError:
        assert "checkpoint" in loss.node.name
    else:
        np.testing.assert_array_equal(x.grad.numpy(), twin.grad.numpy())
    use(x)  # and new ones use the new values
    again = leaf(values)
    assert float(use(x)) == float(use(again))


def test_replacing_values_does_not_tie_them_to_the_array() -> None:
    x, array = leaf(), np.zeros(4)
    x.data = array
    loss = (x * x).sum()
    array[0] = 100.0
    assert x.tolist() == [0.0] * 4
    loss.backward()
    assert x.grad.tolist() == [0.0] * 4


@walked("write", WRITES.values(), ids=WRITES)
def test_no_alarm_where_the_values_were_not_saved(write: Callable[[Any], Any]) -> None:
    x, y = leaf(), leaf([1.0, 1.0, 1.0, 1.0])
    loss = ((x + 1.0) * 2.0 - x).sum() + (y * y).sum()
    write(x)
    loss.backward()
    assert x.grad.tolist() == [1.0] * 4
    assert y.grad.tolist() == [2.0] * 4


def test_no_alarm_for_copies_and_readers() -> None:
    x = leaf()
    loss = (x * x).sum()
    copied = x.data.copy()
    copied[0] = 9.0
    copied[1:].fill(9.0)
    (x.data * 2)[0] = 9.0
    np.sort(x.data)[0] = 9.0
    np.array(x.data)[0] = 9.0
    x.data.astype(np.float64)[0] = 9.0
    np.add(x.data, 1.0, out=np.zeros(4), where=x.data > 0)
    assert str(x.data)
    assert x.data.mean() == 2.5
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * np.array(VALUES))


def test_neighbours_in_one_buffer_are_told_apart() -> None:
    """An optimiser may keep all parameters in one flat array."""
    flat = np.arange(8.0)
    first, second = leaf(), leaf()
    first._value, second._value = flat[:4], flat[4:]
    loss = (second * second).sum()
    first.data += 1.0
    loss.backward()
    assert second.grad.tolist() == [8.0, 10.0, 12.0, 14.0]
    loss = (second * second).sum()
    second.data += 1.0
    with pytest.raises(cr.InPlaceError):
        loss.backward()


@walked("use", [name for name in USES if "closure" not in name])
def test_a_write_through_the_detached_tensor(use: str) -> None:
    x = leaf()
    loss = USES[use](x)
    x.detach().data[0] = 9.0
    with pytest.raises(cr.InPlaceError):
        loss.backward()


def test_a_constant_is_watched_as_well() -> None:
    c, x = cr.tensor(VALUES), leaf()
    loss = (x * c).sum()
    c.data[0] = 7.0
    with pytest.raises(cr.InPlaceError, match="was changed in place after multiply"):
        loss.backward()
    loss = (x * c).sum()
    c.data = np.zeros(4)
    loss.backward()
    assert x.grad.tolist() == [7.0, 1.0, 2.0, 4.0]


def test_the_message_names_the_tensor_the_operation_and_the_line() -> None:
    x = leaf()
    loss = (x * x).sum()
    x.data[0] = 1.0
    with pytest.raises(cr.InPlaceError, match=r"w was changed in place after multiply \(.*test_in_place\.py:\d+ in"):
        loss.backward()


def test_the_gradient_may_be_written_to() -> None:
    x = leaf()
    (x * x).sum().backward()
    x.grad.data *= 0.5
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 3 * np.array(VALUES))


def test_training_by_hand() -> None:
    """Writes between steps are no error: each forward pass comes after them."""
    x = leaf()
    for _ in range(100):
        x.grad = None
        ((x - 1.0) * (x - 1.0)).sum().backward()
        x.data -= 0.1 * x.grad.data
    np.testing.assert_allclose(x.numpy(), np.ones(4), atol=1e-8)


def test_two_networks_in_turn() -> None:
    """As in an adversarial pair: a step of one lies between the other's two passes."""
    a, b = leaf(), leaf()
    loss_a, loss_b = (a * a).sum(), (b * b).sum()
    loss_a.backward()
    a.data -= 0.1 * a.grad.data
    loss_b.backward()
    np.testing.assert_array_equal(b.grad.numpy(), 2 * np.array(VALUES))


def test_inside_a_transform() -> None:
    x = leaf()

    def f(t: Any) -> Any:
        y = (t * x * x).sum()
        x.data[0] = 7.0
        return y

    with pytest.raises(cr.InPlaceError):
        cr.grad(f)(2.0)
    _, pullback = cr.vjp(lambda t: (t * x).sum(), 2.0)
    assert pullback(1.0)[0] == 7.0 + 1 + 2 + 4
    x.data[0] = 1.0
    with pytest.raises(cr.InPlaceError):
        pullback(1.0)


def test_data_checks_what_it_gets() -> None:
    x = leaf()
    with pytest.raises(ValueError, match=r"data: expected shape \(4,\), the tensor's own, got \(3,\)"):
        x.data = np.zeros(3)
    with pytest.raises(TypeError, match="data: got dtype complex128"):
        x.data = np.zeros(4) * 1j
    with pytest.raises(TypeError, match="data: got dtype"):
        x.data = ["a", "b", "c", "d"]
    with pytest.raises(cr.GradientError, match="only a leaf's values can be replaced"):
        (x * 2).data = np.zeros(4)
    with pytest.raises(ValueError, match="could not broadcast"):
        x.data[...] = np.zeros(3)
    assert x.tolist() == VALUES
    x.data = np.ones(4, np.float32)
    assert x.dtype == np.float64


@pytest.mark.slow
def test_changes_are_forgotten_with_the_array() -> None:
    gc.collect()
    before = len(changes._owners)
    for _ in range(50):
        x = leaf()
        x.data[0] = 1.0
    del x
    gc.collect()
    assert len(changes._owners) <= before


@given(st.lists(st.sampled_from(["forward", "write", "replace", "backward"]), max_size=12))
def test_any_sequence_gives_an_error_or_the_right_gradient(steps: list[str]) -> None:
    x = leaf()
    losses: list[tuple[Any, Any]] = []
    for k, step in enumerate(steps):
        if step == "forward":
            losses.append(((x * x).sum(), 2 * np.array(x.data)))
        elif step == "write":
            x.data[k % 4] += 1.0 + k
        elif step == "replace":
            x.data = np.full(4, float(k))
        elif losses:
            loss, expected = losses.pop(0)
            x.grad = None
            try:
                loss.backward()
            except cr.InPlaceError:
                assert "write" in steps
            else:
                np.testing.assert_array_equal(x.grad.numpy(), expected)


class TestUpdatesByHand:
    """`with no_grad(): w -= lr * w.grad`, as in PyTorch: w stays a leaf, and old tapes stay right."""

    def test_the_leaf_is_updated(self):
        w = cr.tensor([1.0, 2.0], requires_grad=True)
        same = w
        (w * w).sum().backward()
        with cr.no_grad():
            w -= 0.5 * w.grad
        assert w is same
        assert w.requires_grad
        assert w.numpy().tolist() == [0.0, 0.0]
        w.grad = None
        (3.0 * w).sum().backward()
        assert w.grad.numpy().tolist() == [3.0, 3.0]

    def test_a_gradient_taken_after_it_is_of_the_old_values(self):
        w = cr.tensor([1.0, 2.0], requires_grad=True)
        loss = (w * w).sum()
        with cr.no_grad():
            w *= 10.0
        loss.backward()
        assert w.grad.numpy().tolist() == [2.0, 4.0]

    def test_a_shape_that_grows_is_refused(self):
        w = cr.tensor([1.0, 2.0], requires_grad=True)
        with cr.no_grad(), pytest.raises(ValueError, match="expected shape"):
            w += np.ones((3, 2))
        assert w.shape == (2,)


def test_copyto_does_not_share_its_source():
    plain, leaf = np.ones(2), cr.tensor([1.0, 1.0], requires_grad=True)
    first, second = cr.tensor([0.0, 0.0]), cr.tensor([0.0, 0.0])
    np.copyto(first, plain)
    np.copyto(second, leaf.detach())
    plain[:] = 5
    (leaf * 2).sum().backward()
    cr.optim.SGD([leaf], lr=0.5).step()
    np.testing.assert_array_equal(first.numpy(), [1, 1])
    np.testing.assert_array_equal(second.numpy(), [1, 1])
