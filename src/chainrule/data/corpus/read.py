"""Reading a text file in pieces, and telling a text from a table."""

import codecs
import csv
import re
from collections.abc import Iterator
from pathlib import Path

from chainrule.data.checks import DataError

PIECE = 1 << 20
"""Bytes read at a time."""
_LINES, _LINE = 50, 10_000
"""How many lines tell a text from a table, and how much of each is looked at."""


def pieces(path: str | Path, size: int = PIECE) -> Iterator[str]:
    r"""Yield a UTF-8 file's text in pieces of about `size` bytes, each of which but the last ends with a line.

    A byte order mark is left out, and "\r\n" and "\r" become "\n". A line longer than `size` is divided.

    Raises :class:`DataError` for a file that is missing, a folder, binary (it holds the byte 0) or not UTF-8, with the
    position of the first such byte.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path.name}: a folder, not a file; expected a text in UTF-8")
    decoder, read, rest, is_first = codecs.getincrementaldecoder("utf-8")(), 0, "", True
    try:
        with path.open("rb") as file:
            while block := file.read(size):
                new = _decoded(path, decoder, block, read, final=False)
                read += len(block)
                rest += new.removeprefix("\ufeff") if is_first else new
                is_first = is_first and not new
                # A "\r" at the end may be the first half of "\r\n".
                held = rest.endswith("\r")
                text = _lines(rest[:-1] if held else rest)
                cut = text.rfind("\n") + 1 or (len(text) if len(text) >= size else 0)
                if cut:
                    yield text[:cut]
                rest = text[cut:] + ("\r" if held else "")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; expected a text in UTF-8") from None
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    rest = _lines(rest + _decoded(path, decoder, b"", read, final=True))
    if rest:
        yield rest


def _decoded(path: Path, decoder: codecs.IncrementalDecoder, block: bytes, before: int, final: bool) -> str:
    if 0 in block:
        raise DataError(
            f"{path.name}: byte {before + block.index(0)} is 0, so this is no text but a binary file; expected a text "
            f"in UTF-8 (a text in UTF-16 has such bytes, too: save it as UTF-8)"
        )
    held = len(decoder.getstate()[0])
    try:
        return decoder.decode(block, final)
    except UnicodeDecodeError as error:
        place = before - held + error.start
        raise DataError(
            f"{path.name}: byte {place} (0x{error.object[error.start]:02x}) is not UTF-8; save the file as UTF-8"
        ) from error


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_table(path: str | Path) -> bool:
    """Whether a text file looks like a table: its first lines, at least two, have the same number of cells, at least 2.

    Cells are divided by comma, semicolon or tab; where a space follows each of these, as in prose, a column of numbers
    is needed, too. The encoding does not matter: in every common one these are the same bytes.
    """
    with Path(path).open("rb") as file:
        start = file.read(_LINES * _LINE)
    if b"\0" in start:
        return False
    whole = start.decode("utf-8-sig", "replace").splitlines()
    lines = [line[:_LINE] for line in whole if line.strip()][:_LINES]
    return len(lines) >= 2 and any(_is_divided(lines, delimiter) for delimiter in ",;\t")


def _is_divided(lines: list[str], delimiter: str) -> bool:
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return False
    if len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return False
    # Lines of a poem may have a comma each, and a space follows it. In a table of text, none does.
    is_spaced = delimiter != "\t" and not any(re.search(f"{delimiter}(?! )", line) for line in lines)
    return not is_spaced or any(all(map(_is_number, column)) for column in zip(*rows[1:], strict=True))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
