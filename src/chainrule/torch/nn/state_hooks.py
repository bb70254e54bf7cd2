"""The hooks of state dicts: before and after one is made, and before and after one is loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..autograd.hooks import RemovableHandle
from .hooks import Hooks, added

_calls = ContextVar("calls", default=True)


@contextmanager
def without_hooks() -> Iterator[None]:
    """Make state dicts without calling hooks inside the block."""
    token = _calls.set(False)
    try:
        yield
    finally:
        _calls.reset(token)


class StateHooks:
    """The methods of a module that register hooks of state dicts, with PyTorch's names."""

    _hooks: Hooks

    def register_state_dict_pre_hook(self, hook: Any) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before a state dict is made."""
        return added(self._hooks.before_state, hook)

    def register_state_dict_post_hook(self, hook: Any) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after a state dict is made, which it may change."""
        return added(self._hooks.after_state, hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_pre_hook(self, hook: Any) -> RemovableHandle:
        """Call a hook before loading.

        Its arguments are the module, the state dict, which it may change, the prefix, metadata, `strict`, and the lists
        of missing names, unexpected names and errors.
        """
        return added(self._hooks.before_load, lambda *given: hook(self, *given))

    def _register_load_state_dict_pre_hook(self, hook: Any, with_module: bool = False) -> RemovableHandle:
        return self.register_load_state_dict_pre_hook(hook) if with_module else added(self._hooks.before_load, hook)

    def register_load_state_dict_post_hook(self, hook: Any) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after a state dict was loaded; it may change the lists of names."""
        return added(self._hooks.after_load, hook)

    def _begin_load(self, state: dict[str, Any], prefix: str, *report: Any) -> None:
        """Let the hooks change the part of a state dict that is for this module."""
        for hook in list(self._hooks.before_load.values()):
            names = [name for name in state if name.startswith(prefix)]
            part = {name: state[name] for name in names}
            hook(part, prefix, {}, *report)
            for name in names:
                del state[name]
            state.update(part)

    def _begin_state(self, prefix: str, keep_vars: bool) -> None:
        for hook in list(self._hooks.before_state.values()) if _calls.get() else ():
            hook(self, prefix, keep_vars)

    def _end_state(self, found: dict[str, Any], prefix: str) -> dict[str, Any]:
        for hook in list(self._hooks.after_state.values()) if _calls.get() else ():
            replaced = hook(self, found, prefix, {})
            found = found if replaced is None else replaced
        return found
