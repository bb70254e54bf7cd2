"""One step of training: batches in, the model changed; as it is written, or as a compiled program."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from chainrule.compile.compiled import Compiled
from chainrule.core.errors import CaptureError, GradientError, Portable
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import effect
from chainrule.data.checks import check_finite
from chainrule.data.loader import Rows
from chainrule.kernels.suitable import numba_is_off
from chainrule.optim import clip_grad_norm_, scale_grads_

from .alone import Alone, Part
from .batches import Batch, cast, length, model_dtype, setting
from .callbacks import Run
from .evaluation import Norms, Score, forward
from .whole import Slices
from .worth import pays, samples, size

UNBOUNDED = float(np.finfo(np.float64).max)
"""As a bound on the gradient's norm: none."""

AS_WRITTEN = "as written"


class NonFiniteError(Portable, FloatingPointError):
    """A loss or a gradient is NaN or infinite; the parameters are those of the last good step.

    `epoch` and `batch` count from 1.
    """

    def __init__(self, epoch: int, batch: int, what: str) -> None:
        super().__init__(
            f"fit: epoch {epoch}, batch {batch}: {what}. The parameters are those of the step before; lower the "
            f"learning rate, clip the gradient (clip_norm=1.0), or look at the input's scale"
        )
        self.epoch = epoch
        self.batch = batch


class _LossNotFinite(Exception):
    """The loss of a compiled step is not finite; nothing has been changed yet."""


class TrainingStep:
    """Takes the steps of a run.

    `mode` says whether a step is one compiled program: True, False, or "auto", which does as the run's history says it
    was decided, and else compiles where the run is long enough to be worth it, and decides so for those who go on.
    `says` tells which it is, and why.
    """

    def __init__(
        self, run: Run, clip_norm: float | None, checked: bool, mode: bool | Literal["auto"], parallel: Alone
    ) -> None:
        self.run = run
        self.parallel = parallel
        self.max_norm = UNBOUNDED if clip_norm is None else clip_norm
        self.is_sum = setting(run.loss, "reduction") == "sum"
        self.checked = checked
        """Whether all data have been looked at before the first step."""
        self.dtype = model_dtype(run.model)
        self.parameters = list(run.model.named_parameters())
        self.mode = mode
        self.kept = run.history.decided if mode == "auto" else None
        """How the steps of this run were taken before it was stopped."""
        self.epochs = run.epochs + (run.history.last["epoch"] if len(run.history) else 0)
        """Those of the whole run, wherever it was stopped."""
        self.says = "not compiled: steps of several batches are not"
        self._compiled: Compiled | None = None
        self._slices: Slices | None = None
        self._is_decided = False
        if mode is False or self.kept == AS_WRITTEN:
            before = run.history.compiled if self.kept else None
            self._as_written(before or ("not compiled: compile=False" if mode is False else "not compiled, as before"))

    def take(self, group: Sequence[Batch], score: Score) -> None:
        """Take one step that learns from all batches of a group, and count them in the score."""
        self.parallel.before_step()
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            if len(group) == 1 and not self._is_elsewhere(group[0]):
                if not self._is_decided:
                    self._decide(*group[0])
                if self._compiled is not None and not self.has_failed and self._take_compiled(group[0], score):
                    self.run.step += 1
                    return
            self._take_as_written(group, score)
        self.run.step += 1

    @property
    def has_failed(self) -> bool:
        """Whether the compiled step behind those that were taken together has failed, and is to be taken as written."""
        return self._slices is not None and self._slices.has_failed

    def take_several(self, rows: Rows, score: Score, norms: Norms, most: int | None) -> int:
        """Take steps on batches that lie in memory as one call; return how many, none where each is by itself.

        With `most`, no more than so many are taken.
        """
        if self._compiled is None or not self.checked:
            return 0
        if self._slices is None:
            self._slices = Slices(self.run, self._compiled)
        return self._slices.take(rows, score, norms, most)

    # As it is written

    def _take_as_written(self, group: Sequence[Batch], score: Score) -> None:
        run, samples = self.run, sum(len(y) for _, y in group)
        run.optimizer.zero_grad()
        for batch in group:
            run.batch += 1
            if self._is_elsewhere(batch):
                run.batch_loss = 0.0
                continue
            # A mean over the batch is weighed by its samples, so that the sum is the mean over the group.
            weight = None if self.is_sum or len(group) == 1 else len(batch[1])
            self._learn(batch, weight, score)
        if self.parallel.size > 1:
            part = self._part(run.batch_loss, samples, len(group[-1][1]), len(group) > 1)
            run.batch_loss = self.parallel.average(self.parameters, part)
        elif not self.is_sum and len(group) > 1:
            scale_grads_(self.parameters, 1 / samples)
        self._update()

    def _update(self) -> None:
        self.run.grad_norm = self._clipped(self.run.batch_loss)
        self.run.optimizer.step()

    def _is_elsewhere(self, batch: Batch) -> bool:
        """Whether all samples of a batch are those of other processes."""
        return self.parallel.size > 1 and not len(batch[1])

    def _part(self, loss: float, samples: int, last: int, are_summed: bool) -> Part:
        """Return what this process has of a step: of its gradients' mean, and of the mean loss of the last batch."""
        if self.is_sum:
            return Part(1.0, 0, loss, 0)
        return Part(1.0 if are_summed else float(samples), samples, loss * last, last)

    def _learn(self, batch: Batch, weight: int | None, score: Score) -> None:
        """Add the gradient of a batch's loss to the parameters' gradients."""
        run = self.run
        self._check(batch)
        value, output, y = forward(run.model, run.loss, batch, self.dtype, "fit", checked=self.checked)
        run.batch_loss = float(value_of(value))
        value.backward(None if weight is None else np.asarray(weight, value.dtype))
        score.add(run.batch_loss, output, y)

    def _check(self, batch: Batch) -> None:
        if not self.checked:
            for name, part in zip("xy", batch, strict=True):
                check_finite(part, f"{name} of epoch {self.run.epoch}, batch {self.run.batch}")

    def _clipped(self, loss: float) -> float:
        """Clip the gradients and return their norm before; raise where the loss or one of them is not finite."""
        problem = "" if math.isfinite(loss) else f"the loss is {loss}; "
        try:
            norm = clip_grad_norm_(self.parameters, self.max_norm)
        except GradientError as error:
            raise NonFiniteError(self.run.epoch, self.run.batch, f"{problem}{error}") from None
        if problem:
            raise NonFiniteError(self.run.epoch, self.run.batch, f"{problem}all gradients are finite")
        return norm

    # Compiled

    def _as_written(self, says: str) -> None:
        self._is_decided, self._compiled, self.says = True, None, says
        self.run.history.decided = AS_WRITTEN

    def _decide(self, x: Any, y: Any) -> None:
        self._is_decided = True
        run = self.run
        steps = self.epochs * length(run.loader, 1000)
        if self.mode == "auto" and self.kept is None and not pays(steps, *size(run.model), samples(x, y)):
            self._as_written(f"not compiled: {steps} such steps would save less time than compiling takes")
            return
        way = "compiled without Numba" if numba_is_off() else "compiled"
        if self.kept is not None and self.kept != way:
            raise CaptureError(
                f"fit: the steps of this run were {self.kept}, and here they would be {way}, with other roundings; set "
                f"NUMBA_DISABLE_JIT as it was, or say compile=True or False to go on with other numbers"
            )
        self._compiled = Compiled(self._whole)
        self.says = run.history.decided = way

    def _whole(self, x: Any, y: Any) -> tuple[Any, Any, Any]:
        """Take the whole step; this is what is compiled."""
        run = self.run
        run.optimizer.zero_grad()
        output = run.model(x)
        value = run.loss(output, y)
        if np.shape(value) != ():
            raise ValueError(f"fit: the loss must be one number, got shape {list(np.shape(value))}; use its mean")
        value.backward()
        if self.parallel.size > 1:
            # The rest depends on all processes, and has to be the same to the bit in those without a sample, too.
            return value, output, value
        effect(RefuseNotFinite(), value, writes=())
        norm = clip_grad_norm_(self.parameters, self.max_norm)
        run.optimizer.step()
        return value, output, norm

    def _take_compiled(self, batch: Batch, score: Score) -> bool:
        """Take a step by the compiled program; return whether it was taken."""
        assert self._compiled is not None
        run = self.run
        x, y = (cast(part, self.dtype) for part in batch)
        self._check((x, y))
        try:
            value, output, norm = self._compiled(x, y)
        except CaptureError as error:
            if self.mode is True:
                raise
            if self.kept is not None:
                raise CaptureError(
                    f"fit: the steps of this run were compiled, and here they cannot be: {error} To go on with other "
                    f"roundings, say compile=False"
                ) from error
            self._as_written(f"not compiled: {error}")
            return False
        except (_LossNotFinite, GradientError, IndexError):
            return False  # as it is written, the step says what is wrong; nothing has been changed
        run.batch += 1
        run.batch_loss, run.grad_norm = float(value_of(value)), float(norm)
        score.add(run.batch_loss, value_of(output), y)
        if self.parallel.size > 1:
            run.batch_loss = self.parallel.average(self.parameters, self._part(run.batch_loss, len(y), len(y), False))
            self._update()
        return True


class RefuseNotFinite:
    """The effect that stops a step whose loss is not finite, before it changes anything."""

    name = "refuse a loss that is not finite"

    def __call__(self, value: Any) -> None:
        """Raise an error if the loss is not finite."""
        if not math.isfinite(value):
            raise _LossNotFinite

    def tasks(self, arrays: Sequence[Any]) -> list[Any] | None:
        """Return the same in machine code."""
        from chainrule.kernels import clipping

        if not clipping.fits(arrays):
            return None
        made = clipping.finite(arrays[0])
        made.rescue = lambda: self(arrays[0])
        return [made]
