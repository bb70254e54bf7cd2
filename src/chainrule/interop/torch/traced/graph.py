"""`Graph`: the steps of a traced model, and how they are run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor

from .call import Call, Ref, Step, carrier_of, cast, refs_in
from .sections import Section, sections_of

QUIET = {"divide": "ignore", "invalid": "ignore", "over": "ignore"}
"""PyTorch computes infinities and NaNs without a warning, and models count on it: a mask hides them afterwards."""


@dataclass(frozen=True)
class Graph:
    """The computation of a model in one mode.

    `state` maps values to the names of their parameters or buffers; `inputs` lists the values that come from the leaves
    of the arguments, in order (None for a leaf that no step needs); `constants` are arrays that the model's code
    created. `outputs` is a structure with a `Ref` for each result; `writes` maps buffers to their new values.
    """

    steps: Sequence[Step]
    state: Mapping[str, str]
    inputs: Sequence[str | None]
    constants: Mapping[str, Any]
    outputs: Any
    writes: Mapping[str, Ref] = field(default_factory=dict)

    @cached_property
    def last_uses(self) -> list[list[str]]:
        """For each step, the values that no later step or output needs."""
        last: dict[str, int] = {}
        for k, step in enumerate(self.steps):
            for name in (*refs_in(step.args), *refs_in(step.settings), step.name):
                last[name] = k
        kept = refs_in(self.outputs)
        found: list[list[str]] = [[] for _ in self.steps]
        for name, k in last.items():
            if name not in kept:
                found[k].append(name)
        return found

    @cached_property
    def sections(self) -> list[tuple[Section | Step, Sequence[str]]]:
        """The steps, with those of each submodule's call in a section, and the values to drop after each."""
        return sections_of(self.steps, self.last_uses, {*self.state, *self.constants})

    @cached_property
    def random(self) -> bool:
        """Whether a run draws random numbers."""
        return any(step.kind.partition(".")[0] in RANDOM for step in self.steps)

    def run(self, module: Any, given: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Return the structure of outputs and the new buffers, given the values that no step produces."""
        values = {**self.constants, **given}
        written = {ref.name: values.get(ref.name) for ref in self.writes.values()}
        with np.errstate(**QUIET):  # type: ignore[arg-type]
            for part, done in self.sections:
                _run(part, module, values, written)
                for name in done:
                    values.pop(name, None)
        return filled(self.outputs, values), {name: written[ref.name] for name, ref in self.writes.items()}


def _run(part: Section | Step, module: Any, values: dict[str, Any], written: dict[str, Any]) -> None:
    """Carry out a step, or call a submodule; add the results to `values`, and to `written` those that it asks for."""
    if isinstance(part, Step):
        values[part.name] = carried_out(Call(part, module), values)
        if part.name in written:
            written[part.name] = values[part.name]
        return
    inner = Running(part, module, {name: values[name] for name in part.fixed}, written)
    made = module.part(part.path)(*(values[name] for name in part.inputs), running=inner)
    values.update(zip(part.outputs, (made,) if len(part.outputs) == 1 else made, strict=True))


@dataclass
class Running:
    """A section while it runs: the model, the parameters and constants that it needs, and the buffers' new values."""

    section: Section
    model: Any
    fixed: Mapping[str, Any]
    written: dict[str, Any]

    def run(self, inputs: Sequence[Any]) -> Any:
        """Return the outputs of the section: one value, or a tuple."""
        values = {**self.fixed, **dict(zip(self.section.inputs, inputs, strict=True))}
        for part in self.section.parts:
            _run(part, self.model, values, self.written)
        made = tuple(values[name] for name in self.section.outputs)
        return made[0] if len(made) == 1 else made


RANDOM = frozenset(
    ["native_dropout", "dropout", "bernoulli", "rand", "randn", "randint", "rand_like", "randn_like", "multinomial"]
)


def filled(tree: Any, values: Mapping[str, Any]) -> Any:
    """Return nested arguments with each `Ref` replaced by its value."""
    if isinstance(tree, Ref):
        return values[tree.name]
    if isinstance(tree, tuple | list):
        items = [filled(item, values) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if isinstance(tree, dict):
        return type(tree)({key: filled(item, values) for key, item in tree.items()})
    return tree


def carried_out(call: Call, values: Mapping[str, Any]) -> Any:
    """Run a step and return its result in the dtype that PyTorch gives it; errors name the step."""
    step = call.step
    carrier = carrier_of(step.kind)
    if carrier is None:
        call.refuse("there is no chainrule function for this operator")
    args, settings = filled(step.args, values), filled(dict(step.settings), values)
    try:
        made = carrier(call, *args, **settings)
    except (ValueError, TypeError, IndexError, AttributeError, ZeroDivisionError) as error:
        if str(error).startswith("from_torch: ") or type(error).__module__.startswith("chainrule."):
            raise
        shapes = ", ".join(str(list(x.shape)) for x in args if hasattr(x, "shape"))
        raise ValueError(f"from_torch: {step.place}: {step.kind}: inputs of shapes {shapes}: {error}") from error
    if isinstance(step.dtypes, tuple):
        pairs = zip(made, step.dtypes, strict=False)
        return tuple(y if dtype is None or y is None else _in(call, y, dtype) for y, dtype in pairs)
    return made if step.dtypes is None or made is None else _in(call, made, step.dtypes)


def _in(call: Call, y: Any, dtype: Any) -> Any:
    y = y if isinstance(y, Tensor | np.ndarray | np.generic) or hasattr(y, "dtype") else np.asarray(y)
    return cast(y, call.now(dtype))
