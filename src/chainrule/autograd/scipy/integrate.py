"""autograd.scipy.integrate: `odeint`, differentiated by solving the adjoint equation backwards in time.

Chen et al., "Neural ordinary differential equations" (2018), appendix C.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.integrate as _scipy

from ..core import make_vjp
from ..extend import defvjp_argnums, primitive
from ..misc import flatten

__all__ = ["odeint"]


@primitive
def odeint(func: Callable[..., Any], y0: Any, t: Any, args: Any = (), **settings: Any) -> Any:
    """Return y at the times `t` [T], of which y is `y0` [N] at the first, where dy/dt = func(y, t, *args): [T, N].

    `y0`, `t` and what is in `args` can be differentiated. `settings` are those of SciPy's `odeint`, such as `rtol`.
    """
    return _scipy.odeint(func, y0, t, tuple(args), **settings)


def _backwards(func: Callable[..., Any], size: int, unflatten: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return the equation of y, its cotangent, that of t and those of the arguments, in one vector."""

    def slope(state: Any, t: Any, flat: Any) -> Any:
        y, y_bar = state[:size], state[size : 2 * size]
        vjp, y_dot = make_vjp(lambda x: func(x[0], x[1], *unflatten(x[2])), (y, t, flat))
        return np.concatenate([y_dot, *map(np.atleast_1d, vjp(-y_bar))])

    return slope


def _odeint_vjp(argnums: Sequence[int], yt: Any, args: Any, settings: Any) -> Callable[[Any], list[Any]]:
    func, y0, t, func_args = (*args, ())[:4]
    size = int(np.shape(y0)[0])
    flat, unflatten = flatten(tuple(func_args))
    slope = _backwards(func, size, unflatten)

    def vjp(g: Any) -> list[Any]:
        y_bar, t0_bar, args_bar, t_bars = g[-1], 0.0, np.zeros(np.shape(flat)), []
        for i in range(len(t) - 1, 0, -1):
            t_bars.append(np.dot(func(yt[i], t[i], *func_args), g[i]))
            t0_bar = t0_bar - t_bars[-1]
            state = np.concatenate([yt[i], y_bar, np.reshape(t0_bar, (1,)), args_bar])
            start = odeint(slope, state, np.stack([t[i], t[i - 1]]), (flat,), **settings)[1]
            y_bar, t0_bar, args_bar = start[size : 2 * size] + g[i - 1], start[2 * size], start[2 * size + 1 :]
        bars = {1: y_bar, 2: np.stack([*t_bars, t0_bar][::-1]), 3: unflatten(args_bar)}
        return [bars[k] for k in argnums]

    return vjp


defvjp_argnums(odeint, _odeint_vjp)
