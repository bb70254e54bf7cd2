"""Modules that wrap a function and its settings: activations, pooling and losses."""

from collections.abc import Callable
from typing import Any, ClassVar

from . import functional
from .inputs import settings_of
from .module import Module


class Function(Module):
    """A module without parameters that calls a function; its constructor takes the function's settings.

    The class statement names the function: `class ReLU(Function, of=functional.relu)`.

    >>> from chainrule import nn
    >>> nn.LeakyReLU(negative_slope=0.5)(-2.0).item(), nn.LeakyReLU(0.5)
    (-1.0, LeakyReLU(negative_slope=0.5))
    """

    function: ClassVar[Callable[..., Any]]
    inputs: ClassVar[int] = 1
    """How many arguments of `function` are passed at each call; all others are settings."""

    def __init_subclass__(cls, of: Callable[..., Any] | None = None, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if of is not None:
            cls.function = of

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


class ReLU(Function, of=functional.relu):
    """max(x, 0)."""


class LeakyReLU(Function, of=functional.leaky_relu):
    """x where positive, `negative_slope` (0.01) times x elsewhere."""


class GELU(Function, of=functional.gelu):
    """x Φ(x), with Φ the normal distribution function; `approximate="tanh"` for the formula of GPT-2."""


class SiLU(Function, of=functional.silu):
    """x σ(x), also called Swish."""


class Tanh(Function, of=functional.tanh):
    """tanh(x)."""


class Sigmoid(Function, of=functional.sigmoid):
    """σ(x) = 1 / (1 + exp(−x))."""


class Softplus(Function, of=functional.softplus):
    """log(1 + exp(βx)) / β, with β = `beta`, 1 by default."""


class ELU(Function, of=functional.elu):
    """x where positive, α (exp(x) − 1) elsewhere, with α = `alpha`, 1 by default."""


class Softmax(Function, of=functional.softmax):
    """Positive weights that sum to 1 along `axis` (the last by default); `dim` is accepted as well.

    `CrossEntropyLoss` takes logits: do not put a Softmax before it.
    """


class MaxPool1d(Function, of=functional.max_pool1d):
    """The largest element of each window of `[B, C, L]`.

    Settings: `kernel_size`, `stride` (`kernel_size` unless given), `padding`, `dilation`, `ceil_mode`.
    """


class MaxPool2d(Function, of=functional.max_pool2d):
    """The largest element of each window of `[B, C, H, W]`; the settings of `MaxPool1d`, which may also be pairs.

    >>> from chainrule import nn
    >>> nn.MaxPool2d(2)([[[[1.0, 2.0], [3.0, 4.0]]]]).item(), nn.MaxPool2d(2, stride=1)
    (4.0, MaxPool2d(kernel_size=2, stride=1))
    """


class AvgPool1d(Function, of=functional.avg_pool1d):
    """The mean of each window of `[B, C, L]`.

    Settings: `kernel_size`, `stride` (`kernel_size` unless given), `padding`, `ceil_mode`, `count_include_pad`.
    """


class AvgPool2d(Function, of=functional.avg_pool2d):
    """The mean of each window of `[B, C, H, W]`; the settings of `AvgPool1d`, and `divisor_override`."""


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


class CrossEntropyLoss(Loss, of=functional.cross_entropy):
    """Softmax and cross-entropy of logits `[..., K]` and class indices `[...]` or probabilities `[..., K]`.

    Settings: `weight [K]`, `ignore_index`, `reduction`, `label_smoothing`, as in PyTorch, and `axis`, the axis of the
    classes.

    >>> from chainrule import nn
    >>> nn.CrossEntropyLoss(reduction="sum")([[0.0, 0.0]], [1]).round(4).item()
    0.6931
    """


class MSELoss(Loss, of=functional.mse_loss):
    """The squared error."""


class BCEWithLogitsLoss(Loss, of=functional.binary_cross_entropy_with_logits):
    """Sigmoid and binary cross-entropy of logits and targets from 0 to 1, both of the same shape.

    Settings: `weight`, `reduction`, `pos_weight`.
    """


class BCELoss(Loss, of=functional.binary_cross_entropy):
    """Binary cross-entropy of probabilities and targets from 0 to 1; settings `weight` and `reduction`.

    `BCEWithLogitsLoss` is more accurate where a probability is close to 0 or 1.
    """


class L1Loss(Loss, of=functional.l1_loss):
    """The absolute error."""


class HuberLoss(Loss, of=functional.huber_loss):
    """Quadratic for errors up to `delta` (1), linear beyond."""


class NLLLoss(Loss, of=functional.nll_loss):
    """Minus the log-probability `[..., K]` of the class `[...]`; after `log_softmax`, this is the cross-entropy.

    Settings: `weight [K]`, `ignore_index`, `reduction`, and `axis`, the axis of the classes.
    """


class KLDivLoss(Loss, of=functional.kl_div):
    """The Kullback-Leibler divergence of log-probabilities from target probabilities; also `reduction="batchmean"`.

    With `log_target`, the targets are log-probabilities as well.
    """

    reductions = ("mean", "sum", "none", "batchmean")


class SmoothL1Loss(Loss, of=functional.smooth_l1_loss):
    """The Huber loss with `delta=beta`, divided by `beta` (1)."""


class GaussianNLLLoss(Loss, of=functional.gaussian_nll_loss):
    """Minus the log-probability of a target under a normal distribution, given its mean, the target and its variance.

    Settings: `full`, `eps`, `reduction`.
    """

    inputs = 3


class PoissonNLLLoss(Loss, of=functional.poisson_nll_loss):
    """Minus the log-probability of counts under a Poisson distribution, given the logarithm of its mean.

    Settings: `log_input`, `full`, `eps`, `reduction`.
    """


class SoftMarginLoss(Loss, of=functional.soft_margin_loss):
    """log(1 + exp(−t x)) for targets t of 1 or −1."""


class MultiMarginLoss(Loss, of=functional.multi_margin_loss):
    """How far the scores of wrong classes come within `margin` of the right class's score, for scores `[B, K]`.

    Settings: `p` (1 or 2), `margin`, `weight [K]`, `reduction`.
    """


class HingeEmbeddingLoss(Loss, of=functional.hinge_embedding_loss):
    """The distance where the target is 1, and by how much it falls short of `margin` (1) where it is −1."""


class MarginRankingLoss(Loss, of=functional.margin_ranking_loss):
    """The margin loss of two scores; the target is 1 where the first should be larger by `margin` (0), else −1."""

    inputs = 3


class TripletMarginLoss(Loss, of=functional.triplet_margin_loss):
    """By how much the negative falls short of being farther from the anchor than the positive by `margin` (1).

    Settings: `margin`, `p`, `eps`, `swap`, `reduction`.
    """

    inputs = 3


class CosineEmbeddingLoss(Loss, of=functional.cosine_embedding_loss):
    """For two vectors: 1 − cos where the target is 1, the excess of cos over `margin` (0) where it is −1."""

    inputs = 3
