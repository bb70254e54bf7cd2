"""Regression losses.

Each computes in the dtype of its first argument, and requires the target's shape: broadcasting `[B, 1]` against `[B]`
is a mistake that goes unnoticed in training. `reduction` is "mean" (the default), "sum" or "none".
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import every_value, known
from chainrule.rules.elementary.compare import stop_gradient
from chainrule.rules.elementary.exponential import exp, log
from chainrule.rules.elementary.selection import clip, maximum, where
from chainrule.rules.network import loss
from chainrule.rules.network.activation import logsigmoid

from .arguments import compared
from .reduction import Reduction, alike, reduced, weighted


def mse_loss(input: Any, target: Any, reduction: Reduction = "mean", weight: Any = None) -> Any:
    """Return the squared error of each element, reduced; with `weight`, the mean is over the sum of the weights.

    >>> float(mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    return _of_errors(loss.mse_loss, input, target, reduction, weight)


def l1_loss(input: Any, target: Any, reduction: Reduction = "mean", weight: Any = None) -> Any:
    """Return the absolute error of each element, reduced; its gradient is 0 where the error is 0.

    With `weight`, the mean is over the sum of the weights.

    >>> float(l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """
    return _of_errors(loss.l1_loss, input, target, reduction, weight)


def huber_loss(input: Any, target: Any, reduction: Reduction = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    r"""Return $\frac{1}{2} d^2$ for errors d up to `delta` and $\delta (|d| - \frac{1}{2} \delta)$ beyond, reduced.

    `weight` multiplies the losses; unlike `mse_loss`, and as in PyTorch, the mean is over their number.

    Source: Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35 (1964).

    >>> huber_loss(np.array([0.5, -3.0]), np.zeros(2), reduction="none")
    array([0.125, 2.5  ])
    """
    name = "huber_loss"
    input, target = compared(name, input, target=target)
    if weight is None:
        return loss.huber_loss(input, target, reduction, delta)
    return reduced(name, weighted(name, loss.huber_loss(input, target, "none", delta), weight), reduction)


def smooth_l1_loss(input: Any, target: Any, reduction: Reduction = "mean", beta: float = 1.0) -> Any:
    """Return the Huber loss with `delta=beta`, divided by `beta`: beyond `beta` its slope is 1; with 0, `l1_loss`.

    Source: Girshick, "Fast R-CNN" (2015), equation 3.

    >>> smooth_l1_loss(np.array([0.5, -3.0]), np.zeros(2), reduction="none", beta=0.5)
    array([0.25, 2.75])
    """
    if beta == 0:
        return l1_loss(input, target, reduction)
    input, target = compared("smooth_l1_loss", input, target=target)
    return loss.smooth_l1_loss(input, target, reduction, beta)


def _of_errors(rule: Callable[..., Any], input: Any, target: Any, reduction: Reduction, weight: Any) -> Any:
    name = rule.__name__
    input, target = compared(name, input, target=target)
    if weight is None:
        return rule(input, target, reduction)
    losses = weighted(name, rule(input, target, "none"), weight)
    total = np.broadcast_to(value_of(weight), losses.shape).sum()
    return reduced(name, losses, reduction, float(total))


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: Reduction = "mean",
) -> Any:
    r"""Return minus the log-probability of counts t under Poisson distributions, without $\log t!$, reduced.

    `input` is the logarithm x of the mean, of which the loss is $e^x - t x$, or with `log_input=False` the mean
    itself, $x - t \log(x + \text{eps})$. `full` adds Stirling's approximation of $\log t!$ where t > 1.

    >>> poisson_nll_loss(np.array([0.0]), np.array([2.0]), reduction="none")
    array([1.])
    """
    input, target = alike("poisson_nll_loss", input, target)
    losses = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        many = target > 1
        t = where(many, target, 1.0)
        losses = losses + where(many, t * log(t) - t + 0.5 * log(2 * math.pi * t), 0.0)
    return reduced("poisson_nll_loss", losses, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: Reduction = "mean"
) -> Any:
    r"""Return $\frac{1}{2} \left(\log v + \frac{(x - t)^2}{v}\right)$ with v = max(`var`, `eps`), reduced.

    `var` has the shape of `input`, lacks its last axis or has length 1 in one axis, or is a number. Where it is below
    `eps`, its gradient is that at `eps`, as in PyTorch: with a gradient of 0 it could never rise again. `full` adds the
    constant $\frac{1}{2} \log 2 \pi$.

    Source: Nix & Weigend, "Estimating the mean and variance of the target probability distribution" (1994).

    >>> gaussian_nll_loss(np.array([1.0]), np.array([3.0]), np.array([1.0]), reduction="none")
    array([2.])
    """
    name = "gaussian_nll_loss"
    input, target = alike(name, input, target)
    var = _variance(name, input, var)
    # The value is the larger of the two, the derivative that of `var` everywhere.
    var = var + stop_gradient(maximum(eps - var, 0.0))
    losses = 0.5 * (log(var) + np.square(input - target) / var)
    return reduced(name, losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


def _variance(name: str, input: Any, var: Any) -> Any:
    input, var = compared(name, input, var=var)
    if (np.asarray(value_of(var)) < 0).any():
        raise ValueError(f"{name}: var: expected no negative number")
    if var.ndim and var.shape == input.shape[:-1]:
        return var[..., None]
    stretched = [n for n, m in zip(var.shape, input.shape, strict=False) if n != m]
    if var.ndim and (var.ndim != input.ndim or stretched not in ([], [1])):
        raise ValueError(f"{name}: var: got {list(var.shape)}, which does not fit input {list(input.shape)}")
    return var


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, reduction: Reduction = "mean") -> Any:
    """Return the distance x where the target is 1, and max(0, `margin` − x) where it is −1, reduced.

    >>> hinge_embedding_loss(np.array([0.25, 0.25]), np.array([1, -1]), reduction="none")
    array([0.25, 0.75])
    """
    name = "hinge_embedding_loss"
    input, target = alike(name, input, target)
    target = known(target)
    losses = where(target != -1, input, 0.0) + where(target != 1, clip(margin - input, 0.0), 0.0)
    return reduced(name, losses, reduction)


def soft_margin_loss(input: Any, target: Any, reduction: Reduction = "mean") -> Any:
    r"""Return $\log(1 + e^{-t x})$ for targets t of 1 or −1, reduced; without overflow.

    >>> soft_margin_loss(np.array([-1e4, 1e4]), np.array([1, 1]), reduction="none")
    array([10000.,     0.])
    """
    input, target = alike("soft_margin_loss", input, target)
    return reduced("soft_margin_loss", -logsigmoid(target * input), reduction)


def kl_div(input: Any, target: Any, reduction: Reduction | str = "mean", log_target: bool = False) -> Any:
    r"""Return the Kullback-Leibler divergence, $t (\log t - \log p)$ for each element, reduced; 0 where t is 0.

    `input` is the logarithm of p, `target` is t, or with `log_target` its logarithm, both `[B, …, K]`. "mean" divides
    by the number of elements, as PyTorch does; "batchmean", which divides by B, is the mathematical mean.

    >>> float(kl_div(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]]), "batchmean")) == float(np.log(2))
    True
    """
    if not log_target:
        input, target = compared("kl_div", input, target=target)
        if (every_value(target) < 0).any():
            raise ValueError(
                "kl_div: got a negative target, expected probabilities, after the logarithms of the others: "
                "kl_div(log_p, t); for the logarithm of t pass log_target=True"
            )
        return loss.kl_div(input, target, reduction)  # type: ignore[arg-type]
    input, target = alike("kl_div", input, target)
    losses = exp(target) * (target - input)
    if reduction == "batchmean":
        return reduced("kl_div", losses, "mean", len(losses) if losses.ndim else 1)
    return reduced("kl_div", losses, reduction)  # type: ignore[arg-type]
