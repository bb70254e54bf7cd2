"""Arithmetic on lengths and access to parts of results: the Python code between ATen's operators."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

import math
import operator
from collections.abc import Callable
from typing import Any

from chainrule.interop.torch.traced.call import Call, carries

OF_NUMBERS: dict[str, Callable[..., Any]] = {
    **{f"python.{f.__name__}": f for f in (operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod)},
    **{f"python.{f.__name__}": f for f in (operator.truediv, operator.neg, operator.pow, operator.eq, operator.ne)},
    **{f"python.{f.__name__}": f for f in (operator.lt, operator.le, operator.gt, operator.ge, operator.not_)},
    **{f"python.{f.__name__}": f for f in (operator.and_, operator.or_, operator.getitem, math.ceil, math.floor)},
    **{f"python.{f.__name__}": f for f in (math.sqrt, math.trunc, operator.abs, operator.pos, operator.xor)},
    **{f"python.{f.__name__}": f for f in (operator.lshift, operator.rshift, operator.inv, operator.truth)},
    **{"python.sym_max": max, "python.sym_min": min, "python.sym_int": int, "python.sym_float": float},
    **{"python.sym_not": operator.not_, "python.sym_ite": lambda condition, a, b: a if condition else b},
    **{"python._sym_sqrt": math.sqrt, "python.int": int, "python.float": float, "python.max": max, "python.min": min},
    **{"python.sym_sum": sum, "python.sym_sqrt": math.sqrt, "python.round": round},
}


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    def carry_out(call: Call, *numbers: Any) -> Any:
        return function(*numbers)

    return carry_out


for _name, _function in OF_NUMBERS.items():
    carries(_name)(_of_numbers(_function))


@carries("sym_size.int", "size.int")
def size(call: Call, x: Any, dim: int) -> int:
    """Return the length of an axis."""
    return int(x.shape[dim])


@carries("sym_numel", "numel")
def count(call: Call, x: Any) -> int:
    """Return the number of elements."""
    return math.prod(x.shape)
