"""`entry`: lists of tasks as functions of CPython's own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.kernels.native.entry import OTHER, entry, is_known
from chainrule.kernels.native.symbol import DOUBLE
from chainrule.kernels.native.tasks import Function, Task, TaskList

pytestmark = pytest.mark.skipif(not is_known(), reason="objects lie in memory in another way here")

SMALL, LARGE = 1, 2**40
"""Operations for which an entry keeps the interpreter's lock, and for which it lets go of it."""


def _doubling(count: int = 6) -> tuple[Any, Any, Task]:
    """Return a buffer, a result, and the task that makes the one the double of the other."""
    function = Function([DOUBLE] * 2)
    source, target = function.places
    with function.code.loop(function.begin, function.end) as i:
        target[i] = source[i] + source[i]
    buffer, out = np.zeros((2, count // 2)), np.zeros(count)
    return buffer, out, Task(function.text(), [buffer, out], begin=0, end=count)


@pytest.mark.parametrize("work", [SMALL, LARGE])
def test_it_copies_runs_and_reports(work: float) -> None:
    buffer, out, task = _doubling()
    tasks = TaskList([task], work)
    enter = entry(tasks, [buffer])
    assert enter is not None
    x = np.arange(6.0).reshape(2, 3)
    assert enter((x,)) == OTHER  # the list is made ready by its first call
    assert tasks.call() == -1
    assert enter((x,)) == -1
    np.testing.assert_array_equal(buffer, x)
    np.testing.assert_array_equal(out, 2 * x.ravel())


class _Own(np.ndarray):
    pass


OTHERS: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "no argument": lambda x: (),
    "two arguments": lambda x: (x, x),
    "a list": lambda x: (x.tolist(),),
    "a number": lambda x: (1.0,),
    "None": lambda x: (None,),
    "a class of its own": lambda x: (x.view(_Own),),
    "another dtype": lambda x: (x.astype(np.float32),),
    "another order of bytes": lambda x: (x.astype(">f8"),),
    "integers of the same size": lambda x: (x.view(np.int64),),
    "another shape": lambda x: (x.reshape(3, 2),),
    "fewer axes": lambda x: (x.ravel(),),
    "more axes": lambda x: (x[None],),
    "more rows": lambda x: (np.concatenate([x, x]),),
    "columns first": lambda x: (np.asfortranarray(x),),
    "every other column": lambda x: (np.repeat(x, 2, 1)[:, ::2],),
    "no elements": lambda x: (x[:0],),
    "unaligned": lambda x: (np.frombuffer(b"0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),),
}


def test_other_arguments_are_refused_before_anything_is_done() -> None:
    buffer, out, task = _doubling()
    tasks = TaskList([task], SMALL)
    enter = entry(tasks, [buffer])
    assert enter is not None
    assert tasks.call() == -1
    for name, other in OTHERS.items():
        assert enter(other(np.arange(6.0).reshape(2, 3) + 1)) == OTHER, name
        assert not any(a.any() for a in (buffer, out)), name
    assert enter((np.ones((2, 3)),)) == -1


def test_scalars_and_empty_arrays() -> None:
    _, _out, task = _doubling()
    scalar, empty = np.zeros(()), np.zeros((0, 4))
    tasks = TaskList([task], SMALL)
    enter = entry(tasks, [scalar, empty])
    assert enter is not None
    assert tasks.call() == -1
    assert enter((np.array(3.0), np.ones((0, 4)))) == -1
    assert scalar == 3.0
    assert enter((np.array(4.0), np.ones((0, 5)))) == OTHER
    assert scalar == 3.0


def test_a_task_that_becomes_another_is_read_again() -> None:
    buffer, out, task = _doubling()
    tasks = TaskList([task], SMALL)
    enter = entry(tasks, [buffer])
    assert enter is not None
    assert tasks.call() == -1
    instead = np.zeros(6)
    task.become(Task(task.text, [buffer, instead], begin=0, end=6))
    x = np.ones((2, 3))
    assert enter((x,)) == OTHER
    assert not out.any()
    assert tasks.call() == -1
    assert enter((x,)) == -1
    assert instead.all()
    assert not out.any()


def test_the_place_of_a_failure() -> None:
    _, _, good = _doubling()
    function = Function([DOUBLE])
    function.code.leave_if(function.begin < function.end, function.begin)
    tasks = TaskList([good, Task(function.text(), [np.zeros(1)], begin=0, end=1)], SMALL)
    enter = entry(tasks, [])
    assert enter is not None
    assert tasks.call() == 1
    assert enter(()) == 1


def test_a_buffer_that_is_not_plain_has_no_entry() -> None:
    _, _, task = _doubling()
    assert entry(TaskList([task]), [np.zeros((4, 4))[:, ::2]]) is None


def test_it_outlives_whoever_made_it() -> None:
    def made() -> Any:
        buffer, out, task = _doubling()
        tasks = TaskList([task], SMALL)
        enter = entry(tasks, [buffer])
        tasks.call()
        return enter, out

    kept = [made() for _ in range(20)]
    for enter, out in kept:
        assert enter((np.ones((2, 3)),)) == -1
        np.testing.assert_array_equal(out, 2.0)
