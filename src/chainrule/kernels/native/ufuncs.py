"""NumPy's functions on symbols: which instructions they are.

`chainrule.kernels.native.symbol` calls them, with operands of the types that NumPy names for the function.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.kernels import functions

from .code import CONTRACT, Code
from .symbol import BOOL, FUNCTIONS, UFUNCS, NotSymbolic, Symbol, kind_of, operand

Emit = Callable[..., Symbol]


def _together(code: Code, *args: Any) -> list[Symbol]:
    """Return operands in the type that NumPy would give an array of them all."""
    dtype = np.result_type(*(x.dtype if isinstance(x, Symbol) else x for x in args))
    return [operand(code, x, dtype) for x in args]


# Arithmetic


def _arithmetic(floating: str, whole: str, logical: str | None = None) -> Emit:
    def emit(code: Code, a: Symbol, b: Symbol) -> Symbol:
        if a.dtype.kind == "f":
            return code.made(a.dtype, f"{floating} {CONTRACT}{a.type} {a}, {b}")
        name = logical if a.dtype == BOOL else whole
        if not name:
            raise NotSymbolic(f"no such arithmetic with {a.dtype}")
        return code.made(a.dtype, f"{name} {a.type} {a}, {b}")

    return emit


def _divide(code: Code, a: Symbol, b: Symbol) -> Symbol:
    return code.made(a.dtype, f"fdiv {CONTRACT}{a.type} {a}, {b}")


def _bits(name: str) -> Emit:
    def emit(code: Code, a: Symbol, b: Symbol) -> Symbol:
        return code.made(a.dtype, f"{name} {a.type} {a}, {b}")

    return emit


def _shift(signed: str, unsigned: str) -> Emit:
    def emit(code: Code, a: Symbol, b: Symbol) -> Symbol:
        if b.value is None or not 0 <= b.value < 8 * a.dtype.itemsize:
            raise NotSymbolic("a shift by what is no number, or by more bits than there are")
        return code.made(a.dtype, f"{signed if a.dtype.kind == 'i' else unsigned} {a.type} {a}, {b}")

    return emit


def _negative(code: Code, x: Symbol) -> Symbol:
    if x.dtype.kind == "f":
        return code.made(x.dtype, f"fneg {x.type} {x}")
    return code.made(x.dtype, f"sub {x.type} 0, {x}")


def _absolute(code: Code, x: Symbol) -> Symbol:
    if x.dtype.kind == "f":
        return code.intrinsic("fabs", x)
    return x if x.dtype.kind in "bu" else code.chosen(x < 0, -x, x)


def _floating(name: str) -> Emit:
    return lambda code, x: code.intrinsic(name, x)


def _power(_: Code, x: Any, exponent: Any) -> Symbol:
    """Return whole powers that are products; of all others NumPy's own function is as fast."""
    if not isinstance(x, Symbol) or x.dtype.kind != "f" or isinstance(exponent, Symbol):
        raise NotSymbolic("a power whose exponent is no number")
    if kind_of(exponent) not in (int, float, x.dtype):
        raise NotSymbolic(f"a power of {x.dtype} by {type(exponent).__name__}")
    whole: Mapping[float, Callable[[], Any]] = {
        1: lambda: x,
        2: lambda: x * x,
        3: lambda: x * x * x,
        -1: lambda: 1 / x,
        0.5: lambda: np.sqrt(x),
    }
    if float(exponent) not in whole:
        raise NotSymbolic(f"a power by {exponent}")
    made: Symbol = whole[float(exponent)]()
    return made


# Comparison and choice. The comparisons are such that a NaN comes through.


def _compare(floating: str, signed: str) -> Emit:
    def emit(code: Code, a: Symbol, b: Symbol) -> Symbol:
        if a.dtype.kind == "f":
            return code.made(BOOL, f"fcmp {floating} {a.type} {a}, {b}")
        name = signed.replace("s", "u", 1) if a.dtype.kind in "bu" and signed[0] == "s" else signed
        return code.made(BOOL, f"icmp {name} {a.type} {a}, {b}")

    return emit


def _extremum(beyond: Callable[[Symbol, Symbol], Symbol], of_truths: Emit) -> Emit:
    def emit(code: Code, a: Symbol, b: Symbol) -> Symbol:
        if a.dtype == BOOL:
            return of_truths(code, a, b)
        for number, other in ((a, b), (b, a)):
            if number.value is not None and not math.isnan(number.value):
                return code.chosen(beyond(number, other), number, other)
        if a.dtype.kind != "f":
            return code.chosen(beyond(a, b), a, b)
        return code.chosen(beyond(a, b) | _is_nan(code, a), a, b)

    return emit


def _is_nan(code: Code, x: Symbol) -> Symbol:
    return code.made(BOOL, f"fcmp uno {x.type} {x}, {x}") if x.dtype.kind == "f" else code.constant(False, BOOL)


def _is_infinite(_: Code, x: Symbol) -> Symbol:
    return abs(x) == math.inf


def _is_finite(_: Code, x: Symbol) -> Symbol:
    return abs(x) < math.inf


def _invert(code: Code, x: Symbol) -> Symbol:
    return code.made(x.dtype, f"xor {x.type} {x}, {'true' if x.dtype == BOOL else -1}")


def _logical(name: str) -> Emit:
    def emit(code: Code, *args: Symbol) -> Symbol:
        truths = [code.converted(x, BOOL) for x in args]
        return code.made(BOOL, f"{name} i1 {truths[0]}, {truths[1] if len(truths) > 1 else 'true'}")

    return emit


def _sign(code: Code, x: Symbol) -> Symbol:
    if x.dtype.kind != "f":
        raise NotSymbolic(f"the sign of {x.dtype}")
    zero, one = code.constant(0, x.dtype), code.constant(1, x.dtype)
    return code.chosen(x > 0, one, code.chosen(x < 0, -one, code.chosen(_is_nan(code, x), x, zero)))


def _where(condition: Any, a: Any, b: Any) -> Symbol:
    code = next(x.code for x in (condition, a, b) if isinstance(x, Symbol))
    if not isinstance(condition, Symbol):
        condition = code.constant(bool(condition), BOOL)
    first, second = _together(code, a, b)
    chosen: Symbol = code.chosen(code.converted(condition, BOOL), first, second)
    return chosen


def _clip(x: Any, low: Any, high: Any) -> Symbol:
    made: Symbol = np.minimum(np.maximum(x, low), high)
    return made


def _own(function: Callable[[Any], Any]) -> Emit:
    """Return a function of `chainrule.kernels.functions` as what writes it."""

    def emit(_: Code, x: Symbol) -> Symbol:
        if x.dtype.kind != "f":
            raise NotSymbolic(f"a function of {x.dtype}")
        made: Symbol = function(x)
        return made

    return emit


UFUNCS |= {
    np.add: _arithmetic("fadd", "add", "or"),
    np.subtract: _arithmetic("fsub", "sub"),
    np.multiply: _arithmetic("fmul", "mul", "and"),
    np.divide: _divide,
    np.negative: _negative,
    np.positive: lambda _, x: x,
    np.absolute: _absolute,
    np.fabs: _absolute,
    np.square: lambda _, x: x * x,
    np.reciprocal: lambda _, x: 1 / x,
    np.sqrt: _floating("sqrt"),
    np.floor: _floating("floor"),
    np.ceil: _floating("ceil"),
    np.trunc: _floating("trunc"),
    np.rint: _floating("rint"),
    np.power: _power,
    np.sign: _sign,
    np.exp: _own(functions.exp),
    np.expm1: _own(functions.expm1),
    np.tanh: _own(functions.tanh),
    np.less: _compare("olt", "slt"),
    np.less_equal: _compare("ole", "sle"),
    np.greater: _compare("ogt", "sgt"),
    np.greater_equal: _compare("oge", "sge"),
    np.equal: _compare("oeq", "eq"),
    np.not_equal: _compare("une", "ne"),
    np.maximum: _extremum(lambda a, b: a >= b, _logical("or")),
    np.minimum: _extremum(lambda a, b: a <= b, _logical("and")),
    np.isnan: _is_nan,
    np.isinf: _is_infinite,
    np.isfinite: _is_finite,
    np.logical_and: _logical("and"),
    np.logical_or: _logical("or"),
    np.logical_xor: _logical("xor"),
    np.logical_not: _logical("xor"),
    np.bitwise_and: _bits("and"),
    np.bitwise_or: _bits("or"),
    np.bitwise_xor: _bits("xor"),
    np.invert: _invert,
    np.left_shift: _shift("shl", "shl"),
    np.right_shift: _shift("ashr", "lshr"),
}
FUNCTIONS |= {np.where: _where, np.copy: lambda x: x, np.clip: _clip}
