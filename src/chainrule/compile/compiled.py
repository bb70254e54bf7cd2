"""`compile`: capture a function at its first call and replay it at later calls."""

import copy
import functools
import threading
import warnings
from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any

from chainrule.base.garbage import uncollected
from chainrule.base.threads import others_run
from chainrule.core.errors import CaptureError
from chainrule.core.traces.capturing import observed, running
from chainrule.core.transforms.values import by_name
from chainrule.kernels.suitable import HAS_COMPILER

from .capture.arguments import CallArguments
from .capture.capture import Disturbed
from .plan.plan import Plan
from .quick import MISSED
from .replay import OtherLayout, Replay
from .varying import Varying
from .walk import Walk

LIMIT = 16
"""The most plans one function may have; beyond it, calls that have none run the function itself, after a warning."""

ATTEMPTS = 3
"""How many captures are tried in a program with several threads, where another thread may disturb one."""


def compile(f: Callable[..., Any]) -> "Compiled":
    """Return `f` as a function that is captured once and then replayed without Python overhead.

    `f` may do whatever a training step does: compute, call `loss.backward()`, clip gradients, step an optimiser and a
    schedule, apply dropout, update running averages. The first call with arguments of given shapes and dtypes runs `f`
    once without side effects, builds a plan from it, and replays that plan; later calls replay it directly. Arrays and
    tensors among the arguments (also in tuples, lists, dicts) may change from call to call. Strings and other objects
    are fixed: another one needs another plan. So is a Python number at first, among the arguments or in a variable that
    `f` reads. When it has a second value, one more plan is made for all its values, unless Python looks at them
    (`if rate > 0`, `range(n)`, an index, a shape).

    Results are new arrays, equal to those of `f` up to rounding, and bit-for-bit reproducible for the same seed and
    number of threads. Gradients that `f` leaves in `.grad` are buffers that the next call overwrites. Arguments are
    copied in, so writing to one inside `f` does not change the caller's array.

    Raises CaptureError if `f` does something that a replay would not repeat: it branches on a value of an array, turns
    it into a Python number, prints it, or changes an attribute of a module. The error gives the line and says what to
    do instead.

    `compiled.plans` maps the arguments each plan was made for to the plan; `print(compiled.plan)` shows the last one,
    and `compiled.plan.profile()` times each of its lines.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> from chainrule import nn, optim
    >>> cr.seed(0)
    >>> model, loss = nn.Linear(3, 1), nn.MSELoss()
    >>> optimizer = optim.Adam(model.parameters(), lr=0.1)
    >>> @cr.compile
    ... def step(x, y):
    ...     optimizer.zero_grad()
    ...     value = loss(model(x), y)
    ...     value.backward()
    ...     optimizer.step()
    ...     return value
    >>> x = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    >>> losses = [float(step(x, x[:, :1])) for _ in range(300)]
    >>> losses[-1] < 1e-3 * losses[0]
    True
    """
    _say_what_is_slower()
    return Compiled(f)


@functools.cache
def _say_what_is_slower() -> None:
    """Warn, once, where there is no compiler."""
    if not HAS_COMPILER:
        warnings.warn(
            "compile: llvmlite and Numba are not installed, so plans run in NumPy, more slowly than as machine "
            "code; to mend it: python -m pip install 'chainrule[fast]'",
            stacklevel=3,
        )


class Compiled:
    """What `compile` returns: call it like the original function."""

    def __init__(self, f: Callable[..., Any]) -> None:
        if not callable(f):
            raise TypeError(f"compile: expected a function, got {type(f).__name__}")
        self.function = f
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self.__doc__, self.__module__ = f.__doc__, getattr(f, "__module__", __name__)
        self.plans: dict[Any, list[Replay]] = {}
        self._varying = Varying()
        self._has_said = False
        self._last: Replay | None = None
        self._lock = threading.RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Replay the plan for these arguments, making it first if there is none."""
        if running.capture is not None or observed.blocks:
            return self.function(*args, **kwargs)
        with self._lock:
            last = self._last
            if last is not None:
                if (found := last.quick((*args, kwargs) if kwargs else args)) is not MISSED:
                    return found
                if not kwargs and last.fits(args) and last.guards.hold(args):
                    return last.run(args, None)
            call = CallArguments(args, kwargs)
            if call.is_traced:
                return self.function(*args, **kwargs)
            for key in (call.key, self._varying.key(call)):
                for replay in self.plans.get(key, ()):
                    if replay.suits(call.leaves):
                        self._last = replay
                        return replay.run(None, call)
            if sum(map(len, self.plans.values())) >= LIMIT:
                self._say_what_changes(call)
                return self.function(*args, **kwargs)
            with uncollected():
                replay = self._captured(call)
                self._last = replay
                return replay.run(None, call)

    def _captured(self, call: "CallArguments") -> "Replay":
        self._varying.notice(call, self.plans)
        key, replay = self._varying.captured(call, lambda: self._undisturbed(call))
        # A plan whose guards failed may fit again: training and evaluation alternate.
        self.plans.setdefault(key, []).append(replay)
        return replay

    def _undisturbed(self, call: "CallArguments") -> "Replay":
        """Capture, and retry if another thread may have interfered: a capture has no side effects."""
        for left in reversed(range(ATTEMPTS)):
            try:
                return Replay(self.function, call)
            except OtherLayout:
                call.is_laid = True
                return self._undisturbed(call)
            except Disturbed as error:
                if left == 0 or not others_run():
                    raise CaptureError(str(error)) from None
        raise AssertionError

    def _say_what_changes(self, call: "CallArguments") -> None:
        if not self._has_said:
            self._has_said = True
            warnings.warn(
                f"compile: {self.__name__} has been captured {LIMIT} times, so something changes at every call: "
                f"{self._what_changes(call)}. Where there is no plan the function itself runs now, uncompiled; pass "
                f"what changes as an array (np.asarray(value)), give all batches one shape, or call clear() to start "
                f"again",
                stacklevel=3,
            )

    def _what_changes(self, call: "CallArguments") -> str:
        if len(self.plans) == 1:
            last = next(iter(self.plans.values()))[-1]
            return last.guards.changed() or "a variable that cannot be named"
        keys = list(self.plans)
        pairs = zip(keys[-1].leaves, call.key.leaves, strict=False)
        different = [f"argument leaf {k} ({new})" for k, (old, new) in enumerate(pairs) if old != new]
        return different[0] if different else "the arguments' structure"

    def walk(self, arrays: Sequence[Any], size: int, longest: int) -> Walk | None:
        """Return the walk over batches of so many rows of arrays, for a plan that holds; None if there is none."""
        with self._lock:
            for replay in (replay for several in self.plans.values() for replay in several):
                fits = replay.input_buffers and replay.input_buffers[0][1].shape[:1] == (size,)
                if fits and replay.guards.hold() and (walk := replay.walk(arrays, longest)) is not None:
                    return walk
        return None

    @property
    def plan(self) -> Plan:
        """The plan that was used last; a CaptureError before the first call."""
        if self._last is None:
            raise CaptureError("compile: there is no plan before the first call")
        return self._last.plan

    def clear(self) -> None:
        """Drop all plans; the next call captures again."""
        with self._lock:
            self.plans.clear()
            self._varying.clear()
            self._has_said = False
            self._last = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    # Copies: plans belong to the memory that they were made for, so a copy captures again

    def __copy__(self) -> "Compiled":
        return Compiled(self.function)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Compiled":
        return Compiled(copy.deepcopy(self.function, memo))

    def __reduce__(self) -> Any:
        """Pickle the function; one decorated with `@compile` is looked up by name, as any function is."""
        return by_name(self) or (Compiled, (self.function,))

    def __repr__(self) -> str:
        count = sum(map(len, self.plans.values()))
        return f"<compiled {self.__name__}: {count} plan{'s' * (count != 1)}>"

    def __getattr__(self, name: str) -> Any:
        if name == "function":
            raise AttributeError(name)
        return getattr(self.function, name)
