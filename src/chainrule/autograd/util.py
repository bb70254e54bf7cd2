"""autograd.util: small helpers that code written for autograd imports."""

import warnings
from collections.abc import Callable
from typing import Any

from .sequences import subval, subvals, toposort
from .test_util import check_grads

__all__ = ["func", "quick_grad_check", "subval", "subvals", "toposort"]


def func(f: Any) -> Any:
    """Return `f` itself: in Python 2 it took a function out of a method."""
    return f


def quick_grad_check(
    fun: Callable[..., Any], arg0: Any, extra_args: tuple[Any, ...] = (), kwargs: Any = None, **_: Any
) -> None:
    """Check the gradient with respect to the first argument. autograd deprecated it in favour of `check_grads`."""
    warnings.warn("quick_grad_check is deprecated; use autograd.test_util.check_grads", DeprecationWarning, 2)
    check_grads(lambda x: fun(x, *extra_args, **(kwargs or {})), modes=["rev"], order=1)(arg0)
