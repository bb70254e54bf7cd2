"""Columns of Arrow's record batches, as pyarrow gives them, without a copy where that is possible."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.data.checks import DataError
from chainrule.data.streams.blocks import Column, Words, distinct_words


@contextmanager
def refuse_damaged(name: str, form: str) -> Iterator[None]:
    """Turn what pyarrow raises for a damaged file into a :class:`DataError`."""
    arrow = needed("pyarrow", f"{name}: reading {form}", "pip install pyarrow")
    try:
        yield
    except DataError:
        raise
    except (arrow.ArrowException, OSError, ValueError, StopIteration) as error:
        said = " ".join(str(error).split()) or "it ends too early"
        raise DataError(f"{name}: not a readable {form} file: {said}") from error


def columns_of(file: str, batch: Any) -> dict[str, Column]:
    """The columns of a record batch."""
    return {name: column_of(file, name, column) for name, column in zip(batch.schema.names, batch.columns, strict=True)}


def column_of(file: str, name: str, column: Any) -> Column:
    """One column as numbers, with NaN for holes, or words; :class:`DataError` for other types."""
    arrow = needed("pyarrow", "Parquet", "pip install pyarrow")
    kinds, of = arrow.types, column.type
    if kinds.is_decimal(of):
        return np.asarray(column.cast(arrow.float64()).to_numpy(zero_copy_only=False))
    if kinds.is_integer(of) or kinds.is_floating(of):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if kinds.is_boolean(of):
        return np.asarray(column.cast(arrow.uint8()).to_numpy(zero_copy_only=False))
    if kinds.is_date(of) or kinds.is_timestamp(of):
        return _dates(column.cast(arrow.timestamp("s"), safe=False).dictionary_encode())
    inner = of.value_type if kinds.is_dictionary(of) else of
    if kinds.is_string(inner) or kinds.is_large_string(inner):
        coded = column if kinds.is_dictionary(of) else column.dictionary_encode()
        return words_of(coded)
    raise DataError(f"{file}: column {name!r} is of type {of}; turn it into numbers or text, or remove it")


def _dates(coded: Any) -> Words:
    """Dates as :func:`read_parquet` writes them."""
    texts = np.datetime_as_string(coded.dictionary.to_numpy(), unit="s").tolist()
    codes = np.asarray(coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)).astype(np.int64)
    return distinct_words(codes, [*texts, *([None] if coded.null_count else [])])


def words_of(coded: Any) -> Words:
    """The words of a dictionary array, each once, whatever its dictionary repeats or has besides."""
    words = coded.dictionary.to_pylist()
    codes = np.asarray(coded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)).astype(np.int64)
    return distinct_words(codes, [*words, *([None] if coded.null_count else [])])
