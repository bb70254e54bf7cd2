"""Whether a function's result depends only on its arguments, as far as its code shows.

A user's record that is compiled into a loop is never called again, so whatever else it reads must not change: a number
in a module, a list in a closure, an attribute of a class. The functions, classes and modules of NumPy and of this
package count as fixed; so do the user's functions if everything they read does.
"""

import dis
import functools
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

TRUSTED = ("chainrule", "numpy", "math", "builtins")
"""The packages whose functions depend only on their arguments."""


ACTING = frozenset(
    (
        *("print", "input", "open", "exec", "eval", "setattr", "delattr", "globals", "vars", "breakpoint"),
        *("__import__", "random", "seed", "default_rng"),
    )
)
"""Names that draw random numbers or have side effects: a function that uses one is called at each replay."""


@functools.lru_cache(4096)
def reads_only_functions(function: Any) -> bool:
    """Whether a function reads nothing but its arguments and functions of which the same is true.

    >>> reads_only_functions(np.tanh), reads_only_functions(functools.partial(np.add, 1))
    (True, False)
    """
    return _is_fixed(function, set())


def _is_fixed(x: Any, seen: set[int]) -> bool:
    if id(x) in seen or isinstance(x, np.ufunc | type(np.where)):
        return True
    if isinstance(x, MethodType):
        return isinstance(x.__self__, type) and _is_trusted(x.__self__.__module__)
    if isinstance(x, ModuleType):
        return _is_trusted(x.__name__)
    if isinstance(x, type | BuiltinFunctionType):
        return _is_trusted(x.__module__)
    if not isinstance(x, FunctionType):
        return False
    seen.add(id(x))
    if _is_trusted(x.__module__):
        return True
    return not _names_in(x) & ACTING and all(_is_fixed(value, seen) for value in _read_by(x))


def _is_trusted(module: str | None) -> bool:
    return (module or "").split(".")[0] in TRUSTED


def _read_by(f: FunctionType) -> list[Any]:
    """Return what a function reads besides its arguments; defaults that are numbers do not count."""
    defaults = [*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]
    found = [value for value in defaults if not isinstance(value, int | float | bool | str | type(None))]
    for cell in f.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # nothing there yet
            found.append(None)
    reads = (i for code in _codes(f.__code__) for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL")
    names = {i.argval for i in reads if i.argval in f.__globals__}
    return [*found, *(f.__globals__[name] for name in names)]


def _names_in(f: FunctionType) -> set[str]:
    return {name for code in _codes(f.__code__) for name in code.co_names}


def _codes(code: CodeType) -> list[CodeType]:
    """Return a function's code and that of the functions inside it."""
    return [code, *(c for constant in code.co_consts if isinstance(constant, CodeType) for c in _codes(constant))]
