"""Faces: objects that stand for the engine's tensors and modules under other names, such as those of `chainrule.torch`.

A face's class has two methods: `__chainrule__()` returns what it stands for, and the static `__chainrule_face__(value)`
puts the engine's value behind a face. This is all that the tools need to know about them.
"""

import functools
from collections.abc import Callable
from typing import Any


def is_face(x: Any) -> bool:
    """Whether an object is a face."""
    return hasattr(type(x), "__chainrule__")


def behind(x: Any) -> Any:
    """Return what a face stands for, also within tuples, lists and dicts; anything else as it is."""
    if is_face(x):
        return x.__chainrule__()
    if type(x) in (tuple, list):
        return type(x)(map(behind, x))
    return {key: behind(value) for key, value in x.items()} if type(x) is dict else x


def function_behind(f: Any, face: Any) -> Any:
    """Return a function of faces as a function of the engine's values; `face` is any face of that kind."""
    if f is None or not callable(f):
        return f
    enter: Callable[[Any], Any] = type(face).__chainrule_face__

    @functools.wraps(f, updated=())
    def on_values(*args: Any, **kwargs: Any) -> Any:
        return behind(f(*map(enter, args), **{key: enter(value) for key, value in kwargs.items()}))

    return on_values


def face_in(values: Any) -> Any:
    """Return the first face among some values, also within tuples, lists and dicts; None where there is none."""
    if is_face(values):
        return values
    inner = values.values() if type(values) is dict else values if type(values) in (tuple, list) else ()
    return next((face for face in map(face_in, inner) if face is not None), None)


def opened(model: Any, data: Any, loss: Any = None, target: Any = None) -> tuple[Any, Any, Any, Any]:
    """Return a model that is a face, with its data, loss and target, as the engine's; any other as it is."""
    if not is_face(model):
        return model, data, loss, target
    return behind(model), behind(data), function_behind(loss, model), behind(target)
