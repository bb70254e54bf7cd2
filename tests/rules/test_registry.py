"""Every law holds for every operation: a record that is added is tested by being there."""

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import chainrule.rules
from chainrule.core.operation import REGISTRY

from .formula_laws import prose
from .laws import LAWS

PACKAGE = chainrule.rules.__name__.partition(".")[0]
OPERATIONS = {name: op for name, op in sorted(REGISTRY.items()) if op.__module__.startswith(f"{PACKAGE}.")}
PAIRS = [(op, law) for op in OPERATIONS for law in LAWS if LAWS[law].applies(OPERATIONS[op])]
EVALUATED = 0.8
"""The least share of formulas that are evaluated and not only read."""


SLOW = "a float64 gradient has float64's accuracy"


def cases() -> list[Any]:
    """Every pair; the law that measures with many evaluations is in the slow half."""
    marks = [[pytest.mark.slow] if law == SLOW else [] for _, law in PAIRS]
    names = [f"{op}-{law.replace(' ', '_')}" for op, law in PAIRS]
    return [pytest.param(*pair, id=name, marks=mark) for pair, name, mark in zip(PAIRS, names, marks, strict=True)]


@pytest.mark.parametrize(("operation", "law"), cases())
def test_law(operation: str, law: str) -> None:
    # A property inside the test: one decorated function for thousands of parameters nests Hypothesis's settings once
    # for each, until Python's stack ends.
    @settings(max_examples=2, database=None, phases=[Phase.generate])
    @given(seed=st.integers(0, 2**32 - 1))
    def holds(seed: int) -> None:
        LAWS[law].walk(OPERATIONS[operation], seed)

    holds()


def test_most_formulas_are_evaluated() -> None:
    total = sum(1 + len(op.rules) for op in OPERATIONS.values())
    unread = [f"{name}.{rule}: {why}" for name, op in OPERATIONS.items() for rule, why in prose(op).items()]
    assert len(unread) <= (1 - EVALUATED) * total, f"{len(unread)} of {total} formulas are prose:\n" + "\n".join(unread)
