"""The units of a derivation: one per operation, with a product and its bias combined."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.observe.entry import Entry, array_of, leading_to
from chainrule.rules.arrays.reduce import Mean, Sum
from chainrule.rules.arrays.shape import Reshape, Transpose
from chainrule.rules.attention.blockwise import BlockwiseAttention
from chainrule.rules.attention.plain import ScaledDotProductAttention
from chainrule.rules.elementary.arithmetic import Add, Multiply, Square
from chainrule.rules.elementary.powers import Power
from chainrule.rules.elementary.selection import Maximum
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.network.activation import Relu
from chainrule.rules.network.convolution import Convolution
from chainrule.rules.network.linear import LinearMap

from .channels import normalisations
from .products import without_layout
from .statements import statement_of
from .subject import Recording
from .unit import Unit
from .views import ConvolutionMap, LinearTransposed, MatmulTransposed, VectorMap


def units_of(recording: Recording) -> list[Unit]:
    """Return the units that the loss depends on, in the order of the forward pass."""
    reached = leading_to(recording.loss)
    uses = _uses(recording.entries, reached)
    units: list[Unit] = []
    swallowed: set[Entry] = set()
    for entry in recording.entries:
        if entry.is_leaf or entry not in reached or "part" in entry.settings or is_drawn(entry):
            continue
        filtered = _convolution_with_bias(entry, uses)
        product, turned = _product_with_bias(entry, uses), _turned_factor(entry, uses)
        if filtered is not None:
            convolution, bias = filtered
            swallowed.update((convolution, bias))
            units.append(_filtered(entry, convolution, bias))
        elif product is not None:
            factor = _turned_factor(product, uses)
            swallowed.update((product,) if factor is None else (product, factor))
            units.append(_linear(entry, product, factor))
        elif turned is not None:
            swallowed.add(turned)
            units.append(_turned(entry, turned))
        else:
            units.append(_plain(entry))
    units = [unit for unit in units if unit.output not in swallowed]
    units = normalisations(without_layout(units, uses), uses)
    _connect(units)
    made = {unit.output: unit for unit in units}
    for unit in units:
        unit.inlined = _is_inlined(unit, recording) and not _would_be_a_matrix_power(unit, made)
    return units


def single_units(recording: Recording) -> list[Unit]:
    """Return one unit for each operation that the loss depends on: nothing is combined or inlined."""
    reached = leading_to(recording.loss)
    units = [
        _plain(entry)
        for entry in recording.entries
        if entry in reached and not (entry.is_leaf or "part" in entry.settings or is_drawn(entry))
    ]
    _connect(units)
    return units


def is_drawn(entry: Entry) -> bool:
    """Whether a value was drawn at random: no formula gives it."""
    return not entry.is_leaf and entry.op.kind == "constant" and "generator" in entry.settings


def _turned(entry: Entry, turned: Entry) -> Unit:
    edges = ((entry, 0), (turned, 0), *((entry, k) for k in range(2, len(entry.inputs))))
    inputs = (entry.inputs[0], turned.inputs[0], *entry.inputs[2:])
    return Unit(MatmulTransposed if entry.op is Matmul else LinearTransposed, inputs, entry, {}, {}, edges)


def _plain(entry: Entry) -> Unit:
    edges = tuple((entry, k) for k in range(len(entry.inputs)))
    if entry.op is LinearMap and len(entry.shape) == 1:
        return Unit(VectorMap, entry.inputs, entry, {}, {}, edges)
    if entry.op is Power and np.ndim(entry.inputs[1]) == 0 and _equals(entry.inputs[1], 2):
        return Unit(Square, entry.inputs[:1], entry, {}, entry.saved, edges[:1])
    rectified = _rectified(entry)
    if rectified is not None:
        return Unit(Relu, (entry.inputs[rectified],), entry, {}, {}, edges[rectified : rectified + 1])
    if entry.op is BlockwiseAttention and not entry.settings["dropout"]:
        return _plain_attention(entry, edges)
    return Unit(entry.op, entry.inputs, entry, entry.settings, entry.saved, edges)


def _rectified(entry: Entry) -> int | None:
    """Return which argument `np.maximum(x, 0)` rectifies: it is ReLU, except where both arguments are 0."""
    if entry.op is not Maximum:
        return None
    for k in (0, 1):
        x, other = entry.inputs[k], entry.inputs[1 - k]
        if isinstance(x, Entry) and np.ndim(array_of(other)) == 0 and _equals(other, 0) and np.all(x.value != 0):
            return k
    return None


def _plain_attention(entry: Entry, edges: tuple[tuple[Entry, int], ...]) -> Unit:
    """Return blockwise attention in its plain form, with the attention weights that it did not keep."""
    inputs = entry.inputs[:4]
    settings = {key: entry.settings[key] for key in ("causal", "scale")}
    values = (x.value if isinstance(x, Entry) else np.asarray(x) for x in inputs)
    _, weights = ScaledDotProductAttention.primal_keeping(*values, **settings)
    return Unit(ScaledDotProductAttention, inputs, entry, settings, {"p": weights}, edges[:4])


def _equals(x: Any, number: float) -> bool:
    return not isinstance(x, Entry) and bool(np.all(np.asarray(x) == number))


def _linear(entry: Entry, product: Entry, factor: Entry | None) -> Unit:
    """Return a product with a bias as one unit; `factor` is its second factor if that is a transpose: `x @ w.T`."""
    position = 0 if entry.inputs[0] is product else 1
    bias, edge = entry.inputs[1 - position], (entry, 1 - position)
    if factor is not None:
        edges = ((product, 0), (factor, 0), edge)
        return Unit(LinearTransposed, (product.inputs[0], factor.inputs[0], bias), entry, {}, {}, edges)
    return Unit(LinearMap, (*product.inputs, bias), entry, {}, {}, ((product, 0), (product, 1), edge))


def _filtered(entry: Entry, convolution: Entry, bias: Entry) -> Unit:
    edges = ((convolution, 0), (convolution, 1), (bias, 0))
    inputs = (*convolution.inputs, bias.inputs[0])
    return Unit(ConvolutionMap, inputs, entry, convolution.settings, {}, edges)


def _product_with_bias(entry: Entry, uses: Mapping[Entry, int]) -> Entry | None:
    """Return the matrix product to which this entry adds a bias, if the two form a linear map."""
    if entry.op is not Add:
        return None
    for product, bias in (entry.inputs, entry.inputs[::-1]):
        if (
            isinstance(product, Entry)
            and not product.is_leaf
            and product.op is Matmul
            and uses[product] == 1
            and np.ndim(array_of(product.inputs[1])) == 2
            and np.shape(array_of(bias)) == np.shape(array_of(product.inputs[1]))[1:]
            and (product.ndim > 1 or _turned_factor(product, uses) is None)
        ):
            return product
    return None


def _convolution_with_bias(entry: Entry, uses: Mapping[Entry, int]) -> tuple[Entry, Entry] | None:
    """Return the convolution to which this entry adds a per-channel bias, and the bias reshaped for it."""
    if entry.op is not Add:
        return None
    made, bias = entry.inputs
    both = all(isinstance(x, Entry) and not x.is_leaf and uses[x] == 1 for x in (made, bias))
    if not both or (made.op, bias.op) != (Convolution, Reshape):
        return None
    return (made, bias) if isinstance(bias.inputs[0], Entry) and len(bias.inputs[0].shape) == 1 else None


def _turned_factor(entry: Entry, uses: Mapping[Entry, int]) -> Entry | None:
    """Return the second factor of a product if it is a transpose used by this product only."""
    factor = entry.inputs[1] if entry.op in (Matmul, LinearMap) else None
    if not isinstance(factor, Entry) or factor.is_leaf or factor.op is not Transpose or uses[factor] != 1:
        return None
    if entry.op is LinearMap and entry.ndim < 2:
        return None
    last_two = np.array_equal(np.swapaxes(array_of(factor.inputs[0]), -1, -2), factor.value)
    return (
        factor
        if last_two and factor.value.ndim >= 2 and factor.inputs[0].shape == np.swapaxes(factor.value, -1, -2).shape
        else None
    )


def _uses(entries: Sequence[Entry], reached: set[Entry]) -> dict[Entry, int]:
    counts = dict.fromkeys(entries, 0)
    for entry in reached:
        for x in entry.inputs:
            if isinstance(x, Entry):
                counts[x] += 1
    return counts


def _connect(units: Sequence[Unit]) -> None:
    """Set for each unit which units use its output, or a part of it."""
    users: dict[Entry, list[Unit]] = {}
    for unit in units:
        for x in dict.fromkeys(e for e in unit.inputs if isinstance(e, Entry)):
            users.setdefault(x, []).append(unit)
            if "part" in x.settings:
                users.setdefault(x.inputs[0], []).append(unit)
    for unit in units:
        unit.consumers = users.get(unit.output, [])


def _is_inlined(unit: Unit, recording: Recording) -> bool:
    """Whether a value is inlined into the formula that uses it: arithmetic within one line of the program."""
    is_inlined = unit.record.is_inlined or _is_number(unit)
    if not is_inlined or len(unit.consumers) != 1 or (unit.output in (recording.loss, recording.output)):
        return False
    user = unit.consumers[0]
    is_total = user.record in (Sum, Mean) and user.settings.get("axis") is None and not _is_product(unit)
    if (not user.record.is_inlined and not is_total) or sum(x is unit.output for x in user.inputs) != 1:
        return False
    is_elementwise = unit.record in (Multiply, Square)
    is_whole = all(np.ndim(array_of(x)) for x in unit.inputs) or len(unit.output.shape) > 2
    if _is_product(user) and is_elementwise and is_whole:
        return False  # next to another factor it would read as one product of three
    if unit.output.module != user.output.module or unit.output.source != user.output.source:
        return False
    if statement_of(unit.output) != statement_of(user.output) or _is_of_an_earlier_run(unit, user):
        return False
    if not unit.output.tracked or (_is_product(unit) and any(len(np.shape(array_of(x))) > 2 for x in unit.inputs)):
        return False
    if _is_product(unit) and _is_one_number(unit.output.gradient):
        return False  # a product with the number alone would not be one with the array of it
    return is_total or _is_product(user) or unit.output.shape == user.output.shape


def _is_of_an_earlier_run(unit: Unit, user: Unit) -> bool:
    """Whether the line ran again between two values: within one run, what is used comes before its user.

    All that a function of a library does is at one place, and so are the additions of `sum`, which are one sum.
    """
    if unit.output.where is None or user.output.where is None:
        return False
    (code, offset), (of_user, offset_of_user) = unit.output.where, user.output.where
    is_again = offset == offset_of_user and unit.record is user.record and unit.record is not Add
    return code is of_user and (offset > offset_of_user or is_again)


def _is_number(unit: Unit) -> bool:
    """Whether it is the sum or the mean of everything, which is written inside a longer formula: `-mean(...)`."""
    return unit.record in (Sum, Mean) and unit.output.shape == () and unit.settings.get("axis") is None


def _would_be_a_matrix_power(unit: Unit, made: Mapping[Entry, Unit]) -> bool:
    """Whether the power of each element would read as a power of the matrix, as in (A B)²."""
    return unit.consumers[0].record in (Square, Power) and _holds_matrix_product(unit, made)


def _holds_matrix_product(unit: Unit, made: Mapping[Entry, Unit]) -> bool:
    """Whether a unit's formula, with what is inlined into it, has a product of matrices that is a matrix."""
    if _is_product(unit) and len(unit.output.shape) > 1:
        return True
    inner = (made[x] for x in unit.inputs if isinstance(x, Entry) and x in made)
    return any(one.inlined and _holds_matrix_product(one, made) for one in inner)


def _is_one_number(gradient: Any) -> bool:
    """Whether a gradient of several elements is the same number everywhere."""
    return bool(np.size(gradient) > 1 and np.all(gradient == np.ravel(gradient)[0]))


def _is_product(unit: Unit) -> bool:
    return unit.record.role is Role.DENSE
