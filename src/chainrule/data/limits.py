"""How much memory a small file may expand to: beyond these bounds it is refused before memory is allocated."""

from chainrule.data.checks import DataError

MOST_INDICATORS = 100_000_000
"""How many zeros and ones a table's text columns may become when one-hot encoded: 0.8 GB."""
FREE_BYTES = 100_000_000
"""An array of an archive up to this size is unpacked, however small it is in the file."""
MOST_TIMES = 200
"""How many times its size in the file a larger array may have."""


def check_indicators(name: str, rows: int, categories: int) -> None:
    """Raise :class:`DataError` if so many categories of text would become too many features."""
    if rows * categories > MOST_INDICATORS:
        raise DataError(
            f"{name}: its text columns have {categories:,} categories in {rows:,} rows, which would become "
            f"{rows * categories:,} zeros and ones, and at most {MOST_INDICATORS:,} are allowed; remove columns that "
            "identify rows, or turn them into numbers"
        )


def check_unpacked(name: str, array: str, packed: int, unpacked: int) -> None:
    """Raise :class:`DataError` if an array would be out of proportion to its size in the file."""
    if unpacked > max(FREE_BYTES, MOST_TIMES * packed):
        raise DataError(
            f"{name}: array {array!r} would unpack {packed:,} bytes to {unpacked:,}; above {FREE_BYTES:,} bytes, at "
            f"most {MOST_TIMES} times the packed size is allowed; save it with np.savez, uncompressed"
        )
