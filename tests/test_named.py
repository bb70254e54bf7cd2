"""Many cases in one test: each runs, and those that fail are named."""

import inspect
import random

import pytest
from tests.named import named, walked


def test_a_case_is_named_in_its_error():
    with pytest.raises(ZeroDivisionError) as caught, named("relu", 3):
        1 / 0  # noqa: B018
    assert caught.value.__notes__ == ["in the case relu, 3"]


def test_every_case_runs_with_every_case_of_another_list_and_with_the_fixtures(start_anew):
    seen = []

    @walked("a", [1, 2])
    @walked(("b", "c"), [(3, 4), (5, 6)])
    def test(torch, a, b, c):
        seen.append((torch, a, b, c))

    assert list(inspect.signature(test).parameters) == ["torch", "start_anew"]
    test(torch="its fixture", start_anew=start_anew)
    assert seen == [("its fixture", a, b, c) for a in (1, 2) for b, c in ((3, 4), (5, 6))]


def test_one_case_that_fails_keeps_its_error(start_anew):
    @walked("n", [-1, 0, 1])
    def test(n):
        assert 1 / n

    with pytest.raises(ZeroDivisionError) as caught:
        test(start_anew=start_anew)
    assert caught.value.__notes__ == ["in the case 0"]


@pytest.mark.parametrize("ids", [["minus", "none", "plus"], lambda n: ["none", "plus", "minus"][n], None])
def test_several_cases_that_fail_are_all_named(ids, start_anew):
    seen = []

    @walked("n", [-1, 0, 1] if ids else [pytest.param(-1, id="minus"), pytest.param(0, id="none"), 1], ids=ids)
    def test(n):
        seen.append(n)
        if n <= 0:
            pytest.fail("too small")

    with pytest.raises(BaseExceptionGroup, match="2 of 3 cases failed") as caught:
        test(start_anew=start_anew)
    assert seen == [-1, 0, 1]
    assert [error.__notes__ for error in caught.value.exceptions] == [["in the case minus"], ["in the case none"]]


def test_every_case_starts_from_the_same_seed(start_anew):
    drawn = set()

    @walked("n", range(3))
    def test(n):
        drawn.add(random.random())

    test(start_anew=start_anew)
    assert len(drawn) == 1


def test_a_case_cannot_skip_those_after_it(start_anew):
    @walked("n", [1, 2])
    def test(n):
        pytest.skip("not here")

    with pytest.raises(AssertionError, match="the case 1 skips those after it"):
        test(start_anew=start_anew)


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ([], "no case of a, b"),
        ([(1, 2, 3)], "got 3 values"),
        ([pytest.param(1, 2, marks=pytest.mark.slow)], "give it a test of its own"),
    ],
)
def test_what_is_no_list_of_cases_is_refused(cases, message):
    with pytest.raises((TypeError, ValueError), match=message):
        walked("a, b", cases)
