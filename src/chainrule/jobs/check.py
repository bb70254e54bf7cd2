"""Checking a function in a file, whichever library it is written for."""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.check.checker import check
from chainrule.check.measuring.measure import BUDGET
from chainrule.check.report.report import CheckReport
from chainrule.check.subjects.layers import check_layer
from chainrule.interop.jax.check import check_jax
from chainrule.interop.torch.check import check_torch
from chainrule.jobs.calling import made
from chainrule.jobs.check_functions import Inputs, find, load_name, shapes_of, told
from chainrule.nn.module import Module


def check_target(
    target: str,
    *,
    backward: str | None = None,
    layer: bool = False,
    shapes: Sequence[str] = (),
    full: bool = False,
    seed: int = 0,
    budget: float = BUDGET,
) -> CheckReport:
    """Check `FILE.py:NAME` or `module:NAME` with `check`, `check_layer`, `check_torch` or `check_jax`.

    Raises ValueError, with a one-line message, if the call is invalid or the function raises.
    """
    sizes = shapes_of(shapes)
    module, name = load_name(target)
    f = find(module, name)
    rule = None if backward is None else find(module, backward)
    if layer and backward is not None:
        raise ValueError("--layer and --backward: a layer has its own backward; give one of the two")
    layer = layer or (rule is None and _is_layer(f))
    try:
        f = _layer(f) if layer else f
        library = _library_of(f) or _root(module.__name__)
        args = Inputs(module, name, sizes, seed, _converter(library)).of(f)
        library = library or next((found for x in args if (found := _home(x))), "")
        if library and (layer or rule is not None):
            raise ValueError(f"{name} is {library} code, with its own backward pass; omit --layer and --backward")
        checker = _checker(library, layer, rule)
        return checker(f, *args, full=full, seed=seed, budget=budget)
    except (ValueError, ImportError) as error:
        if _is_ours(error):
            raise
        raise ValueError(f"{target}: {told(error)}") from error
    except Exception as error:
        raise ValueError(f"{target}: {told(error)}") from error


def _is_ours(error: Exception) -> bool:
    """Whether an error came from reading the call, so that its message is enough."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_globals.get("__name__") in _READERS


_READERS = tuple(f"chainrule.{name}" for name in ("base.optional", "jobs.calling", "jobs.check_functions"))


def _is_layer(f: Any) -> bool:
    """Whether something has the two passes of a hand-written layer, and belongs to no library."""
    has_both = all(callable(getattr(f, name, None)) for name in ("forward", "backward"))
    return has_both and not isinstance(f, Module) and not _library_of(f)


def _checker(library: str, layer: bool, rule: Any) -> Callable[..., CheckReport]:
    if library:
        return check_torch if library == "torch" else check_jax
    if layer:
        return check_layer

    def checked(f: Any, *args: Any, **options: Any) -> CheckReport:
        return check(f, *args, backward=rule, **options)

    return checked


def _layer(f: Any) -> Any:
    """Return a layer: the object itself, or the result of calling a class or a function without arguments."""
    if inspect.isclass(f) or (inspect.isfunction(f) and not hasattr(f, "backward")):
        return made(f, "a class without arguments, an instance, or a function without arguments that returns one")
    return f


def _home(x: Any) -> str:
    """Return the library, torch or jax, that a value belongs to, or an empty string."""
    for cls in type(x).__mro__:
        if library := _root(cls.__module__):
            return library
    return ""


def _root(module: str) -> str:
    return {"torch": "torch", "jax": "jax", "jaxlib": "jax"}.get(module.partition(".")[0], "")


def _library_of(f: Any) -> str:
    if inspect.isclass(f):
        torch = sys.modules.get("torch")
        return "torch" if torch is not None and issubclass(f, torch.autograd.Function) else ""
    return _home(f) or _named(f)


def _named(f: Any) -> str:
    """Return the library that a function belongs to, or that its annotations or source mention."""
    said = [str(getattr(f, "__module__", "")), *map(str, getattr(f, "__annotations__", {}).values())]
    if inspect.isfunction(f):
        used = inspect.getclosurevars(f).globals.values()
        said += [value.__name__ if inspect.ismodule(value) else _home(value) for value in used]
    return next((name for name in ("torch", "jax") if any(f"{name}." in f"{text}." for text in said)), "")


def _converter(library: str) -> Callable[[Any], Any]:
    if library == "torch":
        torch = sys.modules["torch"]
        return lambda x: torch.as_tensor(x, dtype=torch.get_default_dtype())
    if library == "jax":
        return lambda x: sys.modules["jax"].numpy.asarray(x)
    return np.asarray
