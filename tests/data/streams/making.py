"""Files that the tests of streams read."""

import csv

import numpy as np

LEAST = 1 << 16  # bytes of memory: blocks of 4 KB


def table(rows=600, seed=0):
    """Columns of numbers and text, and a target with three classes."""
    rng = np.random.default_rng(seed)
    return {
        "a": rng.standard_normal(rows),
        "colour": rng.choice(["red", "green", "blue"], rows),
        "b": rng.integers(-5, 5, rows),
        "y": rng.integers(0, 3, rows),
    }


def write_csv(path, columns, **dialect):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, **dialect)
        writer.writerow(columns)
        writer.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))
    return path


def write_parquet(path, columns, row_group_size=100):
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    parquet.write_table(arrow.table(columns), path, row_group_size=row_group_size)
    return path


def write_feather(path, columns):
    import pyarrow as arrow
    from pyarrow import feather

    feather.write_feather(arrow.table(columns), path, compression="uncompressed", chunksize=100)
    return path


def whole(loader):
    """All batches of an epoch, joined."""
    return [np.concatenate(parts) for parts in zip(*loader, strict=True)]
