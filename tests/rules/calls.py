"""One call of an operation, with arguments drawn for a case of its record, and the derivatives of that call."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.core.operation import Case, Operation, case
from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import jvp, vjp

Arrays = tuple[Any, ...]

MARGIN = 0.05
"""How far drawn numbers stay from the ends of their domain and from the kinks of the record."""


def default_cases(op: type[Operation]) -> tuple[Case, ...]:
    """The cases of a record that names none: equal shapes, each argument broadcast, no axes, no elements."""
    count = len(op.arguments)
    if count == 1:
        return case((3, 4)), case(()), case((0, 3))
    lesser = [case(*((3,) if k == small else (2, 3) for k in range(count))) for small in range(count)]
    crossed = case(*((2, 1) if k % 2 == 0 else (1, 3) for k in range(count)))
    return (
        *(case(*[shape] * count) for shape in [(2, 3), ()]),
        *lesser,
        crossed,
        case((), *[(2, 3)] * (count - 1)),
        case((0, 3), *[(3,)] * (count - 1)),
    )


def cases_of(op: type[Operation]) -> tuple[Case, ...]:
    """The cases of a record, or the usual ones where it names none."""
    return op.cases or default_cases(op)


def written(one: Case | None) -> str:
    """A case as its record writes it."""
    if one is None:
        return ""
    inputs = [str(x) if is_shape(x) else described(x) for x in one.inputs]
    return f"case({', '.join(inputs + [f'{key}={value!r}' for key, value in one.settings.items()])})"


def described(x: Any) -> str:
    return f"{x.dtype}{list(x.shape)}" if isinstance(x, np.ndarray) else repr(x)


def is_shape(x: Any) -> bool:
    return isinstance(x, tuple) and all(isinstance(n, int) for n in x)


def is_floating(x: Any) -> bool:
    """Whether a value has a dtype that has derivatives: of real or of complex numbers."""
    return np.issubdtype(getattr(x, "dtype", np.int64), np.inexact)


def is_complex(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "c"


def names_of(op: type[Operation], count: int) -> tuple[str, ...]:
    """The name of each argument; one for each array where the operation takes any number."""
    if op.variadic:
        return tuple(f"{op.arguments[0]}[{k}]" for k in range(count))
    return op.arguments


def draw(op: type[Operation], one: Case, rng: np.random.Generator) -> Arrays:
    """The arguments of a case.

    The numbers of all arguments that share a domain are spread over it with a gap between any two: sorting, maxima and
    comparisons have no near ties, where a finite difference would see two branches.
    """
    args = list(one.inputs)
    names = op.arguments * len(args) if op.variadic else op.arguments
    shapes = {k: x for k, x in enumerate(args) if is_shape(x)}
    domains = {k: _bounds(*op.domain.get(names[k], (-3.0, 3.0))) for k in shapes}
    for domain in set(domains.values()):
        places = [k for k in shapes if domains[k] == domain]
        sizes = [int(np.prod(shapes[k])) for k in places]
        numbers = np.split(_spread(rng, sum(sizes), *domain), np.cumsum(sizes)[:-1])
        for k, drawn in zip(places, numbers, strict=True):
            args[k] = _off_kinks(op, k, drawn).reshape(shapes[k])
    return tuple(x.copy() if isinstance(x, np.ndarray) else x for x in args)


def _bounds(low: float, high: float) -> tuple[float, float]:
    low = low if np.isfinite(low) else min(-3.0, high - 6.0)
    high = high if np.isfinite(high) else max(3.0, low + 6.0)
    margin = min(MARGIN, 0.05 * (high - low))
    return low + margin, high - margin


def _spread(rng: np.random.Generator, count: int, low: float, high: float) -> Any:
    places = rng.permutation(count) + 0.5 + rng.uniform(-0.3, 0.3, count)
    return low + (high - low) * places / max(count, 1)


def _off_kinks(op: type[Operation], k: int, x: Any) -> Any:
    for kink in op.kinks:
        at = kink.at[0 if op.variadic else k]
        if np.ndim(at) == 0 and at is not None and np.isfinite(at):
            away = x - at
            x = np.where(np.abs(away) < MARGIN, at + np.copysign(MARGIN + np.abs(away), away), x)
    return x


@dataclass(frozen=True)
class Call:
    """An operation with its arguments and settings, as a function of those of them that move."""

    op: type[Operation]
    args: Arrays
    settings: Mapping[str, Any]
    moving: tuple[int, ...]

    @classmethod
    def of(cls, op: type[Operation], args: Sequence[Any], settings: Mapping[str, Any]) -> "Call":
        names = op.arguments * len(args) if op.variadic else op.arguments
        moving = (k for k, x in enumerate(args) if names[k] in op.differentiable and is_floating(x))
        return cls(op, tuple(args), settings, tuple(moving))

    @classmethod
    def drawn(cls, op: type[Operation], one: Case, rng: np.random.Generator) -> "Call":
        return cls.of(op, draw(op, one, rng), one.settings)

    @property
    def inputs(self) -> Arrays:
        return tuple(self.args[k] for k in self.moving)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arguments that move."""
        every = names_of(self.op, len(self.args))
        return tuple(every[k] for k in self.moving)

    @property
    def label(self) -> str:
        return f"argument {self.names[0]}" if len(self.moving) == 1 else f"arguments {', '.join(self.names)} together"

    def ways(self) -> Iterator["Call"]:
        """The same call with each argument moving alone, and with all of them: each keeps other residuals."""
        for k in self.moving:
            yield replace(self, moving=(k,))
        if len(self.moving) > 1:
            yield self

    def using(self, apply: Callable[..., Any]) -> Callable[..., Arrays]:
        """The call as a function of what moves, through another function than the operation's own."""
        return functools.partial(self._through, apply)

    def _through(self, apply: Callable[..., Any], *inputs: Any) -> Arrays:
        args = list(self.args)
        for k, x in zip(self.moving, inputs, strict=True):
            args[k] = x
        y = apply(*args, **{**self.op.defaults, **self.settings})
        return tuple(part for part in (y if isinstance(y, tuple) else (y,)) if is_floating(part))

    def __call__(self, *inputs: Any) -> Arrays:
        return self._through(self.op.apply, *inputs)

    def outputs(self) -> Arrays:
        return self(*self.inputs)

    def pullback(self, y_bars: Arrays) -> Arrays:
        return plain(vjp(self, *self.inputs)[1](y_bars))

    def tangents(self, dots: Arrays) -> Arrays:
        return plain(jvp(self, self.inputs, dots)[1])


def plain(values: Sequence[Any]) -> Arrays:
    return tuple(np.asarray(value_of(x)) for x in values)


def random_like(rng: np.random.Generator, values: Sequence[Any]) -> Arrays:
    """A direction: an array for each value, with elements in (-1, 1) and its dtype."""
    return tuple(np.asarray(_uniform(rng, x), x.dtype) for x in values)


def _uniform(rng: np.random.Generator, x: Any) -> Any:
    numbers = rng.uniform(-1.0, 1.0, x.shape)
    return numbers + 1j * rng.uniform(-1.0, 1.0, x.shape) if is_complex(x) else numbers


def variant(op: type[Operation], wrap: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> type[Operation]:
    """The same record, unregistered, with `wrap(name, rule)` in the place of each rule."""
    body: dict[str, Any] = {name: staticmethod(_named(wrap(name, rule), rule)) for name, rule in op.rules.items()}
    body |= {"name": op.name, "differentiable": op.differentiable, "__doc__": op.__doc__}
    return type(op.__name__, (op,), body, register=False)


def _named(wrapper: Callable[..., Any], rule: Callable[..., Any]) -> Callable[..., Any]:
    return wrapper if wrapper is rule else functools.wraps(rule)(wrapper)
