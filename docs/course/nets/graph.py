"""Chapter 5: a value that is used twice."""

import sys
from functools import partial

import chainrule as cr


def shared(x, y):
    """L = (x + y) y."""
    s = x + y
    return s * y


ARGS, ARGNUMS = (2.0, 3.0), (0, 1)
explore = partial(cr.explore, shared, *ARGS, argnums=ARGNUMS)

if __name__ == "__main__":
    explorer = explore(lang=sys.argv[1] if len(sys.argv) > 1 else "en")
    print(explorer.serve(), flush=True)
    explorer.wait()
