"""What a form is: a way of writing an operation with its backward pass, and the checker for it."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import chainrule as cr

from .entry import Bug, Operation, Rule


def anything(_operation: Operation, _bug: Bug | None) -> bool:
    return True


def as_written(operation: Operation, bug: Bug) -> tuple[str, set[str]]:
    return bug.verdict, operation.wrong_places(bug)


def names_argument(finding: Any, wrong: set[str], operation: Operation) -> bool:
    """Say whether a finding names one of the wrong arguments, or says `args[k]` of it."""
    number = finding.argument.removeprefix("args[").partition("]")[0]
    return finding.argument in wrong or (number.isdigit() and list(operation.arguments)[int(number)] in wrong)


@dataclass(frozen=True)
class Form:
    """One way of writing an operation with its backward pass.

    `check(operation, rule)` returns the checker's report. `takes(operation, bug)` says whether the mistake can be made
    in this form, `expected(operation, bug)` which verdict and places are right in it, and
    `place(finding, wrong, operation)` whether a finding names one of these places.
    """

    name: str
    check: Callable[[Operation, Rule], Any]
    checker: str = "check"
    package: str = "chainrule"
    takes: Callable[[Operation, Bug | None], bool] = anything
    expected: Callable[[Operation, Bug], tuple[str, set[str]]] = as_written
    place: Callable[[Any, set[str], Operation], bool] = names_argument

    def missing(self) -> str:
        """Return why this form cannot be tried here, or an empty text."""
        if importlib.util.find_spec(self.package) is None:
            return f"{self.package} is not installed"
        return "" if checker(self.checker) else f"chainrule has no {self.checker}"


def checker(name: str) -> Any:
    """Return one of chainrule's checkers, or None."""
    return getattr(cr, name, None)
