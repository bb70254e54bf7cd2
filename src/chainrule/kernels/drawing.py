"""Random numbers drawn by machine code from NumPy's own generators: the same numbers, and the generator goes on."""

import ctypes
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .native.symbol import DOUBLE, FLOAT
from .native.tasks import Function, Task

Array = Any
UNSIGNED = np.dtype(np.uint32)


class Drawing:
    """A task that draws from a generator, which is asked for before each run: it may have been replaced.

    `source` returns the generator; `make` makes the task, given the addresses of its function and its state.
    """

    def __init__(self, source: Callable[[], Any], make: Callable[[int, int], Task]) -> None:
        self.source, self.make = source, make
        self.bits: Any = None
        self.task = make(0, 0)
        self.task.asks = self

    def current(self) -> Any:
        """Return the bit generator of the generator as it is now, or None."""
        return getattr(self.source(), "bit_generator", None)

    def ready(self) -> bool:
        """Whether the generator is one of NumPy's; the task then draws from it."""
        bits = self.current()
        if bits is self.bits:
            return bits is not None
        if not isinstance(bits, np.random.BitGenerator):
            return False
        interface = bits.ctypes
        self.task.become(self.make(_address(interface.next_uint32), _address(interface.state)))
        self.bits = bits
        return True

    def goes_on(self) -> bool:
        """Whether the generator is the one that the task draws from already."""
        return self.bits is not None and self.current() is self.bits

    def marks(self) -> list[Any]:
        """Return nothing: no parameter is changed."""
        return []

    def done(self) -> None:
        """Do nothing: the generator itself has gone on."""

    @property
    def lock(self) -> Any:
        """The lock of the generator, which its own methods take as well."""
        return self.bits.lock


def mask(out: Array, p: float, source: Callable[[], Any]) -> Drawing | None:
    """Return the drawing of a dropout mask into an array, or None if there is no code for it.

    Its elements are 1 / (1 − p) where a uniform float32 is not below p, else 0: those of `Generator.random`.
    """
    if out.dtype not in (FLOAT, DOUBLE) or not out.flags.c_contiguous or not out.flags.writeable:
        return None
    numbers = np.array([np.float32(p), 1 / (1 - p)])
    return Drawing(source, lambda next_, state: Task(_mask(out.dtype), [out, numbers], [next_, state], 0, out.size))


@functools.cache
def _mask(dtype: Any) -> str:
    function = Function([dtype, DOUBLE], 2)
    (out, given), (next_, state), code = function.places, function.numbers, function.code
    code.write(f"%next = inttoptr i64 {next_} to ptr")
    code.write(f"%state = inttoptr i64 {state} to ptr")
    least, value = given[0].astype(FLOAT), given[1].astype(dtype)
    with code.loop(function.begin, function.end) as i:
        bits = code.made(UNSIGNED, "call i32 %next(ptr %state)")
        uniform = (bits >> 8).astype(FLOAT) * code.constant(2.0**-24, FLOAT)
        out[i] = code.chosen(uniform >= least, value, code.constant(0, dtype))
    return function.text()


def _address(pointer: Any) -> int:
    return int(pointer if isinstance(pointer, int) else ctypes.cast(pointer, ctypes.c_void_p).value or 0)
