"""The record of a watched pass: values, operations, module calls, places where a gradient was cut off.

Nothing here is specific to a library. `numpy.probe` writes such records for chainrule models, `torch.watch` for
PyTorch models; their readers do not know which of the two ran.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.base.provenance import Source
from chainrule.core.operation import record_of

Gradients: TypeAlias = dict[str, Any]
"""The gradient of each parameter that the loss reaches, by the parameter's name, as arrays."""


class Box(ABC):
    """A value on the path to the loss: a parameter, or an operation's result that depends on one."""

    __slots__ = ()

    @property
    @abstractmethod
    def value(self) -> Any:
        """The values as an array."""

    @property
    @abstractmethod
    def gradient(self) -> Any:
        """∂L/∂(value) as an array, or None where the loss does not reach it."""

    @property
    @abstractmethod
    def tracked(self) -> bool:
        """Whether it depends on a parameter that requires a gradient."""

    @property
    @abstractmethod
    def source(self) -> Source | None:
        """The user's line that made it, if known."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape."""

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


class Event(ABC):
    """One operation: its chainrule name, its arguments and result, and the module it ran in.

    Arguments and results that depend on a parameter are boxes, also within tuples; the others are constants.
    """

    __slots__ = ("args", "constant", "in_loss", "name", "output", "path", "settings")

    def __init__(
        self,
        name: str,
        args: Sequence[Any],
        output: Any,
        settings: Mapping[str, Any],
        path: str,
        in_loss: bool,
        constant: bool,
    ) -> None:
        self.name, self.args, self.output, self.settings = name, tuple(args), output, settings
        self.path, self.in_loss = path, in_loss
        self.constant = constant
        """Whether it has no derivative."""

    @property
    def record(self) -> Any:
        """The operation's record; `Operation` if chainrule has no counterpart."""
        return record_of(self.name)

    @property
    @abstractmethod
    def source(self) -> Source | None:
        """The user's line that called it."""

    @abstractmethod
    def slope(self) -> Any:
        """Return the elementwise derivative, or None if the operation is not elementwise or it is unknown."""

    @property
    def value(self) -> Any:
        """The result as an array."""
        return np.asarray(plain(self.output))

    @property
    def gradient(self) -> Any:
        """∂L/∂(result), or None where the loss does not reach it."""
        return self.output.gradient if isinstance(self.output, Box) else None


class ModuleCall:
    """One call of a module: its path, inputs and output."""

    __slots__ = ("args", "module", "output", "path")

    def __init__(self, path: str, module: Any, args: Any, output: Any) -> None:
        self.path, self.module, self.args, self.output = path, module, args, output


class Cut:
    """A place where a value was detached, with the user's line."""

    __slots__ = ("how", "path", "source")

    def __init__(self, how: str, path: str, source: Source | None) -> None:
        self.how, self.path, self.source = how, path, source


class Record(ABC):
    """All observations of one pass. `failed` is the path of the module in which an exception was raised."""

    events: list[Event]
    calls: list[ModuleCall]
    cuts: list[Cut]
    in_loss: bool
    failed: str

    @abstractmethod
    def box(self, value: Any) -> Any:
        """Return a value's box in this record, or the value itself if it is a constant."""

    @abstractmethod
    def name_of(self, box: Box) -> str | None:
        """Return the name of the parameter that a box is, or None."""

    @abstractmethod
    def gradients(self, loss: Any, parameters: Mapping[str, Any]) -> Gradients:
        """Backpropagate from the loss; return the gradients of the parameters that have one."""


def plain(value: Any) -> Any:
    """Return a box's array, also within tuples; anything else unchanged."""
    if isinstance(value, Box):
        return value.value
    return tuple(plain(item) for item in value) if isinstance(value, tuple) else value


def boxes_in(args: Any) -> list[Box]:
    """Return the boxes among the arguments, also within tuples."""
    found: list[Box] = []
    for x in args:
        if isinstance(x, Box):
            found.append(x)
        elif isinstance(x, tuple | list):
            found += boxes_in(x)
    return found


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """Return `change` applied to a value, or to each element of a tuple or list, as a tuple."""
    return tuple(mapped(change, item) for item in value) if isinstance(value, tuple | list) else change(value)
