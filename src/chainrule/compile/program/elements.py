"""What elementwise operations are inside a generated loop: their records, called with symbols.

A record's `primal` is NumPy on arrays; on symbols the same Python writes instructions. So there is no table of what can
stand in a loop: it is tried. Some functions have a form of their own in `chainrule.kernels.functions`, which is faster
than their primal's.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.kernels import functions
from chainrule.kernels.native.symbol import LLVM, Symbol
from chainrule.kernels.native.tasks import Function

from .program import Instruction, Value
from .purity import reads_only_functions


def _same(x: Any, **_: Any) -> Any:
    return x


def _erfc(x: Any) -> Any:
    return functions.normal_cdf(x * -math.sqrt(2)) * 2


def _softplus(x: Any, beta: float) -> Any:
    return functions.log1p_exp(beta * x) / beta


def _logsigmoid(x: Any) -> Any:
    return -functions.log1p_exp(-x)


OWN: Mapping[str, Callable[..., Any]] = {
    "copy": _same,
    "stop_gradient": _same,
    "sigmoid": functions.sigmoid,
    "silu": functions.silu,
    "gelu": functions.gelu,
    "gelu_tanh": functions.gelu_tanh,
    "erf": functions.erf,
    "erfc": _erfc,
    "softplus": _softplus,
    "logsigmoid": _logsigmoid,
}
"""Functions of one number, with their settings, that do what the operation of that name does, in another way."""

OTHERS = frozenset(
    (
        *("add", "subtract", "multiply", "negative", "positive", "copy", "stop_gradient", "where", "astype"),
        *("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "isnan", "isinf", "isfinite"),
        *("logical_and", "logical_or", "logical_xor", "logical_not", "floor", "ceil", "trunc", "rint", "sign"),
    )
)
"""Operations that act on each element alone but are of another kind: linear, bilinear or constant."""


def element_of(i: Instruction, operands: list[Any]) -> Symbol:
    """Return what an instruction makes of one element of each argument."""
    own = OWN.get(i.name) if len(operands) == 1 and isinstance(operands[0], Symbol) else None
    function = own if own is not None and operands[0].dtype.kind == "f" else i.function
    made: Symbol = function(*operands, **i.settings)
    return made


def is_known(i: Instruction) -> bool:
    """Whether an instruction can stand in a loop: it acts on elements, and its record can be followed symbolically."""
    if i.op is None or not isinstance(i.args, tuple) or (i.op.kind != "elementwise" and i.name not in OTHERS):
        return False
    out = i.outputs[0].dtype
    if out not in LLVM or not all(isinstance(x, Value | float | int | bool | np.generic) for x in i.args):
        return False
    args = tuple(("value", x.dtype) if isinstance(x, Value) else (type(x), repr(x)) for x in i.args)
    try:
        settings = tuple(sorted((key, repr(value)) for key, value in i.settings.items()))
        return (i.name in OTHERS or reads_only_functions(i.function)) and _found(
            _Key(i, (i.name, i.function, args, settings, out))
        )
    except TypeError:  # something that has no hash
        return False


class _Key:
    """An instruction that counts as equal to others that do the same with the same types."""

    def __init__(self, i: Instruction, key: Any) -> None:
        self.instruction, self.key, self.hash = i, key, hash(key)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.key == other.key


@functools.lru_cache(4096)
def _found(key: _Key) -> bool:
    i, code = key.instruction, Function([]).code
    operands = [Symbol(code, x.dtype, "%x") if isinstance(x, Value) else x for x in i.args]
    if any(isinstance(x, Symbol) and x.dtype not in LLVM for x in operands):
        return False
    key.instruction = None  # type: ignore[assignment]  # the cache is not to keep a program alive
    with contextlib.suppress(Exception):  # whatever its Python does not like about symbols
        made = element_of(i, operands)
        return isinstance(made, Symbol) and made.code is code and made.dtype == i.outputs[0].dtype
    return False
