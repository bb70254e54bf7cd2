"""Optional libraries, imported on use."""

from importlib import import_module
from typing import Any

TITLES = {"torch": "PyTorch", "jax": "JAX"}


def is_of_torch(thing: Any) -> bool:
    """Whether an object's class is, or derives from, a PyTorch class; this does not import PyTorch."""
    return any(c.__module__.partition(".")[0] == "torch" for c in type(thing).__mro__)


def needed(module: str, purpose: str, install: str = "") -> Any:
    """Import ``module``; if its package is missing, raise ``ImportError`` with the command that installs it.

    Unless ``install`` is given, that is chainrule's extra of the package's name.

    >>> needed("no_such_library.io", "'digits'", "pip install no-such-library")
    Traceback (most recent call last):
    ImportError: 'digits' needs no_such_library, which is not installed; run: pip install no-such-library
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name != package:
            raise  # the package is installed, but something that it needs is not: its own message says what
        title, install = TITLES.get(package, package), install or f"python -m pip install 'chainrule[{package}]'"
        raise ImportError(f"{purpose} needs {title}, which is not installed; run: {install}") from error
