"""`Optimizer`: the base of all optimisers; each adds its defaults, their ranges and an update."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from chainrule.core.operands.keywords import explained
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import effect, forgetting, running
from chainrule.kernels.suitable import HAS_COMPILER, LARGE_STEP
from chainrule.present.page import fragment
from chainrule.present.table import table

from .captured import Groups, OptimizerStep
from .checks import Range, count, named, number
from .flat import Flat, can_be_flat
from .one_pass import all_in_one_pass, in_one_pass

Ranges: TypeAlias = Mapping[str, Range | tuple[Range, ...]]
"""The settings that are numbers or tuples of numbers, with their ranges."""


Pass: TypeAlias = tuple[str, tuple[str, ...], tuple[float, ...]]
"""A kernel of `chainrule.kernels.optimizers`, the state slots that it takes, and its numbers except the sign."""


def given(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an `__init__`, of which these are the local variables."""
    return {name: value for name, value in names.items() if name not in ("self", "__class__")}


class Optimizer(ABC):
    """The base of every optimiser.

    `params` are the tensors to update: `model.parameters()`, `model.named_parameters()`, or a list of groups
    `{"params": …, "lr": …}` whose settings override the optimiser's. `param_groups` is the list of these groups; a
    setting changed there takes effect at the next step.

    Raises TypeError for a tensor that is not a leaf, ValueError if there are no parameters, if one is passed twice, or
    if a setting is out of range.
    """

    ranges: ClassVar[Ranges]
    flags: ClassVar[tuple[str, ...]] = ("maximize",)
    """The settings that are True or False. With `maximize` the steps ascend the gradient."""
    param_groups: list[dict[str, Any]]
    _counting: Sequence[Any] = ()
    """The groups' steps in machine code that count for themselves."""
    _visits: int = 0
    """How often something other than them may have changed the state."""
    _is_shown: bool = False
    """Whether somebody may hold the state, and so see and change it at any time."""

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if "__init__" in cls.__dict__:
            cls.__init__ = explained(cls.__init__)  # type: ignore[method-assign]

    def __init__(self, params: Any, **defaults: Any) -> None:
        self.defaults = self._checked(type(self).__name__, defaults)
        self.param_groups = []
        self._state: dict[Tensor, dict[str, Any]] = {}
        self._flats: dict[tuple[int, ...], Flat] = {}
        for group in self._listed(params):
            self.add_param_group(group)
        if not self._parameters():
            raise ValueError(f"{type(self).__name__}: got no parameters; a generator that was already used is empty")

    def _listed(self, params: Any) -> list[dict[str, Any]]:
        if isinstance(params, Mapping):
            raise TypeError(f"{type(self).__name__}: expected parameters or a list of groups, got one dict")
        if isinstance(params, list | tuple) and params and all(isinstance(group, Mapping) for group in params):
            return [dict(group) for group in params]
        return [{"params": params}]

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add the parameters `group["params"]`, with the group's own settings, if any."""
        what = f"{type(self).__name__}: group {len(self.param_groups)}"
        if "params" not in group:
            raise ValueError(f"{what}: expected a dict with 'params', got the keys {sorted(group)}")
        parameters = named(type(self).__name__, group["params"])
        known = set(map(id, self._parameters()))
        for name, parameter in parameters.items():
            if id(parameter) in known:
                raise ValueError(f"{what}: {name} is in an earlier group; pass each parameter once")
        settings = {key: value for key, value in group.items() if key != "params"}
        unknown = set(settings) - set(self.defaults)
        if unknown:
            raise ValueError(f"{what}: unknown settings {sorted(unknown)}, expected some of {sorted(self.defaults)}")
        settings = self._checked(what, {**self.defaults, **settings})
        self.param_groups.append({"params": list(parameters.values()), "names": list(parameters), **settings})

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _checked(self, what: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with numbers as Python floats; raise an error if one is out of range."""
        checked = dict(settings)
        for name, limits in self.ranges.items():
            value, label = settings[name], f"{what}: {name}"
            if isinstance(limits, Range):
                checked[name] = number(label, value, limits)
                continue
            if not isinstance(value, tuple | list) or len(value) != len(limits):
                raise TypeError(f"{label}: expected {len(limits)} numbers, got {value!r}")
            checked[name] = tuple(number(label, x, each) for x, each in zip(value, limits, strict=True))
        for name in self.flags:
            if not isinstance(checked[name], bool):
                raise TypeError(f"{what}: {name}: expected True or False, got {checked[name]!r}")
        return checked

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters, or set those that exist to zero."""
        if running.capture is not None:
            Groups(self).watched_by(running.capture)
        if set_to_none:
            forgetting(self._parameters())
        for parameter in self._parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else np.zeros(parameter.shape, parameter.dtype)

    def step(self) -> None:
        """Update, in place, every parameter that has a gradient.

        Raises ValueError, before anything is changed, if a setting has become invalid.
        """
        if running.capture is not None:
            self._note_step()
            return
        self._takes_back_state()
        checked = [self._checked(f"{type(self).__name__}: group {k}", g) for k, g in enumerate(self.param_groups)]
        for settings in checked:
            steps = [(p, value_of(p.grad)) for p in settings["params"] if p.grad is not None]
            if len(steps) < 2 or not self._take_steps(steps, settings):
                for parameter, grad in steps:
                    self._take_step(parameter, grad, settings)

    def _take_steps(self, steps: list[tuple[Tensor, Any]], settings: dict[str, Any]) -> bool:
        """Take the steps of several parameters as one, if they are large enough together and count alike."""
        if not HAS_COMPILER or sum(parameter.size for parameter, _ in steps) < LARGE_STEP:
            return False
        states = [self._state_of(parameter, settings) for parameter, _ in steps]
        counts = {state.get("step", 0) for state in states}
        if len(counts) > 1:
            return False
        kernel, slots, numbers = self._pass(counts.pop() + ("step" in states[0]), settings)
        arrays = [[p._value, g, *(state[slot] for slot in slots)] for (p, g), state in zip(steps, states, strict=True)]
        if not all_in_one_pass(kernel, arrays, numbers, -1.0 if settings["maximize"] else 1.0):
            return False
        for (parameter, _), state in zip(steps, states, strict=True):
            if "step" in state:
                state["step"] += 1
            parameter.mark_changed()
        return True

    def _take_step(self, parameter: Tensor, grad: Any, settings: dict[str, Any]) -> None:
        state = self._state_of(parameter, settings)
        self._update(parameter._value, -grad if settings["maximize"] else grad, state, settings)
        parameter.mark_changed()

    def _note_step(self) -> None:
        """Record, in a capture, the step of the parameters that have a gradient."""
        groups = [(k, [p for p in group["params"] if p.grad is not None]) for k, group in enumerate(self.param_groups)]
        groups = [(k, parameters) for k, parameters in groups if parameters]
        Groups(self).watched_by(running.capture)
        step = OptimizerStep(self, groups)
        grads = [p.grad for p in step.parameters]
        effect(step, *grads, writes=[p._value for p in step.parameters])

    def _flat(self, parameters: list[Tensor], settings: Mapping[str, Any]) -> Flat | None:
        """Return the flat buffers of these parameters; None if they cannot share one, or no kernel can use them."""
        key = tuple(map(id, parameters))
        if key not in self._flats:
            if not HAS_COMPILER or not can_be_flat(parameters):
                return None
            self._flats[key] = Flat(parameters, [name for name in self._slots(settings) if name != "step"])
        return self._flats[key]

    def _state_of(self, parameter: Tensor, settings: dict[str, Any]) -> dict[str, Any]:
        state = self._state.setdefault(parameter, {})
        for name, initial in self._slots(settings).items():
            if name not in state:
                state[name] = 0 if name == "step" else np.full(parameter.shape, initial, parameter.dtype)
        return state

    @abstractmethod
    def _slots(self, settings: Mapping[str, Any]) -> dict[str, float]:
        """Return what `_update` keeps for a parameter: arrays of its shape, with their initial values, and "step"."""

    @abstractmethod
    def _kernel(self, settings: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
        """Return the kernel of an update, and the state slots that it takes in their order."""

    @abstractmethod
    def _numbers(self, kernel: str, step: Any, settings: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the numbers of a kernel except the sign; `step` counts from 1.

        In arithmetic only (`chainrule.kernels.numbers`), since compiled programs make machine code of it: step and
        settings may be symbols, except the `flags`.
        """

    def _pass(self, step: int, settings: Mapping[str, Any]) -> Pass:
        """Return the kernel of an update, the state slots that it takes, and its numbers; `step` counts from 1."""
        kernel, slots = self._kernel(settings)
        return kernel, slots, self._numbers(kernel, step, settings)

    @abstractmethod
    def _descend(self, value: Any, grad: Any, states: Sequence[Any], numbers: Sequence[float]) -> None:
        """Do the kernel's work in NumPy: change `value` and `states` in place; `grad` must not be written to."""

    def _update(self, value: Any, grad: Any, state: dict[str, Any], settings: dict[str, Any]) -> None:
        """Change `value` in place, given its gradient."""
        if "step" in state:
            state["step"] += 1
        kernel, slots, numbers = self._pass(state.get("step", 0), settings)
        states = [state[slot] for slot in slots]
        if not in_one_pass(kernel, [value, grad, *states], *numbers):
            self._descend(value, grad, states, numbers)

    # State

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:
        """The state that the updates keep for each parameter."""
        self._takes_back_state()
        self._is_shown = True
        return self._state

    @state.setter
    def state(self, state: dict[Tensor, dict[str, Any]]) -> None:
        self._counting = ()
        self._takes_back_state()
        self._state, self._is_shown = state, True

    def _settle(self) -> None:
        """Bring the counts of steps in the state up to date, where machine code has counted."""
        for group in self._counting:
            group.settle()

    def _takes_back_state(self) -> None:
        """Let machine code look at the state again before its next step: it is about to be changed."""
        self._settle()
        self._counting = ()
        self._visits += 1

    def _counts_natively(self, groups: Sequence[Any]) -> None:
        """Remember who counts the steps: these groups' steps in machine code, and others of other parameters."""
        flats, mine = {id(g.flat) for g in groups}, {id(p) for g in groups for p in g.parameters}
        others = [group for group in self._counting if id(group.flat) not in flats]
        if any(id(p) in mine for group in others for p in group.parameters):
            self._takes_back_state()
            others = []
        self._counting = (*others, *groups)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to machine code and the flat buffers, which do not hold a copy's parameters."""
        self._settle()
        left = ("_state", "_counting", "_visits", "_is_shown")
        own = {key: value for key, value in self.__dict__.items() if key not in left}
        return {**own, "state": self._state, "_flats": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        own = dict(state)
        self._state = own.pop("state")
        self.__dict__.update(own)

    def state_dict(self) -> dict[str, Any]:
        """Return the state: under "state" a dict of arrays and numbers for each parameter, in order; under
        "param_groups" the settings of each group, with the positions of its parameters. Arrays are copies.

        >>> import chainrule as cr
        >>> from chainrule import optim
        >>> w = cr.tensor([1.0, 2.0], requires_grad=True)
        >>> optim.Adagrad([w], lr=0.1).state_dict()["param_groups"][0]
        {'params': [0], 'lr': 0.1, 'lr_decay': 0.0, 'weight_decay': 0.0, 'initial_accumulator_value': 0.0, 'eps': 1e-10,
        'maximize': False}
        """
        self._settle()
        place = {id(parameter): k for k, parameter in enumerate(self._parameters())}
        groups = [
            {"params": [place[id(p)] for p in group["params"]], **self._settings_of(group)}
            for group in self.param_groups
        ]
        return {"state": [_copied(self._state.get(p, {})) for p in self._parameters()], "param_groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a `state_dict` of an optimiser of this kind with parameters of the same shapes; all or nothing.

        Raises ValueError or TypeError if it does not fit; in that case nothing is changed.
        """
        what = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state, Mapping) or not {"state", "param_groups"} <= set(state):
            raise TypeError(f"{what}: expected a dict with 'state' and 'param_groups'")
        if len(state["param_groups"]) != len(self.param_groups):
            raise ValueError(
                f"{what}: got {len(state['param_groups'])} groups, expected {len(self.param_groups)}, this optimiser's"
            )
        groups = [
            self._loaded_group(f"{what}: group {k}", new, old)
            for k, (new, old) in enumerate(zip(state["param_groups"], self.param_groups, strict=True))
        ]
        rows = [(*pair, group) for group in groups for pair in zip(group["names"], group["params"], strict=True)]
        if len(state["state"]) != len(rows):
            raise ValueError(f"{what}: got the state of {len(state['state'])} parameters, expected {len(rows)}")
        loaded = {
            parameter: _loaded(f"{what}: {name}", one, parameter, set(self._slots(group)))
            for (name, parameter, group), one in zip(rows, state["state"], strict=True)
            if one
        }
        self.state = loaded
        self.param_groups, self._is_shown = groups, False

    def _settings_of(self, group: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in group.items() if key not in ("params", "names")}

    def _loaded_group(self, what: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
        settings = self._settings_of(new)
        if settings.keys() != self.defaults.keys():
            raise ValueError(f"{what}: got the settings {sorted(settings)}, expected {sorted(self.defaults)}")
        if len(new.get("params", ())) != len(old["params"]):
            raise ValueError(f"{what}: got {len(new.get('params', ()))} parameters, expected {len(old['params'])}")
        return {"params": old["params"], "names": old["names"], **self._checked(what, settings)}

    def __repr__(self) -> str:
        groups = [
            ", ".join(
                [f"{len(group['params'])} parameters", *(f"{k}={v!r}" for k, v in self._settings_of(group).items())]
            )
            for group in self.param_groups
        ]
        return f"{type(self).__name__}({'; '.join(groups)})"

    def _repr_html_(self) -> str:
        columns = [{"parameters": len(group["params"]), **self._settings_of(group)} for group in self.param_groups]
        name = type(self).__name__
        head = [name] if len(columns) == 1 else [name, *(f"group {k}" for k in range(len(columns)))]
        rows = ([key, *(_shown(column[key]) for column in columns)] for key in columns[0])
        return fragment("en", table([*head, ""] if len(columns) == 1 else head, rows, name, named=True))


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _copied(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in state.items()}


def _loaded(what: str, state: Mapping[str, Any], like: Tensor, slots: set[str]) -> dict[str, Any]:
    """Return a copy of one parameter's state; its arrays have the parameter's shape and dtype, `step` is a count."""
    if set(state) != slots:
        raise ValueError(f"{what}: got the state {sorted(state)}, expected {sorted(slots)}")
    loaded: dict[str, Any] = {}
    for key, value in state.items():
        if key == "step":
            loaded[key] = count(f"{what}: step", value, 0)
            continue
        array = np.asarray(value_of(value))
        if array.dtype.kind != "f" or array.shape != like.shape:
            raise ValueError(
                f"{what}: {key}: expected floats of shape {list(like.shape)}, got {array.dtype} {list(array.shape)}"
            )
        loaded[key] = array.astype(like.dtype)
    return loaded
