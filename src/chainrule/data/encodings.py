"""The encoding of a table in a text file: UTF-8, those of Excel in Korea (CP949, UTF-16), or the one named."""

import codecs
from pathlib import Path

from chainrule.data.checks import DataError

_CHUNK = 1 << 20
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_FIRST = 4096


def encoding_of(path: Path, given: str | None = None) -> str:
    """The name of a file's encoding: the ``given`` one, or the one that its bytes reveal.

    A byte order mark decides; UTF-16 without one has zero bytes in every second place. What is not UTF-8 is CP949 if
    it decodes to Hangul, of which nine tenths are the common syllables. The whole file is decoded once.

    Raises :class:`DataError` for a name that is no encoding of text, for bytes that do not fit (naming the line), and
    for bytes that are neither of these.
    """
    if given is not None:
        name = _known(path.name, given)
        if name.startswith("utf-16") and _start(path).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            name = "utf-16"
        if not _fits(path, name):
            raise _unfit(path, name, "name another with --encoding, or leave it out to have it recognised")
        return name
    start = _start(path)
    for mark, name in _BOMS:
        if start.startswith(mark):
            if not _fits(path, name):
                raise _unfit(path, name, "the file is damaged, or two files in different encodings were joined")
            return name
    wide = _wide(start)  # ASCII in UTF-16 is valid UTF-8 too, with zero bytes
    if wide is not None and _fits(path, wide):
        return wide
    if _fits(path, "utf-8"):
        return "utf-8"
    if _fits(path, "cp949") and _is_korean(path):
        return "cp949"
    raise not_utf8(path)


def said(name: str) -> str | None:
    """What to tell the user about the encoding; nothing about UTF-8.

    >>> said("cp949"), said("utf-8-sig")
    ('read as CP949', None)
    """
    return None if name.startswith("utf-8") else f"read as {name.upper()}"


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_FIRST)


def _known(file: str, given: str) -> str:
    try:
        info = codecs.lookup(given)
        "".encode(info.name)
    except (LookupError, ValueError):
        raise DataError(
            f"{file}: --encoding: {given!r} is no encoding of text; expected a name such as utf-8, cp949 or latin-1"
        ) from None
    return "utf-8-sig" if info.name == "utf-8" else info.name


def _fits(path: Path, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                decoder.decode(piece)
            decoder.decode(b"", True)
    except UnicodeError:
        return False
    return True


def _wide(start: bytes) -> str | None:
    """UTF-16 without a byte order mark: one byte in two is zero, always on the same side."""
    for side, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        here, there = start[side::2], start[1 - side :: 2]
        if len(here) > 1 and here.count(0) > len(here) / 2 and there.count(0) == 0:
            return name
    return None


def _is_korean(path: Path) -> bool:
    """Whether the first megabyte is Korean: Hangul, of which most are the 2,350 syllables of KS X 1001.

    Other languages' bytes may decode as CP949 too, but then to ideographs and rare syllables.
    """
    with path.open("rb") as file:
        text = codecs.getincrementaldecoder("cp949")().decode(file.read(_CHUNK))
    foreign = [character for character in text if character > "\x7f"]
    return sum(map(_is_common, foreign)) >= 0.9 * len(foreign)


def _is_common(character: str) -> bool:
    """Whether a character is a sign, or a syllable of KS X 1001: Python's EUC-KR spells others out in 8 bytes."""
    if not "가" <= character <= "힣":
        return not character.isalpha()
    return len(character.encode("euc_kr")) == 2


def not_utf8(path: Path) -> DataError:
    """The error for the first byte that is not UTF-8, where a line break is never part of another character."""
    advice = "save the file as UTF-8, or name its encoding with --encoding, such as cp949, latin-1 or cp1252"
    return _unfit(path, "utf-8", advice)


def _unfit(path: Path, name: str, advice: str) -> DataError:
    """The error for the first bytes that do not fit the encoding."""
    said = "UTF-8" if name.startswith("utf-8") else name.upper()
    if "16" in name or "32" in name:  # lines cannot be told apart by bytes
        return DataError(f"{path.name}: is not {said}; {advice}")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(name)
            except UnicodeDecodeError as error:
                return DataError(f"{path.name}: byte {line[error.start]:#04x} in line {number} is not {said}; {advice}")
    return DataError(f"{path.name}: is not {said}; {advice}")
