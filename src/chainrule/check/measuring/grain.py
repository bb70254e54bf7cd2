"""Whether code whose values are float64 rounds to a narrower dtype on the way."""

import numpy as np

from .measure import Probe, random_direction

STEPS = (2.0**-20, 2.0**-23, 2.0**-26)
"""Steps, relative to the arguments, at which float64 code is straight and float32 moves by leaps."""
SHARES = (1.0, 0.61)
CROOKED = 0.25
"""The share of a movement by which twice the step must not differ from two of it."""
TWICE = 2
"""In how many places: one may be a kink."""


def grainy(probe: Probe, rng: np.random.Generator) -> bool:
    """Say whether the function moves by leaps that its dtype does not explain.

    A step so short goes straight on, on each side of a kink, too: twice the step is twice the movement. Where a part
    is rounded to float32, most steps move it not at all, and some by a whole unit in the last place.
    """
    moved = probe.along({n: probe.scale(n) * random_direction(rng, x.shape) for n, x in probe.at.items()})
    here = probe.weights * moved(0.0)
    rounding = 1e3 * probe.eps * float(np.linalg.norm(here))
    crooked = 0
    for step in (sign * share * step for step in STEPS for share in SHARES for sign in (1, -1)):
        once, twice = (probe.weights * moved(k * step) - here for k in (1, 2))
        size = max(float(np.linalg.norm(once)), float(np.linalg.norm(twice)))
        crooked += float(np.linalg.norm(twice - 2 * once)) > CROOKED * size + rounding
    return crooked >= TWICE
