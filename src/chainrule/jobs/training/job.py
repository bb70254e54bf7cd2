"""The training job: a fully connected network on a data set, from the split to the saved model."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.core.random import seed
from chainrule.data import ArrayDataset, Data, DataLoader, Standardizer
from chainrule.train.alone import Alone
from chainrule.train.callbacks import GradientFlow, Run, SaveCheckpoint
from chainrule.train.evaluation import evaluate
from chainrule.train.history import History
from chainrule.train.loop import fit
from chainrule.train.saved.description import FORMAT, Description, HeldOut, result
from chainrule.train.saved.modelfile import ModelFileError
from chainrule.train.saved.packing import plain
from chainrule.train.saved.recipe import Recipe, network
from chainrule.train.saved.saving import load, save

SMALL_PRODUCT = 4_000_000
"""The number of multiplications in a matrix product that takes one core well under a millisecond."""


@dataclass(frozen=True)
class Score:
    """The results on held-out data: `accuracy` and `confusion`, or for a regression `rmse` in the target's unit."""

    samples: int
    loss: float
    truth: NDArray[Any]
    predicted: NDArray[Any]
    accuracy: float | None = None
    confusion: NDArray[np.int64] | None = None
    rmse: float | None = None

    def __str__(self) -> str:
        return result(self.samples, self.accuracy, self.rmse)


def _threads(multiplications: int, cores: int | None) -> AbstractContextManager[Any]:
    """Limit BLAS to one thread if the largest product is small, else to `cores`, if that is a number.

    For small products, synchronising threads costs more than it saves, and many times more on a busy machine.
    """
    most = 1 if multiplications <= SMALL_PRODUCT else cores
    if most is None:
        return nullcontext()
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        return nullcontext()
    return threadpool_limits(most, user_api="blas")  # type: ignore[no-any-return]


def _scaling(x: NDArray[Any], is_image: bool) -> Standardizer:
    """Scale each column to mean 0 and deviation 1; pixels are scaled jointly, so that border noise is not magnified."""
    if not is_image:
        return Standardizer.fit(x)
    whole = Standardizer.fit(x.reshape(-1))
    return Standardizer(np.full(x.shape[1], whole.mean), np.full(x.shape[1], whole.scale))


class Job:
    """A data set, split and scaled, with a network and everything needed to train it. One seed fixes everything."""

    def __init__(self, data: Data, recipe: Recipe) -> None:
        self.data, self.recipe, self.schema = data, recipe, data.schema
        self.is_classification = data.task == "classification"
        seed(recipe.seed)
        indices = np.arange(len(data.x))
        whole = ArrayDataset(data.x, data.y, indices)
        labels = data.y if self.is_classification else None
        kept, held = whole.split(recipe.held_out, recipe.seed, stratify=labels)
        self.scaling = _scaling(kept.arrays[0], is_image=data.image_shape is not None)
        self.target_scaling = None if self.is_classification else Standardizer.fit(kept.arrays[1])
        self.training = self._part(kept)
        self.held_out = self._part(held)
        self.held_out_rows = held.arrays[2]
        outputs = len(data.class_names) if self.is_classification else 1
        self.model = network(data.x.shape[1], recipe.hidden, outputs, recipe.dropout)
        self.loss: nn.Module = nn.CrossEntropyLoss() if self.is_classification else nn.MSELoss()
        self.loader = DataLoader(self.training, recipe.batch_size, shuffle=True, seed=recipe.seed)
        self.epochs = recipe.epochs or max(10, round(2500 / len(self.loader)))
        self.optimizer = optim.AdamW(self.model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
        self.schedule = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, self.epochs)
        self.history, self.flow = History(), GradientFlow()

    def _part(self, part: ArrayDataset) -> ArrayDataset:
        x, y = part.arrays[0], part.arrays[1]
        if self.target_scaling is not None:
            y = self.target_scaling.transform(y)[:, None].astype(np.float32)
        return ArrayDataset(self.scaling.transform(x).astype(np.float32), y)

    def sample(self, count: int = 16) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the first `count` training samples, for checking the network's gradients."""
        x, y = self.training[:count]
        return x, y

    def train(self, callbacks: Sequence[Any] = (), parallel: Alone | None = None) -> History:
        """Train the remaining epochs; the learning rate decays to zero along a cosine.

        With `parallel`, several processes train together (see `fit`). After Ctrl-C the job can be saved with
        `save_checkpoint` and continued with `resume`.
        """
        cores = None if parallel is None else parallel.cores
        with _threads(self.loader.batch_size * max(p.size for p in self.model.parameters()), cores):
            return fit(
                self.model,
                self.loss,
                self.optimizer,
                self.loader,
                epochs=self.epochs - len(self.history),
                validation=self.held_out.arrays,
                callbacks=[self.flow, *callbacks],
                clip_norm=1.0,
                scheduler=self.schedule,
                history=self.history,
                parallel=parallel,
            )

    def save_checkpoint(self, path: str | Path) -> None:
        """Write the job's current state, from which `resume` continues bit for bit."""
        save(
            path,
            self.model,
            self.optimizer,
            self.loader,
            scheduler=self.schedule,
            history=self.history,
            checkpoint=FORMAT,
            job=self._identity(),
            flow=self.flow.rows,
        )

    def resume(self, path: str | Path) -> None:
        """Restore the state that `save_checkpoint` wrote for the same job.

        Raises ModelFileError, leaving everything unchanged, for any other file, and for a job with other data or
        another recipe.
        """
        wanted = "--resume expects the checkpoint left by Ctrl-C, such as model.checkpoint.safetensors"
        try:
            found = load(path)
        except ModelFileError as error:
            raise type(error)(f"{error}; {wanted}") from error
        meta = found.meta
        if meta.get("checkpoint") != FORMAT:
            raise ModelFileError(
                f"{path}: not a checkpoint of an interrupted `chainrule train`; {wanted}; leave it out to start over"
            )
        mine, saved = plain(self._identity(), "job"), meta.get("job")
        if not isinstance(saved, dict):
            raise ModelFileError(f"{path}: the checkpoint does not identify its job; {wanted}")
        for name, value in mine.items():
            if saved.get(name) != value:
                raise ModelFileError(
                    f"{path}: was saved with {name} {saved.get(name)}, but here it is {value}; repeat the "
                    f"original command with --resume added"
                )
        flow = meta.get("flow")
        rows = found.history.get("rows") if isinstance(found.history, dict) else None
        columns = {"epoch", *(f"{part}{name}" for part in ("", "val_") for name in self._measured())}
        if not _are_rows(flow, {"epoch"}) or not _are_rows(rows, columns):
            raise ModelFileError(f"{path}: its history is damaged; {wanted}")
        load(path, self.model, self.optimizer, self.loader, scheduler=self.schedule, history=self.history)
        self.flow.rows[:] = list(flow or ())

    def _measured(self) -> tuple[str, ...]:
        return ("loss", "accuracy") if self.is_classification else ("loss",)

    def _identity(self) -> dict[str, Any]:
        """Return what two runs must have in common for one to continue the other."""
        schema = self.schema
        columns = json.dumps([schema.features, schema.class_names, schema.target, schema.target_is_text])
        content = sha256(columns.encode() + self.data.x.tobytes() + self.data.y.tobytes()).hexdigest()
        return {"data": self.data.name, "content": content, **asdict(self.recipe), "epochs": self.epochs}

    def score(self) -> Score:
        """Evaluate the network on the held-out data."""
        x, y = self.held_out.arrays
        found = evaluate(self.model, self.loss, (x, y))
        predicted = found["predictions"]
        if self.target_scaling is None:
            return Score(len(x), found["loss"], y, predicted, found["accuracy"], found["confusion"])
        truth, predicted = (self.target_scaling.inverse(v[:, 0]) for v in (y, predicted))
        rmse = float(np.sqrt(np.mean((truth - predicted) ** 2)))
        return Score(len(x), found["loss"], truth, predicted, rmse=rmse)

    def save(self, path: str | Path, score: Score) -> None:
        """Write the network with everything needed for predictions: columns, scaling, classes (`Description`)."""
        said = Description(
            schema=self.schema,
            source=self.data.source,
            scaling=self.scaling,
            target_scaling=self.target_scaling,
            recipe=replace(self.recipe, epochs=self.epochs),
            held_out=HeldOut(score.samples, score.loss, score.accuracy, score.rmse),
            loss=type(self.loss).__name__,
        )
        save(path, self.model, **said.to_meta())


def _are_rows(rows: Any, columns: set[str]) -> bool:
    """Whether these are rows of numbers with these columns."""
    return isinstance(rows, list) and all(
        isinstance(row, dict) and set(row) >= columns and all(isinstance(v, int | float) for v in row.values())
        for row in rows
    )


class JobCheckpoint(SaveCheckpoint):
    """Writes a job's checkpoint for `resume` after a step, once `seconds` have passed since the last one."""

    def __init__(self, job: Job, path: Path, seconds: float, say: Callable[[str], None] | None = None) -> None:
        super().__init__(path, every=None, every_seconds=seconds)
        self.job, self.say = job, say

    def not_written(self, error: Exception) -> None:
        """Report that a checkpoint could not be written, by `say` or as a warning."""
        if self.say is None:
            super().not_written(error)
        else:
            self.say(f"no checkpoint: {error} The training goes on")

    def write(self, path: Path, run: Run, **meta: Any) -> None:  # noqa: ARG002
        """Write the job's current state."""
        self.job.save_checkpoint(path)
