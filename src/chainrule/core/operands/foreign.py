"""Operands from other libraries, converted to plain arrays on entry or refused by name.

JAX and PyTorch arrays, pandas tables and Fractions are numbers to NumPy, so they are converted to NumPy arrays before
an operation sees them: the values, the promotion and the derivatives are then NumPy's as well. So are those of xarray,
whose axes count by position, as in its own operations with arrays. An operand whose special meaning would be lost (the
mask of a masked array, the sparsity of a matrix) is refused, with advice on what to pass instead.
"""

import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from types import NoneType
from typing import Any, NoReturn

import numpy as np

from chainrule.core.tensor import Tensor

from .subclasses import check_plain

PLAIN: set[type] = set(
    {
        *(np.ndarray, bool, int, float, complex, NoneType),
        *(np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
        *(np.float16, np.float32, np.float64, np.longdouble, np.complex64, np.complex128),
    }
)
"""The types of operands that need no conversion."""

STEPS = {
    "masked": "use array.filled(value), or np.where(mask, ..., ...) for the mask",
    "sparse": "pass matrix.toarray(), or make an operation of matrix @ x with chainrule.custom",
    "named": "take the tensor out of the result first, in the order of its axes: (array * x).data.sum()",
    "table": "convert it to numbers first: .to_numpy(float)",
    "torch": "pass t.detach(), or make one function of both with chainrule.interop.torch",
    "numbers": "pass a number, an array or a tensor",
}

joined: list[Callable[[Any], Any]] = []
"""Turns nested lists that contain tensors into one tensor; `chainrule.rules` sets this function."""

# pandas and NumPy use these to decide which of the two operands handles an operator.
Tensor.__array_priority__ = 10_000.0
Tensor.__pandas_priority__ = 10_000  # type: ignore[attr-defined]


def operand(what: str, x: Any) -> Any:
    """Return an operand as a NumPy array; raise a TypeError that begins with `what` if that would change its
    meaning.
    """
    if type(x) in PLAIN or isinstance(x, Tensor | np.generic | int | float | complex):
        # An int of another class turns float32 into float64, unless it sees to it that it does not.
        return int(x) if isinstance(x, int) and hasattr(type(x), "__array_ufunc__") else x
    if isinstance(x, Fraction | Decimal):
        return float(x)
    if isinstance(x, np.ma.MaskedArray):
        if np.ma.is_masked(x):
            check_plain(what, x)
        return np.asarray(x.data)
    if isinstance(x, np.ndarray):
        check_plain(what, x)
        return np.asarray(x)
    library = type(x).__module__.partition(".")[0]
    if isinstance(x, Sequence) and not isinstance(x, str | bytes | bytearray) and library in ("builtins", "array"):
        return _listed(what, x)
    if library == "torch":
        return _of_torch(what, x)
    if library == "xarray":  # as xarray does with an array: axes are matched by position
        return operand(what, x.data)
    if hasattr(x, "toarray") and hasattr(x, "nnz"):
        _refuse(what, x, "which is sparse", "sparse")
    return _of_numbers(what, x)


def unnamed(x: Any) -> Any:
    """Return the tensor in an array of xarray that holds one, and everything else as it is."""
    if type(x).__module__.startswith("xarray.") and isinstance(getattr(x, "data", None), Tensor):
        return x.data
    return x


def numbers(x: Any) -> Any:
    """Return an array argument of a function as NumPy has it: lists, numbers, other libraries' arrays, but not None."""
    if x is None:
        _refuse("an argument", x, "", "numbers")
    found = operand("an argument", x)
    return found if isinstance(found, Tensor) else np.asarray(found)


def operands(op: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments of an operation as NumPy has them; the same tuple if they already are."""
    for x in args:
        if type(x) not in PLAIN and not isinstance(x, Tensor):
            return tuple(one_of(op, k, x) for k, x in enumerate(args))
    return args


def without_lists(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments with each list that contains tensors as one tensor; the same tuple if there is none."""
    if not any(isinstance(x, list | tuple) and _holds_tensor(x) for x in args):
        return args
    return tuple(joined[0](x) if isinstance(x, list | tuple) and _holds_tensor(x) else x for x in args)


def one_of(op: Any, k: int, x: Any) -> Any:
    """Return argument `k` of an operation as NumPy has it."""
    if type(x) in PLAIN or isinstance(x, Tensor) or (op.takes_anything and not hasattr(x, "__len__")):
        return x
    name = f"{op.arguments[0]}[{k}]" if op.variadic else op.arguments[k] if k < len(op.arguments) else f"argument {k}"
    return operand(f"{op.name}: {name}", x)


def _listed(what: str, x: Any) -> Any:
    if joined and _holds_tensor(x):
        return joined[0](x)
    try:
        array = np.asarray(x)
    except ValueError:
        _refuse(what, x, "of rows of different lengths", "numbers")
    if array.dtype.kind in "OUS":
        _refuse(what, x, f"that NumPy reads as dtype {array.dtype}", "numbers")
    return array


def _holds_tensor(x: Any) -> bool:
    return isinstance(x, Tensor) or (isinstance(x, list | tuple) and any(map(_holds_tensor, x)))


def _of_numbers(what: str, x: Any) -> Any:
    """Return another library's value as a NumPy array."""
    if hasattr(x, "to_numpy"):  # pandas, polars, pyarrow
        array = np.asarray(x.to_numpy())
    elif hasattr(x, "__array__") or hasattr(x, "__array_interface__"):
        array = np.asarray(x)
    else:
        _refuse(what, x, "", "numbers")
    if array.dtype.kind in "OUS":
        _refuse(what, x, f"of dtype {array.dtype}", "table")
    return array


def _of_torch(what: str, x: Any) -> Any:
    if getattr(x, "requires_grad", False):
        _refuse(what, x, "whose gradient would end here", "torch")
    if not hasattr(x, "numpy"):
        _refuse(what, x, "", "numbers")
    return np.asarray(x.cpu().numpy())


def _refuse(what: str, x: Any, why: str, step: str) -> NoReturn:
    if x is None:
        raise TypeError(f"{what}: got None, expected real numbers; is it the result of a function without a return?")
    kind = type(x)
    library = kind.__module__.partition(".")[0]
    called = kind.__qualname__ if library in ("builtins", "numpy") else f"{kind.__qualname__} of {library}"
    raise TypeError(f"{what}: got a {called}{why and ' '}{why}, expected real numbers; {STEPS[step]}")


def without_rule(ufunc: Any, method: str, known: dict[Any, Any]) -> str:
    """Return the error for a universal function that has no operation; `known` has those that do."""
    call = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
    if getattr(np, ufunc.__name__, None) is ufunc:
        return f"np.{call}: chainrule has no derivative for it; use x.numpy() if none is needed"
    special = sys.modules.get("scipy.special")
    of_scipy = getattr(special, ufunc.__name__, None) is ufunc
    there = sorted({u.__name__ for u in known if isinstance(u, np.ufunc) and getattr(np, u.__name__, None) is not u})
    has = f"; of scipy.special it has {', '.join(there)}" if of_scipy else ""
    return (
        f"{'scipy.special.' if of_scipy else ''}{call}: chainrule has no derivative for it{has}; give it one with "
        f"chainrule.custom, or use x.numpy() if none is needed"
    )


ASKERS = {"numpy.ma": "masked", "scipy.sparse": "sparse", "xarray": "named", "pandas": "table"}


def asker(depth: int = 2) -> str:
    """Return the end of an error about a tensor that was asked for its plain values: who asked, and what to do instead.

    `depth` counts from here to the code that asked.
    """
    module = str(sys._getframe(depth).f_globals.get("__name__", ""))
    for library, step in ASKERS.items():
        if module == library or module.startswith(f"{library}."):
            return f" ({library} asked for it: {STEPS[step]})"
    return ""
