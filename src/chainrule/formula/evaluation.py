r"""Evaluating LaTeX formulas, so that a rule's docstring can be compared with its code.

The docstring of every rule is its formula. This module reads a well-defined subset of LaTeX, refuses anything else with
the position and what was expected, and evaluates with NumPy in float64, independently of the engine and its operations:

- Names are letters, Greek letters, `\mathrm{name}`, with accents and subscripts. `\bar y` is looked up as
  `y_bar`, `\dot x` as `x_dot`, `\hat\beta` as `beta_hat`, `x_{\min}` as `x_min`, `\bar W_1` as `W_1_bar`;
  if that key is missing, in lower case. `e` and `\pi` are constants. `n` (or `N`), if not given, is the
  number of terms of the sums.
- Adjacent capitals multiply as matrices, in batches, and so does a capital next to a small letter (`x W`);
  scalars scale; small letters multiply elementwise, as `\odot` and `\cdot` always do.
- `f`, `g`, primed letters and the letters of built-in functions (`\sigma \Phi \varphi`) are functions if `(`
  follows immediately: `\sigma(x)` is a call, `\sigma\,(x)` a product.
- A subscript is an index if a sum binds it or the left-hand side has it: `C_{ij} = \sum_k A_{ik} B_{kj}`.
  Indices count from 0 along the last axes; axes in front are batch axes. Any other subscript is part of the
  name.
- Ambiguous notation (`a / b c`, `\log x y`, `A^2`) is refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from .functions import Array
from .nodes import Environment, Indexed, Name, Node, walk
from .sides import read_sides
from .tokens import FormulaError

__all__ = ["Formula", "FormulaError", "formulas_in", "parse"]

NO_FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType({})
NO_LENGTHS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Formula:
    r"""A parsed formula: `left = alternatives[0] = alternatives[1] …`.

    `left` is the normalised name on the left-hand side, its LaTeX if it is not a name (`\frac{\partial L}{\partial
    x}`), and empty for a formula without one. `indices` are the indices of the left-hand side,
    in order: the axes of the result.

    >>> formula = parse(r"\bar A = \bar C\,B^\top")
    >>> formula.left, sorted(formula.names)
    ('A_bar', ['B', 'C_bar'])
    >>> formula.evaluate({"c_bar": np.ones((1, 2)), "b": np.array([[1.0, 2.0]] * 3)})
    array([[3., 3., 3.]])
    """

    latex: str
    left: str
    indices: tuple[str, ...]
    axes: tuple[str, ...]
    alternatives: tuple[Node, ...]

    @property
    def names(self) -> frozenset[str]:
        """The names that need values, in the form in which they are looked up."""
        parts = (node for alternative in self.alternatives for node in walk(alternative))
        return frozenset(node.key for node in parts if isinstance(node, Name))

    def evaluate(
        self,
        values: Mapping[str, Any],
        functions: Mapping[str, Callable[..., Any]] = NO_FUNCTIONS,
        *,
        shape: tuple[int, ...] | None = None,
    ) -> Array:
        r"""The value of the first right-hand side, in float64.

        Reduced axes stay, with length 1. With `shape`, they are removed or the result is broadcast until it has that
        shape; `shape` also determines the lengths of indices that occur only on the left-hand side. Raises FormulaError
        for a name without a value and for shapes that do not match.

        >>> parse(r"y = \sum_{\text{axis}} x^2").evaluate({"x": np.eye(2), "axis": 1}, shape=(2,))
        array([1., 1.])
        """
        return self._evaluate(self.alternatives[0], values, functions, shape)

    def evaluate_all(
        self,
        values: Mapping[str, Any],
        functions: Mapping[str, Callable[..., Any]] = NO_FUNCTIONS,
        *,
        shape: tuple[int, ...] | None = None,
        lengths: Mapping[str, int] = NO_LENGTHS,
    ) -> list[Array]:
        """The values of all right-hand sides, in the order written.

        `lengths` are those of indices that no array on the right has.

        >>> parse(r"y = x^2 = x x").evaluate_all({"x": 3.0})
        [array(9.), array(9.)]
        """
        return [self._evaluate(root, values, functions, shape, lengths) for root in self.alternatives]

    def _evaluate(
        self,
        root: Node,
        values: Mapping[str, Any],
        functions: Mapping[str, Any],
        shape: tuple[int, ...] | None,
        lengths: Mapping[str, int] = NO_LENGTHS,
    ) -> Array:
        env = Environment(values, functions, root, self.axes)
        try:
            # Outside its domain a formula gives nan or inf, as the code does, and the comparison shows it.
            with np.errstate(all="ignore"):
                env = replace(env, lengths={**lengths, **self._lengths(env, shape)})
                value = self._ordered(root.evaluate(env), root)
            return value if shape is None else _fit(value, shape)
        except FormulaError as error:
            raise FormulaError(f"{error}, in {self.latex!r}") from None
        except (ValueError, TypeError, IndexError, np.linalg.LinAlgError) as error:
            raise FormulaError(f"cannot evaluate {self.latex!r}: {error}") from error

    def lengths(self, root: Node, values: Mapping[str, Any], shape: tuple[int, ...] | None = None) -> dict[str, int]:
        """The length of each index on one right-hand side, as far as the values and the shape tell."""
        return self._lengths(Environment(values, NO_FUNCTIONS, root, self.axes), shape)

    def _lengths(self, env: Environment, shape: tuple[int, ...] | None) -> dict[str, int]:
        found: dict[str, int] = {}
        for node in walk(env.root):
            for index, length in node.lengths(env).items() if isinstance(node, Indexed) else ():
                if found.setdefault(index, length) != length:
                    raise FormulaError(f"index {index} has length {found[index]} in one array and {length} in another")
        if shape is not None and len(shape) >= len(self.indices):
            for index, length in zip(self.indices, shape[len(shape) - len(self.indices) :], strict=True):
                found.setdefault(index, length)
        return found

    def _ordered(self, value: Array, root: Node) -> Array:
        """The axes of the left-hand side, in its order; those of summed indices have length 1 and are removed."""
        if not root.laid_out:
            return value
        batch = value.ndim - len(self.axes)
        kept = [batch + self.axes.index(index) for index in self.indices]
        gone = [axis for axis in range(batch, value.ndim) if axis not in kept]
        ordered = value.transpose(*range(batch), *kept, *gone)
        return ordered.reshape(ordered.shape[: batch + len(kept)])


def _fit(value: Array, shape: tuple[int, ...]) -> Array:
    """Add or remove axes of length 1, else broadcast."""
    if [n for n in value.shape if n != 1] == [n for n in shape if n != 1]:
        return value.reshape(shape)
    return np.array(np.broadcast_to(value, shape))


def parse(latex: str, functions: tuple[str, ...] = ()) -> Formula:
    r"""Parse a formula. Letters in `functions`, by name ("psi"), are calls if `(` follows immediately.

    Raises FormulaError, with the position and what was expected, for anything outside the subset.

    >>> parse(r"\sigma'(x) = \sigma(x)\,(1 - \sigma(x))").evaluate({"x": 0.0})
    array(0.25)
    >>> parse(r"y = a / b c")
    Traceback (most recent call last):
    chainrule.formula.tokens.FormulaError: expected \cdot, or the denominator in a \frac ...
    """
    sides = read_sides(latex, frozenset(functions))
    return Formula(latex, sides.left, sides.indices, sides.axes, sides.right)


def formulas_in(docstring: str | None) -> list[str]:
    r"""The formulas of a rule's docstring: the first paragraph, its lines joined.

    Several formulas in it are separated by `\\` or by `,\quad` (`,\qquad`). A final comma or full stop is
    dropped.

    >>> formulas_in("y = x +\n        b.\n\n    The bias is broadcast.")
    ['y = x + b']
    """
    first = re.split(r"\n[ \t]*\n", (docstring or "").strip(), maxsplit=1)[0]
    joined = " ".join(first.split())
    # Rows of an environment are separated by \\ as well, and must stay together.
    pieces = re.split(r"(\\begin\{.*?\\end\{\w+\})|\\\\|[,;]\s*\\q?quad", joined)
    formulas, current = [], ""
    for piece in pieces:
        if piece is None:
            formulas.append(current)
            current = ""
        else:
            current += piece
    stripped = (formula.strip().rstrip(".,;").strip() for formula in [*formulas, current])
    return [formula for formula in stripped if formula]
