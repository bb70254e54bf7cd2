"""Callable modules: `chainrule.check` is both a package and a function."""

import inspect
import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """A module whose `__call__` is the function that its global `_called` names."""

    _called: str
    _own_doc: str | None

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """Return the function's docstring: `help(chainrule.check)` should describe the call.

        Examples are left out: they are in the function's own docstring, and run from there.
        """
        own = str(self._own_doc or "")
        try:
            function = getattr(self, self._called)
            called = f"{self.__name__}{inspect.signature(function)}"
        except (AttributeError, ImportError, TypeError, ValueError):  # while the package itself is being imported
            return own
        said = inspect.getdoc(function) or ""
        paragraphs = [p for p in said.split("\n\n") if not p.lstrip().startswith(">>>")]
        more = f"Its examples: help({self.__name__}.{self._called})."
        return "\n\n".join([own.splitlines()[0], called, *paragraphs, more])

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function of the module's name."""
        return getattr(self, self._called)(*args, **kwargs)

    def __reduce__(self) -> Any:
        """Pickle and copy it as the one module of its name."""
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
    # Not under its own name: in a loop, Python 3.14 reads what a module's dict has, and not the class's property.
    made.__dict__["_own_doc"] = made.__dict__.pop("__doc__", None)
    made.__class__ = CallableModule
