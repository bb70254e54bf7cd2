"""Libraries that chainrule works with and does not need."""

from importlib import import_module
from typing import Any

TITLES = {"torch": "PyTorch", "jax": "JAX", "sklearn": "scikit-learn"}


def needed(name: str, caller: str) -> Any:
    """Return a library, or raise an ImportError that says how to get it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        title = TITLES.get(name, name)
        raise ImportError(
            f"{caller} needs {title} ({error.name} is missing); run: python -m pip install 'chainrule[{name}]'"
        ) from error
