"""The test of the laws: each planted fault is caught by the law that is there for it, and sound records pass all."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.named import walked

from chainrule.core import kinds
from chainrule.core.operation import Operation
from chainrule.core.traces import reverse

from .calls import variant
from .laws import LAWS
from .planted import FAULTS, SOUND, Quotient
from .test_registry import OPERATIONS

ENGINE = {
    "derivatives have the shape of their variable": (reverse, "fit", lambda x_bar, shape, dtype: x_bar),
    "dtypes may be mixed": (reverse, "fit", lambda x_bar, shape, dtype: x_bar),
    "dtypes may be mixed with complex ones": (kinds, "widened", lambda values, dtype: values),
    "a float64 gradient has float64's accuracy": (kinds, "widened", lambda values, dtype: values),
}
"""Laws that the engine keeps for all records, and what is planted in it: no shapes and dtypes are fitted, for one."""


@pytest.mark.parametrize("op", SOUND, ids=lambda op: op.__name__)
def test_a_sound_record_passes_every_law(op: type[Operation]) -> None:
    for law in LAWS.values():
        if law.applies(op):
            for seed in range(2):
                law.walk(op, seed)


@walked("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str) -> None:
    name, op = FAULTS[fault]
    law = LAWS[name]
    assert law.applies(op)
    with pytest.raises(AssertionError) as caught:
        law.walk(op, seed=0)
    message = str(caught.value)
    assert message.startswith(f"{law.name}: {op.name}"), message


@pytest.mark.parametrize("name", ENGINE)
def test_a_fault_in_the_engine_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*ENGINE[name])
    with pytest.raises(AssertionError, match="gradient"):
        LAWS[name].walk(Quotient, seed=0)


def test_every_law_has_a_fault_that_it_catches() -> None:
    assert {law for law, _ in FAULTS.values()} | set(ENGINE) == set(LAWS)


FIRST_ORDER = (
    "the modes are adjoint",
    "forward mode is the derivative",
    "of complex numbers, the modes are adjoint",
    "of complex numbers, forward mode is the derivative",
)
RULES = [(name, rule) for name, op in OPERATIONS.items() for rule in op.rules]


@pytest.mark.parametrize(("name", "rule"), RULES, ids=[f"{name}-{rule}" for name, rule in RULES])
def test_every_rule_is_under_the_laws(name: str, rule: str) -> None:
    """A rule of the registry that is 0.1 % off is caught, whichever it is; so its record has cases that reach it."""
    seen = []

    def wrap(key: str, healthy: Callable[..., Any]) -> Callable[..., Any]:
        if key != rule:
            return healthy

        def scaled(*args: Any, **settings: Any) -> Any:
            result = healthy(*args, **settings)
            seen.append(any(np.any(part) for part in (result if isinstance(result, tuple | list) else [result])))
            return type(result)(map(_off, result)) if isinstance(result, tuple | list) else _off(result)

        return scaled

    mutant = variant(OPERATIONS[name], wrap)
    caught = any(LAWS[law].applies(mutant) and not _holds(law, mutant) for law in FIRST_ORDER)
    assert seen, f"{name}.{rule} is never run: the record's cases do not reach it"
    assert any(seen), f"{name}.{rule} gives only zeros: the record's domain or cases do not reach where it matters"
    assert caught, f"{name}.{rule} may be 0.1 % off and no law notices"


def _off(result: Any) -> Any:
    return None if result is None else result * 1.001


def _holds(law: str, op: type[Operation]) -> bool:
    try:
        LAWS[law].walk(op, seed=0)
    except AssertionError:
        return False
    return True
