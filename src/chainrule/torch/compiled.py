"""`torch.compile`: chainrule's compiler for functions and modules of tensors."""

import functools
from typing import Any

import numpy as np

from chainrule.compile import compile as engine_compile
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.traces.tape import ARRAYS, EAGER

from .face import Tensor, unwrapped, wrapped
from .nn.module import Module


def compile(model: Any = None, **_: Any) -> Any:
    """Return a function, or a module, that runs as a compiled program.

    Settings of PyTorch's compiler (`mode`, `backend`, …) are accepted and have no meaning here.

    >>> import chainrule.torch as torch
    >>> torch.compile(lambda x: (2 * x).tanh())(torch.zeros(2))
    tensor([0., 0.])
    """
    if model is None:
        return functools.partial(compile, **_)
    if isinstance(model, Module):
        return Compiled(model)
    return _of_function(model)


def _of_function(f: Any) -> Any:
    def on_values(*args: Any, **kwargs: Any) -> Any:
        return unwrapped(f(*map(_entering, args), **{key: _entering(value) for key, value in kwargs.items()}))

    program = engine_compile(functools.update_wrapper(on_values, f))

    @functools.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            return wrapped(program(*map(_leaving, args), **{key: _leaving(value) for key, value in kwargs.items()}))
        return wrapped(program(*map(_leaving, args)))

    return run


def _leaving(x: Any) -> Any:
    """Return an argument as the engine takes it: constants as arrays, which a plan recognises fastest."""
    x = unwrapped(x)
    is_constant = type(x) is Engine and x._link is None and x._trace is EAGER and type(x._value) is np.ndarray
    return x._value if is_constant and x._value.dtype.kind == "f" else x


def _entering(x: Any) -> Any:
    if type(x) is Engine and x._trace is ARRAYS and x.dtype.kind == "f":
        x = Engine(x._value, EAGER, None)
    return wrapped(x) if hasattr(x, "shape") and not isinstance(x, Tensor) else x


class Compiled(Module):
    """A module whose forward pass is compiled; the module itself is `_orig_mod`."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self._orig_mod = module
        object.__setattr__(self, "_run", _of_function(module.forward))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the module returns."""
        return self._run(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_orig_mod"), name)
