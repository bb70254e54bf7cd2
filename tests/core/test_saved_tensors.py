"""A tensor's own memory, written to through what was handed out of it: bare views, memoryviews, other libraries.

Every way to get hold of it, times every way in which it is saved: an InPlaceError, or the gradient of the old values.
"""

import ctypes
import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.core.memory.loans import borrowed

from ..named import named


def torch_view(x: Any) -> Any:
    return pytest.importorskip("torch").from_numpy(x.data)


class Borrowed:
    """What another library does that knows the array interface only."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__


GETS: dict[str, Callable[[Any], Any]] = {
    "asarray": lambda x: np.asarray(x.data),
    "asarray of a view": lambda x: np.asarray(x.data[1:]),
    "view": lambda x: x.data.view(np.ndarray),
    "base": lambda x: x.data.base,
    "frombuffer": lambda x: np.frombuffer(x.data),
    "memoryview": lambda x: memoryview(x.data),
    "memoryview of a memoryview": lambda x: memoryview(memoryview(x.data).cast("B").cast("d")),
    "strides": lambda x: np.lib.stride_tricks.as_strided(np.asarray(x.data), (2,), (16,)),
    "ctypes": lambda x: (ctypes.c_double * 4).from_buffer(x.data),
    "the array interface": lambda x: np.asarray(Borrowed(x.data)),
    "detached": lambda x: np.asarray(x.detach().data),
    "detached, view": lambda x: x.detach().data.view(np.ndarray),
    "from_numpy": torch_view,
    "torch, dlpack": lambda x: pytest.importorskip("torch").from_dlpack(x.detach()),
    "tensor_to_torch": lambda x: cr.to_torch(x.detach()) if hasattr(cr, "to_torch") else torch_view(x),
    "numpy, dlpack": lambda x: np.asarray(np.from_dlpack(x.detach())),
}


@cr.custom
def cubed(x: Any) -> Any:
    return x**3


cubed.def_vjp(lambda y_bar, x: y_bar * 3 * x**2)
USES: dict[str, Callable[[Any], Any]] = {
    "x * x": lambda x: (x * x).sum(),
    "sin": lambda x: np.sin(x).sum(),
    "a view": lambda x: (x.reshape(2, 2) ** 2).sum(),
    "a view of a view": lambda x: (x.reshape(2, 2).T[:, 0] ** 2).sum() + (x.reshape(2, 2).T[:, 1] ** 2).sum(),
    "a product": lambda x: x @ x,
    "a constant": lambda x: (x.detach() * x).sum() + (x * x).sum(),
    "a custom operation": lambda x: cubed(x).sum(),
    "a checkpoint": lambda x: cr.checkpoint(lambda x: ((x + 1) * (x + 1)).sum())(x),
    "the closure of a checkpoint": lambda x: cr.checkpoint(lambda: ((x + 1) * (x + 1)).sum())(),
    "a transform": lambda x: cr.grad(lambda v: (v * v * x * x).sum())(x).sum(),
}


def leaf() -> Any:
    return cr.tensor([3.0, 1.0, 2.0, 4.0], requires_grad=True, name="w")


def used(x: Any, use: Callable[[Any], Any]) -> Any:
    return use(x)


@walked("get", GETS.values(), ids=GETS)
def test_a_write_to_a_tensors_memory(get: Callable[[Any], Any]) -> None:
    for name, use in USES.items():
        with named(name):
            hold(get, use)


def hold(get: Callable[[Any], Any], use: Callable[[Any], Any]) -> None:
    held = leaf()
    view = get(held)  # before the forward pass, and kept
    loss = use(held)
    view[0] = 7.0
    with pytest.raises(cr.InPlaceError):
        loss.backward()
    assert held.grad is None

    dropped = leaf()
    loss = use(dropped)
    view = get(dropped)  # after it, and gone before the backward pass
    view[0] = 7.0
    del view
    with pytest.raises(cr.InPlaceError):
        loss.backward()

    both = leaf()
    view = get(both)
    view[0] = 7.0  # before the forward pass is fine
    loss = use(both)
    twin = cr.tensor(both.tolist(), requires_grad=True)
    use(twin).backward()
    loss.backward()
    np.testing.assert_array_equal(both.grad.numpy(), twin.grad.numpy())
    view[0] = 5.0  # and after the backward pass
    use(both).backward()
    before = len(borrowed)
    del view
    assert len(borrowed) < before


@walked("get", [get for name, get in GETS.items() if "detached" in name or "dlpack" in name])
def test_a_write_to_the_memory_of_a_result(get: Callable[[Any], Any]) -> None:
    x = leaf()
    y = x * 2.0
    loss = (y * y).sum() + np.exp(y).sum()
    get(y)[0] = 7.0
    with pytest.raises(cr.InPlaceError):
        loss.backward()


def test_a_write_and_its_undoing_raise_no_alarm() -> None:
    x = leaf()
    loss = (x * x).sum()
    view = np.asarray(x.data)
    view[0] += 1.0
    view[0] -= 1.0
    loss.backward()
    assert x.grad.tolist() == [6.0, 2.0, 4.0, 8.0]


def test_a_kept_view_costs_no_false_alarm_over_many_steps() -> None:
    x = leaf()
    view = np.asarray(x.data)
    for _ in range(3):
        x.grad = None
        (x * x).sum().backward()
        view -= 0.1 * x.grad.numpy()
        x.data *= 1.0
        stale = (x * x).sum()  # an old tape that nobody uses
    np.testing.assert_allclose(x.numpy(), np.array([3.0, 1.0, 2.0, 4.0]) * 0.8**3)
    assert stale.requires_grad


def test_what_numpy_shows_cannot_be_made_writable() -> None:
    x = leaf()
    for shown in (x.numpy(), (x * 2).data, np.asarray(x.detach())):
        with pytest.raises(ValueError, match="WRITEABLE"):
            shown.flags.writeable = True
        base = shown
        while isinstance(base, np.ndarray):
            assert not base.flags.writeable
            base = base.base
    assert np.shares_memory(x.numpy(), np.asarray(x.data))


def test_numpy_of_all_kinds() -> None:
    for dtype in (np.float16, np.float32, np.float64):
        for shape in ((), (0, 3), (2, 3)):
            x = cr.zeros(shape, dtype=dtype)
            assert x.numpy().shape == x.data.shape == shape
            assert x.numpy().dtype == x.data.dtype == dtype
    for values in (np.arange(3), np.array([True, False]), np.arange(3, dtype=np.uint8)):
        assert cr.tensor(values).numpy().dtype == values.dtype
        assert cr.tensor(values).data.tolist() == values.tolist()
    x = cr.tensor(np.arange(6.0).reshape(2, 3))
    assert x.T.numpy().tolist() == x.numpy().T.tolist()


@walked("write", [lambda x: x.data.fill(9.0), lambda x: np.asarray(x.data).fill(9.0)])
@walked("show", [lambda x: x.numpy(), lambda x: np.asarray(x.detach()), lambda x: x.numpy()[::-1]])
def test_what_numpy_shows_is_still_the_tensors_memory(show: Callable[[Any], Any], write: Callable[[Any], Any]) -> None:
    x, w = leaf(), cr.tensor(np.ones(4), requires_grad=True)
    y = (w * show(x)).sum()
    write(x)
    with pytest.raises(cr.InPlaceError, match="multiply"):
        y.backward()


def test_loans_end_with_the_last_view() -> None:
    x = leaf()
    gc.collect()
    before = len(borrowed)
    part = np.asarray(x.data)[1:]
    assert len(borrowed) == before + 1
    memory = memoryview(part)
    del part
    assert len(borrowed) == before + 1
    del memory
    assert len(borrowed) == before
    x.data[0] = 1.0
    x.data += 1.0
    assert len(borrowed) == before
