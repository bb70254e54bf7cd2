"""`torch.compile`: chainrule's compiler for functions and modules of tensors."""

import functools
import warnings
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
    (`mode`, `backend`, …) are accepted and have no meaning here.

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
    def on_values(*args: Any, **kwargs: Any) -> Any:
        entered: list[tuple[Any, Any, list[Any]]] = []
        given = [_entering(x, entered) for x in args]
        named = {key: _entering(x, entered) for key, x in kwargs.items()}
        found = unwrapped(f(*given, **named))
        for x, made, before in entered:
            _written_back(x, made, before)
        return found

    program = engine_compile(functools.update_wrapper(on_values, f))

    refusals = 0

    @functools.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        nonlocal refusals
        if refusals >= REFUSALS:
            return f(*args, **kwargs)
        try:
            if kwargs:
                return wrapped(program(*map(_leaving, args), **{key: _leaving(x) for key, x in kwargs.items()}))
            return wrapped(program(*map(_leaving, args)))
        except CaptureError as error:
            if fullgraph or running.capture is not None:  # around this one another function is captured: it decides
                raise
            if not refusals:
                reason = str(error).removeprefix("compile: ")
                warnings.warn(f"torch.compile: runs uncompiled, since {reason}", stacklevel=2)
            refusals += 1
            return f(*args, **kwargs)

    return run


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
