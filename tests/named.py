"""Many cases in one test, where a test for each would cost more than what it tests."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from _pytest.mark import ParameterSet


@contextmanager
def named(*case: object) -> Iterator[None]:
    """Say in which case an error arose."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case {', '.join(map(str, case))}")
        raise


def walked(
    names: str | Sequence[str], cases: Iterable[Any], ids: Callable[[Any], object] | Iterable[object] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As `pytest.mark.parametrize`, but one test walks the cases: for those that take a few milliseconds each.

    Every case runs, starts from the seeds that a test starts from (the fixture `start_anew`), and is named if it fails.
    The fixtures of the test are shared by its cases, so it takes none that a case changes.
    """
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    cases = list(cases)
    rows = [_row(case, len(names)) for case in cases]
    if not rows:
        raise ValueError(f"no case of {', '.join(names)}: expected at least one")
    labels = None if ids is None or callable(ids) else list(ids)

    def label(k: int) -> str:
        if labels is not None:
            return str(labels[k])
        if isinstance(cases[k], ParameterSet) and cases[k].id:
            return str(cases[k].id)
        return ", ".join(str(value if ids is None else ids(value)) for value in rows[k])

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        parameters = inspect.signature(test).parameters
        nested = "start_anew" in parameters  # the cases of another list are walked within

        @functools.wraps(test)
        def walk(start_anew: Callable[[], None], **fixtures: Any) -> None:
            failed: list[BaseException] = []
            if nested:
                fixtures["start_anew"] = start_anew
            for k, row in enumerate(rows):
                start_anew()
                try:
                    test(**fixtures, **dict(zip(names, row, strict=True)))
                except pytest.skip.Exception as skipped:
                    raise AssertionError(f"the case {label(k)} skips those after it: give it its own test") from skipped
                except (Exception, pytest.fail.Exception) as error:
                    error.add_note(f"in the case {label(k)}")
                    failed.append(error)
            if len(failed) == 1:
                raise failed[0]
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(rows)} cases failed", failed)

        taken = {name: parameter for name, parameter in parameters.items() if name not in names}
        taken["start_anew"] = inspect.Parameter("start_anew", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        walk.__signature__ = inspect.Signature([p.replace(kind=p.KEYWORD_ONLY) for p in taken.values()])
        return walk

    return decorate


def _row(case: Any, count: int) -> tuple[Any, ...]:
    """Return the values of one case."""
    if isinstance(case, ParameterSet):  # of `pytest.param`
        if case.marks:
            raise TypeError(f"got a case with marks, {case.marks}: give it a test of its own")
        return case.values
    row = (case,) if count == 1 else tuple(case)
    if len(row) != count:
        raise ValueError(f"got {len(row)} values in {case}, expected {count}")
    return row
