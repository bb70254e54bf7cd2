"""The L-BFGS method on one flat vector, for a function that returns value and gradient."""

from collections.abc import Callable
from typing import Any, NamedTuple

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


class Point(NamedTuple):
    """One point of a line: its place, the value there, the slope along the line, and the gradient."""

    t: float
    value: float
    slope: float
    gradient: Any


def cubic(a: Point, b: Point, low: float, high: float) -> float:
    """Return where the cubic through two points with their slopes is smallest, within bounds, or their middle.

    Source: Nocedal & Wright, equation 3.59.
    """
    a, b = sorted((a, b), key=lambda point: point.t)
    with np.errstate(all="ignore"):  # equal points and infinite values are seen by the result
        first = a.slope + b.slope - 3 * np.divide(a.value - b.value, a.t - b.t)
        square = first**2 - a.slope * b.slope
        if not square >= 0:
            return (low + high) / 2
        second = np.sqrt(square)
        t = b.t - (b.t - a.t) * np.divide(b.slope + second - first, b.slope - a.slope + 2 * second)
    return float(min(max(t, low), high))


def strong_wolfe(
    at: Callable[[float], Point], t: float, start: Point, size: float, most: int, c1: float = 1e-4, c2: float = 0.9
) -> tuple[Point, int]:
    """Return a point of a line that satisfies the strong Wolfe conditions, and the number of calls of `at`.

    `size` is the largest element of the direction; after the first call there are at most `most` more. First the step
    grows until an interval must hold such a point, then the interval is cut, at the minimum of a cubic that keeps away
    from the ends. This takes the points that PyTorch's search takes. Source: Nocedal & Wright, algorithms 3.5 and 3.6.
    """

    def falls_enough(point: Point) -> bool:
        return point.value <= start.value + c1 * point.t * start.slope

    def is_flat(point: Point) -> bool:
        return abs(point.slope) <= -c2 * start.slope

    before, now, calls = start, at(t), 1
    while calls <= most:
        if not falls_enough(now) or (calls > 2 and now.value >= before.value):
            break
        if is_flat(now):
            return now, calls
        if now.slope >= 0:
            break
        t = cubic(before, now, now.t + 0.01 * (now.t - before.t), 10 * now.t)
        before, now, calls = now, at(t), calls + 1
    else:
        before = start
    low, high = (before, now) if before.value <= now.value else (now, before)
    stuck = False
    while calls <= most and abs(high.t - low.t) * size >= 1e-9:
        left, right = sorted((low.t, high.t))
        t = cubic(low, high, left, right)
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stuck or t >= right or t <= left):
            t, near = (right - margin if abs(t - right) < abs(t - left) else left + margin), False
        stuck = near
        now, calls = at(t), calls + 1
        if not falls_enough(now) or now.value >= low.value:
            low, high = (low, now) if low.value <= now.value else (now, low)
            continue
        if is_flat(now):
            return now, calls
        low, high = now, low if now.slope * (high.t - low.t) >= 0 else high
    return low, calls


def minimise(
    evaluate: Evaluate, x: Any, history: History, settings: dict[str, Any], state: dict[str, Any]
) -> tuple[Any, float]:
    """Return the vector after up to `max_iter` steps, and the value before the first.

    `settings` has PyTorch's names: lr, max_iter, max_eval, tolerance_grad, tolerance_change, line_search_fn. The change
    of the gradient over a step is taken when the next begins, in another call of this function perhaps, so that the
    last step needs no gradient, and calls `evaluate` no more than PyTorch calls its closure.
    """
    value, gradient = evaluate(x)
    first, calls, most = value, 1, settings["max_iter"]
    if np.abs(gradient).max(initial=0) <= settings["tolerance_grad"]:
        return x, first
    for k in range(1, most + 1):
        if (last := state.get("last")) is not None:
            history.add(last[0], gradient - last[1])
        direction = history.direction(gradient)
        steps = state["n_iter"] = state.get("n_iter", 0) + 1
        t = min(1.0, 1.0 / float(np.abs(gradient).sum())) * settings["lr"] if steps == 1 else settings["lr"]
        slope, before, old = float(gradient @ direction), value, gradient
        state["last"] = (t * direction, old)
        if slope > -settings["tolerance_change"]:
            break
        if settings["line_search_fn"] == "strong_wolfe":
            start = Point(0.0, value, slope, gradient)
            point, used = _searched(evaluate, x, t, direction, start, settings["max_eval"] - calls)
            t, value, gradient, calls = point.t, point.value, point.gradient, calls + used
            x = x + t * direction
        else:
            x = x + t * direction
            if k < most:
                value, gradient = evaluate(x)
                calls += 1
        state["last"] = (step := t * direction, old)
        if calls >= settings["max_eval"] or np.abs(gradient).max(initial=0) <= settings["tolerance_grad"]:
            break
        if np.abs(step).max(initial=0) <= settings["tolerance_change"]:
            break
        if abs(value - before) < settings["tolerance_change"]:
            break
    return x, first


def _searched(evaluate: Evaluate, x: Any, t: float, direction: Any, start: Point, most: int) -> tuple[Point, int]:
    def at(t: float) -> Point:
        value, gradient = evaluate(x + t * direction)
        return Point(t, value, float(gradient @ direction), gradient)

    return strong_wolfe(at, t, start, float(np.abs(direction).max(initial=0)), most)
