"""How many processors this process may use."""

import os


def processors() -> int:
    """Return how many processors this process may run on, at least 1: where the system does not say, all there are.

    >>> processors() >= 1
    True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
