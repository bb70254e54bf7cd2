"""Which pictures there are, and what class each has: by folders, or by a table that lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.pictures.arrays import find_array, is_array
from chainrule.data.pictures.found import Found, check_counts
from chainrule.data.pictures.listed import find_listed, is_table
from chainrule.data.pictures.walk import ENDINGS, Skipped, below, entries, is_picture, shown
from chainrule.data.schema import shortened
from chainrule.data.target import known_codes

TRAINING = frozenset({"train", "training"})
VALIDATION = frozenset({"val", "valid", "validation"})
TEST = frozenset({"test", "testing"})
"""Names, in lower case, of folders that hold a part of the data with a folder for each class."""
LAYOUT = "a folder for each class, as photos/cat/1.png and photos/dog/1.png"


def find(folder: str | Path) -> Found:
    """Return the pictures in a folder that has a folder for each class, with pictures at any depth below it.

    With folders `train` and `test` (or `val`), which then have the folders of the classes, the latter is the held-out
    part. If there are both `val` and `test`, `val` is, and `test` is left for `chainrule predict`. Hidden files and
    files of other kinds are skipped, which is said.

    Raises DataError for no such folder, no pictures, fewer than two classes, a class without pictures, a class that
    only the held-out part has, and a class with one picture if a part of the pictures has yet to be held out.
    """
    layout = _layout(Path(folder))
    found = _numbered(layout)
    if len(layout.parts) == 1:
        check_counts(found)
    return found


def find_known(source: str | Path, class_names: Sequence[str], target: str | None = None) -> Found:
    """Return labelled pictures for a network that knows these classes, which number the labels.

    The source is a folder as for `find`, of which both parts are taken and classes may be missing, a table as for
    `find_listed`, or an array as for `find_array`. Raises DataError for a class that the network does not know.
    """
    path = Path(source)
    if is_array(source):
        found = find_array(str(source), counted=False)
        labels = _renumbered(found.name, [found.class_names[k] for k in found.labels], class_names)
        return Found(found.name, (), labels, tuple(class_names), array=found.array)
    if is_table(path):
        found = find_listed(path, target, counted=False)
        labels = _renumbered(found.name, [found.class_names[k] for k in found.labels], class_names)
        return Found(found.name, found.paths, labels, tuple(class_names))
    layout = _layout(path, least=1)
    rows = [(file, name) for part in layout.parts for name, files in part.items() for file in files]
    labels = _renumbered(layout.name, [name for _, name in rows], class_names)
    order = np.argsort(labels, kind="stable")
    return Found(layout.name, tuple(rows[i][0] for i in order), labels[order], tuple(class_names))


@dataclass
class _Layout:
    """The pictures by class, in one part or two, and what is to be said of them."""

    name: str
    parts: list[dict[str, list[Path]]]
    said: list[str]


def _layout(folder: Path, least: int = 2) -> _Layout:
    skipped = Skipped()
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "there is no such folder"
        raise DataError(f"{shown(folder)}: {what}; expected {LAYOUT}")
    folders, loose = entries(folder, skipped)
    name, divided = shown(folder.resolve().name), _parts(folders)
    if divided is None:
        parts, said = [_classes(folder, folders, skipped, least, loose)], list[str]()
    else:
        training, held_out, left = divided
        inner, others = entries(training, skipped)
        parts = [_classes(training, inner, skipped, least, others)]
        said = [f"{path.name}: left alone, for `chainrule predict`" for path in left]
        if held_out is not None:
            inner, more = entries(held_out, skipped)
            parts.append(_classes(held_out, inner, skipped, 1, more))
            others += more
            said.append(f"{held_out.name}: the held-out part")
        loose += others
    return _Layout(name, parts, said + _loose(loose) + skipped.lines())


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


def _classes(
    folder: Path, folders: Sequence[Path], skipped: Skipped, least: int, loose: Sequence[Path]
) -> dict[str, list[Path]]:
    """Return the pictures of each class, whose folders are given; at `least` so many classes."""
    classes = {shown(inner.name): sorted(below(inner, skipped)) for inner in folders}
    if not any(classes.values()):
        has = f"none of its {len(folders)} folders has a PNG, JPEG or WebP file" if folders else "it has no folders"
        has += f", and {len(loose)} pictures are in no class's folder" if loose else ""
        raise DataError(f"{shown(folder)}: no pictures: {has}; expected {LAYOUT}")
    empty = [name for name, paths in classes.items() if not paths]
    if empty:
        raise DataError(
            f"{shown(folder)}: no pictures in the folder of {shortened(empty)}; every folder is a class: add pictures "
            "(PNG, JPEG, WebP), or remove the folder"
        )
    if len(classes) < least:
        raise DataError(f"{shown(folder)}: one class only, {next(iter(classes))!r}; expected two or more, {LAYOUT}")
    return classes


def _numbered(layout: _Layout) -> Found:
    classes, held = layout.parts[0], layout.parts[1:]
    unknown = sorted({name for part in held for name in part} - set(classes))
    if unknown:
        raise DataError(
            f"{layout.name}: the held-out part has the class {shortened(unknown)}, of which the training part has no "
            f"picture; its classes are {shortened([*classes])}"
        )
    rows = [
        (path, k, p)
        for p, part in enumerate(layout.parts)
        for k, name in enumerate(classes)
        for path in part.get(name, ())
    ]
    paths, labels, of_part = zip(*rows, strict=True)
    is_held_out = np.array(of_part, bool) if held else None
    return Found(layout.name, paths, np.array(labels, np.int64), tuple(classes), is_held_out, tuple(layout.said))


def _renumbered(name: str, texts: Sequence[str], class_names: Sequence[str]) -> NDArray[np.int64]:
    return known_codes(texts, class_names, f"{name}: there is the class", lambda row: f"picture {row + 1}")


def _loose(paths: Sequence[Path]) -> list[str]:
    """Say which pictures belong to no class."""
    few = ", ".join(shown(path.name) for path in paths[:3]) + (", …" if len(paths) > 3 else "")
    return [f"skipped pictures outside any class's folder: {len(paths)} ({few})"] if paths else []


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
