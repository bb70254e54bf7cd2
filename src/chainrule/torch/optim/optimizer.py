"""`Optimizer`: the base of optimisers, also of one's own, with `param_groups`, `state` and state dicts."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from chainrule.core.traces.capturing import running

from ..autograd.modes import enable_grad, no_grad
from ..face import Tensor, values_of, wrapped
from .captured import forgets, note_step

required = object()


class Optimizer:
    """The base of every optimiser; a subclass defines `step(closure=None)`.

    `params` are tensors, pairs of name and tensor, or dicts `{"params": …, "lr": …}` with settings of their own.
    """

    rule: ClassVar[Any] = None
    engine: ClassVar[Any] = None
    """The engine's optimiser with the same update, which takes the steps of compiled functions."""
    names: ClassVar[tuple[str, ...]] = ()
    """The settings that the engine's optimiser takes."""
    _engine: Any = None

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got Tensor"
            )
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        given = list(params)
        if not given:
            raise ValueError("optimizer got an empty parameter list")
        for group in given if isinstance(given[0], Mapping) else [{"params": given}]:
            self.add_param_group(dict(group))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own."""
        given = param_group["params"]
        listed = [given] if isinstance(given, Tensor) else list(given)
        listed = [x[1] if isinstance(x, tuple) else x for x in listed]
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in listed:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
            if id(p) in known:
                raise ValueError("some parameters appear in more than one parameter group")
        group = {**self.defaults, **param_group, "params": listed}
        for name, value in group.items():
            if value is required:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters, or set them to zero."""
        if running.capture is not None:
            forgets(self)
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else wrapped(np.zeros(tuple(p.shape), p._x.dtype))

    def step(self, closure: Any = None) -> Any:
        """Update every parameter that has a gradient; `closure`, if given, computes loss and gradients first."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if running.capture is not None:
            note_step(self)
            return loss
        self._takes_back_state()
        with no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self._take(p, values_of(p.grad), group)
        return loss

    def _take(self, p: Any, grad: Any, group: dict[str, Any]) -> None:
        grad = -grad if group.get("maximize") else grad
        self._update(np.asarray(p._x._value), grad, self._state[p], group)
        p._x.mark_changed()

    def _update(self, value: Any, grad: Any, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change a parameter's array and its state in place."""
        if self.rule is None:
            raise TypeError(f"{type(self).__name__}: define step(closure=None)")
        type(self).rule(value, grad, state, group)

    # State

    @property
    def state(self) -> Any:
        """What the updates keep for each parameter."""
        if self._engine is not None:
            self._engine.shows_state()
        return self._state

    @state.setter
    def state(self, state: Any) -> None:
        self._takes_back_state()
        self._state = state

    def _takes_back_state(self) -> None:
        """Let compiled steps look at the state again before the next one: it is about to be changed."""
        if self._engine is not None:
            self._engine._takes_back_state()

    def _settled(self) -> Any:
        """Return the state, with the counts of steps up to date where machine code has counted."""
        if self._engine is not None:
            self._engine._settle()
        return self._state

    def _completes(self, state: dict[str, Any]) -> None:
        """Bring the state of a parameter into the form of the engine's."""
        for name in [name for name, value in state.items() if value is None]:
            del state[name]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the engine's optimiser, which does not hold a copy's parameters."""
        own = {name: value for name, value in self.__dict__.items() if name not in ("_engine", "_state")}
        return {**own, "state": self._settled()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = dict(state)
        self._state = own.pop("state")
        self.__dict__.update(own)

    def _numbered(self) -> dict[int, Any]:
        return dict(enumerate(p for group in self.param_groups for p in group["params"]))

    def state_dict(self) -> dict[str, Any]:
        """Return settings and state, in PyTorch's form: `{"state": {0: {…}}, "param_groups": [{…, "params": [0]}]}`."""
        numbers = {id(p): k for k, p in self._numbered().items()}
        state = {
            numbers[id(p)]: {k: _saved(k, v) for k, v in kept.items()} for p, kept in self._settled().items() if kept
        }
        groups = [{**group, "params": [numbers[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore settings and state, also those of PyTorch's optimiser of the same kind."""
        groups = state_dict["param_groups"]
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        for mine, theirs in zip(self.param_groups, groups, strict=True):
            mine.update({key: value for key, value in theirs.items() if key != "params"})
        order = [k for group in groups for k in group["params"]]
        parameters = dict(zip(order, self._numbered().values(), strict=True))
        self._takes_back_state()
        self._state.clear()
        for k, kept in state_dict["state"].items():
            p = parameters[k]
            self._state[p] = {name: _loaded(name, value, p) for name, value in kept.items()}

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for k, group in enumerate(self.param_groups):
            lines += [f"Parameter Group {k}", *(f"    {n}: {v}" for n, v in sorted(group.items()) if n != "params")]
        return "\n".join([*lines, ")"])


def _saved(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return wrapped(value.copy())
    if name in ("step", "mu_product"):
        return wrapped(np.asarray(value, np.float32))
    return value


def _loaded(name: str, value: Any, like: Any) -> Any:
    if isinstance(value, Tensor):
        value = values_of(value)
    elif hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if name == "step":
        return int(np.asarray(value))
    if name == "mu_product":
        return float(np.asarray(value))
    if isinstance(value, np.ndarray):
        return value.astype(like._x.dtype) if value.shape == tuple(like.shape) else value.copy()
    return value
