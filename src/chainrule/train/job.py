"""The main job: a fully connected network on a data set, from the split to the saved model."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.core.random import seed
from chainrule.core.transforms import no_grad
from chainrule.data import ArrayDataset, Data, DataLoader, Standardizer
from chainrule.train.alone import Alone
from chainrule.train.callbacks import GradientFlow, Run, SaveCheckpoint
from chainrule.train.evaluation import evaluate
from chainrule.train.history import History
from chainrule.train.loop import fit
from chainrule.train.modelfile import ModelFileError
from chainrule.train.packing import plain
from chainrule.train.saving import load, save

SMALL_PRODUCT = 4_000_000
"""Multiplications of a matrix product that one core does in well under a millisecond."""
FORMAT = 1
"""The version of the description that a saved model carries."""
ENTRIES = frozenset(
    {"format", "task", "data", "feature_names", "class_names", "scaling", "target_scaling", "recipe", "held_out"}
)
"""What the description says."""


@dataclass(frozen=True)
class Recipe:
    """How to train: layer widths, epochs, and what the optimiser AdamW is told. The defaults suit small tables.

    `epochs=None` is as many as make 2,500 steps, at least 10.
    """

    hidden: tuple[int, ...] = (256, 128)
    epochs: int | None = None
    batch_size: int = 32
    lr: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    held_out: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden: expected positive layer widths, got {self.hidden}")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out: expected a share between 0 and 1, got {self.held_out}")
        if not self.lr > 0:
            raise ValueError(f"lr: expected a positive learning rate, got {self.lr}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected a share from 0 to below 1, got {self.dropout}")


def network(inputs: int, hidden: Sequence[int], outputs: int, dropout: float) -> nn.Sequential:
    """Linear → ReLU → Dropout for each hidden width, then Linear to the outputs (logits, or one value)."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs, init="xavier"))


@dataclass(frozen=True)
class Score:
    """How the network does on held-out data: `accuracy` and `confusion`, or for a regression `rmse` in its unit."""

    samples: int
    loss: float
    truth: NDArray[Any]
    predicted: NDArray[Any]
    accuracy: float | None = None
    confusion: NDArray[np.int64] | None = None
    rmse: float | None = None

    def __str__(self) -> str:
        return _in_words(self.samples, self.accuracy, self.rmse)


def _in_words(samples: int, accuracy: float | None, rmse: float | None) -> str:
    if accuracy is not None:
        return f"held-out accuracy {100 * accuracy:.2f} % on {samples} samples"
    return f"held-out root mean square error {rmse:.4g} on {samples} samples"


def _threads(multiplications: int, cores: int | None) -> AbstractContextManager[Any]:
    """Keep BLAS to one thread where its largest product is small, and else to `cores`, if that is a number.

    Threads that wait for each other cost more than they save there, and many times more on a machine that is busy.
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
    """Each column to mean 0 and deviation 1; an image's pixels together, or noise at its border would be magnified."""
    if not is_image:
        return Standardizer.fit(x)
    whole = Standardizer.fit(x.reshape(-1))
    return Standardizer(np.full(x.shape[1], whole.mean), np.full(x.shape[1], whole.scale))


class Job:
    """A data set, split and scaled, with a network and everything to train it. One seed fixes it all."""

    def __init__(self, data: Data, recipe: Recipe) -> None:
        self.data, self.recipe = data, recipe
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
        """The first `count` training samples, to check the network's gradients on."""
        x, y = self.training[:count]
        return x, y

    def train(self, callbacks: Sequence[Any] = (), parallel: Alone | None = None) -> History:
        """Train the epochs that are left; the learning rate falls to zero along a cosine.

        With `parallel` several processes train together (`fit`). After Ctrl-C the job can be saved with
        `save_checkpoint`, to be gone on with by `resume`.
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
        """Write the job as it stands, so that `resume` goes on to the bit."""
        save(
            path,
            self.model,
            self.optimizer,
            self.loader,
            scheduler=self.schedule,
            checkpoint=FORMAT,
            job=self._identity(),
            rows=self.history.rows,
            flow=self.flow.rows,
        )

    def resume(self, path: str | Path) -> None:
        """Take up what `save_checkpoint` wrote of the same job.

        Raises ModelFileError, with nothing changed, for another file, and for a job of other data or another recipe.
        """
        wanted = "--resume wants the checkpoint that Ctrl-C left, such as model.checkpoint.safetensors"
        try:
            meta = load(path).meta
        except ModelFileError as error:
            raise type(error)(f"{error}; {wanted}") from error
        if meta.get("checkpoint") != FORMAT:
            raise ModelFileError(
                f"{path}: no checkpoint of an interrupted `chainrule train`; {wanted}; leave it out to begin anew"
            )
        mine = plain(self._identity(), "job")
        for name, value in mine.items():
            if meta["job"].get(name) != value:
                raise ModelFileError(
                    f"{path}: was saved with {name} {meta['job'].get(name)}, and here it is {value}; repeat the "
                    f"command as it was, with --resume added"
                )
        load(path, self.model, self.optimizer, self.loader, scheduler=self.schedule)
        self.history.rows[:] = meta["rows"]
        self.flow.rows[:] = meta["flow"]

    def _identity(self) -> dict[str, Any]:
        """What two runs must have in common for one to go on with the other."""
        features = ", ".join(self.data.feature_names).encode()
        content = sha256(features + self.data.x.tobytes() + self.data.y.tobytes()).hexdigest()
        return {"data": self.data.name, "content": content, **asdict(self.recipe), "epochs": self.epochs}

    def score(self) -> Score:
        """Measure the network on the held-out part."""
        x, y = self.held_out.arrays
        found = evaluate(self.model, self.loss, (x, y))
        predicted = found["predictions"]
        if self.target_scaling is None:
            return Score(len(x), found["loss"], y, predicted, found["accuracy"], found["confusion"])
        truth, predicted = (self.target_scaling.inverse(v[:, 0]) for v in (y, predicted))
        rmse = float(np.sqrt(np.mean((truth - predicted) ** 2)))
        return Score(len(x), found["loss"], truth, predicted, rmse=rmse)

    def save(self, path: str | Path, score: Score) -> None:
        """Write the network with all that a prediction needs: names, scaling, classes."""
        data, recipe = self.data, self.recipe
        save(
            path,
            self.model,
            format=FORMAT,
            task=data.task,
            data=data.name,
            source=data.source,
            feature_names=list(data.feature_names),
            class_names=list(data.class_names),
            scaling=self.scaling.to_dict(),
            target_scaling=self.target_scaling and self.target_scaling.to_dict(),
            recipe=asdict(recipe) | {"hidden": list(recipe.hidden), "epochs": self.epochs},
            held_out={"samples": score.samples, "loss": score.loss, "accuracy": score.accuracy, "rmse": score.rmse},
        )


class JobCheckpoint(SaveCheckpoint):
    """Writes a job's checkpoint, which `resume` takes, after a step once `seconds` have passed since the last one."""

    def __init__(self, job: Job, path: Path, seconds: float) -> None:
        super().__init__(path, every=None, every_seconds=seconds)
        self.job = job

    def write(self, path: Path, run: Run, **meta: Any) -> None:  # noqa: ARG002
        """Write the job as it stands."""
        self.job.save_checkpoint(path)


def _is_complete(meta: Mapping[str, Any]) -> bool:
    return set(meta) >= ENTRIES and meta["format"] == FORMAT


def described(meta: Mapping[str, Any]) -> list[str]:
    """Say in words, a line each, what network it is that `Job.save` wrote; nothing for any other model file."""
    if not _is_complete(meta):
        return []
    recipe, held_out = meta["recipe"], meta["held_out"]
    widths = ", ".join(map(str, recipe["hidden"])) or "none"
    return [
        f"task: {meta['task']}",
        f"data: {meta['data']}",
        f"features: {_counted(meta['feature_names'])}",
        *([f"classes: {_counted(meta['class_names'])}"] if meta["class_names"] else []),
        f"hidden layers: {widths}; dropout {recipe['dropout']:g}",
        f"trained: {recipe['epochs']} epochs in batches of {recipe['batch_size']}, learning rate {recipe['lr']:g}, "
        f"weight decay {recipe['weight_decay']:g}, seed {recipe['seed']}",
        f"result: {_in_words(held_out['samples'], held_out['accuracy'], held_out['rmse'])}",
    ]


def _counted(names: Sequence[str], most: int = 6) -> str:
    return f"{len(names)} ({', '.join(names[:most])}{', …' if len(names) > most else ''})"


@dataclass(frozen=True)
class Predictor:
    """A saved network that predicts."""

    model: nn.Module
    meta: Mapping[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `Job.save` wrote. Raises ModelFileError for any other file."""
        meta = load(path).meta
        if not _is_complete(meta):
            raise ModelFileError(
                f"{path}: a model file, but not of a network that `chainrule train` wrote "
                f"(no {', '.join(sorted(ENTRIES - set(meta))) or 'description of format ' + str(FORMAT)}); "
                f"load it with chainrule.load and the model it was saved from"
            )
        outputs = len(meta["class_names"]) or 1
        recipe = meta["recipe"]
        model = network(len(meta["feature_names"]), recipe["hidden"], outputs, recipe["dropout"])
        load(path, model)
        model.eval()
        return cls(model, meta)

    @property
    def class_names(self) -> list[str]:
        """The names of the classes; empty for a regression."""
        return list(self.meta["class_names"])

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Class probabilities [N, K] for features [N, n], or predicted values [N] in the target's unit."""
        scaled = Standardizer.from_dict(self.meta["scaling"]).transform(x).astype(np.float32)
        with no_grad():
            output = self.model(scaled)
            if self.class_names:
                return np.asarray(nn.functional.softmax(output, axis=-1).numpy(), np.float64)
        target_scaling = Standardizer.from_dict(self.meta["target_scaling"])
        return target_scaling.inverse(output.numpy()[:, 0])
