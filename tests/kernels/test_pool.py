"""The pool of threads: all parts run, once each, whoever asks; what is raised arrives; a fork begins anew."""

import ctypes
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from tests.named import walked

from chainrule.kernels import normalization, pool
from chainrule.kernels.native.tasks import Function, Task, run_all


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    """Take a new crew of two, on any machine."""
    monkeypatch.setattr(pool, "threads", lambda: 2)
    before = pool.crew
    made = pool.Crew()
    made.address = before.address  # lists of machine code have this object
    kept = before.address.value
    monkeypatch.setattr(pool, "crew", made)
    monkeypatch.setattr("chainrule.kernels.native.tasks.crew", made)
    yield
    made.dismiss()
    before.address.value = kept


def adding(array, parts):
    """Return a task that adds 1 to each number."""
    function = Function([array.dtype])
    (place,) = function.places
    with function.code.loop(function.begin, function.end) as i:
        place[i] = place[i] + 1
    return Task(function.text(), [array], begin=0, end=array.size, parts=parts)


@walked("parts", [1, 2, 3, 16, 64, 100])
def test_every_part_runs_once(parts):
    array = np.zeros(1001)
    run = run_all([adding(array, parts), adding(array, 1), adding(array, parts)])
    for _ in range(200):
        run()
    np.testing.assert_array_equal(array, 600)


def test_callers_in_several_threads_each_get_their_own_work_done():
    arrays = [np.zeros(500) for _ in range(4)]
    runs = [run_all([adding(array, 4)] * 3) for array in arrays]

    def work(run):
        for _ in range(300):
            run()

    callers = [threading.Thread(target=work, args=(run,)) for run in runs]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for array in arrays:
        np.testing.assert_array_equal(array, 900)


def test_machine_code_and_python_share_the_threads():
    array, seen = np.zeros(64), []
    run = run_all([adding(array, 2)])
    for _ in range(50):
        run()
        pool.split(lambda begin, end: seen.append(end - begin), 10, 1e9)
    assert sum(seen) == 500
    np.testing.assert_array_equal(array, 50)
    assert len(pool.crew._threads) == 1


def test_looking_at_a_number_ends_once_it_is_large_enough_and_by_itself_where_it_is_not():
    pool.crew.gather()
    number = (ctypes.c_int64 * 1)(2)
    pool.crew.wait(ctypes.byref(number), 2)
    pool.crew.wait(ctypes.byref(number), 3)
    assert number[0] == 2


def test_what_fails_in_a_part_is_said():
    function = Function([np.float64])
    function.code.leave_if(function.begin == 3, function.begin)
    good, bad = adding(np.zeros(4), 2), Task(function.text(), [np.zeros(4)], begin=0, end=4, parts=4, error="it is 3")
    with pytest.raises(IndexError, match="it is 3"):
        run_all([good, bad])()


@walked("where", [0, 5, 9])
def test_what_a_task_raises_is_raised_here_and_the_rest_is_left(where):
    done = []

    def work(k):
        if k == where:
            raise KeyError(k)
        done.append(k)

    with pytest.raises(KeyError, match=str(where)):
        pool.run_all(work, range(10))
    assert where not in done
    pool.run_all(done.append, range(10))
    assert sorted(done)[-1] == 9


def test_a_task_may_ask_for_threads_itself():
    found = []
    pool.split(lambda begin, end: pool.split(lambda a, b: found.append(b - a), end - begin, 1e9), 10, 1e9)
    assert sum(found) == 10


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_process_that_was_forked_makes_its_own_threads():
    code = """
import os
import numpy as np
from chainrule.kernels import normalization, pool
pool.threads = lambda: 2
seen = []
pool.split(lambda a, b: seen.append(b - a), 8, 1e9)
child = os.fork()
if child == 0:
    pool.split(lambda a, b: seen.append(b - a), 8, 1e9)
    os._exit(0 if sum(seen) == 16 and len(pool.crew._threads) == 1 else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0\n", done.stderr


def test_rows_are_cut_only_where_they_are_apart():
    x, gamma = np.random.default_rng(0).normal(size=(3000, 700)), np.ones(700)
    y, x_hat, sigma = np.empty_like(x), np.empty_like(x), np.empty(3000)
    forward = normalization.layer_norm.task([x, gamma, gamma, 1e-5, y, x_hat, sigma])
    backward = normalization.layer_norm_backward.task([x, gamma, x_hat, sigma, y, gamma.copy(), gamma.copy()])
    assert (forward.parts, backward.parts) == (16, 1)
    given = [x, gamma, x_hat, sigma, y, gamma.copy(), gamma.copy()]
    assert [task.parts for task in normalization.layer_norm_backward.tasks(given)] == [16, 1, 1]
    run_all([forward])()
    np.testing.assert_allclose(y.mean(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(sigma, np.sqrt(x.var(axis=1) + 1e-5))


def test_sums_over_rows_are_made_of_blocks():
    rng = np.random.default_rng(0)
    for rows, columns in ((3001, 70), (2048, 128), (17, 20_000)):
        y_bar, x_hat = rng.normal(size=(2, rows, columns))
        gamma, sigma = rng.normal(size=columns), 1 + rng.random(rows)
        found = [np.full(shape, np.nan) for shape in ((rows, columns), columns, columns)]
        tasks = normalization.layer_norm_backward.tasks([y_bar, gamma, x_hat, sigma, *found])
        assert len(tasks) == 3, "as far as it is cut at all"
        run_all(tasks)()
        np.testing.assert_allclose(found[1], (y_bar * x_hat).sum(0), atol=1e-10)
        np.testing.assert_allclose(found[2], y_bar.sum(0), atol=1e-10)
        whole = [np.empty_like(a) for a in found]
        run_all([normalization.layer_norm_backward.task([y_bar, gamma, x_hat, sigma, *whole])])()
        np.testing.assert_allclose(found[0], whole[0], rtol=0, atol=1e-12)
