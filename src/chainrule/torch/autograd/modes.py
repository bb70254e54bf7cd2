"""Whether operations are recorded: `no_grad`, `enable_grad` and their kin, as blocks, decorators and switches."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from chainrule.core.traces.modes import Block, Floor, latest, modes
from chainrule.core.traces.tape import EAGER, next_level


class _Mode(Floor):
    """A block in which recording is on or off; also a decorator."""

    __slots__ = ("_on",)

    def __init__(self, on: bool) -> None:
        super().__init__(0)
        self._on = on

    def __enter__(self) -> None:
        self._open(0 if self._on else next_level())

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that runs in such a block."""
        on = self._on
        if inspect.isgeneratorfunction(f):

            @functools.wraps(f)
            def generated(*args: Any, **kwargs: Any) -> Any:
                generator = f(*args, **kwargs)
                while True:
                    with _Mode(on):
                        try:
                            item = next(generator)
                        except StopIteration as end:
                            return end.value
                    yield item

            return generated

        @functools.wraps(f)
        def run(*args: Any, **kwargs: Any) -> Any:
            with _Mode(on):
                return f(*args, **kwargs)

        return run


def _is_function(x: Any) -> bool:
    return callable(x) and not isinstance(x, bool)


class no_grad(_Mode):
    """Record nothing in the block or the decorated function.

    >>> import chainrule.torch as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     print((w * 2).requires_grad)
    False
    """

    __slots__ = ()

    def __new__(cls, f: Any = None) -> Any:
        """Return a block, or a decorated function if one is passed."""
        made = super().__new__(cls)
        if f is None:
            return made
        made.__init__()  # type: ignore[misc]
        return made(f)

    def __init__(self, f: Any = None) -> None:
        super().__init__(False)


class enable_grad(no_grad):
    """Record in the block, also inside `no_grad`."""

    __slots__ = ()

    def __init__(self, f: Any = None) -> None:
        _Mode.__init__(self, True)


class inference_mode(_Mode):
    """Record nothing in the block, like `no_grad`."""

    __slots__ = ()

    def __new__(cls, mode: Any = True) -> Any:
        """Return a block, or a decorated function if one is passed."""
        made = super().__new__(cls)
        if not _is_function(mode):
            return made
        made.__init__()  # type: ignore[misc]
        return made(mode)

    def __init__(self, mode: Any = True) -> None:
        super().__init__(not mode)


class set_grad_enabled(_Mode):
    """Switch recording on or off, from here on or, in a `with` block, until its end."""

    __slots__ = ("_before",)

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._before = latest.get()
        latest.set(Block(0 if mode else next_level(), self._before))

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        latest.set(self._before)


class set_detect_anomaly:
    """Accepted for compatibility: errors of a backward pass name the line of the operation in any case."""

    def __init__(self, mode: bool = True, check_nan: bool = True) -> None:
        self.mode, self.check_nan = mode, check_nan

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def is_grad_enabled() -> bool:
    """Return whether operations are recorded."""
    return modes.floor <= EAGER.level


def is_inference_mode_enabled() -> bool:
    """Return whether operations are not recorded."""
    return not is_grad_enabled()
