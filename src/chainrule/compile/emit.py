"""A group's loop as a call: its source, compiled, bound to the buffers."""

from functools import partial
from typing import Any

import numpy as np

from .generated import function_of
from .loops import Loop
from .program import Value
from .steps import Buffer, Run


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

    columns = loop.group.columns if split and loop.group.columns else loop.group.size
    by_value = {value: name(value) for value in (*loop.loaded, *loop.stored)}
    lines = loop.lines(by_value.__getitem__, "rows", "columns", split)
    parameters = ", ".join(["rows", "columns", *names.values()])
    source = f"@kernel\ndef loop({parameters}):\n" + "\n".join(f"    {line}" for line in lines) + "\n"
    run = partial(function_of(source, "loop"), loop.group.size // columns, columns, *arrays)
    if not copies:
        return run

    def run_on_copies() -> None:
        for copy in copies:
            copy()
        run()

    return run_on_copies
