r"""The operation that a captured `scan` is, and its derivatives, which are scans.

With $c_{t+1}, y_t = f(c_t, x_t, k)$, where k is what the body reads from outside, the cotangents are

$$\bar c_t, \bar x_t, \bar k_t = \bar f(\bar c_{t+1}, \bar y_t; c_t, x_t, k), \quad \bar k = \sum_t \bar k_t,$$

a scan from the last step to the first one over the carries $c_t$, which are all that the forward pass keeps.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.facts import Facts
from chainrule.core.tensor import Tensor
from chainrule.core.traces.dispatch import dispatch
from chainrule.core.transforms.batch import Done
from chainrule.core.transforms.derivatives import jvp, vjp
from chainrule.core.transforms.vmap import vmap

from .runner import run

Arrays = Sequence[Any]


class Scan(Facts):
    """A loop of `length` steps of a body with `carried` values, `entries` sliced inputs, and what else it reads.

    It takes `(*carry, *xs, *read)` and returns `(*carry, *ys)`, and with `keeps_carries` the carry of each step too.
    """

    name = "scan"
    kind = "general"
    composite = None
    foreign = False
    several = True
    variadic = True
    keeps: tuple[str, ...] = ()
    adjoints: tuple[Any, ...] = ()
    defaults: Mapping[str, Any] = {}
    rules: Mapping[str, Any] = {}
    arguments = ("xs",)
    residuals = ("xs", "y")

    def __init__(
        self, body: Callable[..., Any], carried: int, entries: int, length: int, reverse: bool, keeps_carries: bool
    ) -> None:
        self.body, self.carried, self.entries = body, carried, entries
        self.length, self.reverse, self.keeps_carries = length, reverse, keeps_carries
        self._runner: Any = None

    def apply(self, *args: Any) -> tuple[Any, ...]:
        """Apply the operation."""
        return dispatch(self, args, {})  # type: ignore[no-any-return]

    def primal(self, *args: Any) -> tuple[Any, ...]:
        """Run the loop on plain arrays."""
        self._runner, found = run(self._runner, self, args)
        return found

    def parts(self, args: Arrays) -> tuple[Arrays, Arrays, Arrays]:
        """Return the carry, the sliced inputs, and what else the body reads."""
        a, b = self.carried, self.carried + self.entries
        return args[:a], args[a:b], args[b:]

    def results(self, y: Arrays) -> tuple[Arrays, Arrays, Arrays]:
        """Return the last carry, the outputs, and the carries of all steps."""
        end = len(y) - self.carried if self.keeps_carries else len(y)
        return y[: self.carried], y[self.carried : end], y[end:]

    def saver(self, tracked: tuple[bool, ...]) -> Callable[..., tuple[Any, ...]]:  # noqa: ARG002
        """Return what to save of a call: its arguments and results."""
        return lambda y, *args: (args, y)

    def pull(self, y_bar: Arrays, saved: tuple[Any, ...], settings: Any) -> tuple[Any, ...]:  # noqa: ARG002
        """Reverse mode: the loop backwards."""
        args, y = saved
        carry, xs, read = self.parts(args)
        moving_xs, moving = _floating(xs), _floating(read)
        carry_bar, ys_bar, kept_bar = self.results(y_bar)
        kept_bar = [] if all(map(_is_zero, kept_bar)) else kept_bar
        n, m = len(carry), len(moving)

        def back(*values: Any) -> tuple[Any, ...]:
            bars, totals, values = values[:n], values[n : n + m], values[n + m :]
            inputs, values = values[: n + len(xs)], values[n + len(xs) :]
            outer, kept, consts = _cut(values, len(ys_bar), len(kept_bar))
            inputs = (*inputs, *consts)
            places = [*range(n), *(n + k for k in moving_xs), *(n + len(xs) + k for k in moving)]
            _, pullback = vjp(_of(self.body, inputs, places), *(inputs[k] for k in places))
            found = pullback((*bars, *outer))
            own = [a + b for a, b in zip(found[:n], kept, strict=True)] if kept else found[:n]
            sums = (a + b for a, b in zip(totals, found[n + len(moving_xs) :], strict=True))
            return (*own, *sums, *found[n : n + len(moving_xs)])

        zeros = [np.zeros(read[k].shape, read[k].dtype) for k in moving]
        given = (*carry_bar, *zeros, *self.results(y)[2], *xs, *ys_bar, *kept_bar, *read)
        entries = n + len(xs) + len(ys_bar) + len(kept_bar)
        found = Scan(back, n + m, entries, self.length, not self.reverse, needs_carries(given)).apply(*given)
        x_bars, k_bars = iter(found[n + m : n + m + len(moving_xs)]), iter(found[n : n + m])
        return (
            *found[:n],
            *(next(x_bars) if k in moving_xs else np.zeros(x.shape) for k, x in enumerate(xs)),
            *(next(k_bars) if k in moving else np.zeros(np.shape(x)) for k, x in enumerate(read)),
        )

    def push(self, y: Arrays, args: Arrays, dots: Arrays, settings: Any) -> tuple[Any, ...]:  # noqa: ARG002
        """Forward mode: values and tangents side by side."""
        carry, xs, read = self.parts(args)
        moving_xs, moving = _floating(xs), _floating(read)
        filled = [np.zeros(np.shape(x), x.dtype) if dot is None else dot for x, dot in zip(args, dots, strict=True)]
        carry_dot, xs_dot, read_dot = self.parts(filled)
        n, p = len(carry), len(xs)

        def forth(*values: Any) -> tuple[Any, ...]:
            now, dot, x, x_dot, consts = _cut(values, n, n, p, len(moving_xs))
            k, k_dot = consts[: len(read)], consts[len(read) :]
            inputs = (*now, *x, *k)
            places = [*range(n), *(n + k for k in moving_xs), *(n + p + k for k in moving)]
            f = _of(self.body, inputs, places)
            found, found_dot = jvp(f, tuple(inputs[k] for k in places), (*dot, *x_dot, *k_dot))
            return (*found[:n], *found_dot[:n], *found[n:], *found_dot[n:])

        entries = (*xs, *(xs_dot[k] for k in moving_xs))
        given = (*carry, *carry_dot, *entries, *read, *(read_dot[k] for k in moving))
        loop = Scan(forth, 2 * n, len(entries), self.length, self.reverse, self.keeps_carries)
        last, ys, kept = loop.results(loop.apply(*given))
        return (*last[n:], *ys[len(ys) // 2 :], *kept[n:])

    def stacked(self, values: Arrays, mine: Sequence[bool], settings: Any) -> Done:  # noqa: ARG002
        """One loop for many samples: each step does what the body does for all of them."""
        size = next(len(x) for x, own in zip(values, mine, strict=True) if own)
        carry, xs, read = self.parts(values)
        own_carry, own_xs, own_read = self.parts(mine)
        starts = [
            x if own else np.broadcast_to(x, (size, *np.shape(x))) for x, own in zip(carry, own_carry, strict=True)
        ]
        entries = [np.moveaxis(x, 0, 1) if own else x for x, own in zip(xs, own_xs, strict=True)]
        axes = (*(0 for _ in carry), *(0 if own else None for own in (*own_xs, *own_read)))
        body = vmap(self.body, in_axes=axes)
        loop = Scan(body, self.carried, self.entries, self.length, self.reverse, self.keeps_carries)
        last, ys, kept = loop.results(loop.apply(*starts, *entries, *read))
        return Done((*last, *(np.moveaxis(y, 1, 0) for y in (*ys, *kept))))


def _of(body: Callable[..., Any], inputs: Arrays, places: Sequence[int]) -> Callable[..., Any]:
    """Return a body as a function of its floating inputs alone."""

    def f(*moving: Any) -> Any:
        whole = list(inputs)
        for k, x in zip(places, moving, strict=True):
            whole[k] = x
        return body(*whole)

    return f


def _cut(values: Arrays, *lengths: int) -> list[Arrays]:
    """Return consecutive parts of these lengths, and the rest."""
    found, first = [], 0
    for n in lengths:
        found.append(values[first : first + n])
        first += n
    return [*found, values[first:]]


def _floating(values: Arrays) -> list[int]:
    return [k for k, x in enumerate(values) if getattr(x, "dtype", np.dtype(int)).kind in "fc"]


def _is_zero(x: Any) -> bool:
    return type(x) is np.ndarray and not x.any()


def needs_carries(values: Arrays) -> bool:
    """Whether a derivative flows through one of the values."""
    return any(isinstance(x, Tensor) and x.requires_grad for x in values)
