r"""Attention that is written by hand, softmax(Q Kᵀ · scale + mask) V, as the operation that keeps no weights.

Forward and backward pass are recognised together, by the rules that softmax, the mask and the products have. Whether
a mask is the causal one is seen in its values: the arrays that they come from are noted as `relied`, and a plan holds
only as long as their content does. Hidden scores are those that a mask sets to −10⁹ or less, or lowers by as much.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.rules.arrays.reduce import Sum
from chainrule.rules.arrays.shape import Transpose
from chainrule.rules.attention.blocks import goes_by_lanes
from chainrule.rules.attention.blockwise import BlockwiseAttention
from chainrule.rules.attention.scores import OPEN
from chainrule.rules.elementary.arithmetic import Add, Divide, Multiply, Subtract
from chainrule.rules.elementary.selection import Where
from chainrule.rules.linalg.einsum import Einsum
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.network.softmax import Softmax

from .program import Instruction, Program, Value, applied, values_in
from .recomputing import pull_of

HIDDEN = -1e9
"""Up to which number a score that is added or chosen hides: beside scores that are not as large its weight is 0."""
Factor = tuple[Value, bool]
"""A matrix, and whether its last two axes change places."""


def write_as_attention(program: Program) -> bool:
    """Replace what is attention by its operation; return whether there was any."""
    acts = [k for k, i in enumerate(program.instructions) if i.kind in ("effect", "change")]
    found = False
    users = program.users()
    for i in list(program.instructions):
        if i.kind != "op" or i.op not in (Matmul, Einsum):
            continue
        match = _Match(program, users)
        if match.is_attention(i) and match.is_apart(acts):
            match.replace()
            users = program.users()
            acts = [k for k, j in enumerate(program.instructions) if j.kind in ("effect", "change")]
            found = True
    return found


def factors_of(i: Instruction | None) -> tuple[Factor, Factor] | None:
    """Return the two factors of a product of matrices, or of stacks of them with the same leading axes, or None."""
    if i is None or i.kind != "op" or i.op not in (Matmul, Einsum) or len(i.args) != 2:
        return None
    a, b = i.args
    if not isinstance(a, Value) or not isinstance(b, Value) or not a.ndim == b.ndim == i.outputs[0].ndim >= 2:
        return None
    turns = (False, False) if i.op is Matmul else _turns(i.settings["subscripts"])
    if turns is None or a.shape[:-2] != b.shape[:-2]:
        return None
    if turns[2:]:  # the second operand is the first factor
        a, b = b, a
    (a, at), (b, bt) = _peeled(a), _peeled(b)
    return (a, at != turns[0]), (b, bt != turns[1])


def _turns(subscripts: str) -> tuple[bool, ...] | None:
    """Return which factors of an einsum are transposed, and a third element where the operands change places."""
    inputs, _, out = subscripts.replace(" ", "").partition("->")
    parts = inputs.split(",")
    if len(parts) != 2 or "." in subscripts or len({len(x) for x in (*parts, out)}) > 1 or len(out) < 2:
        return None
    if any(x[:-2] != out[:-2] or len(set(x)) < len(x) for x in parts):
        return None
    swapped = out[-2] not in parts[0][-2:]
    left, right = (x[-2:] for x in (reversed(parts) if swapped else parts))
    row, column = out[-2], out[-1]
    inner = (set(left) - {row}) & (set(right) - {column})
    if row not in left or column not in right or len(inner) != 1 or inner & {row, column}:
        return None
    return (left[0] != row, right[1] != column, *((True,) if swapped else ()))


def _peeled(x: Value) -> Factor:
    """Return what a value is, or is the transpose of."""
    turned = False
    while x.maker is not None and _is_turn(x.maker):
        x, turned = x.maker.args[0], not turned
    return x, turned


def _is_turn(i: Instruction) -> bool:
    """Whether an instruction makes the last two axes of an array change places."""
    if i.kind != "op" or i.op is not Transpose or not isinstance(i.args[0], Value):
        return False
    n, axes = i.args[0].ndim, i.settings.get("axes")
    if n < 2 or (axes is None and n > 2):
        return False
    return axes is None or tuple(a % n for a in axes) == (*range(n - 2), n - 1, n - 2)


@dataclass
class _Match:
    """What of a program is one attention, and what was found about it."""

    program: Program
    users: dict[Value, list[Instruction]]
    inside: list[Instruction] = field(default_factory=list)
    """The instructions that its operation takes the place of."""
    scale: float = 1.0
    hidden: Any = None
    """Which scores are hidden, as booleans; None where all are seen."""
    relied: list[Any] = field(default_factory=list)
    backward: list[Instruction] = field(default_factory=list)
    turned_back: dict[Value, Value] = field(default_factory=dict)
    """Transposes of a gradient that was computed transposed, and the gradient."""

    def is_attention(self, product: Instruction) -> bool:
        """Whether a product is one of softmax's weights with values, which all have a place in one attention."""
        self.product = product
        factors = factors_of(product)
        if factors is None or factors[0][1] or factors[1][1]:
            return False
        self.p, self.v = factors[0][0], factors[1][0]
        soft = self.p.maker
        if (
            soft is None
            or soft.kind != "op"
            or soft.op is not Softmax
            or soft.settings["axis"] % self.p.ndim != self.p.ndim - 1
        ):
            return False
        self.inside += [product, soft]
        return self._has_scores(soft.args[0]) and self._fits() and self._has_backward()

    def _has_scores(self, x: Any) -> bool:
        """Whether scores are products of queries and keys, scaled by positive numbers, with a mask or without."""
        while isinstance(x, Value) and x.maker is not None:
            i = x.maker
            self.inside.append(i)
            if (factors := factors_of(i)) is not None:
                (self.q, turned), (self.k, keys_turned) = factors
                return not turned and keys_turned and self._is_known_mask(x.shape)
            following = self._before(i)
            if following is None:
                return False
            x = following
        return False

    def _before(self, i: Instruction) -> Value | None:
        """Return the scores that an instruction scales or masks, and note by what; None if it does something else."""
        if i.kind != "op":
            return None
        if (scaled := _scaled(i)) is not None:
            x, factor = scaled
            self.scale *= factor
            return x if factor > 0 else None
        if i.op is Add:
            for x, mask in (i.args, i.args[::-1]):
                if isinstance(x, Value) and x.shape == i.outputs[0].shape and (m := self._known(mask)) is not None:
                    hidden = m <= HIDDEN
                    return x if self._hides(hidden, np.all(hidden | (m == 0))) else None
        if i.op is Where:
            condition = self._known(i.args[0])
            for x, other, hides in ((i.args[1], i.args[2], False), (i.args[2], i.args[1], True)):
                number = self._known(other)
                if condition is None or number is None or not isinstance(x, Value) or x.shape != i.outputs[0].shape:
                    continue
                return x if self._hides((condition != 0) == hides, np.all(number <= HIDDEN)) else None
        return None

    def _hides(self, hidden: Any, is_mask: Any) -> bool:
        self.hidden = hidden if self.hidden is None else self.hidden | hidden
        return bool(is_mask)

    def _known(self, x: Any) -> Any:
        """Return an array that does not depend on arguments, and note what it comes from; else None."""
        if not isinstance(x, Value):
            return np.asarray(x)
        roots: list[Any] = []
        todo = [x]
        while todo:
            value = todo.pop()
            if value.kind in ("constant", "state") and value.after is None and isinstance(value.array, np.ndarray):
                roots.append(value.array)
            elif value.maker is not None and value.maker.kind == "op" and value.kind == "result":
                todo += values_in((value.maker.args, value.maker.settings))
            else:
                return None
        self.relied += roots
        return x.array

    def _is_known_mask(self, shape: tuple[int, ...]) -> bool:
        """Whether nothing is hidden, or exactly what comes later."""
        if self.hidden is None:
            return True
        hidden = self.hidden
        if hidden.ndim < 2 or any(n != 1 for n in hidden.shape[:-2]) or hidden.shape[-2:] != shape[-2:]:
            return False
        n, m = shape[-2:]
        return n == m and np.array_equal(hidden.reshape(n, m), ~np.tri(n, dtype=bool))

    def _fits(self) -> bool:
        """Whether there is machine code for these arrays."""
        q, k, v = self.q, self.k, self.v
        if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2] or k.shape[-2] != v.shape[-2]:
            return False
        return goes_by_lanes(np.asarray(q.array), np.asarray(k.array), np.asarray(v.array), OPEN, 0.0)

    # The backward pass

    def _has_backward(self) -> bool:
        """Whether the weights have no other use than in softmax's adjoint and the values' gradient."""
        others = [i for i in self._readers(self.p) if i is not self.product]
        if not others:
            return True
        products = [i for i in others if factors_of(i) is not None]
        if len(products) != 1 or len(others) != 3:
            return False
        found = self._of_weights(products[0])
        if found is None:
            return False
        self.y_bar, self.of_v = found
        adjoint = self._adjoint([i for i in others if i is not products[0]])
        return adjoint is not None and self._has_gradients(adjoint)

    def _of_weights(self, product: Instruction) -> tuple[Value, Factor] | None:
        """Return the cotangent that a product of the weights' transpose is with, and the gradient that it makes."""
        self.backward.append(product)
        return self._turned_with(product, self.p)

    def _turned_with(self, product: Instruction, x: Value) -> tuple[Value, Factor] | None:
        """Return z and the result, where it is xᵀ z, or the transposed one where it is zᵀ x."""
        (a, a_turned), (b, b_turned) = factors_of(product) or ((x, False), (x, False))
        if a is x and a_turned and not b_turned:
            return b, (product.outputs[0], False)
        if b is x and not b_turned and a_turned:
            return a, (product.outputs[0], True)
        return None

    def _adjoint(self, pair: list[Instruction]) -> Value | None:
        """Return the cotangent of the scores that softmax got, P (P̄ − the row sums of P̄ P), where it is that."""
        if any(i.kind != "op" or i.op is not Multiply for i in pair):
            return None
        for weighed, last in (pair, pair[::-1]):
            p_bar = _other(weighed, self.p)
            sums = self.users.get(weighed.outputs[0], [])
            if p_bar is None or len(sums) != 1 or not _is_row_sum(sums[0]):
                continue
            less = _other(last, self.p)
            i = None if less is None else less.maker
            if i is None or i.kind != "op" or i.op is not Subtract or i.args[0] is not p_bar:
                continue
            factors = factors_of(p_bar.maker)
            if i.args[1] is not sums[0].outputs[0] or factors != ((self.y_bar, False), (self.v, True)):
                continue
            assert p_bar.maker is not None
            self.backward += [p_bar.maker, weighed, sums[0], i, last]
            return last.outputs[0]
        return None

    def _has_gradients(self, x: Value) -> bool:
        """Whether scores' cotangents are scaled as the scores were, and make those of queries and keys."""
        scale = 1.0
        while True:
            readers = self._readers(x)
            if len(readers) != 1 or readers[0].kind != "op":
                break
            (i,) = readers
            self.backward.append(i)
            if (scaled := _scaled(i)) is not None:
                scale *= scaled[1]
            elif not (i.op is Where and x in i.args[1:] and self._is_zero(i, x)):
                return False
            x = i.outputs[0]
        if len(readers) != 2 or scale != self.scale:
            return False
        for of_q, of_k in (readers, readers[::-1]):
            keys = self._turned_with(of_k, x)
            if factors_of(of_q) == ((x, False), (self.k, False)) and keys is not None and keys[0] is self.q:
                self.of_q, self.of_k = (of_q.outputs[0], False), keys[1]
                self.backward += [of_q, of_k]
                return True
        return False

    def _is_zero(self, i: Instruction, x: Value) -> bool:
        """Whether a choice sets cotangents to 0 where scores are hidden: it does not matter there, but nowhere else."""
        _, then, other = i.args
        condition = self._known(i.args[0])
        if condition is None or self.hidden is None:
            return False
        kept, number = (condition != 0, other) if then is x else (condition == 0, then)
        return np.array_equal(np.asarray(number), 0) and bool(np.all(kept | self.hidden))

    def _readers(self, x: Value) -> list[Instruction]:
        """Return what reads a value, or its transpose."""
        found: list[Instruction] = []
        for i in self.users.get(x, []):
            found += self._readers(i.outputs[0]) if _is_turn(i) else [i]
        return list(dict.fromkeys(found))

    # Its place

    def is_apart(self, acts: Iterable[int]) -> bool:
        """Whether nothing else reads what is inside, all of it is of one type, and nothing acts meanwhile."""
        place = {i: k for k, i in enumerate(self.program.instructions)}
        mine = set(self.inside) | set(self.backward)
        ends = {self.product.outputs[0], *(x for x, _ in self._gradients())}
        for i in mine:
            for value in i.outputs:
                if value.dtype != self.q.dtype:
                    return False
                if value in ends:
                    continue
                if value in self.program.outputs or any(j not in mine for j in self._readers(value)):
                    return False
        places = [place[i] for i in mine]
        return not any(min(places) < k < max(places) for k in acts)

    def _gradients(self) -> list[Factor]:
        return [self.of_q, self.of_k, self.of_v] if self.backward else []

    def replace(self) -> None:
        """Let the operation take the place of all of them."""
        program, op, y = self.program, BlockwiseAttention, self.product.outputs[0]
        settings = {"causal": self.hidden is not None, "scale": self.scale, "dropout": 0.0, "mask_moves": False}
        args = (self.q, self.k, self.v, OPEN, np.uint64(0))
        lse = program.value("result", np.empty(self.q.shape[:-1], self.q.dtype))
        forward = Instruction(op.name, "op", op.primal_keeping, args, settings, [y, lse], (0, 1), op=op)
        new = {self.product: [forward]}
        if self.backward:
            place = {i: k for k, i in enumerate(program.instructions)}
            new[min(self.backward, key=place.__getitem__)] = self._pulled(args, y, lse, settings)
        for i, several in new.items():
            for made in several:
                made.source = i.source
                for value in made.outputs:
                    value.maker = made
        gone = set(self.inside) | set(self.backward)
        program.instructions = [j for i in program.instructions if i in new or i not in gone for j in new.get(i, [i])]
        program.substitute(self.turned_back)
        program.relied += self.relied

    def _pulled(self, args: Any, y: Value, lse: Value, settings: Any) -> list[Instruction]:
        """Return the backward pass, and the transposes that something reads of its results."""
        outputs, turns = [], []
        for out, turned in self._gradients():
            if not turned:
                outputs.append(out)
                continue
            made = self.program.value("result", np.swapaxes(out.array, -1, -2))
            axes = (*range(out.ndim - 2), out.ndim - 1, out.ndim - 2)
            turn = applied(self.program, Transpose, (made,), {"axes": axes})
            turn.outputs = [out]
            outputs.append(made)
            self.turned_back |= {i.outputs[0]: made for i in self.users.get(out, []) if _is_turn(i)}
            turns.append(turn)
        saved = (*args, y, lse)
        function = pull_of(BlockwiseAttention)
        name = f"{BlockwiseAttention.__name__}.vjp"
        given = (self.y_bar, saved, settings)
        return [Instruction(name, "call", function, given, {}, outputs, (0, 1, 2, None, None)), *turns]


def _scaled(i: Instruction) -> tuple[Value, float] | None:
    """Return what an instruction multiplies by one number, and the number, or None."""
    if i.op is Divide and isinstance(i.args[0], Value) and (number := _number(i.args[1])) is not None:
        return (i.args[0], 1 / number) if number else None
    if i.op is Multiply:
        for x, other in (i.args, i.args[::-1]):
            if isinstance(x, Value) and (number := _number(other)) is not None:
                return x, number
    return None


def _number(x: Any) -> float | None:
    return float(x) if isinstance(x, int | float | np.floating | np.integer) else None


def _other(i: Instruction, x: Value) -> Value | None:
    """Return the factor beside x of a product of two arrays."""
    rest = [y for y in i.args if y is not x]
    return rest[0] if len(rest) == 1 and isinstance(rest[0], Value) else None


def _is_row_sum(i: Instruction) -> bool:
    if i.kind != "op" or i.op is not Sum or not i.settings["keepdims"]:
        return False
    axis, n = i.settings["axis"], i.args[0].ndim
    axes = axis if isinstance(axis, tuple) else (axis,)
    return len(axes) == 1 and axes[0] is not None and axes[0] % n == n - 1
