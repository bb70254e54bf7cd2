"""Chapter 3: two layers, softmax and cross-entropy, with the numbers of the chapter."""

import sys
from functools import partial

import numpy as np

import chainrule as cr
from chainrule.nn import functional as F


def network(x, y, W1, b1, W2, b2):
    """Linear → ReLU → linear → softmax with cross-entropy."""
    z1 = x @ W1 + b1
    a1 = F.relu(z1)
    z2 = a1 @ W2 + b2
    return F.cross_entropy(z2, y)


ARGS = (
    np.array([[1.0, 2.0]]),
    np.array([[1.0, 0.0]]),
    np.array([[1.0, -1.0, 0.5], [1.0, 1.0, -0.5]]),
    np.zeros(3),
    np.array([[1.0, 0.0], [-1.0, 2.0], [1.0, -1.0]]),
    np.zeros(2),
)
ARGNUMS = (2, 3, 4, 5)
explore = partial(cr.explore, network, *ARGS, argnums=ARGNUMS)

if __name__ == "__main__":
    explorer = explore(lang=sys.argv[1] if len(sys.argv) > 1 else "en")
    print(explorer.serve(), flush=True)
    explorer.wait()
