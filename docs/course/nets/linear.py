"""Chapter 6: a linear map, with the gradient G arriving from behind."""

import sys
from functools import partial

import numpy as np

import chainrule as cr


def linear(X, W, b, G):
    """A loss whose gradient by Z = X W + b is G."""
    Z = X @ W + b
    return (G * Z).sum()  # the gradient of this by Z is G


ARGS = (
    np.array([[1.0, 2.0], [3.0, -1.0]]),
    np.array([[1.0, 0.0], [2.0, 1.0]]),
    np.array([0.0, 1.0]),
    np.array([[1.0, -1.0], [2.0, 0.0]]),
)
ARGNUMS = (0, 1, 2)
explore = partial(cr.explore, linear, *ARGS, argnums=ARGNUMS)

if __name__ == "__main__":
    explorer = explore(lang=sys.argv[1] if len(sys.argv) > 1 else "en")
    print(explorer.serve(), flush=True)
    explorer.wait()
