"""What a law is, and how it says which operation broke it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.operation import Case, Operation

from .calls import Call, cases_of, written

Predicate = Callable[[type[Operation]], bool]

LAWS: dict[str, "Law"] = {}
"""Every law by name, filled by `law` and `record_law`."""


@dataclass(frozen=True)
class Law:
    """A statement about every operation it applies to. Called, it raises an AssertionError where that is untrue."""

    name: str
    check: Callable[[type[Operation], Case | None, np.random.Generator], None]
    applies: Predicate
    by_case: bool
    most: int | None = None
    """How many cases are enough, if not all."""

    def cases(self, op: type[Operation]) -> tuple[Case | None, ...]:
        return cases_of(op)[: self.most] if self.by_case else (None,)

    def __call__(self, op: type[Operation], one: Case | None, rng: np.random.Generator) -> None:
        try:
            self.check(op, one, rng)
        except Exception as error:
            said = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
            where = f"{op.name} {written(one)}".rstrip()
            raise AssertionError(f"{self.name}: {where}: {said}") from error

    def walk(self, op: type[Operation], seed: int) -> None:
        """Hold every case of a record against the law."""
        for k, one in enumerate(self.cases(op)):
            self(op, one, np.random.default_rng((seed, k)))


def has_derivative(op: type[Operation]) -> bool:
    return op.kind != "constant"


def always(op: type[Operation]) -> bool:
    return True


def law(
    name: str, applies: Predicate = has_derivative, most: int | None = None
) -> Callable[[Callable[[Call, np.random.Generator], None]], Law]:
    """Make a law of a check of one drawn call."""

    def make(check: Callable[[Call, np.random.Generator], None]) -> Law:
        def drawn(op: type[Operation], one: Case, rng: np.random.Generator) -> None:
            check(Call.drawn(op, one, rng), rng)

        return _entered(Law(name, drawn, applies, by_case=True, most=most))

    return make


def record_law(name: str, applies: Predicate = always) -> Callable[[Callable[[type[Operation]], None]], Law]:
    """Make a law of a check of the record alone, without a case."""

    def make(check: Callable[[type[Operation]], None]) -> Law:
        return _entered(Law(name, lambda op, one, rng: check(op), applies, by_case=False))

    return make


def _entered(one: Law) -> Law:
    assert one.name not in LAWS, f"two laws are called {one.name!r}"
    LAWS[one.name] = one
    return one


def close(what: str, got: Any, expected: Any, tolerance: float) -> None:
    """Assert that two arrays agree, relative to the largest element of either; NaN agrees with NaN.

    Drawn numbers are of order one, so where terms cancel, a hundredth of that is the least that counts as large.
    """
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{what} has shape {got.shape}, expected {expected.shape}"
    if not got.size:
        return
    with np.errstate(invalid="ignore"):
        kind = complex if np.iscomplexobj(got) or np.iscomplexobj(expected) else float
        error = np.abs(got.astype(kind) - expected.astype(kind))
    error = np.where((got == expected) | ((got != got) & (expected != expected)), 0.0, error)
    wrong = ~(error <= tolerance * (scale_of(got, expected) + 0.01))
    assert not wrong.any(), f"{what} {difference(got, expected, np.where(np.isnan(error), np.inf, error))}"


def scale_of(*arrays: Any) -> float:
    """The largest finite magnitude among arrays."""
    return max((float(np.abs(x[np.isfinite(x)]).max(initial=0.0)) for x in map(np.asarray, arrays)), default=0.0)


def difference(got: Any, expected: Any, error: Any) -> str:
    """Say where two arrays differ most, and by which factor."""
    place = tuple(int(k) for k in np.unravel_index(np.argmax(error), error.shape))
    a, b = got[place].item(), expected[place].item()
    ratio = f", {a / b:.6g} times it" if np.isfinite(a) and np.isfinite(b) and b else ""
    return f"is {a:.9g} at {list(place)}, expected {b:.9g}{ratio}"
