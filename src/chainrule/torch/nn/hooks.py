"""The hooks of modules: before and after `forward`, and on gradients."""

from typing import Any

from ..autograd.hooks import RemovableHandle, register_hook
from ..face import Tensor


class Hooks:
    """The hooks of one module."""

    def __init__(self) -> None:
        self.before: dict[int, Any] = {}
        self.after: dict[int, Any] = {}
        self.backward: dict[int, Any] = {}
        self.with_kwargs: set[int] = set()
        self.before_state: dict[int, Any] = {}
        self.after_state: dict[int, Any] = {}
        self.before_load: dict[int, Any] = {}
        self.after_load: dict[int, Any] = {}

    def any(self) -> bool:
        """Return whether there are hooks."""
        return bool(self.before or self.after or self.backward)

    def call(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a module's forward pass with its hooks."""
        for key, hook in list(self.before.items()):
            if key in self.with_kwargs:
                found = hook(module, args, kwargs)
                args, kwargs = found if found is not None else (args, kwargs)
            else:
                found = hook(module, args)
                args = args if found is None else found if isinstance(found, tuple) else (found,)
        grads: dict[str, Any] = {}
        if self.backward:
            args = self._watched_inputs(module, args, grads)
        result = module.forward(*args, **kwargs)
        for key, hook in list(self.after.items()):
            found = hook(module, args, kwargs, result) if key in self.with_kwargs else hook(module, args, result)
            result = result if found is None else found
        if self.backward and isinstance(result, Tensor) and result.requires_grad:
            register_hook(result, lambda grad: grads.__setitem__("output", grad))
            if not any(isinstance(x, Tensor) and x.requires_grad for x in args):
                register_hook(result, lambda grad: self._called(module, (None,), (grad,)))
        return result

    def _called(self, module: Any, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> Any:
        for hook in list(self.backward.values()):
            found = hook(module, inputs, outputs)
            if found is not None:
                inputs = found if isinstance(found, tuple) else (found,)
        return None

    def _watched_inputs(self, module: Any, args: tuple[Any, ...], grads: dict[str, Any]) -> tuple[Any, ...]:
        """Return the inputs with a hook at the first that has a gradient."""
        from_inputs = list(args)
        for k, x in enumerate(from_inputs):
            if isinstance(x, Tensor) and x.requires_grad:
                one = x * 1.0

                def hook(grad: Any, k: int = k) -> Any:
                    inputs: tuple[Any, ...] = tuple(grad if j == k else None for j in range(len(args)))
                    for each in list(self.backward.values()):
                        found = each(module, inputs, (grads.get("output"),))
                        if found is not None:
                            inputs = found if isinstance(found, tuple) else (found,)
                    return inputs[k]

                register_hook(one, hook)
                from_inputs[k] = one
                break
        return tuple(from_inputs)


def added(table: dict[int, Any], hook: Any, first: bool = False) -> RemovableHandle:
    """Register a hook."""
    return RemovableHandle(table, hook, first)
