r"""Wirtinger derivatives: the two complex derivatives of any function of complex numbers.

With z = x + iy they are $\partial f/\partial z = (\partial f/\partial x - i\,\partial f/\partial y)/2$ and
$\partial f/\partial \bar z = (\partial f/\partial x + i\,\partial f/\partial y)/2$ (W. Wirtinger, 1927), so that
$df = \partial f/\partial z\,dz + \partial f/\partial \bar z\,d\bar z$.
"""

import functools
from typing import Any

import numpy as np

from chainrule.core.tree import map_leaves

from .derivatives import Argnums, Function, is_complex
from .jacobians import jacfwd
from .values import entering, select


def wirtinger(f: Function, argnums: Argnums = 0) -> Function:
    """Return a function that returns the derivatives of `f` by z and by the conjugate of z, a pair of Jacobians.

    Each is shaped like a result of `jacrev`. The second is zero where `f` is holomorphic; of a real value it is the
    conjugate of the first, and `grad` is twice the first.

    Raises TypeError for arguments that are not complex.

    >>> import numpy as np
    >>> import chainrule as cr
    >>> by_z, by_conjugate = cr.wirtinger(lambda z: z**2 + 5 * np.conj(z))(1 + 2j)
    >>> complex(by_z), complex(by_conjugate)
    ((2+4j), (5+0j))
    """

    @functools.wraps(f)
    def derivatives(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        numbers = select("wirtinger", args, argnums)
        chosen = args[numbers[0]] if isinstance(argnums, int) else tuple(args[k] for k in numbers)
        map_leaves(_check, chosen)

        def of_parts(a: Any, b: Any) -> Any:
            z = map_leaves(lambda a, b: a + 1j * b, a, b)
            placed = dict(zip(numbers, (z,) if isinstance(argnums, int) else z, strict=True))
            return f(*(placed.get(k, x) for k, x in enumerate(args)), **kwargs)

        parts = map_leaves(np.real, chosen), map_leaves(np.imag, chosen)
        by_x, by_y = (jacfwd(of_parts, k)(*parts) for k in (0, 1))
        by_z = map_leaves(lambda a, b: (a - 1j * b) / 2, by_x, by_y)
        return by_z, map_leaves(lambda a, b: (a + 1j * b) / 2, by_x, by_y)

    return derivatives


def _check(x: Any) -> None:
    value = entering(x, "wirtinger: an argument")
    if not is_complex(value):
        raise TypeError(
            f"wirtinger: got dtype {value.dtype}, expected complex numbers; use chainrule.jacobian for real ones"
        )
