"""The parameters that optimisers and clipping accept: single, named, or in groups."""

from collections.abc import Iterable
from typing import Any

from chainrule.core.tensor import Tensor
from chainrule.core.traces.tape import EAGER


def named(what: str, params: Any) -> dict[str, Tensor]:
    """Return parameters by name, in order: from `model.parameters()`, `model.named_parameters()` or one tensor.

    A parameter without a name is named by its position. Raises TypeError for anything but leaves, and ValueError for a
    duplicate; messages begin with `what`.
    """
    if isinstance(params, Tensor):
        params = [params]
    is_module = hasattr(params, "parameters")
    if is_module or not isinstance(params, Iterable) or isinstance(params, str | bytes):
        hint = "; pass model.parameters()" if is_module else ""
        raise TypeError(f"{what}: expected parameters, got {type(params).__name__}{hint}")
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for position, item in enumerate(params):
        name, parameter = item if isinstance(item, tuple) and len(item) == 2 else (None, item)
        name = str(name or getattr(parameter, "name", None) or f"parameter {position}")
        _check_leaf(f"{what}: {name}", parameter)
        if id(parameter) in seen:
            raise ValueError(f"{what}: {name} was passed twice; pass each parameter once")
        seen.add(id(parameter))
        found[name if name not in found else f"{name} (position {position})"] = parameter
    return found


def _check_leaf(what: str, parameter: Any) -> None:
    if not isinstance(parameter, Tensor):
        raise TypeError(f"{what}: expected a parameter or a tensor, got {type(parameter).__name__}")
    if parameter._trace is not EAGER or not parameter.is_leaf:
        raise TypeError(
            f"{what}: expected a leaf (a Parameter, or a tensor made with requires_grad=True), got the result of an "
            f"operation or a value inside a transform"
        )
