"""`torch.fx`: only the mark that libraries put on functions; nothing is traced by it here."""

from typing import Any

from .missing import explain


def wrap(fn_or_name: Any) -> Any:
    """Return a function, or its name, as it is."""
    return fn_or_name


def __getattr__(name: str) -> Any:
    raise AttributeError(explain("fx"))
