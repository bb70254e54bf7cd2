"""Tables in Apache Parquet files (https://parquet.apache.org/docs/file-format), read by pyarrow."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.data.checks import DataError, check_unpacked
from chainrule.data.dataset import Data
from chainrule.data.faults import infinite
from chainrule.data.reading import Reading
from chainrule.data.schema import Schema
from chainrule.data.table import Table
from chainrule.data.target import Column

ROW_NUMBERS = re.compile(r"__index_level_\d+__")  # what pandas writes for an unnamed index


def read_parquet(
    path: str | Path, target: str | int | None = None, task: str = "auto", reading: Reading | None = None
) -> Data:
    """Read a table of N rows; :meth:`Table.to_data` describes its encoding and what the other arguments mean.

    Integers, floats, decimals and booleans are numbers; strings and dictionaries of strings are text; dates and
    timestamps are dates. The index that pandas adds is left out. Raises :class:`DataError` for a damaged file, for one
    that would be 200 times as large in memory, for missing values that are not to be filled and numbers that are not
    finite (naming the columns and rows, from 0), and for columns of other types; ``ImportError`` if pyarrow is not
    installed.
    """
    return parquet_table(path, without=() if reading is None else reading.without).to_data(target, task, reading)


def parquet_table(
    path: str | Path, schema: Schema | None = None, with_target: bool = True, without: Sequence[str] = ()
) -> Table:
    """Read the columns of such a file, as in :func:`read_parquet`; ``schema`` means what it does in
    :func:`csv_table`. The columns ``without`` may be of any type, and are not read.
    """
    path = Path(path)
    parquet = needed("pyarrow.parquet", f"{path.name}: reading Parquet", "pip install pyarrow")
    arrow = needed("pyarrow", "Parquet", "pip install pyarrow")
    try:
        with parquet.ParquetFile(path) as file:
            check_unpacked(path.name, "the table", path.stat().st_size, _unpacked(file.metadata))
            content = file.read()
            content.validate(full=True)  # text that is not UTF-8, lengths that do not fit
    except DataError:
        raise
    except (arrow.ArrowException, OSError, ValueError) as error:  # a name that is not UTF-8 is a ValueError
        raise DataError(f"{path.name}: not a readable Parquet file: {error}") from error
    fields = [
        (name, column)
        for name, column in zip(content.column_names, content.columns, strict=True)
        if not ROW_NUMBERS.fullmatch(name)
    ]
    if schema is not None:
        schema.check_columns(path.name, [name for name, _ in fields], with_target)
        wanted = {*schema.columns, schema.target if with_target else None}
        fields = [(name, column) for name, column in fields if name in wanted]
    left_out = set() if schema is not None else set(without)
    columns = tuple(
        [None] * len(column) if name in left_out else _column(arrow, path.name, name, column) for name, column in fields
    )
    found = tuple(
        infinite(name, column, _place)
        for (name, _), column in zip(fields, columns, strict=True)
        if isinstance(column, np.ndarray)
    )
    return Table(path.name, tuple(name for name, _ in fields), columns, _place, found)


def _unpacked(metadata: Any) -> int:
    """How many bytes the table takes in memory: a run of equal values takes none in the file."""
    return max(int(metadata.num_rows) * int(metadata.num_columns) * 8, 0)


def _place(row: int) -> str:
    return f"row {row}"


def _column(arrow: Any, file: str, name: str, column: Any) -> Column:
    kinds = arrow.types
    if any(
        is_kind(column.type) for is_kind in (kinds.is_integer, kinds.is_floating, kinds.is_decimal, kinds.is_boolean)
    ):
        if column.null_count:
            values = [np.nan if value is None else float(value) for value in column.to_pylist()]
            return np.array(values, np.float64)
        return np.asarray(column.to_numpy().astype(np.float64))
    if kinds.is_date(column.type) or kinds.is_timestamp(column.type):
        return _dates(arrow, column)
    of = column.type.value_type if kinds.is_dictionary(column.type) else column.type
    if kinds.is_string(of) or kinds.is_large_string(of):
        return [None if value is None else str(value) for value in column.to_pylist()]
    raise DataError(f"{file}: column {name!r} is of type {column.type}; turn it into numbers or text, or leave it out")


def _dates(arrow: Any, column: Any) -> Column:
    """Dates as ISO text, which is what a CSV file would have; times in UTC, to the second."""
    seconds = column.cast(arrow.timestamp("s"), safe=False).to_numpy()
    texts = np.datetime_as_string(seconds, unit="s")
    return [None if text == "NaT" else str(text) for text in texts]
