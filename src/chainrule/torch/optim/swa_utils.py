"""`torch.optim.swa_utils`: averages of a model's weights over training, and the learning rate for them.

P. Izmailov et al., "Averaging weights leads to wider optima and better generalization" (2018); exponential moving
averages are `AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))`.
"""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import creation
from ..autograd.modes import no_grad
from ..face import Tensor
from ..missing import lacking as _lacking
from ..nn.layers import _BatchNorm
from ..nn.module import Module
from .lr_scheduler import LRScheduler

Average = Callable[..., Any]


def get_swa_avg_fn() -> Average:
    """Return the function that takes the mean of all weights so far: `(averaged, new, count)` to the next one."""
    return lambda averaged, new, count: averaged + (new - averaged) / (count + 1)


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """Return the function that keeps `decay` of the average and takes the rest from the new weights."""
    _check_decay(decay)
    return lambda averaged, new, _count: decay * averaged + (1 - decay) * new


def _of_lists(average: Average) -> Average:
    def update(averaged: Sequence[Any], new: Sequence[Any], count: Any) -> None:
        for mine, theirs in zip(averaged, new, strict=True):
            mine.copy_(average(mine, theirs, count))

    return update


def get_swa_multi_avg_fn() -> Average:
    """Return `get_swa_avg_fn()` for lists, which writes to the first one."""
    return _of_lists(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Average:
    """Return `get_ema_avg_fn(decay)` for lists, which writes to the first one."""
    return _of_lists(get_ema_avg_fn(decay))


def _check_decay(decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


class AveragedModel(Module):
    """A copy of a model, `module`, whose parameters are averages: call `update_parameters(model)` after each step.

    With `use_buffers` buffers are averaged, too, and else copied.

    >>> import chainrule.torch as torch
    >>> model = torch.nn.Linear(2, 1)
    >>> averaged = torch.optim.swa_utils.AveragedModel(model)
    >>> averaged.update_parameters(model)
    >>> bool((averaged.module.weight == model.weight).all()), int(averaged.n_averaged)
    (True, 1)
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Average | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", creation.tensor(0))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the averaged model returns."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take a model's present weights into the average."""
        of_integers = _of_lists(self.avg_fn or get_swa_avg_fn())
        average = self.multi_avg_fn or of_integers
        with no_grad():
            mine, theirs = list(self.module.parameters()), list(model.parameters())
            if self.use_buffers:
                mine, theirs = [*mine, *self.module.buffers()], [*theirs, *model.buffers()]
            if int(self.n_averaged) == 0:
                for a, b in zip(mine, theirs, strict=True):
                    a.copy_(b)
            else:
                pairs = list(zip(mine, (b.detach() for b in theirs), strict=True))
                for function, is_float in ((average, True), (of_integers, False)):
                    chosen = [pair for pair in pairs if pair[0].is_floating_point() == is_float]
                    if chosen:
                        function(*map(list, zip(*chosen, strict=True)), self.n_averaged)
            if not self.use_buffers:
                for a, b in zip(self.module.buffers(), model.buffers(), strict=True):
                    a.copy_(b)
            self.n_averaged += 1


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch normalisations anew, from a loader's inputs."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    if not norms:
        return
    momenta = {norm: norm.momentum for norm in norms}
    was_training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    with no_grad():
        for batch in loader:
            model(batch[0] if isinstance(batch, list | tuple) else batch)
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """The way from the present learning rate to `swa_lr`, in `anneal_epochs` steps along a line or a cosine."""

    def __init__(
        self,
        optimizer: Any,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        rates = swa_lr if isinstance(swa_lr, list | tuple) else [swa_lr] * len(optimizer.param_groups)
        if len(rates) != len(optimizer.param_groups):
            raise ValueError(
                f"swa_lr must have the same length as optimizer.param_groups: swa_lr has {len(rates)}, "
                f"optimizer.param_groups has {len(optimizer.param_groups)}"
            )
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _part(self, step: int) -> float:
        """Return which part of the way is done after so many steps."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        """Return the rate of each group; another schedule may have changed the one it starts from."""
        step = self._step_count - 1
        step = max(1, step) if self.anneal_epochs == 0 else step
        before, now = self._part(step - 1), self._part(step)
        found = []
        for group in self.optimizer.param_groups:
            end = group["swa_lr"]
            start = end if before == 1 else (group["lr"] - before * end) / (1 - before)
            found.append(end * now + start * (1 - now))
        return found


__getattr__ = _lacking(__name__)
