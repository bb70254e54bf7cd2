"""What a proof is checked on: the values of one unit, laid out as its formulas index them, or a small example."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.explain.derive.unit import Unit
from chainrule.formula.chain import Chain
from chainrule.formula.more_functions import OWN
from chainrule.observe.entry import array_of

from .laws import output_name

MOST_ELEMENTS = 1000
"""How many elements of an elementwise operation are checked: the same formula holds for each."""
HIDDEN = -200.0
"""Stands for −inf in a mask: no weight is left, and differences of scores exist."""
ROW_WISE = (Role.NORM, Role.SOFTMAX, Role.DENSE)


@dataclass(frozen=True)
class Instance:
    """One call of an operation: its values by name, the name of its output, and the cotangent there."""

    values: Mapping[str, Any]
    output: str
    expected: Any
    cotangent: Any
    has_kinks: bool
    settings: Mapping[str, Any]

    def named(self) -> dict[str, Any]:
        """Return everything by name, for the lines that bring their own check."""
        return {"groups": 1, **self.values, **self.settings, "y": self.expected, "y_bar": self.cotangent}

    def chain(self) -> Chain:
        """Return the chain in which a proof is checked."""
        values = {**self.values, f"{self.output}_bar": self.cotangent}
        return Chain(values, self.output, self.expected, self.cotangent, OWN, fixed_at_zero=self.has_kinks)


def instance_of(unit: Unit) -> Instance | None:
    """Return the instance of a unit's values; None if one of them is not a finite array."""
    arrays = [array_of(x) for x in unit.inputs]
    y = unit.output.value
    y_bar = unit.output.gradient
    if isinstance(y, tuple) or y_bar is None:
        return None
    named = dict(zip(unit.argument_names, arrays, strict=True))
    return arranged(unit.record, output_name(unit).replace("\\", ""), named, unit.settings, y, y_bar)


def small_instance(record: Any) -> Instance | None:
    """Return the instance of a record's first case, with random numbers; of its domain if it has no case."""
    if not record.cases and record.kind != "elementwise":
        return None
    rng = np.random.default_rng(0)
    if record.cases:
        one = record.cases[0]
        arrays = [rng.uniform(0.2, 0.9, x) if isinstance(x, tuple) else np.asarray(x) for x in one.inputs]
        settings = {**record.defaults, **one.settings}
    else:
        arrays = [_drawn(record, name, rng) for name in record.arguments]
        settings = dict(record.defaults)
    y = np.asarray(record.primal(*arrays, **settings), float)
    named = dict(zip(record.arguments, arrays, strict=True))
    return arranged(record, _output(record), named, settings, y, rng.standard_normal(y.shape))


def _drawn(record: Any, name: str, rng: np.random.Generator) -> Any:
    """Return numbers of an argument's domain, of both signs if it has them."""
    low, high = record.domain.get(name, (-3.0, 3.0))
    low, high = max(low, -3.0), min(high, max(low, -3.0) + 6.0)
    return np.linspace(low, high, 8)[1:-1] + rng.uniform(0, 0.05 * (high - low), 6)


def _output(record: Any) -> str:
    return (record.__doc__ or "y").strip()[0]


def arranged(
    record: Any, output: str, named: Mapping[str, Any], settings: Mapping[str, Any], y: Any, y_bar: Any
) -> Instance | None:
    """Return an instance whose arrays are laid out as the record's proofs index them."""
    values = {name: np.asarray(x, float) for name, x in named.items() if np.asarray(x).dtype.kind in "fiub"}
    y, y_bar = np.asarray(y, float), np.asarray(y_bar, float)
    numbers = {k: float(v) for k, v in settings.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    numbers.pop("axis", None)
    if hasattr(record, "arrange"):
        values, y, y_bar = _by_channel(record, values, y, y_bar)
        numbers["N"] = float(y.size // y.shape[1])
    elif record.kind == "elementwise":
        values, y, y_bar = _sampled(values, y, y_bar)
    elif record.role is Role.ATTENTION:
        values, numbers = _attention(named, settings)
    elif record.role in ROW_WISE:
        values, y, y_bar = _by_rows(record, values, settings, y, y_bar)
    if record.role is Role.NORM:
        numbers["n"] = float(values["x"].shape[-1])
    every = (*values.values(), y, y_bar)
    if not all(np.all(np.isfinite(x)) for x in every):
        return None
    return Instance({**numbers, **values}, output, y, y_bar, bool(record.kinks), settings)


def _by_channel(record: Any, values: Mapping[str, Any], y: Any, y_bar: Any) -> tuple[dict[str, Any], Any, Any]:
    """Return the arrays with all samples, the channels and all places along one axis each."""
    made = {name: record.arrange(x) if x.shape == y.shape else x for name, x in values.items()}
    return made, record.arrange(y), record.arrange(y_bar)


def _sampled(values: Mapping[str, Any], y: Any, y_bar: Any) -> tuple[dict[str, Any], Any, Any]:
    """Return as many elements of each array as are checked."""
    step = max(y.size // MOST_ELEMENTS, 1)
    if step == 1:
        return dict(values), y, y_bar
    made = {name: np.broadcast_to(x, y.shape).reshape(-1)[::step] for name, x in values.items()}
    return made, y.reshape(-1)[::step], y_bar.reshape(-1)[::step]


def _by_rows(
    record: Any, values: Mapping[str, Any], settings: Mapping[str, Any], y: Any, y_bar: Any
) -> tuple[dict[str, Any], Any, Any]:
    """Return the arrays with all rows along one axis, for an operation that treats each row by itself."""
    if not any("_{i" in step.latex for steps in record.proofs.values() for step in steps):
        return dict(values), y, y_bar  # the proof is of a single row
    first, *others = values
    x = values[first]
    axis = settings.get("axis", -1)
    listed = axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(range(x.ndim)) if axis is None else tuple(a % x.ndim for a in listed)
    if record.role is Role.DENSE and any(values[name].ndim > 2 for name in others):
        return dict(values), y, y_bar  # each matrix of a batch has a factor of its own

    reduces = any(step.latex.startswith("y_i = ") for steps in record.proofs.values() for step in steps)

    def rows(a: Any) -> Any:
        if a.shape != x.shape or (a is not x and reduces):
            return a.reshape((-1, a.shape[-1]) if record.role in (Role.DENSE, Role.NORM) else -1)
        moved = np.moveaxis(a, axes, range(a.ndim - len(axes), a.ndim))
        return moved.reshape(-1, int(np.prod([a.shape[k] for k in axes])))

    made = {first: rows(x), **{name: values[name] for name in others}}
    if record.role is Role.NORM:
        made |= {name: np.broadcast_to(values[name], x.shape[-1:]) for name in others}
    return made, rows(y), rows(y_bar)


def _attention(values: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """Return Q, K, V and the numbers added to the scores, and their scale."""
    q, k, v = (np.asarray(values[name], float) for name in "qkv")
    mask, shape = np.asarray(values["mask"]), (q.shape[-2], k.shape[-2])
    added = np.where(mask, 0.0, HIDDEN) if mask.dtype.kind == "b" else np.maximum(mask, HIDDEN)
    if settings.get("causal"):
        added = added + np.where(np.tri(*shape, dtype=bool), 0.0, HIDDEN)
    scale = settings.get("scale")
    numbers = {"scale": q.shape[-1] ** -0.5 if scale is None else float(scale)}
    return {"q": q, "k": k, "v": v, "m": np.broadcast_to(added, np.broadcast_shapes(added.shape, shape))}, numbers
