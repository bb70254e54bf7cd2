"""Deep copies in which a function that refers to what was copied refers to the copy."""

import copy
from types import CellType, FunctionType
from typing import Any, TypeVar

T = TypeVar("T")


def copied(x: T) -> T:
    """Return a deep copy; functions in it, which `copy.deepcopy` shares, have the copies in their closures.

    A layer that keeps `lambda x: self.inner(x)` would otherwise run the original's inner layer.

    >>> class Layer:
    ...     def __init__(self):
    ...         self.weight = [1.0]
    ...         self.shown = lambda: self.weight
    >>> layer = Layer()
    >>> twin = copied(layer)
    >>> twin.shown() is twin.weight, copy.deepcopy(layer).shown() is layer.weight
    (True, True)
    """
    memo: dict[int, Any] = {}
    twin = copy.deepcopy(x, memo)
    functions = _Functions({key: made for key, made in memo.items() if key != id(memo)})
    for made in list(functions.memo.values()):
        for values in (made, getattr(made, "__dict__", None)):
            if isinstance(values, dict):
                functions.rebind(values, values.items())
            elif isinstance(values, list):
                functions.rebind(values, enumerate(values))
    return functions.of(twin) if isinstance(twin, FunctionType) else twin


class _Functions:
    """Functions that refer to copies, each made once."""

    def __init__(self, memo: dict[int, Any]) -> None:
        self.memo = memo
        self.made: dict[int, FunctionType] = {}
        self.cells: dict[int, CellType] = {}

    def rebind(self, values: Any, items: Any) -> None:
        """Replace the functions among the values of a dictionary or a list."""
        for key, value in list(items):
            if isinstance(value, FunctionType):
                values[key] = self.of(value)

    def of(self, function: FunctionType) -> Any:
        """Return a function with copies in its closure and defaults; itself, if it refers to none."""
        if not self._refers(function, set()):
            return function
        if id(function) not in self.made:
            made = FunctionType(
                function.__code__,
                function.__globals__,
                function.__name__,
                None,
                tuple(map(self._cell, function.__closure__ or ())),
            )
            self.made[id(function)] = made
            made.__dict__.update(function.__dict__)
            made.__qualname__, made.__doc__, made.__module__ = (
                function.__qualname__,
                function.__doc__,
                function.__module__,
            )
            made.__annotations__ = function.__annotations__
            made.__defaults__ = function.__defaults__ and tuple(map(self._value, function.__defaults__))
            names = function.__kwdefaults__
            made.__kwdefaults__ = names and {name: self._value(value) for name, value in names.items()}
            for cell in function.__closure__ or ():  # after it is known: a function may refer to itself
                if _is_full(cell):
                    self._cell(cell).cell_contents = self._value(cell.cell_contents)
        return self.made[id(function)]

    def _cell(self, cell: CellType) -> CellType:
        return self.cells.setdefault(id(cell), CellType())

    def _value(self, value: Any) -> Any:
        return self.of(value) if isinstance(value, FunctionType) else self.memo.get(id(value), value)

    def _refers(self, function: FunctionType, seen: set[int]) -> bool:
        if id(function) in seen:
            return False
        seen.add(id(function))
        held = [cell.cell_contents for cell in function.__closure__ or () if _is_full(cell)]
        held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        return any(
            self._refers(value, seen) if isinstance(value, FunctionType) else id(value) in self.memo for value in held
        )


def _is_full(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
