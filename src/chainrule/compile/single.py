"""A run of small steps as one generated function.

In a small network a call from Python costs more than the work that it does. Where a run of steps consists of loops,
matrix products and cross-entropy alone, and is small, it becomes one function: it gets the addresses of all buffers in
one array, and calls BLAS itself.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .generated import HEADER, function_of
from .loops import TYPES, Ranges, needs_split
from .program import Instruction, Value, values_in
from .steps import Run

MOST = 2**22
"""Floating-point operations: above, the calls from Python do not matter, and separate loops compile faster."""
LONGEST, PIECE = 16, 8
"""A longer run of steps is cut into functions of so many: the time that compiling takes grows with the square of a
function's length, and long programs repeat themselves, so that many pieces are one function."""
BY_LOOPS = 2**12
"""Up to so many multiplications a product is cheaper as loops than as a call of BLAS."""

SINGLE_HEADER = f"""{HEADER}
from chainrule.kernels.blas import product
from chainrule.kernels.cross_entropy import gradient, losses_and_gradient, losses_and_probabilities
from chainrule.kernels.places import carray, pointer
from numpy import int8, int16, int32, uint8, uint16, uint32, uint64

"""

Buffer = Callable[[Value], Any]


def numba_is_off() -> bool:
    """Whether Numba's compiler is switched off: addresses mean nothing to Python."""
    import numba

    return bool(numba.config.DISABLE_JIT)


class _Places:
    """The buffers that a function uses, each under one name for each shape."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        self.lines: list[str] = []
        self._names: dict[tuple[int, tuple[int, ...], str], str] = {}
        self._addresses: dict[int, int] = {}

    def name(self, array: Any, shape: tuple[int, ...]) -> str:
        """Return the name of contiguous memory as an array of a shape."""
        address = array.__array_interface__["data"][0]
        key = (address, shape, array.dtype.name)
        if key not in self._names:
            if address not in self._addresses:
                self._addresses[address] = len(self.arrays)
                self.arrays.append(array)
            name = self._names[key] = f"a{len(self._names)}"
            kind = TYPES.get(array.dtype, array.dtype.name)
            size = shape[0] if len(shape) == 1 else shape
            self.lines.append(f"{name} = carray(pointer(places[{self._addresses[address]}]), {size}, {kind})")
        return self._names[key]


def single(steps: Sequence[Any], buffer: Buffer) -> Run | None:
    """Return one call for all of these steps, or None where one of them cannot be in it."""
    if numba_is_off():
        return None
    places = _Places()
    body: list[str] = []
    for step in steps:
        lines = _loop(step, buffer, places) if step.loop is not None else _instruction(step.node, buffer, places)
        if lines is None:
            return None
        body += lines
    source = "@kernel\ndef run(places, gemm32, gemm64):\n"
    source += "".join(f"    {line}\n" for line in [*places.lines, *body, "return -1"])
    function = function_of(source, "run", SINGLE_HEADER)
    from chainrule.kernels.blas import address_of_gemm

    addresses = np.array([a.__array_interface__["data"][0] for a in places.arrays], np.int64)
    gemm32, gemm64 = address_of_gemm(np.dtype(np.float32)), address_of_gemm(np.dtype(np.float64))

    def run(kept: list[Any] = places.arrays) -> None:  # noqa: ARG001  the function knows only their addresses
        if function(addresses, gemm32, gemm64) >= 0:
            raise IndexError("cross_entropy: a class is out of range")

    return run


def _loop(step: Any, buffer: Buffer, places: _Places) -> list[str] | None:
    loop = step.loop
    arrays = {value: buffer(value) for value in (*loop.loaded, *loop.stored)}
    if not all(a.flags.c_contiguous for a in arrays.values()):
        return None
    names = {value: places.name(a, (a.size,)) for value, a in arrays.items()}
    split = needs_split(loop.group)
    columns = loop.group.columns if split and loop.group.columns else loop.group.size
    rows = str(loop.group.size // columns)
    over = Ranges(rows=rows, columns=str(columns), width=str(columns)) if split else Ranges(str(loop.group.size))
    return loop.lines(names.__getitem__, over)  # type: ignore[no-any-return]


def _instruction(i: Instruction, buffer: Buffer, places: _Places) -> list[str] | None:
    if i.name == "matmul" and i.kind == "op":
        a, b = map(buffer, i.args)
        return _matmul(a, b, buffer(i.outputs[0]), places)
    if i.name in CROSS_ENTROPY:
        arrays = [buffer(x) for x in (*values_in(i.args), *i.outputs)]
        return _cross_entropy(i, arrays, places)
    return None


CROSS_ENTROPY = ("sparse_softmax_cross_entropy", "SparseSoftmaxCrossEntropy.adjoint_z", "cross_entropy_and_gradient")


def _cross_entropy(i: Instruction, arrays: list[Any], places: _Places) -> list[str] | None:
    if not all(a.flags.c_contiguous for a in arrays) or len({a.dtype for a in arrays if a.dtype.kind == "f"}) != 1:
        return None
    if i.name == "sparse_softmax_cross_entropy":
        z, t, losses, y_hat = arrays
        names = [_rows(z, places), _line(t, places), _line(losses, places), _rows(y_hat, places)]
        return _checked(f"losses_and_probabilities({', '.join(names)})")
    if i.name == "cross_entropy_and_gradient":
        z, t, weights, losses, z_bar = arrays
        names = [_rows(z, places), *(_line(x, places) for x in (t, weights, losses)), _rows(z_bar, places)]
        return _checked(f"losses_and_gradient({', '.join(names)})")
    weights, t, y_hat, z_bar = arrays
    names = [_rows(y_hat, places), _line(t, places), _line(weights, places), _rows(z_bar, places)]
    return _checked(f"gradient({', '.join(names)})")


def _checked(call: str) -> list[str]:
    return [f"bad = {call}", "if bad >= 0:", "    return bad"]


def _rows(a: Any, places: _Places) -> str:
    return places.name(a, (a.size // a.shape[-1], a.shape[-1]))


def _line(a: Any, places: _Places) -> str:
    return places.name(a, (a.size,))


def _matmul(a: Any, b: Any, out: Any, places: _Places) -> list[str] | None:
    if a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous:
        a, out = a.reshape(-1, a.shape[-1]), out.reshape(-1, out.shape[-1])
    if a.ndim != 2 or b.ndim != 2 or a.dtype != b.dtype or a.dtype not in TYPES or not out.size or not a.size:
        return None
    turned = [not x.flags.c_contiguous for x in (a, b)]
    if not all(x.flags.c_contiguous or x.T.flags.c_contiguous for x in (a, b)) or not out.flags.c_contiguous:
        return None
    left, right = (places.name(x, x.T.shape if t else x.shape) for x, t in zip((a, b), turned, strict=True))
    result, kind = places.name(out, out.shape), TYPES[a.dtype]
    (m, k), n = a.shape, b.shape[1]
    if m * n * k > BY_LOOPS:
        gemm = "gemm32" if kind == "float32" else "gemm64"
        return [f"product({gemm}, {left}, {turned[0]}, {right}, {turned[1]}, {kind}(1), {kind}(0), {result})"]
    factor = f"{left}[p, i]" if turned[0] else f"{left}[i, p]"
    if turned[1]:
        return [
            f"for i in range({m}):",
            f"    for j in range({n}):",
            f"        s = {kind}(0)",
            f"        for p in range({k}):",
            f"            s += {factor} * {right}[j, p]",
            f"        {result}[i, j] = s",
        ]
    return [
        f"for i in range({m}):",
        f"    for j in range({n}):",
        f"        {result}[i, j] = {kind}(0)",
        f"    for p in range({k}):",
        f"        s = {factor}",
        f"        for j in range({n}):",
        f"            {result}[i, j] += s * {right}[p, j]",
    ]
