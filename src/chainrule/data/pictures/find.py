"""Which pictures there are, and what class each has: by folders, or by a table that lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.csv_file import csv_table
from chainrule.data.pictures.walk import ENDINGS, Skipped, below, entries, is_picture, shown
from chainrule.data.schema import shortened
from chainrule.data.table import Table
from chainrule.data.target import encode_target

TRAINING = frozenset({"train", "training"})
VALIDATION = frozenset({"val", "valid", "validation"})
TEST = frozenset({"test", "testing"})
"""Names, in lower case, of folders that hold a part of the data with a folder for each class."""
LAYOUT = "a folder for each class, as photos/cat/1.png and photos/dog/1.png"


@dataclass(frozen=True, eq=False)
class Found:
    """Labelled pictures: `paths` [N], `labels` int64 [N], `class_names` [K].

    `is_held_out` [N] says which of them are the held-out part, if the data say so; `inferred` says how they were
    interpreted, one line for each fact, to be shown to the user.
    """

    name: str
    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    is_held_out: NDArray[np.bool_] | None = None
    inferred: tuple[str, ...] = ()


def find(folder: str | Path) -> Found:
    """Return the pictures in a folder that has a folder for each class, with pictures at any depth below it.

    With folders `train` and `test` (or `val`), which then have the folders of the classes, the latter is the held-out
    part. If there are both `val` and `test`, `val` is, and `test` is left for `chainrule predict`. Hidden files and
    files of other kinds are skipped, which is said.

    Raises DataError for no such folder, no pictures, fewer than two classes, a class without pictures, a class that
    only the held-out part has, and a class with one picture if a part of the pictures has yet to be held out.
    """
    folder, skipped = Path(folder), Skipped()
    if not folder.is_dir():
        raise DataError(f"{shown(folder)}: there is no such folder; expected {LAYOUT}")
    folders, loose = entries(folder, skipped)
    name, parts = shown(folder.resolve().name), _parts(folders)
    if parts is None:
        classes = _classes(folder, folders, skipped)
        said = [*_loose(loose), *skipped.lines()]
        found = _numbered(name, classes, None, said)
        _check_counts(found)
        return found
    training, held_out, left = parts
    inner, others = entries(training, skipped)
    classes = _classes(training, inner, skipped)
    held = None if held_out is None else _classes(held_out, entries(held_out, skipped)[0], skipped)
    said = [f"{path.name}: left alone, for `chainrule predict`" for path in left]
    said += [*([f"{held_out.name}: the held-out part"] if held_out else []), *_loose([*loose, *others])]
    found = _numbered(name, classes, held, said + skipped.lines())
    if held is None:
        _check_counts(found)
    return found


def _parts(folders: Sequence[Path]) -> tuple[Path, Path | None, list[Path]] | None:
    """Return the training part, the held-out part and what is left, if the folders are such parts."""
    by_role = {
        role: [path for path in folders if path.name.lower() in names]
        for role, names in {"training": TRAINING, "validation": VALIDATION, "test": TEST}.items()
    }
    is_parts = sum(map(len, by_role.values())) == len(folders) and all(len(paths) <= 1 for paths in by_role.values())
    if not is_parts or not by_role["training"]:
        return None
    others = by_role["validation"] + by_role["test"]
    return by_role["training"][0], others[0] if others else None, others[1:]


def _classes(folder: Path, folders: Sequence[Path], skipped: Skipped) -> dict[str, list[Path]]:
    """Return the pictures of each class, whose folders are given."""
    classes = {shown(inner.name): sorted(below(inner, skipped)) for inner in folders}
    if not any(classes.values()):
        has = f"{len(folders)} folders without a PNG, JPEG or WebP file" if folders else "no folder in it"
        raise DataError(f"{shown(folder)}: no pictures: there is {has}; expected {LAYOUT}")
    empty = [name for name, paths in classes.items() if not paths]
    if empty:
        raise DataError(
            f"{shown(folder)}: no pictures in the folder of {shortened(empty)}; every folder is a class: add pictures "
            "(PNG, JPEG, WebP), or remove the folder"
        )
    if len(classes) == 1:
        raise DataError(f"{shown(folder)}: one class only, {next(iter(classes))!r}; expected two or more, {LAYOUT}")
    return classes


def _numbered(
    name: str, classes: dict[str, list[Path]], held: dict[str, list[Path]] | None, inferred: Sequence[str]
) -> Found:
    unknown = sorted(set(held or {}) - set(classes))
    if unknown:
        raise DataError(
            f"{name}: the held-out part has the class {shortened(unknown)}, of which the training part has no picture; "
            f"its classes are {shortened([*classes])}"
        )
    parts = [classes, *([] if held is None else [held])]
    rows = [(path, k, p) for p, part in enumerate(parts) for k, c in enumerate(classes) for path in part.get(c, ())]
    paths, labels, of_part = zip(*rows, strict=True)
    is_held_out = None if held is None else np.array(of_part, bool)
    return Found(name, paths, np.array(labels, np.int64), tuple(classes), is_held_out, tuple(inferred))


def _check_counts(found: Found) -> None:
    """Raise DataError for a class with one picture, of which none can be held out."""
    counts = np.bincount(found.labels, minlength=len(found.class_names))
    single = [name for name, count in zip(found.class_names, counts, strict=True) if count == 1]
    if single:
        raise DataError(
            f"{found.name}: one picture only of the class {shortened(single)}; expected at least two of each, since "
            "some are held out: add pictures, or remove the class"
        )


def _loose(paths: Sequence[Path]) -> list[str]:
    """Say which pictures belong to no class."""
    few = ", ".join(shown(path.name) for path in paths[:3]) + (", …" if len(paths) > 3 else "")
    return [f"skipped pictures outside any class's folder: {len(paths)} ({few})"] if paths else []


# Listed in a table


def find_listed(path: str | Path, target: str | None = None, column: str | None = None) -> Found:
    """Return the pictures that a CSV file lists, with their classes in the column `target` (default: the last other
    one).

    The pictures' paths, relative to the file's folder, are in the `column`; by default the first one all of whose cells
    are files with the ending of a picture. Other columns are ignored, which is said.

    Raises DataError for no such column, files that do not exist (the first 20 are named), fewer than two classes, and a
    class with one picture.
    """
    path = Path(path)
    table = csv_table(path)
    place = table.names.index(column) if column in table.names else None
    if column is not None and place is None:
        raise DataError(f"{path.name}: no column {column!r}; the columns are {shortened(table.names)}")
    place = _paths_column(path, table) if place is None else place
    if place is None:
        raise DataError(
            f"{path.name}: no column of picture files ({', '.join(ENDINGS)}) next to the table; name it, or write "
            "their paths relative to the table"
        )
    chosen = _target_column(path, table, place, target)
    cells = table.columns[place]
    files = [path.parent / str(cell) for cell in cells]
    _check_exist(path, table, files)
    what = f"{path.name}: the target {table.names[chosen]!r}"
    labels, class_names = encode_target(table.columns[chosen], what, "classification")
    others = [name for i, name in enumerate(table.names) if i not in (place, chosen)]
    inferred = [f"{table.names[place]}: the pictures", f"{table.names[chosen]}: the class"]
    inferred += [f"ignored columns: {shortened(others, 6)}"] if others else []
    found = Found(shown(path.name), tuple(files), np.asarray(labels, np.int64), class_names, inferred=tuple(inferred))
    _check_counts(found)
    return found


def lists_pictures(path: Path) -> bool:
    """Whether a table has a column of pictures, by its first rows; False for a file that is no table."""
    try:
        return _paths_column(path, csv_table(path)) is not None
    except (DataError, OSError):
        return False


def _paths_column(path: Path, table: Table) -> int | None:
    """Return the position of the first column whose cells are names of pictures, some of which exist."""
    for i, column in enumerate(table.columns):
        if isinstance(column, np.ndarray) or not all(map(is_picture, column)):
            continue
        if any((path.parent / cell).is_file() for cell in column[:100]):
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


def _check_exist(path: Path, table: Table, files: Sequence[Path]) -> None:
    missing = [f"{file.name} ({table.place(row)})" for row, file in enumerate(files) if not file.is_file()]
    if missing:
        raise DataError(
            f"{path.name}: {len(missing)} of {len(files)} pictures do not exist: {', '.join(missing[:20])}"
            f"{', …' if len(missing) > 20 else ''}; paths are relative to {shown(path.parent.resolve())}"
        )


# Without labels


def find_files(places: Sequence[str | Path]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Return all pictures at some places, each a picture file or a folder, and what was skipped, to be said.

    Raises DataError for a place that does not exist, a file of another kind, and no pictures at all.
    """
    skipped, found = Skipped(), list[Path]()
    for place in map(Path, places):
        if place.is_dir():
            found += sorted(below(place, skipped))
        elif place.is_file() and is_picture(place.name):
            found.append(place)
        else:
            what = "is not a picture" if place.exists() else "does not exist"
            raise DataError(f"{shown(place)}: {what}; expected a folder, or a file ending in {', '.join(ENDINGS)}")
    if not found:
        raise DataError(f"{', '.join(map(shown, places))}: no pictures; expected files ending in {', '.join(ENDINGS)}")
    return tuple(found), tuple(skipped.lines())
