"""What elementwise operations are inside a generated loop: their records, called with symbols.

A record's `primal` is NumPy on arrays; on symbols the same Python writes instructions. So there is no table of what can
stand in a loop: it is tried. A record may have another form for one number, `element`, which is faster than its primal
or can be followed where that cannot.
"""

import contextlib
import functools
from typing import Any

import numpy as np

from chainrule.kernels.native.symbol import LLVM, Symbol
from chainrule.kernels.native.tasks import Function

from .program import Instruction, Value
from .purity import reads_only_functions


def element_of(i: Instruction, operands: list[Any]) -> Symbol:
    """Return what an instruction makes of one element of each argument."""
    own = i.op.element
    is_floating = all(isinstance(x, Symbol) and x.dtype.kind == "f" for x in operands)
    made: Symbol = (own if own is not None and is_floating else i.function)(*operands, **i.settings)
    return made


def is_known(i: Instruction) -> bool:
    """Whether an instruction can stand in a loop: it acts on elements, and its record can be followed symbolically."""
    if i.op is None or not isinstance(i.args, tuple) or not i.op.is_pointwise:
        return False
    out = i.outputs[0].dtype
    if out not in LLVM or not all(isinstance(x, Value | float | int | bool | np.generic) for x in i.args):
        return False
    args = tuple(("value", x.dtype) if isinstance(x, Value) else (type(x), repr(x)) for x in i.args)
    try:
        settings = tuple(sorted((key, repr(value)) for key, value in i.settings.items()))
        return reads_only_functions(i.function) and _found(_Key(i, (i.op, i.function, args, settings, out)))
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
