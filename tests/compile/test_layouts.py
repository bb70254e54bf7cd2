"""Where elements lie in memory: a plan that depends on it is for arguments that lie so."""

from collections.abc import Callable
from typing import Any

import numpy as np
from tests.named import named

import chainrule as cr


def _written_through(x: Any) -> Any:
    y = x * 1
    np.ravel(y)[0] = 7.0
    return y, x.sum()


def _argument_written_through(x: Any) -> Any:
    y = x.reshape(-1)
    y[0] = 7.0
    return x * 2


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "ravel in the order of memory": lambda x: np.ravel(x, order="K") * 1,
    "the method": lambda x: x.ravel("K") + 1,
    "flatten": lambda x: x.flatten("K") + 1,
    "reshape in either order": lambda x: np.reshape(x, -1, order="A") * 2,
    "of a result": lambda x: np.ravel(-x, order="K"),
    "flags": lambda x: x * 2 if x.flags.c_contiguous else x * 3,
    "isfortran": lambda x: x * 2 if np.isfortran(x) else x * 3,
    "strides": lambda x: x * x.strides[0],
    "a view or a copy": _written_through,
    "a view or a copy of the argument": _argument_written_through,
}


def _arrays() -> list[Any]:
    rows = np.arange(6.0).reshape(2, 3)
    gaps = np.arange(48.0).reshape(4, 12)[::2, 1::4]
    return [rows, np.asfortranarray(rows), gaps, gaps[:, ::-1], rows.copy(), np.asfortranarray(rows)]


def test_arrays_that_lie_otherwise() -> None:
    for name, f in FUNCTIONS.items():
        compiled = cr.compile(f)
        for mine, same in zip(_arrays(), _arrays(), strict=True):
            with named(name, mine.strides):
                np.testing.assert_equal(compiled(mine), f(same))
                np.testing.assert_array_equal(mine, same)


def test_the_layout_of_a_function_that_does_not_ask_for_it_does_not_count() -> None:
    compiled = cr.compile(lambda x: np.tanh(x).reshape(-1))
    for x in _arrays():
        compiled(x)
    assert sum(map(len, compiled.plans.values())) == 1


def test_tensors_of_the_torch_door_that_lie_otherwise() -> None:
    import chainrule.torch as torch

    functions = {
        "is_contiguous": lambda x: x * 2 if x.is_contiguous() else x * 3,
        "stride": lambda x: x * x.stride(0),
    }

    for name, f in functions.items():
        compiled = torch.compile(f, fullgraph=True)
        for x in (torch.ones(2, 3), torch.ones(3, 2).T, torch.ones(4, 3)[:, ::2], torch.ones(2, 3)):
            with named(name, x.stride()):
                assert torch.equal(compiled(x), f(x))
