"""Checking what a model file says of its network, entry by entry, before anything is built.

The description stands in the file's metadata, which anyone can write. Each function returns an entry as what it has to
be, or raises `WrongEntry`, which `damaged` turns into a ModelFileError that names the file.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from reprlib import repr as short
from typing import Any

import numpy as np

from chainrule.data import DataError, Standardizer
from chainrule.train.saved.modelfile import ModelFileError


class WrongEntry(Exception):
    """An invalid entry."""

    def __init__(self, entry: str, value: object, expected: str) -> None:
        super().__init__(f"{entry}: expected {expected}, got {short(value)}")


@contextmanager
def damaged(path: Any) -> Iterator[None]:
    """Turn what is wrong with an entry into a ModelFileError that names the file."""
    try:
        yield
    except (WrongEntry, DataError, ValueError, OverflowError) as error:
        raise ModelFileError(
            f"{path}: what the file says of its network is damaged: {error}; restore the file, or train again"
        ) from error


def scaling_of(entry: Any, name: str, shape: tuple[int, ...]) -> Standardizer:
    """Return the scaling of columns or channels: finite means and positive scales of a shape."""
    values = entries(entry, name, {"mean", "scale"})
    for part, value in values.items():
        for single in list_of(value, f"{name}.{part}") if shape else [value]:
            number(single, f"{name}.{part}")
    found = Standardizer.from_dict(values)
    if found.mean.shape != shape:
        raise WrongEntry(name, f"{found.mean.size} numbers", f"one for each of {shape[0]}")
    return found


def entries(value: Any, name: str, keys: set[str]) -> Mapping[str, Any]:
    """Return entries with exactly these keys."""
    if not isinstance(value, dict) or set(value) != keys:
        raise WrongEntry(name, value, f"the entries {', '.join(sorted(keys))}")
    return value


def list_of(value: Any, name: str) -> list[Any]:
    """Return a list."""
    found: list[Any] = of_kind(value, name, list, "a list")
    return found


def text(value: Any, name: str) -> str:
    """Return text that can be written as UTF-8."""
    found: str = of_kind(value, name, str, "text")
    if any("\ud800" <= character <= "\udfff" for character in found):
        raise WrongEntry(name, ascii(found), "text that UTF-8 can hold")
    return found


def one_of(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """Return one of some texts."""
    if not isinstance(value, str) or value not in choices:
        raise WrongEntry(name, value, " or ".join(map(repr, choices)))
    return value


def whole(value: Any, name: str, least: int) -> int:
    """Return a whole number of at least this size."""
    if not is_whole(value) or not least <= value < 2**63:
        raise WrongEntry(name, value, f"a whole number from {least}")
    return int(value)


def number(value: Any, name: str) -> float:
    """Return a finite number."""
    found = real(value, name)
    if not math.isfinite(found):
        raise WrongEntry(name, value, "a finite number")
    return found


def real(value: Any, name: str) -> float:
    """Return a number, which may be infinite or NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongEntry(name, value, "a number")
    return float(value)


def is_whole(value: Any) -> bool:
    """Whether this is an integer, and not a truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def of_kind(value: Any, name: str, kind: type[Any], expected: str) -> Any:
    """Return a value of a type."""
    if not isinstance(value, kind):
        raise WrongEntry(name, value, expected)
    return value


def check_size(arrays: Mapping[str, np.ndarray[Any, Any]], wanted: int, why: str) -> None:
    """Check that the arrays are as many numbers as the network has, before it is built."""
    count = sum(array.size for array in arrays.values())
    if count != wanted:
        raise WrongEntry("the arrays", f"{count:,} numbers", f"{wanted:,}, as {why} say")


def check_arrays(model: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Check the arrays against a network's parameters: their names, shapes and dtypes, and that all are finite."""
    for name, parameter in model.named_parameters():
        array = arrays.get(name)
        if array is None or array.shape != parameter.shape or array.dtype != parameter.dtype:
            got = "no such array" if array is None else f"{array.dtype} {list(array.shape)}"
            raise WrongEntry(f"array {name}", got, f"{parameter.dtype} {list(parameter.shape)}")
        if not np.isfinite(array).all():
            raise WrongEntry(f"array {name}", "a value that is not finite", "finite numbers")
