"""Schedules of the learning rate: call `step()` after each epoch, or each step for those by steps."""

import bisect
import math
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.core.traces.capturing import effect

from ..face import unwrapped
from ..missing import lacking as _lacking


class LRScheduler:
    """The base of schedules; a subclass defines `get_lr()`, the rates at `last_epoch`."""

    def __init__(self, optimizer: Any, last_epoch: int = -1) -> None:
        self.optimizer, self.last_epoch = optimizer, last_epoch
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError("param 'initial_lr' is not specified in param_groups when resuming an optimizer")
        self.base_lrs = [float(group["initial_lr"]) for group in optimizer.param_groups]
        self._step_count = 0
        self.step()

    def get_lr(self) -> list[float]:
        """Return the rate of each group at `last_epoch`."""
        raise TypeError(f"{type(self).__name__}: define get_lr()")

    def get_last_lr(self) -> list[float]:
        """Return the rates that are set now."""
        return self._last_lr

    def step(self, epoch: Any = None) -> None:
        """Set the rates of the next epoch, or of a given one."""
        effect(self._advance, epoch, writes=())

    def _advance(self, epoch: Any) -> None:
        self._step_count += 1
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = rate
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimiser."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer" and not callable(value)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a state."""
        self.__dict__.update(state_dict)

    def _now(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]


_LRScheduler = LRScheduler


class LambdaLR(LRScheduler):
    """The initial rate times a function of the epoch."""

    def __init__(self, optimizer: Any, lr_lambda: Any, last_epoch: int = -1) -> None:
        count = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, list | tuple) else [lr_lambda] * count
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates."""
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but optimiser and functions."""
        return {key: value for key, value in super().state_dict().items() if key != "lr_lambdas"}


class MultiplicativeLR(LambdaLR):
    """The last rate times a function of the epoch."""

    def get_lr(self) -> list[float]:
        """Return the rates."""
        if self.last_epoch == 0:
            return self._now()
        return [now * f(self.last_epoch) for now, f in zip(self._now(), self.lr_lambdas, strict=True)]


class _Chained(LRScheduler):
    """A schedule that multiplies the current rate, so that several can act together."""

    def factor(self) -> float:
        """Return by what the rate changes at `last_epoch`."""
        return 1.0

    def get_lr(self) -> list[float]:
        """Return the rates."""
        factor = self.factor() if self.last_epoch > 0 else self.first()
        return [now * factor for now in self._now()]

    def first(self) -> float:
        """Return by what the rate is multiplied at the beginning."""
        return 1.0


class StepLR(_Chained):
    """The rate times gamma every `step_size` epochs."""

    def __init__(self, optimizer: Any, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        """Return the factor."""
        return self.gamma if self.last_epoch % self.step_size == 0 else 1.0


class MultiStepLR(_Chained):
    """The rate times gamma at given epochs."""

    def __init__(self, optimizer: Any, milestones: Sequence[int], gamma: float = 0.1, last_epoch: int = -1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        """Return the factor."""
        return float(self.gamma ** self.milestones.count(self.last_epoch))


class ExponentialLR(_Chained):
    """The rate times gamma at each epoch."""

    def __init__(self, optimizer: Any, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        """Return the factor."""
        return self.gamma


class ConstantLR(_Chained):
    """The rate times a factor for a number of epochs."""

    def __init__(self, optimizer: Any, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        self._by, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def first(self) -> float:
        """Return the factor."""
        return self._by

    def factor(self) -> float:
        """Return its inverse at the end."""
        return 1 / self._by if self.last_epoch == self.total_iters else 1.0


class LinearLR(_Chained):
    """The rate times a factor that changes linearly."""

    def __init__(
        self,
        optimizer: Any,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _at(self, epoch: int) -> float:
        part = min(epoch, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * part

    def first(self) -> float:
        """Return the first factor."""
        return self.start_factor

    def factor(self) -> float:
        """Return the factor relative to the last."""
        return self._at(self.last_epoch) / self._at(self.last_epoch - 1)


class PolynomialLR(_Chained):
    """The rate going to 0 as a power of the remaining part."""

    def __init__(self, optimizer: Any, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor(self) -> float:
        """Return the factor relative to the last."""
        if self.last_epoch > self.total_iters:
            return 1.0
        before, now = (1 - (self.last_epoch - k) / self.total_iters for k in (1, 0))
        return float((now / before) ** self.power)


class CosineAnnealingLR(LRScheduler):
    """The rate going to `eta_min` by half a cosine."""

    def __init__(self, optimizer: Any, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates."""
        t, low = self.last_epoch, self.eta_min
        if t == 0:
            return self._now()
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:
            return [
                now + (base - low) * (1 - math.cos(math.pi / self.T_max)) / 2
                for now, base in zip(self._now(), self.base_lrs, strict=True)
            ]
        ratio = (1 + math.cos(math.pi * t / self.T_max)) / (1 + math.cos(math.pi * (t - 1) / self.T_max))
        return [ratio * (now - low) + low for now in self._now()]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half cosines that start again, each `T_mult` times as long."""

    def __init__(self, optimizer: Any, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        self._at: float | None = None
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return the rates."""
        t, length = float(self.last_epoch if self._at is None else self._at), float(self.T_0)
        while t >= length:
            t, length = t - length, length * self.T_mult
        return [self.eta_min + (b - self.eta_min) * (1 + math.cos(math.pi * t / length)) / 2 for b in self.base_lrs]

    def _advance(self, epoch: float | None) -> None:
        self._at = epoch
        super()._advance(None if epoch is None else math.floor(epoch))


class CyclicLR(LRScheduler):
    """The rate going up and down between two limits."""

    def __init__(
        self,
        optimizer: Any,
        base_lr: float,
        max_lr: float,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.low, self.high, self.mode, self.gamma = base_lr, max_lr, mode, gamma
        self.up, self.down = step_size_up, step_size_down or step_size_up
        self._scale, self.scale_mode = scale_fn, scale_mode
        self._momenta = (base_momentum, max_momentum) if cycle_momentum else None
        if cycle_momentum and "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        for group in optimizer.param_groups:
            group["lr"] = base_lr
        super().__init__(optimizer, last_epoch)

    def _scaled(self, cycle: int) -> float:
        if self._scale is not None:
            return self._scale(cycle if self.scale_mode == "cycle" else self.last_epoch)
        return {"triangular": 1.0, "triangular2": 1 / 2.0 ** (cycle - 1), "exp_range": self.gamma**self.last_epoch}[
            self.mode
        ]

    def get_lr(self) -> list[float]:
        """Return the rates."""
        total = self.up + self.down
        cycle = math.floor(1 + self.last_epoch / total)
        x, up = 1 + self.last_epoch / total - cycle, self.up / total
        height = (x / up if x <= up else (x - 1) / (up - 1)) * self._scaled(cycle)
        if self._momenta is not None:
            low, high = self._momenta
            _set_momentum(self.optimizer, high - (high - low) * height)
        return [self.low + (self.high - self.low) * height for _ in self.base_lrs]


def _set_momentum(optimizer: Any, value: float) -> None:
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class OneCycleLR(LRScheduler):
    """The rate rising to a maximum and falling far below its start, momentum the other way."""

    def __init__(
        self,
        optimizer: Any,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
            total_steps = epochs * steps_per_epoch
        self.total_steps, self._anneal = total_steps, anneal_strategy
        tops = list(max_lr) if isinstance(max_lr, list | tuple) else [max_lr] * len(optimizer.param_groups)
        self._tops = [float(top) for top in tops]
        self._divisors = (div_factor, final_div_factor)
        self._momenta = (base_momentum, max_momentum) if cycle_momentum else None
        peak = pct_start * total_steps - 1
        self._ends = [peak, 2 * peak, total_steps - 1] if three_phase else [peak, total_steps - 1]
        for group, top in zip(optimizer.param_groups, self._tops, strict=True):
            group["lr"] = top / div_factor
        super().__init__(optimizer, last_epoch)

    def _between(self, a: float, b: float, part: float) -> float:
        return a + (b - a) * part if self._anneal == "linear" else b + (a - b) / 2 * (1 + math.cos(math.pi * part))

    def _values(self, top: float) -> list[float]:
        start = top / self._divisors[0]
        end = start / self._divisors[1]
        return [start, top, start, end] if len(self._ends) == 3 else [start, top, end]

    def get_lr(self) -> list[float]:
        """Return the rates."""
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"Tried to step {t} times. The specified number of total steps is {self.total_steps}")
        phase = min(bisect.bisect_left(self._ends, t), len(self._ends) - 1)
        begin = self._ends[phase - 1] if phase else 0
        part = (t - begin) / (self._ends[phase] - begin)
        if self._momenta is not None:
            low, high = self._momenta
            path = [high, low, high, high]
            _set_momentum(self.optimizer, self._between(path[phase], path[phase + 1], part))
        paths = [self._values(top)[phase : phase + 2] for top in self._tops]
        return [self._between(a, b, part) for a, b in paths]


class SequentialLR(LRScheduler):
    """Schedules one after the other, changing at milestones."""

    def __init__(
        self, optimizer: Any, schedulers: Sequence[Any], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        self.optimizer, self._schedulers, self._milestones = optimizer, list(schedulers), list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for one in self._schedulers:
            one.last_epoch -= 1
        self._schedulers[0].step()
        self._last_lr = self._schedulers[0].get_last_lr()

    def _advance(self, epoch: Any) -> None:
        self.last_epoch += 1
        k = bisect.bisect_right(self._milestones, self.last_epoch)
        if k > 0 and self._milestones[k - 1] == self.last_epoch:
            self._schedulers[k].step(0)
        else:
            self._schedulers[k].step()
        self._last_lr = self._schedulers[k].get_last_lr()


class ChainedScheduler:
    """Schedules that act together."""

    def __init__(self, schedulers: Sequence[Any], optimizer: Any = None) -> None:
        self._schedulers = list(schedulers)
        self.optimizer = optimizer or self._schedulers[0].optimizer

    def step(self) -> None:
        """Set the rates of the next epoch."""
        for one in self._schedulers:
            one.step()

    def get_last_lr(self) -> list[float]:
        """Return the rates that are set now."""
        return [group["lr"] for group in self.optimizer.param_groups]


class ReduceLROnPlateau:
    """The rate times a factor after `patience` epochs without improvement: `step(metric)`."""

    def __init__(
        self,
        optimizer: Any,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0,
        eps: float = 1e-8,
        verbose: Any = None,
    ) -> None:
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0.")
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        count = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, list | tuple) else [min_lr] * count
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def _is_better(self, value: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * value < sign * self.best * (1 - sign * self.threshold) if math.isfinite(self.best) else True
        return sign * value < sign * self.best - self.threshold

    def step(self, metrics: Any, epoch: Any = None) -> None:
        """Note a metric, and lower the rates if it has not improved for too long."""
        effect(self._note, unwrapped(metrics), writes=())

    def _note(self, metric: Any) -> None:
        self.last_epoch += 1
        value = float(metric)
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, low in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                new = max(group["lr"] * self.factor, low)
                if group["lr"] - new > self.eps:
                    group["lr"] = new
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self.get_last_lr()

    def get_last_lr(self) -> list[float]:
        """Return the rates that are set now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    state_dict: Any = LRScheduler.state_dict
    load_state_dict: Any = LRScheduler.load_state_dict


__getattr__ = _lacking(__name__)
