"""Every law holds for every operation: a record that is added is tested by being there."""

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import chainrule.rules
from chainrule.core.operation import REGISTRY

from .formula_laws import prose
from .laws import LAWS

PACKAGE = chainrule.rules.__name__.partition(".")[0]
OPERATIONS = {name: op for name, op in sorted(REGISTRY.items()) if op.__module__.startswith(f"{PACKAGE}.")}
EVALUATED = 0.8
"""The least share of formulas that are evaluated and not only read."""


SLOW = "a float64 gradient has float64's accuracy"
"""The law that measures with many evaluations: it is in the slow half."""


def hold(operation: str, laws: list[str]) -> None:
    """Hold a record against some laws at two seeds; every law that is broken is in the one message."""
    op = OPERATIONS[operation]
    laws = [name for name in laws if LAWS[name].applies(op)]

    # A property inside the test: one decorated function for hundreds of parameters nests Hypothesis's settings once
    # for each, until Python's stack ends.
    @settings(max_examples=2, database=None, phases=[Phase.generate])
    @given(seed=st.integers(0, 2**32 - 1))
    def holds(seed: int) -> None:
        broken = []
        for name in laws:
            try:
                LAWS[name].walk(op, seed)
            except AssertionError as error:
                broken.append(error)
        if broken:
            raise AssertionError("\n\n".join(map(str, broken))) from broken[0]

    holds()


# One test for each record and not for each of its laws: those were thousands, and cost more than what they tested.
@pytest.mark.parametrize("operation", OPERATIONS)
def test_laws(operation: str) -> None:
    hold(operation, [name for name in LAWS if name != SLOW])


@pytest.mark.slow
@pytest.mark.parametrize("operation", [name for name, op in OPERATIONS.items() if LAWS[SLOW].applies(op)])
def test_accuracy(operation: str) -> None:
    hold(operation, [SLOW])


def test_most_formulas_are_evaluated() -> None:
    total = sum(1 + len(op.rules) for op in OPERATIONS.values())
    unread = [f"{name}.{rule}: {why}" for name, op in OPERATIONS.items() for rule, why in prose(op).items()]
    assert len(unread) <= (1 - EVALUATED) * total, f"{len(unread)} of {total} formulas are prose:\n" + "\n".join(unread)
