"""Chapter 9: one query, two keys, with the gradient dO arriving from behind."""

import sys
from functools import partial

import numpy as np

import chainrule as cr


def attention(Q, K, V, dO):
    """A loss whose gradient by the output is dO."""
    S = Q @ K.T / 2**0.5
    P = cr.softmax(S, axis=1)
    out = P @ V
    return (dO * out).sum()  # the gradient of this by out is dO


ARGS = (
    np.array([[1.0, 1.0]]),
    np.array([[1.0, 0.0], [0.0, 1.0]]),
    np.array([[2.0, 0.0], [0.0, 4.0]]),
    np.array([[1.0, 1.0]]),
)
ARGNUMS = (0, 1, 2)
explore = partial(cr.explore, attention, *ARGS, argnums=ARGNUMS)

if __name__ == "__main__":
    explorer = explore(lang=sys.argv[1] if len(sys.argv) > 1 else "en")
    print(explorer.serve(), flush=True)
    explorer.wait()
