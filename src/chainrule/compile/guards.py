"""What a plan took for fixed, and whether it still is."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from chainrule.core.changes import changes
from chainrule.core.lending import is_lent
from chainrule.core.provenance import PACKAGE

from .capture import Capture, is_same
from .plan import Plan

COMPARED = 2**16
"""How many bytes of an array that a function finds outside of itself are compared at each call."""
PLAIN = (int, float, bool, str, type(None), np.generic)


@dataclass(eq=False)
class Guards:
    """What a capture saw of the world around the function."""

    capture: Capture
    plan: Plan
    variables: "Variables"
    seen: int = -1

    def __post_init__(self) -> None:
        states = [v for v in self.plan.buffers if v.kind == "state"]
        self.arrays = {id(v.array): self.plan.buffers[v] for v in states}
        read = self.capture.read_grads
        self.with_grad = [x for x, value in self.capture.entry_grads if value in self.plan.buffers or id(x) in read]
        used = {id(leaf) for leaf in self.with_grad}
        self.without_grad = [
            leaf
            for key, (leaf, grad) in self.capture.grads.items()
            if grad is None
            and key not in used
            and (key in read or (leaf in self.plan.final_grads and key not in self.capture.forgotten))
        ]

    def hold(self) -> bool:
        """Whether the plan still fits; arrays that were replaced by others of the same kind are taken in."""
        if not self.variables.hold():
            return False
        if self.without_grad and any(leaf.grad is not None for leaf in self.without_grad):
            return False
        if self.with_grad and any(leaf.grad is None for leaf in self.with_grad):
            return False
        looked = self.capture.looked
        if looked and not all(np.array_equal(array, values, equal_nan=True) for array, values in looked):
            return False
        for check in self.capture.checks:
            if not check():
                return False
        if self.seen != changes.replaced:
            if not self._look():
                return False
            self.seen = changes.replaced
        return True

    def _look(self) -> bool:
        for module, training, attributes in self.capture.modules.values():
            if module._hooks is not None and module._hooks:
                return False
            if module.training != training or not all(is_same(v, vars(module).get(k)) for k, v in attributes.items()):
                return False
        for holder, name, array in self.capture.holders.values():
            if holder.get(name) is not array:
                return False
        for tensor, array, link in self.capture.tensors.values():
            if tensor._link is not link:
                return False
            home = self.arrays.get(id(array))
            if home is None and tensor._value is not array:
                return False
            if home is not None and tensor._value is not home:
                value = tensor._value
                if value.shape != home.shape or value.dtype != home.dtype or not home.flags.writeable:
                    return False
                if is_lent(value) or is_lent(home):  # somebody can write to the one, or means the other to stay
                    return False
                home[...] = value
                tensor._value = home
                changes.replaced += 1  # another plan may have had it in a place of its own
        return True


class Variables:
    """The plain numbers and arrays that a function finds outside of itself.

    In its closure, its defaults, among its globals, and, for a method, in the object that it belongs to; also in lists
    and dicts there, in plain objects, and in what other functions of the user's find that it calls by name. What
    stands deeper, such as a setting of an optimiser, is taken as it was at the capture.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self._found: list[tuple[Callable[[], Any], Any]] = []
        """What reads each variable, and what it was."""
        self.generators: dict[str, Any] = {}
        """The generators of random numbers among them."""
        self._seen: set[int] = set()
        self._function(f)

    def watch(self, x: Any) -> None:
        """Look at the attributes of an argument that is fixed, such as a method's `self`."""
        self._object(x)

    def hold(self) -> bool:
        """Whether all of them are what they were."""
        for read, before in self._found:  # at every call: written out for speed
            now = read()
            if now is not before and not _same(now, before):
                return False
        return True

    def _function(self, f: Any) -> None:
        owner, f = getattr(f, "__self__", None), getattr(f, "__func__", f)
        code = getattr(f, "__code__", None)
        if code is None and callable(f) and id(f) not in self._seen:
            self._seen.add(id(f))
            self._object(f)
            self._function(type(f).__call__)
        if id(f) in self._seen or code is None or code.co_filename.startswith(PACKAGE):
            return
        self._seen.add(id(f))
        for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
            is_empty = _content(cell) is None
            self._variable(name, partial(_content, cell) if is_empty else partial(getattr, cell, "cell_contents"))
        for name in _names_in(code):
            if name in f.__globals__:
                self._variable(name, partial(f.__globals__.get, name))
        for name in ("__defaults__", "__kwdefaults__"):
            self._variable(name, partial(getattr, f, name))
        if owner is not None:
            self._object(owner)

    def _variable(self, name: str, read: Callable[[], Any]) -> None:
        x = read()
        if _is_plain(x):
            self._found.append((read, _kept(x)))
        elif isinstance(x, np.random.Generator):
            self.generators[name] = x
        elif isinstance(x, FunctionType):
            self._found.append((read, x))
            self._function(x)
        elif not isinstance(x, type | ModuleType):
            self._found.append((read, x))
            self._object(x)

    def _object(self, x: Any) -> None:
        if type(x).__module__.partition(".")[0] in ("chainrule", "numpy") or hasattr(x, "_parameters"):
            return
        for name, value in list(getattr(x, "__dict__", {}).items()):
            self._found.append((partial(x.__dict__.get, name), _kept(value)))


def _names_in(code: CodeType) -> set[str]:
    """Return the names that a function's code, or that of functions inside it, may look up among the globals."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names_in(constant)
    return names


def _is_plain(x: Any) -> bool:
    return isinstance(x, (*PLAIN, np.ndarray, list, dict, tuple))


def _kept(x: Any) -> Any:
    """Return what to compare with later: the thing itself, or a copy of a list or dict."""
    if type(x) is np.ndarray and x.nbytes <= COMPARED and not x.dtype.hasobject:
        return _Array(x)
    return x.copy() if type(x) in (list, dict) else x


class _Array:
    """An array, and what was in it: NumPy computes with it past a capture, and the result is a constant of the plan."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.bytes = array.tobytes()

    def is_same(self, now: Any) -> bool:
        return now is self.array and now.tobytes() == self.bytes


def _same(now: Any, before: Any) -> bool:
    if isinstance(before, _Array):
        return before.is_same(now)
    if now is before:
        return True
    if type(now) is not type(before):
        return False
    if isinstance(before, PLAIN):
        return bool(now == before)
    if isinstance(before, list | tuple):
        return len(now) == len(before) and all(map(_same, now, before))
    if isinstance(before, dict):
        return now.keys() == before.keys() and all(_same(now[key], value) for key, value in before.items())
    return False


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None
