"""All pictures of a data set in one form: decoded once into memory if they fit, else whenever they are needed."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.pictures.decode import BadPicture, Form, Header, decode, pillow, read_header, refitted
from chainrule.data.pictures.walk import shown

MOST_BYTES = 2 << 30
"""How many bytes of decoded pictures are kept in memory."""
USUAL_SIDE, LEAST_SIDE = 64, 8
"""The largest and the smallest side that is chosen for pictures, unless they are all of one smaller size."""
MOST_NAMED = 20
"""How many unreadable files are named."""
_PIECE = 256
"""How many pictures are handed to a thread at a time."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Survey:
    """What the files say of their pictures: heights and widths [N], and whether all are grey."""

    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    is_grey: bool

    def __str__(self) -> str:
        """Describe the sizes."""
        sizes = Counter(zip(self.heights.tolist(), self.widths.tolist(), strict=True))
        if len(sizes) == 1:
            ((height, width),) = sizes
            return f"all of {height}×{width} pixels"
        low, high = ((part(self.heights), part(self.widths)) for part in (np.min, np.max))
        return f"of {len(sizes):,} sizes, {low[0]}×{low[1]} to {high[0]}×{high[1]} pixels"


def survey(paths: Sequence[Path], name: str) -> Survey:
    """Read the headers of all files. Raises DataError that names those that are not pictures."""
    bad, headers = list[tuple[Path, str]](), list[Header]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Pillow warns of very many pixels, where `read_header` refuses them.
        warnings.simplefilter("error", pillow()[0].DecompressionBombWarning)
        for path, header in zip(paths, map(_tried(read_header), paths), strict=True):
            if isinstance(header, BadPicture):
                bad.append((path, str(header)))
            else:
                headers.append(header)
    if bad:  # then all are looked at, so that those with a sound beginning are named, too
        known = {path for path, _ in bad}
        tried = ((path, _tried(lambda path: decode(path, Form(8, 8, 1)))(path)) for path in paths if path not in known)
        bad += [(path, str(found)) for path, found in tried if isinstance(found, BadPicture)]
    _refuse(bad, len(paths), name)
    heights, widths = (np.array([getattr(h, side) for h in headers], np.int64) for side in ("height", "width"))
    return Survey(heights, widths, all(header.is_grey for header in headers))


def survey_array(array: NDArray[np.uint8]) -> Survey:
    """Say the same of pictures in an array `[N, C, H, W]`."""
    count, channels, height, width = array.shape
    return Survey(np.full(count, height), np.full(count, width), is_grey=channels == 1)


def chosen_form(seen: Survey, size: tuple[int, int] | None = None, fit: str = "crop") -> Form:
    """Return the form for pictures: a given (height, width), else their own.

    Pictures that are all of one size of at most 64×64 pixels stay as they are; others become squares with the median
    of their shorter sides, at most 64 pixels and at least 8. Grey pictures have 1 channel, others 3.

    >>> seen = Survey(np.array([480, 600]), np.array([640, 800]), is_grey=False)
    >>> print(chosen_form(seen))
    64×64 RGB
    """
    if size is None:
        height, width = int(seen.heights[0]), int(seen.widths[0])
        is_uniform = bool((seen.heights == height).all() and (seen.widths == width).all())
        if not is_uniform or max(height, width) > USUAL_SIDE:
            shorter = int(np.median(np.minimum(seen.heights, seen.widths)))
            height = width = max(LEAST_SIDE, min(USUAL_SIDE, shorter))
        size = (height, width)
    return Form(*size, channels=1 if seen.is_grey else 3, fit=fit)


class Pictures:
    """The pictures of some files in one form; indexing with indices [n] gives uint8 `[n, C, H, W]`.

    `array` has them all, if they take at most 2 GiB; else it is None, and each is decoded when it is asked for.
    """

    def __init__(self, paths: Sequence[Path], form: Form, array: NDArray[np.uint8] | None = None) -> None:
        self.paths, self.form, self.array = tuple(paths), form, array

    def __len__(self) -> int:
        return len(self.paths) if self.array is None else len(self.array)

    def __getitem__(self, indices: Any) -> NDArray[np.uint8]:
        if self.array is not None:
            chosen: NDArray[np.uint8] = self.array[indices]
            return chosen
        positions = np.arange(len(self))[indices]
        return np.stack([decode(self.paths[i], self.form) for i in positions])

    @classmethod
    def of(cls, array: NDArray[np.uint8], form: Form) -> "Pictures":
        """Bring pictures in an array `[N, C, H, W]` to a form."""
        return cls((), form, np.stack([refitted(picture, form) for picture in array]))

    @classmethod
    def read(
        cls,
        paths: Sequence[Path],
        form: Form,
        name: str,
        most_bytes: int = MOST_BYTES,
        may_turn_grey: bool = True,
        said: Callable[[int], None] = lambda _: None,
    ) -> "Pictures":
        """Decode every file once, which shows that it can be, and keep the pictures if they fit into `most_bytes`.

        RGB pictures none of which has a colour become grey, if they may. `said` is called with the number of pictures
        after each piece. Raises DataError that names the files that cannot be decoded.
        """
        fits = len(paths) * form.channels * form.height * form.width <= most_bytes
        kept = np.empty((len(paths), *form.shape), np.uint8) if fits else None
        bad, has_colour, at = list[tuple[Path, str]](), False, 0
        for piece in _in_threads(_tried(lambda path: decode(path, form)), paths):
            for picture in piece:
                if isinstance(picture, BadPicture):
                    bad.append((paths[at], str(picture)))
                else:
                    has_colour = has_colour or bool((picture != picture[:1]).any())
                    if kept is not None:
                        kept[at] = picture
                at += 1
            said(at)
        _refuse(bad, len(paths), name)
        if form.channels == 3 and may_turn_grey and not has_colour:
            form = replace(form, channels=1)
            kept = None if kept is None else np.ascontiguousarray(kept[:, :1])
        return cls(paths, form, kept)

    def moments(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation [C] of the pixels in some pictures, from 0 to 255; 1 where it would be 0.

        They follow from the counts of the 256 values, so neither order nor rounding matters.
        """
        counts = np.zeros((self.form.channels, 256), np.int64)
        for start in range(0, len(rows), _PIECE):
            for channel, values in enumerate(self[rows[start : start + _PIECE]].swapaxes(0, 1)):
                counts[channel] += np.bincount(values.reshape(-1), minlength=256)
        values, total = np.arange(256.0), counts.sum(axis=1)
        mean = counts @ values / total
        scale = np.sqrt(np.maximum(counts @ values**2 / total - mean**2, 0.0))
        return mean, np.where(scale > 0, scale, 1.0)

    def digest(self) -> bytes:
        """Return bytes that stand for the content of the files, by which a resumed training knows its data."""
        from hashlib import sha256

        if self.array is not None:
            return sha256(self.array.data).digest()
        content = sha256()
        for path in self.paths:
            content.update(f"{shown(path.name)} {path.stat().st_size}\n".encode())
        return content.digest()


def _tried(function: Callable[[Path], T]) -> Callable[[Path], T | BadPicture]:
    def trying(path: Path) -> T | BadPicture:
        try:
            return function(path)
        except BadPicture as error:
            return error

    return trying


def _in_threads(function: Callable[[Path], T], paths: Sequence[Path]) -> Iterator[list[T]]:
    """Yield a function's results in pieces, in order; decoders work outside the GIL."""
    pieces: Iterable[Sequence[Path]] = (paths[k : k + _PIECE] for k in range(0, len(paths), _PIECE))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="pictures") as threads:
        yield from threads.map(lambda piece: [function(path) for path in piece], pieces)


def _refuse(bad: Sequence[tuple[Path, str]], count: int, name: str) -> None:
    if bad:
        named = "; ".join(f"{shown(path)} {why}" for path, why in bad[:MOST_NAMED])
        more = f"; and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
        raise DataError(
            f"{name}: {len(bad)} of {count} files cannot be read as pictures: {named}{more}. Repair or remove them"
        )
