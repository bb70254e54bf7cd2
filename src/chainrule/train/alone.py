"""The interface through which `fit` talks to cooperating processes, implemented for a single one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from .batches import Batch, batches
from .callbacks import Run
from .evaluation import Score, measure
from .interrupt import WholeSteps

T = TypeVar("T")


class Part(NamedTuple):
    """One process's share of a step.

    The step's gradient is Σ factor · gradient / Σ samples over the processes, and its loss Σ loss / Σ loss_samples; an
    empty sum divides by 1, as for a loss that is a sum.
    """

    factor: float
    samples: float
    loss: float
    loss_samples: float


class Alone:
    """A single training process. `chainrule.distributed.DataParallel` is the counterpart for several."""

    rank = 0
    size = 1
    _interrupts = WholeSteps()

    @property
    def leads(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    @property
    def cores(self) -> int | None:
        """How many of its machine's cores this process should use; None for all."""
        return None

    @contextmanager
    def training(self, run: Run, interrupts: WholeSteps) -> Iterator[None]:  # noqa: ARG002
        """Train inside the block; on entry all processes are synchronised."""
        self._interrupts = interrupts
        yield

    def shares(self, source: Any) -> Iterator[Batch]:
        """Yield this process's share of each batch of an epoch."""
        return batches(source, "fit")

    def exchanged(self, given: Sequence[Any]) -> list[Any]:
        """Give each process a value, and return the one from each."""
        return list(given)

    def before_step(self) -> None:
        """Called before each step, after its batches have been fetched."""

    def average(self, parameters: Sequence[tuple[str, Any]], part: Part) -> float:  # noqa: ARG002
        """Average every parameter's gradient over the processes; return the mean loss."""
        return part.loss

    def safe_point(self) -> None:
        """Let a Ctrl-C take effect after a step."""
        self._interrupts.safe_point()

    def after_epoch(self) -> None:
        """Let a Ctrl-C take effect after an epoch, and agree on whether this was the last one."""
        self._interrupts.safe_point()

    def means(self, score: Score) -> dict[str, float]:
        """Return the means of a score over all processes."""
        return score.means()

    def evaluate(self, model: Any, loss: Any, data: Any) -> dict[str, Any]:
        """Measure a model on data; return `loss` and, with classes, `accuracy`."""
        return measure(model, loss, data)

    def agreed(self, value: T) -> T:
        """Return the first process's value."""
        return value
