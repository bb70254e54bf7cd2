"""Random programs do compiled what they do as they are written."""

from typing import Any

import numpy as np
import pytest

from chainrule.compile.plan.by_numpy import loops_by_numpy

from .program_maker import made
from .programs import Function, Program, shrunk

CHUNK = 50
REFUSED = 0.05
"""The share of programs that may be refused: those that look at values, as by an index into a plain array."""


def first_seeds(seeds: range, quick: int) -> list[Any]:
    """All but the first few belong to the slow half."""
    return [*seeds[:quick], *(pytest.param(seed, marks=pytest.mark.slow) for seed in seeds[quick:])]


def _differs(program: Program) -> bool:
    outcome = program.outcome()
    return bool(outcome) and not outcome.startswith("refused")


def _run(seed: int, by_numpy: bool) -> bool:
    """Run a program both ways, and return whether it was refused; fail with a smaller one where the two differ."""

    def outcome(program: Program) -> str:
        if not by_numpy:
            return program.outcome()
        with loops_by_numpy():
            return program.outcome()

    program = made(seed)
    if not program.functions:
        return False
    found = outcome(program)
    if found and not found.startswith("refused"):
        small = shrunk(program, lambda p: bool(o := outcome(p)) and not o.startswith("refused"))
        pytest.fail(f"program {seed}: {outcome(small)}\n{small.script()}", pytrace=False)
    return bool(found)


@pytest.mark.slow
@pytest.mark.parametrize("first", first_seeds(range(0, 250, CHUNK), quick=2))
def test_programs_by_numpy(first: int) -> None:
    refused = sum(_run(seed, by_numpy=True) for seed in range(first, first + CHUNK))
    assert refused <= REFUSED * CHUNK


@pytest.mark.slow
@pytest.mark.parametrize("first", first_seeds(range(0, 30, 10), quick=2))
def test_programs_in_machine_code(first: int, machine_code: None) -> None:
    for seed in range(first, first + 10):
        _run(seed, by_numpy=False)


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 40_000, 500))
def test_many_programs(first: int) -> None:
    refused = sum(_run(seed, by_numpy=True) for seed in range(first, first + 500))
    assert refused <= REFUSED * 500


@pytest.mark.long
@pytest.mark.parametrize("first", range(20, 1000, 20))
def test_many_programs_in_machine_code(first: int, machine_code: None) -> None:
    for seed in range(first, first + 20):
        _run(seed, by_numpy=False)


def _broken() -> Program:
    """A program that does not do the same: it looks at what kind of thing it was given."""
    lines = ["v0 = np.tanh(x0)", "v1 = v0 * (1 + (type(x0) is not np.ndarray))", "v2 = v0 + 1"]
    f = Function("f0", "x0", lines, ["v0", "v1", "v2"], "dict")
    calls = [f"call(c_f0, rows({k}, 3, dtype=np.float64))" for k in range(3)]
    return Program(0, ["c0 = rows(1, 3)", "c1 = c0 * 2"], [f], ["cr.seed(1)", *calls], ["c0"])


def test_a_program_that_fails_is_made_smaller_and_is_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    with loops_by_numpy():
        assert _differs(_broken())
        small = shrunk(_broken(), _differs)
        assert (small.setup, small.things, len(small.events)) == ([], [], 1)
        assert small.functions == [Function("f0", "x0", _broken().functions[0].body[:2], ["v1"])]
        exec(compile(small.script(), "script", "exec"), {"__name__": "script"})
        exec(compile(made(5).script(), "script", "exec"), {"__name__": "script"})
    said = capsys.readouterr().out
    assert said.startswith("call 0: result 0: ")
    assert said.endswith("the same\n")


def test_programs_are_the_same_each_time() -> None:
    assert [made(seed).script() for seed in range(20)] == [made(seed).script() for seed in range(20)]


def test_loops_by_numpy_are_the_loops() -> None:
    """The switch itself: the same plan, once by NumPy and once as it is generated."""
    import chainrule as cr

    def f(x, y):  # type: ignore[no-untyped-def]
        z = np.tanh(x * y) + x.mean()
        return z, z.sum(axis=0), z.sum(axis=1), (z > 0.2).sum()

    x, y = np.random.default_rng(0).normal(size=(2, 4, 3))
    with loops_by_numpy():
        by_numpy = cr.compile(f)(x, y)
    for a, b, c in zip(by_numpy, cr.compile(f)(x, y), f(x, y), strict=True):
        np.testing.assert_allclose(a, b, 1e-12)
        np.testing.assert_allclose(a, c, 1e-12)
