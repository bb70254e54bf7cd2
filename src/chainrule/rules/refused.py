"""Unsupported NumPy functions, grouped by the reason that they give when called with a tensor."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

import numpy as np

from chainrule.core.operands.protocols import implements
from chainrule.core.tensor import Tensor
from chainrule.core.tree import flatten

REFUSED = {
    "it works on bits, which have no derivative": ("packbits", "unpackbits"),
    "it writes files, which hold no gradient": ("save", "savetxt", "savez", "savez_compressed"),
    "it is for dates": ("busday_count", "busday_offset", "datetime_as_string", "is_busday", "isnat"),
}


def _functions(names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Return the functions of those names that this NumPy release has."""
    for name in names:
        try:
            yield name, attrgetter(name)(np)
        except AttributeError:
            continue


def _refusing(name: str, function: Callable[..., Any], reason: str) -> Callable[..., Any]:
    def refuse(*args: Any, **settings: Any) -> Any:
        if any(isinstance(leaf, Tensor) for leaf in flatten((args, settings))[0]):
            raise TypeError(
                f"np.{name}: chainrule has no derivative for it; use x.numpy() if none is needed ({reason})"
            )
        return function(*args, **settings)

    return refuse


REASONS: dict[Any, str] = {}
"""Why each function is refused."""
for _reason, _names in REFUSED.items():
    for _name, _function in _functions(_names):
        if _function not in REASONS:
            REASONS[_function] = _reason
            implements(_function)(_refusing(_name, _function, _reason))
