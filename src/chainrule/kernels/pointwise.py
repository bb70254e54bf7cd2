"""A function of one element of each of several large arrays, as one loop of machine code.

NumPy computes a logistic function or a GELU in up to a hundred passes, each over a temporary array. Here the function
is called once, with symbols, and its instructions become the body of a loop.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .outputs import empty

Array = Any

EACH = 64
"""About how many multiplications of a product one element takes as long as."""


def apply(text: Callable[[Any], str], arrays: Sequence[Array]) -> Array:
    """Return the result of a function for each element, as an array like the first.

    `text(dtype)` is the code for such elements, by `code_of`. The arrays are of one shape and dtype, float32 or
    float64, in C order; nothing checks this.
    """
    y = empty(arrays[0].shape, arrays[0].dtype)
    _call(text, y.dtype, y.size, len(arrays))([*arrays, y])
    return y


@functools.lru_cache(1024)
def _call(text: Callable[[Any], str], dtype: Any, size: int, count: int) -> Any:
    """Return the loop over so many elements as a function of the arrays; which ones does not matter."""
    from .native.tasks import Call, Task, parts_of

    arrays = [np.empty(0, dtype) for _ in range(count + 1)]
    return Call([Task(text(dtype), arrays, (), 0, size, parts=parts_of(EACH * size, size))], arrays)


def code_of(function: Callable[..., Any], count: int) -> Callable[[Any], str]:
    """Return what writes the loop over a function of `count` symbols, by the dtype of all of them."""

    @functools.cache
    def text(dtype: Any) -> str:
        from .native.tasks import Function

        written = Function([dtype] * (count + 1))
        with written.code.loop(written.begin, written.end) as i:
            *inputs, output = written.places
            output[i] = function(*(place[i] for place in inputs))
        return written.text()

    return text
