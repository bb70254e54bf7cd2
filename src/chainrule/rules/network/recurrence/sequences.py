"""What the recurrences share: their shapes, the states that the steps began from, and the weights' gradients."""

import numpy as np

from chainrule.core.operation import Array
from chainrule.kernels import sums
from chainrule.rules.linalg.matmul import product, rows


def check(gates: int, z: Array, w: Array, b: Array, *states: Array) -> None:
    """Raise ValueError unless z is [T, B, G H], w [H, G H], b [G H] and each state [B, H]."""
    given = [np.shape(x) for x in (z, w, b, *states)]
    if len(given[0]) == 3 and len(given[3]) == 2 and given[0][0]:
        (_, batch, wide), width = given[0], given[3][1]
        expected = [(width, wide), (wide,), *[(batch, width)] * len(states)]
        if wide == gates * width and given[1:] == expected:
            return
    many = f"{gates} H" if gates > 1 else "H"
    names = "h and c" if len(states) == 2 else "h"
    raise ValueError(
        f"expected z [T, B, {many}] with at least one step, w [H, {many}], b [{many}], {names} [B, H], "
        f"got the shapes {given}"
    )


def earlier(h: Array, states: Array) -> Array:
    """Return the state that each step began from, [T, B, H]."""
    return np.concatenate([h[None], states[:-1]])


def of_weights(began: Array, bar: Array) -> tuple[Array, Array]:
    """Return the gradients of w and b: one product over the steps and samples, and one sum."""
    return product(rows(began).T, rows(bar)), sums.of_rows(bar)
