"""`Symbol`: a number in a program under construction: arithmetic on it emits instructions.

Result types follow NumPy: Python numbers take the type of the other operand, all others are promoted. Anything without
an instruction, such as a shape or a branch (`if x > 0`), raises `NotSymbolic`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

BOOL, FLOAT, DOUBLE = np.dtype(np.bool_), np.dtype(np.float32), np.dtype(np.float64)
INT, LONG = np.dtype(np.int32), np.dtype(np.int64)
LLVM: dict[Any, str] = {BOOL: "i1", FLOAT: "float", DOUBLE: "double"} | {
    np.dtype(f"{sign}int{bits}"): f"i{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)
}
"""LLVM's name for each type of number; whether an integer has a sign is a matter of the instruction."""


UFUNCS: dict[Any, Callable[..., "Symbol"]] = {}
"""What there are instructions for, by NumPy's function, given the code and operands in NumPy's types: see `ufuncs`."""
FUNCTIONS: dict[Any, Callable[..., "Symbol"]] = {}
"""The same for functions of NumPy that are no ufuncs, given their arguments."""
PLAIN = frozenset((np.add, np.subtract, np.multiply, np.divide))
"""What needs no look at NumPy's tables where both operands are floats of one type."""


class NotSymbolic(TypeError):
    """A symbol was used where an actual value is needed."""


class Symbol:
    """A number in a function under construction: its type and its name there."""

    __slots__ = ("code", "dtype", "name", "value")

    def __init__(self, code: Any, dtype: Any, name: str, value: float | None = None) -> None:
        self.code, self.dtype, self.name, self.value = code, dtype, name, value

    @property
    def type(self) -> str:
        """LLVM's name for its type."""
        return LLVM[self.dtype]

    def __str__(self) -> str:
        return self.name

    def _both(self, ufunc: Any, other: Any, turned: bool = False) -> "Symbol":
        return applied(ufunc, other, self) if turned else applied(ufunc, self, other)

    def __add__(self, other: Any) -> "Symbol":
        return self._both(np.add, other)

    def __radd__(self, other: Any) -> "Symbol":
        return self._both(np.add, other, True)

    def __sub__(self, other: Any) -> "Symbol":
        return self._both(np.subtract, other)

    def __rsub__(self, other: Any) -> "Symbol":
        return self._both(np.subtract, other, True)

    def __mul__(self, other: Any) -> "Symbol":
        return self._both(np.multiply, other)

    def __rmul__(self, other: Any) -> "Symbol":
        return self._both(np.multiply, other, True)

    def __truediv__(self, other: Any) -> "Symbol":
        return self._both(np.divide, other)

    def __rtruediv__(self, other: Any) -> "Symbol":
        return self._both(np.divide, other, True)

    def __pow__(self, other: Any) -> "Symbol":
        return self._both(np.power, other)

    def __mod__(self, other: Any) -> "Symbol":
        return self._both(np.remainder, other)

    def __and__(self, other: Any) -> "Symbol":
        return self._both(np.bitwise_and, other)

    def __rand__(self, other: Any) -> "Symbol":
        return self._both(np.bitwise_and, other, True)

    def __or__(self, other: Any) -> "Symbol":
        return self._both(np.bitwise_or, other)

    def __ror__(self, other: Any) -> "Symbol":
        return self._both(np.bitwise_or, other, True)

    def __xor__(self, other: Any) -> "Symbol":
        return self._both(np.bitwise_xor, other)

    def __lshift__(self, other: Any) -> "Symbol":
        return self._both(np.left_shift, other)

    def __rshift__(self, other: Any) -> "Symbol":
        return self._both(np.right_shift, other)

    def __lt__(self, other: Any) -> "Symbol":
        return self._both(np.less, other)

    def __le__(self, other: Any) -> "Symbol":
        return self._both(np.less_equal, other)

    def __gt__(self, other: Any) -> "Symbol":
        return self._both(np.greater, other)

    def __ge__(self, other: Any) -> "Symbol":
        return self._both(np.greater_equal, other)

    def __eq__(self, other: object) -> "Symbol":  # type: ignore[override]
        return self._both(np.equal, other)

    def __ne__(self, other: object) -> "Symbol":  # type: ignore[override]
        return self._both(np.not_equal, other)

    __hash__ = object.__hash__

    def __neg__(self) -> "Symbol":
        return self._one(np.negative)

    def __pos__(self) -> "Symbol":
        return self

    def __abs__(self) -> "Symbol":
        return self._one(np.absolute)

    def __invert__(self) -> "Symbol":
        return self._one(np.invert)

    def _one(self, ufunc: Any) -> "Symbol":
        return applied(ufunc, self)

    def astype(self, dtype: Any) -> "Symbol":
        """Return the number converted to a dtype."""
        converted: Symbol = self.code.converted(self, np.dtype(dtype))
        return converted

    def view(self, dtype: Any) -> "Symbol":
        """Return the number with its bits reinterpreted as another type."""
        seen: Symbol = self.code.reinterpreted(self, np.dtype(dtype))
        return seen

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> "Symbol":
        if method != "__call__" or settings:
            raise NotSymbolic(f"{ufunc.__name__}.{method} of a symbol")
        return applied(ufunc, *inputs)

    def __array_function__(self, function: Callable[..., Any], _types: Any, args: Any, kwargs: Any) -> "Symbol":
        made = FUNCTIONS.get(function)
        if made is None or kwargs:
            raise NotSymbolic(f"no instructions for {getattr(function, '__name__', function)}")
        return made(*args)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise NotSymbolic("a symbol is no array")

    def __bool__(self) -> bool:
        raise NotSymbolic("a decision on a symbol; use np.where")

    def __float__(self) -> float:
        raise NotSymbolic("a symbol has no value yet")

    __int__ = __index__ = __float__


def applied(ufunc: Any, *args: Any) -> Symbol:
    """Apply a NumPy ufunc to symbols and numbers."""
    code = next(x.code for x in args if isinstance(x, Symbol))
    emit = UFUNCS.get(ufunc)
    if emit is None:
        raise NotSymbolic(f"no instructions for {getattr(ufunc, '__name__', ufunc)}")
    if ufunc is np.power or (ufunc in PLAIN and _are_alike(*args)):  # a power depends on the exponent's value
        return emit(code, *args)
    dtypes = ufunc.resolve_dtypes((*map(kind_of, args), *[None] * ufunc.nout))
    made = emit(code, *(operand(code, x, dtype) for x, dtype in zip(args, dtypes, strict=False)))
    if made.dtype != dtypes[-1]:
        raise NotSymbolic(f"{ufunc.__name__} gives {dtypes[-1]} in NumPy")
    return made


def _are_alike(a: Any, b: Any) -> bool:
    return isinstance(a, Symbol) and isinstance(b, Symbol) and a.dtype == b.dtype and a.dtype.kind == "f"


def kind_of(x: Any) -> Any:
    """Return what NumPy promotes by: a dtype, or int or float for Python numbers, which take the type of others."""
    if isinstance(x, Symbol | np.generic) or (isinstance(x, np.ndarray) and x.ndim == 0):
        return x.dtype
    if isinstance(x, bool):
        return BOOL
    if isinstance(x, int | float):
        return type(x)
    raise NotSymbolic(f"a symbol with a {type(x).__name__}")


def operand(code: Any, x: Any, dtype: Any) -> Symbol:
    """Return a symbol or a number as a symbol of the given type."""
    if dtype not in LLVM:
        raise NotSymbolic(f"no instructions for {dtype}")
    if isinstance(x, Symbol):
        return code.converted(x, dtype)  # type: ignore[no-any-return]
    return code.constant(x.item() if hasattr(x, "item") else x, dtype)  # type: ignore[no-any-return]
