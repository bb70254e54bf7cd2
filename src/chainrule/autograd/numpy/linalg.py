"""autograd.numpy.linalg: NumPy's linear algebra, differentiable."""

from typing import Any

from chainrule.numpy import linalg as _linalg


def __getattr__(name: str) -> Any:
    return getattr(_linalg, name)


def __dir__() -> list[str]:
    return dir(_linalg)
