"""Register tiles: the innermost loops of a convolution, written as vector instructions.

A tile is a small matrix of sums that stays in registers while one loop accumulates into all of it. A compiler's
auto-vectoriser does not choose such a tile, and without one every product needs a load and a store. The two loops here
are therefore emitted as LLVM IR on vectors of `lanes` elements; they are portable, and only the largest tile size
depends on the processor. (Goto & van de Geijn, "Anatomy of high-performance matrix
multiplication", 2008, section 6; Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD
architectures", 2018, for tiles over positions that are read in place.)

`correlate_tile` and `weigh_tile` are called from kernels. With Numba's compiler off (`NUMBA_DISABLE_JIT=1`) they are
plain Python loops that follow their definition.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from chainrule.kernels.jit import inline

WIDE = bool(binding.get_host_cpu_features().get("avx512f", False))
"""Whether a vector has 64 bytes, and there are 32 of them; otherwise 32 bytes, for which 16 are enough."""
BYTES = 64 if WIDE else 32
COLUMNS = 3
"""How many vectors of positions a tile of `correlate_tile` has at most."""
TAPS = 4
"""How many elements of a kernel a tile of `weigh_tile` has."""
HEIGHTS = (1, 2, 4, 6, 8)
"""How many channels a tile may have; of these, a processor with few registers should use the first."""
HIGHEST = 8 if WIDE else 4
HIGHEST_WEIGH = 6 if WIDE else 2


def lanes(itemsize: int) -> int:
    """Return the number of elements in a vector."""
    return BYTES // itemsize


def height(channels: int, highest: int) -> int:
    """Return the tile height with the lowest estimated cost for these channels, the larger on a tie.

    The cost of a loop step grows with the height, but is at least the latency of one addition.
    """
    fitting = [m for m in HEIGHTS if m <= highest]
    return min(reversed(fitting), key=lambda m: -(-channels // m) * max(4.0, 1.5 * m))


class Emitter:
    """Emits the instructions of one tile: array pointers, vectors of elements, sums in registers."""

    def __init__(self, context: Any, builder: Any, kinds: dict[str, Any], values: dict[str, Any], data: str) -> None:
        self._context, self._builder, self._kinds, self.values = context, builder, kinds, values
        self.itemsize = kinds[data].dtype.bitwidth // 8
        self.element = context.get_value_type(kinds[data].dtype)
        self.lanes = lanes(self.itemsize)
        self._vector = ir.VectorType(self.element, self.lanes)

    def pointer(self, array: str, start: Any) -> Any:
        """Return a pointer to element `start` of the named array."""
        made = self._context.make_array(self._kinds[array])(self._context, self._builder, self.values[array])
        return self.at(made.data, start)

    def at(self, pointer: Any, index: Any) -> Any:
        """Return the pointer advanced by a number of elements, given as a Python number or a value."""
        return self._builder.gep(pointer, [self._number(index) if isinstance(index, int) else index])

    def times(self, value: Any, factor: int) -> Any:
        """Return the product of a value and a Python number."""
        return self._builder.mul(value, self._number(factor))

    def load(self, pointer: Any) -> Any:
        """Load a vector."""
        return self._builder.load(self._as_vector(pointer), align=self.itemsize)

    def store(self, value: Any, pointer: Any) -> None:
        """Store a vector."""
        self._builder.store(value, self._as_vector(pointer), align=self.itemsize)

    def spread(self, scalar: Any) -> Any:
        """Return a vector with the scalar in every element."""
        index, undefined = ir.IntType(32), ir.Constant(self._vector, ir.Undefined)
        first = self._builder.insert_element(undefined, scalar, ir.Constant(index, 0))
        zeros = ir.Constant(ir.VectorType(index, self.lanes), [0] * self.lanes)
        return self._builder.shuffle_vector(first, undefined, zeros)

    def sums(self, rows: int, columns: int) -> list[list[Any]]:
        """Allocate zeroed accumulators; LLVM promotes them to registers."""
        places = [[cgutils.alloca_once(self._builder, self._vector) for _ in range(columns)] for _ in range(rows)]
        for place in (one for row in places for one in row):
            self._builder.store(ir.Constant(self._vector, None), place)
        return places

    def add_product(self, place: Any, a: Any, b: Any) -> None:
        """Add a product to a sum, by fused multiply-add where the processor has one."""
        product = self._builder.fmul(a, b, flags=["contract"])
        total = self._builder.fadd(product, self._builder.load(place), flags=["contract"])
        self._builder.store(total, place)

    def totals(self, vectors: list[Any]) -> Any:
        """Return the sums of four vectors as one: halves are added pairwise and then share a vector."""
        run = self.lanes
        while len(vectors) > 1:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [self._halved(a, b, 2 * self.lanes, run) for a, b in pairs]
            run //= 2
        (vector,) = vectors
        while run > 1:
            vector = self._halved(vector, vector, 4 * run, run)
            run //= 2
        return vector

    def _halved(self, a: Any, b: Any, length: int, run: int) -> Any:
        """Return the sum of the two halves of each run among the first elements of a, then of b."""
        index, half = ir.IntType(32), run // 2
        places = [start + i for start in range(0, length, run) for i in range(half)]
        kind = ir.VectorType(index, len(places))
        low = self._builder.shuffle_vector(a, b, ir.Constant(kind, places))
        high = self._builder.shuffle_vector(a, b, ir.Constant(kind, [place + half for place in places]))
        return self._builder.fadd(low, high)

    def add_to(self, pointer: Any, vector: Any) -> None:
        """Add four elements to those in memory."""
        place = self._builder.bitcast(pointer, vector.type.as_pointer())
        total = self._builder.fadd(self._builder.load(place, align=self.itemsize), vector)
        self._builder.store(total, place, align=self.itemsize)

    def move(self, source: Any, target: Any, count: int) -> None:
        """Copy `count` elements as one vector."""
        vector = ir.VectorType(self.element, count).as_pointer()
        value = self._builder.load(self._builder.bitcast(source, vector), align=self.itemsize)
        self._builder.store(value, self._builder.bitcast(target, vector), align=self.itemsize)

    def pick(self, source: Any, target: Any, count: int) -> None:
        """Copy every second of 2 count - 1 elements: the first half from one vector, the rest from the next."""
        vector = ir.VectorType(self.element, count)
        ends = [self._builder.bitcast(self.at(source, start), vector.as_pointer()) for start in (0, count - 1)]
        halves = [self._builder.load(end, align=self.itemsize) for end in ends]
        places = [*range(0, count, 2), *range(count + 1, 2 * count, 2)]
        value = self._builder.shuffle_vector(*halves, ir.Constant(ir.VectorType(ir.IntType(32), count), places))
        self._builder.store(value, self._builder.bitcast(target, vector.as_pointer()), align=self.itemsize)

    def _number(self, value: int) -> Any:
        return ir.Constant(self._context.get_value_type(types.intp), value)

    def _as_vector(self, pointer: Any) -> Any:
        return self._builder.bitcast(pointer, self._vector.as_pointer())


def _emit_correlate(emit: Emitter, builder: Any, rows: int, columns: int) -> None:
    given = emit.values
    w, x, y = emit.pointer("w", given["w0"]), emit.pointer("x", given["x0"]), emit.pointer("y", given["y0"])
    offsets = emit.pointer("offsets", 0)
    sums = emit.sums(rows, columns)
    with cgutils.for_range(builder, given["taps"]) as loop:
        under = emit.at(x, builder.load(emit.at(offsets, loop.index)))
        values = [emit.load(emit.at(under, n * emit.lanes)) for n in range(columns)]
        weights = emit.at(w, emit.times(loop.index, rows))
        for m in range(rows):
            weight = emit.spread(builder.load(emit.at(weights, m)))
            for n in range(columns):
                emit.add_product(sums[m][n], weight, values[n])
    for m in range(rows):
        row = emit.at(y, emit.times(given["y_pitch"], m))
        for n in range(columns):
            emit.store(builder.load(sums[m][n]), emit.at(row, n * emit.lanes))


def _emit_weigh(emit: Emitter, builder: Any, rows: int, columns: int) -> None:
    given = emit.values
    x, y, offsets = emit.pointer("x", given["x0"]), emit.pointer("y", given["y0"]), emit.pointer("offsets", given["r0"])
    taps = [builder.load(emit.at(offsets, n)) for n in range(columns)]
    sums = emit.sums(rows, columns)
    with cgutils.for_range(builder, given["samples"]) as sample:
        z = emit.pointer("z", builder.add(given["z0"], builder.mul(sample.index, given["z_step"])))
        under = emit.at(x, builder.mul(sample.index, given["x_step"]))
        z_rows = [emit.at(z, emit.times(given["z_pitch"], m)) for m in range(rows)]
        x_rows = [emit.at(under, tap) for tap in taps]
        with cgutils.for_range(builder, given["vectors"]) as loop:
            i = emit.times(loop.index, emit.lanes)
            values = [emit.load(emit.at(row, i)) for row in x_rows]
            for m in range(rows):
                z_value = emit.load(emit.at(z_rows[m], i))
                for n in range(columns):
                    emit.add_product(sums[m][n], z_value, values[n])
    for m in range(rows):
        row = emit.at(y, emit.times(given["y_pitch"], m))
        emit.add_to(row, emit.totals([builder.load(one) for one in sums[m]]))


def _emit_pick(emit: Emitter, _: Any, rows: int, __: int) -> None:
    given = emit.values
    emit.pick(emit.pointer("x", given["x0"]), emit.pointer("y", given["y0"]), rows)


def _emit_move(emit: Emitter, _: Any, rows: int, __: int) -> None:
    given = emit.values
    emit.move(emit.pointer("x", given["x0"]), emit.pointer("y", given["y0"]), rows)


def tile(write: Callable[[Emitter, Any, int, int], None], kinds: dict[str, Any]) -> Any:
    """Return a function's signature and the generator of its instructions.

    `kinds` maps arguments to types: `rows` and, for some, `columns` are literals, `x` is a numeric array.
    """
    rows, columns = kinds["rows"].literal_value, kinds["columns"].literal_value if "columns" in kinds else 1
    signature = types.void(*kinds.values())

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        typed = dict(zip(kinds, signature.args, strict=True))
        write(Emitter(context, builder, typed, dict(zip(kinds, args, strict=True)), "x"), builder, rows, columns)
        return context.get_dummy_value()

    return signature, generate


def _correlate_by_definition(
    rows: int, columns: int, w: Any, w0: int, x: Any, x0: int, offsets: Any, taps: int, y: Any, y0: int, y_pitch: int
) -> None:
    width = columns * lanes(x.itemsize)
    weights = w[w0 : w0 + taps * rows].reshape(taps, rows)
    under = np.stack([x[x0 + offset : x0 + offset + width] for offset in offsets[:taps]])
    for m, row in enumerate(weights.T @ under):
        y[y0 + m * y_pitch : y0 + m * y_pitch + width] = row


def _weigh_by_definition(
    rows: int,
    columns: int,
    z: Any,
    z0: int,
    z_pitch: int,
    z_step: int,
    x: Any,
    x0: int,
    x_step: int,
    offsets: Any,
    r0: int,
    samples: int,
    vectors: int,
    y: Any,
    y0: int,
    y_pitch: int,
) -> None:
    width = vectors * lanes(x.itemsize)
    for b, m, n in np.ndindex(samples, rows, columns):
        begin, under = z0 + b * z_step + m * z_pitch, x0 + b * x_step + offsets[r0 + n]
        y[y0 + m * y_pitch + n] += z[begin : begin + width] @ x[under : under + width]


def _move_by_definition(rows: int, x: Any, x0: int, y: Any, y0: int) -> None:
    y[y0 : y0 + rows] = x[x0 : x0 + rows]


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _move_compiled(_: Any, rows: Any, x: Any, x0: Any, y: Any, y0: Any) -> Any:
    return tile(_emit_move, {"rows": rows, "x": x, "x0": x0, "y": y, "y0": y0})


def _pick_by_definition(rows: int, x: Any, x0: int, y: Any, y0: int) -> None:
    y[y0 : y0 + rows] = x[x0 : x0 + 2 * rows : 2]


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _pick_compiled(_: Any, rows: Any, x: Any, x0: Any, y: Any, y0: Any) -> Any:
    return tile(_emit_pick, {"rows": rows, "x": x, "x0": x0, "y": y, "y0": y0})


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _correlate_compiled(
    _: Any,
    rows: Any,
    columns: Any,
    w: Any,
    w0: Any,
    x: Any,
    x0: Any,
    offsets: Any,
    taps: Any,
    y: Any,
    y0: Any,
    y_pitch: Any,
) -> Any:
    kinds = {"rows": rows, "columns": columns, "w": w, "w0": w0, "x": x, "x0": x0, "offsets": offsets, "taps": taps}
    return tile(_emit_correlate, {**kinds, "y": y, "y0": y0, "y_pitch": y_pitch})


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _weigh_compiled(
    _: Any,
    rows: Any,
    columns: Any,
    z: Any,
    z0: Any,
    z_pitch: Any,
    z_step: Any,
    x: Any,
    x0: Any,
    x_step: Any,
    offsets: Any,
    r0: Any,
    samples: Any,
    vectors: Any,
    y: Any,
    y0: Any,
    y_pitch: Any,
) -> Any:
    kinds = {"rows": rows, "columns": columns, "z": z, "z0": z0, "z_pitch": z_pitch, "z_step": z_step, "x": x}
    kinds |= {"x0": x0, "x_step": x_step, "offsets": offsets, "r0": r0, "samples": samples, "vectors": vectors}
    return tile(_emit_weigh, {**kinds, "y": y, "y0": y0, "y_pitch": y_pitch})


correlate_tile: Any = _correlate_by_definition if numba.config.DISABLE_JIT else _correlate_compiled
"""Set y_{m, i} = sum over r of w_{r, m} x_{i + offset_r}, for `rows` channels m and `columns` vectors of positions i.

All arrays have one axis; `w0`, `x0` and `y0` are where the tile begins in them, and `y_pitch` is between its rows.
`offsets` are those of the first `taps` elements of a kernel. The tile's size must be literal.
"""
weigh_tile: Any = _weigh_by_definition if numba.config.DISABLE_JIT else _weigh_compiled
"""Add to y_{m, n} the sum over samples b and positions i of z_{b, m, i} x_{b, i + offset_n}, for `columns` offsets.

`z_step` and `x_step` are from one sample to the next, `z_pitch` and `y_pitch` between rows, and `r0` is the first of
the offsets. There are `vectors` whole vectors of positions.
"""
move: Any = _move_by_definition if numba.config.DISABLE_JIT else _move_compiled
"""Copy `rows` elements from `x0` in x to `y0` in y, as one vector; their number must be literal."""

pick: Any = _pick_by_definition if numba.config.DISABLE_JIT else _pick_compiled
"""Copy `rows` elements, every second from `x0` in x on, to `y0` in y; their number must be literal."""


@inline
def copy(x: Any, x0: int, y: Any, y0: int, count: int) -> None:
    """Copy a row in whole vectors; the last may overlap the one before."""
    if count >= 16:
        for i in range(0, count - 15, 16):
            move(16, x, x0 + i, y, y0 + i)
        move(16, x, x0 + count - 16, y, y0 + count - 16)
    elif count >= 8:
        move(8, x, x0, y, y0)
        move(8, x, x0 + count - 8, y, y0 + count - 8)
    elif count >= 4:
        move(4, x, x0, y, y0)
        move(4, x, x0 + count - 4, y, y0 + count - 4)
    else:
        for i in range(count):
            y[y0 + i] = x[x0 + i]


@inline
def copy_every_second(x: Any, x0: int, y: Any, y0: int, count: int) -> None:
    """Copy `count` elements of a row, with a step of two."""
    if count >= 8:
        for i in range(0, count - 7, 8):
            pick(8, x, x0 + 2 * i, y, y0 + i)
        pick(8, x, x0 + 2 * count - 16, y, y0 + count - 8)
    else:
        for i in range(count):
            y[y0 + i] = x[x0 + 2 * i]
