"""Machine-code functions and their calls: `Function` writes one, a `Task` is one call, `run_all` runs many.

All functions share one signature: they take a table of addresses and numbers and a range to work on, and return −1 or
the index of a failure. A single generic function can therefore run a list of them, so that a sequence of tasks costs
one call from Python.
"""

import ctypes
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.kernels.pool import crew

from . import ufuncs as ufuncs  # for whoever writes a function: arithmetic on symbols
from .code import CONTRACT, Code, Place, plain
from .crew import repeat, sequence
from .machine import EXPLICITLY, GLUE, address_of, make_ready, target
from .nests import widened
from .symbol import LONG, Symbol

Run = Callable[[], Any]

WIDE = '"prefer-vector-width"="512"'
"""The attribute by which loops run on the longest vectors there are.

LLVM keeps to 256 bits on most processors with longer ones, on which exponentials and divisions take a quarter less
time.
"""
PART, MOST_PARTS = 2**21, 16
"""How many operations of a product a part has at least, and how many parts there are at most.

Such a part takes 25 µs on one core. Two threads that are awake take 24 µs for a product of 4 M operations that takes
one thread 43 µs.
"""
ADDITION = 8
"""How many of a product's operations one addition of a loop takes as long as: 0.1 ns, from the second-level cache."""
LONG_WORK = 2**17
"""Operations from which on a call lets go of the interpreter's lock: less is over before another thread is awake."""


class Function:
    """A function of arrays and integers, under construction.

    `places` are the arrays, given by their dtypes; `numbers` the integers; `begin` and `end` the range. If `overlap` is
    false, no array that is written to may share memory with another.
    """

    def __init__(self, dtypes: Sequence[Any], numbers: int = 0, overlap: bool = False, flags: str = CONTRACT) -> None:
        self.code = Code(flags)
        self.places = [Place(self.code, f"%p{k}", dtype) for k, dtype in enumerate(dtypes)]
        self.numbers = [Symbol(self.code, LONG, f"%n{k}") for k in range(numbers)]
        self.begin, self.end = Symbol(self.code, LONG, "%begin"), Symbol(self.code, LONG, "%end")
        self._kind = "ptr" if overlap else "ptr noalias"

    def text(self) -> str:
        """Return the complete IR: the entry point, which unpacks the table, and what is done."""
        kinds = [*((self._kind, p.name) for p in self.places), *(("i64", n.name) for n in self.numbers)]
        reads = []
        for k, (kind, name) in enumerate(kinds):
            reads.append(f"  {name}.at = getelementptr inbounds i64, ptr %table, i64 {k}")
            reads.append(f"  {name} = load {kind.split()[0]}, ptr {name}.at")
        code = self.code
        code.settle()
        found = widened(code, target()) if "noalias" in self._kind else None
        if found is None:
            body = self._apart(kinds, reads)
            return (
                "\n".join([*sorted(code.declared), *body, *code.first, *plain(code.lines), "  ret i64 -1", "}"]) + "\n"
            )
        head = f"define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {WIDE} {{"
        lines = [EXPLICITLY, *sorted(found.declared), head, *found.first, *reads, "  br label %entry", "entry:"]
        return "\n".join([*lines, *found.lines, "  ret i64 -1", "}"]) + "\n"

    def _apart(self, kinds: Sequence[tuple[str, str]], reads: Sequence[str]) -> list[str]:
        """Return the beginning of the function proper, and before it the one that calls it.

        Only a parameter can say that no other array shares its memory, which LLVM has to know.
        """
        given = ", ".join(f"{kind.split()[0]} {name}" for kind, name in kinds)
        call = f"  %bad = call i64 @work({given}, i64 %begin, i64 %end)".replace("(, ", "(")
        parameters = ", ".join([*(f"{kind} {name}" for kind, name in kinds), "i64 %begin", "i64 %end"])
        head = "define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {"
        body = f"define internal i64 @work({parameters}) noinline nounwind {WIDE} {{"
        return [head, *reads, call, "  ret i64 %bad", "}", "", body, "entry:"]


@dataclass(eq=False)
class Task:
    """A call of a function: its text, its table of arrays and numbers, its range, and the meaning of a result ≥ 0."""

    text: str
    arrays: Sequence[Any]
    numbers: Sequence[int] = ()
    begin: int = 0
    end: int = 0
    error: str = ""
    parts: int = 1
    """In how many parts its range may be worked on at the same time."""
    kept: tuple[Any, ...] = ()
    """Memory that the numbers point to."""
    level: int | None = None
    """How much its function is optimised, if not as much as most are."""
    rescue: Run | None = None
    """What is called where it reports a failure; if that returns, the list goes on with the next task."""
    asks: Any = None
    """Who has to say before each run, by `ready()`, whether it may run."""
    lists: list["TaskList"] = field(default_factory=list)
    """The lists that hold its address."""
    table: Any = field(init=False)

    def __post_init__(self) -> None:
        self.table = np.array([*map(address, self.arrays), *self.numbers], np.int64)

    @functools.cached_property
    def at(self) -> int:
        """The address of the function, which is compiled on first access."""
        return address_of(self.text, self.level)

    def become(self, other: "Task") -> None:
        """Be another task from here on."""
        if (self.text, self.level) != (other.text, other.level):
            self.__dict__.pop("at", None)
        self.__dict__.update(
            {name: value for name, value in other.__dict__.items() if name not in ("at", "asks", "lists")}
        )
        for one in self.lists:
            one.forget()

    def failed(self) -> None:
        """Do what is to be done after a failure; raises IndexError if nothing else is said."""
        if self.rescue is None:
            raise IndexError(self.error)
        self.rescue()


def address(array: Any) -> int:
    """Return the address of an array."""
    try:  # fastest, for writable arrays in C order
        return ctypes.addressof(ctypes.c_char.from_buffer(array))
    except (TypeError, ValueError, BufferError):
        found: int = array.__array_interface__["data"][0]
        return found


def function_at(at: int, work: float = LONG_WORK) -> Any:
    """Return machine code as a Python function of a table and a range; it releases the GIL if there is much work."""
    kind = ctypes.CFUNCTYPE if work >= LONG_WORK else ctypes.PYFUNCTYPE
    return kind(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(at)


def run_once(task: Task) -> int:
    """Run a task on this thread; return −1, or the index of the failure."""
    bad: int = released(task.at)(address(task.table), task.begin, task.end)
    return bad


@functools.cache
def released(at: int) -> Any:
    """Return machine code as a Python function that releases the GIL."""
    return function_at(at)


def at_once(tasks: Sequence[Task], alone: bool = False) -> None:
    """Run tasks in order, on several cores where they have parts, unless `alone`; where one fails, do what it says.

    This is `run_all(tasks)()` for tasks that are made for one call: nothing is kept.
    """
    if alone or all(task.parts == 1 for task in tasks):
        for task in tasks:
            if run_once(task) >= 0:
                task.failed()
        return
    crew.gather()
    numbers = (x for t in tasks for x in (t.at, address(t.table), t.begin, t.end, t.parts))
    records = np.array([len(tasks), *numbers], np.int64)
    bad = _runner()(address(records), crew.address)
    if bad >= 0:
        tasks[bad].failed()
        at_once(tasks[bad + 1 :])


@functools.cache
def _runner() -> Any:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(runner())


class Call:
    """Tasks made once for arrays of certain layouts, to be called with any that have them: 2 µs instead of 50.

    `arrays` are those whose place others take in a call; all others that the tasks have are made anew for each. Where
    tasks have addresses among their numbers, `places` says of each: of which array, in which task, at which place.
    """

    def __init__(
        self, tasks: Sequence[Task], arrays: Sequence[Any], places: Sequence[tuple[int, int, int]] = ()
    ) -> None:
        count = len(tasks)
        heads = [x for t in tasks for x in (t.at, 0, t.begin, t.end, t.parts)]
        starts = np.cumsum([1 + len(heads), *(len(t.table) for t in tasks)]).tolist()
        self._record = np.array([count, *heads, *(x for t in tasks for x in t.table)], np.int64)
        self._tables = [(2 + 5 * k, 8 * starts[k]) for k in range(count)]
        self._parts = [5 + 5 * k for k in range(count)]
        self._rescues = [t.rescue for t in tasks]
        self._is_cut = any(t.parts > 1 for t in tasks)
        slots: dict[int, list[int]] = {id(array): [] for array in arrays}
        made: dict[int, Any] = {}
        for start, task in zip(starts, tasks, strict=False):
            for k, array in enumerate(task.arrays):
                if id(array) not in slots:
                    made[id(array)] = array
                slots.setdefault(id(array), []).append(start + k)
        for which, number, place in places:
            slots[id(arrays[which])].append(starts[number] + place)
        self._slots = list(slots.values())
        self._made = [(array.shape, array.dtype) for array in made.values()]

    def __call__(self, arrays: Sequence[Any], alone: bool = False) -> None:
        """Run them; `alone` keeps them in this thread and uncut."""
        if self._made:
            arrays = [*arrays, *(np.empty(*like) for like in self._made)]
        record = self._record.copy()
        at = address(record)
        for place, offset in self._tables:
            record[place] = at + offset
        for slots, array in zip(self._slots, arrays, strict=True):
            where = address(array)
            for slot in slots:
                record[slot] = where
        if alone:
            record[self._parts] = 1
        elif self._is_cut:
            crew.gather()
        bad = _runner()(at, crew.address)
        if bad >= 0:
            if self._rescues[bad] is not None:
                self._rescues[bad]()
            raise AssertionError("a task that cannot fail has failed")


def each_at_once(at: int, tables: Sequence[Sequence[int]], sizes: Sequence[int], parts: Sequence[int]) -> None:
    """Call a function that cannot fail with each of some tables, of one length, for the ranges of these sizes."""
    count, width = len(tables), len(tables[0])
    record = np.zeros(1 + count * (5 + width), np.int64)
    calls, lists = record[1 : 1 + 5 * count].reshape(count, 5), record[1 + 5 * count :].reshape(count, width)
    lists[...] = tables
    record[0] = count
    calls[:, 0], calls[:, 3], calls[:, 4] = at, sizes, parts
    calls[:, 1] = address(lists) + 8 * width * np.arange(count)
    crew.gather()
    _runner()(address(record), crew.address)


class TaskList:
    """A list of tasks as one native call: `call()` returns −1, or the place of the task that has failed.

    `work` is the approximate number of operations. The call is made ready when it is first used.
    """

    def __init__(self, tasks: Sequence[Task], work: float = LONG_WORK) -> None:
        self.tasks, self.work = tasks, work
        self.call: Callable[[], int] = self._first
        self.is_stale = False
        """Whether a call that was made ready before has to be made again."""
        self.current = np.zeros(1, np.int64)
        """Where the list is in the form that machine code reads; 0 while it has to be read again."""
        for task in tasks:
            task.lists.append(self)

    def forget(self) -> None:
        """Read the tasks again at the next call."""
        self.call, self.is_stale, self.current[0] = self._first, True, 0

    def behind(self, place: int) -> int:
        """Run the tasks behind a place; return as `call` does."""
        rest = TaskList(self.tasks[place + 1 :], self.work)
        bad = rest.call()
        for task in rest.tasks:
            task.lists.remove(rest)
        return bad if bad < 0 else place + 1 + bad

    def _first(self) -> int:
        self.call = self._bound()
        return self.call()

    def repeated(self, count: Any) -> Callable[[], int]:
        """Return the call that runs the list again and again without the interpreter's lock.

        `count` are two int64: a number that goes up by one after each time, and the one at which to stop. The call
        returns −1, or the place of the task that has failed.
        """
        records = self._read(repeat)
        function = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_void_p] * 4)(address_of(repeat(), GLUE))
        return functools.partial(function, ctypes.c_void_p(address(records)), crew.address, address(count), runner())

    def _bound(self) -> Callable[[], int]:
        records = self._read(sequence)
        kind = ctypes.CFUNCTYPE if self.work >= LONG_WORK else ctypes.PYFUNCTYPE
        function = kind(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)(runner())
        return functools.partial(function, ctypes.c_void_p(address(records)), crew.address)

    def _read(self, text: Callable[[], str]) -> Any:
        """Return the list in the form in which machine code reads it: a runner's, whose text is made ready as well."""
        self.is_stale = False
        missing = [(t.text, t.level) for t in self.tasks if "at" not in t.__dict__]
        if missing:
            make_ready([(text(), GLUE), *missing])
        numbers = (x for t in self.tasks for x in (t.at, address(t.table), t.begin, t.end, t.parts))
        self._records = np.array([len(self.tasks), *numbers], np.int64)
        if any(t.parts > 1 for t in self.tasks):
            crew.gather()
        self.current[0] = address(self._records)
        return self._records


def run_all(tasks: Sequence[Task], work: float = LONG_WORK) -> Run:
    """Return a call that runs the tasks in order; where one fails it does what that task says.

    `work` is the approximate number of operations.
    """
    whole = TaskList(tasks, work)

    def run() -> None:
        bad = whole.call()
        while bad >= 0:
            tasks[bad].failed()
            bad = whole.behind(bad)

    return run


@functools.cache
def runner() -> int:
    """Return the address of the function that runs a list."""
    return address_of(sequence(), GLUE)


def parts_of(work: float, units: int) -> int:
    """Return how many parts to cut work of so many units into: it depends on the work alone, never on the core count.

    It is a power of two, so that no core of two or four waits for another one's third part.

    >>> parts_of(2**20, 100), parts_of(2**23, 100), parts_of(2**30, 3)
    (1, 4, 2)
    """
    most = max(min(MOST_PARTS, units, int(work / PART)), 1)
    return 1 << most.bit_length() - 1
