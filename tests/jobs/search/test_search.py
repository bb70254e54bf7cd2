"""The search for settings: seeded, without the held-out part, and never without a result."""

import math
import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import load
from chainrule.jobs.search import halving, workers
from chainrule.jobs.search.halving import Trial, halve, rounds
from chainrule.jobs.search.settings import SPACE, draw
from chainrule.jobs.search.table import search, searched, trial
from chainrule.jobs.training.options import Options
from chainrule.jobs.training.table import TableJob
from chainrule.train.saved.recipe import Recipe

RECIPE = Recipe(hidden=(4,), epochs=2)


def quiet(line):
    pass


@given(st.integers(2, 200), st.integers(1, 1000))
def test_rounds_grow_to_all_epochs_and_end_with_a_choice(count, epochs):
    found = rounds(count, epochs)
    assert found == sorted(found)
    assert found[-1] == epochs
    assert found[0] >= 1
    left = count
    for _ in found[1:]:
        left //= halving.RATE
    assert 2 <= left <= 5


def test_drawn_settings_are_valid_seeded_and_leave_what_is_fixed():
    found = draw(Recipe(hidden=(7,), lr=0.5), 30, fixed=["hidden", "lr"])
    assert found == draw(Recipe(hidden=(7,), lr=0.5), 30, fixed=["hidden", "lr"])
    assert found[0] == Recipe(hidden=(7,), lr=0.5)
    assert {(one.hidden, one.lr) for one in found} == {((7,), 0.5)}
    assert len({one.weight_decay for one in found}) == 30
    assert draw(Recipe(seed=1), 5) != [replace(one, seed=1) for one in draw(Recipe(), 5)]


@pytest.mark.parametrize(
    ("count", "fixed", "said"), [(1, (), "at least 2 settings .* got 1"), (5, tuple(SPACE), "leave one open")]
)
def test_a_search_without_a_choice_is_refused(count, fixed, said):
    with pytest.raises(ValueError, match=said):
        draw(Recipe(), count, fixed)


def by_lr(shared, place, recipe, epochs):
    """A trial that takes no time: the smaller the learning rate, the better."""
    shared.append((place, epochs))
    return Trial(place, recipe, epochs, recipe.lr)


def test_the_better_third_goes_on_for_longer():
    recipes, calls = [replace(RECIPE, lr=0.01 * (k + 1)) for k in range(18)], []
    found = halve(by_lr, calls, recipes[::-1], 90, jobs=1, say=quiet)
    assert [epochs for _, epochs in calls] == [10] * 18 + [30] * 6 + [90] * 2
    assert [one.recipe.lr for one in found] == [0.01 * (k + 1) for k in range(18)]
    assert [one.epochs for one in found] == [90] * 2 + [30] * 4 + [10] * 12


def test_a_setting_that_diverges_comes_last():
    data = load("iris")
    with np.errstate(all="ignore"):
        found = trial(data, 0, replace(RECIPE, lr=1e30), 2)
    assert found.loss == math.inf
    assert sorted([found, Trial(1, RECIPE, 2, 9.9)], key=halving._rank)[0].place == 1


def test_ctrl_c_leaves_the_best_so_far():
    recipes, lines = [replace(RECIPE, lr=0.1 / (k + 1)) for k in range(9)], []

    def interrupted(shared, place, recipe, epochs):
        if recipe == recipes[4]:
            raise KeyboardInterrupt
        return by_lr(shared, place, recipe, epochs)

    found = halve(interrupted, [], recipes, 9, jobs=1, say=lines.append)
    assert [one.place for one in found] == [3, 2, 1, 0]
    assert "interrupted" in lines[-1]
    with pytest.raises(KeyboardInterrupt):
        halve(interrupted, [], recipes[4:] * 5, 9, jobs=1, say=quiet)  # not one was finished


def test_the_held_out_part_plays_no_role():
    job = TableJob(load("iris"), RECIPE)
    other = replace(job.data, x=job.data.x.copy())
    other.x[job.held_out_rows] = 1e6
    found = [search(one, 2, jobs=1, say=quiet) for one in (job, TableJob(other, RECIPE))]
    assert found[0] == found[1]


@pytest.mark.slow
def test_the_best_setting_makes_the_job_and_can_be_typed():
    job = TableJob(load("iris"), RECIPE)
    found = searched(job, Options(search=2, hidden="4", epochs=2), quiet)
    assert found.recipe == replace(found.tried[0].recipe, epochs=2)
    assert found.recipe.hidden == (4,)
    settled = found.settled
    assert (float(settled["lr"]), float(settled["weight_decay"])) == (found.recipe.lr, found.recipe.weight_decay)
    assert settled["hidden"] == "4"
    assert settled["epochs"] == "2"
    assert len(found.history) == 0


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_any_order_but_all(jobs):
    assert sorted(workers.in_parallel(pow, [(k, 2) for k in range(6)], jobs)) == [0, 1, 4, 9, 16, 25]
    workers.end_idle()
    assert not {"ExecutorManagerThread", "QueueFeederThread"} & {thread.name for thread in threading.enumerate()}


@pytest.mark.slow
def test_processes_of_the_standard_library_do_the_same():
    assert sorted(workers._by_processes(pow, [(k, 2) for k in range(6)], 2)) == [0, 1, 4, 9, 16, 25]


@pytest.mark.slow
def test_a_cluster_of_dask_finds_the_same():
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    job = TableJob(load("iris"), RECIPE)
    alone = search(job, 3, jobs=1, say=quiet)
    with distributed.Client(n_workers=2, threads_per_worker=1, dashboard_address=None), joblib.parallel_config("dask"):
        assert search(job, 3, say=quiet) == alone
