"""Arrays in files, by memory map: .npy, .npz, IDX; and HDF5, by h5py."""

import gzip
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.base.optional import needed
from chainrule.data.checks import DataError
from chainrule.data.idx_file import TYPES, pair, read_idx_array
from chainrule.data.npz_file import HEADER_FAULTS, feature_names
from chainrule.data.streams.blocks import Block, Column, Content, Words, as_numbers, rows_per_block, spans


class ArraySource:
    """Features ``x`` [N, …], flattened to rows, and a target ``y`` [N], as arrays that are sliced and not yet read.

    Without ``y``, the columns of ``x`` are features and target alike.
    """

    def __init__(
        self,
        path: Path,
        x: Any,
        y: Any,
        block_bytes: int,
        target: str = "y",
        names: tuple[str, ...] = (),
    ) -> None:
        self.path, self._x, self._y = path, x, y
        if x.ndim < 2 or prod(x.shape) == 0 or (y is not None and tuple(y.shape) != tuple(x.shape[:1])):
            got = f"{list(x.shape)}" if y is None else f"{list(x.shape)} and {list(y.shape)}"
            raise DataError(f"{path.name}: expected features [N, n] or [N, height, width] and a target [N], got {got}")
        if x.dtype.kind not in "biuf":
            raise DataError(f"{path.name}: expected real numbers, got dtype {x.dtype}; convert them first")
        self._features = names or feature_names(tuple(x.shape[1:]))
        if len(self._features) != prod(x.shape[1:]) or len(set(self._features)) != len(self._features):
            raise DataError(f"{path.name}: {len(set(self._features))} different names for {prod(x.shape[1:])} features")
        self.shape = tuple(x.shape[1:]) if x.ndim > 2 else None
        self.default_target = target if y is not None else self._features[-1]
        self.names = self._features if y is None else (*self._features, target)
        self._rows = rows_per_block(block_bytes, len(self.names))

    def scanned(
        self, texts: frozenset[str], columns: frozenset[str], is_mine: Callable[[], bool]
    ) -> Iterator[tuple[Block, Content | None]]:
        """Yield all blocks with their contents."""
        for group, (start, count) in enumerate(spans(len(self._x), self._rows)):
            block = Block(start, count, group, None)
            yield block, self.read(block, columns, texts) if is_mine() else None

    def read(self, block: Block, columns: frozenset[str], _texts: frozenset[str]) -> Content:
        """Read some columns of a block."""
        rows = slice(block.start, block.start + block.rows)
        try:
            x = as_numbers(np.ascontiguousarray(self._x[rows])).reshape(block.rows, -1)
            y = None if self._y is None or self.default_target not in columns else np.asarray(self._y[rows])
        except (OSError, ValueError) as error:  # a damaged HDF5 file
            raise DataError(f"{self.path.name}: rows from {block.start} on cannot be read: {error}") from error
        found: dict[str, Column] = {name: x[:, j] for j, name in enumerate(self._features) if name in columns}
        if y is not None:
            found[self.default_target] = _target(y)
        return Content(found, partial(self.place, block), x, self._features)

    def place(self, block: Block, row: int) -> str:
        """Where in the file a row of a block is."""
        return f"row {block.start + row}"


def _target(y: NDArray[Any]) -> Column:
    if y.dtype.kind in "USTO":
        words, codes = np.unique(np.array([_text(value) for value in y]), return_inverse=True)
        return Words(codes, tuple(map(str, words)))
    return as_numbers(y)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def npy_source(path: Path, block_bytes: int) -> ArraySource:
    """The source of a .npy file, an array [N, n] that is mapped into memory."""
    try:
        x = np.load(path, mmap_mode="r", allow_pickle=False)
    except HEADER_FAULTS as error:
        raise DataError(f"{path.name}: not a readable .npy file of a plain array: {error}") from error
    return ArraySource(path, x, None, block_bytes)


def npz_source(path: Path, target: str | None, block_bytes: int, needs_target: bool = True) -> ArraySource:
    """The source of an archive with ``x`` and ``y`` (or the array that ``target`` names), which are mapped.

    Raises :class:`DataError` for arrays that are compressed: only their beginning could be read without the rest.
    """
    label = "y" if target is None else target
    try:
        with zipfile.ZipFile(path) as archive:
            members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            if absent := [name for name in ("x", label)[: 1 + needs_target] if name not in members]:
                raise DataError(f"{path.name}: no array {absent[0]!r}; expected 'x' and {label!r}, found {[*members]}")
            x = _mapped(path, archive, members["x"])
            y = _mapped(path, archive, members[label]) if needs_target else None
        names = _names(path) if "feature_names" in members else ()
    except DataError:
        raise
    except (zipfile.BadZipFile, RuntimeError, struct.error, *HEADER_FAULTS) as error:
        raise DataError(f"{path.name}: not a readable .npz archive of plain arrays: {error}") from error
    return ArraySource(path, x, y, block_bytes, label, names)


def _names(path: Path) -> tuple[str, ...]:
    with np.load(path, allow_pickle=False) as archive:
        return tuple(str(name) for name in np.ravel(archive["feature_names"]))


def _mapped(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    """Map an array of an archive that is stored as it is."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise DataError(
            f"{path.name}: array {entry.filename.removesuffix('.npy')!r} is compressed, so that it cannot be read in "
            "blocks; save it by np.savez instead of np.savez_compressed, or read it whole: data.load, train --no-stream"
        )
    with archive.open(entry) as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read(member)
        header = member.tell()
    if dtype.hasobject or prod(shape) * dtype.itemsize != entry.file_size - header:
        raise DataError(
            f"{path.name}: array {entry.filename!r} of {dtype} {list(shape)} is damaged or pickled; save arrays "
            "of numbers by np.savez"
        )
    with path.open("rb") as file:  # what stands before the member's bytes has a length of its own in the file
        file.seek(entry.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
    offset = entry.header_offset + 30 + name + extra + header
    return np.memmap(path, dtype, "r", offset, shape, "F" if is_fortran else "C")


def idx_source(path: Path, block_bytes: int) -> ArraySource:
    """The source of a pair of IDX files, mapped; labels may be compressed, as they are small, images may not."""
    images, labels = pair(path)
    return ArraySource(images, _idx_array(images), _idx_array(labels), block_bytes)


def _idx_array(path: Path) -> NDArray[Any]:
    if path.suffix == ".gz":
        if "images" in path.name:
            raise DataError(f"{path.name}: is compressed, so that it cannot be read in blocks; unpack it by gunzip")
        return read_idx_array(path)
    try:
        with path.open("rb") as file:
            zeros, code, rank = struct.unpack(">HBB", file.read(4))
            if zeros or code not in TYPES or rank == 0:
                raise DataError(f"{path.name}: does not start like an IDX file")
            shape = struct.unpack(f">{rank}I", file.read(4 * rank))
        dtype = np.dtype(TYPES[code])
        if path.stat().st_size != 4 + 4 * rank + prod(shape) * dtype.itemsize:
            raise DataError(f"{path.name}: the file is truncated or damaged: its header says {list(shape)} of {dtype}")
        return np.memmap(path, dtype, "r", 4 + 4 * rank, shape)
    except (struct.error, OSError, gzip.BadGzipFile, ValueError) as error:
        raise DataError(f"{path.name}: the file is truncated or damaged: {error}") from error


def hdf5_source(path: Path, target: str | None, block_bytes: int, needs_target: bool = True) -> ArraySource:
    """The source of an HDF5 file with data sets ``x`` and ``y`` (or the one that ``target`` names); needs h5py."""
    h5py = needed("h5py", f"{path.name}: reading HDF5", "pip install h5py")
    label = "y" if target is None else target
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path.name}: not a readable HDF5 file: {error}") from error
    wanted = ("x", label)[: 1 + needs_target]
    if absent := [name for name in wanted if not isinstance(file.get(name), h5py.Dataset)]:
        raise DataError(f"{path.name}: no data set {absent[0]!r}; expected 'x' and {label!r}, found {[*file]}")
    return ArraySource(path, file["x"], file[label] if needs_target else None, block_bytes, label)
