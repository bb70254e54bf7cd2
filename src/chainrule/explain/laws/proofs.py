r"""The index proof of a matrix product's gradients, each line checked numerically.

$\frac{\partial z_{ij}}{\partial W_{mn}} = x_{im} [j = n]$, hence
$\frac{\partial L}{\partial W_{mn}} = \sum_i x_{im} \frac{\partial L}{\partial z_{in}}$. M. Giles, "Collected matrix
derivative results for forward and reverse mode algorithmic differentiation" (2008), derives the same by differentials.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.explain.derive.evaluated import Book
from chainrule.explain.derive.operands import Named, Operand
from chainrule.explain.derive.steps import Line
from chainrule.explain.derive.symbols import Derivative, Symbol
from chainrule.explain.derive.template import render
from chainrule.explain.derive.units import Unit
from chainrule.explain.derive.verify import deviation, verify
from chainrule.explain.write.catalogue import Catalogue
from chainrule.observe.entry import Entry, array_of
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.network.linear import LinearMap

from .laws import Law

MOST_TERMS = 10**6
"""The most products for which the sum over all elements is evaluated as written."""
SAMPLES = 16
"""How many entries of a large Jacobian are sampled."""

FORWARD: Mapping[Any, str] = {
    LinearMap: r"z_{ij} = \sum_k x_{ik} w_{kj} + b_j",
    Matmul: r"z_{ij} = \sum_k x_{ik} w_{kj}",
}
JACOBIANS = {
    "x": r"\frac{\partial z_{ij}}{\partial x_{mn}} = [i = m]\,w_{nj}",
    "w": r"\frac{\partial z_{ij}}{\partial w_{mn}} = x_{im}\,[j = n]",
    "b": r"\frac{\partial z_{ij}}{\partial b_n} = [j = n]",
}
SUMS = {
    "x": r"\bar x_{mn} = \sum_{i, j} \bar z_{ij}\,[i = m]\,w_{nj}",
    "w": r"\bar w_{mn} = \sum_{i, j} \bar z_{ij}\,x_{im}\,[j = n]",
    "b": r"\bar b_n = \sum_{i, j} \bar z_{ij}\,[j = n]",
}
LEFT = {
    "x": r"\bar x_{mn} = \sum_j \bar z_{mj}\,w_{nj}",
    "w": r"\bar w_{mn} = \sum_i x_{im}\,\bar z_{in}",
    "b": r"\bar b_n = \sum_i \bar z_{in}",
}


class WrittenDerivative(Derivative):
    r"""A derivative that the proof writes out as a fraction, since $\delta$ is Kronecker's there."""

    @property
    def is_delta(self) -> bool:
        """Never a layer's delta."""
        return False


def proof_lines(book: Book, unit: Unit, k: int, words: Catalogue) -> list[Line]:
    """Return the index proof for input k of a linear map or a matrix product of two matrices."""
    letter = "xwb"[k]
    values = {name: array_of(x) for name, x in zip("xwb", unit.inputs, strict=False)}
    if unit.record not in FORWARD or unit.inlined or min(values["x"].ndim, values["w"].ndim) < 2:
        return []
    if values["w"].ndim > 2 or not isinstance(unit.inputs[k], Entry):
        return []
    values["x"] = _rows(values["x"])
    operands = _operands(book, unit, values)
    z, gradient = _rows(unit.output.value), unit.contribution(k)
    gradient = _rows(gradient) if letter == "x" else gradient
    lines = [line_of(words["proof_forward"], Law(FORWARD[unit.record]), operands, z)]
    jacobian = render(JACOBIANS[letter], operands, {}).shown
    lines.append(Line(words["proof_jacobian"], jacobian, _jacobian_error(letter, values, z.shape)))
    lines.append(_chain_line(words["proof_chain"], letter, operands, gradient))
    lines.append(line_of(words["proof_left"], Law(LEFT[letter]), operands, gradient))
    return lines


def _chain_line(title: str, letter: str, operands: Mapping[str, Operand], gradient: Any) -> Line:
    """Return the sum over all elements, evaluated as written if it is small enough, else in its simplified form."""
    terms = math.prod(np.size(getattr(operands[name], "value", 0)) for name in ("z", letter))
    rendered = render(SUMS[letter], operands, {})
    law = Law(SUMS[letter] if terms <= MOST_TERMS else LEFT[letter])
    return replace(line_of(title, law, operands, gradient), latex=rendered.shown)


def _rows(x: Any) -> Any:
    """Return x with all rows along one axis: a linear map treats each row separately."""
    return x.reshape(-1, x.shape[-1])


def _operands(book: Book, unit: Unit, values: Mapping[str, Any]) -> dict[str, Operand]:
    found: dict[str, Operand] = {}
    for name, x in zip("xwb", unit.inputs, strict=False):
        operand = book.operand(x)
        symbol = operand.symbol if isinstance(operand, Named) else Symbol(name)
        found[name] = Named(symbol, values[name])
        found[f"{name}_bar"] = Named(WrittenDerivative(symbol.base, symbol.label), 0.0)
    z = book.symbol(unit.output)
    found["z"] = Named(z, _rows(unit.output.value))
    found["z_bar"] = Named(WrittenDerivative(z.base, z.label), _rows(unit.output.gradient))
    return found


def line_of(title: str, law: Law, operands: Mapping[str, Operand], expected: Any) -> Line:
    """Return one line of a derivation: the law as displayed, and the deviation of its value from the expected one."""
    rendered = render(law.latex, operands, {})
    verdict = verify(rendered.reading, rendered.values, law, expected)
    return Line(title, rendered.shown, verdict.error, verdict.reason)


def _jacobian_error(letter: str, values: Mapping[str, Any], shape: tuple[int, ...]) -> float:
    """Perturb single entries by 1: for a linear map, the difference is the derivative."""
    moved = values[letter]
    z = _map(values)
    rng = np.random.default_rng(0)
    places = range(moved.size) if moved.size <= SAMPLES else rng.choice(moved.size, SAMPLES, replace=False)
    worst = 0.0
    for place in places:
        index = np.unravel_index(int(place), moved.shape)
        unit = np.zeros(moved.shape)
        unit[index] = 1.0
        difference = _map({**values, letter: moved + unit}) - z
        scale = float(np.max(np.abs(z))) + 1.0
        worst = max(worst, deviation(difference, _FORMULAS[letter](values, index, shape), {"z": scale * 1e6}))
    return worst


def _map(values: Mapping[str, Any]) -> Any:
    z = np.einsum("ik,kj->ij", values["x"], values["w"])
    return z + values["b"] if "b" in values else z


def _by_x(values: Mapping[str, Any], index: Any, shape: tuple[int, ...]) -> Any:
    m, n = index
    return (np.arange(shape[0]) == m)[:, None] * values["w"][n][None, :]


def _by_w(values: Mapping[str, Any], index: Any, shape: tuple[int, ...]) -> Any:
    m, n = index
    return values["x"][:, m][:, None] * (np.arange(shape[1]) == n)[None, :]


def _by_b(_values: Mapping[str, Any], index: Any, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to((np.arange(shape[1]) == index[0])[None, :], shape)


_FORMULAS: dict[str, Callable[..., Any]] = {"x": _by_x, "w": _by_w, "b": _by_b}
