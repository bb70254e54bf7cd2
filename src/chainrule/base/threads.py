"""Threads of chainrule's own, and whether anybody else's may be running."""

import threading


class OwnThread(threading.Thread):
    """A thread that runs chainrule's kernels only: it touches no variable of the user's and draws no random number."""


def others_run() -> bool:
    """Return whether a thread besides this one is alive that could run the user's code.

    >>> others_run()
    False
    """
    here = threading.current_thread()
    return any(thread is not here and not isinstance(thread, OwnThread) for thread in threading.enumerate())
