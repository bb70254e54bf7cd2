"""Optimisers that scale each element's step by the size of its past gradients."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .checks import BELOW_ONE, NOT_NEGATIVE
from .optimizer import Optimizer, Ranges


def _average(mean: Any, new: Any, decay: float) -> None:
    """Set `mean ← decay · mean + (1 − decay) · new`, in place."""
    mean *= decay
    mean += (1 - decay) * new


def _root(square: Any, divisor: float, eps: float) -> Any:
    """Return `√square / divisor + eps`."""
    root = np.asarray(np.sqrt(square))
    if divisor != 1:
        root /= divisor
    root += eps
    return root


class Adam(Optimizer):
    r"""Adam: steps of the gradient's running mean over the root of its running square.

    $m \leftarrow \beta_1 m + (1 - \beta_1) g$, $v \leftarrow \beta_2 v + (1 - \beta_2) g^2$,
    $\theta \leftarrow \theta - \mathrm{lr}\,\frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$. A
    `weight_decay` λ is added to the gradient, $g = \bar\theta + \lambda\theta$; `AdamW` keeps it apart. With
    `amsgrad` the root is of the largest v so far. The same as PyTorch's.

    Sources: Kingma & Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1; Reddi, Kale & Kumar, "On the
    Convergence of Adam and Beyond" (2018), algorithm 2.

    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> w = cr.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.Adam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy()
    array([ 0.9, -1.9])
    """

    ranges: ClassVar[Ranges] = {
        "lr": NOT_NEGATIVE,
        "betas": (BELOW_ONE, BELOW_ONE),
        "eps": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
    }
    flags = ("amsgrad", "maximize")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize
        )

    def _slots(self, settings: Mapping[str, Any]) -> dict[str, float]:
        largest = {"max_exp_avg_sq": 0.0} if settings["amsgrad"] else {}
        return {"step": 0, "exp_avg": 0.0, "exp_avg_sq": 0.0, **largest}

    def _update(self, value: Any, grad: Any, state: dict[str, Any], settings: dict[str, Any]) -> None:
        if settings["weight_decay"]:
            grad = grad + settings["weight_decay"] * value
        self._descend(value, grad, state, settings)

    def _descend(self, value: Any, grad: Any, state: dict[str, Any], settings: dict[str, Any]) -> None:
        state["step"] += 1
        step, (beta1, beta2) = state["step"], settings["betas"]
        _average(state["exp_avg"], grad, beta1)
        _average(state["exp_avg_sq"], grad * grad, beta2)
        square = state["exp_avg_sq"]
        if settings["amsgrad"]:
            square = np.maximum(state["max_exp_avg_sq"], square, out=state["max_exp_avg_sq"])
        root = _root(square, math.sqrt(1 - beta2**step), settings["eps"])
        value -= settings["lr"] / (1 - beta1**step) * state["exp_avg"] / root


class AdamW(Adam):
    r"""Adam with decoupled weight decay: $\theta \leftarrow (1 - \mathrm{lr}\,\lambda)\,\theta$ before Adam's step.

    The same as PyTorch's.

    Source: Loshchilov & Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize)

    def _update(self, value: Any, grad: Any, state: dict[str, Any], settings: dict[str, Any]) -> None:
        value *= 1 - settings["lr"] * settings["weight_decay"]
        self._descend(value, grad, state, settings)


class RMSprop(Optimizer):
    r"""RMSprop: steps of the gradient over the root of its running square.

    $v \leftarrow \alpha v + (1 - \alpha) g^2$, $\theta \leftarrow \theta - \mathrm{lr}\,\frac{g}{\sqrt v + \epsilon}$;
    with `momentum` μ, $b \leftarrow \mu b + \frac{g}{\sqrt v + \epsilon}$ and
    $\theta \leftarrow \theta - \mathrm{lr}\,b$. If `centered`, the root is of v minus the square of the gradient's
    running mean, which estimates the gradient's variance. The same as PyTorch's.

    Sources: Tieleman & Hinton, "Neural Networks for Machine Learning", lecture 6.5 (2012); centered: Graves,
    "Generating sequences with recurrent neural networks" (2013), equations 38 to 41.
    """

    ranges: ClassVar[Ranges] = {
        "lr": NOT_NEGATIVE,
        "alpha": BELOW_ONE,
        "eps": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
        "momentum": BELOW_ONE,
    }
    flags = ("centered", "maximize")

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            maximize=maximize,
        )

    def _slots(self, settings: Mapping[str, Any]) -> dict[str, float]:
        slots = {"square_avg": 0.0}
        slots |= {"grad_avg": 0.0} if settings["centered"] else {}
        return slots | ({"momentum_buffer": 0.0} if settings["momentum"] else {})

    def _update(self, value: Any, grad: Any, state: dict[str, Any], settings: dict[str, Any]) -> None:
        if settings["weight_decay"]:
            grad = grad + settings["weight_decay"] * value
        _average(state["square_avg"], grad * grad, settings["alpha"])
        square = state["square_avg"]
        if settings["centered"]:
            _average(state["grad_avg"], grad, settings["alpha"])
            square = square - state["grad_avg"] * state["grad_avg"]
        direction = grad / _root(square, 1, settings["eps"])
        if settings["momentum"]:
            buffer = state["momentum_buffer"]
            buffer *= settings["momentum"]
            buffer += direction
            direction = buffer
        value -= settings["lr"] * direction


class Adagrad(Optimizer):
    r"""Adagrad: steps of the gradient over the root of the sum of all its squares.

    $s \leftarrow s + g^2$,
    $\theta \leftarrow \theta - \frac{\mathrm{lr}}{1 + (t - 1)\,\eta} \frac{g}{\sqrt s + \epsilon}$ with η = `lr_decay`.
    The same as PyTorch's.

    Source: Duchi, Hazan & Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization"
    (2011), figure 1.
    """

    ranges: ClassVar[Ranges] = {
        "lr": NOT_NEGATIVE,
        "lr_decay": NOT_NEGATIVE,
        "weight_decay": NOT_NEGATIVE,
        "initial_accumulator_value": NOT_NEGATIVE,
        "eps": NOT_NEGATIVE,
    }

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )

    def _slots(self, settings: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0, "sum": settings["initial_accumulator_value"]}

    def _update(self, value: Any, grad: Any, state: dict[str, Any], settings: dict[str, Any]) -> None:
        state["step"] += 1
        if settings["weight_decay"]:
            grad = grad + settings["weight_decay"] * value
        state["sum"] += grad * grad
        lr = settings["lr"] / (1 + (state["step"] - 1) * settings["lr_decay"])
        value -= lr * grad / _root(state["sum"], 1, settings["eps"])
