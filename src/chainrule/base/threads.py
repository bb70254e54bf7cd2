"""chainrule's own threads, and whether any others may be running."""

import threading


class OwnThread(threading.Thread):
    """A thread that runs chainrule's kernels only: it touches no variable of the user's and draws no random number."""


def others_run() -> bool:
    """Return whether another thread is alive that could run the user's code.

    >>> end = threading.Event()
    >>> thread = threading.Thread(target=end.wait)
    >>> thread.start()
    >>> others_run()
    True
    >>> end.set()
    >>> thread.join()
    """
    here = threading.current_thread()
    return any(thread is not here and not isinstance(thread, OwnThread) for thread in threading.enumerate())
