"""The user's functions that make up a backward pass, each replaceable by a changed one."""

import sys
from collections.abc import Callable, Iterator
from types import CellType, FunctionType, MethodType
from typing import Any, TypeGuard, TypeVar

Subject = TypeVar("Subject")
DEPTH = 2
"""How deep calls are followed."""
_LIBRARIES = ("site-packages", "dist-packages")


def with_helpers(
    rule: Any, rebuilt: Callable[[FunctionType], Subject]
) -> Iterator[tuple[FunctionType, Callable[[FunctionType], Subject]]]:
    """Yield a function and those that it calls by name, each with a way to rebuild the whole with another one."""
    if isinstance(rule, MethodType):
        owner = rule.__self__
        yield from with_helpers(rule.__func__, lambda f: rebuilt(MethodType(f, owner)))  # type: ignore[arg-type]
        return
    if is_users(rule):
        yield rule, rebuilt
        yield from _called(rule, rebuilt, DEPTH, {rule})
    elif (inner := getattr(rule, "__wrapped__", None)) is not None:
        yield from with_helpers(inner, lambda f: rebuilt(_decorated(rule, inner, f)))


def _decorated(rule: Any, inner: Any, changed: Any) -> Any:
    """Return what a library's decorator made of a function, made of a changed one: in its closure, or that one bare."""
    for k, cell in enumerate(getattr(rule, "__closure__", None) or ()):
        if cell.cell_contents is inner:
            return _with_cell(rule, k, CellType(changed))
    return changed


def _called(
    rule: FunctionType, rebuilt: Callable[[FunctionType], Subject], depth: int, seen: set[Any]
) -> Iterator[tuple[FunctionType, Callable[[FunctionType], Subject]]]:
    if not depth:
        return
    for name in rule.__code__.co_names:
        helper = rule.__globals__.get(name)
        if not is_users(helper) or helper in seen:
            continue
        seen.add(helper)

        def with_helper(changed: FunctionType, name: str = name) -> Subject:
            return rebuilt(_with_global(rule, name, changed))

        yield helper, with_helper
        yield from _called(helper, with_helper, depth - 1, seen)
    for k, cell in enumerate(rule.__closure__ or ()):
        try:
            helper = cell.cell_contents
        except ValueError:  # empty
            continue
        if is_users(helper) and helper not in seen:
            seen.add(helper)

            def in_cell(changed: FunctionType, k: int = k) -> Subject:
                return rebuilt(_with_cell(rule, k, CellType(changed)))

            yield helper, in_cell


def _with_global(f: FunctionType, name: str, value: Any) -> FunctionType:
    return _copied(f, {**f.__globals__, name: value}, f.__closure__)


def _with_cell(f: FunctionType, k: int, cell: Any) -> FunctionType:
    cells = list(f.__closure__ or ())
    cells[k] = cell
    return _copied(f, f.__globals__, tuple(cells))


def _copied(f: FunctionType, space: dict[str, Any], cells: Any) -> FunctionType:
    made = FunctionType(f.__code__, space, f.__name__, f.__defaults__, cells)
    made.__kwdefaults__ = f.__kwdefaults__
    return made


def is_users(f: Any) -> TypeGuard[FunctionType]:
    """Whether something is a function written in Python that belongs to no library."""
    if not isinstance(f, FunctionType):
        return False
    root = (f.__module__ or "").partition(".")[0]
    return root not in {"chainrule", *sys.stdlib_module_names} and not is_library(f.__code__.co_filename)


def is_library(file: str) -> bool:
    """Whether a file is one of an installed library."""
    return any(part in file for part in _LIBRARIES)
