"""Products with vectors, as they are written: `matmul` computes them by way of matrices of one row or one column."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.observe.entry import Entry, array_of
from chainrule.rules.arrays.index import GetItem
from chainrule.rules.arrays.shape import Reshape
from chainrule.rules.elementary.arithmetic import Add
from chainrule.rules.linalg.matmul import Matmul

from .unit import Unit
from .views import InnerProduct, MatrixVector, VectorMap, VectorMatrix

Uses = Mapping[Entry, int]


def without_layout(units: Sequence[Unit], uses: Uses) -> list[Unit]:
    """Show products with vectors without the axes of length 1 that they have internally."""
    made = {unit.output: unit for unit in units}
    gone: set[Unit] = set()
    found: list[Unit] = []
    for unit in units:
        taken = _product_behind(unit, made, uses)
        written = None if taken is None else _written(unit, taken, made, uses)
        if taken is None or written is None:
            found.append(unit)
            continue
        bare, laid = written
        gone |= {taken, *laid}
        found.append(bare)
    return _with_bias([unit for unit in found if unit not in gone], uses)


def _product_behind(unit: Unit, made: Mapping[Entry, Unit], uses: Uses) -> Unit | None:
    """Return the product whose axes of length 1 a unit drops."""
    first = unit.inputs[0] if unit.inputs else None
    product = made.get(first) if isinstance(first, Entry) else None
    if product is None or product.record is not Matmul or uses[product.output] != 1:
        return None
    drops = unit.record is Reshape or (unit.record is GetItem and _is_corner(unit.settings["index"]))
    return product if drops and np.ndim(array_of(product.inputs[1])) == 2 else None


def _is_corner(index: Any) -> bool:
    """Whether an index is (0, 0); it may hold arrays, whose comparison is no truth value."""
    return isinstance(index, tuple) and len(index) == 2 and all(isinstance(k, int) and k == 0 for k in index)


def _written(unit: Unit, product: Unit, made: Mapping[Entry, Unit], uses: Uses) -> tuple[Unit, list[Unit]] | None:
    """Return the product as it is written, and the units that laid its vectors out; None if it has no vector."""
    left, right = (np.shape(array_of(x)) for x in product.inputs)
    shape = product.output.shape
    is_row, is_column = left == (1, right[0]), right == (left[-1], 1) and len(left) == 2
    record: Any
    vectors: tuple[int, ...]
    if is_row and is_column and unit.output.shape == ():
        record, vectors = InnerProduct, (0, 1)
    elif is_row and unit.output.shape == shape[1:]:
        record, vectors = VectorMatrix, (0,)
    elif is_column and unit.output.shape == shape[:-1]:
        record, vectors = MatrixVector, (1,)
    else:
        return None
    inputs, edges, laid = list(product.inputs), list(product.edges), []
    for k in vectors:
        x = product.inputs[k]
        way = made.get(x) if isinstance(x, Entry) else None
        if not isinstance(x, Entry):
            inputs[k] = np.reshape(x, -1)
        elif way is not None and way.record is Reshape and uses[way.output] == 1 and _is_vector(way.inputs[0]):
            laid.append(way)
            inputs[k], edges[k] = way.inputs[0], way.edges[0]
        else:
            return None
    return Unit(record, tuple(inputs), unit.output, {}, {}, tuple(edges)), laid


def _is_vector(x: Any) -> bool:
    return np.ndim(array_of(x)) == 1


def _with_bias(units: Sequence[Unit], uses: Uses) -> list[Unit]:
    """Merge a vector's product with the bias added to it."""
    made = {unit.output: unit for unit in units if unit.record is VectorMatrix}
    gone: set[Unit] = set()
    found: list[Unit] = []
    for unit in units:
        places = [k for k, x in enumerate(unit.inputs) if isinstance(x, Entry) and x in made and uses[x] == 1]
        if unit.record is not Add or len(places) != 1:
            found.append(unit)
            continue
        product, bias = made[unit.inputs[places[0]]], unit.inputs[1 - places[0]]
        if np.shape(array_of(bias)) != unit.output.shape:
            found.append(unit)
            continue
        gone.add(product)
        edges = (*product.edges, unit.edges[1 - places[0]])
        found.append(Unit(VectorMap, (*product.inputs, bias), unit.output, {}, {}, edges))
    return [unit for unit in found if unit not in gone]
