"""Complex numbers under check: the same function of their real and imaginary parts.

A complex array becomes a real one with a last axis of length 2. Every comparison then is one of real derivatives, along
1 and along i. Of a gradient g with respect to z = x + iy the derivatives by x and y are g.real and -g.imag.
"""

from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

import numpy as np

from .subject import Array, Arrays, Recorded, Subject


def in_parts(subject: Subject, output: Array | None = None) -> Subject:
    """Return the subject itself if it has only real numbers, and otherwise the function of their parts.

    `output` is that of the function, if it was run.
    """
    with np.errstate(all="ignore"):
        y = subject.forward({name: np.array(x) for name, x in subject.arguments.items()}) if output is None else output
    y = np.asarray(y)
    is_complex = any(map(np.iscomplexobj, (y, *subject.arguments.values())))
    return InParts(subject, np.iscomplexobj(y)) if is_complex else subject


def parts_of(x: Array, sign: float = 1.0) -> Array:
    """Return the real and imaginary parts along a new last axis, the latter times `sign`."""
    return np.stack([x.real, sign * x.imag], axis=-1)


class InParts(Subject):
    """A subject whose complex arguments and output are given by their parts."""

    def __init__(self, inner: Subject, has_complex_output: bool) -> None:
        self.inner, self.has_complex_output = inner, has_complex_output
        self.complex = {name: x.dtype for name, x in inner.arguments.items() if np.iscomplexobj(x)}
        self.name, self.backward_name, self.source = inner.name, inner.backward_name, inner.source
        self.beside_name, self.beside_source = inner.beside_name, inner.beside_source
        self.arguments = {
            name: parts_of(x) if name in self.complex else np.array(x) for name, x in inner.arguments.items()
        }

    def _restored(self, arrays: Arrays) -> dict[str, Array]:
        return {
            name: np.asarray(x[..., 0] + 1j * x[..., 1], np.result_type(x, np.complex64)) if name in self.complex else x
            for name, x in arrays.items()
        }

    def _output(self, y: Any) -> Array:
        y = np.asarray(y)
        return parts_of(y) if self.has_complex_output else y

    def forward(self, arguments: Arrays) -> Array:
        """Return the output, or its parts."""
        return self._output(self.inner.forward(self._restored(arguments)))

    def backward(self, arguments: Arrays, y_bar: Array) -> dict[str, Any]:
        """Return the derivatives by the parts."""
        bar = y_bar[..., 0] - 1j * y_bar[..., 1] if self.has_complex_output else y_bar
        gradients = dict(self.inner.backward(self._restored(arguments), np.asarray(bar)))
        for name in self.complex.keys() & gradients.keys():
            if gradients[name] is not None:
                gradients[name] = parts_of(np.asarray(gradients[name]), -1.0)
        return gradients

    def jvp(self, arguments: Arrays, tangents: Arrays) -> Array | None:
        """Return the tangent of the output, or its parts."""
        y_dot = self.inner.jvp(self._restored(arguments), self._restored(tangents))
        return None if y_dot is None else self._output(y_dot)

    def value_beside(self, arguments: Arrays) -> Array | None:
        """Return the value that a rule returns, or its parts."""
        y = self.inner.value_beside(self._restored(arguments))
        return None if y is None else self._output(y)

    def given(self) -> Mapping[str, Any]:
        """Return the arguments as the caller passed them."""
        return self.inner.given()

    def widened(self) -> Subject | None:
        """Return the parts of the wider subject."""
        return self._again(self.inner.widened())

    def _again(self, inner: Subject | None) -> Subject | None:
        return None if inner is None else InParts(inner, self.has_complex_output)

    def operations(self, arguments: Arrays) -> list[Recorded]:
        """Return the operations, whose values stay complex."""
        return self.inner.operations(self._restored(arguments))

    def formula(self, name: str) -> str:
        """Return the formula of a real argument's gradient; that of a complex one is not about its parts."""
        return "" if name in self.complex else self.inner.formula(name)

    def editable(self) -> Iterator[tuple[FunctionType, Callable[[FunctionType], Subject | None]]]:
        """Yield the functions of the backward pass."""
        for function, rebuilt in self.inner.editable():
            yield function, lambda f, rebuilt=rebuilt: self._again(rebuilt(f))  # type: ignore[misc]

    def code(self) -> str:
        """Return the text that checks the function again."""
        return self.inner.code()
