"""NumPy's `dtype=`, `where=`, `initial=` and `out=` of reductions, in terms of the reduction without them.

`where` replaces the elements left out by the neutral one, `initial` is joined to the result, and both may be traced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.operands.foreign import numbers
from chainrule.core.operands.keywords import hint
from chainrule.core.operands.protocols import writers
from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import known

GIVEN = ("dtype", "out", "initial", "where", "mean")


def is_given(settings: dict[str, Any]) -> bool:
    """Whether one of the options says something."""
    return any(
        value is not None and value is not np._NoValue and not (key == "where" and value is True)
        for key, value in settings.items()
    )


@dataclass(frozen=True)
class Options:
    """What a reduction makes of the options: its neutral element, and how `initial` is joined to its result.

    Without `join` the reduction has no `initial`; `needs_initial` is for an extreme, which has no neutral element.
    """

    name: str
    neutral: Any
    join: Callable[[Any, Any], Any] | None = None
    needs_initial: bool = False

    def apply(self, reduction: Callable[..., Array], a: Any, axis: Any, keepdims: bool, **settings: Any) -> Array:
        """Return the reduction of `a` over `axis` with the options in `settings`."""
        unknown = settings.keys() - set(GIVEN)
        if unknown:
            raise TypeError(f"{self.name}: got an unexpected argument {min(unknown)!r}{hint([min(unknown)])}")
        given = {key: x for key, x in settings.items() if x is not None and x is not np._NoValue}
        if "mean" in given or ("initial" in given and self.join is None):
            raise TypeError(f"{self.name}: {'mean' if 'mean' in given else 'initial'}= is not supported; leave it out")
        a = numbers(a)
        if "dtype" in given and a.dtype != np.dtype(given["dtype"]):
            a = a.astype(given["dtype"])
        where = given.get("where", True)
        if where is not True:
            if self.needs_initial and "initial" not in given:
                raise ValueError(f"{self.name}: where= needs initial=, since an extreme of no elements has no value")
            a = np.where(condition_of(where), a, np.asarray(self.neutral, a.dtype))
        y = reduction(a, axis=axis, keepdims=keepdims)
        if "initial" in given:
            assert self.join is not None
            y = self.join(y, given["initial"])
        return y if "out" not in given else written(self.name, given["out"], y)


def written(name: str, out: Any, y: Any) -> Any:
    """Write a result to the array passed as `out=`, and return that."""
    if isinstance(out, Tensor) or isinstance(y, Tensor):
        return writers["into"](out, f"np.{name}", y)
    np.copyto(out, y, casting="same_kind")
    return out


SUM = Options("sum", 0, np.add)
PROD = Options("prod", 1, np.multiply)
MAX = Options("max", -np.inf, np.maximum, needs_initial=True)
MIN = Options("min", np.inf, np.minimum, needs_initial=True)
ANY = Options("any", False)
ALL = Options("all", True)


def mean_of(total: Callable[..., Array], a: Any, axis: Any, keepdims: bool, where: Any) -> Array:
    """Return the mean of the elements where a condition holds."""
    a, chosen = numbers(a), condition_of(where)
    counts = total(np.broadcast_to(chosen, a.shape).astype(a.dtype), axis=axis, keepdims=keepdims)
    return total(np.where(chosen, a, np.asarray(0, a.dtype)), axis=axis, keepdims=keepdims) / counts


def condition_of(where: Any) -> Any:
    """Return the condition of a reduction as booleans, traced where their values are not known."""
    chosen = known(where)
    chosen = chosen if isinstance(chosen, Tensor) else np.asarray(chosen)
    return chosen if chosen.dtype == np.bool_ else chosen != 0
