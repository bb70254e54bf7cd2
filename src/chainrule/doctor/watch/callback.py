"""Callbacks for `fit` that monitor gradients during training: for early warnings, and for a history of their flow."""

import math
import warnings

from chainrule.doctor.consult import doctor
from chainrule.doctor.diagnosis import Diagnosis
from chainrule.doctor.examine.case import Batch, Case, collected, untouched
from chainrule.doctor.examine.exam import Exam, examine
from chainrule.doctor.examine.findings import LONG
from chainrule.doctor.examine.measure import named_use
from chainrule.present.page import fragment, paragraphs
from chainrule.present.table import table
from chainrule.train.callbacks import Callback, Run


class GradientWarning(UserWarning):
    """Something is wrong with a network in training; the message gives the evidence."""


class Beside(Callback):
    """The base of callbacks that pass batches through a copy of the model, without affecting the training.

    The first batches of the loader are set aside at the start, and the loader is restored to its position; a loader
    that can be read only once raises ValueError. `seen` counts the steps, including those of an earlier run recorded
    in `history` if the loader has a length.
    """

    def __init__(self) -> None:
        self.seen = 0
        self._began = 0
        self._batches: list[Batch] = []

    def on_train_start(self, run: Run) -> None:
        """Restart the count, and set the first batches aside."""
        steps = len(run.loader) if hasattr(run.loader, "__len__") else 0
        self.seen = self._began = len(run.history) * steps
        with untouched(run.model, 0, run.loader) as engine:  # `iter` alone may draw a loader's order
            if iter(run.loader) is run.loader:
                raise ValueError(
                    f"{type(self).__name__}: the loader can be read only once; pass fit a list of batches or a "
                    f"DataLoader"
                )
            self._batches = collected(run.loader, engine.plain)

    def on_batch_end(self, run: Run) -> None:
        """Count the steps so far."""
        self.seen = self._began + run.step

    def on_epoch_end(self, run: Run) -> None:
        """Count the steps so far."""
        self.seen = self._began + run.step

    def examined(self, run: Run, batches: int) -> Exam:
        """Pass some of the batches through a copy of the model in its current state."""
        with untouched(run.model, 0) as engine:
            return examine(Case(engine.unwrapped(run.model), run.loss, self._batches), self._batches[:batches])


def is_measured(step: int, every: int) -> bool:
    """Whether a step is the first or a multiple of `every`."""
    return step == 1 or step % every == 0


def next_measured(step: int, every: int) -> int:
    """Return the first step behind the given one that is measured.

    >>> [next_measured(step, 4) for step in (0, 1, 3, 4)]
    [1, 4, 4, 8]
    """
    return 1 if step == 0 else (step // every + 1) * every


def _steps_left(run: Run) -> float:
    """Return how many steps a run still has, or infinity where its loader has no length."""
    return run.epochs * len(run.loader) - run.step if hasattr(run.loader, "__len__") else math.inf


class GradientWatch(Beside):
    """Runs the doctor after `after` steps, and warns once, with the evidence, if something is wrong with the network.

    No remedies are tried, only a copy is trained, and your training is not affected. `diagnosis` holds the result.
    Whether a loss stays at chance takes hundreds of steps to say: it is left out where the training has fewer to go.
    `steps` is how long the copy is trained, `thresholds` are those of `doctor`. With `warn=False` the diagnosis is
    stored without a warning.

    With `every`, the norm of ∂L/∂z in each layer is measured on the first batch, after the first step and then every
    `every` steps: `history` has (step, loss, norms), `names` the layers, for a report or `to_tensorboard`. Each
    measurement costs about two steps.

    >>> import numpy as np
    >>> import chainrule as cr
    >>> from chainrule import nn, optim, train
    >>> layers = [layer for _ in range(12) for layer in (nn.Linear(8, 8, init="xavier"), nn.Sigmoid())]
    >>> model = nn.Sequential(*layers, nn.Linear(8, 2))
    >>> x = np.random.default_rng(0).normal(size=(64, 8))
    >>> watch = GradientWatch(after=2, every=2)
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     _ = train.fit(
    ...         model,
    ...         nn.CrossEntropyLoss(),
    ...         optim.SGD(model.parameters(), lr=0.1),
    ...         [(x, (x[:, 0] > 0).astype(int))] * 4,
    ...         epochs=1,
    ...         callbacks=[watch],
    ...     )
    >>> watch.diagnosis.verdicts[0].code, [str(w.message)[:25] for w in caught]
    ('vanishing', ['vanishing in 0: ‖∂L/∂z‖ i'])
    >>> [step for step, _, _ in watch.history], watch.names[:2], len(watch.names)
    ([1, 2, 4], ('0', '2'), 13)
    """

    def __init__(
        self,
        after: int = 10,
        steps: int = 20,
        thresholds: dict[str, float] | None = None,
        every: int | None = None,
        warn: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("after", after), ("every", every)):
            if value is not None and value < 1:
                raise ValueError(f"GradientWatch: {name}: expected at least 1 step, got {value}")
        self.after, self.steps, self.thresholds, self.every, self.warn = after, steps, thresholds, every, warn
        self.diagnosis: Diagnosis | None = None
        self.asked = 0
        """The step after which the doctor was run; 0 if it was not."""
        self._rows: list[tuple[int, float, dict[str, float]]] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The layers, from the first to the last."""
        return tuple(dict.fromkeys(name for _, _, norms in self._rows for name in norms))

    @property
    def history(self) -> tuple[tuple[int, float, tuple[float, ...]], ...]:
        """The norms of ∂L/∂z, as (step, loss, norm of each layer); nan if a layer had none."""
        return tuple(
            (step, loss, tuple(norms.get(n, math.nan) for n in self.names)) for step, loss, norms in self._rows
        )

    def verdicts(self, lang: str = "en") -> tuple[tuple[str, str, str], ...]:
        """Return the verdicts as (verdict and layer, evidence, limit and source); none before the doctor has run.

        A healthy network has no limit.
        """
        found = self.diagnosis.verdicts if self.diagnosis is not None else ()
        return tuple((v.titled(lang), v.text(lang), v.limit(lang)) for v in found)

    @property
    def ok(self) -> bool:
        """Whether the doctor found nothing, or has not run."""
        return self.diagnosis is None or self.diagnosis.ok

    def __repr__(self) -> str:
        said = "not asked yet" if self.diagnosis is None else ", ".join(self.diagnosis.codes)
        return f"<GradientWatch: {said}; {len(self._rows)} looks>"

    def _repr_html_(self) -> str:
        said = paragraphs(repr(self).strip("<>"), *(f"{what}: {evidence}" for what, evidence, _ in self.verdicts()))
        rows = ((step, f"{loss:.4g}", *(f"{n:.2g}" for n in norms)) for step, loss, norms in self.history)
        return fragment("en", said, table(("step", "loss", *self.names), rows, "gradients") if self._rows else None)

    def on_train_start(self, run: Run) -> None:
        """Reset everything."""
        super().on_train_start(run)
        self.diagnosis, self.asked, self._rows = None, 0, []

    def next_step(self, run: Run) -> int | None:
        """Return the step after which to measure or to run the doctor next."""
        due = [] if self.every is None else [next_measured(run.step, self.every)]
        due += [self.after] if run.step < self.after else []
        return min(due, default=None)

    def on_batch_end(self, run: Run) -> None:
        """Measure the flow when it is due; run the doctor once."""
        super().on_batch_end(run)
        if self.every is not None and is_measured(run.step, self.every):
            exam = self.examined(run, 1)
            if exam.error is None:
                named = {named_use(row.name, row.use): row.gradient for row in exam.flow}
                self._rows.append((self.seen, exam.loss, named))
        if run.step == self.after:
            self._ask(run)

    def _ask(self, run: Run) -> None:
        given, limits = [(*x, y) for x, y in self._batches], dict(self.thresholds or {})
        if _steps_left(run) < LONG:  # the copy would be trained longer than the network itself
            limits.setdefault("chance", math.inf)
        self.diagnosis = doctor(run.model, run.loss, given, run.optimizer, False, self.steps, thresholds=limits)
        self.asked = self.seen
        worst = self.diagnosis.verdicts[0]
        if self.warn and worst.code != "healthy":
            where = f" in {worst.layer}" if worst.layer else ""
            warnings.warn(f"{worst.code}{where}: {worst.evidence}", GradientWarning, stacklevel=4)
