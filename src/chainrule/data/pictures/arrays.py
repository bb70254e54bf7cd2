"""Pictures that are arrays: IDX files, as those of MNIST, and the named sets of images."""

from pathlib import Path

import numpy as np

from chainrule.data.checks import DataError
from chainrule.data.idx_file import is_idx
from chainrule.data.named import load
from chainrule.data.pictures.found import Found, check_counts

NAMED = {"digits": 16, "mnist5k": 255}
"""The sets of images, and the value of white in them."""


def is_array(source: str | Path) -> bool:
    """Whether a name or a path is that of pictures in an array.

    >>> is_array("mnist5k"), is_array("iris"), is_array("photos")
    (True, False, False)
    """
    path = Path(source)
    return str(source) in NAMED or (is_idx(path) and path.is_file())


def find_array(source: str, counted: bool = True) -> Found:
    """Return labelled pictures of a named set or of a pair of IDX files of bytes: grey, or RGB if they are so.

    Raises DataError for other arrays, and if they are ``counted``, for a class with one picture.
    """
    data = load(source)
    shape = data.image_shape
    if shape is None or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        got = list(data.x.shape if shape is None else (len(data.x), *shape))
        raise DataError(f"{data.name}: expected pictures [N, height, width], or [N, height, width, 3], got {got}")
    white = NAMED.get(source, 255)
    values = data.x.reshape(len(data.x), *shape)
    if values.min() < 0 or values.max() > white or (values != np.floor(values)).any():
        raise DataError(
            f"{data.name}: expected whole numbers from 0 to {white} as pixels, got {values.min():g} to "
            f"{values.max():g}; leave --model out to train on the numbers as a table"
        )
    pixels = np.round(values * (255 / white)).astype(np.uint8)
    channels = pixels[:, None] if len(shape) == 2 else pixels.transpose(0, 3, 1, 2)
    found = Found(data.name, (), np.asarray(data.y, np.int64), data.class_names, array=np.ascontiguousarray(channels))
    if counted:
        check_counts(found)
    return found
