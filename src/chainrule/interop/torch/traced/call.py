"""`Step` and `Call`: one operator of a traced graph, as stored and as seen by the functions that run it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

Carrier = Callable[..., Any]

CARRIERS: dict[str, Carrier] = {}
"""The function for each operator: `(call, *args, **settings)`, with ATen's arguments, returns its result.

A name with an overload (`max.dim`) is that overload; one without stands for all that have no entry of their own.
"""


def carries(*names: str) -> Callable[[Carrier], Carrier]:
    """Register a function that runs the ATen operators with these names."""

    def register(carrier: Carrier) -> Carrier:
        for name in names:
            if name in CARRIERS:
                raise KeyError(f"{name!r} is carried out by {CARRIERS[name].__qualname__} already")
            CARRIERS[name] = carrier
        return carrier

    return register


def carrier_of(kind: str) -> Carrier | None:
    """Return the function that runs an operator such as `add.Tensor` or `relu`, or None."""
    return CARRIERS.get(kind) or CARRIERS.get(kind.partition(".")[0])


@dataclass(frozen=True)
class Ref:
    """A reference by graph name to the result of an earlier step, an input, a parameter or a constant."""

    name: str


@dataclass(frozen=True)
class Step:
    """One operator: its kind, the name of its result, its arguments (with a `Ref` for each value), and its module.

    `dtypes` holds the dtype of PyTorch's result, a tuple of them (None for non-tensors), or None. `path` is the path of
    the module that runs the operator; `place` adds the module's class, for messages. `calls` lists the running calls of
    submodules, the outermost first, each as a name of its own and the submodule's path.
    """

    kind: str
    name: str
    args: tuple[Any, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    dtypes: Any = None
    path: str = ""
    place: str = "the model"
    calls: tuple[tuple[str, str], ...] = ()


@dataclass
class Call:
    """A step while it runs."""

    step: Step
    module: Any

    @property
    def dtype(self) -> Any:
        """The dtype that the result should have, also after a conversion of the model with `.to(dtype)`."""
        return self.now(self.step.dtypes)

    def now(self, dtype: Any) -> Any:
        """Return the current counterpart of a traced dtype, which a conversion of the model may have changed."""
        return dtype if dtype is None else self.module.dtype_now(np.dtype(dtype))

    def refuse(self, what: str) -> NoReturn:
        """Raise a ValueError that names the operator and the module."""
        raise ValueError(f"from_torch: {self.step.place}: {self.step.kind}: {what}")


def kind_of(x: Any) -> str:
    """Return the kind of the dtype of an array, a tensor or a number: "f", "i", "b", …."""
    return str(x.dtype.kind if hasattr(x, "dtype") else np.asarray(x).dtype.kind)


def arrayed(x: Any, dtype: Any = None) -> Any:
    """Return a number as an array; return arrays and tensors unchanged."""
    return x if hasattr(x, "shape") else np.asarray(x, dtype)


def cast(x: Any, dtype: Any) -> Any:
    """Cast an array to a dtype; return it unchanged if it already has it, or if none is given."""
    return x if dtype is None or x.dtype == dtype else x.astype(dtype)


def refs_in(tree: Any) -> list[str]:
    """Return the names of all values in nested arguments."""
    if isinstance(tree, Ref):
        return [tree.name]
    if isinstance(tree, tuple | list):
        return [name for item in tree for name in refs_in(item)]
    if isinstance(tree, Mapping):
        return [name for item in tree.values() for name in refs_in(item)]
    return []
