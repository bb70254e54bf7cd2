"""Modules that are a function and its settings: all activations and losses."""

from collections.abc import Callable
from typing import Any, ClassVar

from . import functional
from .inputs import settings_of
from .module import Module


class Function(Module):
    """A module without parameters that calls `function`; it is made with the function's settings.

    >>> from chainrule import nn
    >>> nn.LeakyReLU(negative_slope=0.5)(-2.0).item(), nn.LeakyReLU(0.5)
    (-1.0, LeakyReLU(negative_slope=0.5))
    """

    function: ClassVar[Callable[..., Any]]
    inputs: ClassVar[int] = 1
    """How many arguments of `function` come at each call; all others are settings."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__()
        self.settings = settings_of(type(self).__name__, type(self).function, self.inputs, args, settings)

    def forward(self, *inputs: Any) -> Any:
        """Return the function of the inputs."""
        if len(inputs) != self.inputs:
            raise TypeError(f"{type(self).__name__}: expected {self.inputs} inputs, got {len(inputs)}")
        return type(self).function(*inputs, **self.settings)

    def extra_repr(self) -> str:
        """Return the settings."""
        return ", ".join(f"{name}={value!r}" for name, value in self.settings.items())


class ReLU(Function):
    """max(x, 0)."""

    function = functional.relu


class LeakyReLU(Function):
    """x where positive, `negative_slope` (0.01) times x elsewhere."""

    function = functional.leaky_relu


class GELU(Function):
    """x Φ(x), Φ the normal distribution function; `approximate="tanh"` for the formula of GPT-2."""

    function = functional.gelu


class SiLU(Function):
    """x σ(x), also called Swish."""

    function = functional.silu


class Tanh(Function):
    """tanh(x)."""

    function = functional.tanh


class Sigmoid(Function):
    """σ(x) = 1 / (1 + exp(−x))."""

    function = functional.sigmoid


class Softplus(Function):
    """log(1 + exp(βx)) / β, with `beta` 1."""

    function = functional.softplus


class ELU(Function):
    """x where positive, α (exp(x) − 1) elsewhere, with `alpha` 1."""

    function = functional.elu


class Softmax(Function):
    """Weights that sum to 1 along `axis`, the last one unless told otherwise; `dim` is accepted as well.

    `CrossEntropyLoss` takes logits: put no Softmax before it.
    """

    function = functional.softmax


class Loss(Function):
    """A function of a prediction and its target; `reduction` is "mean" (the default), "sum" or "none"."""

    inputs = 2
    reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        reduction = self.settings.get("reduction", "mean")
        if reduction not in self.reductions:
            raise ValueError(
                f"{type(self).__name__}: reduction: expected one of {', '.join(map(repr, self.reductions))}, "
                f"got {reduction!r}"
            )


class CrossEntropyLoss(Loss):
    """Softmax and cross-entropy of logits `[..., K]` and class indices `[...]` or probabilities `[..., K]`.

    Settings: `reduction`, `weight [K]`, `ignore_index`, `label_smoothing`, as in PyTorch.

    >>> from chainrule import nn
    >>> nn.CrossEntropyLoss(reduction="sum")([[0.0, 0.0]], [1]).round(4).item()
    0.6931
    """

    function = functional.cross_entropy


class MSELoss(Loss):
    """The squared error."""

    function = functional.mse_loss


class BCEWithLogitsLoss(Loss):
    """Sigmoid and binary cross-entropy of logits and targets from 0 to 1, of one shape."""

    function = functional.binary_cross_entropy_with_logits


class L1Loss(Loss):
    """The absolute error."""

    function = functional.l1_loss


class HuberLoss(Loss):
    """Quadratic for errors up to `delta` (1), linear beyond."""

    function = functional.huber_loss


class NLLLoss(Loss):
    """Minus the log-probability `[..., K]` of the class `[...]`; of `log_softmax` it is the cross-entropy."""

    function = functional.nll_loss


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence of log-probabilities from target probabilities; also `reduction="batchmean"`."""

    function = functional.kl_div
    reductions = ("mean", "sum", "none", "batchmean")
