"""autograd.misc.fixed_points: the solution of x = f(a)(x), differentiated with respect to a."""

from collections.abc import Callable
from typing import Any

from ..core import make_vjp
from ..extend import defvjp, primitive, vspace

__all__ = ["fixed_point"]


@primitive
def fixed_point(f: Callable[..., Any], a: Any, x0: Any, distance: Callable[..., Any], tol: float) -> Any:
    """Return the x at which `f(a)(x)` is x, by iteration from `x0` until `distance(x, previous)` is at most `tol`.

    The derivative with respect to `a` is that of the solution, not of the iteration: it solves a fixed-point equation
    of its own.
    """
    step = f(a)
    x, previous = step(x0), x0
    while distance(x, previous) > tol:
        x, previous = step(x), x
    return x


def _fixed_point_vjp(ans: Any, f: Callable[..., Any], a: Any, x0: Any, distance: Any, tol: float) -> Any:
    def rev_iter(params: Any) -> Any:
        a, x_star, x_star_bar = params
        vjp_x, _ = make_vjp(f(a), x_star)
        return lambda g: vspace(x_star).add(vjp_x(g), x_star_bar)

    vjp_a, _ = make_vjp(lambda a: f(a)(ans), a)
    return lambda g: vjp_a(fixed_point(rev_iter, (a, ans, g), vspace(x0).zeros(), distance, tol))


defvjp(fixed_point, None, _fixed_point_vjp, None)
