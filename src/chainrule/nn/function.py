"""Modules that wrap a function and its settings: activations, pooling and losses."""

from collections.abc import Callable
from typing import Any, ClassVar

from . import functional
from .inputs import settings_of
from .module import Module


class Function(Module):
    """A module without parameters that calls `function`; its constructor takes the function's settings.

    >>> from chainrule import nn
    >>> nn.LeakyReLU(negative_slope=0.5)(-2.0).item(), nn.LeakyReLU(0.5)
    (-1.0, LeakyReLU(negative_slope=0.5))
    """

    function: ClassVar[Callable[..., Any]]
    inputs: ClassVar[int] = 1
    """How many arguments of `function` are passed at each call; all others are settings."""

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
    """x Φ(x), with Φ the normal distribution function; `approximate="tanh"` for the formula of GPT-2."""

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
    """log(1 + exp(βx)) / β, with β = `beta`, 1 by default."""

    function = functional.softplus


class ELU(Function):
    """x where positive, α (exp(x) − 1) elsewhere, with α = `alpha`, 1 by default."""

    function = functional.elu


class Softmax(Function):
    """Positive weights that sum to 1 along `axis` (the last by default); `dim` is accepted as well.

    `CrossEntropyLoss` takes logits: do not put a Softmax before it.
    """

    function = functional.softmax


class MaxPool1d(Function):
    """The largest element of each window of `[B, C, L]`.

    Settings: `kernel_size`, `stride` (`kernel_size` unless given), `padding`, `dilation`, `ceil_mode`.
    """

    function = functional.max_pool1d


class MaxPool2d(Function):
    """The largest element of each window of `[B, C, H, W]`; the settings of `MaxPool1d`, which may also be pairs.

    >>> from chainrule import nn
    >>> nn.MaxPool2d(2)([[[[1.0, 2.0], [3.0, 4.0]]]]).item(), nn.MaxPool2d(2, stride=1)
    (4.0, MaxPool2d(kernel_size=2, stride=1))
    """

    function = functional.max_pool2d


class AvgPool1d(Function):
    """The mean of each window of `[B, C, L]`.

    Settings: `kernel_size`, `stride` (`kernel_size` unless given), `padding`, `ceil_mode`, `count_include_pad`.
    """

    function = functional.avg_pool1d


class AvgPool2d(Function):
    """The mean of each window of `[B, C, H, W]`; the settings of `AvgPool1d`, and `divisor_override`."""

    function = functional.avg_pool2d


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

    Settings: `weight [K]`, `ignore_index`, `reduction`, `label_smoothing`, as in PyTorch, and `axis`, the axis of the
    classes.

    >>> from chainrule import nn
    >>> nn.CrossEntropyLoss(reduction="sum")([[0.0, 0.0]], [1]).round(4).item()
    0.6931
    """

    function = functional.cross_entropy


class MSELoss(Loss):
    """The squared error."""

    function = functional.mse_loss


class BCEWithLogitsLoss(Loss):
    """Sigmoid and binary cross-entropy of logits and targets from 0 to 1, both of the same shape.

    Settings: `weight`, `reduction`, `pos_weight`.
    """

    function = functional.binary_cross_entropy_with_logits


class BCELoss(Loss):
    """Binary cross-entropy of probabilities and targets from 0 to 1; settings `weight` and `reduction`.

    `BCEWithLogitsLoss` is more accurate where a probability is close to 0 or 1.
    """

    function = functional.binary_cross_entropy


class L1Loss(Loss):
    """The absolute error."""

    function = functional.l1_loss


class HuberLoss(Loss):
    """Quadratic for errors up to `delta` (1), linear beyond."""

    function = functional.huber_loss


class NLLLoss(Loss):
    """Minus the log-probability `[..., K]` of the class `[...]`; after `log_softmax`, this is the cross-entropy.

    Settings: `weight [K]`, `ignore_index`, `reduction`, and `axis`, the axis of the classes.
    """

    function = functional.nll_loss


class KLDivLoss(Loss):
    """The Kullback-Leibler divergence of log-probabilities from target probabilities; also `reduction="batchmean"`.

    With `log_target`, the targets are log-probabilities as well.
    """

    function = functional.kl_div
    reductions = ("mean", "sum", "none", "batchmean")


class SmoothL1Loss(Loss):
    """The Huber loss with `delta=beta`, divided by `beta` (1)."""

    function = functional.smooth_l1_loss


class GaussianNLLLoss(Loss):
    """Minus the log-probability of a target under a normal distribution, given its mean, the target and its variance.

    Settings: `full`, `eps`, `reduction`.
    """

    function = functional.gaussian_nll_loss
    inputs = 3


class PoissonNLLLoss(Loss):
    """Minus the log-probability of counts under a Poisson distribution, given the logarithm of its mean.

    Settings: `log_input`, `full`, `eps`, `reduction`.
    """

    function = functional.poisson_nll_loss


class SoftMarginLoss(Loss):
    """log(1 + exp(−t x)) for targets t of 1 or −1."""

    function = functional.soft_margin_loss


class MultiMarginLoss(Loss):
    """How far the scores of wrong classes come within `margin` of the right class's score, for scores `[B, K]`.

    Settings: `p` (1 or 2), `margin`, `weight [K]`, `reduction`.
    """

    function = functional.multi_margin_loss


class HingeEmbeddingLoss(Loss):
    """The distance where the target is 1, and by how much it falls short of `margin` (1) where it is −1."""

    function = functional.hinge_embedding_loss


class MarginRankingLoss(Loss):
    """The margin loss of two scores; the target is 1 where the first should be larger by `margin` (0), else −1."""

    function = functional.margin_ranking_loss
    inputs = 3


class TripletMarginLoss(Loss):
    """By how much the negative falls short of being farther from the anchor than the positive by `margin` (1).

    Settings: `margin`, `p`, `eps`, `swap`, `reduction`.
    """

    function = functional.triplet_margin_loss
    inputs = 3


class CosineEmbeddingLoss(Loss):
    """For two vectors: 1 − cos where the target is 1, the excess of cos over `margin` (0) where it is −1."""

    function = functional.cosine_embedding_loss
    inputs = 3
