"""The picture files below a folder, with what was skipped on the way."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chainrule.data.checks import DataError

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
"""Of the files that are read as pictures, in lower case."""
LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
"""What systems leave in folders of pictures, besides hidden files."""


@dataclass
class Skipped:
    """What was not read, by reason, in the order in which it was met."""

    hidden: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Describe it, one line for each reason."""
        reasons = (
            (self.hidden, "hidden files and folders"),
            (self.others, "files that are not PNG, JPEG or WebP"),
            (self.again, "links to folders that were already read"),
            (self.dangling, "links to nothing"),
        )
        return [f"skipped {what}: {len(names)} ({_few(names)})" for names, what in reasons if names]


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of the user's: hidden, or left there by a system.

    >>> is_hidden(".DS_Store"), is_hidden("Thumbs.db"), is_hidden("cat.png")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in LITTER


def is_picture(name: str) -> bool:
    """Whether a file's name says that it is a picture that can be read."""
    return name.lower().endswith(ENDINGS)


def entries(folder: Path, skipped: Skipped) -> tuple[list[Path], list[Path]]:
    """Return the folders and the picture files in a folder, in alphabetical order; note what else there is.

    Raises DataError for a folder that cannot be read.
    """
    folders, pictures = list[Path](), list[Path]()
    try:
        with os.scandir(folder) as scanned:
            found = sorted(scanned, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{shown(folder)}: cannot be read: {error.strerror}; look at its permissions") from error
    for entry in found:
        if is_hidden(entry.name):
            skipped.hidden.append(entry.name)
        elif entry.is_dir():
            folders.append(folder / entry.name)
        elif not is_picture(entry.name):
            skipped.others.append(entry.name)
        elif entry.is_file():
            pictures.append(folder / entry.name)
        else:
            skipped.dangling.append(entry.name)
    return folders, pictures


def below(folder: Path, skipped: Skipped, seen: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Path]:
    """Yield the picture files in a folder and in those below it; a link to a folder around itself is not followed."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in seen:
        skipped.again.append(shown(folder.name))
        return
    folders, pictures = entries(folder, skipped)
    yield from pictures
    for inner in folders:
        yield from below(inner, skipped, seen | {here})


def any_below(folder: Path) -> bool:
    """Whether a folder has a picture at any depth, or no file but hidden ones."""
    skipped = Skipped()
    return next(below(folder, skipped), None) is not None or not skipped.others


def shown(path: Path | str) -> str:
    """Return a path as text: bytes that are none, in a file's name, are written as escapes."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def _few(names: list[str], most: int = 3) -> str:
    return ", ".join(shown(name) for name in names[:most]) + (", …" if len(names) > most else "")
