"""How elementwise operations read inside a generated loop: one Python expression for each.

An expression is made from the names of its operands, all of one floating type, and a function that writes a number as
a constant of that type. What is not listed is left to NumPy.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

Literal = Callable[[float], str]
Expression = Callable[..., str]


def _infix(symbol: str) -> Expression:
    return lambda _, a, b: f"({a} {symbol} {b})"


def _called(name: str) -> Expression:
    return lambda _, x: f"{name}({x})"


COMPARISONS: Mapping[str, str] = {
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}

FLOATING: Mapping[str, Expression] = {
    "add": _infix("+"),
    "subtract": _infix("-"),
    "multiply": _infix("*"),
    "divide": _infix("/"),
    "negative": lambda _, x: f"(-{x})",
    "positive": lambda _, x: x,
    "copy": lambda _, x: x,
    "stop_gradient": lambda _, x: x,
    "square": lambda _, x: f"({x} * {x})",
    "reciprocal": lambda c, x: f"({c(1)} / {x})",
    "sqrt": lambda _, x: f"sqrt({x})",
    "absolute": lambda _, x: f"abs({x})",
    # The comparisons are such that a NaN comes through.
    "maximum": lambda _, a, b: f"({a} if {a} > {b} or {a} != {a} else {b})",
    "minimum": lambda _, a, b: f"({a} if {a} < {b} or {a} != {a} else {b})",
    "relu": lambda c, x: f"({c(0)} if {x} <= {c(0)} else {x})",
    "exp": _called("exp"),
    "tanh": _called("tanh"),
    "sigmoid": _called("sigmoid"),
    "silu": _called("silu"),
    "gelu": _called("gelu"),
    "gelu_tanh": _called("gelu_tanh"),
    "erfc": lambda c, x: f"({c(2)} * normal_cdf(({x}) * {c(-math.sqrt(2))}))",
}
"""By the operation's name: `expression(literal, *operands)`."""

FUNCTIONS = ("exp", "tanh", "sigmoid", "silu", "gelu", "gelu_tanh", "normal_cdf")
"""What the expressions call, of `chainrule.kernels.functions`."""


def expression(name: str, settings: Mapping[str, Any], literal: Literal, operands: list[str]) -> str | None:
    """Return an operation as an expression; None where there is none."""
    if name == "where":
        return f"({operands[1]} if {operands[0]} else {operands[2]})"
    if name in COMPARISONS:
        return f"({operands[0]} {COMPARISONS[name]} {operands[1]})"
    if name == "power":
        return _power(operands)
    if name == "leaky_relu":
        x = operands[0]
        return f"({x} * {literal(settings['negative_slope'])} if {x} <= {literal(0)} else {x})"
    made = FLOATING.get(name)
    return None if made is None or (settings and name != "copy") else made(literal, *operands)


def _power(operands: list[str]) -> str | None:
    whole = {"2": "({0} * {0})", "3": "({0} * {0} * {0})"}
    for number, text in whole.items():
        if operands[1] in (f"c({number})", f"c({number}.0)"):
            return text.format(operands[0])
    return None


def is_known(name: str, settings: Mapping[str, Any]) -> bool:
    """Whether an operation can stand in a loop."""
    return name in COMPARISONS or name in ("where", "leaky_relu") or (name in FLOATING and not settings)
