"""What a watched pass leaves: values, operations, calls of modules, places where a gradient was cut off.

Nothing here belongs to one library. `probe` writes such records from a model of chainrule, `torch_watch` from one of
PyTorch; whatever reads them does not know which of the two ran.
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
    """A value on the way to the loss: a parameter, or what an operation made of one."""

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
        """Whether it leads to a parameter that asks for a gradient."""

    @property
    @abstractmethod
    def source(self) -> Source | None:
        """The line of the user's that made it, where it is known."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape."""

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


class Event(ABC):
    """One operation: its name among chainrule's, its arguments and result, and the module it ran in.

    Arguments and result are boxes where they lead to a parameter, in tuples as well; else they are constants.
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
        """The operation's record; `Operation` where the library has one that chainrule does not."""
        return record_of(self.name)

    @property
    @abstractmethod
    def source(self) -> Source | None:
        """The line of the user's that called it."""

    @abstractmethod
    def slope(self) -> Any:
        """Return the derivative at every element, where the operation is elementwise; None where it is not known."""

    @property
    def value(self) -> Any:
        """The result as an array."""
        return np.asarray(plain(self.output))

    @property
    def gradient(self) -> Any:
        """∂L/∂(result), or None where the loss does not reach it."""
        return self.output.gradient if isinstance(self.output, Box) else None


class ModuleCall:
    """One call of a module: its path, what came in, what went out."""

    __slots__ = ("args", "module", "output", "path")

    def __init__(self, path: str, module: Any, args: Any, output: Any) -> None:
        self.path, self.module, self.args, self.output = path, module, args, output


class Cut:
    """A place where a value was detached, with the user's line."""

    __slots__ = ("how", "path", "source")

    def __init__(self, how: str, path: str, source: Source | None) -> None:
        self.how, self.path, self.source = how, path, source


class Record(ABC):
    """All that was seen in one pass. `failed` is the path of the module in which an exception was raised."""

    events: list[Event]
    calls: list[ModuleCall]
    cuts: list[Cut]
    in_loss: bool
    failed: str

    @abstractmethod
    def box(self, value: Any) -> Any:
        """Return what stands for a value in this record: its box, or the value itself where it is a constant."""

    @abstractmethod
    def name_of(self, box: Box) -> str | None:
        """Return the name of the parameter that a box is, or None."""

    @abstractmethod
    def gradients(self, loss: Any, parameters: Mapping[str, Any]) -> Gradients:
        """Walk back from the loss; return each parameter's gradient, where there is one."""


def plain(value: Any) -> Any:
    """Return a box's array, in tuples as well; anything else as it is."""
    if isinstance(value, Box):
        return value.value
    return tuple(plain(item) for item in value) if isinstance(value, tuple) else value


def boxes_in(args: Any) -> list[Box]:
    """Return the boxes among some arguments, in tuples as well."""
    found: list[Box] = []
    for x in args:
        if isinstance(x, Box):
            found.append(x)
        elif isinstance(x, tuple | list):
            found += boxes_in(x)
    return found


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """Return a value, or a tuple or list of values as a tuple, each changed."""
    return tuple(mapped(change, item) for item in value) if isinstance(value, tuple | list) else change(value)
