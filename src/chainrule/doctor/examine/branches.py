"""Branches that compute side by side, such as the experts of a mixture: which of them no gradient reaches."""

from collections import defaultdict
from collections.abc import Mapping

from chainrule.doctor.engines.trace import boxes_in

from .steps import Reader, WeightUse

Branches = list[tuple[str, ...]]
"""Groups of parameters, the same one of each branch: `experts.0.weight`, `experts.1.weight`, …"""


def parallel(reader: Reader, steps: list[WeightUse]) -> Branches:
    """Return the groups of weights whose names differ in one number, of one shape, none of which feeds another."""
    groups: dict[tuple[str, tuple[int, ...]], list[WeightUse]] = defaultdict(list)
    for step in {step.parameter: step for step in reversed(steps)}.values():
        parts = step.parameter.split(".")
        for k, part in enumerate(parts):
            if part.isdigit():
                groups[".".join([*parts[:k], "*", *parts[k + 1 :]]), tuple(step.weight.shape)].append(step)
    several = [sorted(group, key=steps.index) for group in groups.values() if len(group) > 1]
    return [tuple(s.parameter for s in group) for group in several if not _feeds(reader, group)]


def branch_name(name: str, group: tuple[str, ...]) -> str:
    """Return a weight's name up to the number that tells the branches apart.

    >>> branch_name("experts.1.0.weight", ("experts.0.0.weight", "experts.1.0.weight"))
    'experts.1'
    """
    parts, others = name.split("."), [other.split(".") for other in group if other != name]
    last = next((k for k, part in enumerate(parts) if any(other[k] != part for other in others)), len(parts))
    return ".".join(parts[: last + 1])


def _feeds(reader: Reader, group: list[WeightUse]) -> bool:
    """Whether the last of some weights, in order of execution, depends on what an earlier one made."""
    made = {id(step.z) for step in group[:-1]}
    seen: set[int] = set()
    waiting = [group[-1].x]
    while waiting:
        event = reader.makers.get(id(waiting.pop()))
        if event is None or id(event) in seen:
            continue
        if id(event) in made:
            return True
        seen.add(id(event))
        waiting += boxes_in(event.args)
    return False


def starved(branches: Branches, gradients: Mapping[str, float], limit: float) -> dict[str, float]:
    """Return the parameters with a gradient far below the largest of their group, and how far.

    Parameters without any gradient are left out: another verdict says that they are not used.
    """
    found: dict[str, float] = {}
    for group in branches:
        norms = {name: gradients[name] for name in group if name in gradients}
        most = max(norms.values(), default=0.0)
        found |= {name: norm / most for name, norm in norms.items() if most > 0 and norm < limit * most}
    return found
