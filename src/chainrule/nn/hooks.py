"""Hooks: user functions that a module calls after its forward pass and after its backward pass.

A backward hook is made of two identity operations, one on the module's inputs and one on its outputs: the gradients of
both pass through the rules of these operations in the backward pass.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Self

import numpy as np

from chainrule.core.kinds import General
from chainrule.core.memory.changes import changes
from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor
from chainrule.core.tree import flatten, unflatten

Hook = Callable[..., Any]

_numbers = count()


class HookHandle:
    """A registered hook; `remove()`, or the end of a `with` block, removes it."""

    def __init__(self, hooks: dict[int, Hook], hook: Hook) -> None:
        self._hooks, self._number = hooks, next(_numbers)
        hooks[self._number] = hook
        changes.replaced += 1

    def remove(self) -> None:
        """Remove the hook; doing it twice is harmless."""
        self._hooks.pop(self._number, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Hooks:
    """The hooks of one module, in order of registration."""

    def __init__(self) -> None:
        self.forward: dict[int, Hook] = {}
        self.backward: dict[int, Hook] = {}

    def __bool__(self) -> bool:
        """Whether there are any hooks."""
        return bool(self.forward or self.backward)

    def call(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the module's `forward` and its hooks."""
        watch = _Watch(module, list(self.backward.values())) if self.backward else None
        if watch is not None:
            args = watch.inputs(args)
        y = module.forward(*args, **kwargs)
        for hook in list(self.forward.values()):
            changed = hook(module, args, y)
            y = y if changed is None else changed
        return y if watch is None else watch.outputs(y)


class _Watch:
    """One call of a module with backward hooks, which collects the gradients as they arrive."""

    def __init__(self, module: Any, hooks: Sequence[Hook]) -> None:
        self.module, self.hooks = module, hooks
        self.places: list[int] = []
        self.arguments = 0
        self.grad_output: tuple[Any, ...] = ()

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.places, self.arguments = _watched(args), len(args)
        if not self.places:
            return args
        passed = WatchedInput.apply(*(args[k] for k in self.places), watch=self)
        return _replaced(args, self.places, passed)

    def outputs(self, y: Any) -> Any:
        leaves, form = flatten(y)
        places = _watched(leaves)
        if not places:
            return y
        passed = WatchedOutput.apply(*(leaves[k] for k in places), watch=self)
        return unflatten(form, _replaced(leaves, places, passed))

    def told(self, grads: Sequence[Any]) -> tuple[Any, ...]:
        """Call the hooks with the gradients of the watched inputs; return these as the hooks left them."""
        grad_input = _replaced((None,) * self.arguments, self.places, grads)
        for hook in self.hooks:
            changed = hook(self.module, grad_input, self.grad_output)
            if changed is not None:
                grad_input = self._checked(changed, grad_input)
        return tuple(grad_input[k] for k in self.places)

    def _checked(self, changed: Any, before: tuple[Any, ...]) -> tuple[Any, ...]:
        changed = changed if isinstance(changed, tuple | list) else (changed,)
        what = f"{type(self.module).__name__}: a backward hook"
        if len(changed) != len(before):
            raise ValueError(f"{what} returned {len(changed)} gradients, expected {len(before)}, one for each argument")
        for k in self.places:
            if np.shape(changed[k]) != before[k].shape:
                raise ValueError(
                    f"{what} returned, for argument {k}, a gradient of shape {list(np.shape(changed[k]))}, "
                    f"expected {list(before[k].shape)}"
                )
        return tuple(changed)


def _watched(items: Sequence[Any]) -> list[int]:
    return [k for k, item in enumerate(items) if isinstance(item, Tensor) and item.requires_grad]


def _replaced(items: Sequence[Any], places: Sequence[int], by: Sequence[Any]) -> tuple[Any, ...]:
    new = dict(zip(places, by, strict=True))
    return tuple(new.get(k, item) for k, item in enumerate(items))


class _Passing(General, abstract=True):
    """Arrays that pass through a `_Watch` unchanged."""

    several = True

    @staticmethod
    def primal(*xs: Array, watch: Any = None) -> tuple[Array, ...]:  # noqa: ARG004
        return xs

    @staticmethod
    def jvp(xs_dot: tuple[Array, ...]) -> tuple[Array, ...]:
        r"""\dot y = \dot x"""
        return tuple(xs_dot)


class WatchedInput(_Passing, register=False):
    r"""y = x

    The inputs of a module with a backward hook; the hook may replace their gradients.
    """

    @staticmethod
    def vjp(y_bar: tuple[Array, ...], *, watch: Any) -> tuple[Array, ...]:
        r"""\bar x = \bar y"""
        return watch.told(y_bar)  # type: ignore[no-any-return]


class WatchedOutput(_Passing, register=False):
    r"""y = x

    The outputs of a module with a backward hook.
    """

    @staticmethod
    def vjp(y_bar: tuple[Array, ...], *, watch: Any) -> tuple[Array, ...]:
        r"""\bar x = \bar y"""
        watch.grad_output = tuple(y_bar)
        if not watch.places:  # no input will trigger the hooks, so they run here
            watch.told(())
        return tuple(y_bar)
