"""Rows that are added at their numbers, as graph networks pass messages: the numbers of eager code, in machine code."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.torch as torch
from chainrule.kernels.suitable import HAS_COMPILER
from chainrule.rules.arrays.index import IndexAdd


def arrays(dtype: Any = np.float64, rows: int = 300) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 6)).astype(dtype), rng.normal(size=(rows, 6)).astype(dtype), rng.integers(-40, 40, rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_added_as_in_eager_code(dtype: Any) -> None:
    x, v, index = arrays(dtype)

    def f(x: Any, v: Any, index: Any) -> Any:
        return cr.value_and_grad(lambda both: np.tanh(IndexAdd.apply(both[0], both[1], index=(index,))).sum())((x, v))

    compiled = cr.compile(f)
    for _ in range(3):
        (expected, (x_bar, v_bar)), (found, (x_dot, v_dot)) = f(x, v, index), compiled(x, v, index)
        rtol = 1e-4 if dtype == np.float32 else 1e-10
        np.testing.assert_allclose(found, expected, rtol=rtol)
        np.testing.assert_allclose(x_dot, x_bar, rtol=rtol, atol=rtol)
        np.testing.assert_allclose(v_dot, v_bar, rtol=rtol, atol=rtol)
        index = (index * 7) % 40
    if HAS_COMPILER:
        assert len(compiled.plan.calls) == 1
    with pytest.raises(IndexError):
        compiled(x, v, index + 40)


def test_large_sums_of_rows_go_to_the_kernel_and_agree() -> None:
    x, v, index = arrays(np.float32, 20_000)
    expected = x.astype(np.float64)
    np.add.at(expected, index, v)
    np.testing.assert_allclose(IndexAdd.primal(x, v, index=(index,)), expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(IndexAdd.primal(x, v[0], index=(index[:3],))[index[0]], (x[index[0]] + v[0]), rtol=1e-5)


@pytest.mark.parametrize("shape", [(7, 5), (7, 2, 3)])
def test_an_index_that_is_one_for_each_row_adds_rows(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x, v = (torch.tensor(rng.normal(size=(n, *shape[1:])), requires_grad=True) for n in (7, 20))
    rows = torch.tensor(rng.integers(0, 7, 20))
    index = rows.view(-1, *[1] * (len(shape) - 1)).expand(20, *shape[1:])
    expected = x.index_add(0, rows, v)
    found = [x.scatter_add(0, one, v) for one in (index, index.clone())]
    for y in found:
        assert torch.allclose(y, expected)
    (found[0] ** 2).sum().backward()
    assert torch.allclose(v.grad, (2 * expected.detach())[rows])
