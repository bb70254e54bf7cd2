"""A callback for `fit` that writes measurements during training for TensorBoard."""

import math
import os
from pathlib import Path

from chainrule.doctor.verdicts.flow import flow_range
from chainrule.train.callbacks import Run
from chainrule.train.event_file import EventFile

from .callback import Beside, is_measured, next_measured
from .event_log import histograms_of, scalars_of


class GradientBoard(Beside):
    """Writes the doctor's measurements of each layer to a new event file in `folder`, every `every` steps.

    Scalars: the norm of ∂L/∂z and its ratio to the next layer's, the two factors of a step back, mean, spread, flat and
    dead units, singular values, rank, the gradient noise scale; for the whole network, `doctor/flow` and
    `doctor/noise scale`. Histograms: the values, ∂L/∂z and the weights of each layer. They are measured on a copy in
    training mode, passed forward and backward over the loader's first `batches` batches: the same ones each time, so
    that only the network changes. The noise scale needs at least three batches.

    `train.TensorBoard` writes the loss and the accuracy; both may write to the same folder. View it with
    `tensorboard --logdir`. TensorBoard need not be installed for writing.

    Raises ValueError for `every` or `batches` below 1.

    >>> import numpy as np
    >>> from chainrule import nn, optim, train
    >>> model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    >>> x = np.random.default_rng(0).normal(size=(16, 3))
    >>> board = GradientBoard("runs/a", every=2)
    >>> data = [(x, (x[:, 0] > 0).astype(int))] * 4
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> _ = train.fit(model, nn.CrossEntropyLoss(), optimizer, data, epochs=1, callbacks=[board])
    >>> board.path.name.startswith("events.out.tfevents.")
    True
    """

    def __init__(self, folder: str | os.PathLike[str], every: int = 50, batches: int = 4) -> None:
        super().__init__()
        for name, value in (("every", every), ("batches", batches)):
            if value < 1:
                raise ValueError(f"GradientBoard: {name}: expected at least 1, got {value}")
        self.folder, self.every, self.batches = Path(folder), every, batches
        self.path: Path | None = None
        self._file: EventFile | None = None

    def next_step(self, run: Run) -> int | None:
        """Return the step after which to measure next."""
        return next_measured(run.step, self.every)

    def on_batch_end(self, run: Run) -> None:
        """Measure and write when it is due."""
        super().on_batch_end(run)
        if not is_measured(run.step, self.every):
            return
        exam = self.examined(run, self.batches)
        if exam.error is not None:
            return
        if self._file is None:
            self._file = EventFile(self.folder)
            self.path = self._file.path
        whole = {"doctor/flow": flow_range(exam)[0], "doctor/noise scale": exam.noise.scale()}
        numbers = {tag: value for tag, value in whole.items() if not math.isnan(value)} | scalars_of(exam.layers)
        self._file.write(self.seen, numbers, histograms=histograms_of(exam.layers))

    def on_close(self, run: Run) -> None:  # noqa: ARG002
        """Close the file; the next run starts a new one."""
        if self._file is not None:
            self._file.close()
            self._file = None
