"""Which part of a batch belongs to which of several processes."""


def share(count: int, rank: int, size: int) -> slice:
    """Return the share of ``rank`` of ``size`` among ``count`` samples: contiguous parts of equal length, give or take
    one, in the order of the ranks. The first is empty only if there are no samples.

    >>> [share(5, rank, 2) for rank in range(2)]
    [slice(0, 3, None), slice(3, 5, None)]
    """
    return slice(-(-count * rank // size), -(-count * (rank + 1) // size))
