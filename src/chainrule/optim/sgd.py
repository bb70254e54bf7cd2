"""Stochastic gradient descent."""

from collections.abc import Mapping
from typing import Any, ClassVar

from .checks import BELOW_ONE, NOT_NEGATIVE, UP_TO_ONE
from .optimizer import Optimizer, Ranges


class SGD(Optimizer):
    r"""Stochastic gradient descent, with momentum if you like.

    With the gradient $g = \bar\theta + \lambda\theta$ (λ is `weight_decay`), μ = `momentum` and d = `dampening`:
    $b \leftarrow \mu b + (1 - d)\,g$, except that b begins as g, and $\theta \leftarrow \theta - \mathrm{lr}\,b$; with
    `nesterov` $\theta \leftarrow \theta - \mathrm{lr}\,(g + \mu b)$. The same as PyTorch's.

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
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
            dampening=dampening,
            maximize=maximize,
        )

    def _checked(self, what: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        checked = super()._checked(what, settings)
        if checked["nesterov"] and (checked["momentum"] == 0 or checked["dampening"] != 0):
            raise ValueError(
                f"{what}: nesterov=True needs a momentum greater than 0, for example momentum=0.9, and no dampening"
            )
        return checked

    def _slots(self, settings: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0, "momentum_buffer": 0.0} if settings["momentum"] else {}

    def _update(self, value: Any, grad: Any, state: dict[str, Any], settings: dict[str, Any]) -> None:
        momentum, weight_decay = settings["momentum"], settings["weight_decay"]
        if weight_decay:
            grad = grad + weight_decay * value
        if momentum:
            buffer = state["momentum_buffer"]
            buffer *= momentum
            buffer += grad if state["step"] == 0 else (1 - settings["dampening"]) * grad
            state["step"] += 1
            grad = grad + momentum * buffer if settings["nesterov"] else buffer
        value -= settings["lr"] * grad
