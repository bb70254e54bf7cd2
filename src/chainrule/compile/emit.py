"""A group's loop as a call: its source, compiled, bound to the buffers."""

from functools import partial
from typing import Any

import numpy as np

from .generated import function_of
from .loops import Loop, Ranges
from .program import Value
from .steps import Buffer, Run

COSTS = {
    "gelu": 20,
    "erfc": 20,
    "tanh": 10,
    "sigmoid": 10,
    "exp": 8,
    "silu": 12,
    "gelu_tanh": 15,
    "divide": 3,
    "sqrt": 3,
}
"""What an operation costs beside a sum, roughly."""
SEVERAL = 2**21
"""How much work is worth a second core."""


def loop_call(loop: Loop, buffer: Buffer, split: bool) -> Run:
    """Return the call that runs a loop on its buffers."""
    arrays: list[Any] = []
    names: dict[tuple[int, int], str] = {}
    copies: list[Run] = []

    def name(value: Value) -> str:
        array = buffer(value)
        if not array.flags.c_contiguous:
            made = np.empty(array.shape, array.dtype)
            copies.append(partial(np.copyto, made, array))
            array = made
        # One name for one place: two names for the same memory would keep the loop from running on vectors.
        key = (array.__array_interface__["data"][0], array.size)
        if key not in names:
            names[key] = f"a{len(arrays)}"
            arrays.append(array.reshape(-1))
        return names[key]

    by_value = {value: name(value) for value in (*loop.loaded, *loop.stored)}
    run = _bound(loop, by_value, list(names.values()), arrays, split)
    if not copies:
        return run

    def run_on_copies() -> None:
        for copy in copies:
            copy()
        run()

    return run_on_copies


def _bound(loop: Loop, names: dict[Value, str], parameters: list[str], arrays: list[Any], split: bool) -> Run:
    """Return the loop's function bound to its arrays, on several cores where it is large."""
    size = loop.group.size
    columns = loop.group.columns if split and loop.group.columns else size
    rows = size // columns
    over = Ranges(rows="r0, r1", columns="c0, c1", width="width") if split else Ranges("c0, c1")
    source = f"@kernel\ndef loop(r0, r1, c0, c1, width, {', '.join(parameters)}):\n"
    source += "".join(f"    {line}\n" for line in loop.lines(names.__getitem__, over))
    function, cut = function_of(source, "loop"), loop.cut()
    work = size * sum(COSTS.get(i.name, 1) for i in loop.group.members)
    # Without a sign: Numba counts negative indices from the end, and where some may be, the loop runs on no vectors.
    zero, height, width = np.uint64(0), np.uint64(rows), np.uint64(columns)
    if cut is None or work < SEVERAL:
        return partial(function, zero, height, zero, width, width, *arrays)
    from chainrule.kernels.threads import split as on_cores

    def over_columns(begin: int, end: int) -> None:
        function(zero, height, np.uint64(begin), np.uint64(end), width, *arrays)

    def over_rows(begin: int, end: int) -> None:
        function(np.uint64(begin), np.uint64(end), zero, width, width, *arrays)

    if cut == "columns" or not split:
        return partial(on_cores, over_columns, columns, work)
    return partial(on_cores, over_rows, rows, work)
