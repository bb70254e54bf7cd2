"""What an animal of the zoo is: an operation, its right backward pass, and a wrong one with what should be found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
Rule = Callable[..., Any]
"""`backward(y_bar, *arguments)`: one gradient for each floating argument."""


@dataclass(frozen=True)
class Bug:
    """A mistake, planted in the backward pass of an operation.

    `codes` are the first hypotheses that are a right answer, `verdict` the right verdict. They were written down before
    anything was measured; when the checker began to read code and to follow paths, `mask`, `other-argument` (of a
    call), `sign` and `factor` (of one term), and `detached` (of a factor held constant) were added where they say the
    same. A bug whose verdict is not `wrong` has the argument it sits in as `place`.
    """

    kind: str
    codes: tuple[str, ...]
    backward: Rule
    verdict: str = "wrong"
    place: str = ""


@dataclass(frozen=True)
class Operation:
    """An operation at one point, with its right backward pass and its bugs."""

    name: str
    forward: Callable[..., Array]
    backward: Rule
    arguments: Mapping[str, Array]
    bugs: tuple[Bug, ...]

    @property
    def floating(self) -> list[str]:
        """The arguments that have a gradient."""
        return [name for name, x in self.arguments.items() if np.asarray(x).dtype.kind == "f"]

    def gradients(self, rule: Rule, y_bar: Array) -> dict[str, Any]:
        """Return what a rule gives, by argument."""
        with np.errstate(all="ignore"):
            found = rule(y_bar, *self.copies())
        values = found if isinstance(found, tuple) else (found,)
        return dict(zip(self.floating, values, strict=False))

    def copies(self) -> list[Array]:
        """Return the arguments, for a rule to spoil."""
        return [np.array(x) for x in self.arguments.values()]

    def wrong_places(self, bug: Bug) -> set[str]:
        """Return the arguments whose gradient the bug spoils, by comparison with the right rule."""
        if bug.place:
            return {bug.place}
        y_bar = np.random.default_rng(7).standard_normal(np.shape(self.forward(*self.copies())))
        right, wrong = self.gradients(self.backward, y_bar), self.gradients(bug.backward, y_bar)
        return {name for name in right if _differ(right[name], wrong.get(name))}


def _differ(a: Array, b: Any) -> bool:
    return b is None or np.shape(a) != np.shape(b) or not np.allclose(a, b, rtol=1e-9, atol=1e-12)


def bug(kind: str, codes: str, backward: Rule, verdict: str = "wrong", place: str = "") -> Bug:
    """Return a bug; `codes` are given in one text, with spaces between them."""
    return Bug(kind, tuple(codes.split()), backward, verdict, place)


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Array:
    """Return fixed normal numbers."""
    return scale * np.random.default_rng(seed).standard_normal(shape)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def softmax(x: Array, axis: int = -1) -> Array:
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def without(a: Array, *where: Any) -> Array:
    """Return a copy with zeros in the given places."""
    a = a.copy()
    for place in where:
        a[place] = 0
    return a
