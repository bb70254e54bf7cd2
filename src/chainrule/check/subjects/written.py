"""Operations inside a run that a user has written with both passes, such as an `autograd.Function`."""

from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from chainrule.core.custom import is_floating
from chainrule.core.operands.written import Written

from .editing import with_helpers
from .subject import Array, Arrays, BackwardError, Subject, joined, located, parted


class WrittenSubject(Subject):
    """One call of such an operation, at the inputs that it had in a run."""

    def __init__(self, call: Written, rule: Callable[..., Any] | None = None) -> None:
        self.call, self.rule = call, call.rule if rule is None else rule
        self.name, self.source = call.name, located(call.rule)
        self.backward_name = f"{call.name}.backward"
        self.positions = {name: k for k, name in enumerate(call.names) if is_floating(call.args[k])}
        self.arguments = {name: np.array(call.args[k]) for name, k in self.positions.items()}

    def _args(self, arguments: Arrays) -> list[Any]:
        args = list(self.call.args)
        for name, k in self.positions.items():
            args[k] = arguments[name]
        return args

    def _outputs(self, arguments: Arrays) -> list[Any]:
        return [y for y in self.call.forward(self._args(arguments)) if is_floating(y)]

    def forward(self, arguments: Arrays) -> Array:
        """Run the forward pass."""
        return joined(self._outputs(arguments))

    def backward(self, arguments: Arrays, y_bar: Array) -> dict[str, Any]:
        """Run the user's backward pass, after the forward pass that keeps what it needs."""
        bars = parted(y_bar, self._outputs(arguments))
        try:
            found: Sequence[Any] = self.call.pull(self.rule, self._args(arguments), bars)
        except Exception as error:
            said = f"{self.backward_name} raised {type(error).__name__}: {error}"
            raise BackwardError("raises", said) from error
        zeros = {name: np.zeros_like(x) for name, x in arguments.items()}
        return {name: zeros[name] if found[k] is None else found[k] for name, k in self.positions.items()}

    def editable(self) -> Iterator[tuple[FunctionType, Callable[[FunctionType], Subject | None]]]:
        """Yield the backward pass, and the user's functions that it calls."""
        yield from with_helpers(self.rule, lambda rule: WrittenSubject(self.call, rule))
