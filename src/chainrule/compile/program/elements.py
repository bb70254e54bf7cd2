"""Elementwise operations inside a generated loop: their records, called with symbols.

A record's `primal` is NumPy code on arrays; called with symbols, the same code emits instructions. So no table says
what a loop can contain: it is tried. A record may have a scalar form, `element`, which is faster than its primal or can
be traced where the primal cannot.
"""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.custom import Custom
from chainrule.kernels.native.symbol import LLVM, Symbol
from chainrule.kernels.native.tasks import Function

from .program import Instruction, Value
from .purity import reads_only_functions


def element_of(i: Instruction, operands: list[Any]) -> Symbol:
    """Return what an instruction makes of one element of each argument."""
    made: Symbol = _function_of(i)(*operands, **i.settings)
    return made


def _function_of(i: Instruction) -> Any:
    """Return the function for one element of an instruction's result: the record's `element` for floats, or its primal.

    For a custom operation it is the function it was made from.
    """
    if isinstance(i.op, Custom):
        return i.op.function if i.function == i.op.primal else i.function
    own = None if i.op is None else i.op.element
    is_floating = all(x.dtype.kind == "f" if isinstance(x, Value) else isinstance(x, float) for x in i.args)
    return own if own is not None and is_floating else i.function


def is_known(i: Instruction) -> bool:
    """Whether an instruction can run in a loop: it acts on elements, and its record can be traced symbolically."""
    return bool(_traced_once(i))


def _traced_once(i: Instruction) -> str:
    """Return what comes of an instruction's code with symbols: "" if it fails, "doubts" if it may at some values."""
    # Symbols only support elementwise arithmetic, so a user's function that can be traced is elementwise.
    if not isinstance(i.args, tuple) or not (i.op is None or i.op.is_pointwise or isinstance(i.op, Custom)):
        return ""
    out = i.outputs[0].dtype
    if out not in LLVM or not all(isinstance(x, Value | float | int | bool | np.generic) for x in i.args):
        return ""
    args = tuple(("value", x.dtype) if isinstance(x, Value) else (type(x), repr(x)) for x in i.args)
    try:
        settings = tuple(sorted((key, repr(value)) for key, value in i.settings.items()))
        is_fixed = reads_only_functions(_function_of(i))
        return _found(_Key(i, (i.op, i.function, args, settings, out))) if is_fixed else ""
    except TypeError:  # something unhashable
        return ""


def can_fail(i: Instruction) -> bool:
    """Whether machine code for an instruction in a loop gives up at some values, which NumPy then has to work out."""
    return _traced_once(i) == "doubts"


def can_follow(function: Any, arguments: Sequence[Any], settings: Mapping[str, Any]) -> bool:
    """Whether a function depends only on its arguments and maps symbols to one or more symbols.

    What it does with arrays is then arithmetic on their elements, whatever their values and shapes are.
    """
    if not reads_only_functions(function):
        return False
    code = Function([]).code
    made: Any = None
    with contextlib.suppress(Exception):
        symbols = [Symbol(code, np.dtype(x.dtype), "%x") if hasattr(x, "dtype") else x for x in arguments]
        if all(x.dtype in LLVM for x in symbols if isinstance(x, Symbol)):
            made = function(*symbols, **settings)
    parts = made if isinstance(made, tuple | list) else (made,)
    return all(isinstance(part, Symbol) for part in parts)


class _Key:
    """An instruction that compares equal to others that do the same with the same types."""

    def __init__(self, i: Instruction, key: Any) -> None:
        self.instruction, self.key, self.hash = i, key, hash(key)

    def __hash__(self) -> int:
        return self.hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.key == other.key


@functools.lru_cache(4096)
def _found(key: _Key) -> str:
    i, code = key.instruction, Function([]).code
    operands = [Symbol(code, x.dtype, "%x") if isinstance(x, Value) else x for x in i.args]
    if any(isinstance(x, Symbol) and x.dtype not in LLVM for x in operands):
        return ""
    key.instruction = None  # type: ignore[assignment]  # the cache is not to keep a program alive
    with contextlib.suppress(Exception):  # whatever its code raises when given symbols
        made = element_of(i, operands)
        if isinstance(made, Symbol) and made.code is code and made.dtype == i.outputs[0].dtype:
            return "known" if code.doubted is None else "doubts"
    return ""
