"""Learning rate schedules: call `scheduler.step()` after each step of the optimiser, or after each epoch.

Every schedule but `ReduceLROnPlateau` is a function of the number t of calls and of the group's own learning rate, so
it can be plotted in advance, and a schedule restored from a saved state continues where it was.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from chainrule.base.lacking import lacking
from chainrule.core.traces.capturing import effect

from .checks import BELOW_ONE, NOT_NEGATIVE, POSITIVE, UP_TO_ONE, choice, count, number
from .optimizer import Optimizer


def shown(schedule: Any, rates: Sequence[float]) -> str:
    """Return what a schedule is at: its optimiser, the steps that it counted, and the rates now."""
    listed = ", ".join(f"{lr:.6g}" for lr in rates)
    counted = f"{schedule.last_epoch} steps, " if hasattr(schedule, "last_epoch") else ""
    return f"{type(schedule).__name__}({type(schedule.optimizer).__name__}, {counted}lr={listed})"


class LRScheduler(ABC):
    """The base of schedules that depend on the number of steps alone.

    `base_lrs` are the learning rates of the optimiser's groups when the schedule was made, `last_epoch` the number of
    calls of `step` since.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        _check_optimizer(type(self).__name__, optimizer)
        self.optimizer = optimizer
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self.last_epoch = 0
        self._set()

    @abstractmethod
    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` calls of `step`, for a group whose initial rate is `base_lr`."""

    def step(self) -> None:
        """Count one step and set the learning rate of every group."""
        effect(self._advance, writes=())

    def _advance(self) -> None:
        self.last_epoch += 1
        self._set()

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def __repr__(self) -> str:
        return shown(self, self.get_last_lr())

    def _set(self) -> None:
        if len(self.optimizer.param_groups) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}: the optimiser has {len(self.optimizer.param_groups)} groups, but had "
                f"{len(self.base_lrs)} when the schedule was made; add groups before that"
            )
        for group, base_lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.lr_at(self.last_epoch, base_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the schedule, as numbers and lists."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a `state_dict` and set the learning rates; nothing is changed if it does not fit."""
        what = f"{type(self).__name__}.load_state_dict"
        _check_keys(what, state, {"last_epoch", "base_lrs"})
        last_epoch = count(f"{what}: last_epoch", state["last_epoch"], 0)
        base_lrs = [number(f"{what}: base_lrs", lr, NOT_NEGATIVE) for lr in state["base_lrs"]]
        if len(base_lrs) != len(self.base_lrs):
            raise ValueError(f"{what}: got {len(base_lrs)} learning rates, expected {len(self.base_lrs)}")
        self.last_epoch, self.base_lrs = last_epoch, base_lrs
        self._set()


class StepLR(LRScheduler):
    r"""Multiply the learning rate by `gamma` every `step_size` steps: $\mathrm{lr}_0\,\gamma^{\lfloor t / n \rfloor}$.

    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.SGD([cr.zeros(2, requires_grad=True)], lr=1.0)
    >>> scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = count("StepLR: step_size", step_size)
        self.gamma = number("StepLR: gamma", gamma, POSITIVE)
        super().__init__(optimizer)

    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` steps."""
        return base_lr * self.gamma ** (t // self.step_size)


class CosineAnnealingLR(LRScheduler):
    r"""Half a cosine wave from the learning rate down to `eta_min` at step `T_max`, and up again after it.

    $\eta_{\min} + \frac{1}{2} (\mathrm{lr}_0 - \eta_{\min}) (1 + \cos(\pi t / T_{\max}))$.

    Source: Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), equation 5.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = count("CosineAnnealingLR: T_max", T_max)
        self.eta_min = number("CosineAnnealingLR: eta_min", eta_min, NOT_NEGATIVE)
        super().__init__(optimizer)

    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` steps."""
        return _cosine(base_lr, self.eta_min, t / self.T_max)


class LinearWarmup(LRScheduler):
    """Raise the learning rate linearly from `start_factor` times its value to its full value, in `steps` steps.

    After that it stays constant, or follows `after`, another schedule for the same optimiser, which then starts at t =
    0.

    Source: Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour" (2017), section 2.2. PyTorch's
    `LinearLR` with `end_factor=1`.

    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> optimizer = optim.SGD([cr.zeros(2, requires_grad=True)], lr=1.0)
    >>> decay = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    >>> warmup = optim.lr_scheduler.LinearWarmup(optimizer, steps=4, start_factor=0.0, after=decay)
    >>> [round(warmup.lr_at(t, 1.0), 2) for t in (0, 2, 4, 9, 14)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    def __init__(
        self, optimizer: Optimizer, steps: int, start_factor: float = 1 / 3, after: LRScheduler | None = None
    ) -> None:
        self.steps = count("LinearWarmup: steps", steps)
        self.start_factor = number("LinearWarmup: start_factor", start_factor, UP_TO_ONE)
        if after is not None and (not isinstance(after, LRScheduler) or after.optimizer is not optimizer):
            raise TypeError(
                f"LinearWarmup: after: expected a schedule of the same optimiser, got {type(after).__name__}"
            )
        self.after = after
        super().__init__(optimizer)
        if after is not None:
            self.base_lrs = list(after.base_lrs)  # not the rates that `after` set at its t = 0
            self._set()

    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` steps."""
        if t >= self.steps:
            return base_lr if self.after is None else self.after.lr_at(t - self.steps, base_lr)
        return base_lr * (self.start_factor + (1 - self.start_factor) * t / self.steps)


class OneCycleLR(LRScheduler):
    """Up from `max_lr / div_factor` to `max_lr`, then down to `max_lr / div_factor / final_div_factor`.

    The fraction `pct_start` of the `total_steps` steps goes up, along half a cosine wave ("cos") or a straight line
    ("linear"). With `cycle_momentum` the optimiser's momentum, or Adam's first beta, moves the opposite way between
    `max_momentum` and `base_momentum`. The schedule is PyTorch's. After `total_steps - 1` steps it stays at its final
    value.

    Source: Smith & Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates" (2018).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        name = "OneCycleLR"
        _check_optimizer(name, optimizer)
        choice(f"{name}: anneal_strategy", anneal_strategy, ("cos", "linear"))
        if not 0 <= base_momentum <= max_momentum < 1:
            raise ValueError(
                f"{name}: expected 0 <= base_momentum <= max_momentum < 1, got {base_momentum} and {max_momentum}"
            )
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError(f"{name}: {type(optimizer).__name__} has no momentum; pass cycle_momentum=False")
        groups = optimizer.param_groups
        peaks = max_lr if isinstance(max_lr, Sequence) else [max_lr] * len(groups)
        peaks = [number(f"{name}: max_lr", peak, POSITIVE) for peak in peaks]
        if len(peaks) != len(groups):
            raise ValueError(f"{name}: max_lr: expected one number or {len(groups)}, one for each group, got {max_lr}")
        self.total_steps = count(f"{name}: total_steps", total_steps, 2)
        self.peak = number(f"{name}: pct_start", pct_start, UP_TO_ONE) * self.total_steps - 1
        self.curve = _cosine if anneal_strategy == "cos" else _line
        self.momenta = (max_momentum, base_momentum) if cycle_momentum else None
        self.div_factor = number(f"{name}: div_factor", div_factor, POSITIVE)
        self.final_div_factor = number(f"{name}: final_div_factor", final_div_factor, POSITIVE)
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak
        super().__init__(optimizer)

    def lr_at(self, t: int, base_lr: float) -> float:
        """Return the learning rate after `t` steps, where `base_lr` is the group's `max_lr`."""
        initial = base_lr / self.div_factor
        return self._between(t, initial, base_lr, initial / self.final_div_factor)

    def _between(self, t: int, start: float, middle: float, end: float) -> float:
        last = self.total_steps - 1
        t = min(t, last)
        if t <= self.peak:
            return self.curve(start, middle, t / self.peak if self.peak else 1.0)
        return self.curve(middle, end, (t - self.peak) / (last - self.peak))

    def _set(self) -> None:
        super()._set()
        if self.momenta is not None:
            high, low = self.momenta
            momentum = self._between(self.last_epoch, high, low, high)
            for group in self.optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum


class ReduceLROnPlateau:
    """Multiply the learning rate by `factor` when a metric has not improved for more than `patience` steps.

    Call `step(measure)` with, for example, the validation loss; `mode` says whether "min" or "max" is better. Only a
    change by more than `threshold`, relative ("rel") or absolute ("abs"), counts as an improvement. After a reduction,
    `cooldown` steps do not count; the learning rate does not fall below `min_lr`, nor change by less than `eps`. The
    schedule is PyTorch's; NaN is not an improvement.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        name = "ReduceLROnPlateau"
        _check_optimizer(name, optimizer)
        choice(f"{name}: mode", mode, ("min", "max"))
        choice(f"{name}: threshold_mode", threshold_mode, ("rel", "abs"))
        self.optimizer, self.mode, self.threshold_mode = optimizer, mode, threshold_mode
        self.factor = number(f"{name}: factor", factor, BELOW_ONE)
        self.patience = count(f"{name}: patience", patience, 0)
        self.cooldown = count(f"{name}: cooldown", cooldown, 0)
        self.threshold = number(f"{name}: threshold", threshold, NOT_NEGATIVE)
        self.min_lr = number(f"{name}: min_lr", min_lr, NOT_NEGATIVE)
        self.eps = number(f"{name}: eps", eps, NOT_NEGATIVE)
        self.best: float | None = None
        self.num_bad_epochs = self.cooldown_counter = 0

    def step(self, measure: Any) -> None:
        """Record the metric, a number or a tensor with one element, and reduce the learning rates if it is time."""
        effect(self._take, measure, writes=())

    def _take(self, measure: Any) -> None:
        value = float(measure)
        if self._better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group in self.optimizer.param_groups:
                lr = max(group["lr"] * self.factor, self.min_lr)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def _better(self, value: float) -> bool:
        if self.best is None:
            return not math.isnan(value)
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * value < sign * self.best * (1 - sign * self.threshold)
        return sign * value < sign * self.best - self.threshold

    def __repr__(self) -> str:
        return shown(self, self.get_last_lr())

    def get_last_lr(self) -> list[float]:
        """Return the learning rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the schedule, as numbers."""
        return {name: getattr(self, name) for name in ("best", "num_bad_epochs", "cooldown_counter")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a `state_dict`; nothing is changed if it does not fit."""
        what = "ReduceLROnPlateau.load_state_dict"
        _check_keys(what, state, {"best", "num_bad_epochs", "cooldown_counter"})
        counts = [count(f"{what}: {name}", state[name], 0) for name in ("num_bad_epochs", "cooldown_counter")]
        best = state["best"]
        self.best = None if best is None else float(best)
        self.num_bad_epochs, self.cooldown_counter = counts


def _line(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _check_optimizer(what: str, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{what}: expected an optimiser, got {type(optimizer).__name__}")


def _check_keys(what: str, state: Any, keys: set[str]) -> None:
    if not isinstance(state, Mapping) or set(state) != keys:
        got = sorted(state) if isinstance(state, Mapping) else type(state).__name__
        raise ValueError(f"{what}: expected a dict with {sorted(keys)}, got {got}")


if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__, "; PyTorch's other schedules are in chainrule.torch.optim.lr_scheduler")
