"""Arrays in files are streamed to what a whole read gives."""

import struct

import numpy as np
import pytest

from chainrule.data import DataLoader, load, stream

from .making import LEAST, whole


def images(rows=500):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (rows, 4, 5), np.uint8), rng.integers(0, 3, rows, np.uint8)


def check(path, expected=None):
    found = stream(path, memory=LEAST)
    x, y = whole(DataLoader(found, 33))
    expected = load(path) if expected is None else expected
    np.testing.assert_array_equal(x, expected.x)
    np.testing.assert_array_equal(y, expected.y)
    assert found.feature_names == expected.feature_names
    assert found.class_names == expected.class_names
    assert len(found.facts.blocks) > 3
    return found


@pytest.mark.parametrize("order", ["C", "F"])
def test_npz(tmp_path, order):
    x, y = images()
    np.savez(tmp_path / "t.npz", y=y, x=np.asarray(x, order=order))
    found = check(tmp_path / "t.npz")
    assert found.image_shape == (4, 5)
    scaling = found.standardizer()
    np.testing.assert_allclose(scaling.mean, x.mean())
    np.testing.assert_allclose(scaling.scale, x.std())
    scaled = whole(DataLoader(found.standardized(), 100))[0]
    np.testing.assert_array_equal(scaled, scaling.transform(x.reshape(len(x), -1)).astype(np.float32))


def test_npz_with_names_and_text(tmp_path):
    x, y = np.random.default_rng(0).standard_normal((2000, 3)), np.array(["no", "yes"] * 1000)
    np.savez(tmp_path / "t.npz", x=x, y=y, feature_names=["a", "b", "c"])
    check(tmp_path / "t.npz")


def test_npy_has_its_target_in_the_last_column(tmp_path):
    x = np.random.default_rng(0).standard_normal((2000, 4))
    np.save(tmp_path / "t.npy", x)
    found = stream(tmp_path / "t.npy", memory=LEAST)
    features, target = whole(DataLoader(found, 100))
    np.testing.assert_array_equal(features, x[:, :3])
    np.testing.assert_array_equal(target, x[:, 3])
    features, target = whole(DataLoader(stream(tmp_path / "t.npy", target="x1", memory=LEAST), 100))
    np.testing.assert_array_equal(features, x[:, [0, 2, 3]])
    np.testing.assert_array_equal(target, x[:, 1])


def test_idx(tmp_path):
    x, y = images()
    (tmp_path / "a-images-idx3-ubyte").write_bytes(struct.pack(">HBBIII", 0, 8, 3, *x.shape) + x.tobytes())
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, len(y)) + y.tobytes())
    check(tmp_path / "a-images-idx3-ubyte")


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    x, y = images()
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["x"], file["y"] = x, y
    np.savez(tmp_path / "t.npz", x=x, y=y)
    check(tmp_path / "t.h5", load(tmp_path / "t.npz"))
