"""What a target is, and the files that it is given."""

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """Something that reads bytes, what it was meant to read, words that it knows, and the libraries that it needs."""

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    words: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@cache
def folder() -> Path:
    """A folder for the files that the readers are given."""
    return Path(tempfile.mkdtemp(prefix="chainrule-fuzz-"))


def put(name: str, content: bytes) -> Path:
    path = folder() / name
    path.write_bytes(content)
    return path


def saved(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()
