"""The L-BFGS method on one flat vector, for a function that returns value and gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np

Evaluate = Callable[[Any], tuple[float, Any]]


class History:
    """The last steps and changes of the gradient, by which the direction of a step is found."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.steps: list[Any] = []
        self.changes: list[Any] = []
        self.scale = 1.0

    def add(self, step: Any, change: Any) -> None:
        """Remember a step, if the curvature along it is positive."""
        curvature = float(change @ step)
        if curvature <= 1e-10:
            return
        if len(self.steps) == self.size:
            del self.steps[0], self.changes[0]
        self.steps.append(step)
        self.changes.append(change)
        self.scale = curvature / float(change @ change)

    def direction(self, gradient: Any) -> Any:
        """Return minus the approximate inverse Hessian times the gradient, by the two-loop recursion.

        Source: Nocedal & Wright, "Numerical Optimization" (2006), algorithm 7.4.
        """
        q = -gradient
        shares = []
        for step, change in zip(reversed(self.steps), reversed(self.changes), strict=True):
            share = (step @ q) / (change @ step)
            q = q - share * change
            shares.append(share)
        q = q * self.scale
        for step, change, share in zip(self.steps, self.changes, reversed(shares), strict=True):
            q = q + step * (share - (change @ q) / (change @ step))
        return q


def strong_wolfe(
    evaluate: Evaluate, x: Any, t: float, direction: Any, value: float, gradient: Any, c1: float = 1e-4, c2: float = 0.9
) -> tuple[float, float, Any, int]:
    """Return a step length that satisfies the strong Wolfe conditions, with value, gradient and number of calls.

    Source: Nocedal & Wright, algorithms 3.5 and 3.6, by bisection.
    """
    slope = float(gradient @ direction)
    low, high = 0.0, None
    best = (t, *evaluate(x + t * direction))
    for calls in range(1, 26):
        t, found, new = best
        along = float(new @ direction)
        if not np.isfinite(found) or found > value + c1 * t * slope:
            high = t
        elif abs(along) <= -c2 * slope:
            return t, found, new, calls
        elif along < 0:
            low = t
        else:
            high = t
        t = 2 * t if high is None else (low + high) / 2
        if high is not None and high - low < 1e-9 * max(abs(high), 1.0):
            break
        best = (t, *evaluate(x + t * direction))
    return (*best, 25)


def minimise(
    evaluate: Evaluate, x: Any, history: History, settings: dict[str, Any], state: dict[str, Any]
) -> tuple[Any, float]:
    """Return the vector after up to `max_iter` steps, and the value before the first.

    `settings` has PyTorch's names: lr, max_iter, max_eval, tolerance_grad, tolerance_change, line_search_fn.
    """
    value, gradient = evaluate(x)
    first, calls = value, 1
    for _ in range(settings["max_iter"]):
        if np.abs(gradient).max(initial=0) <= settings["tolerance_grad"]:
            break
        direction = history.direction(gradient)
        steps = state["n_iter"] = state.get("n_iter", 0) + 1
        t = min(1.0, 1.0 / float(np.abs(gradient).sum())) * settings["lr"] if steps == 1 else settings["lr"]
        slope = float(gradient @ direction)
        if slope > -settings["tolerance_change"]:
            break
        if settings["line_search_fn"] == "strong_wolfe":
            t, new_value, new, used = strong_wolfe(evaluate, x, t, direction, value, gradient)
        else:
            new_value, new = evaluate(x + t * direction)
            used = 1
        calls += used
        step = t * direction
        history.add(step, new - gradient)
        change, x, gradient = abs(new_value - value), x + step, new
        value = new_value
        if np.abs(step).max(initial=0) <= settings["tolerance_change"] or change < settings["tolerance_change"]:
            break
        if calls >= settings["max_eval"]:
            break
    return x, first
