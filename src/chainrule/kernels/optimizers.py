r"""The steps of the optimisers, each in one pass over flat arrays of one dtype.

A step is a formula for one element: given the value, its gradient and the states, it returns the new value and the new
states. `FlatStep` makes machine code of it, which changes `value` and the states in place and reads `grad`. All
settings are numbers, so that changing a learning rate does not recompile anything; they are converted to the arrays'
dtype, as NumPy converts a Python number that meets a float32 array. `weight_decay` λ adds λ · value to the gradient.
`sign` is −1 for gradient ascent and 1 otherwise. The mathematics and its sources are those of the classes in
`chainrule.optim`. Nothing checks that lengths agree.
"""

import functools
import inspect
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .native.machine import address_of
from .native.symbol import DOUBLE, LONG, Symbol
from .native.tasks import ADDITION, Function, Task, address, each_at_once, parts_of, run_all, run_once
from .numbers import in_type_of, square_root, where

Array = Any
Real = Any
EACH = 8
"""How many additions the step of one element takes as long as: Adam's takes 0.7 ns."""
STATES = ("buffer", "mean", "square", "largest", "total")
"""What the states among the parameters of a formula are called; numbers are all others behind value and gradient."""


class FlatStep:
    """A step as a function of flat arrays: `step(value, grad, *states, *numbers)`."""

    def __init__(self, formula: Callable[..., Any]) -> None:
        functools.update_wrapper(self, formula)
        self.formula = formula
        parameters = list(inspect.signature(formula).parameters)
        self.arrays = 2 + sum(name in STATES for name in parameters)
        """How many of the arguments are arrays."""
        self.numbers = len(parameters) - self.arrays
        self._text = functools.cache(self._written)

    def __call__(self, *args: Any) -> None:
        """Take the step."""
        numbers = np.array(args[self.arrays :], np.float64)
        run_once(self._task(args[: self.arrays], numbers))

    def together(self, rows: Sequence[Sequence[Array]], *settings: float) -> None:
        """Take the step for several parameters: each row has the arrays of one."""
        numbers = np.array(settings, np.float64)
        at, where = address_of(self._text(rows[0][0].dtype)), address(numbers)
        tables = [[*map(address, row), where] for row in rows]
        sizes = [row[0].size for row in rows]
        each_at_once(at, tables, sizes, [parts_of(ADDITION * EACH * size, size) for size in sizes])

    def bound(self, arrays: Sequence[Array]) -> Callable[[Sequence[float]], None]:
        """Return the step on these arrays as a function of the numbers; on several cores where they are large."""
        numbers: Array = np.empty(self.numbers)
        task = self.task(arrays, numbers)
        run, put = run_all([task], EACH * task.end), struct.Struct(f"{self.numbers}d").pack_into

        def take(settings: Sequence[float]) -> None:
            put(numbers, 0, *settings)
            run()

        return take

    def task(self, arrays: Sequence[Array], numbers: Array) -> Task:
        """Return the step on these arrays as a task, which reads its numbers from an array of float64."""
        task = self._task(arrays, numbers)
        task.parts = parts_of(ADDITION * EACH * task.end, task.end)
        return task

    def _task(self, arrays: Sequence[Array], numbers: Array) -> Task:
        return Task(self._text(arrays[0].dtype), [*arrays, numbers], begin=0, end=arrays[0].size)

    def _written(self, dtype: Any) -> str:
        function = Function([dtype] * self.arrays + [DOUBLE])
        *places, given = function.places
        numbers = [given[k] for k in range(self.numbers)]
        value, _, *states = places
        with function.code.loop(function.begin, function.end) as i:
            made = self.formula(*(place[i] for place in places), *numbers)
            for place, x in zip((value, *states), made, strict=True):
                place[i] = x
        return function.text()


def numbers_task(formula: Callable[[Any, list[Any]], Sequence[Real]], arrays: Sequence[Array], counts: bool) -> Task:
    """Return the task that computes a step's numbers from the settings and from which step it is.

    `formula(step, settings)` is written in arithmetic that symbols know; each operation is rounded as Python rounds it.
    `arrays` are the count of steps so far (int64), which goes up by one if it `counts`, the settings, and the place for
    the numbers (float64).
    """
    function = Function([LONG, DOUBLE, DOUBLE], flags="")
    count, given, place = function.places
    step = count[0] + 1
    if counts:
        count[0] = step
    for k, x in enumerate(formula(step, [given[k] for k in range(arrays[1].size)])):
        place[k] = x if isinstance(x, Symbol) else function.code.constant(float(x), DOUBLE)
    return Task(function.text(), arrays)


def _gradient(grad: Real, value: Real, weight_decay: Real, sign: Real) -> Real:
    grad, decay = in_type_of(value, sign) * grad, in_type_of(value, weight_decay)
    return where(decay == 0, grad, grad + decay * value)


def _average(mean: Real, new: Real, decay: Real) -> Real:
    return mean * in_type_of(mean, decay) + in_type_of(mean, 1 - decay) * new


# Stochastic gradient descent


@FlatStep
def sgd(value: Real, grad: Real, lr: Real, weight_decay: Real, sign: Real) -> tuple[Real, ...]:
    """Set value ← value − lr · g."""
    return (value - in_type_of(value, lr) * _gradient(grad, value, weight_decay, sign),)


@FlatStep
def sgd_momentum(
    value: Real,
    grad: Real,
    buffer: Real,
    lr: Real,
    momentum: Real,
    share: Real,
    nesterov: Real,
    weight_decay: Real,
    sign: Real,
) -> tuple[Real, ...]:
    """Set b ← momentum · b + share · g, value ← value − lr · b; with `nesterov` value ← value − lr (g + momentum · b).

    `share` is 1 − dampening, and 1 in the first step, in which b is 0.
    """
    g = _gradient(grad, value, weight_decay, sign)
    momentum = in_type_of(value, momentum)
    b = buffer * momentum + in_type_of(value, share) * g
    return value - in_type_of(value, lr) * where(nesterov != 0, g + momentum * b, b), b


# Adam


@FlatStep
def adam(
    value: Real,
    grad: Real,
    mean: Real,
    square: Real,
    rate: Real,
    beta1: Real,
    beta2: Real,
    divisor: Real,
    eps: Real,
    weight_decay: Real,
    shrink: Real,
    sign: Real,
) -> tuple[Real, ...]:
    """Set m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², value ← shrink · value − rate · m / (√v / divisor + eps).

    In step t `rate` is lr / (1 − β₁ᵗ) and `divisor` √(1 − β₂ᵗ). `shrink` is 1 for Adam and 1 − lr · λ for AdamW, whose
    `weight_decay` here is 0.
    """
    g = _gradient(grad, value, weight_decay, sign)
    m, v = _average(mean, g, beta1), _average(square, g * g, beta2)
    return _moved(value, m, v, rate, divisor, eps, shrink), m, v


def _moved(value: Real, m: Real, v: Real, rate: Real, divisor: Real, eps: Real, shrink: Real) -> Real:
    # Numerator and denominator are multiplied by the divisor: a division for each element takes as long as the rest.
    rate, eps, shrink = (in_type_of(value, x) for x in (rate * divisor, eps * divisor, shrink))
    return shrink * value - rate * m / (square_root(v) + eps)


@FlatStep
def adam_amsgrad(
    value: Real,
    grad: Real,
    mean: Real,
    square: Real,
    largest: Real,
    rate: Real,
    beta1: Real,
    beta2: Real,
    divisor: Real,
    eps: Real,
    weight_decay: Real,
    shrink: Real,
    sign: Real,
) -> tuple[Real, ...]:
    """As `adam`, with the largest v so far in place of v."""
    g = _gradient(grad, value, weight_decay, sign)
    m, v = _average(mean, g, beta1), _average(square, g * g, beta2)
    top = np.maximum(largest, v)
    return _moved(value, m, top, rate, divisor, eps, shrink), m, v, top


# RMSprop


@FlatStep
def rmsprop(
    value: Real, grad: Real, square: Real, lr: Real, alpha: Real, eps: Real, weight_decay: Real, sign: Real
) -> tuple[Real, ...]:
    """Set v ← α v + (1 − α) g², value ← value − lr · g / (√v + eps)."""
    g = _gradient(grad, value, weight_decay, sign)
    v = _average(square, g * g, alpha)
    return value - in_type_of(value, lr) * (g / (square_root(v) + in_type_of(value, eps))), v


@FlatStep
def rmsprop_momentum(
    value: Real,
    grad: Real,
    square: Real,
    buffer: Real,
    lr: Real,
    alpha: Real,
    eps: Real,
    momentum: Real,
    weight_decay: Real,
    sign: Real,
) -> tuple[Real, ...]:
    """Set v as `rmsprop` does, b ← momentum · b + g / (√v + eps), value ← value − lr · b."""
    g = _gradient(grad, value, weight_decay, sign)
    v = _average(square, g * g, alpha)
    b = buffer * in_type_of(value, momentum) + g / (square_root(v) + in_type_of(value, eps))
    return value - in_type_of(value, lr) * b, v, b


@FlatStep
def rmsprop_centered(
    value: Real,
    grad: Real,
    square: Real,
    mean: Real,
    lr: Real,
    alpha: Real,
    eps: Real,
    weight_decay: Real,
    sign: Real,
) -> tuple[Real, ...]:
    """As `rmsprop`, with m ← α m + (1 − α) g and √(v − m²) in place of √v."""
    g = _gradient(grad, value, weight_decay, sign)
    v, m = _average(square, g * g, alpha), _average(mean, g, alpha)
    return value - in_type_of(value, lr) * (g / (square_root(v - m * m) + in_type_of(value, eps))), v, m


@FlatStep
def rmsprop_centered_momentum(
    value: Real,
    grad: Real,
    square: Real,
    mean: Real,
    buffer: Real,
    lr: Real,
    alpha: Real,
    eps: Real,
    momentum: Real,
    weight_decay: Real,
    sign: Real,
) -> tuple[Real, ...]:
    """As `rmsprop_centered` and `rmsprop_momentum` together."""
    g = _gradient(grad, value, weight_decay, sign)
    v, m = _average(square, g * g, alpha), _average(mean, g, alpha)
    b = buffer * in_type_of(value, momentum) + g / (square_root(v - m * m) + in_type_of(value, eps))
    return value - in_type_of(value, lr) * b, v, m, b


# Adagrad


@FlatStep
def adagrad(
    value: Real, grad: Real, total: Real, rate: Real, eps: Real, weight_decay: Real, sign: Real
) -> tuple[Real, ...]:
    """Set s ← s + g², value ← value − rate · g / (√s + eps); in step t `rate` is lr / (1 + (t − 1) · lr_decay)."""
    g = _gradient(grad, value, weight_decay, sign)
    s = total + g * g
    return value - in_type_of(value, rate) * g / (square_root(s) + in_type_of(value, eps)), s
