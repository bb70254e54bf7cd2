"""The machine code of the thread pool: a list of tasks runs as one call, and threads share the parts of large tasks.

The threads of a crew wait inside `SERVE`, without the interpreter lock. The caller of a list (`SEQUENCE`) posts each
task that has parts, works on parts itself while any are left, and continues once all of them are finished. Each thread
begins with a share of the parts that is the same in each run: of arrays that every step goes through, such as an
optimiser's state, a core then finds its share in its own cache. Whoever is done takes what others have left. An idle
thread spins for some microseconds and then sleeps: it is still awake for the next of several products in a row, and
leaves its core to others otherwise. One that was woken too late for a task also stays awake, or it would be too late
for the next one as well: on a virtual machine, waking takes longer than many a task. While the crew is busy for another
caller, a list runs on its calling thread alone.

`Shared` is the memory of a crew: 64-bit numbers, with those that change often on cache lines of their own.
"""

import ctypes
import sys
from typing import Any

GENERATION, OPEN, FUNCTION, TABLE, BEGIN, END, PARTS, THREADS = range(8)
CLAIMED, ACTIVE, BAD, BUSY, CALLS = 8, 16, 17, 24, 25
LOCK, UNLOCK, WAIT, WAKE, YIELD = range(26, 31)
"""Where the system's functions are, for the lock and for sleeping; `YIELD` lets another thread have the core."""
MUTEX, CONDITION, SIZE = 32, 48, 64
MOST = 64
"""How many parts a task can have: a bit of `CLAIMED` says of each whether a thread has taken it."""
SPINS = 10_000
"""How often a thread polls before it sleeps: 100 to 200 µs, about what waking takes on a virtual machine."""
MOMENT = 200
"""How often a caller polls on after a thread has said in Python that it is done: a few µs."""
PATIENCE = 20_000
"""How often the caller polls for the others to finish before it yields its core."""

POSIX = ("pthread_mutex_lock", "pthread_mutex_unlock", "pthread_cond_wait", "pthread_cond_broadcast", "sched_yield")
WINDOWS = (
    *("AcquireSRWLockExclusive", "ReleaseSRWLockExclusive", "SleepConditionVariableSRW", "WakeAllConditionVariable"),
    "SwitchToThread",
)


def shared(threads: int) -> Any:
    """Return new shared memory for a crew of so many threads, the caller among them, with no work posted."""
    memory = (ctypes.c_int64 * SIZE)()
    memory[THREADS] = threads
    windows = sys.platform == "win32"
    library: Any = ctypes.WinDLL("kernel32") if windows else ctypes.CDLL(None)  # type: ignore[attr-defined,unused-ignore]
    for place, name in zip(range(LOCK, YIELD + 1), WINDOWS if windows else POSIX, strict=True):
        memory[place] = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    if not windows:
        library.pthread_mutex_init(at(memory, MUTEX), None)
        library.pthread_cond_init(at(memory, CONDITION), None)
    return memory


def at(memory: Any, place: int) -> ctypes.c_void_p:
    """Return the address of a slot in the shared memory."""
    return ctypes.c_void_p(ctypes.addressof(memory) + 8 * place)


def _slots(*names: str) -> str:
    """Return the lines that compute the addresses of named slots of `%shared`."""
    return "\n".join(
        f"  %{name.lower()}.at = getelementptr inbounds i64, ptr %shared, i64 {globals()[name]}" for name in names
    )


def _functions(*names: str) -> str:
    """Return the lines that load the system functions' addresses."""
    return _slots(*names) + "\n" + "\n".join(f"  %{n.lower()} = load ptr, ptr %{n.lower()}.at" for n in names)


def _pause() -> tuple[str, str]:
    """Return the spin-wait hint of the processor, and its declaration."""
    from .machine import machine

    name = machine().target.triple.split("-")[0]
    if name in ("x86_64", "i686"):
        return "call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()\n"
    if name in ("aarch64", "arm64"):
        return "call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)\n"
    return "fence seq_cst", ""


def serve() -> str:
    """Return `f(shared, mine)`: work on posted tasks until called back by `call`.

    `mine` holds the last generation and the last call that this thread has seen, and its number; the caller's is 0.
    """
    pause, declared = _pause()
    return f"""{declared}{_TAKE}
define i64 @f(ptr %shared, ptr %mine) nounwind {{
entry:
{_slots("GENERATION", "OPEN", "ACTIVE", "CALLS", "FUNCTION", "TABLE", "BEGIN", "END", "PARTS", "THREADS")}
{_slots("MUTEX", "CONDITION")}
{_functions("LOCK", "UNLOCK", "WAIT")}
  %known.at = getelementptr inbounds i64, ptr %mine, i64 1
  %number.at = getelementptr inbounds i64, ptr %mine, i64 2
  %number = load i64, ptr %number.at
  %threads = load i64, ptr %threads.at
  br label %look
look:
  %spins = phi i64 [ 0, %entry ], [ 0, %awake ], [ %spun, %again ]
  %g0 = load atomic i64, ptr %generation.at seq_cst, align 8
  %mine0 = load i64, ptr %mine
  %c0 = load atomic i64, ptr %calls.at seq_cst, align 8
  %known0 = load i64, ptr %known.at
  %old = icmp eq i64 %g0, %mine0
  %quiet = icmp eq i64 %c0, %known0
  %nothing = and i1 %old, %quiet
  %few = icmp slt i64 %spins, {SPINS}
  %waits = and i1 %nothing, %few
  br i1 %waits, label %again, label %locked
again:
  {pause}
  %spun = add i64 %spins, 1
  br label %look
locked:
  call void %lock(ptr %mutex.at)
  br label %check
check:
  %g = load atomic i64, ptr %generation.at seq_cst, align 8
  %m = load i64, ptr %mine
  %is_new = icmp ne i64 %g, %m
  br i1 %is_new, label %noted, label %called
noted:
  store i64 %g, ptr %mine
  %o = load i64, ptr %open.at
  %is_open = icmp ne i64 %o, 0
  br i1 %is_open, label %join, label %stay
join:
  %was = atomicrmw add ptr %active.at, i64 1 seq_cst
  %function = load ptr, ptr %function.at
  %table = load ptr, ptr %table.at
  %begin = load i64, ptr %begin.at
  %end = load i64, ptr %end.at
  %parts = load i64, ptr %parts.at
  call void %unlock(ptr %mutex.at)
  call void @take(
    ptr %shared, ptr %function, ptr %table, i64 %begin, i64 %end, i64 %parts, i64 %number, i64 %threads
  )
  %now = atomicrmw sub ptr %active.at, i64 1 seq_cst
  br label %awake
stay:
  call void %unlock(ptr %mutex.at)
  br label %awake
awake:
  br label %look
called:
  %c = load atomic i64, ptr %calls.at seq_cst, align 8
  %known = load i64, ptr %known.at
  %is_call = icmp ne i64 %c, %known
  br i1 %is_call, label %leave, label %sleep
sleep:
  call void %wait(ptr %condition.at, ptr %mutex.at, i32 -1, i32 0)
  br label %stay
leave:
  store i64 %c, ptr %known.at
  call void %unlock(ptr %mutex.at)
  ret i64 0
}}
"""


def call() -> str:
    """Return `f(shared)`: make every thread of the crew return from `serve`."""
    return f"""
define i64 @f(ptr %shared) nounwind {{
{_slots("CALLS", "MUTEX", "CONDITION")}
{_functions("LOCK", "UNLOCK", "WAKE")}
  call void %lock(ptr %mutex.at)
  %was = atomicrmw add ptr %calls.at, i64 1 seq_cst
  call void %wake(ptr %condition.at)
  call void %unlock(ptr %mutex.at)
  ret i64 0
}}
"""


def wait() -> str:
    """Return `f(count, least)`: look at a number until it is as large as that, but not longer than threads spin.

    Behind that it goes on for a moment, in which whoever has raised the number can let go of the interpreter.
    """
    pause, declared = _pause()
    return f"""{declared}
define i64 @f(ptr %count, i64 %least) nounwind {{
entry:
  br label %look
look:
  %spins = phi i64 [ 0, %entry ], [ %spun, %again ]
  %now = load atomic i64, ptr %count seq_cst, align 8
  %is_there = icmp sge i64 %now, %least
  %is_long = icmp sge i64 %spins, {SPINS}
  %ends = or i1 %is_there, %is_long
  br i1 %ends, label %rest, label %again
again:
  {pause}
  %spun = add i64 %spins, 1
  br label %look
rest:
  %rested = phi i64 [ 0, %look ], [ %more, %rest ]
  {pause}
  %more = add i64 %rested, 1
  %is_over = icmp sge i64 %more, {MOMENT}
  br i1 %is_over, label %done, label %rest
done:
  ret i64 %now
}}
"""


def sequence() -> str:
    """Return `f(records, shared)`: run a list of tasks; return −1, or the index of the one that failed.

    `records` holds the number of tasks, and for each its function, table, range and number of parts. `shared` is 0
    where there is no crew.
    """
    pause, declared = _pause()
    return declared + _TAKE + _POST.replace("PAUSE", pause) + _SEQUENCE


def repeat() -> str:
    """Return `f(records, shared, count, once)`: run a list of tasks again and again, by `sequence`'s function `once`.

    `count` holds a number that goes up by one after each time, and the one at which to stop. Where a task fails it
    returns the task's index, and the number says in which turn.
    """
    return _REPEAT


_TAKE = f"""
define internal void @take(
    ptr %shared, ptr %function, ptr %table, i64 %begin, i64 %end, i64 %parts, i64 %number, i64 %threads
) nounwind {{
entry:
  %claimed.at = getelementptr inbounds i64, ptr %shared, i64 {CLAIMED}
  %bad.at = getelementptr inbounds i64, ptr %shared, i64 {BAD}
  %length = sub i64 %end, %begin
  %shares = mul i64 %parts, %number
  %first = sdiv i64 %shares, %threads
  br label %look
look:
  %n = phi i64 [ 0, %entry ], [ %n1, %claim ], [ %n1, %work ]
  %more = icmp slt i64 %n, %parts
  br i1 %more, label %claim, label %done
claim:
  %n1 = add i64 %n, 1
  %far = add i64 %first, %n
  %is_behind = icmp sge i64 %far, %parts
  %back = select i1 %is_behind, i64 %parts, i64 0
  %k = sub i64 %far, %back
  %bit = shl i64 1, %k
  %before = atomicrmw or ptr %claimed.at, i64 %bit seq_cst
  %others = and i64 %before, %bit
  %is_free = icmp eq i64 %others, 0
  br i1 %is_free, label %work, label %look
work:
  %k1 = add i64 %k, 1
  %a = mul i64 %length, %k
  %b = mul i64 %length, %k1
  %c = sdiv i64 %a, %parts
  %d = sdiv i64 %b, %parts
  %from = add i64 %begin, %c
  %to = add i64 %begin, %d
  %bad = call i64 %function(ptr %table, i64 %from, i64 %to)
  %worst = atomicrmw max ptr %bad.at, i64 %bad seq_cst
  br label %look
done:
  ret void
}}
"""

_POST = f"""
define internal i64 @alone(ptr %function, ptr %table, i64 %begin, i64 %end, i64 %parts) nounwind {{
entry:
  %length = sub i64 %end, %begin
  br label %look
look:
  %k = phi i64 [ 0, %entry ], [ %k1, %work ]
  %worst = phi i64 [ -1, %entry ], [ %now, %work ]
  %more = icmp slt i64 %k, %parts
  br i1 %more, label %work, label %done
work:
  %k1 = add i64 %k, 1
  %a = mul i64 %length, %k
  %b = mul i64 %length, %k1
  %c = sdiv i64 %a, %parts
  %d = sdiv i64 %b, %parts
  %from = add i64 %begin, %c
  %to = add i64 %begin, %d
  %bad = call i64 %function(ptr %table, i64 %from, i64 %to)
  %larger = icmp sgt i64 %bad, %worst
  %now = select i1 %larger, i64 %bad, i64 %worst
  br label %look
done:
  ret i64 %worst
}}

define internal i64 @post(ptr %shared, ptr %function, ptr %table, i64 %begin, i64 %end, i64 %parts) nounwind {{
entry:
  %is_none = icmp eq ptr %shared, null
  br i1 %is_none, label %by_itself, label %ask
ask:
{_slots("GENERATION", "OPEN", "FUNCTION", "TABLE", "BEGIN", "END", "PARTS", "CLAIMED", "ACTIVE", "BAD", "BUSY")}
{_slots("MUTEX", "CONDITION", "THREADS")}
{_functions("LOCK", "UNLOCK", "WAKE", "YIELD")}
  %threads = load i64, ptr %threads.at
  %asked = cmpxchg ptr %busy.at, i64 0, i64 1 seq_cst seq_cst
  %is_free = extractvalue {{ i64, i1 }} %asked, 1
  br i1 %is_free, label %write, label %by_itself
by_itself:
  %alone = call i64 @alone(ptr %function, ptr %table, i64 %begin, i64 %end, i64 %parts)
  ret i64 %alone
write:
  call void %lock(ptr %mutex.at)
  store ptr %function, ptr %function.at
  store ptr %table, ptr %table.at
  store i64 %begin, ptr %begin.at
  store i64 %end, ptr %end.at
  store i64 %parts, ptr %parts.at
  store atomic i64 -1, ptr %bad.at seq_cst, align 8
  store atomic i64 0, ptr %claimed.at seq_cst, align 8
  store i64 1, ptr %open.at
  %was = atomicrmw add ptr %generation.at, i64 1 seq_cst
  call void %wake(ptr %condition.at)
  call void %unlock(ptr %mutex.at)
  call void @take(
    ptr %shared, ptr %function, ptr %table, i64 %begin, i64 %end, i64 %parts, i64 0, i64 %threads
  )
  call void %lock(ptr %mutex.at)
  store i64 0, ptr %open.at
  call void %unlock(ptr %mutex.at)
  br label %look
look:
  %spins = phi i64 [ 0, %write ], [ %spun, %pause ], [ %spun2, %rest ]
  %others = load atomic i64, ptr %active.at seq_cst, align 8
  %are_done = icmp eq i64 %others, 0
  br i1 %are_done, label %done, label %wait
wait:
  %few = icmp slt i64 %spins, {PATIENCE}
  br i1 %few, label %pause, label %rest
pause:
  PAUSE
  %spun = add i64 %spins, 1
  br label %look
rest:
  %yielded = call i32 %yield()
  %spun2 = add i64 %spins, 0
  br label %look
done:
  %bad = load atomic i64, ptr %bad.at seq_cst, align 8
  store atomic i64 0, ptr %busy.at seq_cst, align 8
  ret i64 %bad
}}
"""

_SEQUENCE = f"""
define i64 @f(ptr %records, ptr %shared) nounwind {{
entry:
  %count = load i64, ptr %records
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %next, %latch ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %body, label %finished
body:
  %start = mul i64 %k, 5
  %first = getelementptr inbounds i64, ptr %records, i64 %start
  %p0 = getelementptr inbounds i64, ptr %first, i64 1
  %p1 = getelementptr inbounds i64, ptr %first, i64 2
  %p2 = getelementptr inbounds i64, ptr %first, i64 3
  %p3 = getelementptr inbounds i64, ptr %first, i64 4
  %p4 = getelementptr inbounds i64, ptr %first, i64 5
  %function = load ptr, ptr %p0
  %table = load ptr, ptr %p1
  %begin = load i64, ptr %p2
  %end = load i64, ptr %p3
  %given = load i64, ptr %p4
  %is_few = icmp sle i64 %given, {MOST}
  %parts = select i1 %is_few, i64 %given, i64 {MOST}
  %is_one = icmp sle i64 %parts, 1
  br i1 %is_one, label %whole, label %cut
whole:
  %bad1 = call i64 %function(ptr %table, i64 %begin, i64 %end)
  br label %latch
cut:
  %bad2 = call i64 @post(ptr %shared, ptr %function, ptr %table, i64 %begin, i64 %end, i64 %parts)
  br label %latch
latch:
  %bad = phi i64 [ %bad1, %whole ], [ %bad2, %cut ]
  %next = add i64 %k, 1
  %wrong = icmp sge i64 %bad, 0
  br i1 %wrong, label %failed, label %head
failed:
  ret i64 %k
finished:
  ret i64 -1
}}
"""

_REPEAT = """
define i64 @f(ptr %records, ptr %shared, ptr %count, ptr %once) nounwind {
entry:
  %end.at = getelementptr inbounds i64, ptr %count, i64 1
  %end = load i64, ptr %end.at
  br label %head
head:
  %k = load i64, ptr %count
  %more = icmp slt i64 %k, %end
  br i1 %more, label %body, label %finished
body:
  %bad = call i64 %once(ptr %records, ptr %shared)
  %wrong = icmp sge i64 %bad, 0
  br i1 %wrong, label %failed, label %latch
latch:
  %next = add i64 %k, 1
  store i64 %next, ptr %count
  br label %head
failed:
  ret i64 %bad
finished:
  ret i64 -1
}
"""
