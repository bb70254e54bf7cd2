"""The operators and methods of tensors: a table of each, by the NumPy function they call."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operands.protocols import functions, ufuncs
from chainrule.core.tensor import Tensor
from chainrule.core.traces.modes import modes
from chainrule.core.traces.node import Leaf
from chainrule.core.traces.tape import EAGER

from .arrays.in_place import is_rebound, overwrite

OPERATORS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": np.power,
    "matmul": np.matmul,
}
SIGNS = {
    **{"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@"},
    **{"and": "&", "or": "|", "xor": "^"},
}
COMPARISONS = {
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}
PARTS = {"real": np.real, "imag": np.imag}
UNARY = {"pos": np.positive, "neg": np.negative, "abs": np.absolute, "invert": np.invert}
METHODS = {
    name: getattr(np, name)
    for name in (
        *(
            "sum",
            "mean",
            "var",
            "std",
            "max",
            "min",
            "prod",
            "cumsum",
            "cumprod",
            "argmax",
            "argmin",
            "argsort",
        ),
        *("any", "all", "ptp", "squeeze", "swapaxes", "ravel", "repeat", "take", "diagonal", "trace", "clip"),
        *("dot", "round", "conj", "conjugate"),
    )
}
ELEMENTWISE_METHODS = (
    *("exp", "log", "sqrt", "square", "sin", "cos", "tanh", "abs", "sign"),
    "floor",
)


def _reflected(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: operation(other, self)


def _in_place(operation: Callable[..., Any], sign: str) -> Callable[..., Any]:
    what = f"x {sign}= value"

    def update(self: Tensor, other: Any) -> Any:
        if is_rebound(self):
            return operation(self, other)
        # `with no_grad(): w -= lr * w.grad` is the usual manual update: w stays the same leaf.
        if modes.floor > EAGER.level and self._trace is EAGER and isinstance(self._link, Leaf):
            self.data = operation(self.detach(), other)
        else:
            overwrite(self, what, lambda: operation(self, other))
        return self

    return update


def _part(function: Callable[..., Any]) -> property:
    """Return a property that is a view: what is assigned to it is written into the tensor."""

    def write(self: Tensor, value: Any) -> None:
        function(self)[...] = value

    return property(function, write, doc=str(function.__doc__).partition("\n\n")[0])


def _attach() -> None:
    table = {**functions, **ufuncs}
    for name, function in {**OPERATORS, **COMPARISONS}.items():
        setattr(Tensor, f"__{name}__", table[function])
    for name, function in OPERATORS.items():
        setattr(Tensor, f"__r{name}__", _reflected(table[function]))
        setattr(Tensor, f"__i{name}__", _in_place(table[function], SIGNS[name]))
    for name in ("and", "or", "xor"):
        setattr(Tensor, f"__i{name}__", _in_place(table[COMPARISONS[name]], SIGNS[name]))
    for name in ("and", "or", "xor", "lshift", "rshift"):
        setattr(Tensor, f"__r{name}__", _reflected(table[COMPARISONS[name]]))
    for name, part in PARTS.items():
        setattr(Tensor, name, _part(table[part]))
    for name, function in UNARY.items():
        setattr(Tensor, f"__{name}__", table[function])
    for name, function in METHODS.items():
        setattr(Tensor, name, table[function])
    for name in ELEMENTWISE_METHODS:
        setattr(Tensor, name, table[getattr(np, name)])


_attach()
