"""One person's walk: where the two passes are, what was changed and trained, and the way back."""

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .naming import entry_name
from .run import Box, Run
from .scene import Block, Scene, blocks_of, stage
from .subject import Slot, Subject
from .training import OPTIMIZERS, Moment, Rule, moment_of, rule_of, stepped

MOST_STEPS = 2000
"""The most moments of a training that are kept."""
MOST_UNDONE = 200


@dataclass(frozen=True)
class Change:
    """What an edit did to the loss, next to what the derivative predicted: dL/dw · dw."""

    name: str
    before: float
    after: float
    predicted: float | None


@dataclass(frozen=True)
class _Kept:
    """What `undo` restores."""

    moments: tuple[Moment, ...]
    index: int
    rule: Rule
    change: Change | None


class Session:
    """The state of one walk. `act` changes it; everything else only reads it.

    `position` counts the steps of the two passes that have been made: first those of the forward pass, then those of
    the backward pass. `moments` are the steps of the training, and `index` the one that is looked at.
    """

    def __init__(self, subject: Subject, optimizer: Any = None) -> None:
        self.subject = subject
        self.rule = rule_of(optimizer)
        self.first_rule = self.rule
        self.run = Run(subject, {})
        self.blocks: tuple[Block, ...] = blocks_of(self.run)
        self.opened: frozenset[str] = frozenset()
        self.scene: Scene = stage(self.run, self.blocks, self.opened)
        self.moments: tuple[Moment, ...] = (moment_of(self.run),)
        self.index = 0
        self.position = 0
        self.chosen = ""
        self.predicting = False
        self.asked: Box | None = None
        self.change: Change | None = None
        self.is_loss_known = False
        self.version = self.drawn = 1
        self.stopping = threading.Event()
        self._undo: list[_Kept] = []

    # Reading

    @property
    def forward_steps(self) -> int:
        """The number of steps of the forward pass."""
        return len(self.run.forward_order)

    @property
    def backward_steps(self) -> int:
        """The number of steps of the backward pass."""
        return len(self.run.backward_order)

    @property
    def steps(self) -> int:
        """The number of steps of both passes."""
        return self.forward_steps + self.backward_steps

    @property
    def can_undo(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._undo)

    @property
    def shows_loss(self) -> bool:
        """Whether the loss has been computed, and nobody is asked to predict it."""
        if self.asked is not None and self.asked is self.run.boxes[-1] and self.position <= self.forward_steps:
            return False
        return self.is_loss_known or self.position >= self.forward_steps

    def state_of(self, box: Box) -> str:
        """Return how far a box is: `waiting`, `forward` or `backward`."""
        if box.backward and self.position >= self.forward_steps + box.backward:
            return "backward"
        return "forward" if self.position >= box.forward else "waiting"

    def shows(self, box: Box) -> str:
        """Return how far a box is shown: one step less while its result is to be predicted."""
        state = self.state_of(box)
        if box is self.asked and state != "waiting":
            return "waiting" if state == "forward" else "forward"
        return state

    def box(self, name: str) -> Box:
        """Return the box of a name; ValueError, which names some, if there is none."""
        if name not in self.run.by_name:
            some = ", ".join(list(self.run.by_name)[:12])
            raise ValueError(f"node: expected the name of a box, such as {some}; got {name!r}")
        return self.run.by_name[name]

    # The two passes

    def seek(self, position: int) -> None:
        """Go to a position in the two passes; a number out of range is the nearest end."""
        self.position = min(max(position, 0), self.steps)
        self.asked = None

    def forward(self) -> None:
        """Make one step of the forward pass; nothing happens if it is over."""
        if self.position < self.forward_steps:
            self.seek(self.position + 1)
            self._follow(self.run.boxes[self.run.forward_order[self.position - 1]])

    def backward(self) -> None:
        """Make one step of the backward pass; what is left of the forward pass is done first."""
        if self.position < self.steps:
            self.seek(max(self.position, self.forward_steps) + 1)
            self._follow(self.reached_by(self.position - self.forward_steps))

    def reached_by(self, step: int) -> Box:
        """Return the box that a step of the backward pass brings the gradient to: rather an operation than a leaf."""
        sender = self.run.boxes[self.run.backward_order[step - 1]]
        reached = [self.run.boxes[s] for s in sender.sources if self.run.boxes[s].backward == step]
        return max(reached, key=lambda box: box.op is not None, default=sender)

    def _follow(self, box: Box) -> None:
        self.chosen = box.name
        self.asked = box if self.predicting and np.size(box.value) and not isinstance(box.value, tuple) else None

    def rewind(self) -> None:
        """Go back to before the first step."""
        self.seek(0)
        self.is_loss_known = False

    def truth(self) -> tuple[str, float]:
        """Return the name and the value of the number that is to be predicted."""
        if self.asked is None:
            raise ValueError("guess: nothing is to be predicted; turn 'Predict first' on and make a step")
        box = self.asked
        of_gradient = self.state_of(box) == "backward"
        value = np.asarray(box.gradient if of_gradient else box.value)
        name = entry_name(box.name, (0,) * value.ndim)
        return (f"∂L/∂{name}" if of_gradient else name), float(value.ravel()[0])

    def guess(self, value: float) -> tuple[bool, float]:
        """Return whether a prediction is right, within 1 % or 0.005, and the number; then it is shown."""
        _, truth = self.truth()
        self.asked = None
        return is_right(value, truth), truth

    def show(self) -> None:
        """Show what was to be predicted."""
        self.asked = None

    # Changes

    def edit(self, name: str, index: Sequence[int], value: float) -> None:
        """Set one number of an input, a parameter or the target, and compute everything anew.

        Later moments of the training no longer follow from this one and are dropped. Raises ValueError for a box that
        cannot be changed, an index out of range, and a value that does not fit.
        """
        box = self.box(name)
        if box.slot is None:
            raise ValueError(f"edit: {name} is computed; expected an input, a parameter or the target")
        index = tuple(index)
        array = np.asarray(box.value)
        if len(index) != array.ndim or not all(0 <= i < n for i, n in zip(index, array.shape, strict=True)):
            raise ValueError(f"edit: {name}: expected an index within the shape {list(array.shape)}, got {list(index)}")
        if not math.isfinite(value) or (array.dtype.kind in "iu" and value != int(value)):
            kind = "a whole number" if array.dtype.kind in "iu" else "a finite number"
            raise ValueError(f"edit: {entry_name(name, index)}: expected {kind}, got {value!r}")
        changed = array.copy()
        changed[index] = value
        new = changed if isinstance(box.value, np.ndarray) else changed[()]
        before, predicted = self.run, self._predicted(box, index, float(changed[index]) - float(array[index]))
        run = self._computed({**self.moments[self.index].values, box.slot: new})
        moment = moment_of(run, self.moments[self.index].optimizer)
        change = Change(entry_name(name, index), before.loss, run.loss, predicted)
        self._remember()
        self._take(run, (*self.moments[: self.index], moment), self.index, change)

    def _predicted(self, box: Box, index: tuple[int, ...], step: float) -> float | None:
        """Return dL/dw · dw; None for whole numbers, which have no derivative."""
        if np.asarray(box.value).dtype.kind in "iu" or box.slot is None:
            return None
        gradient = box.gradient
        if gradient is None:
            recording, slots = self.subject.record(self.run.values, all_tracked=True)
            gradient = next((e.gradient for e in recording.entries if slots.get(e) == box.slot), None)
        return 0.0 if gradient is None else float(np.asarray(gradient)[index]) * step

    def train(self, count: int = 1, tell: Callable[[int], None] = lambda _: None) -> None:
        """Make some training steps from the moment that is looked at; `tell` hears how many are done.

        It ends early, keeping what was done, if `stopping` is set or the loss is no longer finite.
        """
        if not 1 <= count <= 1000:
            raise ValueError(f"train: expected 1 to 1000 steps, got {count}")
        room = MOST_STEPS - self.index
        if room <= 0:
            raise ValueError(f"train: {MOST_STEPS} steps are kept at most; go back in time, or reset")
        self.stopping.clear()
        run, moments = self.run, list(self.moments[: self.index + 1])
        for done in range(1, min(count, room) + 1):
            values, state = stepped(run, moments[-1], self.rule)
            run = self._computed(values, run)
            moments.append(moment_of(run, state))
            tell(done)
            if self.stopping.is_set() or not math.isfinite(run.loss):
                break
        self._remember()
        self._take(run, tuple(moments), len(moments) - 1, None)

    def time(self, index: int) -> None:
        """Look at another moment of the training."""
        index = min(max(index, 0), len(self.moments) - 1)
        if index != self.index:
            self._take(self._computed(self.moments[index].values), self.moments, index, None)

    def set_rule(self, name: str | None = None, lr: float | None = None) -> None:
        """Choose the optimiser and the learning rate of the next training steps."""
        if lr is not None and not (math.isfinite(lr) and 0 <= lr <= 1e6):
            raise ValueError(f"lr: expected a number from 0 to 1e6, got {lr!r}")
        if name is not None and name != self.rule.name:
            if name != self.first_rule.name and name not in OPTIMIZERS:
                raise ValueError(f"optimizer: expected one of {', '.join(OPTIMIZERS)}, got {name!r}")
            self.rule = self.first_rule if name == self.first_rule.name else rule_of(name)
            self.moments = tuple(replace(moment, optimizer=None) for moment in self.moments)
        if lr is not None:
            self.rule = replace(self.rule, lr=lr)

    def undo(self) -> None:
        """Take the last change back: an edit, training steps, or a reset."""
        if self._undo:
            kept = self._undo.pop()
            self.rule = kept.rule
            self._take(self._computed(kept.moments[kept.index].values), kept.moments, kept.index, kept.change)

    def reset(self) -> None:
        """Return to the numbers of the beginning."""
        run = self._computed({})
        self._remember()
        self.rule = self.first_rule
        self._take(run, (moment_of(run),), 0, None)

    def _remember(self) -> None:
        self._undo.append(_Kept(self.moments, self.index, self.rule, self.change))
        del self._undo[:-MOST_UNDONE]

    def _computed(self, values: Mapping[Slot, Any], before: Run | None = None) -> Run:
        return Run(self.subject, dict(values), before or self.run)

    def _take(self, run: Run, moments: tuple[Moment, ...], index: int, change: Change | None) -> None:
        is_new = run.signature() != self.run.signature()
        at_end = self.position == self.steps
        self.run, self.moments, self.index, self.change = run, moments, index, change
        self.is_loss_known, self.asked = True, None
        self.version += 1
        if is_new:
            self.blocks = blocks_of(run)
            self.chosen = self.chosen if self.chosen in run.by_name else ""
            self.redraw()
        self.position = self.steps if at_end else min(self.position, self.steps)

    # The drawing

    def open(self, name: str, is_open: bool) -> None:
        """Open or close a block that repeats; the name `*` stands for all of them."""
        names = {block.name for block in self.blocks}
        if name != "*" and name not in names:
            raise ValueError(f"open: expected one of the blocks {', '.join(sorted(names)) or '(none)'}, got {name!r}")
        chosen = names if name == "*" else {name}
        self.opened = self.opened | chosen if is_open else self.opened - chosen
        self.redraw()

    def redraw(self) -> None:
        """Draw anew what is open and closed now."""
        self.scene = stage(self.run, self.blocks, self.opened)
        self.drawn += 1


def is_right(value: float, truth: float) -> bool:
    """Return whether a prediction is right: within 1 % of the number, or 0.005.

    >>> is_right(0.25, 0.2497), is_right(0.3, 0.25)
    (True, False)
    """
    return abs(value - truth) <= max(0.01 * abs(truth), 0.005) or value == truth
