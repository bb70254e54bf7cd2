"""Memory that an eager step frees is kept for the next one.

Every step makes and drops arrays of the same sizes. glibc returns those of more than 128 KB to the system at once and
gets them back as pages of zeros, at the cost of a fault each: 12,000 for a step of a small GPT, a tenth of its time.
It stops doing so for sizes that a program has freed before, up to 32 MB. So one such array is made and dropped, without
being touched, when the engine is imported; from then on the heap keeps up to 64 MB of freed memory. Settings such as
`MALLOC_MMAP_THRESHOLD_` take precedence, and other allocators are not affected.
"""

from contextlib import suppress

import numpy as np

LARGEST = 2**25 - 2**16
"""Bytes: glibc learns from no larger array, and adds a header and the rest of a page."""


def keep_freed_memory() -> None:
    """Make glibc keep the memory of arrays of up to 32 MB."""
    with suppress(MemoryError):
        np.empty(LARGEST, np.uint8)


keep_freed_memory()
