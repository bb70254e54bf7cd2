"""`Section`: the steps of one call of a submodule, so that a run calls the same modules as the traced model did."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Union

from .call import Step, refs_in


@dataclass(frozen=True)
class Section:
    """One call of a submodule.

    `inputs` are the values it takes from outside, the first one used first; `fixed` are those among the parameters,
    buffers and constants. `outputs` are its values that are needed afterwards. `done` are values for which it is the
    last user.
    """

    path: str
    parts: Sequence[Union["Section", Step]]
    inputs: tuple[str, ...]
    fixed: tuple[str, ...]
    outputs: tuple[str, ...]
    done: tuple[str, ...]


def sections_of(
    steps: Sequence[Step], last_uses: Sequence[Sequence[str]], fixed: Iterable[str]
) -> list[tuple[Section | Step, Sequence[str]]]:
    """Return the steps with those of each submodule's call in a section, and the values that can be dropped after it.

    `last_uses` lists for each step the values that are no longer needed after it.
    """
    done = {step.name: tuple(names) for step, names in zip(steps, last_uses, strict=True)}
    found = _grouped(steps, 0, done, frozenset(fixed))
    return [(part, part.done if isinstance(part, Section) else done[part.name]) for part in found]


def _grouped(steps: Sequence[Step], depth: int, done: Any, fixed: frozenset[str]) -> list[Section | Step]:
    found: list[Section | Step] = []
    for call, run in groupby(steps, lambda step: step.calls[depth] if len(step.calls) > depth else None):
        group = list(run)
        found += group if call is None else [_section(call[1], group, depth + 1, done, fixed)]
    return found


def _section(path: str, steps: Sequence[Step], depth: int, done: Any, fixed: frozenset[str]) -> Section:
    used = dict.fromkeys(name for step in steps for name in (*refs_in(step.args), *refs_in(step.settings)))
    made = [step.name for step in steps]
    dropped = dict.fromkeys(name for step in steps for name in done[step.name])
    outside = [name for name in used if name not in set(made)]
    return Section(
        path,
        _grouped(steps, depth, done, fixed),
        tuple(name for name in outside if name not in fixed),
        tuple(name for name in outside if name in fixed),
        tuple(name for name in made if name not in dropped),
        tuple(dropped),
    )
