"""Optimisers that scale each element's step by the size of its past gradients."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule.kernels.numbers import power, square_root

from .checks import BELOW_ONE, NOT_NEGATIVE
from .optimizer import Optimizer, Ranges, given


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
    r"""Adam: each step is the gradient's running mean over the root of its running mean square.

    $m \leftarrow \beta_1 m + (1 - \beta_1) g$, $v \leftarrow \beta_2 v + (1 - \beta_2) g^2$,
    $\theta \leftarrow \theta - \mathrm{lr}\,\frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$. A
    `weight_decay` λ is added to the gradient, $g = \bar\theta + \lambda\theta$; `AdamW` applies it separately. With
    `amsgrad`, the root is of the largest v so far. The update is PyTorch's.

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
        super().__init__(**given(locals()))

    def _slots(self, settings: Mapping[str, Any]) -> dict[str, float]:
        largest = {"max_exp_avg_sq": 0.0} if settings["amsgrad"] else {}
        return {"step": 0, "exp_avg": 0.0, "exp_avg_sq": 0.0, **largest}

    def _decays(self, settings: Mapping[str, Any]) -> tuple[float, float]:
        """Return the multiple of the weights to add to the gradient, and the factor that shrinks them before the
        step.
        """
        return settings["weight_decay"], 1.0

    def _kernel(self, settings: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        if settings["amsgrad"]:
            return "adam_amsgrad", ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        return "adam", ("exp_avg", "exp_avg_sq")

    def _numbers(self, kernel: str, step: Any, settings: Mapping[str, Any]) -> tuple[Any, ...]:  # noqa: ARG002
        (beta1, beta2), (weight_decay, shrink) = settings["betas"], self._decays(settings)
        rate, divisor = settings["lr"] / (1 - power(beta1, step)), square_root(1 - power(beta2, step))
        return rate, beta1, beta2, divisor, settings["eps"], weight_decay, shrink

    def _descend(self, value: Any, grad: Any, states: Sequence[Any], numbers: Sequence[float]) -> None:
        rate, beta1, beta2, divisor, eps, weight_decay, shrink = numbers
        mean, square, *largest = states
        if shrink != 1:
            value *= shrink
        if weight_decay:
            grad = grad + weight_decay * value
        _average(mean, grad, beta1)
        _average(square, grad * grad, beta2)
        for top in largest:
            square = np.maximum(top, square, out=top)
        value -= rate * mean / _root(square, divisor, eps)


class AdamW(Adam):
    r"""Adam with decoupled weight decay: $\theta \leftarrow (1 - \mathrm{lr}\,\lambda)\,\theta$ before Adam's step.

    The update is PyTorch's.

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

    def _decays(self, settings: Mapping[str, Any]) -> tuple[float, float]:
        return 0.0, 1 - settings["lr"] * settings["weight_decay"]


class RMSprop(Optimizer):
    r"""RMSprop: each step is the gradient over the root of its running mean square.

    $v \leftarrow \alpha v + (1 - \alpha) g^2$, $\theta \leftarrow \theta - \mathrm{lr}\,\frac{g}{\sqrt v + \epsilon}$;
    with `momentum` μ, $b \leftarrow \mu b + \frac{g}{\sqrt v + \epsilon}$ and
    $\theta \leftarrow \theta - \mathrm{lr}\,b$. If `centered`, the root is of v minus the square of the gradient's
    running mean, which estimates the gradient's variance. The update is PyTorch's.

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
        super().__init__(**given(locals()))

    def _slots(self, settings: Mapping[str, Any]) -> dict[str, float]:
        slots = {"square_avg": 0.0}
        slots |= {"grad_avg": 0.0} if settings["centered"] else {}
        return slots | ({"momentum_buffer": 0.0} if settings["momentum"] else {})

    def _kernel(self, settings: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        kernel = "rmsprop" + "_centered" * bool(settings["centered"]) + "_momentum" * bool(settings["momentum"])
        return kernel, tuple(self._slots(settings))

    def _numbers(self, kernel: str, step: Any, settings: Mapping[str, Any]) -> tuple[Any, ...]:  # noqa: ARG002
        momentum = (settings["momentum"],) if kernel.endswith("momentum") else ()
        return settings["lr"], settings["alpha"], settings["eps"], *momentum, settings["weight_decay"]

    def _descend(self, value: Any, grad: Any, states: Sequence[Any], numbers: Sequence[float]) -> None:
        lr, alpha, eps, *momentum, weight_decay = numbers
        square, *others = states
        if weight_decay:
            grad = grad + weight_decay * value
        _average(square, grad * grad, alpha)
        buffers = [others.pop()] if momentum else []
        for mean in others:
            _average(mean, grad, alpha)
            square = square - mean * mean
        direction = grad / _root(square, 1, eps)
        for buffer in buffers:
            buffer *= momentum[0]
            buffer += direction
            direction = buffer
        value -= lr * direction


class Adagrad(Optimizer):
    r"""Adagrad: each step is the gradient over the root of the sum of all its past squares.

    $s \leftarrow s + g^2$,
    $\theta \leftarrow \theta - \frac{\mathrm{lr}}{1 + (t - 1)\,\eta} \frac{g}{\sqrt s + \epsilon}$ with η = `lr_decay`.
    The update is PyTorch's.

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
        super().__init__(**given(locals()))

    def _slots(self, settings: Mapping[str, Any]) -> dict[str, float]:
        return {"step": 0, "sum": settings["initial_accumulator_value"]}

    def _kernel(self, settings: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:  # noqa: ARG002
        return "adagrad", ("sum",)

    def _numbers(self, kernel: str, step: Any, settings: Mapping[str, Any]) -> tuple[Any, ...]:  # noqa: ARG002
        rate = settings["lr"] / (1 + (step - 1) * settings["lr_decay"])
        return rate, settings["eps"], settings["weight_decay"]

    def _descend(self, value: Any, grad: Any, states: Sequence[Any], numbers: Sequence[float]) -> None:
        (rate, eps, weight_decay), (total,) = numbers, states
        if weight_decay:
            grad = grad + weight_decay * value
        total += grad * grad
        value -= rate * grad / _root(total, 1, eps)
