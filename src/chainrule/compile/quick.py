"""`quick`: a replay whose plan is one call of machine code, as one generated function of the arguments.

In a small network what Python does around that call takes longer than the call. The generated function asks, in one
expression, whether everything is exactly as at the last replay, and otherwise leaves the call to `Replay`, which asks
more closely. Loops over parameters are written out in it, and the arrays are compared and copied by machine code.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.asking import made_of
from chainrule.core.memory.changes import changes, tick
from chainrule.core.tensor import Tensor
from chainrule.core.traces.modes import latest
from chainrule.core.traces.tape import EAGER
from chainrule.kernels.suitable import HAS_COMPILER

from .moving import holds, moves_of
from .plan.single import Together

MISSED = object()
"""What is returned where the replay has to ask more closely; nothing has been done then."""
MANY = 400
"""The most parameters for which a function is generated: for more it takes too long."""

Quick = Callable[[tuple[Any, ...]], Any]


def never(_: tuple[Any, ...]) -> Any:
    """Leave every call to the replay."""
    return MISSED


def quick(replay: Any) -> Quick:
    """Return the replay as a function of positional arguments, which returns `MISSED` where it cannot be sure."""
    plan, guards = replay.plan, replay.guards
    together = getattr(plan.calls[0], "__self__", None) if len(plan.calls) == 1 else None
    if not HAS_COMPILER or not isinstance(together, Together):
        return never
    if replay.opening is None or replay.written or replay.pullback is not None or replay.entry or not guards.is_simple:
        return never
    if len(replay.grads) > MANY or not all(hasattr(effect, "goes_on") for effect in together.asked):
        return never
    from chainrule.kernels.native.entry import entry

    buffers = [buffer for _, buffer in replay.input_buffers]
    moves = moves_of(replay, together)
    if any(places is not None for places in moves):
        outputs = [(source, places) for (source, *_), places in zip(replay.sources, moves[len(buffers) :], strict=True)]
        given = [source for source, places in outputs if places is not None]
        places = [*moves[: len(buffers)], *(found for _, found in outputs if found is not None)]
        enter = entry(together.list, [*buffers, *given], places)
        if enter is not None and holds(enter, replay, moves):
            return _Text(replay, together, enter, moves).function()
    enter = entry(together.list, buffers)
    return never if enter is None else _Text(replay, together, enter, ()).function()


class _Text:
    """The function's source, and what its names mean."""

    def __init__(self, replay: Any, together: Together, enter: Any, moves: Sequence[Any]) -> None:
        self.replay, self.together = replay, together
        self._moved = [places is not None for places in moves[len(replay.input_buffers) :]]
        """Which outputs are written where they are given."""
        self._is_moved = any(places is not None for places in moves)
        self.space: dict[str, Any] = {
            **{"MISSED": MISSED, "Tensor": Tensor, "EAGER": EAGER, "latest": latest.get},
            **{"changes": changes, "tick": tick, "enter": enter, "guards": replay.guards, "watch": replay.guards.watch},
            **{
                "failed": self._failed,
                "copyto": np.copyto,
                "joined": replay.joined,
                "empty": np.empty,
                "array": np.array,
            },
            "one_pool": replay.plan.one_pool,
            **{"fill": replay.fill, "fits": replay.fits, "drawn": replay.drawn, "settle": replay.settle},
        }
        self._leaves = "args" if replay.is_flat else "leaves"
        self._opened = f"({''.join(f'{place}, ' for place in replay.opening.leaves)})"
        self._draws = replay.capture.draws.exist
        places = [k for k, _ in replay.input_buffers]
        are_all = len(places) == len(replay.opening.leaves)
        self._arrays = self._leaves if are_all else f"({''.join(f'{self._leaves}[{k}], ' for k in places)})"
        drawings = together.drawings
        self._lock: str | None = None
        """The lock of the one generator that is drawn from, looked up at each call; None where there are several."""
        if drawings and len({id(drawing.current()) for drawing in drawings}) == 1:
            self._lock = f"{self.named('drawing', drawings[0])}.lock"

    def named(self, prefix: str, x: Any) -> str:
        """Return a name for an object."""
        name = f"{prefix}{len(self.space)}"
        self.space[name] = x
        return name

    def function(self) -> Quick:
        lines = [
            "try:",
            f"    if not ({' and '.join(self._conditions())}):",
            "        return MISSED",
            "except (AttributeError, IndexError, KeyError, TypeError, ValueError):",
            "    return MISSED",
            *self._made(),
            *self._call(),
            "if bad != -1:",
            "    return MISSED" if self._is_moved else "    return failed(bad, args)",
            *(["drawn.clear()"] if self._draws else []),
            *(["settle()"] if self.replay.settle is not None else []),
            *self._marks(),
            *(f"copyto({self.named('to', a)}, {self.named('at', b)})" for a, b in self.replay.copied),
            *(self._left(*one) for one in self.replay.grads),
            f"return {self._result()}",
        ]
        made: Quick = made_of(lines, self.space, "args")
        return made

    def _call(self) -> list[str]:
        """Return the lines that run the list, with the locks of the generators that it draws from."""
        held = ["one_pool()"] if self.replay.plan.is_large else []
        if self.together.drawings:
            held.append(f"{self.named('locked', self.together.locked)}()" if self._lock is None else self._lock)
        new = "".join(f"new{k}, " for k, moved in enumerate(self._moved) if moved)
        run = f"bad = enter(({'*' + self._arrays}, {new}))" if new else f"bad = enter({self._arrays})"
        return [f"with {', '.join(held)}:", f"    {run}"] if held else [run]

    def _made(self) -> list[str]:
        """Return the lines that make the arrays of results that are written where they belong."""
        lines = []
        for k, ((source, *_), moved) in enumerate(zip(self.replay.sources, self._moved, strict=False)):
            if moved:
                shape, dtype = self.named("shape", source.shape), self.named("dtype", source.dtype)
                lines.append(f"new{k} = empty({shape}, {dtype})")
        return lines

    def _left(self, leaf: Any, grad: Any, array: Any) -> str:
        """Return the line that lets a leaf have its gradient, as `Replay` does."""
        left = name = self.named("grad", grad)
        if grad is not None:
            place = self.named("at", array)
            left = f"{name} if {name}._value is {place} else Tensor({place}, EAGER, None)"
        return f"{self.named('leaf', leaf)}.grad = {left}"

    def _conditions(self) -> list[str]:
        """Return the conditions on which everything is as at the last replay, besides the arguments."""
        mode = "" if self.replay.without_grad else "not "
        parts = [f"{mode}latest().level > {EAGER.level}", "guards.seen == changes.replaced", "watch.is_as_it_was()"]
        parts += [f"{self.named('check', check)}()" for check in self.replay.guards.capture.checks]
        parts += [f"{self.named('same', effect.goes_on)}()" for effect in self.together.asked]
        if self._lock is not None:
            names = [self.named("drawing", drawing) for drawing in self.together.drawings]
            parts += [f"{name}.bits is {names[0]}.bits" for name in names[1:]]
        if self._arrays != "args":
            parts += self.replay.opening.conditions
        if not self.replay.is_flat:
            parts.append(f"(leaves := {self._opened}) is not None")
        parts += self.replay.same(self.space, self._leaves)
        if self._draws:  # what is drawn must not be drawn for another plan
            parts.append("fits(args)")
        return [*parts, f"fill({self._leaves})"] if self.replay.capture.numbers.are_used else parts

    def _marks(self) -> list[str]:
        """Return the lines that note that effects have changed parameters, all at one time."""
        targets = ["changes.last"]
        for effect in self.together.asked:
            for times, place, leaves in effect.marks():
                targets.append(f"{self.named('times', times)}[{self.named('place', place)}]")
                targets += [f"{self.named('leaf', leaf)}.changed" for leaf in leaves]
        return [f"{' = '.join(targets)} = tick()"] if len(targets) > 1 else []

    def _result(self) -> str:
        if self.replay.one:
            return self._given(0)
        return f"joined([{', '.join(map(self._given, range(len(self.replay.sources))))}])"

    def _given(self, k: int) -> str:
        """Return the expression for an output, as `Replay` gives it."""
        source, copies, wraps = self.replay.sources[k]
        if not copies:
            return self.named("source", source)
        is_there = k < len(self._moved) and self._moved[k]
        if is_there:
            copied = f"new{k}"
        elif isinstance(source, Tensor):
            copied = f"array({self.named('source', source)}._value, order='K')"
        else:
            copied = f"{self.named('copy', np.asarray(source).copy)}('K')"
        return f"Tensor({copied}, EAGER, None)" if wraps else copied

    def _failed(self, bad: int, args: tuple[Any, ...]) -> Any:
        if bad < 0:
            return MISSED
        return self.replay.finished(args, None, lambda: self.together.failed(bad))
