"""Code as strangers write it does compiled what it does as it is written, call after call."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.errors import CaptureError

from .strangers import STATE, Strange, made

REFUSED = "refused"


def _plain(x: Any) -> Any:
    """Return nested results with arrays of their own, and what kinds of things they were."""
    if isinstance(x, list | tuple):
        return type(x)(map(_plain, x))
    if isinstance(x, dict):
        return {key: _plain(value) for key, value in x.items()}
    return np.array(x) if isinstance(x, np.ndarray | np.generic) else x


def _noted(program: Strange, wrap: Callable[[Any], Any], is_changed: bool = False) -> list[Any]:
    """Return what each call returned or raised, and everything that it may have changed."""
    cr.seed(7)
    env: dict[str, Any] = {"__name__": "stranger", "CHANGED": is_changed}
    exec(compile(program.text, "<stranger>", "exec"), env)
    run, notes = wrap(env["f"]), []
    for k, call in enumerate(program.calls):
        with np.errstate(all="ignore"):
            exec(program.events.get(k, ""), env)
            args = eval(f"[{call}]", env)
            try:
                found = _plain(run(*args))
            except CaptureError:
                return [REFUSED]
            except Exception as error:  # whatever it is
                notes.append(type(error))
                continue
        notes.append((found, _plain(args), _plain(eval(STATE, env))))
    return notes


def _difference(a: Any, b: Any, rough: bool) -> str:
    """Return what is first different between two notes, or an empty text."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.shape != b.shape or a.dtype != b.dtype:
            return f"{a.dtype}{a.shape}, compiled {b.dtype}{b.shape}"
        largest = max(1.0, float(np.max(np.abs(a), initial=0))) if a.dtype.kind == "f" else 1.0
        fine = (1e-3, 1e-4 * largest) if rough else (1e-7, 1e-9 * largest)
        same = np.allclose(a, b, *fine, equal_nan=True) if a.dtype.kind == "f" else np.array_equal(a, b)
        return "" if same else f"{a}, compiled {b}"
    if isinstance(a, list | tuple) and type(a) is type(b) and len(a) == len(b):
        return next((found for x, y in zip(a, b, strict=True) if (found := _difference(x, y, rough))), "")
    if isinstance(a, dict) and isinstance(b, dict) and list(a) == list(b):
        return _difference(list(a.values()), list(b.values()), rough)
    return "" if a == b else f"{a}, compiled {b}"


def _outcome(program: Strange) -> str:
    """Run a program both ways: "" where they agree, "refused" where it is not captured, else what differs."""
    compiled = _noted(program, cr.compile)
    if compiled == [REFUSED]:
        return REFUSED
    rough = "float32" in program.text.partition("def f(")[2] + "".join(program.calls)
    for k, (a, b) in enumerate(zip(_noted(program, lambda f: f), compiled, strict=True)):
        if isinstance(a, type) or isinstance(b, type):
            # An error that says so is no wrong number; one of a line whose result is not used is left out.
            return ""
        if found := _difference(a, b, rough):
            return f"call {k}: {found}"
    return ""


def _check(seeds: range) -> None:
    refused = 0
    for seed in seeds:
        program = made(seed)
        found = "" if program is None else _outcome(program)
        refused += found == REFUSED
        if found and found != REFUSED:
            assert program is not None
            f = program.text.partition("def f(")[2]
            pytest.fail(f"program {seed}: {found}\ndef f({f}\n{program.calls} {program.events}", pytrace=False)
    assert refused <= 0.4 * len(seeds) + 3


def test_code_of_strangers() -> None:
    _check(range(25))


@pytest.mark.slow
def test_more_code_of_strangers() -> None:
    _check(range(25, 300))


@pytest.mark.slow
def test_code_of_strangers_in_machine_code(machine_code: None) -> None:
    _check(range(300, 350))


@pytest.mark.long
@pytest.mark.parametrize("first", range(200, 20_000, 200))
def test_much_code_of_strangers(first: int, machine_code: None) -> None:
    _check(range(first, first + 200))


def test_a_difference_is_found() -> None:
    program = made(0)
    assert program is not None
    wrong = Strange(program.text + "\nif CHANGED:\n    CONST += 1\n", program.calls, program.events)
    found = [_noted(wrong, lambda f: f, compiled) for compiled in (False, True)]
    assert _difference(*found, rough=True)
    assert not _difference(found[0], _noted(wrong, lambda f: f), rough=False)
