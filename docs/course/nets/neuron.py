"""Chapter 2: one neuron."""

import sys
from functools import partial

import chainrule as cr


def neuron(x, w, b, y):
    """L = ½ (σ(w x + b) − y)²."""
    z = w * x + b
    a = cr.sigmoid(z)
    return 0.5 * (a - y) ** 2


ARGS, ARGNUMS = (2.0, 0.5, 0.1, 1.0), (1, 2)
explore = partial(cr.explore, neuron, *ARGS, argnums=ARGNUMS)

if __name__ == "__main__":
    explorer = explore(lang=sys.argv[1] if len(sys.argv) > 1 else "en")
    print(explorer.serve(), flush=True)
    explorer.wait()
