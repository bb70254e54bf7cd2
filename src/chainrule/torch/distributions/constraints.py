"""`torch.distributions.constraints`: where the parameters and the values of distributions lie."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..creation import as_tensor
from ..face import Tensor, values_of, wrapped
from ..missing import lacking as _lacking
from ..shapes import stack as _stacked


class Constraint:
    """A set of values. An event of it has `event_dim` axes, and `is_discrete` if its values are whole numbers."""

    is_discrete = False
    event_dim = 0

    def check(self, value: Any) -> Any:
        """Return for each event whether it lies in the set."""
        return wrapped(np.asarray(self._holds(values_of(value))))

    def _holds(self, x: Any) -> Any:
        raise TypeError(f"{type(self).__name__}: define check(value)")

    def __repr__(self) -> str:
        return type(self).__name__.lstrip("_") + "()"


class _Where(Constraint):
    """The values for which a test of arrays holds, element by element or for each event."""

    def __init__(self, name: str, test: Callable[[Any], Any], event_dim: int = 0, discrete: bool = False) -> None:
        self._name, self._test, self.event_dim, self.is_discrete = name, test, event_dim, discrete

    def _holds(self, x: Any) -> Any:
        return self._test(x)

    def __repr__(self) -> str:
        return self._name


class _Dependent(Constraint):
    """What depends on other parameters, and so cannot be checked alone."""

    def __init__(self, *, is_discrete: bool = False, event_dim: int = 0) -> None:
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, *, is_discrete: bool | None = None, event_dim: int | None = None) -> "_Dependent":
        """Return one with other settings: `dependent(event_dim=1)`."""
        kind = self.is_discrete if is_discrete is None else is_discrete
        return _Dependent(is_discrete=kind, event_dim=self.event_dim if event_dim is None else event_dim)

    def check(self, value: Any) -> Any:
        """Raise a ValueError: ask the distribution's own support."""
        raise ValueError("Cannot determine validity of dependent constraint; ask the support of a distribution")


class dependent_property(property, _Dependent):
    """A property that returns a constraint made of other parameters."""

    def __init__(self, fn: Any = None, *, is_discrete: bool = False, event_dim: int = 0) -> None:
        super().__init__(fn)
        self.is_discrete, self.event_dim = is_discrete, event_dim

    def __call__(self, fn: Any) -> "dependent_property":  # type: ignore[override]
        """Return the property of a function: `@dependent_property(event_dim=1)`."""
        return dependent_property(fn, is_discrete=self.is_discrete, event_dim=self.event_dim)


def is_dependent(constraint: Any) -> bool:
    """Whether a constraint depends on other parameters."""
    return isinstance(constraint, _Dependent)


class _Bounded(Constraint):
    """Values on one side of a bound, or between two."""

    def _between(self, x: Any, low: Any = None, high: Any = None, ends: str = "[]") -> Any:
        holds = np.ones(np.shape(x), bool)
        if low is not None:
            holds = holds & (x >= values_of(low) if ends[0] == "[" else x > values_of(low))
        if high is not None:
            holds = holds & (x <= values_of(high) if ends[1] == "]" else x < values_of(high))
        return holds

    def __repr__(self) -> str:
        name = "".join(part.capitalize() for part in type(self).__name__.split("_"))
        return f"{name}({', '.join(f'{key}={value}' for key, value in vars(self).items())})"


class greater_than(_Bounded):
    """Above a bound."""

    def __init__(self, lower_bound: Any) -> None:
        self.lower_bound = lower_bound

    def _holds(self, x: Any) -> Any:
        return self._between(x, self.lower_bound, ends="(]")


class greater_than_eq(greater_than):
    """At or above a bound."""

    def _holds(self, x: Any) -> Any:
        return self._between(x, self.lower_bound)


class less_than(_Bounded):
    """Below a bound."""

    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def _holds(self, x: Any) -> Any:
        return self._between(x, None, self.upper_bound, "[)")


class interval(_Bounded):
    """Between two bounds, which belong to it."""

    def __init__(self, lower_bound: Any, upper_bound: Any) -> None:
        self.lower_bound, self.upper_bound = lower_bound, upper_bound

    def _holds(self, x: Any) -> Any:
        return self._between(x, self.lower_bound, self.upper_bound)


class half_open_interval(interval):
    """Between two bounds, of which the lower belongs to it."""

    def _holds(self, x: Any) -> Any:
        return self._between(x, self.lower_bound, self.upper_bound, "[)")


class integer_interval(interval):
    """Whole numbers between two bounds, which belong to it."""

    is_discrete = True

    def _holds(self, x: Any) -> Any:
        return super()._holds(x) & _is_whole(x)


class multinomial(Constraint):
    """Counts whose sum along the last axis is at most a bound."""

    is_discrete = True
    event_dim = 1

    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound

    def _holds(self, x: Any) -> Any:
        return (x >= 0).all(-1) & (x.sum(-1) <= values_of(self.upper_bound))


class independent(Constraint):
    """A constraint whose last axes count as axes of one event: it holds where all elements do."""

    def __init__(self, base_constraint: Any, reinterpreted_batch_ndims: int) -> None:
        self.base_constraint, self.reinterpreted_batch_ndims = base_constraint, reinterpreted_batch_ndims

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """Whether the values are whole numbers."""
        return bool(self.base_constraint.is_discrete)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The number of axes of an event."""
        return int(self.base_constraint.event_dim + self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"

    def check(self, value: Any) -> Any:
        """Return for each event whether all of it lies in the set."""
        holds = values_of(self.base_constraint.check(value))
        n = self.reinterpreted_batch_ndims
        if holds.ndim < n:
            raise ValueError(
                f"Expected value.dim() >= {self.event_dim} but got {values_of(value).ndim}: an event has that many axes"
            )
        return wrapped(holds.all(tuple(range(-n, 0))) if n else holds)


class _Joined(Constraint):
    """Several constraints, each for a part of the values along an axis."""

    def __init__(self, parts: Sequence[Any], dim: int = 0, lengths: Sequence[int] | None = None) -> None:
        self.cseq, self.dim = list(parts), dim
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """Whether the values of a part are whole numbers."""
        return any(part.is_discrete for part in self.cseq)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The largest number of axes of a part's event."""
        return max(int(part.event_dim) for part in self.cseq)


class cat(_Joined):
    """Constraints of parts of some lengths, one after the other along an axis."""

    def check(self, value: Any) -> Any:
        """Return where the parts hold."""
        ends = np.cumsum(self.lengths)[:-1]
        parts = np.split(values_of(value), ends, self.dim)
        found = [values_of(part.check(wrapped(x))) for part, x in zip(self.cseq, parts, strict=True)]
        return wrapped(np.concatenate(found, self.dim))


class stack(_Joined):
    """Constraints of the slices along an axis."""

    def check(self, value: Any) -> Any:
        """Return where the slices hold."""
        rows = list(np.moveaxis(values_of(value), self.dim, 0))
        return _stacked([part.check(wrapped(x)) for part, x in zip(self.cseq, rows, strict=True)], self.dim)


def _is_whole(x: Any) -> Any:
    return np.isfinite(x) & (np.floor(x) == x)


def _is_square(x: Any) -> Any:
    return np.full(x.shape[:-2], x.shape[-2] == x.shape[-1])


def _is_symmetric(x: Any) -> Any:
    square = _is_square(x)
    return square if not square.all() else np.isclose(x, np.swapaxes(x, -1, -2), atol=1e-6).all((-2, -1))


def _is_definite(x: Any) -> Any:
    """Whether matrices are symmetric with positive eigenvalues."""
    symmetric = _is_symmetric(x)
    return symmetric & (np.linalg.eigvalsh(x) > 0).all(-1) if symmetric.all() else symmetric


def _is_semidefinite(x: Any) -> Any:
    symmetric = _is_symmetric(x)
    return symmetric & (np.linalg.eigvalsh(x) >= 0).all(-1) if symmetric.all() else symmetric


def _is_lower(x: Any) -> Any:
    return (np.tril(x) == x).all((-2, -1))


def _is_factor(x: Any) -> Any:
    return _is_lower(x) & (np.diagonal(x, axis1=-2, axis2=-1) > 0).all(-1)


def _is_unit_factor(x: Any) -> Any:
    close = 10 * x.shape[-1] * np.finfo(x.dtype).eps
    return _is_factor(x) & (np.abs(np.linalg.norm(x, axis=-1) - 1) <= close).all(-1)


def _is_probabilities(x: Any) -> Any:
    return (x >= 0).all(-1) & (np.abs(x.sum(-1) - 1) < 1e-6)


def _is_one_hot(x: Any) -> Any:
    return ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1)


boolean = _Where("Boolean()", lambda x: (x == 0) | (x == 1), discrete=True)
one_hot = _Where("OneHot()", _is_one_hot, 1, discrete=True)
nonnegative_integer: Any = _Where("IntegerGreaterThan(lower_bound=0)", lambda x: _is_whole(x) & (x >= 0), discrete=True)
positive_integer: Any = _Where("IntegerGreaterThan(lower_bound=1)", lambda x: _is_whole(x) & (x >= 1), discrete=True)
real = _Where("Real()", lambda x: x == x)  # not NaN
real_vector = independent(real, 1)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
simplex = _Where("Simplex()", _is_probabilities, 1)
lower_triangular = _Where("LowerTriangular()", _is_lower, 2)
lower_cholesky = _Where("LowerCholesky()", _is_factor, 2)
corr_cholesky = _Where("CorrCholesky()", _is_unit_factor, 2)
square = _Where("Square()", _is_square, 2)
symmetric = _Where("Symmetric()", _is_symmetric, 2)
positive_semidefinite = _Where("PositiveSemidefinite()", _is_semidefinite, 2)
positive_definite = _Where("PositiveDefinite()", _is_definite, 2)
dependent = _Dependent()

__all__ = [
    "Constraint", "boolean", "cat", "corr_cholesky", "dependent", "dependent_property", "greater_than",
    "greater_than_eq", "half_open_interval", "independent", "integer_interval", "interval", "is_dependent",
    "less_than", "lower_cholesky", "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot",
    "positive", "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector", "simplex",
    "square", "stack", "symmetric", "unit_interval",
]  # fmt: skip


def check_value(value: Any, name: str, owner: str, constraint: Any) -> None:
    """Raise a ValueError if a parameter of a distribution does not satisfy its constraint."""
    value = value if isinstance(value, Tensor) else as_tensor(value)
    if not bool(values_of(constraint.check(value)).all()):
        raise ValueError(
            f"Expected parameter {name} (Tensor of shape {tuple(value.shape)}) of distribution {owner} "
            f"to satisfy the constraint {constraint!r}, but found invalid values:\n{value}\n"
            "(validate_args=False leaves this check out)"
        )


__getattr__ = _lacking(__name__)
