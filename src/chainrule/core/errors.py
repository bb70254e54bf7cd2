"""The errors that only a differentiation engine can raise.

Everything else is a plain ``TypeError`` or ``ValueError``. Each message names the operation or argument, what came,
what was expected, and the next step.
"""

from typing import Any


class GradientError(RuntimeError):
    """A gradient cannot be computed from this tape."""


class FreedTapeError(GradientError):
    """`backward()` reached an operation whose saved values an earlier pass has already freed."""


class InPlaceError(GradientError):
    """A value that the backward pass needs was changed in place after the forward pass saved it."""


class CaptureError(RuntimeError):
    """A function cannot be compiled as it is: it does something that a replay would not repeat."""


class MissingRuleError(GradientError):
    """An operation has no rule for the requested mode."""


class VmapError(RuntimeError):
    """A function cannot be mapped as it is: its course depends on the values of one row."""


class Portable:
    """Makes an exception with extra arguments picklable, so that it can be raised in another process."""

    args: tuple[Any, ...]

    def __reduce__(self) -> Any:
        """Reduce it to its text and its attributes."""
        return _restored, (type(self), self.args, vars(self))


def _restored(cls: Any, args: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    error = cls.__new__(cls, *args)
    vars(error).update(attributes)
    return error
