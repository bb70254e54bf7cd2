"""The user's functions that make up a backward pass, each replaceable by a changed one."""

import functools
import sys
from collections.abc import Callable, Iterator
from types import CellType, FunctionType, MethodType, ModuleType
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
    for owner, name in _members(rule):
        member = vars(owner)[name]
        if member not in seen:
            seen.add(member)

            def of_owner(changed: FunctionType, owner: Any = owner, name: str = name) -> Subject:
                return rebuilt(_while_changed(rule, owner, name, changed))

            yield member, of_owner
            yield from _called(member, of_owner, depth - 1, seen)


def _members(rule: FunctionType) -> Iterator[tuple[Any, str]]:
    """Yield the user's functions that a function calls as `layers.backward(...)` or `net.backward(...)`.

    Each is a module or class with the name. Of what a function is handed or makes, the class is one that it, or what it
    calls, refers to, or one of its module.
    """
    names = rule.__code__.co_names
    for module in [one for one in _referred(rule) if isinstance(one, ModuleType)]:
        yield from ((module, name) for name in names if is_users(vars(module).get(name)))
    classes = [*_classes(rule, DEPTH), *(one for one in rule.__globals__.values() if isinstance(one, type))]
    for cls in dict.fromkeys(classes):
        for name in names:
            owner = next((one for one in cls.__mro__ if name in vars(one)), None)
            if owner is not None and is_users(vars(owner)[name]):
                yield owner, name


def _referred(f: FunctionType) -> list[Any]:
    """Return what a function refers to by its names, and by those of what it refers to."""
    names = f.__code__.co_names
    found = [f.__globals__[name] for name in names if name in f.__globals__]
    for cell in f.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # empty
            continue
    modules = [one for one in found if isinstance(one, ModuleType)]
    return found + [vars(module)[name] for module in modules for name in names if name in vars(module)]


def _classes(f: FunctionType, depth: int) -> Iterator[type]:
    """Yield the classes that a function refers to, those of its objects, and those that the functions it calls do."""
    for one in _referred(f):
        if isinstance(one, type):
            yield one
        elif not isinstance(one, FunctionType):
            yield type(one)
        elif depth and is_users(one):
            yield from _classes(one, depth - 1)


def _while_changed(rule: FunctionType, owner: Any, name: str, changed: FunctionType) -> FunctionType:
    """Return a function that runs with a changed function in a module or class, and leaves that as it was."""

    @functools.wraps(rule)
    def run(*args: Any, **settings: Any) -> Any:
        before = vars(owner)[name]
        setattr(owner, name, changed)
        try:
            return rule(*args, **settings)
        finally:
            setattr(owner, name, before)

    return run  # type: ignore[return-value]  # what is written with def is one


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
