"""Chapter 1: two dials that share nearly all of the work."""

import sys
from functools import partial

import chainrule as cr


def machine(w1, w2):
    """L = (3 (w1² + w2²) + 1)²."""
    u = w1**2 + w2**2
    v = 3 * u + 1
    return v**2


ARGS, ARGNUMS = (1.0, 2.0), (0, 1)
explore = partial(cr.explore, machine, *ARGS, argnums=ARGNUMS)

if __name__ == "__main__":
    explorer = explore(lang=sys.argv[1] if len(sys.argv) > 1 else "en")
    print(explorer.serve(), flush=True)
    explorer.wait()
