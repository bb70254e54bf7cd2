"""The forms of an operation: a pair of functions, a layer class, a part of a network; and those of torch and JAX."""

import inspect
from typing import Any

import numpy as np

import chainrule as cr

from .entry import Array, Bug, Operation, Rule
from .form import Form, as_written, checker
from .jax_form import JAX
from .torch_form import TORCH


def check_pair(operation: Operation, rule: Rule) -> Any:
    return cr.check(operation.forward, *operation.copies(), backward=rule)


class HandWritten:
    """A layer with an operation's arguments, all but the first, as its weights."""

    def __init__(self, operation: Operation, rule: Rule) -> None:
        self._operation, self._rule = operation, rule
        self._names = list(operation.arguments)[1:]
        for name, value in zip(self._names, operation.copies()[1:], strict=True):
            setattr(self, name, value)
            if name in operation.floating:
                setattr(self, f"d{name}", np.zeros_like(value))

    def forward(self, x: Array) -> Array:
        """Keep what the backward pass needs."""
        self._x = x
        return self._operation.forward(x, *(getattr(self, name) for name in self._names))

    def backward(self, dout: Array) -> Array:
        """Lay the gradients beside the weights and return that of the input."""
        found = self._rule(dout, self._x, *(getattr(self, name) for name in self._names))
        dx, *rest = found if isinstance(found, tuple) else (found,)
        for name, gradient in zip((n for n in self._names if n in self._operation.floating), rest, strict=False):
            setattr(self, f"d{name}", gradient)
        return dx


def check_layer(operation: Operation, rule: Rule) -> Any:
    return checker("check_layer")(HandWritten(operation, rule), operation.copies()[0])


def of_a_layer(operation: Operation, bug: Bug) -> tuple[str, set[str]]:
    verdict, places = as_written(operation, bug)
    if verdict == "signature":  # a gradient that is not handed out stays what it was
        return "missing", {operation.floating[-1]}
    first = next(iter(operation.arguments))
    return verdict, {"x" if place == first else place for place in places}


def check_network(operation: Operation, rule: Rule) -> Any:
    """Check a network of chainrule's own operations, which are right, around a custom one."""

    def planted(*args: Any) -> Any:
        return operation.forward(*args)

    names = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in operation.arguments]
    planted.__signature__ = inspect.Signature(names)
    op = cr.custom(planted)
    op.def_vjp(rule)

    def network(first: Any, *others: Any) -> Any:
        return np.sin(op(0.9 * first, *others) * 0.5)

    return cr.check(network, *operation.copies())


def cast_by_the_engine(_operation: Operation, bug: Bug | None) -> bool:
    """Leave out a wrong dtype: the engine gives every gradient its argument's dtype."""
    return bug is None or bug.verdict != "dtype"


def names_operation(finding: Any, _wrong: set[str], _operation: Operation) -> bool:
    return finding.operation == "planted"


FORMS: tuple[Form, ...] = (
    Form("pair of functions", check_pair),
    Form("layer class", check_layer, "check_layer", expected=of_a_layer),
    Form("inside a network", check_network, takes=cast_by_the_engine, place=names_operation),
    TORCH,
    JAX,
)
