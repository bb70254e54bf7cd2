"""Changed code that would not end is stopped: a `while` whose step is 0 after a change runs forever."""

import ast
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import CodeType, FrameType
from typing import Any

from chainrule.check.subjects.subject import Array, Arrays, Subject

from .program import FunctionSource, Program

TIMES = 20
"""How many times as many lines a changed function may run as the most that one does unchanged."""
MORE = 1_000
"""And so many more."""
Name = tuple[str, str]
"""A function's file and name, which it has after a change as well."""


class EndlessError(RuntimeError):
    """A changed function runs far longer than it did unchanged."""


_current: "ContextVar[Lines | None]" = ContextVar("lines that are counted", default=None)


class Lines:
    """Counts the lines that each call of some functions runs, and stops a call that has had `most`."""

    def __init__(self, names: set[Name]) -> None:
        self.names = names
        self.most = sys.maxsize
        self.seen = 0

    def called(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        """Follow a call of one of the functions: a trace function."""
        if _name(frame.f_code) not in self.names:
            return None
        count = 0

        def line(_frame: FrameType, event: str, _arg: Any) -> Any:
            nonlocal count
            count += event == "line"
            self.seen = max(self.seen, count)
            if count > self.most:
                raise EndlessError(f"{frame.f_code.co_name} runs more than {self.most} lines")
            return line

        return line


@contextmanager
def ending(programs: Iterable[Program], subject: Subject, arguments: Arrays, y_bar: Array) -> Iterator[None]:
    """Run a block in which calls end, if these programs have a loop that may not."""
    lines = Lines({_name(p.function.__code__) for p in programs if isinstance(p, FunctionSource) and _may_not_end(p)})
    if not lines.names:
        yield
        return
    before, token = sys.gettrace(), _current.set(lines)
    watched()
    try:
        try:
            subject.backward(arguments, y_bar)
        except Exception:  # it is under repair
            lines.seen += MORE
        watched()
        lines.most = TIMES * lines.seen + MORE
        yield
    finally:
        _current.reset(token)
        sys.settrace(before)


def watched() -> None:
    """Count again after a call was stopped: what a trace function raises ends its tracing."""
    lines = _current.get()
    if lines is not None:
        sys.settrace(lines.called)


def _name(code: CodeType) -> Name:
    return code.co_filename, code.co_name


def _may_not_end(program: FunctionSource) -> bool:
    return any(isinstance(node, ast.While) for node in ast.walk(program.tree))
