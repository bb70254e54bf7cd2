"""Modules that can be called: `chainrule.check` is a package and also the function that one calls."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """A module whose `__call__` is the function that its global `_called` names."""

    _called: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call what the module is named after."""
        return getattr(self, self._called)(*args, **kwargs)

    def __reduce__(self) -> Any:
        """Pickle and copy it as what it is: the one module of its name."""
        return import_module, (self.__name__,)

    @property
    def __wrapped__(self) -> Any:
        """The function itself: `inspect.signature` and `help` show its signature."""
        return getattr(self, self._called)


def make_callable(module: str, function: str) -> None:
    """Make the module of that name call its `function`; Python allows a module's class to be replaced (PEP 549's way).

    >>> import sys, types
    >>> module = sys.modules["doubling"] = types.ModuleType("doubling")
    >>> module.double = lambda x: 2 * x
    >>> make_callable("doubling", "double")
    >>> module(21)
    42
    >>> del sys.modules["doubling"]
    """
    made = sys.modules[module]
    made.__dict__["_called"] = function
    made.__class__ = CallableModule
