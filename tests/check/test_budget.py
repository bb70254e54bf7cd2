"""The time of a check has an end, however long one evaluation takes: what was not looked at is said."""

import functools
import itertools
import time

import numpy as np
import pytest

import chainrule as cr
from chainrule.base.budget import Budget, look, within

X = np.random.default_rng(0).standard_normal((5, 3))


class Clock:
    """A clock that shows what was spent on it."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        for name in ("perf_counter", "process_time", "thread_time"):
            monkeypatch.setattr(time, name, lambda: self.now)

    def slow(self, seconds, count=3, wrong=None):
        """Return a function of as many arguments, its backward pass, and a list with an item for each evaluation."""
        runs = []

        def forward(*xs):
            self.now += seconds
            runs.append(None)
            return sum((k + 1) * np.tanh(x) for k, x in enumerate(xs))

        def backward(g, *xs):
            self.now += 2 * seconds
            found = [g * (k + 1) * (1 - np.tanh(x) ** 2) for k, x in enumerate(xs)]
            if wrong is not None:
                found[wrong] = found[wrong] * (1 + xs[wrong] ** 2)
            return tuple(found)

        return forward, backward, runs


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def arguments(count=3):
    return [X + 0.1 * k for k in range(count)]


def left_out(report):
    return [note for note in report.notes if note.startswith("The budget of")]


def test_a_budget_that_suffices_leaves_nothing_out(clock):
    forward, backward, _ = clock.slow(0.01)
    report = cr.check(forward, *arguments(), backward=backward)
    assert (report.verdict, report.notes) == ("right", ())
    assert min(row.entries for row in report.rows) > 0
    assert clock.now < 30


def test_a_budget_holds_whatever_one_evaluation_costs(clock):
    for seconds, wrong, count in itertools.product((0.03, 0.1, 0.3, 1.0), (None, 1), (1, 3, 12)):
        if wrong is not None and wrong >= count:
            continue
        clock.now = 0.0
        forward, backward, _ = clock.slow(seconds, count, wrong)
        report = cr.check(forward, *arguments(count), backward=backward)
        case = f"{seconds} s, {count} arguments, wrong: {wrong}"
        assert report.verdict == ("right" if wrong is None else "wrong"), case
        assert clock.now <= 30 + 25 * seconds, case  # what was begun is ended
        seen = {row.name for row in report.rows}
        unseen = {f"xs[{k}]" for k in range(count)} - seen if count > 1 else set()
        assert all(any(name in note for note in left_out(report)) for name in unseen), case


def test_one_direction_of_everything_is_measured_where_one_evaluation_takes_longer_than_the_budget(clock):
    forward, backward, runs = clock.slow(40.0)
    report = cr.check(forward, *arguments(), backward=backward)
    assert report.verdict == "right"
    assert len(runs) < 12
    assert [(row.entries, row.projections) for row in report.rows] == [(0, 1)] * 3
    assert any("more than one direction of all elements" in note for note in left_out(report))
    assert any("for a second run" in note for note in left_out(report))
    assert all(note in str(report) for note in left_out(report))  # also where all is right
    assert "예산(budget)" in report.to_text("ko")
    assert "The budget" not in report.to_text("ko")


def test_a_mistake_is_seen_along_one_direction_of_everything(clock):
    forward, backward, runs = clock.slow(40.0, wrong=1)
    report = cr.check(forward, *arguments(), backward=backward)
    assert report.verdict == "wrong"
    assert len(runs) < 12
    (finding,) = report.findings
    assert (finding.argument, finding.code) == ("", "unexplained")
    assert "xs[0], xs[1], xs[2]" in finding.message
    assert "한꺼번에 움직이면 기울기가 틀립니다" in report.to_text("ko")


def test_a_mistake_in_one_of_many_arguments_is_found_by_halving(clock):
    forward, backward, runs = clock.slow(0.2, 30, 17)
    report = cr.check(forward, *arguments(30), backward=backward)
    assert report.verdict == "wrong"
    assert [finding.argument for finding in report.findings] == ["xs[17]"]
    assert len(runs) < 200


def test_an_argument_too_small_beside_others_is_not_called_right(clock):
    def forward(x, w):
        clock.now += 2.0
        return 1e6 * np.sin(x) + 1e-9 * w

    def backward(g, x, w):
        clock.now += 2.0
        return 1e6 * g * np.cos(x), -1e-9 * g

    report = cr.check(forward, X, X, backward=backward)
    assert report.verdict != "right" or [row.name for row in report.rows] == ["x"]
    assert report.verdict == "wrong" or any("w" in note for note in left_out(report))


def test_a_larger_budget_leaves_out_less(clock):
    forward, backward, _ = clock.slow(1.0, 3, 1)
    short = cr.check(forward, *arguments(), backward=backward)
    long = cr.check(forward, *arguments(), backward=backward, budget=3000.0)
    assert left_out(short)
    assert not left_out(long)
    assert long.findings[0].argument == "xs[1]"
    assert long.findings[0].code != "unexplained"


def test_every_element_is_measured_where_that_is_asked_for(clock):
    forward, backward, _ = clock.slow(1.0, 1)
    report = cr.check(forward, X, backward=backward, full=True)
    assert report.rows[0].entries == X.size
    assert clock.now > 30


def test_a_budget_is_a_number_above_0():
    for budget in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="budget: expected a number of seconds above 0"):
            cr.check(np.tanh, X, budget=budget)


def test_blocks_are_left_once_their_own_budget_is_used_up(clock):
    outer, inner, seen = Budget(10.0), Budget(3.0), []
    with within(outer):
        with within(inner):
            for k in range(5):
                look()
                seen.append(k)
                clock.now += 1
        look()  # the outer one has time left
        clock.now += 10
        with within(Budget(5.0)):
            look()
        seen.append("not reached")
    assert seen == [0, 1, 2]
    look()  # outside of all blocks nothing is enforced


def test_what_a_library_handles_does_not_keep_a_block_going(clock):
    reached = []
    with within(Budget(1.0)):
        clock.now += 2
        try:
            look()
        except Exception:
            reached.append("handled")
        reached.append("after")
    assert reached == []


def test_a_gradient_right_to_a_few_digits_is_approximate_also_where_the_time_is_over(clock):
    def solved(x):
        clock.now += 0.002
        return np.tanh(x)

    def backward(g, x):
        clock.now += 9.0  # a search for causes runs it many times
        return g * (1 - np.tanh(x) ** 2) * (1 + 1e-4 * np.sin(20 * x))

    report = cr.check(solved, X, backward=backward)
    assert [finding.code for finding in report.findings] == ["approximate"]
    assert cr.check(solved, X, backward=backward, expected="approximate").ok


def test_what_is_left_after_long_measuring_is_measured_along_one_direction(monkeypatch):
    monkeypatch.setattr("chainrule.check.checker.MEASURING", -1.0)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 4))
    report = cr.check(lambda a, b: np.sin(a) * b, a, b, backward=lambda g, a, b: (g * np.cos(a) * b, g * np.sin(a)))
    assert report.verdict == "right"
    assert [(row.entries, row.projections) for row in report.rows] == [(0, 1), (0, 1)]
    assert "0 of 24 elements and 2 random projections" in str(report)
    wrong = cr.check(lambda a, b: np.sin(a) * b, a, b, backward=lambda g, a, b: (g * np.cos(a) * b, g * np.cos(a)))
    assert [(f.argument, f.verdict) for f in wrong.findings] == [("b", "wrong")]


def test_reasons_are_sought_only_as_long_as_there_is_time(monkeypatch):
    monkeypatch.setattr("chainrule.check.why.diagnosis.PATIENCE", -1.0)
    opaque = functools.partial(lambda g, x: -g * np.cos(x))
    report = cr.check(np.sin, np.linspace(0.1, 1, 5), backward=opaque)
    assert (report.verdict, report.findings[0].code) == ("wrong", "unexplained")
