"""Every law holds for every operation: a record that is added is tested by being there."""

import itertools

import pytest
from hypothesis import settings

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


SEEDS = max(1, settings().max_examples // 50)
"""At how many seeds every record is held against the laws: at one every day, at twenty every night.

One is enough to notice a rule that is a thousandth off, whichever it is (`test_every_rule_is_under_the_laws`).
"""


def hold(operation: str, laws: list[str]) -> None:
    """Hold a record against some laws; every law that is broken is in the one message."""
    op = OPERATIONS[operation]
    broken = []
    for name, seed in itertools.product(laws, range(SEEDS)):
        if LAWS[name].applies(op):
            try:
                LAWS[name].walk(op, seed)
            except AssertionError as error:
                broken.append(error)
    if broken:
        raise AssertionError("\n\n".join(map(str, broken))) from broken[0]


LONG = ("betainc", "betainc_slope", "betaincinv", "blockwise_attention", "logm", "solve_sylvester")
"""Records whose laws take half a second and more: series, equations to solve, compiling. They are in the slow half."""


# One test for each record and not for each of its laws: those were thousands, and cost more than what they tested.
@pytest.mark.parametrize(
    "operation", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in OPERATIONS]
)
def test_laws(operation: str) -> None:
    hold(operation, [name for name in LAWS if name != SLOW])


@pytest.mark.slow
@pytest.mark.parametrize("operation", [name for name, op in OPERATIONS.items() if LAWS[SLOW].applies(op)])
def test_accuracy(operation: str) -> None:
    hold(operation, [SLOW])


@pytest.mark.slow
def test_most_formulas_are_evaluated() -> None:
    total = sum(1 + len(op.rules) for op in OPERATIONS.values())
    unread = [f"{name}.{rule}: {why}" for name, op in OPERATIONS.items() for rule, why in prose(op).items()]
    assert len(unread) <= (1 - EVALUATED) * total, f"{len(unread)} of {total} formulas are prose:\n" + "\n".join(unread)
