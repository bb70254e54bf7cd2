"""The computation in the units that a derivation shows: one for each operation, a product and its bias together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.core.kinds import Bilinear
from chainrule.core.operation import Array
from chainrule.rules.arithmetic import Square
from chainrule.rules.linear import LinearMap

from .recorder import Entry
from .subject import Recording

ELEMENTWISE = frozenset({"add", "subtract", "multiply", "divide", "negative", "square", "power", "reciprocal"})
PRODUCTS = frozenset({"matmul", "matmul_transposed"})
ARITHMETIC = ELEMENTWISE | PRODUCTS
"""What is written inside a longer formula, where it stands on one line of the program and has no name there."""


class MatmulTransposed(Bilinear, register=False):
    r"""Y = A B^\top

    A product with a transpose, `a @ b.T`, as one step: that is how it is written and read.
    """

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        """Return the product."""
        return a @ np.swapaxes(b, -1, -2)

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array) -> Array:
        r"""\bar A = \bar Y B"""
        return y_bar @ b

    @staticmethod
    def adjoint_b(y_bar: Array, a: Array) -> Array:
        r"""\bar B = \bar Y^\top A"""
        return np.swapaxes(y_bar, -1, -2) @ a


@dataclass(eq=False)
class Unit:
    """One line of the forward pass.

    `record` is the operation whose formulas hold, `inputs` what its arguments are, `edges` where the cotangent of each
    input is found among what arrived there: an (entry, position) of the tape.
    """

    record: Any
    inputs: tuple[Any, ...]
    output: Entry
    settings: Mapping[str, Any]
    saved: Mapping[str, Any]
    edges: tuple[tuple[Entry, int], ...]
    inlined: bool = False
    consumers: list["Unit"] = field(default_factory=list)

    @property
    def argument_names(self) -> tuple[str, ...]:
        """The record's names for the inputs; those of a variadic operation are numbered."""
        if getattr(self.record, "variadic", False):
            return tuple(f"{self.record.arguments[0]}{k}" for k in range(len(self.inputs)))
        return tuple(self.record.arguments)

    def tracked_inputs(self) -> Iterable[tuple[int, Entry]]:
        """Yield the inputs that a gradient flows to, with their positions."""
        return ((k, x) for k, x in enumerate(self.inputs) if isinstance(x, Entry) and x.tracked)

    def contribution(self, k: int) -> Any:
        """Return the cotangent that this unit sends to its input k."""
        user, position = self.edges[k]
        return next(x_bar for u, p, x_bar in self.inputs[k].arrived if u is user and p == position)

    def raw_shape(self, k: int) -> tuple[int, ...]:
        """Return the shape that the rule gives for input k, before broadcasting is undone."""
        user, position = self.edges[k]
        return user.raw_shapes.get(position, ())


def units_of(recording: Recording) -> list[Unit]:
    """Return the units that the loss depends on, in the order of the forward pass."""
    reached = _reached(recording.loss)
    uses = _uses(recording.entries, reached)
    units: list[Unit] = []
    swallowed: set[Entry] = set()
    for entry in recording.entries:
        if entry.is_leaf or entry not in reached or "part" in entry.settings or is_drawn(entry):
            continue
        product, turned = _product_with_bias(entry, uses), _turned_factor(entry, uses)
        if product is not None:
            swallowed.add(product)
            units.append(_linear(entry, product))
        elif turned is not None:
            swallowed.add(turned)
            edges = ((entry, 0), (turned, 0))
            units.append(Unit(MatmulTransposed, (entry.inputs[0], turned.inputs[0]), entry, {}, {}, edges))
        else:
            units.append(_plain(entry))
    units = [unit for unit in units if unit.output not in swallowed]
    _connect(units)
    for unit in units:
        unit.inlined = _is_inlined(unit, recording)
    return units


def is_drawn(entry: Entry) -> bool:
    """Whether a value was drawn at random: no formula gives it."""
    return not entry.is_leaf and entry.op.name == "dropout_mask"


def _plain(entry: Entry) -> Unit:
    edges = tuple((entry, k) for k in range(len(entry.inputs)))
    if entry.op.name == "power" and np.ndim(entry.inputs[1]) == 0 and _equals(entry.inputs[1], 2):
        return Unit(Square, entry.inputs[:1], entry, {}, entry.saved, edges[:1])
    return Unit(entry.op, entry.inputs, entry, entry.settings, entry.saved, edges)


def _equals(x: Any, number: float) -> bool:
    return not isinstance(x, Entry) and bool(np.all(np.asarray(x) == number))


def _linear(entry: Entry, product: Entry) -> Unit:
    position = 0 if entry.inputs[0] is product else 1
    inputs = (*product.inputs, entry.inputs[1 - position])
    edges = ((product, 0), (product, 1), (entry, 1 - position))
    return Unit(LinearMap, inputs, entry, {}, {}, edges)


def _product_with_bias(entry: Entry, uses: Mapping[Entry, int]) -> Entry | None:
    """Return the matrix product to which this entry adds a bias, where the two are a linear map."""
    if entry.op.name != "add":
        return None
    for product, bias in (entry.inputs, entry.inputs[::-1]):
        if (
            isinstance(product, Entry)
            and not product.is_leaf
            and product.op.name == "matmul"
            and uses[product] == 1
            and np.ndim(_value(product.inputs[1])) == 2
            and np.shape(_value(bias)) == np.shape(_value(product.inputs[1]))[1:]
        ):
            return product
    return None


def _turned_factor(entry: Entry, uses: Mapping[Entry, int]) -> Entry | None:
    """Return the second factor of a product where it is the transpose of something, made for this product alone."""
    factor = entry.inputs[1] if entry.op.name == "matmul" else None
    if not isinstance(factor, Entry) or factor.is_leaf or factor.op.name != "transpose" or uses[factor] != 1:
        return None
    last_two = np.array_equal(np.swapaxes(_value(factor.inputs[0]), -1, -2), factor.value)
    return (
        factor
        if last_two and factor.value.ndim >= 2 and factor.inputs[0].shape == np.swapaxes(factor.value, -1, -2).shape
        else None
    )


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Entry) else x


def _reached(loss: Entry) -> set[Entry]:
    found, stack = {loss}, [loss]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Entry) and x not in found:
                found.add(x)
                stack.append(x)
    return found


def _uses(entries: Sequence[Entry], reached: set[Entry]) -> dict[Entry, int]:
    counts = dict.fromkeys(entries, 0)
    for entry in reached:
        for x in entry.inputs:
            if isinstance(x, Entry):
                counts[x] += 1
    return counts


def _connect(units: Sequence[Unit]) -> None:
    """Tell each unit who uses its output, or a part of it."""
    users: dict[Entry, list[Unit]] = {}
    for unit in units:
        for x in dict.fromkeys(e for e in unit.inputs if isinstance(e, Entry)):
            users.setdefault(x, []).append(unit)
            if "part" in x.settings:
                users.setdefault(x.inputs[0], []).append(unit)
    for unit in units:
        unit.consumers = users.get(unit.output, [])


def _is_inlined(unit: Unit, recording: Recording) -> bool:
    """Whether a value is written inside the formula that uses it: arithmetic within one line of the program."""
    if (
        unit.record.name not in ARITHMETIC
        or len(unit.consumers) != 1
        or (unit.output in (recording.loss, recording.output))
    ):
        return False
    user = unit.consumers[0]
    if user.record.name not in ARITHMETIC or sum(x is unit.output for x in user.inputs) != 1:
        return False
    if unit.output.module != user.output.module or unit.output.source != user.output.source:
        return False
    if not unit.output.tracked or (
        unit.record.name in PRODUCTS and any(len(np.shape(_value(x))) > 2 for x in unit.inputs)
    ):
        return False
    return user.record.name in PRODUCTS or unit.output.shape == user.output.shape
