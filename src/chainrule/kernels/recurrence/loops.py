"""When a step runs in a loop of machine code, and that loop over the samples."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.kernels.suitable import HAS_COMPILER

Array = Any
LEAST = 2**10
"""Elements of a state from which on a loop is worth the call."""


def by_loop(state: Array) -> bool:
    """Whether a step of this state runs in a loop."""
    return HAS_COMPILER and state.size >= LEAST and state.dtype in (np.float32, np.float64)


@functools.lru_cache(256)
def call(write: Callable[..., None], arrays: int, shape: tuple[int, int], dtype: Any) -> Any:
    """Return a call that takes the arrays of a step; `write(code, width, row, *arrays)` writes a sample's part."""
    from chainrule.kernels.native.tasks import Call, Task

    rows, width = shape
    empty = [np.empty(0, dtype) for _ in range(arrays)]
    return Call([Task(_text(write, arrays, dtype), empty, [width], 0, rows)], empty)


@functools.cache
def _text(write: Callable[..., None], arrays: int, dtype: Any) -> str:
    """Return the loop over a range of samples."""
    from chainrule.kernels.native.tasks import Function

    function = Function([dtype] * arrays, 1)
    code, (width,) = function.code, function.numbers
    with code.loop(function.begin, function.end) as row:
        write(code, width, row, *function.places)
    return function.text()
