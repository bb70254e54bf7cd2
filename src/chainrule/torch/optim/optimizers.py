"""The optimisers: PyTorch's settings, with the engine's updates."""

from typing import Any, ClassVar

import numpy as np

from chainrule import optim as engine
from chainrule.core.tensor import value_of
from chainrule.optim import rules
from chainrule.optim.lbfgs import History, minimise

from ..autograd.modes import enable_grad, no_grad
from ..face import values_of
from .optimizer import Optimizer


def _checked(name: str, **settings: float) -> None:
    for key, value in settings.items():
        if float(value) < 0:
            raise ValueError(f"Invalid {key}: {value} in {name}; expected 0 or more")


class _ByEngine(Optimizer):
    """An optimiser whose update is that of the engine's optimiser."""

    def _update(self, value: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        rule = object.__new__(type(self).engine)
        settings = {name: _number(group[name]) for name in self.names}
        for name, initial in rule._slots(settings).items():
            if state.get(name) is None:
                state[name] = 0 if name == "step" else np.full(value.shape, initial, value.dtype)
        rule._update(value, grad, state, settings)

    def __chainrule__(self) -> Any:
        """Return the engine's optimiser of the same parameters and settings."""
        groups = [
            {"params": [p._x for p in group["params"]], **{name: _number(group[name]) for name in self.names}}
            for group in self.param_groups
        ]
        return type(self).engine(groups, **{name: groups[0][name] for name in self.names})


def _number(x: Any) -> Any:
    return x.item() if hasattr(x, "item") else x


class SGD(_ByEngine):
    """Stochastic gradient descent, optionally with momentum.

    >>> import chainrule.torch as torch
    >>> w = torch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.8000, -1.6000], requires_grad=True)
    """

    engine = engine.SGD
    names = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: Any = None,
        differentiable: bool = False,
        fused: Any = None,
    ) -> None:
        _checked("SGD", lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "nesterov": nesterov, "maximize": maximize})

    def _update(self, value: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        self._completes(state)
        super()._update(value, grad, state, group)

    def _completes(self, state: dict[str, Any]) -> None:
        super()._completes(state)
        if "momentum_buffer" in state and "step" not in state:
            state["step"] = 1  # of a state of PyTorch's, which does not count

    def state_dict(self) -> dict[str, Any]:
        """Return settings and state, as PyTorch without the number of steps."""
        found = super().state_dict()
        for kept in found["state"].values():
            kept.pop("step", None)
        return found


class Adam(_ByEngine):
    """Adam."""

    engine = engine.Adam
    names = ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize")
    decay: ClassVar[float] = 0.0

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | None = None,
        amsgrad: bool = False,
        *,
        foreach: Any = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: Any = None,
    ) -> None:
        weight_decay = self.decay if weight_decay is None else weight_decay
        _checked(type(self).__name__, lr=lr, eps=eps, weight_decay=weight_decay)
        for k, beta in enumerate(betas):
            if not 0 <= beta < 1:
                raise ValueError(f"Invalid beta parameter at index {k}: {beta}")
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "amsgrad": amsgrad, "maximize": maximize})


class AdamW(Adam):
    """Adam with decoupled weight decay."""

    engine = engine.AdamW
    decay = 1e-2


class RMSprop(_ByEngine):
    """Steps divided by the root of the running mean square of the gradients."""

    engine = engine.RMSprop
    names = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize")

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: Any = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        _checked("RMSprop", lr=lr, eps=eps, weight_decay=weight_decay, momentum=momentum)
        settings = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "momentum": momentum, "centered": centered, "maximize": maximize})


class Adagrad(_ByEngine):
    """Steps divided by the root of the sum of the squares of all gradients."""

    engine = engine.Adagrad
    names = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps", "maximize")

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: Any = None,
        *,
        maximize: bool = False,
        **_: Any,
    ) -> None:
        _checked("Adagrad", lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
        settings = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps, "maximize": maximize}
        super().__init__(params, {**settings, "initial_accumulator_value": initial_accumulator_value})


class _ByRule(Optimizer):
    """An optimiser whose update is a function of `chainrule.optim.rules`."""

    usual: ClassVar[dict[str, Any]]

    def __init__(self, params: Any, *args: Any, **kwargs: Any) -> None:
        given = {**dict(zip(self.usual, args, strict=False)), **kwargs}
        for key in ("foreach", "capturable", "differentiable"):
            given.pop(key, None)
        if unknown := set(given) - {*self.usual, "maximize"}:
            raise TypeError(f"{type(self).__name__}: got the unexpected settings {sorted(unknown)}")
        _checked(type(self).__name__, lr=given.get("lr", 0))
        super().__init__(params, {**self.usual, "maximize": False, **given})


class Adadelta(_ByRule):
    """Adadelta."""

    rule = staticmethod(rules.adadelta)
    usual: ClassVar[dict[str, Any]] = {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0}


class Adamax(_ByRule):
    """Adam with the largest recent gradient."""

    rule = staticmethod(rules.adamax)
    usual: ClassVar[dict[str, Any]] = {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}


class NAdam(_ByRule):
    """Adam with Nesterov's momentum."""

    rule = staticmethod(rules.nadam)
    usual: ClassVar[dict[str, Any]] = {
        "lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "momentum_decay": 4e-3,
        "decoupled_weight_decay": False,
    }  # fmt: skip


class RAdam(_ByRule):
    """Adam with a rectified variance."""

    rule = staticmethod(rules.radam)
    usual: ClassVar[dict[str, Any]] = {
        "lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "decoupled_weight_decay": False,
    }  # fmt: skip


class Rprop(_ByRule):
    """Resilient backpropagation."""

    rule = staticmethod(rules.rprop)
    usual: ClassVar[dict[str, Any]] = {"lr": 1e-2, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50)}


class ASGD(_ByRule):
    """Gradient descent whose iterates are averaged, in `state[p]["ax"]`."""

    rule = staticmethod(rules.asgd)
    usual: ClassVar[dict[str, Any]] = {"lr": 1e-2, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6, "weight_decay": 0}


class LBFGS(Optimizer):
    """L-BFGS; `step(closure)` calls the closure several times."""

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        settings = {"lr": lr, "max_iter": max_iter, "max_eval": max_eval or max_iter * 5 // 4}
        settings |= {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, {**settings, "history_size": history_size, "line_search_fn": line_search_fn})
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._history = History(history_size)
        self._counts: dict[str, Any] = {}

    def _flat(self, gradients: bool) -> Any:
        parts = []
        for p in self.param_groups[0]["params"]:
            x = p.grad if gradients else p
            parts.append(np.zeros(p.numel()) if x is None else values_of(x).ravel().astype(np.float64))
        return np.concatenate(parts)

    def _write(self, flat: Any) -> None:
        start = 0
        for p in self.param_groups[0]["params"]:
            array = np.asarray(value_of(p._x))
            array[...] = flat[start : start + array.size].reshape(array.shape)
            p._x.mark_changed()
            start += array.size

    def step(self, closure: Any = None) -> Any:
        """Take up to `max_iter` steps; return the loss before the first."""
        if closure is None:
            raise TypeError(
                "LBFGS.step: expected a closure that clears the gradients, computes the loss and returns it"
            )
        losses: list[Any] = []

        def evaluate(flat: Any) -> tuple[float, Any]:
            with no_grad():
                self._write(flat)
            with enable_grad():
                losses.append(closure())
            return float(losses[-1]), self._flat(True)

        found, _ = minimise(evaluate, self._flat(False), self._history, self.param_groups[0], self._counts)
        with no_grad():
            self._write(found)
        return losses[0]
