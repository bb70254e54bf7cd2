"""The subject of an examination: a model, its loss, batches, an optimiser. All work is on copies, separately seeded."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.doctor.engines.choice import engine_of
from chainrule.doctor.engines.engine import FEW, Engine
from chainrule.train.batches import are_classes

from .measure import norm
from .steps import class_name, layer_name

MOST = 8
"""The most batches that are examined."""

Batch = tuple[tuple[Any, ...], Any]


@dataclass(frozen=True)
class Case:
    """A model with its loss, batches `((x, …), y)` and optimiser, and how its trials differ from plain training."""

    model: Any
    loss: Any
    batches: list[Batch]
    optimizer: Any = None
    clip: float | None = None
    warmup: int = 0
    patches: frozenset[str] = frozenset()

    @property
    def engine(self) -> Engine:
        """The engine that runs the model."""
        return engine_of(self.model)

    @property
    def parameters(self) -> int:
        """The number of trainable values."""
        return sum(math.prod(p.shape) for p in self.model.parameters())

    @property
    def is_small(self) -> bool:
        """Whether steps are cheap enough to take more of them."""
        return self.parameters <= FEW

    def copied(self) -> "Case":
        """Return an independent copy, whose optimiser refers to the copied model and loss."""
        model, loss, optimizer = self.engine.copied(self.model, self.loss, self.optimizer)
        return replace(self, model=model, loss=loss, optimizer=optimizer)

    def with_optimizer(self) -> "Case":
        """Return this case, with Adam if no optimiser was given."""
        return self if self.optimizer is not None else replace(self, optimizer=self.engine.adam(self.model))

    def changed(self, model: Any) -> "Case":
        """Return this case with another model, and an optimiser of the same kind and settings for it."""
        if self.optimizer is None:
            return replace(self, model=model)
        return replace(self, model=model, optimizer=self.engine.rebuilt(self.optimizer, self._groups(model)))

    def with_rate(self, factor: float) -> "Case":
        """Return this case with the learning rates scaled; the optimiser's state is reset."""
        groups = [{**group, "lr": float(group["lr"]) * factor} for group in self._groups(self.model)]
        return replace(self, optimizer=self.engine.rebuilt(self.optimizer, groups))

    def without_decay(self) -> "Case":
        """Return this case without weight decay; the optimiser's state is reset."""
        groups = [{**group, "weight_decay": 0.0} for group in self._groups(self.model)]
        return replace(self, optimizer=self.engine.rebuilt(self.optimizer, groups))

    def thawed(self) -> "Case":
        """Return this case on a copy with nothing frozen, all of it held by a new optimiser of the same kind."""
        model = self.engine.copied(self.model)[0]
        model.requires_grad_(True)
        first = self.optimizer.param_groups[0]
        optimizer = self.engine.rebuilt(self.optimizer, [{**first, "params": list(model.parameters())}])
        return replace(self, model=model, optimizer=optimizer)

    @property
    def dropout(self) -> float:
        """The largest share of values that one of the model's dropouts sets to 0."""
        return max((float(module.p) for module in _dropouts(self.model)), default=0.0)

    def with_dropout(self, share: float) -> "Case":
        """Return this case on a copy whose dropouts set at most this share of the values to 0."""
        model = self.engine.copied(self.model)[0]
        for module in _dropouts(model):
            module.p = min(float(module.p), share)
        return self.changed(model)

    @property
    def decay(self) -> float:
        """The largest weight decay of the optimiser's groups, 0 without an optimiser."""
        groups = [] if self.optimizer is None else self.optimizer.param_groups
        return max((float(group.get("weight_decay", 0.0)) for group in groups), default=0.0)

    @property
    def left_out(self) -> list[str]:
        """The trainable parameters that the optimiser does not hold."""
        if self.optimizer is None:
            return []
        held = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
        return [name for name, p in self.model.named_parameters() if p.requires_grad and id(p) not in held]

    def _groups(self, model: Any) -> list[dict[str, Any]]:
        """Return the optimiser's groups, with another model's parameters of the same names.

        What is new in that model belongs to the first group, and so does all of it if the optimiser holds none of it.
        """
        own = {id(p): name for name, p in self.model.named_parameters()}
        there = dict(model.named_parameters())
        groups = [
            {**group, "params": [there[n] for p in group["params"] if (n := own.get(id(p))) is not None and n in there]}
            for group in self.optimizer.param_groups
        ]
        fresh = list(there.values()) if not any(group["params"] for group in groups) else []
        groups[0]["params"] += fresh or [p for name, p in there.items() if name not in own.values()]
        return [group for group in groups if group["params"]]

    def value(self, batch: Batch) -> tuple[Any, Any]:
        """Return a batch's loss and the model's output."""
        return self.engine.run(self.model, self.loss, batch)


def _dropouts(model: Any) -> list[Any]:
    """Return the modules of a model that set a share of the values to 0."""
    return [module for module in model.modules() if "Dropout" in class_name(module) and hasattr(module, "p")]


@dataclass
class Trial:
    """The result of a short training: the loss at each step, the accuracy, the relative size of the steps."""

    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    updates: dict[str, list[float]] = field(default_factory=dict)
    error: Exception | None = None
    case: Case | None = None

    @property
    def finite(self) -> bool:
        """Whether no step failed or gave a NaN."""
        return self.error is None and bool(self.losses) and math.isfinite(self.losses[-1])

    def final(self, window: int) -> float:
        """Return the mean loss over the last steps, infinity if the training broke down."""
        return float(np.mean(self.losses[-window:])) if self.finite else math.inf

    def accuracy(self, window: int) -> float:
        """Return the mean accuracy over the last steps, nan if the targets are not classes."""
        return float(np.mean(self.accuracies[-window:])) if self.finite and self.accuracies else math.nan

    def update_of(self, layer: str) -> float:
        """Return the typical relative size of a layer's steps, nan if none was measured."""
        found = [u for name, us in self.updates.items() if layer_name(name) == layer for u in us]
        return float(np.median(found)) if found else math.nan

    def update(self, largest: bool = False) -> float:
        """Return the median relative size of a step over layers and steps, or over the largest layer of each step."""
        found = (
            [max(us) for us in self.updates.values()] if largest else [u for us in self.updates.values() for u in us]
        )
        return float(np.median(found)) if found else math.nan


def classes_last(output: Any, y: Any) -> Any:
    """Return logits [N, K, …] of classes [N, …], the layout of PyTorch's losses, as [N, …, K]; others unchanged."""
    second = output.ndim > 2 and isinstance(y, np.ndarray) and y.dtype.kind in "iu" and y.shape != output.shape[:-1]
    return np.moveaxis(output, 1, -1) if second and y.shape == (len(output), *output.shape[2:]) else output


def collected(batches: Any, plain: Callable[[Any], Any], most: int = MOST) -> list[Batch]:
    """Return the first batches, made arrays by `plain`; a loader that can report its position is restored to it.

    Raises TypeError for an invalid batch and ValueError if there is none.
    """
    state = batches.state_dict() if hasattr(batches, "state_dict") else None
    if not isinstance(batches, Iterable):
        raise TypeError(f"doctor: batches: expected an iterable of (x, y), got {type(batches).__name__}")
    found: list[Batch] = []
    for item in batches:
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise TypeError(f"doctor: batches: expected tuples (x, y), got {type(item).__name__}")
        *x, y = (plain(part) for part in item)
        found.append((tuple(x), y))
        if len(found) == most:
            break
    if state is not None and hasattr(batches, "load_state_dict"):
        batches.load_state_dict(state)
    if not found:
        raise ValueError("doctor: batches: got none; a generator can be read only once: pass a list or a DataLoader")
    return found


@contextmanager
def untouched(model: Any, seed: int, batches: Any = None) -> Iterator[Engine]:
    """Restore generators, gradients and modes on exit; inside, the default generators start from `seed`."""
    engine = engine_of(model)
    with engine.untouched(engine.unwrapped(model), batches, seed):
        yield engine


def to_training(model: Any) -> None:
    """Put a model into training mode. Parts of one that is in it stay in evaluation mode: they are so by choice."""
    kept = [module for module in model.modules() if not module.training] if model.training else []
    model.train()
    for module in kept:
        module.training = False


def train(case: Case, steps: int, seed: int, each: Callable[[int, Case], None] | None = None) -> Trial:
    """Train a copy for some steps and return the result; `seed` fixes the order of batches and all random draws."""
    engine = case.engine
    engine.reseed(seed)
    own = case.copied().with_optimizer()
    to_training(own.model)
    order = np.random.default_rng(seed).permutation(len(own.batches))
    trial = Trial(case=own)
    rates = [group["lr"] for group in own.optimizer.param_groups]
    weights = {name: p for name, p in own.model.named_parameters() if p.ndim >= 2 and p.requires_grad}
    measured = set(np.linspace(0, steps - 1, 6).astype(int).tolist())
    for k in range(steps):
        if each is not None:
            each(k, own)
        for group, rate in zip(own.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * min(1.0, (k + 1) / (own.warmup + 1))
        before = {name: engine.array(p).copy() for name, p in weights.items()} if k in measured else {}
        try:
            _step(own, own.batches[order[k % len(order)]], trial)
        except engine.errors as error:
            trial.error = error
            break
        for name, old in before.items():
            size = norm(old)
            if size > 0:
                trial.updates.setdefault(name, []).append(norm(engine.array(weights[name]) - old) / size)
        if not math.isfinite(trial.losses[-1]):
            break
    return trial


def _step(case: Case, batch: Batch, trial: Trial) -> None:
    engine = case.engine
    case.optimizer.zero_grad()
    loss, output = _patched(case, batch) if case.patches else case.value(batch)
    trial.losses.append(engine.number(loss))
    if not case.patches and math.isfinite(trial.losses[-1]):
        engine.backward(loss)
    values, y = engine.array(output), batch[1]
    values = values if values is None else classes_last(values, y)
    if values is not None and isinstance(y, np.ndarray) and are_classes(y, values):
        trial.accuracies.append(float(np.mean(values.argmax(-1) == y)))
    if case.clip is not None:
        engine.clip(case.model, case.clip)
    case.optimizer.step()


def _patched(case: Case, batch: Batch) -> tuple[Any, Any]:
    """Set the gradients that the case's patches would produce."""
    parameters = dict(case.model.named_parameters())
    with case.engine.watched(case.model, case.patches, keep=False) as record:
        loss, output = case.value(batch)
        gradients = record.gradients(loss, parameters)
    for name, gradient in gradients.items():
        case.engine.put_grad(parameters[name], gradient)
    return loss, output
