"""`torch.compile`: chainrule's compiler for functions and modules of tensors."""

import functools
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.compile import compile as engine_compile
from chainrule.core.errors import CaptureError
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import running
from chainrule.core.traces.tape import ARRAYS, EAGER

from .face import Tensor, unwrapped, wrapped
from .nn.module import Module


def compile(model: Any = None, *, fullgraph: bool = False, **_: Any) -> Any:
    """Return a function, or a module, that runs as a compiled program.

    What cannot be compiled, because Python looks at values for example, runs as it is after a warning that says why;
    with `fullgraph=True` it is an error, `chainrule.core.errors.CaptureError`. Other settings of PyTorch's compiler
    (`mode`, `backend`, …) are accepted and have no meaning here. Results are new tensors, not views of arguments or of
    each other; a tensor that is passed in and returned is itself.

    >>> import chainrule.torch as torch
    >>> torch.compile(lambda x: (2 * x).tanh())(torch.zeros(2))
    tensor([0., 0.])
    """
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph)
    if isinstance(model, Module):
        return Compiled(model, fullgraph)
    return _of_function(model, fullgraph)


REFUSALS = 3
"""After how many refusals a function is no longer captured."""


def _of_function(f: Any, fullgraph: bool) -> Any:
    calls = _Calls()

    def on_values(*args: Any, **kwargs: Any) -> Any:
        if (given := calls.given(args, kwargs)) is not None:  # uncompiled
            return _leaving_result(f(*given[0], **given[1]), list(_leaves(given)))
        entered: list[tuple[Any, Any, list[Any]]] = []
        given = tuple(_entering(x, entered) for x in args), {key: _entering(x, entered) for key, x in kwargs.items()}
        found = f(*given[0], **given[1])
        for x, made, before in entered:
            _written_back(x, made, before)
        return _leaving_result(found, list(_leaves(given)))

    program = engine_compile(functools.update_wrapper(on_values, f))

    refusals = 0

    @functools.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        nonlocal refusals
        if refusals >= REFUSALS:
            return f(*args, **kwargs)
        before, calls.current = calls.current, (args, kwargs)
        try:
            if kwargs:
                found = program(*map(_leaving, args), **{key: _leaving(x) for key, x in kwargs.items()})
            else:
                found = program(*map(_leaving, args))
            return _returned(found, args, kwargs)
        except CaptureError as error:
            if fullgraph or running.capture is not None:  # around this one another function is captured: it decides
                raise
            if not refusals:
                reason = str(error).removeprefix("compile: ")
                warnings.warn(f"torch.compile: runs uncompiled, since {reason}", stacklevel=2)
            refusals += 1
            return f(*args, **kwargs)
        finally:
            calls.current = before

    return run


class _Calls(threading.local):
    """The tensors of the calls of a function that is compiled, while they last."""

    current: tuple[Any, Any] | None = None

    def given(self, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        """Return the caller's own tensors if these are their values, and no placeholders of a capture.

        What shares their memory must see what is written into them.
        """
        if self.current is None:
            return None
        mine, values = list(_leaves(self.current)), list(_leaves((args, kwargs)))
        same = len(mine) == len(values) and all(map(_is_of, values, mine))
        return self.current if same else None


def _is_of(value: Any, x: Any) -> bool:
    """Whether a value is that of a tensor, or is the same thing."""
    if not isinstance(x, Tensor):
        return value is x
    return value is x._x or (type(x._x) is Engine and value is x._x._value)


def _leaves(x: Any) -> Iterator[Any]:
    """Yield what is in nested tuples, lists and dicts."""
    if type(x) is tuple or type(x) is list:
        for item in x:
            yield from _leaves(item)
    elif type(x) is dict:
        for item in x.values():
            yield from _leaves(item)
    else:
        yield x


class _Argument:
    """What a program returns in place of a tensor that it was given."""

    def __init__(self, place: int) -> None:
        self.place = place


def _leaving_result(found: Any, given: list[Any]) -> Any:
    """Return a result as the engine takes it, with the places of tensors among it that are arguments."""
    if isinstance(found, Tensor):
        place = next((k for k, x in enumerate(given) if x is found), None)
        return found._x if place is None else _Argument(place)
    kind = type(found)
    if isinstance(found, tuple) and hasattr(found, "_fields"):
        return kind(*(_leaving_result(x, given) for x in found))
    if kind is tuple or kind is list:
        return kind(_leaving_result(x, given) for x in found)
    if kind is dict:
        return {key: _leaving_result(x, given) for key, x in found.items()}
    return found


def _returned(found: Any, args: Any, kwargs: Any) -> Any:
    """Return a program's result as tensors: an argument that comes back is itself."""
    if type(found) is _Argument:
        return list(_leaves((args, kwargs)))[found.place]
    kind = type(found)
    if isinstance(found, tuple) and hasattr(found, "_fields"):
        return kind(*(_returned(x, args, kwargs) for x in found))
    if kind is tuple or kind is list:
        return kind(_returned(x, args, kwargs) for x in found)
    if kind is dict:
        return {key: _returned(x, args, kwargs) for key, x in found.items()}
    return wrapped(found)


def _leaving(x: Any) -> Any:
    """Return an argument as the engine takes it: constants as arrays, which a plan recognises fastest."""
    x = unwrapped(x)
    is_constant = type(x) is Engine and x._link is None and x._trace is EAGER and type(x._value) is np.ndarray
    return x._value if is_constant and x._value.dtype.kind == "f" else x


def _entering(x: Any, entered: list[tuple[Any, Any, list[Any]]]) -> Any:
    """Return an argument as the function takes it; note what it may write into, with what is in it at first."""
    made, before = x, []
    if type(x) is list or type(x) is tuple:
        made = type(x)(_entering(item, entered) for item in x)
        before = list(made)
    elif type(x) is dict:
        made = {key: _entering(item, entered) for key, item in x.items()}
        before = list(made.values())
    elif hasattr(x, "shape") and not isinstance(x, Tensor):
        is_plain = type(x) is Engine and x._trace is ARRAYS and x.dtype.kind == "f"
        made = wrapped(Engine(x._value, EAGER, None) if is_plain else x)
    if made is not x:
        entered.append((x, made, before))
    return made


def _written_back(x: Any, made: Any, before: list[Any]) -> None:
    """Let an argument have what the function has written into what stood for it."""
    if type(x) is Engine and isinstance(made, Tensor):
        x._value = unwrapped(made)._value
    elif type(x) is np.ndarray and isinstance(made, Tensor):  # the function runs uncompiled
        if (values := value_of(unwrapped(made))) is not x:
            x[...] = values
    elif type(x) is list and not _are_same(made, before):
        x[:] = made
    elif type(x) is dict and not (made.keys() == x.keys() and _are_same(made.values(), before)):
        x.clear()
        x.update(made)


def _are_same(now: Any, before: list[Any]) -> bool:
    return len(now) == len(before) and all(a is b for a, b in zip(now, before, strict=True))


class Compiled(Module):
    """A module whose forward pass is compiled; the module itself is `_orig_mod`."""

    def __init__(self, module: Any, fullgraph: bool) -> None:
        super().__init__()
        self._orig_mod = module
        object.__setattr__(self, "_run", _of_function(module.forward, fullgraph))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the module returns."""
        return self._run(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_orig_mod"), name)
