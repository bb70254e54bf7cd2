"""Images and labels in the IDX format of the MNIST files.

The format: Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits", section FILE
FORMATS. Two zero bytes, a type code, the number of axes, each axis's length as a big-endian 32-bit
integer, then the values, big-endian, in C order.
"""

import gzip
import re
import struct
import zlib
from math import prod
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError, check_finite
from chainrule.data.dataset import Data
from chainrule.data.npz_file import feature_names

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_WORD = re.compile("images|labels")
_PARTNER = {"images": "labels", "labels": "images"}


def is_idx(path: Path) -> bool:
    """Whether a file name looks like that of an IDX file.

    >>> is_idx(Path("t10k-labels.idx1-ubyte.gz")), is_idx(Path("idx1.csv"))
    (True, False)
    """
    return re.search(r"idx\d?(-ubyte)?(\.gz)?$", path.name) is not None


def read_idx(path: str | Path) -> Data:
    """Read a pair of IDX files, either of which may be ``path``; both may be compressed (.gz).

    The other is in the same folder, with "labels" for "images" in its name and any number after "idx":
    train-images-idx3-ubyte and train-labels-idx1-ubyte.gz make a pair. The images [N, height, width] become
    rows of features in their original scale, 0 to 255 in MNIST; the classes are 0 to the largest label.

    Raises :class:`DataError` for a missing partner, a damaged file, and images and labels that do not match.
    """
    images_path, labels_path = pair(Path(path))
    images, labels = read_idx_array(images_path), read_idx_array(labels_path)
    if images.ndim < 2 or labels.shape != images.shape[:1] or images.size == 0:
        raise DataError(
            f"{images_path.name}: expected images [N, height, width] and labels [N], "
            f"got {list(images.shape)} and {list(labels.shape)} in {labels_path.name}"
        )
    check_finite(images, images_path.name)
    if labels.dtype != np.uint8:
        raise DataError(f"{labels_path.name}: labels must be unsigned bytes, got {labels.dtype}")
    if labels.min() == labels.max():
        raise DataError(f"{labels_path.name}: the labels are constant, {labels[0]}, so there is nothing to learn")
    return Data(
        x=images.reshape(len(images), -1).astype(np.float64),
        y=labels.astype(np.int64),
        task="classification",
        feature_names=feature_names(images.shape[1:]),
        class_names=tuple(str(k) for k in range(int(labels.max()) + 1)),
        name=images_path.name,
        source=f"files {images_path.name} and {labels_path.name}",
        image_shape=images.shape[1:] if images.ndim > 2 else None,
    )


def read_idx_array(path: Path) -> NDArray[Any]:
    """The array of an IDX file, compressed or not; raises :class:`DataError` if bytes are missing or left over."""
    try:
        with _opened(path) as file:
            zeros, code, rank = struct.unpack(">HBB", _exactly(file, 4))
            if zeros or code not in TYPES or rank == 0:
                raise DataError(f"{path.name}: does not start like an IDX file")
            shape = struct.unpack(f">{rank}I", _exactly(file, 4 * rank))
            dtype = np.dtype(TYPES[code])
            values = np.frombuffer(_exactly(file, prod(shape) * dtype.itemsize), dtype)
            if file.read(1):
                raise DataError(f"{path.name}: has more values than the shape {list(shape)} in its header")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path.name}: the file is truncated or damaged: {error}") from error
    return values.reshape(shape)


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _exactly(file: IO[bytes], size: int) -> bytes:
    """Read ``size`` bytes in pieces, so that a false header cannot cause memory to be allocated for missing data."""
    pieces, missing = [], size
    while missing:
        piece = file.read(min(missing, 1 << 20))
        if not piece:
            raise EOFError(f"{missing} bytes are missing")
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def pair(path: Path) -> tuple[Path, Path]:
    """The image file and the label file, of which one is given; :class:`DataError` if the other is missing."""
    word = _WORD.search(path.name)
    if word is None:
        raise DataError(f"{path.name}: an IDX file must have 'images' or 'labels' in its name, to find the other")
    wanted = _PARTNER[word.group()]
    partners = [p for p in sorted(path.parent.iterdir()) if wanted in p.name and _stem(p) == _stem(path)]
    if not partners:
        name = path.name.replace(word.group(), wanted)
        raise DataError(f"{path.name}: its {wanted} are missing; expected a file such as {name} next to it")
    return (path, partners[0]) if wanted == "labels" else (partners[0], path)


def _stem(path: Path) -> str:
    """The common part of a pair's file names."""
    return re.sub(r"idx\d", "idx", _WORD.sub("", path.name.removesuffix(".gz")))
