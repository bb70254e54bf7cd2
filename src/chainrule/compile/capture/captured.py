"""`Captured`: the box around an array in a capture, and the error for code that looks inside it."""

import sys
from typing import Any, NoReturn

from chainrule.base.provenance import users_line
from chainrule.compile.program.program import Value
from chainrule.core.errors import CaptureError
from chainrule.core.operands.plain import NUMPY
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import running


class Captured(Tensor):
    """An array whose values differ from call to call, so nothing may read them while a function is captured."""

    __slots__ = ("held",)
    is_variable = False

    def __init__(self, held: Any, trace: Any, link: Value) -> None:
        self.held = held
        self._trace = trace
        self._link = link

    @property
    def _value(self) -> Any:
        refuse("the values of an array were looked at")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.held.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        """The dtype."""
        return self.held.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.held.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.held.size  # type: ignore[no-any-return]

    @property
    def requires_grad(self) -> bool:
        """False: derivatives are taken on the tapes above."""
        return False

    def __len__(self) -> int:
        return len(self.held)

    def __bool__(self) -> bool:
        refuse("Python branched on a value", "use np.where(condition, a, b), or keep the branch outside")

    def __index__(self) -> int:
        refuse(
            "a value was used as a Python integer",
            "index with the array itself, x[i], not with int(i); for range(n), pass n as a Python int, of which each "
            "value is compiled by itself",
        )

    def item(self) -> Any:
        """Refused: the number is not known."""
        refuse("a value was turned into a Python number", "return the array, and take the number of what is returned")

    def detach(self) -> "Captured":
        """Return itself: it has no gradient of its own."""
        return self

    def __repr__(self) -> str:
        refuse("an array was turned into text")


def refuse(what: str, step: str = "") -> NoReturn:
    """Raise a CaptureError that names the user's line."""
    if running.capture is None:
        raise CaptureError(
            f"compile: {user_line()} uses a value of a capture that is over: the function has put it into a list, an "
            f"attribute or a global variable; return it instead"
        )
    advice = step or "return it, or keep that part outside of the compiled function"
    error = CaptureError(
        f"compile: {what}{_by()} ({user_line()}) while the function was captured: the result would be fixed in every "
        f"later call; {advice}"
    )
    running.capture.refusal = error  # the function may catch it
    raise error


def _by() -> str:
    """Return the NumPy function in which it happened, in words."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "_array_function":
            return f" by np.{frame.f_locals['function'].__name__}"
        if frame.f_code.co_name == "_array_ufunc":
            return f" by np.{frame.f_locals['ufunc'].__name__}"
        frame = frame.f_back
    return ""


def user_line() -> str:
    """Return the user's line, as `file:line`. The calls of rules are generated code, whose file is "<string>"."""
    return users_line("<string>", NUMPY).place
