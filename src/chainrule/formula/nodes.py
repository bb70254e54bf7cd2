r"""The parts of a formula, each a small dataclass that evaluates itself to an array.

There are two kinds of values. An array written without indices is *whole*: it broadcasts as in NumPy. A value written
with indices (`x_i`, `\sum_k A_{ik} B_{kj}`) is *laid out*: its last axes are the indices of the formula, one axis each
in one fixed order, of length 1 if it does not depend on that index; further axes in front are batch axes. Laid-out
values therefore combine by plain broadcasting, whatever the order of their subscripts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from .functions import Array, Function, as_double
from .tokens import FormulaError

ALIASES = {"epsilon": "eps", "lambda": "lambda_"}


@dataclass(frozen=True)
class Environment:
    """The environment of an evaluation: values and functions by name, all indices in order, their lengths."""

    values: Mapping[str, Any]
    functions: Mapping[str, Function]
    root: Node
    indices: tuple[str, ...] = ()
    lengths: Mapping[str, int] = field(default_factory=dict)

    def find(self, key: str) -> Any:
        """The value of a name, looked up exactly, in lower case, or by its alias; None if there is none."""
        for spelling in (key, key.lower(), ALIASES.get(key, key)):
            if spelling in self.values:
                return self.values[spelling]
        return None

    def length(self, index: str) -> int:
        """How many values an index takes."""
        if index not in self.lengths:
            raise FormulaError(f"index {letter(index)} subscripts no array, so its length is unknown: pass `shape`")
        return self.lengths[index]

    def terms(self) -> int | None:
        """How many terms the formula's sums have, if they agree: the meaning of n when it is not given."""
        inner = replace(self, values={**self.values, "n": 1.0})
        counts = {node.terms(inner) for node in walk(self.root)} - {None}
        return counts.pop() if len(counts) == 1 else None


def letter(index: str) -> str:
    """How an index is written: two sums over k have the indices k and k'."""
    return index.rstrip("'")


@dataclass(frozen=True)
class Node(ABC):
    """A part of a formula."""

    def evaluate(self, env: Environment) -> Array:
        """The value, as an array of float64, or of complex128 if its numbers are complex."""
        return as_double(self._value(env))

    @abstractmethod
    def _value(self, env: Environment) -> Any: ...

    def logarithm(self, env: Environment) -> Array | None:  # noqa: ARG002
        """The logarithm of a part made of exponentials, which itself may be out of range; None for other parts."""
        return None

    @property
    def children(self) -> Iterator[Node]:
        """The parts of this part."""
        for each in fields(self):
            value = getattr(self, each.name)
            yield from (part for part in (value if isinstance(value, tuple) else (value,)) if isinstance(part, Node))

    def terms(self, env: Environment) -> int | None:  # noqa: ARG002
        """How many terms a sum has; None for other parts."""
        return None

    @property
    def laid_out(self) -> bool:
        """Whether the last axes of the value are the formula's indices."""
        return any(child.laid_out for child in self.children)

    @property
    def matrix(self) -> bool:
        """Whether it is written as a matrix, so that writing something next to it is a matrix product."""
        return any(child.matrix for child in self.children)


def walk(node: Node) -> Iterator[Node]:
    """A part and all parts inside it."""
    yield node
    for child in node.children:
        yield from walk(child)


def aligned(env: Environment, nodes: tuple[Node, ...]) -> list[Array]:
    """Values that may be combined element by element."""
    values = [node.evaluate(env) for node in nodes]
    if any(node.laid_out for node in nodes):
        for node, value in zip(nodes, values, strict=True):
            if not node.laid_out and value.ndim:
                raise FormulaError(f"{label(node)} of shape {value.shape} has no indices, but meets terms that have")
    return values


def whole(env: Environment, node: Node, what: str) -> Array:
    """The value of a part that must not be written with indices."""
    if node.laid_out:
        raise FormulaError(f"{what} takes a whole array, not one written with indices")
    return node.evaluate(env)


def label(node: Node) -> str:
    """The name of a part in error messages."""
    return node.key if isinstance(node, Name) else "a term"


@dataclass(frozen=True)
class Number(Node):
    """A constant."""

    value: float

    def _value(self, env: Environment) -> Any:  # noqa: ARG002
        return self.value

    def logarithm(self, env: Environment) -> Array | None:  # noqa: ARG002
        """That of a positive number."""
        return np.log(np.asarray(self.value)) if self.value > 0 else None


@dataclass(frozen=True)
class Name(Node):
    """A value looked up by its normalised name; a capital letter means a matrix."""

    key: str

    def _value(self, env: Environment) -> Any:
        value = env.find(self.key)
        if value is None and self.key in {"n", "N"}:
            value = env.terms()
        if value is None:
            given = ", ".join(sorted(env.values)) or "nothing"
            raise FormulaError(f"no value for {self.key}; the names given are {given}")
        return value

    @property
    def matrix(self) -> bool:
        """Capital letters are matrices."""
        return self.key[0].isupper()


@dataclass(frozen=True)
class Index(Node):
    """An index as a number: 0, 1, … along its own axis."""

    index: str
    laid_out = True

    def _value(self, env: Environment) -> Any:
        shape = [env.length(self.index) if axis == self.index else 1 for axis in env.indices]
        return np.arange(env.length(self.index)).reshape(shape)


@dataclass(frozen=True)
class Indexed(Node):
    r"""`x_{ij}`: elements of a whole array, counted from 0; axes in front of the indexed are batch axes."""

    base: Node
    subscripts: tuple[Node, ...]
    laid_out = True
    matrix = False

    def lengths(self, env: Environment) -> dict[str, int]:
        """The lengths of this array's plain subscripts."""
        found: dict[str, int] = {}
        for subscript, size in zip(self.subscripts, self._indexed_shape(env), strict=True):
            if isinstance(subscript, Index) and found.setdefault(subscript.index, size) != size:
                raise FormulaError(f"index {letter(subscript.index)} runs along axes of different lengths")
        return found

    def _indexed_shape(self, env: Environment) -> tuple[int, ...]:
        shape, count = self.base.evaluate(env).shape, len(self.subscripts)
        if len(shape) < count:
            raise FormulaError(f"{label(self.base)} of shape {shape} has {count} subscripts")
        return shape[len(shape) - count :]

    def _value(self, env: Environment) -> Any:
        return self._picked(env, self.base.evaluate(env))

    def logarithm(self, env: Environment) -> Array | None:
        """The elements of that of the array."""
        log = self.base.logarithm(env)
        return None if log is None else self._picked(env, log)

    def _picked(self, env: Environment, array: Array) -> Array:
        places: list[Any] = [...]
        for subscript, size in zip(self.subscripts, self._indexed_shape(env), strict=True):
            place = subscript.evaluate(env)
            if np.any((place < 0) | (place >= size) | (place != np.floor(place))):
                raise FormulaError(f"a subscript of {label(self.base)} is outside 0 … {size - 1} or not an integer")
            places.append(place.astype(np.intp).reshape((1,) * (len(env.indices) - place.ndim) + place.shape))
        return np.asarray(array[tuple(places)])


@dataclass(frozen=True)
class Kronecker(Indexed):
    r"""`\delta_{ij}`: 1 where the two subscripts agree, unless an array named delta is given."""

    @property
    def children(self) -> Iterator[Node]:
        """Only the subscripts: the name delta needs no value."""
        yield from self.subscripts

    def lengths(self, env: Environment) -> dict[str, int]:
        """None, unless delta is an array."""
        return {} if env.find("delta") is None else super().lengths(env)

    def _value(self, env: Environment) -> Any:
        if env.find("delta") is not None:
            return super()._value(env)
        left, right = aligned(env, self.subscripts)
        return left == right
