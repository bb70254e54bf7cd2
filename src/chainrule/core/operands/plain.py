"""Errors for values with a gradient that would become plain numbers: what, at which line, and what to do."""

import sys
from opcode import opmap
from types import FrameType
from typing import NoReturn

import numpy as np

from chainrule.base.provenance import folder_of, is_users, users_frame, users_line
from chainrule.core.errors import GradientError

NUMPY = folder_of(np)
_WRITES = {opmap[name] for name in ("STORE_SUBSCR", "STORE_SLICE") if name in opmap}

INTO_PLAIN = (
    "would write a value with a gradient into a plain array, where the gradient is lost; make the array with "
    "chainrule.zeros(...) or, inside a transform, np.zeros_like(x), which take such values, join them with np.stack, "
    "or use x.at[index].set(value), which returns a changed copy"
)

INSTEAD = {
    "float": "use NumPy's functions (np.sin, not math.sin), or x.item() if no gradient is wanted",
    "int": "use np.trunc(x), or int(x.item()) if no gradient is wanted",
    "complex": "use np.real, np.imag and a + 1j * b, or complex(x.item()) if no gradient is wanted",
    "round": "use np.round(x), or round(x.item()) if no gradient is wanted",
    "math.floor": "use np.floor(x), or math.floor(x.item()) if no gradient is wanted",
    "math.ceil": "use np.ceil(x), or math.ceil(x.item()) if no gradient is wanted",
    "math.trunc": "use np.trunc(x), or math.trunc(x.item()) if no gradient is wanted",
}


def is_written_into_array() -> bool:
    """Whether the user's line is at `something[index] = value`, in which case NumPy asks for the plain value.

    If several lines of NumPy's own Python are in between, it is enough that one of them is.
    """
    users, frame = users_frame(NUMPY), sys._getframe(1)
    while frame is not users and frame.f_back is not None:
        # NumPy's own line, in functions such as np.fill_diagonal.
        if is_users(frame.f_code.co_filename) and _writes(frame):
            return True
        frame = frame.f_back
    return _writes(users)


def _writes(frame: FrameType) -> bool:
    return frame.f_code.co_code[frame.f_lasti] in _WRITES


def refuse_number(what: str) -> NoReturn:
    """Raise a GradientError: a Python number would be cut off from its gradient."""
    raise GradientError(
        f"{what}: inside a transform such as cr.grad this would cut the value off from its gradient "
        f"({users_line(NUMPY).place}); {INSTEAD[what]}"
    )


def refuse_array_write(what: str = "array[index] = value", kind: type[Exception] = GradientError) -> NoReturn:
    """Raise an error: a value with a gradient would be written into a plain array."""
    raise kind(f"{what} ({users_line(NUMPY).place}) {INTO_PLAIN}")
