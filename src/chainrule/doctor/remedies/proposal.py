"""Proposals: remedies before they are tried."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from chainrule.doctor.examine.case import Case
from chainrule.doctor.examine.exam import Exam
from chainrule.doctor.examine.findings import Findings
from chainrule.doctor.found import Verdict

from . import surgery


@dataclass(frozen=True)
class Complaint:
    """A verdict to find remedies for, with the case, which has an optimiser, and all findings."""

    f: Findings
    case: Case
    verdict: Verdict


@dataclass
class Proposal:
    """A change to try: `make(seed)` returns the changed case. `rescales` means that it also changes the loss
    function.
    """

    key: str
    make: Callable[[int], Case]
    diff: str
    values: dict[str, Any] = field(default_factory=dict)
    rescales: bool = False
    at_this_rate: bool = False
    """Whether to try the change with the present learning rate only."""
    works: Callable[[Exam], bool] | None = None
    """What shows that it helped, besides a lower loss: an examination of the changed network."""


Maker: TypeAlias = Callable[[Complaint], Iterator[Proposal]]
"""Yields proposals."""


def on_model(
    case: Case, key: str, change: Callable[[Any, int], Any], init_name: str = "", **values: Any
) -> Iterator[Proposal]:
    """Yield a change to the model's modules, `change(model, seed)`, if it changes anything."""

    def make(seed: int) -> Case:
        model = case.engine.copied(case.model)[0]
        change(model, seed)
        return case.changed(model)

    sample = case.engine.copied(case.model)[0]
    if change(sample, 0):
        yield Proposal(key, make, surgery.model_diff(case.model, sample, init_name), values)
