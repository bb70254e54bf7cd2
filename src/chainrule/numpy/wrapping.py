"""NumPy's functions as `chainrule.numpy` has them: with a tensor among the arguments chainrule's, and else NumPy's."""

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from chainrule import rules as _rules  # fills the tables
from chainrule.base.lacking import lacks
from chainrule.core.operands.foreign import without_lists
from chainrule.core.operands.protocols import functions, ufuncs, with_our_names, writers
from chainrule.core.tensor import Tensor
from chainrule.core.tree import flatten

PLAIN = (np.ndarray, np.generic, int, float, complex, str, type(None), type, np.dtype)
CERTAIN = frozenset(
    {np.ndarray, np.float64, np.float32, np.int64, np.bool_, int, float, complex, bool, str, type(None)}
)
"""Most classes of arguments without a tensor, which are looked up faster than `isinstance` answers."""


def holds_tensor(tree: Any) -> bool:
    """Whether a tensor is among nested arguments."""
    if type(tree) in CERTAIN:
        return False
    if isinstance(tree, Tensor):
        return True
    if isinstance(tree, tuple | list):
        return not CERTAIN.issuperset(map(type, tree)) and any(map(holds_tensor, tree))
    if isinstance(tree, dict):
        return any(map(holds_tensor, tree.values()))
    return not isinstance(tree, PLAIN) and any(isinstance(x, Tensor) for x in flatten(tree)[0])


class Function(staticmethod):  # type: ignore[type-arg]
    """A function of NumPy: chainrule's where a tensor is among the arguments, and else NumPy's own.

    Like NumPy's, it is not bound as a method where it is the attribute of a class. A static method is called without
    the time that a `__call__` in Python takes.
    """

    def __init__(self, module: str, ours: Callable[..., Any], plain: Callable[..., Any]) -> None:
        super().__init__(_chosen(ours, plain))
        self.__name__ = self.__qualname__ = plain.__name__
        self.__module__ = module
        self.__doc__ = ours.__doc__ or plain.__doc__
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        """Look up the other attributes of a universal function, such as `reduce`."""
        found = getattr(self.__dict__["_plain"], name)
        return of_tensors(found) if name in METHODS else found

    def __reduce__(self) -> Any:
        return _found, (self.__module__, self.__name__)

    def __repr__(self) -> str:
        return f"<function {self.__module__}.{self.__name__}>"


def _chosen(ours: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that calls whichever of the two the arguments ask for."""
    # Without settings, and without a universal function's `out`, nothing stands between the call and the operation.
    operation, most = getattr(ours, "of", ours), getattr(plain, "nin", sys.maxsize)

    @functools.wraps(ours)
    def call(*args: Any, **settings: Any) -> Any:
        for x in args:
            if type(x) is Tensor or (type(x) not in CERTAIN and holds_tensor(x)):
                if not settings and len(args) <= most:
                    return operation(*args)
                return ours(*args, **settings)
        return (ours if settings and holds_tensor(settings) else plain)(*args, **settings)

    return call


METHODS = frozenset({"reduce", "accumulate", "reduceat", "outer", "at"})
"""The methods of universal functions, which NumPy hands over for tensors, but not for lists that hold them."""


def of_tensors(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose arguments NumPy sees with each list that holds tensors as one tensor."""

    @functools.wraps(plain)
    def call(*args: Any, **settings: Any) -> Any:
        return plain(*without_lists(args), **settings)

    return call


def _found(module: str, name: str) -> Any:
    from importlib import import_module

    return getattr(import_module(module), name)


def refusing(what: str, plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return what stands in for a function without a derivative: it is NumPy's on plain arrays, and names itself."""

    @functools.wraps(plain)
    def refuse(*_: Any, **__: Any) -> Any:
        raise TypeError(f"{what}: chainrule has no derivative for it; use x.numpy() if none is needed")

    return refuse


def called_as(plain: Callable[..., Any], what: str, operation: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operation with NumPy's names of its parameters and with `out=`, as NumPy hands it over for tensors."""
    if isinstance(plain, np.ufunc):

        @functools.wraps(operation)
        def of_numbers(*args: Any, **settings: Any) -> Any:
            if not settings and len(args) <= plain.nin:
                return operation(*args)
            return plain(*without_lists(args), **settings)  # NumPy knows what its settings mean

        of_numbers.of = operation  # type: ignore[attr-defined]
        return of_numbers

    @functools.wraps(operation)
    def apply(*args: Any, **settings: Any) -> Any:
        if not settings:
            return operation(*args)
        settings = with_our_names(plain, operation, settings)
        if "out" not in settings:
            return operation(*args, **settings)
        out = settings.pop("out")
        y = operation(*args, **settings)
        return y if out is None else writers["into"](out, what, y)

    apply.of = operation  # type: ignore[attr-defined]
    return apply


@functools.cache
def wrapped(module: str, plain: Callable[..., Any]) -> Any:
    """Return a function of NumPy for a module of chainrule."""
    table = ufuncs if isinstance(plain, np.ufunc) else functions
    if not hasattr(plain, "__name__"):
        return plain
    what = f"np.{module.rpartition('numpy.')[2] + '.' if module != 'chainrule.numpy' else ''}{plain.__name__}"
    ours = table.get(plain)
    if ours is None:
        return Function(module, refusing(what, plain), plain)
    return Function(module, called_as(plain, what, ours), plain)


def namespace(module: str, plain: ModuleType) -> Callable[[str], Any]:
    """Return the look-up of names in a module that has all of those of a module of NumPy."""

    def look_up(name: str) -> Any:
        if not hasattr(plain, name):
            raise AttributeError(lacks(plain.__name__, name, dir(plain)))
        found = getattr(plain, name)
        if name.startswith("_") or isinstance(found, type | ModuleType) or not callable(found):
            return found
        return wrapped(module, found)

    return look_up


del _rules
