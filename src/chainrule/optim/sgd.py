"""Stochastic gradient descent."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from chainrule.kernels.numbers import where

from .checks import BELOW_ONE, NOT_NEGATIVE, UP_TO_ONE
from .optimizer import Optimizer, Ranges, given


class SGD(Optimizer):
    r"""Stochastic gradient descent, optionally with momentum.

    With the gradient $g = \bar\theta + \lambda\theta$ (λ is `weight_decay`), μ = `momentum` and d = `dampening`:
    $b \leftarrow \mu b + (1 - d)\,g$, except that b starts as g, and $\theta \leftarrow \theta - \mathrm{lr}\,b$; with
    `nesterov` $\theta \leftarrow \theta - \mathrm{lr}\,(g + \mu b)$. The update is PyTorch's.

    Sources: Polyak, "Some methods of speeding up the convergence of iteration methods" (1964); Sutskever, Martens, Dahl
    & Hinton, "On the importance of initialization and momentum in deep learning" (2013), whose velocity is −lr · b.

    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> w = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy()
    array([ 0.8, -1.6])
    """

    ranges: ClassVar[Ranges] = {
        "lr": NOT_NEGATIVE,
        "momentum": BELOW_ONE,
        "dampening": UP_TO_ONE,
        "weight_decay": NOT_NEGATIVE,
    }
    flags = ("nesterov", "maximize")

    def __init__(
        self,
        params: Any,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        dampening: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(**given(locals()))

    def _checked(self, what: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        checked = super()._checked(what, settings)
        if checked["nesterov"] and (checked["momentum"] == 0 or checked["dampening"] != 0):
            raise ValueError(
                f"{what}: nesterov=True needs a momentum greater than 0, for example momentum=0.9, and no dampening"
            )
        return checked

    def _slots(self, settings: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0, "momentum_buffer": 0.0} if settings["momentum"] else {}

    def _kernel(self, settings: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        return ("sgd_momentum", ("momentum_buffer",)) if settings["momentum"] else ("sgd", ())

    def _numbers(self, kernel: str, step: Any, settings: Mapping[str, Any]) -> tuple[Any, ...]:
        lr, momentum, weight_decay = settings["lr"], settings["momentum"], settings["weight_decay"]
        if kernel == "sgd":
            return lr, weight_decay
        share = where(step == 1, 1.0, 1 - settings["dampening"])
        return lr, momentum, share, settings["nesterov"], weight_decay

    def _descend(self, value: Any, grad: Any, states: Sequence[Any], numbers: Sequence[float]) -> None:
        lr, *of_momentum, weight_decay = numbers
        if weight_decay:
            grad = grad + weight_decay * value
        for buffer in states:
            momentum, share, nesterov = of_momentum
            buffer *= momentum
            buffer += grad if share == 1 else share * grad
            grad = grad + momentum * buffer if nesterov else buffer
        value -= lr * grad
