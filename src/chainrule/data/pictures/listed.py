"""Pictures that a table lists: a column of paths, and one of classes."""

from pathlib import Path

import numpy as np

from chainrule.data.checks import DataError
from chainrule.data.csv_file import csv_table
from chainrule.data.pictures.found import Found, check_counts
from chainrule.data.pictures.walk import ENDINGS, is_picture, shown
from chainrule.data.schema import shortened
from chainrule.data.table import Table
from chainrule.data.target import encode_target

TABLES = (".csv", ".tsv", ".txt")
_START = 1 << 16
"""How many bytes of a table are searched for the ending of a picture."""


def find_listed(path: str | Path, target: str | None = None, column: str | None = None, counted: bool = True) -> Found:
    """Return the pictures that a CSV file lists, with their classes in the column `target` (default: the last other
    one).

    The pictures' paths, relative to the file's folder, are in the `column`; by default the first one all of whose cells
    are files with the ending of a picture. Other columns are ignored, which is said.

    Raises DataError for no such column, files that do not exist (the first 20 are named), fewer than two classes, and a
    class with one picture, if they are `counted`.
    """
    path = Path(path)
    table = csv_table(path)
    place = _place(path, table, column)
    chosen = _target_column(path, table, place, target)
    table.complete(table.names[place], table.names[chosen])
    files = _files(path, table, place)
    what = f"{path.name}: the target {table.names[chosen]!r}"
    labels, class_names = encode_target(table.columns[chosen], what, "classification")
    others = [name for i, name in enumerate(table.names) if i not in (place, chosen)]
    inferred = [f"{table.names[place]}: the pictures", f"{table.names[chosen]}: the class"]
    inferred += [f"ignored columns: {shortened(others, 6)}"] if others else []
    found = Found(shown(path.name), tuple(files), np.asarray(labels, np.int64), class_names, inferred=tuple(inferred))
    if counted:
        check_counts(found)
    return found


def listed_files(path: Path, column: str | None = None) -> tuple[Path, ...]:
    """Return the picture files that a table lists, with or without classes. Raises DataError as `find_listed` does."""
    table = csv_table(path)
    place = _place(path, table, column)
    table.complete(table.names[place])
    return _files(path, table, place)


def is_table(path: Path) -> bool:
    """Whether a file is a table that may list pictures."""
    return path.suffix.lower() in TABLES and path.is_file()


def lists_pictures(path: Path) -> bool:
    """Whether a file is a table with a column of pictures, some of which exist."""
    if not is_table(path):
        return False
    with path.open("rb") as file:
        start = file.read(_START).lower()
    if not any(ending.encode() in start for ending in ENDINGS):  # a large table is not read to find this out
        return False
    try:
        return _paths_column(path, csv_table(path)) is not None
    except (DataError, OSError):
        return False


def _place(path: Path, table: Table, column: str | None) -> int:
    if column is not None and column not in table.names:
        raise DataError(f"{path.name}: no column {column!r}; the columns are {shortened(table.names)}")
    place = _paths_column(path, table) if column is None else table.names.index(column)
    if place is None:
        raise DataError(
            f"{path.name}: no column of picture files ({', '.join(ENDINGS)}) that exist; name it with --pictures, or "
            "write their paths relative to the table"
        )
    return place


def _paths_column(path: Path, table: Table) -> int | None:
    """Return the position of the first column whose cells are names of pictures, some of which exist."""
    for i, column in enumerate(table.columns):
        if isinstance(column, np.ndarray):
            continue
        cells = [cell for cell in column if cell is not None]
        if all(map(is_picture, cells)) and any((path.parent / cell).is_file() for cell in cells[:100]):
            return i
    return None


def _target_column(path: Path, table: Table, place: int, target: str | None) -> int:
    if target is None:
        others = [i for i in range(len(table.names)) if i != place]
        if not others:
            raise DataError(f"{path.name}: one column only; expected the pictures' classes in another one")
        return others[-1]
    if target not in table.names or table.names.index(target) == place:
        names = tuple(name for i, name in enumerate(table.names) if i != place)
        raise DataError(f"{path.name}: no target {target!r}; expected one of {shortened(names)}")
    return table.names.index(target)


def _files(path: Path, table: Table, place: int) -> tuple[Path, ...]:
    files = tuple(path.parent / str(cell) for cell in table.columns[place])
    missing = [f"{file.name} ({table.place(row)})" for row, file in enumerate(files) if not file.is_file()]
    if missing:
        raise DataError(
            f"{path.name}: {len(missing)} of {len(files)} pictures do not exist: {', '.join(missing[:20])}"
            f"{', …' if len(missing) > 20 else ''}; paths are relative to {shown(path.parent.resolve())}"
        )
    return files
