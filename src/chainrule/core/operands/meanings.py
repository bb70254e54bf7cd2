"""Calls that mean something else in PyTorch: one warning per line, which names the difference and what to write.

Methods that NumPy has mean here what they mean in NumPy. If the same call means something else in PyTorch, without an
error that would show it, users coming from PyTorch are warned.
"""

import bisect
import dis
import functools
import sys
import warnings
from types import CodeType, FrameType
from typing import Any

from chainrule.base.provenance import is_users, stacklevel


class PyTorchMeaningWarning(UserWarning):
    """A call has NumPy's meaning here, and another one in PyTorch.

    Shown once per line. `warnings.filterwarnings("ignore", category=chainrule.PyTorchMeaningWarning)` silences it, and
    so does the spelling that the message suggests.
    """


def caller(depth: int) -> FrameType | None:
    """Return the frame `depth` calls up if that is user code; None if this package called itself."""
    frame = sys._getframe(depth)
    return frame if is_users(frame.f_code.co_filename) else None


def warn(message: str) -> None:
    """Warn about a meaning, at the first line outside this package."""
    warnings.warn(message, PyTorchMeaningWarning, stacklevel=stacklevel())


def spreads(frame: FrameType) -> bool:
    """Whether the current call of a frame unpacks its arguments, `f(*axes)`: they are computed, not written."""
    return _call_in(frame)[0] == "CALL_FUNCTION_EX"


def unpacks_two(frame: FrameType) -> bool:
    """Whether the result of the current call of a frame is unpacked to two names, `values, indices = f()`."""
    return _call_in(frame)[1:] == ("UNPACK_SEQUENCE", 2)


def _call_in(frame: FrameType) -> tuple[str, str, Any]:
    """Return the name of a frame's current instruction, and the name and argument of the next."""
    offsets, every = _instructions(frame.f_code)
    # A call is followed by its caches, and Python releases differ in where among them a frame's position is.
    k = bisect.bisect_right(offsets, frame.f_lasti) - 1
    after = every[k + 1] if k + 1 < len(every) else every[k]
    return every[k].opname, after.opname, after.arg


@functools.lru_cache(maxsize=256)
def _instructions(code: CodeType) -> tuple[list[int], list[dis.Instruction]]:
    every = list(dis.get_instructions(code))
    return [one.offset for one in every], every
