"""NumPy's functions on symbols, as instructions.

`chainrule.kernels.native.symbol` calls these with operands of the types that NumPy resolves for the function.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.kernels import elementary, functions, trigonometry
from chainrule.kernels.numbers import constant

from .code import Code
from .symbol import BOOL, FUNCTIONS, UFUNCS, NotSymbolic, Symbol, kind_of, operand

Emit = Callable[..., Symbol]


def _together(code: Code, *args: Any) -> list[Symbol]:
    """Return the operands promoted to their common type in NumPy."""
    dtype = np.result_type(*(x.dtype if isinstance(x, Symbol) else x for x in args))
    return [operand(code, x, dtype) for x in args]


# Arithmetic


def _arithmetic(floating: str, whole: str, logical: str | None = None) -> Emit:
    def emit(code: Code, a: Symbol, b: Symbol) -> Symbol:
        if a.dtype.kind == "f":
            return code.made(a.dtype, f"{floating} {code.flags}{a.type} {a}, {b}")
        name = logical if a.dtype == BOOL else whole
        if not name:
            raise NotSymbolic(f"no such arithmetic with {a.dtype}")
        return code.made(a.dtype, f"{name} {a.type} {a}, {b}")

    return emit


def _divide(code: Code, a: Symbol, b: Symbol) -> Symbol:
    return code.made(a.dtype, f"fdiv {code.flags}{a.type} {a}, {b}")


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


def _power(code: Code, x: Any, exponent: Any) -> Symbol:
    """Return powers that are few products of x and √x, or 1 over them; for all others NumPy's function is as fast.

    √x is that of the operator, NaN for −∞, which has powers by 1.5 and the like.
    """
    if not isinstance(x, Symbol) or x.dtype.kind != "f" or isinstance(exponent, Symbol):
        raise NotSymbolic("a power whose exponent is no number")
    if kind_of(exponent) not in (int, float, x.dtype):
        raise NotSymbolic(f"a power of {x.dtype} by {type(exponent).__name__}")
    whole: Mapping[float, Callable[[], Any]] = {
        1: lambda: x,
        2: lambda: x * x,
        3: lambda: x * x * x,
        4: lambda: (x * x) * (x * x),
        -1: lambda: 1 / x,
        -2: lambda: 1 / (x * x),
        -3: lambda: 1 / (x * x * x),
        0.5: lambda: np.sqrt(x),
        -0.5: lambda: at_infinity(1 / np.sqrt(x + 0.0), 0),  # of −0.0 it is +∞
        1.5: lambda: at_infinity(x * np.sqrt(x), math.inf),
        -1.5: lambda: at_infinity(1 / (x * np.sqrt(x)), 0),
        2.5: lambda: at_infinity(x * x * np.sqrt(x + 0.0), math.inf),
        -2.5: lambda: at_infinity(1 / (x * x * np.sqrt(x + 0.0)), 0),
    }

    def at_infinity(power: Any, limit: float) -> Symbol:
        return code.chosen(x == -math.inf, code.constant(limit, x.dtype), power)

    if float(exponent) not in whole:
        raise NotSymbolic(f"a power by {exponent}")
    made: Symbol = whole[float(exponent)]()
    return made


# Comparison and selection. The comparisons are chosen so that NaN propagates.


def _compare(floating: str, signed: str) -> Emit:
    def emit(code: Code, a: Symbol, b: Symbol) -> Symbol:
        if a.dtype.kind == "f":
            return code.made(BOOL, f"fcmp {floating} {a.type} {a}, {b}")
        if a.dtype != b.dtype:
            raise NotSymbolic(f"NumPy compares {a.dtype} and {b.dtype} as numbers, which have no common type")
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
    """Return the emitter of a unary function of `chainrule.kernels.functions`."""

    def emit(_: Code, x: Symbol) -> Symbol:
        if x.dtype.kind != "f":
            raise NotSymbolic(f"a function of {x.dtype}")
        made: Symbol = function(x)
        return made

    return emit


def _own_of_two(function: Callable[[Any, Any], Any]) -> Emit:
    """Return the emitter of a binary function."""

    def emit(_: Code, a: Symbol, b: Symbol) -> Symbol:
        if a.dtype.kind != "f":
            raise NotSymbolic(f"a function of {a.dtype}")
        made: Symbol = function(a, b)
        return made

    return emit


def _left(code: Code, a: Symbol, b: Symbol) -> Symbol:
    """Return the remainder of a / b, with the sign of a."""
    return code.made(a.dtype, f"frem {a.type} {a}, {b}")


def _is_turned(left: Symbol, b: Symbol) -> Any:
    """Whether the remainder is nonzero and its sign differs from the divisor's."""
    zero = constant(left, 0)
    return (left != zero) & ((left < zero) ^ (b < zero))


def _remainder(a: Symbol, b: Symbol) -> Any:
    left, zero = _left(a.code, a, b), constant(a, 0)
    turned = np.where(_is_turned(left, b), left + b, left)
    return np.where(left == zero, a.code.intrinsic("copysign", zero, b), turned)


def _floor_divide(a: Symbol, b: Symbol) -> Any:
    left, zero, one = _left(a.code, a, b), constant(a, 0), constant(a, 1)
    exact: Any = (a - left) / b
    exact = np.where(_is_turned(left, b), exact - one, exact)
    whole = np.floor(exact)
    whole = np.where(exact - whole > constant(a, 0.5), whole + one, whole)
    whole = np.where(exact == zero, a.code.intrinsic("copysign", zero, a / b), whole)
    return np.where(b == zero, a / b, whole)


def _or_the_other(of_two: Any) -> Callable[[Any, Any], Any]:
    """Return an extremum that ignores NaN."""

    def extremum(a: Any, b: Any) -> Any:
        return np.where(np.isnan(a), b, np.where(np.isnan(b), a, of_two(a, b)))

    return extremum


def _heaviside(a: Any, b: Any) -> Any:
    zero, one = constant(a, 0), constant(a, 1)
    return np.where(a > zero, one, np.where(a < zero, zero, np.where(np.isnan(a), a, b)))


def _round(x: Any, decimals: int = 0) -> Any:
    if decimals == 0:
        return np.rint(x)
    scale = 10.0 ** abs(decimals)
    return np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale


def _sign_bit(_: Code, x: Symbol) -> Symbol:
    if x.dtype.kind != "f":
        raise NotSymbolic(f"the sign bit of {x.dtype}")
    return x.view(np.int32 if x.dtype.itemsize == 4 else np.int64) < 0


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
    np.log: _own(elementary.log),
    np.log2: _own(elementary.log2),
    np.log10: _own(elementary.log10),
    np.log1p: _own(elementary.log1p),
    np.exp2: _own(elementary.exp2),
    np.sinh: _own(elementary.sinh),
    np.cosh: _own(elementary.cosh),
    np.arcsinh: _own(elementary.arcsinh),
    np.arccosh: _own(elementary.arccosh),
    np.arctanh: _own(elementary.arctanh),
    np.sin: _own(trigonometry.sin),
    np.cos: _own(trigonometry.cos),
    np.tan: _own(trigonometry.tan),
    np.arctan: _own(elementary.arctan),
    np.arcsin: _own(elementary.arcsin),
    np.arccos: _own(elementary.arccos),
    np.cbrt: _own(elementary.cbrt),
    np.deg2rad: _own(lambda x: x * (np.pi / 180)),
    np.rad2deg: _own(lambda x: x * (180 / np.pi)),
    np.arctan2: _own_of_two(elementary.arctan2),
    np.hypot: _own_of_two(elementary.hypot),
    np.logaddexp: _own_of_two(elementary.logaddexp),
    np.logaddexp2: _own_of_two(elementary.logaddexp2),
    np.fmax: _own_of_two(_or_the_other(np.maximum)),
    np.fmin: _own_of_two(_or_the_other(np.minimum)),
    np.heaviside: _own_of_two(_heaviside),
    np.copysign: _own_of_two(lambda a, b: a.code.intrinsic("copysign", a, b)),
    np.fmod: _own_of_two(lambda a, b: _left(a.code, a, b)),
    np.remainder: _own_of_two(_remainder),
    np.floor_divide: _own_of_two(_floor_divide),
    np.signbit: _sign_bit,
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
FUNCTIONS |= {np.where: _where, np.copy: lambda x: x, np.clip: _clip, np.round: _round}
