"""A function of one element of each of several large arrays, as one loop of machine code.

NumPy computes a logistic function or a GELU in up to a hundred passes, each over a temporary array. Here the function
is called once, with symbols, and its instructions become the body of a loop.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .outputs import empty
from .pool import split

Array = Any

EACH = 64
"""About how many multiplications of a product one element takes as long as."""


def apply(text: Callable[[Any], str], arrays: Sequence[Array]) -> Array:
    """Return the result of a function for each element, as an array like the first.

    `text(dtype)` is the code for such elements, by `code_of`. The arrays are of one shape and dtype, float32 or
    float64, in C order; nothing checks this.
    """
    from .native.tasks import Task, address, released

    y = empty(arrays[0].shape, arrays[0].dtype)
    task = Task(text(y.dtype), [*arrays, y])
    call, table = released(task.at), address(task.table)
    split(lambda begin, end: call(table, begin, end), y.size, float(EACH * y.size))
    return y


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
