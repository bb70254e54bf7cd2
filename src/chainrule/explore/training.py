"""Training steps, and what a moment of a training keeps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from chainrule.nn.parameter import Parameter
from chainrule.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

from .run import Run
from .subject import Slot

OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = MappingProxyType(
    {
        "SGD": SGD,
        "Momentum": lambda params, lr: SGD(params, lr=lr, momentum=0.9),
        "Adam": Adam,
        "AdamW": AdamW,
        "RMSprop": RMSprop,
        "Adagrad": Adagrad,
    }
)
LEARNING_RATE = 0.1


@dataclass(frozen=True)
class Moment:
    """The values at one moment of a training, the loss there, and the norm of each parameter's gradient.

    `optimizer` is the optimiser's state. `finding` is what the doctor said at this moment.
    """

    values: Mapping[Slot, Any]
    loss: float
    norms: Mapping[str, float] = field(default_factory=dict)
    optimizer: Mapping[str, Any] | None = None
    finding: str = ""


@dataclass(frozen=True)
class Rule:
    """How a training step is made: the name of an optimiser, and how it is built from parameters and learning rate."""

    name: str
    build: Callable[..., Optimizer]
    lr: float = LEARNING_RATE


def rule_of(optimizer: Any) -> Rule:
    """Return the rule for what `explore` was given: None, a name, an optimiser, or a function of the parameters.

    Raises TypeError or ValueError for anything else.
    """
    if optimizer is None:
        return Rule("SGD", SGD)
    if isinstance(optimizer, str):
        known = {name.lower(): name for name in OPTIMIZERS}
        if optimizer.lower() not in known:
            raise ValueError(f"explore: optimizer: expected one of {', '.join(OPTIMIZERS)}, got {optimizer!r}")
        name = known[optimizer.lower()]
        return Rule(name, OPTIMIZERS[name], 0.01 if name in ("Adam", "AdamW", "RMSprop") else LEARNING_RATE)
    if isinstance(optimizer, Optimizer):
        group = optimizer.param_groups[0]
        settings = {key: value for key, value in group.items() if key not in ("params", "names", "lr")}
        kind = type(optimizer)
        return Rule(kind.__name__, lambda params, lr: kind(params, lr=lr, **settings), float(group["lr"]))
    if callable(optimizer):
        made = optimizer([Parameter(np.zeros(1))])
        if isinstance(made, Optimizer):
            lr = float(made.param_groups[0]["lr"])
            return Rule(type(made).__name__, lambda params, lr: _with_rate(optimizer(params), lr), lr)
    raise TypeError(
        f"explore: optimizer: expected an optimiser, a function of the parameters that returns one, or one of "
        f"{', '.join(OPTIMIZERS)}; got {type(optimizer).__name__}"
    )


def _with_rate(optimizer: Optimizer, lr: float) -> Optimizer:
    for group in optimizer.param_groups:
        group["lr"] = lr
    return optimizer


def stepped(run: Run, moment: Moment, rule: Rule) -> tuple[dict[Slot, Any], dict[str, Any]]:
    """Return the values after one training step from a run, and the optimiser's state.

    Raises ValueError if nothing can be trained.
    """
    boxes = run.trained()
    if not boxes:
        raise ValueError("explore: nothing can be trained: no parameter gets a gradient")
    parameters = [Parameter(np.array(box.value, np.float64)) for box in boxes]
    optimizer = rule.build(parameters, lr=rule.lr)
    if moment.optimizer is not None:
        state = dict(moment.optimizer)
        state["param_groups"] = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict(state)
    for box, parameter in zip(boxes, parameters, strict=True):
        parameter.grad = np.array(box.gradient, np.float64)
    optimizer.step()
    changed = {box.slot: _like(p, box.value) for box, p in zip(boxes, parameters, strict=True) if box.slot is not None}
    return {**moment.values, **changed}, optimizer.state_dict()


def _like(parameter: Parameter, value: Any) -> Any:
    array = parameter.numpy().copy()
    return array if isinstance(value, np.ndarray) else array[()]


def norms_of(run: Run) -> dict[str, float]:
    """Return the norm of each trained parameter's gradient."""
    return {box.name: float(np.linalg.norm(np.ravel(box.gradient))) for box in run.trained()}


def moment_of(run: Run, optimizer: Mapping[str, Any] | None = None) -> Moment:
    """Return the moment that a run is at."""
    return Moment(dict(run.values), run.loss, norms_of(run), optimizer)
