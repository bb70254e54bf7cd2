"""The subject of a check, as the checker sees it: values in, values out, gradients. Each framework has an adapter."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.base.provenance import Source
from chainrule.core.errors import Portable

Array = Any
Arrays = Mapping[str, Array]
DECORATORS = 20
"""The most lines of decorators above a function."""


class BackwardError(Portable, Exception):
    """A backward pass raised, or returned something that does not fit; `verdict` says in which way."""

    def __init__(self, verdict: str, detail: str, argument: str = "") -> None:
        super().__init__(detail)
        self.verdict = verdict
        self.argument = argument


class Subject(ABC):
    """A function with a derivative to be checked, at one point.

    An adapter sets `name` (of the function), `arguments` (each floating-point argument by name, a plain NumPy array in
    its original dtype) and, if known, `backward_name` and `source` (where the backward pass is written), and defines
    the methods. `others` describes each further argument, for the report.

    The checker never changes the arrays it is given and always passes copies, which a method may keep or change.
    """

    name: str
    arguments: dict[str, Array]
    backward_name: str = ""
    source: Source | None = None
    beside_name: str = ""
    beside_source: Source | None = None
    """What `value_beside` asks, where it is not the backward pass."""
    effort: float = 4.0
    """Seconds of the processor's time in which changes to the code are tried for one gradient: on a busy machine as
    many are tried as on an idle one."""
    longest: float = 60.0
    """Seconds by the clock after which no further change is tried."""
    at_once: int = 1
    """How many changed functions are made before the first is called."""

    @abstractmethod
    def forward(self, arguments: Arrays) -> Array:
        """Return the output as one array; `joined` joins several outputs into one vector."""

    @abstractmethod
    def backward(self, arguments: Arrays, y_bar: Array) -> dict[str, Any]:
        """Return the gradient of each argument as the code under check returned it, None included.

        `y_bar` has the shape of what `forward` returned. Raises BackwardError if there are too many or too few
        gradients.
        """

    def jvp(self, arguments: Arrays, tangents: Arrays) -> Array | None:  # noqa: ARG002
        """Return the tangent of the output, or None if the subject has no forward mode."""
        return None

    def value_beside(self, arguments: Arrays) -> Array | None:  # noqa: ARG002
        """Return the function's value as a rule returns it beside a derivative; None where no rule does."""
        return None

    def given(self) -> Mapping[str, Any]:
        """Return the arguments as the caller passed them, to check whether they share memory."""
        return {}

    def widened(self) -> "Subject | None":
        """Return this subject in float64, or None if its code does not take float64."""
        return None

    def reduced(self, sizes: Mapping[int, int]) -> "Subject | None":  # noqa: ARG002
        """Return this subject with every axis of length n shortened to `sizes[n]`, or None if that is not possible."""
        return None

    def recut(self, cuts: Mapping[str, tuple[int, ...]]) -> "Subject | None":  # noqa: ARG002
        """Return this subject with some axes of some arguments shorter by one, or None if that is not possible.

        Used only for hand-written backward passes: one that confuses two axes is right as long as their lengths agree.
        """
        return None

    def sizes(self) -> set[int]:
        """Return the lengths of axes that `reduced` may shorten."""
        return set()

    def operations(self, arguments: Arrays) -> "list[Recorded]":  # noqa: ARG002
        """Return what the function did, operation by operation, if that can be recorded."""
        return []

    def trace(self, arguments: Arrays) -> Any:  # noqa: ARG002
        """Return a run of the function on chainrule's tape (`Trace`), or None if it cannot be run there."""
        return None

    def parts(self) -> "list[Subject]":
        """Return smaller subjects, in the order in which they run: the error is in the first wrong one."""
        return []

    def formula(self, name: str) -> str:  # noqa: ARG002
        """Return the formula that an argument's gradient should have, in Unicode, or an empty string."""
        return ""

    def editable(self) -> "Iterator[tuple[Any, Callable[[Any], Subject | None]]]":
        """Yield the Python functions that make up the backward pass, each with a way to rebuild this with another
        one. A function that runs elsewhere is a `Program`.
        """
        yield from ()

    def code(self) -> str:
        """Return Python text that checks this subject again, or an empty string if that cannot be written."""
        return ""


class Recorded:
    """One operation of a run: its record, its inputs and output as plain arrays, its settings, its source line.

    It is `lost` if no gradient flows to its inputs although it has a derivative, as under `no_grad`.
    """

    __slots__ = ("inputs", "lost", "op", "output", "settings", "source", "tracked")

    def __init__(
        self,
        op: Any,
        inputs: tuple[Any, ...],
        tracked: tuple[bool, ...],
        settings: Mapping[str, Any],
        output: Any,
        source: Source | None,
        lost: bool = False,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.tracked = tracked
        self.settings = settings
        self.output = output
        self.source = source
        self.lost = lost


def joined(outputs: list[Any]) -> Array:
    """Return several arrays as one vector, a single array as it is."""
    if len(outputs) == 1:
        return np.asarray(outputs[0])
    return np.concatenate([np.ravel(y) for y in outputs]) if outputs else np.zeros(0)


def parted(y_bar: Array, outputs: list[Any]) -> list[Array]:
    """Undo `joined`: return each output, in its shape and dtype."""
    if len(outputs) == 1:
        return [_as_like(np.asarray(y_bar), outputs[0])]
    ends = np.cumsum([np.size(y) for y in outputs])
    parts = np.split(np.ravel(y_bar), ends[:-1])
    return [_as_like(np.reshape(part, np.shape(y)), y) for part, y in zip(parts, outputs, strict=True)]


def _as_like(part: Array, y: Any) -> Array:
    """Return a cotangent in the dtype of its output; that of a real output next to complex ones is real."""
    dtype = np.asarray(y).dtype
    return (part.real if np.iscomplexobj(part) and dtype.kind != "c" else part).astype(dtype)


def eps_of(a: Any) -> float:
    """Return the machine epsilon of an array's dtype, or that of float64 if it is not floating-point."""
    dtype = np.asarray(a).dtype
    return float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps)


def first_place(mask: Array) -> tuple[int, ...]:
    """Return the first position at which a mask is True."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), np.shape(mask)))


def located(function: Any) -> Source | None:
    """Return where a function is defined, or None if it is not written in Python."""
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    if code is None:
        return None
    first = Source(code.co_filename, code.co_firstlineno, code.co_qualname)
    below = (first._replace(line=first.line + k) for k in range(DECORATORS))
    # For Python a function starts at its first decorator; the reader looks for `def`.
    return (
        next((s for s in below if s.text.startswith(("def ", "async def "))), first) if first.text[:1] == "@" else first
    )


def rms(x: Array) -> float:
    """Return the root mean square: the size of an array's elements."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if np.size(x) else 0.0


def shortened(x: Array, axes: tuple[int, ...]) -> Array:
    """Return an array whose given axes are shorter by one."""
    return x[tuple(slice(-1 if k in axes else None) for k in range(np.ndim(x)))]


def cut(x: Any, sizes: Mapping[int, int]) -> Any:
    """Return an array with every axis of length n shortened to `sizes[n]`; anything else as it is."""
    if not isinstance(x, np.ndarray) or not x.ndim:
        return x
    return x[tuple(slice(sizes.get(n, n)) for n in x.shape)]
