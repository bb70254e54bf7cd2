"""A list of tasks as a function of CPython's own, called with the arrays of a compiled step: `entry`.

A call by `ctypes`, with a copy of each array before it, takes microseconds, as long as all the work of a small network.
The machine code made here has the signature of a C function that CPython calls itself. It compares the arrays with
those that a plan was made for, copies their elements into the plan's buffers, and runs the list.

It reads the fields of tuples and arrays where CPython and NumPy publish them, which is tried out before it is used
(`is_known`); in an interpreter that lays out objects differently, or that has no global lock, there are no entries.
"""

import ctypes
import functools
import sys
import sysconfig
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.kernels.pool import crew

from .machine import GLUE, address_of
from .tasks import LONG_WORK, TaskList, address, runner

HEAD = object.__basicsize__
"""The size of what every object begins with; its last field is the type."""
ITEMS = tuple.__basicsize__
"""Where the items of a tuple begin; their number is behind the head."""
DATA, AXES, SHAPE, KIND, FLAGS = (HEAD + place for place in (0, 8, 16, 40, 48))
"""Where an array keeps its address, its number of axes, the address of its shape, its dtype and its flags."""
PLAIN = 0x101
"""The flags of an array in C order whose elements are aligned."""
OTHER = -2
"""What an entry returns for arguments that the plan was not made for; nothing has been done then."""

Entry = Callable[[tuple[Any, ...]], int]


class _Method(ctypes.Structure):
    """CPython's `PyMethodDef`."""

    _fields_ = (("name", ctypes.c_char_p), ("at", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


ONE_ARGUMENT = 0x8
"""CPython's `METH_O`: the function takes one object."""


def entry(tasks: TaskList, buffers: Sequence[Any], moves: Sequence[Any] = ()) -> Entry | None:
    """Return the function of a tuple of arrays that copies them into the buffers and runs the tasks.

    Where `moves` has numbers for a buffer, the tasks work on the array itself instead: a row for each place that holds
    an address in the buffer, with the place, how far into the buffer the address is, and what is put back afterwards.

    It returns `OTHER` where the arrays differ from the buffers in their number, class, dtype or shape, or are not
    plain, or where the tasks have to be made ready first; otherwise −1, or the place of the task that has failed. None
    is returned where there are no entries, or a buffer is not plain.
    """
    if not is_known() or not all(type(b) is np.ndarray and b.flags.c_contiguous and b.flags.aligned for b in buffers):
        return None
    python = ctypes.pythonapi
    releases = tasks.work >= LONG_WORK
    system = [runner(), _address(python.PyLong_FromLong)]
    system += [_address(python.PyEval_SaveThread), _address(python.PyEval_RestoreThread)] if releases else [0, 0]
    shapes = [np.array(b.shape or (0,), np.int64) for b in buffers]
    table = [address(tasks.current), ctypes.addressof(crew.address), *system, id(np.ndarray), len(buffers)]
    kept = []
    for buffer, shape, places in zip(buffers, shapes, moves or [None] * len(buffers), strict=True):
        kept.append(np.ascontiguousarray(np.empty((0, 3)) if places is None else places, np.int64))
        copied = buffer.nbytes if places is None else 0
        table += [
            id(buffer.dtype),
            buffer.ndim,
            address(shape),
            address(buffer),
            copied,
            address(kept[-1]),
            len(kept[-1]),
        ]
    memory = _Table(table, [*shapes, *buffers, *kept, tasks])
    make = python.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return make(ctypes.addressof(_method()), memory, None)  # type: ignore[no-any-return]


class _Table(np.ndarray):
    """The numbers that an entry reads, with what they are the addresses of."""

    kept: Any

    def __new__(cls, numbers: Sequence[int], kept: Any) -> "_Table":
        made = np.array(numbers, np.int64).view(cls)
        made.kept = kept
        return made


@functools.cache
def _method() -> _Method:
    return _Method(b"entry", address_of(_written(), GLUE), ONE_ARGUMENT, b"Run a compiled step.")


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@functools.cache
def is_known() -> bool:
    """Whether objects lie in memory as `entry` reads them."""
    if sys.implementation.name != "cpython" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    plain, other = np.zeros((3, 5), np.float32), np.zeros((7, 2), np.int64)[:, ::-1]
    pair = (plain, other)
    found = _number(id(pair), HEAD) == 2 and _number(id(pair), ITEMS + 8) == id(other)
    for array, flags in ((plain, PLAIN), (other, PLAIN & ~1)):
        at = id(array)
        found = found and _number(at, HEAD - 8) == id(np.ndarray) and _number(at, KIND) == id(array.dtype)
        found = found and _number(at, DATA) == array.__array_interface__["data"][0]
        found = found and _number(at, AXES, ctypes.c_int32) == 2 and _number(at, FLAGS, ctypes.c_int32) & PLAIN == flags
        shape = _number(at, SHAPE) if found else 0
        found = found and tuple(_number(shape, 8 * k) for k in range(2)) == array.shape
    return found


def _number(at: int, offset: int, kind: Any = ctypes.c_int64) -> int:
    return int(kind.from_address(at + offset).value)


FIRST, EACH = 8, 7
"""Where the buffers begin in the table, and how many numbers describe one."""


def _written() -> str:
    """Return `f(self, arguments)`, whose `self` is the table."""
    names = ("current", "crew", "runner", "number", "save", "restore", "class", "count")
    kinds = ("ptr", "ptr", "ptr", "ptr", "ptr", "ptr", "ptr", "i64")
    reads = []
    for k, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        reads.append(f"  %{name}.at = getelementptr inbounds i64, ptr %table, i64 {k}")
        reads.append(f"  %{name} = load {kind}, ptr %{name}.at")
    head = "\n".join(reads)
    refused = ", ".join(f"[ {OTHER}, %{label} ]" for label in ("entry", "array", "fields", "length"))
    return f"""declare ptr @memcpy(ptr, ptr, i64)
define ptr @f(ptr %self, ptr %arguments) nounwind {{
entry:
  %table.at = getelementptr inbounds i8, ptr %self, i64 {DATA}
  %table = load ptr, ptr %table.at
{head}
  %records = load ptr, ptr %current
  %is_stale = icmp eq ptr %records, null
  %given.at = getelementptr inbounds i8, ptr %arguments, i64 {HEAD}
  %given = load i64, ptr %given.at
  %is_other = icmp ne i64 %given, %count
  %refuses = or i1 %is_stale, %is_other
  %items = getelementptr inbounds i8, ptr %arguments, i64 {ITEMS}
  br i1 %refuses, label %done, label %check
check:
  %k = phi i64 [ 0, %entry ], [ %k1, %next ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %array, label %copies
array:
{_described("k", "a")}
  %class.of = getelementptr inbounds i8, ptr %a, i64 {HEAD - 8}
  %kind.of = getelementptr inbounds i8, ptr %a, i64 {KIND}
  %axes.of = getelementptr inbounds i8, ptr %a, i64 {AXES}
  %flags.of = getelementptr inbounds i8, ptr %a, i64 {FLAGS}
  %a.class = load ptr, ptr %class.of
  %is_array = icmp eq ptr %a.class, %class
  br i1 %is_array, label %fields, label %done
fields:
  %a.kind = load ptr, ptr %kind.of
  %a.axes = load i32, ptr %axes.of
  %a.flags = load i32, ptr %flags.of
  %axes32 = trunc i64 %a.p1 to i32
  %expected = inttoptr i64 %a.p0 to ptr
  %same_kind = icmp eq ptr %a.kind, %expected
  %same_axes = icmp eq i32 %a.axes, %axes32
  %plain = and i32 %a.flags, {PLAIN}
  %is_plain = icmp eq i32 %plain, {PLAIN}
  %both = and i1 %same_kind, %same_axes
  %all = and i1 %both, %is_plain
  br i1 %all, label %shape, label %done
shape:
  %shape.of = getelementptr inbounds i8, ptr %a, i64 {SHAPE}
  %a.shape = load ptr, ptr %shape.of
  %b.shape = inttoptr i64 %a.p2 to ptr
  br label %axis
axis:
  %x = phi i64 [ 0, %shape ], [ %x1, %length ]
  %has_axis = icmp slt i64 %x, %a.p1
  br i1 %has_axis, label %length, label %next
length:
  %x1 = add i64 %x, 1
  %a.length.at = getelementptr inbounds i64, ptr %a.shape, i64 %x
  %b.length.at = getelementptr inbounds i64, ptr %b.shape, i64 %x
  %a.length = load i64, ptr %a.length.at
  %b.length = load i64, ptr %b.length.at
  %same = icmp eq i64 %a.length, %b.length
  br i1 %same, label %axis, label %done
next:
  %k1 = add i64 %k, 1
  br label %check
copies:
  %c = phi i64 [ 0, %check ], [ %c1, %moved.end ]
  %left = icmp slt i64 %c, %count
  br i1 %left, label %copy, label %run
copy:
{_described("c", "s")}
  %data.of = getelementptr inbounds i8, ptr %s, i64 {DATA}
  %data = load ptr, ptr %data.of
  %buffer = inttoptr i64 %s.p3 to ptr
  %copied = call ptr @memcpy(ptr %buffer, ptr %data, i64 %s.p4)
  %data.number = ptrtoint ptr %data to i64
{_moved("s", "moved", "copy", "%data.number", 1)}
moved.end:
  %c1 = add i64 %c, 1
  br label %copies
run:
  %shared = load ptr, ptr %crew
  %keeps = icmp eq ptr %save, null
  br i1 %keeps, label %held, label %released
held:
  %bad0 = call i64 %runner(ptr %records, ptr %shared)
  br label %back
released:
  %state = call ptr %save()
  %bad1 = call i64 %runner(ptr %records, ptr %shared)
  call void %restore(ptr %state)
  br label %back
back:
  %ran = phi i64 [ %bad0, %held ], [ %bad1, %released ]
  br label %each
each:
  %r = phi i64 [ 0, %back ], [ %r1, %putting.end ]
  %remain = icmp slt i64 %r, %count
  br i1 %remain, label %put, label %done
put:
{_described("r", "t")}
{_moved("t", "putting", "put", "0", 2)}
putting.end:
  %r1 = add i64 %r, 1
  br label %each
done:
  %bad = phi i64 {refused}, [ %ran, %each ]
  %made = call ptr %number(i64 %bad)
  ret ptr %made
}}
"""


def _described(k: str, name: str) -> str:
    """Return the lines that load an array of the arguments, as `%name`, and the numbers of its buffer."""
    lines = [
        f"  %{name}.at = getelementptr inbounds ptr, ptr %items, i64 %{k}",
        f"  %{name} = load ptr, ptr %{name}.at",
        f"  %{name}.by = mul i64 %{k}, {EACH}",
        f"  %{name}.row = add i64 %{name}.by, {FIRST}",
        f"  %{name}.numbers = getelementptr inbounds i64, ptr %table, i64 %{name}.row",
    ]
    for p in range(EACH):
        lines.append(f"  %{name}.p{p}.at = getelementptr inbounds i64, ptr %{name}.numbers, i64 {p}")
        lines.append(f"  %{name}.p{p} = load i64, ptr %{name}.p{p}.at")
    return "\n".join(lines)


def _moved(name: str, label: str, before: str, base: str, column: int) -> str:
    """Return the loop over the places of an array that writes a number plus that of a column; it goes to LABEL.end."""
    return f"""  br label %{label}.head
{label}.head:
  %{label} = phi i64 [ 0, %{before} ], [ %{label}.next, %{label}.body ]
  %{label}.on = icmp slt i64 %{label}, %{name}.p6
  br i1 %{label}.on, label %{label}.body, label %{label}.end
{label}.body:
  %{label}.places = inttoptr i64 %{name}.p5 to ptr
  %{label}.row = mul i64 %{label}, 3
  %{label}.where.at = getelementptr inbounds i64, ptr %{label}.places, i64 %{label}.row
  %{label}.where = load ptr, ptr %{label}.where.at
  %{label}.column = add i64 %{label}.row, {column}
  %{label}.value.at = getelementptr inbounds i64, ptr %{label}.places, i64 %{label}.column
  %{label}.value = load i64, ptr %{label}.value.at
  %{label}.sum = add i64 {base}, %{label}.value
  store i64 %{label}.sum, ptr %{label}.where
  %{label}.next = add i64 %{label}, 1
  br label %{label}.head"""
