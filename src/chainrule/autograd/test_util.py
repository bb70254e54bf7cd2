"""autograd.test_util: checks of derivatives against differences, as autograd's own tests call them.

`chainrule.check` says more: why a gradient is wrong, and where.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from .core import make_jvp, make_vjp, vspace
from .wrap_util import get_name, unary_to_nary

__all__ = ["check_equivalent", "check_grads", "check_jvp", "check_vjp", "combo_check", "scalar_close"]

TOL = 1e-6
RTOL = 1e-6
EPS = 1e-6


def scalar_close(a: Any, b: Any) -> bool:
    """Whether two numbers agree to six digits, absolutely or relatively."""
    return bool(abs(a - b) < TOL or abs(a - b) / abs(a + b) < RTOL)


def make_numerical_jvp(f: Callable[..., Any], x: Any) -> Callable[[Any], Any]:
    """Return `v -> directional derivative`, by central differences."""
    return lambda v: _difference(f, x, v)


def _difference(f: Callable[..., Any], x: Any, v: Any) -> Any:
    x_vs = vspace(x)
    above, below = (f(x_vs.add(x, x_vs.scalar_mul(v, step))) for step in (EPS / 2, -EPS / 2))
    y_vs = vspace(above)
    return y_vs.scalar_mul(y_vs.add(above, y_vs.scalar_mul(below, -1.0)), 1.0 / EPS)


def check_vjp(f: Callable[..., Any], x: Any) -> None:
    """Compare reverse mode with differences in a random direction. Raises AssertionError if they disagree."""
    _check_vjp(f, x)


def _check_vjp(f: Callable[..., Any], x: Any) -> Any:
    """Do what `check_vjp` does, and return the space of the values of `f`."""
    vjp, y = make_vjp(f, x)
    x_vs, y_vs = vspace(x), vspace(y)
    x_v, y_v = x_vs.randn(), y_vs.randn()
    vjp_y = x_vs.covector(vjp(y_vs.covector(y_v)))
    if vspace(vjp_y) != x_vs:
        raise AssertionError(f"the gradient of {get_name(f)} is in {vspace(vjp_y)}, expected {x_vs}, the argument's")
    exact = x_vs.inner_prod(x_v, vjp_y)
    numeric = y_vs.inner_prod(y_v, _difference(f, x, x_v))
    if not scalar_close(numeric, exact):
        raise AssertionError(
            f"Derivative (VJP) check of {get_name(f)} failed with arg {x}:\nanalytic: {exact}\nnumeric:  {numeric}"
        )
    return y_vs


def check_jvp(f: Callable[..., Any], x: Any) -> None:
    """Compare forward mode with differences in a random direction. Raises AssertionError if they disagree."""
    v = vspace(x).randn()
    check_equivalent(make_jvp(f, x)(v)[1], _difference(f, x, v))


def check_equivalent(x: Any, y: Any) -> None:
    """Compare two values along a random vector. Raises AssertionError if they disagree, also in shape or dtype."""
    x_vs, y_vs = vspace(x), vspace(y)
    if x_vs != y_vs:
        raise AssertionError(f"VSpace mismatch:\nx: {x_vs}\ny: {y_vs}")
    v = x_vs.randn()
    if not scalar_close(x_vs.inner_prod(x, v), x_vs.inner_prod(y, v)):
        raise AssertionError(f"Value mismatch:\nx: {x}\ny: {y}")


@unary_to_nary
def check_grads(f: Callable[..., Any], x: Any, modes: Sequence[str] | None = None, order: int = 2) -> None:
    """Check the derivatives of `f` at `x` up to an order, in the modes "fwd" and "rev". Raises AssertionError.

    >>> import numpy as np
    >>> check_grads(np.sin)(1.0)
    """
    modes = ["fwd", "rev"] if modes is None else modes
    for mode in modes:
        if mode not in ("fwd", "rev"):
            raise ValueError(f"check_grads: modes: expected 'fwd' and 'rev', got {mode!r}")
    if "fwd" in modes:
        check_jvp(f, x)
        if order > 1:
            _check_next(lambda x, v: make_jvp(f, x)(v)[1], f"jvp_{get_name(f)}", (x, vspace(x).randn()), modes, order)
    if "rev" in modes:
        y_vs = _check_vjp(f, x)
        if order > 1:
            v = y_vs.randn()
            _check_next(lambda x, v: make_vjp(f, x)[0](v), f"vjp_{get_name(f)}", (x, v), modes, order)


def _check_next(f: Callable[..., Any], name: str, args: tuple[Any, ...], modes: Sequence[str], order: int) -> None:
    f.__name__ = name
    check_grads(f, (0, 1), modes, order=order - 1)(*args)


def combo_check(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., None]:
    """Return a function that checks the derivatives for each combination of the given arguments and settings."""

    def check(*choices: Any, **settings: Any) -> None:
        for chosen in product(*choices):
            for values in product(*settings.values()):
                named = dict(zip(settings, values, strict=True))
                check_grads(_with(fun, named), *args, **kwargs)(*chosen)

    return check


def _with(fun: Callable[..., Any], settings: dict[str, Any]) -> Callable[..., Any]:
    def f(*args: Any) -> Any:
        return fun(*args, **settings)

    f.__name__ = get_name(fun)
    return f
