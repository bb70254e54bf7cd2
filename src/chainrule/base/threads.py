"""chainrule's own threads, and whether any others may be running."""

import threading

SERVING = frozenset(("ipykernel", "IPython", "execnet", "debugpy", "pydevd", "_pydevd_bundle", "tqdm"))
"""Packages whose threads serve a notebook, a debugger or a progress bar, and run none of the user's code."""
RUNNING = ("ipykernel.subshell",)
"""The modules among them whose threads do run it."""


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
    others = (thread for thread in threading.enumerate() if thread is not here)
    return any(not isinstance(thread, OwnThread) and not _serves(thread) for thread in others)


def _serves(thread: threading.Thread) -> bool:
    """Whether a thread belongs to a package that serves: by its class, or by the function that it runs."""
    target = getattr(thread, "_target", None)
    module = type(thread).__module__ if type(thread) is not threading.Thread else getattr(target, "__module__", None)
    return (module or "").partition(".")[0] in SERVING and not (module or "").startswith(RUNNING)
