"""`torch.jit`: annotations for TorchScript. Functions and modules run as Python here, as with PYTORCH_JIT=0.

`torch.compile` makes them faster.
"""

from typing import Any

from .missing import explain


def script(obj: Any, *_: Any, **__: Any) -> Any:
    """Return a function, module or class as it is."""
    return obj


def trace(func: Any, example_inputs: Any = None, *_: Any, **__: Any) -> Any:
    """Return a function or module as it is: it is not fixed to the path that its example takes."""
    return func


def ignore(drop: Any = None, **_: Any) -> Any:
    """Return a function as it is; also a decorator with settings."""
    return drop if callable(drop) else script


unused = export = ignore
_overload_method = _overload = _script_if_tracing = script_method = script


def is_scripting() -> bool:
    """Return False."""
    return False


is_tracing = is_scripting


def __getattr__(name: str) -> Any:
    raise AttributeError(explain("jit.save" if name in ("save", "load") else f"jit.{name}"))
