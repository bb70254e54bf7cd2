"""The measured cost of a gradient: the forward pass, the backward pass, and numerical differentiation instead."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.transforms.derivatives import no_grad, value_and_grad
from chainrule.core.tree import flatten
from chainrule.present.page import fragment, paragraphs
from chainrule.present.table import table


@dataclass(frozen=True)
class Cost:
    """Seconds, each the median of several runs.

    `forward` is the function alone; `gradient` is its value and gradient together, one forward and one backward pass.
    """

    numbers: int
    forward: float
    gradient: float

    @property
    def backward(self) -> float:
        """What the gradient costs beyond the forward pass."""
        return max(self.gradient - self.forward, 0.0)

    @property
    def numerical(self) -> float:
        """Central differences: two evaluations per number, 2N · `forward`."""
        return 2 * self.numbers * self.forward

    @property
    def ratio(self) -> float:
        """The time of value and gradient over that of the value alone."""
        return self.gradient / self.forward

    def _repr_html_(self) -> str:
        rows = (
            ("forward", _seconds(self.forward), f"{1.0:.1f}"),
            ("backward", _seconds(self.backward), f"{self.backward / self.forward:.1f}"),
            ("value and gradient", _seconds(self.gradient), f"{self.ratio:.1f}"),
            ("numerical differentiation", _seconds(self.numerical), f"{self.numerical / self.forward:.1f}"),
        )
        return fragment(
            "en", paragraphs(f"{self.numbers} numbers"), table(("pass", "time", "× forward"), rows, "costs")
        )

    def __str__(self) -> str:
        return (
            f"{self.numbers} numbers: forward {_seconds(self.forward)}, backward {_seconds(self.backward)}, "
            f"value and gradient {self.ratio:.1f} × forward; "
            f"numerical differentiation {_seconds(self.numerical)}, {self.numerical / self.gradient:.0f} × the gradient"
        )


def cost(f: Callable[..., Any], *args: Any, seconds: float = 0.3) -> Cost:
    """Measure the cost of the gradient of a scalar `f` with respect to all its arguments.

    That backpropagation costs O(2 · forward) is only a rule of thumb: the backward pass of a matrix product alone is
    two products. Theory bounds the operations for value and gradient by about 4 times those for the value (Baur &
    Strassen 1983; Griewank & Walther 2008, §3.3); the time also includes memory traffic and the engine's overhead,
    which shows on small arrays.

    `seconds` is roughly how long to measure. Raises what `value_and_grad` raises.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> c = cr.cost(lambda w: (np.tanh(w @ w) ** 2).sum(), np.full((50, 50), 0.01), seconds=0.02)
    >>> c.numbers, c.numerical > c.gradient
    (2500, True)
    """
    both = value_and_grad(f, argnums=tuple(range(len(args))))
    numbers = sum(int(np.size(x)) for x in flatten(list(args))[0])

    def forward() -> Any:
        with no_grad():
            return f(*args)

    candidates: tuple[Callable[[], Any], ...] = (forward, lambda: both(*args))
    for run in candidates:
        run()
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + seconds
    while len(times[0]) < 3 or time.perf_counter() < end:
        for run, found in zip(candidates, times, strict=True):
            began = time.perf_counter()
            run()
            found.append(time.perf_counter() - began)
    return Cost(numbers, statistics.median(times[0]), statistics.median(times[1]))


def _seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"
