"""What is examined: a model, its loss, batches, an optimiser. Everything happens on copies, under a seed of its own."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.core import random as generators
from chainrule.core.errors import GradientError
from chainrule.core.tape import EAGER
from chainrule.core.tensor import value_of
from chainrule.nn import Module
from chainrule.optim import Adam, clip_grad_norm_
from chainrule.train.batches import are_classes, cast, model_dtype

from .measure import norm
from .probe import Probe, watching
from .steps import layer_name

MOST = 8
"""How many batches are looked at."""
FEW = 200_000
"""Up to so many parameters a model is small."""
DEFAULT_LR = 3e-3
"""The step of Adam in trials, where no optimiser was given."""

Batch = tuple[tuple[Any, ...], Any]


@dataclass(frozen=True)
class Case:
    """A model with its loss, batches `((x, …), y)` and optimiser, and how its trials differ from a plain training."""

    model: Any
    loss: Any
    batches: list[Batch]
    optimizer: Any = None
    clip: float | None = None
    warmup: int = 0
    patches: frozenset[str] = frozenset()

    @property
    def is_small(self) -> bool:
        """Whether a step costs so little that more of them are taken."""
        return bool(sum(p.size for p in self.model.parameters()) <= FEW)

    def copied(self) -> "Case":
        """Return a copy whose model, loss and optimiser are its own and belong together."""
        memo = {id(EAGER): EAGER}
        model, loss, optimizer = copy.deepcopy((self.model, self.loss, self.optimizer), memo)
        return replace(self, model=model, loss=loss, optimizer=optimizer)

    def with_optimizer(self) -> "Case":
        """Return this case with Adam where no optimiser was given."""
        return (
            self if self.optimizer is not None else replace(self, optimizer=Adam(self.model.parameters(), DEFAULT_LR))
        )

    def changed(self, model: Any) -> "Case":
        """Return this case with another model, and an optimiser of the same kind and settings for it."""
        return replace(self, model=model, optimizer=rebuilt(self.optimizer, model))

    def value(self, batch: Batch) -> tuple[Any, Any]:
        """Return a batch's loss and the model's output."""
        (*x, y), dtype = (*batch[0], batch[1]), model_dtype(self.model)
        output = self.model(*(cast(part, dtype) if isinstance(part, np.ndarray) else part for part in x))
        return self.loss(output, cast(y, dtype) if isinstance(y, np.ndarray) else y), output


@dataclass
class Trial:
    """What a short training gave: the loss at each step, the accuracy, the relative size of the steps."""

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
        """Return the mean loss over the last steps, infinity where the training broke down."""
        return float(np.mean(self.losses[-window:])) if self.finite else math.inf

    def accuracy(self, window: int) -> float:
        """Return the mean accuracy over the last steps, nan where targets are no classes."""
        return float(np.mean(self.accuracies[-window:])) if self.finite and self.accuracies else math.nan

    def update_of(self, layer: str) -> float:
        """Return the typical relative size of a layer's steps, nan where none was measured."""
        found = [u for name, us in self.updates.items() if layer_name(name) == layer for u in us]
        return float(np.median(found)) if found else math.nan

    def update(self, largest: bool = False) -> float:
        """Return the typical relative size of a step: the median over layers and steps, or over the largest of each."""
        found = (
            [max(us) for us in self.updates.values()] if largest else [u for us in self.updates.values() for u in us]
        )
        return float(np.median(found)) if found else math.nan


def rebuilt(optimizer: Any, model: Any, **settings: Any) -> Any:
    """Return an optimiser of the same kind and the first group's settings, for another model's parameters."""
    if optimizer is None:
        return None
    group = {k: v for k, v in optimizer.param_groups[0].items() if k not in ("params", "names")}
    return type(optimizer)(list(model.parameters()), **{**group, **settings})


def collected(batches: Any, most: int = MOST) -> list[Batch]:
    """Return the first batches as arrays; a loader that can say where it stands is put back there.

    Raises TypeError for what is no batch and ValueError for none at all.
    """
    state = batches.state_dict() if hasattr(batches, "state_dict") else None
    if not isinstance(batches, Iterable):
        raise TypeError(f"doctor: batches: expected an iterable of (x, y), got {type(batches).__name__}")
    found: list[Batch] = []
    for item in batches:
        if not isinstance(item, tuple | list) or len(item) < 2:
            raise TypeError(f"doctor: batches: expected tuples (x, y), got {type(item).__name__}")
        *x, y = (_array(part) for part in item)
        found.append((tuple(x), y))
        if len(found) == most:
            break
    if state is not None and hasattr(batches, "load_state_dict"):
        batches.load_state_dict(state)
    if not found:
        raise ValueError("doctor: batches: got none; a generator can be read only once: pass a list or a DataLoader")
    return found


def _array(part: Any) -> Any:
    plain = value_of(part)
    return np.asarray(plain) if isinstance(plain, np.ndarray | list | float | int | np.generic) else plain


@contextmanager
def untouched(model: Any, seed: int) -> Iterator[None]:
    """Leave generators, gradients and modes as they were; inside, the default generators start from `seed`."""
    if not isinstance(model, Module):
        raise TypeError(f"doctor: model: expected a chainrule.nn.Module, got {type(model).__name__}")
    grads = [(p, p._link.grad) for p in model.parameters() if p._link is not None]
    before, legacy = list(generators._generators), np.random.get_state()  # noqa: NPY002 - users' code may draw from it
    try:
        reseed(seed)
        with np.errstate(all="ignore"):
            yield
    finally:
        generators._generators[:] = before
        np.random.set_state(legacy)  # noqa: NPY002
        for p, grad in grads:
            p._link.grad = grad


def reseed(seed: int) -> None:
    """Start every default generator from `seed`."""
    generators.seed(seed)
    np.random.seed(seed)  # noqa: NPY002


def train(case: Case, steps: int, seed: int, each: Callable[[int, Case], None] | None = None) -> Trial:
    """Train a copy for some steps and return what came of it; `seed` fixes the order of batches and all draws."""
    reseed(seed)
    own = case.copied().with_optimizer()
    own.model.train()
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
        before = {name: p.numpy().copy() for name, p in weights.items()} if k in measured else {}
        try:
            _step(own, own.batches[order[k % len(order)]], trial)
        except (ValueError, GradientError, FloatingPointError, ZeroDivisionError, OverflowError) as error:
            trial.error = error
            break
        for name, old in before.items():
            size = norm(old)
            if size > 0:
                trial.updates.setdefault(name, []).append(norm(weights[name].numpy() - old) / size)
        if not math.isfinite(trial.losses[-1]):
            break
    return trial


def _step(case: Case, batch: Batch, trial: Trial) -> None:
    case.optimizer.zero_grad()
    if case.patches:
        loss, output = _patched(case, batch)
    else:
        loss, output = case.value(batch)
        trial.losses.append(float(value_of(loss)))
        if getattr(loss, "requires_grad", False) and math.isfinite(trial.losses[-1]):
            loss.backward()
    if case.patches:
        trial.losses.append(float(value_of(loss)))
    values, y = value_of(output), batch[1]
    if hasattr(values, "shape") and isinstance(y, np.ndarray) and are_classes(y, values):
        trial.accuracies.append(float(np.mean(values.argmax(-1) == y)))
    if case.clip is not None:
        clip_grad_norm_(case.model.parameters(), case.clip)
    case.optimizer.step()


def _patched(case: Case, batch: Batch) -> tuple[Any, Any]:
    """Set the gradients that would be there with the case's patches."""
    probe = Probe(case.patches, keep=False)
    parameters = dict(case.model.named_parameters())
    with watching(case.model, probe):
        loss, output = case.value(batch)
        gradients = probe.gradients(loss, parameters)
    for name, gradient in gradients.items():
        parameters[name].grad = gradient
    return loss, output
