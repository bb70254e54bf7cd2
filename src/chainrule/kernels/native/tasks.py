"""Functions of machine code with what they work on: `Function` writes one, a `Task` is a call of it, `run_all` many.

Every function has the same form: it gets a table of addresses and numbers and the range that it is to work on, and
returns −1, or where something was wrong. So one function, written once, can call a list of them, and a run of tasks is
one call from Python.
"""

import ctypes
import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import ufuncs as ufuncs  # whoever writes a function does arithmetic in it
from .code import Code, Place
from .machine import address_of
from .symbol import LONG, Symbol

Run = Callable[[], Any]

LONG_WORK = 2**17
"""Operations from which on a call lets go of the interpreter's lock: less is over before another thread is awake."""


class Function:
    """A function of some arrays and whole numbers that is being written.

    `places` are the arrays, by their dtypes; `numbers` the numbers; `begin` and `end` the range. Where `overlap` is
    false no array that is written to may share memory with another.
    """

    def __init__(self, dtypes: Sequence[Any], numbers: int = 0, overlap: bool = False) -> None:
        self.code = Code()
        self.places = [Place(self.code, f"%p{k}", dtype) for k, dtype in enumerate(dtypes)]
        self.numbers = [Symbol(self.code, LONG, f"%n{k}") for k in range(numbers)]
        self.begin, self.end = Symbol(self.code, LONG, "%begin"), Symbol(self.code, LONG, "%end")
        self._kind = "ptr" if overlap else "ptr noalias"

    def text(self) -> str:
        """Return all of it, as what is called: it reads the table, and calls the function proper."""
        kinds = [*((self._kind, p.name) for p in self.places), *(("i64", n.name) for n in self.numbers)]
        given, reads = [], []
        for k, (kind, name) in enumerate(kinds):
            plain = kind.split()[0]
            reads.append(f"  {name}.at = getelementptr inbounds i64, ptr %table, i64 {k}")
            reads.append(f"  {name} = load {plain}, ptr {name}.at")
            given.append(f"{plain} {name}")
        parameters = ", ".join([*(f"{kind} {name}" for kind, name in kinds), "i64 %begin", "i64 %end"])
        call = f"  %bad = call i64 @work({', '.join([*given, 'i64 %begin', 'i64 %end'])})"
        head = "define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {"
        body = f"define internal i64 @work({parameters}) noinline nounwind {{"
        lines = [*sorted(self.code.declared), head, *reads, call, "  ret i64 %bad", "}", ""]
        lines += [body, "entry:", *self.code.first, *self.code.lines, "  ret i64 -1", "}"]
        return "\n".join(lines) + "\n"


@dataclass(eq=False)
class Task:
    """A call of a function: its text, the arrays and numbers of its table, its range, and what a result ≥ 0 means."""

    text: str
    arrays: Sequence[Any]
    numbers: Sequence[int] = ()
    begin: int = 0
    end: int = 0
    error: str = ""
    table: Any = field(init=False)

    def __post_init__(self) -> None:
        self.table = np.array([*map(address, self.arrays), *self.numbers], np.int64)

    @functools.cached_property
    def at(self) -> int:
        """Where the function is: it is compiled when first asked for."""
        return address_of(self.text)


def address(array: Any) -> int:
    """Return where an array begins."""
    try:  # the fastest way, for what is in C order and may be written to
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError, BufferError):
        found: int = array.__array_interface__["data"][0]
        return found


def function_at(at: int, work: float = LONG_WORK) -> Any:
    """Return machine code as a Python function of a table and a range; much work lets go of the interpreter's lock."""
    kind = ctypes.CFUNCTYPE if work >= LONG_WORK else ctypes.PYFUNCTYPE
    return kind(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(at)


def run_once(task: Task) -> int:
    """Carry out a task here and now; return −1, or where something was wrong."""
    bad: int = _released(task.at)(address(task.table), task.begin, task.end)
    return bad


@functools.cache
def _released(at: int) -> Any:
    return function_at(at)


def over_ranges(task: Task) -> Callable[[int, int], None]:
    """Return the function that carries out a part of a task, for a range that it is given."""
    ready: list[Any] = []
    table, lock = ctypes.c_void_p(address(task.table)), threading.Lock()

    def part(begin: int, end: int) -> None:
        if not ready:
            with lock:
                ready.append(function_at(task.at))
        ready[0](table, begin, end)

    return part


def run_all(tasks: Sequence[Task], work: float = LONG_WORK) -> Run:
    """Return the call that carries out tasks one after the other; it raises IndexError where one finds something wrong.

    `work` is how many operations they are, roughly.
    """
    call: Any = None

    def start() -> Any:
        records = np.array(
            [len(tasks), *(x for t in tasks for x in (t.at, address(t.table), t.begin, t.end))], np.int64
        )
        kind = ctypes.CFUNCTYPE if work >= LONG_WORK else ctypes.PYFUNCTYPE
        function = kind(ctypes.c_int64, ctypes.c_void_p)(address_of(SEQUENCE))
        return functools.partial(function, ctypes.c_void_p(address(records))), records

    def run() -> None:
        nonlocal call
        if call is None:
            call = start()
        bad = call[0]()
        if bad >= 0:
            raise IndexError(tasks[bad].error)

    return run


SEQUENCE = """
define i64 @f(ptr %records) nounwind {
entry:
  %count = load i64, ptr %records
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %next, %latch ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %body, label %done
body:
  %start = mul i64 %k, 4
  %i0 = add i64 %start, 1
  %i1 = add i64 %start, 2
  %i2 = add i64 %start, 3
  %i3 = add i64 %start, 4
  %p0 = getelementptr inbounds i64, ptr %records, i64 %i0
  %p1 = getelementptr inbounds i64, ptr %records, i64 %i1
  %p2 = getelementptr inbounds i64, ptr %records, i64 %i2
  %p3 = getelementptr inbounds i64, ptr %records, i64 %i3
  %function = load ptr, ptr %p0
  %table = load ptr, ptr %p1
  %begin = load i64, ptr %p2
  %end = load i64, ptr %p3
  %bad = call i64 %function(ptr %table, i64 %begin, i64 %end)
  %wrong = icmp sge i64 %bad, 0
  br i1 %wrong, label %fail, label %latch
latch:
  %next = add i64 %k, 1
  br label %head
done:
  ret i64 -1
fail:
  ret i64 %k
}
"""
"""What carries out a list: how many, and for each the function, its table and its range."""
