"""What a submission is graded against: the teacher's file, with the functions and layers as they should compute.

A function `softmax` in it asks for `softmax_backward(y_bar, …)` in a submission, which returns one gradient for each
floating-point argument, or a dict of them by name (`{"dW1": …}`, values in between included). A class with `forward`
asks for a class of the same name with `forward` and `backward`. Inputs are found as in `chainrule check`.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

PARTIAL: Mapping[str, float] = {
    **{"square-only": 0.5, "factor": 0.5, "sign": 0.5, "broadcast-sum": 0.5, "transposed": 0.5, "missing-term": 0.25},
    **{"partial": 0.25, "detached": 0.25, "step": 0.0},
}
"""The share of its points that a wrong gradient gets, by the code of its cause; a spec's `PARTIAL` overrides entries.

"step" is a network whose steps have names: it is wrong from one step on.
"""


@dataclass(frozen=True)
class Task:
    """One function or layer to be graded: its inputs, its points, and for a layer how it is made."""

    name: str
    reference: Any
    inputs: tuple[Any, ...]
    points: float = 1.0
    constructor: tuple[Any, ...] = ()

    @property
    def is_layer(self) -> bool:
        """Whether it is a class with `forward`."""
        return inspect.isclass(self.reference)

    @property
    def asked(self) -> str:
        """What the submission must define."""
        return self.name if self.is_layer else f"{self.name}_backward"


@dataclass(frozen=True)
class Spec:
    """The tasks of a spec, its rules for partial credit, and the packages that it allows."""

    tasks: tuple[Task, ...]
    partial: Mapping[str, float]
    allowed: tuple[str, ...] = ()

    @property
    def points(self) -> float:
        """The points of a right submission."""
        return sum(task.points for task in self.tasks)


def read_spec(module: ModuleType, inputs_of: Any, seed: int = 0) -> Spec:
    """Return the spec in a module; `inputs_of(module, name, seed)` finds a function's inputs.

    Raises ValueError for a spec with nothing to grade, and for settings that are none.
    """
    points = _numbers(module, "POINTS")
    tasks = []
    for name, value in vars(module).items():
        mine = getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
        layer = inspect.isclass(value) and hasattr(value, "forward")
        if (
            not mine
            or not (layer or inspect.isfunction(value))
            or name.endswith(("_inputs", "_arguments", "_backward"))
        ):
            continue
        if points and name not in points:
            continue
        made = getattr(module, f"{name}_arguments", ())
        constructor = tuple(made() if callable(made) else made)
        inputs = tuple(inputs_of(module, name, seed))
        tasks.append(Task(name, value, _floats(inputs), points.get(name, 1.0), constructor))
    missing = points.keys() - {task.name for task in tasks}
    if missing:
        raise ValueError(f"{_file(module)}: POINTS names {', '.join(sorted(missing))}, which it does not define")
    if not tasks:
        raise ValueError(f"{_file(module)}: nothing to grade: define functions, or classes with forward")
    return Spec(tuple(tasks), {**PARTIAL, **_numbers(module, "PARTIAL")}, tuple(getattr(module, "ALLOWED", ())))


def _numbers(module: ModuleType, name: str) -> dict[str, float]:
    found = getattr(module, name, {})
    if not isinstance(found, dict) or not all(isinstance(x, int | float) and x >= 0 for x in found.values()):
        raise ValueError(f"{_file(module)}: {name}: expected a dict of names and numbers, got {found!r}")
    return {str(key): float(x) for key, x in found.items()}


def _floats(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Floating-point inputs in float64: they are compared with numerical derivatives."""
    return tuple(np.asarray(x, np.float64) if np.asarray(x).dtype.kind == "f" else x for x in inputs)


def _file(module: ModuleType) -> str:
    return Path(str(getattr(module, "__file__", module.__name__))).name
