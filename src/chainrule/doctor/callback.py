"""A callback for `fit` that warns once, early, when gradients do not flow."""

import warnings
from typing import Any

from chainrule.train.callbacks import Callback, Run

from .case import collected
from .consult import doctor
from .diagnosis import Diagnosis


class GradientWarning(UserWarning):
    """A network that is being trained is sick; the message says how that shows."""


class GradientWatch(Callback):
    """Asks the doctor after `after` steps, and warns once, with the evidence, where the network is sick.

    Nothing is tried and nothing is trained beside a copy; the training goes on as it would without. `diagnosis` holds
    the answer. `steps` is how long the copy is trained, `thresholds` what `doctor` takes.

    >>> import numpy as np
    >>> import chainrule as cr
    >>> from chainrule import nn, optim, train
    >>> layers = [layer for _ in range(12) for layer in (nn.Linear(8, 8, init="xavier"), nn.Sigmoid())]
    >>> model = nn.Sequential(*layers, nn.Linear(8, 2))
    >>> x = np.random.default_rng(0).normal(size=(64, 8))
    >>> watch = GradientWatch(after=2)
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
    """

    def __init__(self, after: int = 10, steps: int = 20, thresholds: dict[str, float] | None = None) -> None:
        if after < 1:
            raise ValueError(f"GradientWatch: after: expected at least 1 step, got {after}")
        self.after, self.steps, self.thresholds = after, steps, thresholds
        self.diagnosis: Diagnosis | None = None
        self._seen = 0
        self._batches: list[Any] = []

    def on_train_start(self, run: Run) -> None:
        """Begin to count anew, and take the first batches aside."""
        self._seen, self.diagnosis = 0, None
        self._batches = [(*x, y) for x, y in collected(run.loader)]

    def on_batch_end(self, run: Run) -> None:
        """Ask the doctor, once."""
        self._seen += 1
        if self._seen != self.after:
            return
        self.diagnosis = doctor(
            run.model, run.loss, self._batches, run.optimizer, False, self.steps, thresholds=self.thresholds
        )
        self._batches = []
        worst = self.diagnosis.verdicts[0]
        if worst.code != "healthy":
            where = f" in {worst.layer}" if worst.layer else ""
            warnings.warn(f"{worst.code}{where}: {worst.evidence}", GradientWarning, stacklevel=2)
