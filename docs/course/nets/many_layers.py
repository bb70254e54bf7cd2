"""Chapter 4: three layers of one unit."""

import sys
from functools import partial

import chainrule as cr


def layers(x, w1, w2, w3, y):
    """Three ReLU layers without biases, L = ½ (a3 − y)²."""
    a1 = cr.relu(w1 * x)
    a2 = cr.relu(w2 * a1)
    a3 = cr.relu(w3 * a2)
    return 0.5 * (a3 - y) ** 2


ARGS, ARGNUMS = (1.0, 2.0, 0.5, 3.0, 1.0), (1, 2, 3)
explore = partial(cr.explore, layers, *ARGS, argnums=ARGNUMS)

if __name__ == "__main__":
    explorer = explore(lang=sys.argv[1] if len(sys.argv) > 1 else "en")
    print(explorer.serve(), flush=True)
    explorer.wait()
