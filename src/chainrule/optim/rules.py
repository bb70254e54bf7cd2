"""Update rules of one parameter that have no kernel: each changes `value` and its `state`, arrays, in place.

`state` is empty at first, `settings` has PyTorch's names, and the updates are PyTorch's. `chainrule.torch.optim` uses
them; for `cr.compile` and the largest models, take the optimisers of this package, whose steps are kernels.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

State = dict[str, Any]
Settings = Mapping[str, Any]


def _begun(state: State, value: Any, *slots: str) -> int:
    """Fill an empty state with zeros, count the step, and return its number."""
    for slot in slots:
        if slot not in state:
            state[slot] = np.zeros_like(value)
    state["step"] = state.get("step", 0) + 1
    return int(state["step"])


def _decayed(value: Any, grad: Any, settings: Settings) -> Any:
    return grad + settings["weight_decay"] * value if settings.get("weight_decay") else grad


def _average(mean: Any, new: Any, beta: float) -> None:
    mean *= beta
    mean += (1 - beta) * new


def adadelta(value: Any, grad: Any, state: State, settings: Settings) -> None:
    """Step by the ratio of the root mean squares of steps and gradients (Zeiler, 2012, algorithm 1)."""
    _begun(state, value, "square_avg", "acc_delta")
    grad = _decayed(value, grad, settings)
    _average(state["square_avg"], grad * grad, settings["rho"])
    delta = np.sqrt(state["acc_delta"] + settings["eps"]) / np.sqrt(state["square_avg"] + settings["eps"]) * grad
    _average(state["acc_delta"], delta * delta, settings["rho"])
    value -= settings["lr"] * delta


def adamax(value: Any, grad: Any, state: State, settings: Settings) -> None:
    """Adam with the largest recent gradient in place of the mean square (Kingma & Ba, 2015, algorithm 2)."""
    step = _begun(state, value, "exp_avg", "exp_inf")
    beta1, beta2 = settings["betas"]
    grad = _decayed(value, grad, settings)
    _average(state["exp_avg"], grad, beta1)
    np.maximum(state["exp_inf"] * beta2, np.abs(grad) + settings["eps"], out=state["exp_inf"])
    value -= settings["lr"] / (1 - beta1**step) * state["exp_avg"] / state["exp_inf"]


def nadam(value: Any, grad: Any, state: State, settings: Settings) -> None:
    """Adam with Nesterov's momentum (Dozat, 2016)."""
    step = _begun(state, value, "exp_avg", "exp_avg_sq")
    beta1, beta2 = settings["betas"]
    if settings.get("decoupled_weight_decay"):
        value *= 1 - settings["lr"] * settings["weight_decay"]
    else:
        grad = _decayed(value, grad, settings)
    mu = beta1 * (1 - 0.5 * 0.96 ** (step * settings["momentum_decay"]))
    following = beta1 * (1 - 0.5 * 0.96 ** ((step + 1) * settings["momentum_decay"]))
    product = state["mu_product"] = state.get("mu_product", 1.0) * mu
    _average(state["exp_avg"], grad, beta1)
    _average(state["exp_avg_sq"], grad * grad, beta2)
    root = np.sqrt(state["exp_avg_sq"] / (1 - beta2**step)) + settings["eps"]
    value -= settings["lr"] * (1 - mu) / (1 - product) * grad / root
    value -= settings["lr"] * following / (1 - product * following) * state["exp_avg"] / root


def radam(value: Any, grad: Any, state: State, settings: Settings) -> None:
    """Adam whose adaptive rate begins once its variance is bounded (Liu et al., 2020, algorithm 2)."""
    step = _begun(state, value, "exp_avg", "exp_avg_sq")
    beta1, beta2 = settings["betas"]
    if settings.get("decoupled_weight_decay"):
        value *= 1 - settings["lr"] * settings["weight_decay"]
    else:
        grad = _decayed(value, grad, settings)
    _average(state["exp_avg"], grad, beta1)
    _average(state["exp_avg_sq"], grad * grad, beta2)
    mean = state["exp_avg"] / (1 - beta1**step)
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / (1 - beta2**step)
    if length <= 5:
        value -= settings["lr"] * mean
        return
    ratio = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    root = np.sqrt(state["exp_avg_sq"]) + settings["eps"]
    value -= settings["lr"] * mean * np.sqrt(ratio) * np.sqrt(1 - beta2**step) / root


def rprop(value: Any, grad: Any, state: State, settings: Settings) -> None:
    """Step by the sign of the gradient, with a size for each element (Riedmiller & Braun, 1993)."""
    if "step_size" not in state:
        state["step_size"] = np.full_like(value, settings["lr"])
    _begun(state, value, "prev")
    low, high = settings["etas"]
    product = grad * state["prev"]
    factor = np.where(product > 0, high, np.where(product < 0, low, 1.0)).astype(value.dtype)
    np.clip(state["step_size"] * factor, *settings["step_sizes"], out=state["step_size"])
    grad = np.where(product < 0, 0, grad).astype(value.dtype)
    value -= np.sign(grad) * state["step_size"]
    state["prev"] = grad.copy()


def asgd(value: Any, grad: Any, state: State, settings: Settings) -> None:
    """Gradient descent whose iterates are averaged in `ax` (Polyak & Juditsky, 1992)."""
    step = _begun(state, value, "ax")
    eta, mu = state.get("eta", settings["lr"]), state.get("mu", 1.0)
    grad = _decayed(value, grad, settings)
    value *= 1 - settings["lambd"] * eta
    value -= eta * grad
    state["ax"] += mu * (value - state["ax"])
    state["eta"] = settings["lr"] / (1 + settings["lambd"] * settings["lr"] * step) ** settings["alpha"]
    state["mu"] = 1 / max(1.0, step - settings["t0"])
