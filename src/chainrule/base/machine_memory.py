"""How much memory this process has had, and how much the machine has free."""

import os
import sys
from contextlib import suppress
from pathlib import Path

_UNKNOWN = 4 << 30


def peak_memory() -> int | None:
    """Return the most memory that this process has had so far, in bytes; None on Windows.

    >>> peak_memory() is None or peak_memory() > 1_000_000
    True
    """
    try:
        import resource
    except ModuleNotFoundError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most) * (1 if sys.platform == "darwin" else 1024)


def free_memory() -> int:
    """Return how many bytes this process may still use: what the machine has free, and no more than its container has.

    Where the system does not say, it is taken for 4 GiB.

    >>> free_memory() > 0
    True
    """
    found = [size for size in (_of_machine(), _of_container()) if size is not None]
    return max(1, min(found, default=_UNKNOWN))


def _of_machine() -> int | None:
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    with suppress(AttributeError, OSError, ValueError):  # macOS: all memory, of which most can be freed
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_container() -> int | None:
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text(encoding="ascii"))
        return most - int((group / "memory.current").read_text(encoding="ascii"))
    return None
