"""The format of MNIST: arrays come back, pairs are found, and what is not whole is refused."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chainrule.data import DataError, load
from chainrule.data.idx_file import read_idx, read_idx_array

CODES = {">u1": 8, ">i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}
IMAGES = (np.arange(4 * 3 * 2) * 10).astype(np.uint8).reshape(4, 3, 2)
LABELS = np.array([2, 0, 1, 2], np.uint8)


def idx(array):
    """The bytes of an IDX file, written from the description of the format."""
    code = CODES[array.dtype.newbyteorder(">").str.replace("|", ">")]
    head = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("idx")


@given(hnp.arrays(st.sampled_from([*CODES]), hnp.array_shapes(max_dims=4, max_side=4)), st.booleans())
def test_an_array_comes_back(folder, array, compressed):
    path = folder / ("array.gz" if compressed else "array")
    path.write_bytes(gzip.compress(idx(array)) if compressed else idx(array))
    np.testing.assert_array_equal(read_idx_array(path), array)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_is_not_exactly_whole_is_refused(tmp_path, compressed):
    path = tmp_path / ("a.gz" if compressed else "a")
    whole = gzip.compress(idx(IMAGES)) if compressed else idx(IMAGES)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="truncated or damaged"):
            read_idx_array(path)
    path.write_bytes(gzip.compress(idx(IMAGES) + b"\0") if compressed else whole + b"\0")
    with pytest.raises(DataError, match=r"more values than the shape \[4, 3, 2\] in its header"):
        read_idx_array(path)


@pytest.mark.parametrize("head", [b"\0\1\x08\1", b"\0\0\x07\1", b"\0\0\x08\0", b"\x1f\x8b\x08\0", b"a,b\n"])
def test_other_first_bytes_are_refused(tmp_path, head):
    (tmp_path / "a").write_bytes(head + bytes(16))
    with pytest.raises(DataError, match="does not start like an IDX file"):
        read_idx_array(tmp_path / "a")


def test_a_false_header_allocates_nothing(tmp_path):
    (tmp_path / "a").write_bytes(struct.pack(">HBB3I", 0, 14, 3, *[2**32 - 1] * 3))
    with pytest.raises(DataError, match="bytes are missing"):
        read_idx_array(tmp_path / "a")


def pair(folder, images=IMAGES, labels=LABELS, names=("train-images-idx3-ubyte", "train-labels-idx1-ubyte")):
    paths = [folder / name for name in names]
    for path, array in zip(paths, (images, labels), strict=True):
        path.write_bytes(gzip.compress(idx(array)) if path.suffix == ".gz" else idx(array))
    return paths


@pytest.mark.parametrize(
    "names",
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte.gz"),
        ("images.idx", "labels.idx"),
    ],
)
def test_either_file_of_a_pair_finds_the_other(tmp_path, names):
    pair(tmp_path, IMAGES[::-1], LABELS[::-1], ("other-images-idx3-ubyte", "other-labels-idx1-ubyte"))
    for path in pair(tmp_path, names=names):
        data = load(path)
        np.testing.assert_array_equal(data.x, IMAGES.reshape(4, 6))
        assert data.y.tolist() == LABELS.tolist()
        assert data.class_names == ("0", "1", "2")
        assert data.image_shape == (3, 2)
        assert data.feature_names[:3] == ("pixel_0_0", "pixel_0_1", "pixel_1_0")


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES, LABELS[:3], r"got \[4, 3, 2\] and \[3\]"),
        (LABELS, LABELS, r"expected images \[N, height, width\]"),
        (IMAGES, LABELS.astype(np.float32), "labels must be unsigned bytes, got"),
        (IMAGES, LABELS * 0, "the labels are constant, 0"),
        (IMAGES * np.float32(np.nan), LABELS, "not finite"),
    ],
)
def test_a_pair_that_does_not_fit_is_refused(tmp_path, images, labels, message):
    with pytest.raises(DataError, match=message):
        read_idx(pair(tmp_path, images, labels)[0])


def test_a_missing_partner_is_named(tmp_path):
    images, labels = pair(tmp_path)
    labels.unlink()
    with pytest.raises(DataError, match="its labels are missing; expected a file such as train-labels-idx"):
        read_idx(images)
    images.rename(tmp_path / "digits.idx")
    with pytest.raises(DataError, match="'images' or 'labels' in its name"):
        read_idx(tmp_path / "digits.idx")
