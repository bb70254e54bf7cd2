"""How much a small file may become in memory: beyond these bounds it is refused, before memory is taken for it."""

from chainrule.data.checks import DataError

MOST_INDICATORS = 100_000_000
"""Zeros and ones that the text columns of a table may become (one-hot): 0.8 GB."""
FREE_BYTES = 100_000_000
"""An array of an archive up to this size is unpacked however small it is in the file."""
MOST_TIMES = 200
"""How many times as large as in the file a larger one may be."""


def check_indicators(name: str, rows: int, categories: int) -> None:
    """Raise :class:`DataError` where so many categories of text would become too many features."""
    if rows * categories > MOST_INDICATORS:
        raise DataError(
            f"{name}: its text columns have {categories:,} categories in {rows:,} rows, which would become "
            f"{rows * categories:,} zeros and ones, and at most {MOST_INDICATORS:,} are taken; remove columns that "
            "identify rows, or turn them into numbers"
        )


def check_unpacked(name: str, array: str, packed: int, unpacked: int) -> None:
    """Raise :class:`DataError` where an array would be out of proportion to what the file holds of it."""
    if unpacked > max(FREE_BYTES, MOST_TIMES * packed):
        raise DataError(
            f"{name}: array {array!r} would unpack {packed:,} bytes to {unpacked:,}, and at most {MOST_TIMES} times as "
            f"many are taken above {FREE_BYTES:,}; save it with np.savez, uncompressed"
        )
