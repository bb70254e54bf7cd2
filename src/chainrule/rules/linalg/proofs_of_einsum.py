r"""The proof of a contraction of two operands over any indices.

p stands for all indices together, and p₁, p₂, p₀ for those of the first operand, the second and the result. That cannot
be evaluated as it stands, so each line comes with plain NumPy that follows it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.core.facts import Proof, ProofStep
from chainrule.core.operation import Array

Values = Mapping[str, Any]
OPERANDS = {"a": r"b_{p_2}", "b": r"a_{p_1}"}
"""The other factor, by operand."""


def _contracted(a: Array, b: Array, values: Values) -> Array:
    return np.asarray(np.einsum(values["subscripts"], a, b))


def _direction(like: Array) -> Array:
    return np.random.default_rng(0).standard_normal(np.shape(like))


def _forward(values: Values) -> tuple[Array, Array]:
    return _contracted(values["a"], values["b"], values), values["y"]


def _change(values: Values, name: str) -> Array:
    """Return the change of the result along a direction of one operand, in which it is linear."""
    moved = {key: values[key] + (key == name) * _direction(values[key]) for key in ("a", "b")}
    return _contracted(moved["a"], moved["b"], values) - _contracted(values["a"], values["b"], values)


def _slope(name: str) -> Callable[[Values], tuple[Array, Array]]:
    """Return the check of the derivative along a direction of one operand."""

    def check(values: Values) -> tuple[Array, Array]:
        own = {key: _direction(values[key]) if key == name else values[key] for key in ("a", "b")}
        return _contracted(own["a"], own["b"], values), _change(values, name)

    return check


def _along(name: str) -> Callable[[Values], tuple[Array, Array]]:
    """Return the check of a cotangent: its product with a direction is the change of the sum of ȳ y."""

    def check(values: Values) -> tuple[Array, Array]:
        inputs, _, result = values["subscripts"].partition("->")
        first, _, second = inputs.partition(",")
        other, own, into = ("b", second, first) if name == "a" else ("a", first, second)
        made = np.einsum(f"{result},{own}->{into}", values["y_bar"], values[other])
        return np.atleast_1d(np.sum(made * _direction(values[name]))), np.atleast_1d(
            np.sum(values["y_bar"] * _change(values, name))
        )

    return check


def _proof(name: str, number: int) -> Proof:
    other = OPERANDS[name]
    return (
        ProofStep(
            "p stands for all indices, p₁ for those of the first operand, p₂ of the second and p₀ of the result",
            r"y_{p_0} = \sum_{p} a_{p_1}\,b_{p_2}",
            _forward,
        ),
        ProofStep(
            "An element is in the terms whose indices agree with its own, q",
            rf"\frac{{\partial y_{{p_0}}}}{{\partial {name}_q}} = \sum_{{p: p_{number} = q}} {other}",
            _slope(name),
        ),
        ProofStep(
            "The chain rule over those terms",
            rf"\bar {name}_q = \sum_{{p: p_{number} = q}} \bar y_{{p_0}}\,{other}",
            _along(name),
        ),
    )


EINSUM = {"a": _proof("a", 1), "b": _proof("b", 2)}
