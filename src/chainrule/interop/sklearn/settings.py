"""The allowed values of the estimators' parameters, checked in `fit`, as scikit-learn requires."""

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

from .losses import CLASS_LOSSES, REGRESSION, VALUE_LOSSES
from .network import ACTIVATIONS
from .solver import OPTIMISERS

SOLVERS = (*OPTIMISERS, "lbfgs")
FLAGS = ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping")
# name: (minimum, maximum, whether each is itself allowed)
NUMBERS: dict[str, tuple[float, float, str]] = {
    "alpha": (0, math.inf, "[)"),
    "learning_rate_init": (0, math.inf, "()"),
    "power_t": (0, math.inf, "[)"),
    "tol": (0, math.inf, "[)"),
    "momentum": (0, 1, "[)"),
    "validation_fraction": (0, 1, "()"),
    "beta_1": (0, 1, "[)"),
    "beta_2": (0, 1, "[)"),
    "epsilon": (0, math.inf, "()"),
    "weight_decay": (0, math.inf, "[)"),
    "dropout": (0, 1, "[)"),
}
COUNTS = ("max_iter", "max_fun")
CHOICES: dict[str, tuple[str, ...]] = {
    "solver": SOLVERS,
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "monitor": ("auto", "score", "loss"),
}


def check_settings(estimator: Any, losses: Sequence[str]) -> None:
    """Raise TypeError or ValueError, with the name and what is expected, for a parameter that is not allowed."""
    for name, choices in CHOICES.items():
        _check_choice(name, getattr(estimator, name), choices)
    _check_function("activation", estimator.activation, tuple(ACTIVATIONS))
    _check_function("loss", estimator.loss, losses)
    for name, limits in NUMBERS.items():
        _check_number(name, getattr(estimator, name), *limits)
    for name in COUNTS:
        _check_count(name, getattr(estimator, name))
    if estimator.n_iter_no_change != math.inf:
        _check_count("n_iter_no_change", estimator.n_iter_no_change)
    if estimator.batch_size != "auto":
        _check_count("batch_size", estimator.batch_size, ' or "auto"')
    for name in FLAGS:
        if getattr(estimator, name) not in (True, False):
            raise TypeError(f"{name}: expected True or False, got {getattr(estimator, name)!r}")
    hidden_sizes(estimator.hidden_layer_sizes)
    _check_together(estimator)


def _check_together(estimator: Any) -> None:
    if estimator.solver == "lbfgs":
        if estimator.dropout:
            raise ValueError(f"dropout: solver='lbfgs' needs a deterministic loss, got dropout={estimator.dropout}")
        if estimator.early_stopping:
            raise ValueError("early_stopping: solver='lbfgs' has no epochs; choose one of " + ", ".join(OPTIMISERS))


def hidden_sizes(sizes: Any) -> list[int]:
    """Return the sizes of the hidden layers as a list; there may be none."""
    each = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    for size in each:
        if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
            raise ValueError(f"hidden_layer_sizes: expected whole numbers from 1 up, got {sizes!r}")
    return [int(size) for size in each]


def class_losses() -> tuple[str, ...]:
    """The names of a classifier's losses."""
    return ("log_loss", *CLASS_LOSSES, *VALUE_LOSSES)


def regression_losses() -> tuple[str, ...]:
    """The names of a regressor's losses."""
    return (*REGRESSION, *VALUE_LOSSES)


def _check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, got {value!r}")


def _check_function(name: str, value: Any, names: Sequence[str]) -> None:
    known: Callable[[Any], bool] = lambda value: isinstance(value, str) and value in names  # noqa: E731
    if not callable(value) and not known(value):
        raise ValueError(f"{name}: expected a function, or one of {', '.join(map(repr, names))}, got {value!r}")


def _check_number(name: str, value: Any, least: float, most: float, ends: str) -> None:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    number = float(value)
    above = number >= least if ends[0] == "[" else number > least
    below = number <= most if ends[1] == "]" else number < most
    if not (above and below):
        raise ValueError(f"{name}: expected a number in {ends[0]}{least}, {most}{ends[1]}, got {value!r}")


def _check_count(name: str, value: Any, other: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name}: expected a whole number{other}, got {value!r}")
    if value < 1:
        raise ValueError(f"{name}: expected at least 1{other}, got {value!r}")
