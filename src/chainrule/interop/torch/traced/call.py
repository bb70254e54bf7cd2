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
    """Register a function that runs the ATen operators of these names."""

    def register(carrier: Carrier) -> Carrier:
        for name in names:
            if name in CARRIERS:
                raise KeyError(f"{name!r} is carried out by {CARRIERS[name].__qualname__} already")
            CARRIERS[name] = carrier
        return carrier

    return register


def carrier_of(kind: str) -> Carrier | None:
    """Return the function that carries out `add.Tensor` or `relu`, or None where there is none."""
    return CARRIERS.get(kind) or CARRIERS.get(kind.partition(".")[0])


@dataclass(frozen=True)
class Ref:
    """An argument that an earlier step makes, or that is an input, a parameter or a constant: its name in the graph."""

    name: str


@dataclass(frozen=True)
class Step:
    """One operator: its kind, the name of its result, its arguments (with a `Ref` for each value), where it stands.

    `dtypes` is what PyTorch's result has: one dtype, a tuple of them (None for what is no tensor), or None. `path` is
    the path of the module that runs it, `place` the path with the module's class, for messages.
    """

    kind: str
    name: str
    args: tuple[Any, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    dtypes: Any = None
    path: str = ""
    place: str = "the model"


@dataclass
class Call:
    """A step that is running."""

    step: Step
    module: Any

    @property
    def dtype(self) -> Any:
        """The dtype that the result is to have, after a conversion of the model with `.to(dtype)` as well."""
        return self.now(self.step.dtypes)

    def now(self, dtype: Any) -> Any:
        """Return what a dtype of the traced model is after a conversion of the model."""
        return dtype if dtype is None else self.module.dtype_now(np.dtype(dtype))

    def refuse(self, what: str) -> NoReturn:
        """Raise a ValueError that names the operator and the module."""
        raise ValueError(f"from_torch: {self.step.place}: {self.step.kind}: {what}")


def kind_of(x: Any) -> str:
    """Return the kind of the dtype of an array, a tensor or a number: "f", "i", "b", …."""
    return str(x.dtype.kind if hasattr(x, "dtype") else np.asarray(x).dtype.kind)


def arrayed(x: Any, dtype: Any = None) -> Any:
    """Return a number as an array; an array or a tensor as it is."""
    return x if hasattr(x, "shape") else np.asarray(x, dtype)


def cast(x: Any, dtype: Any) -> Any:
    """Return an array in a dtype; as it is where it has it, or where none is given."""
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
