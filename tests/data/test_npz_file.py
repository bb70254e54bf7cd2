"""NumPy's archives: what is saved comes back, and what is no plain pair of arrays is refused."""

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from chainrule.data import DataError, Feature, Reading, Schema
from chainrule.data.npz_file import places, read_npz

FEATURES = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int32, np.uint8, np.bool_]),
    st.tuples(st.integers(2, 6), st.integers(1, 3)) | st.tuples(st.integers(2, 6), *[st.integers(1, 3)] * 2),
    elements={"allow_nan": False, "allow_infinity": False},
)
TARGETS = st.sampled_from([st.floats(-9, 9), st.integers(0, 2), st.sampled_from(["no", "yes"])])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("npz")


@given(FEATURES, st.data())
def test_saved_arrays_come_back(folder, x, data):
    y = np.array(data.draw(st.lists(data.draw(TARGETS), min_size=len(x), max_size=len(x))))
    assume(len(set(y.tolist())) > 1)
    path = folder / "set.npz"
    np.savez(path, x=x, y=y)
    got = read_npz(path)
    np.testing.assert_array_equal(got.x, x.reshape(len(x), -1).astype(np.float64))
    assert got.image_shape == (x.shape[1:] if x.ndim == 3 else None)
    back = np.array(got.class_names)[got.y] if got.class_names else got.y
    np.testing.assert_array_equal(back.astype(y.dtype), y)


def test_the_task_is_inferred_or_asked_for(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(4), y=[1, 2, 1, 2])
    inferred, asked = read_npz(tmp_path / "a.npz"), read_npz(tmp_path / "a.npz", task="regression")
    assert (inferred.task, asked.task) == ("classification", "regression")
    assert "--task regression" in inferred.inferred[0]
    assert asked.y.tolist() == [1.0, 2.0, 1.0, 2.0]


def test_names_and_another_target_are_used(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.eye(2), age=[3.5, 4.5], feature_names=["u", "v"])
    data = read_npz(tmp_path / "a.npz", "age")
    assert data.feature_names == ("u", "v")
    assert data.y.tolist() == [3.5, 4.5]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.eye(2)}, r"a.npz: no array 'y'; expected 'x' and 'y', found \['x'\]"),
        ({"y": np.ones(2)}, "no array 'x'"),
        ({"x": np.eye(2), "y": np.eye(2)}, r"got \[2, 2\] and \[2, 2\]; turn one-hot"),
        ({"x": np.ones(2), "y": np.ones(2)}, r"expected 'x' \[N, n\]"),
        ({"x": np.ones((0, 2)), "y": np.ones(0)}, r"got \[0, 2\] and \[0\]"),
        ({"x": np.eye(2), "y": np.ones(2)}, "the target 'y' is constant: every value is 1.0"),
        ({"x": np.array([[1, np.nan], [1, 1]]), "y": np.arange(2)}, "a.npz: x: .* nan at row 0, column 1"),
        ({"x": np.eye(2), "y": np.array([0, np.inf])}, "a.npz: y: .* inf at index 1"),
        ({"x": np.eye(2) * 1j, "y": np.arange(2)}, "x: expected real numbers, got dtype complex128"),
        ({"x": np.eye(2), "y": np.array([{}, {}])}, "not a readable .npz archive of plain arrays"),
        (
            {"x": np.eye(2), "y": np.arange(2), "feature_names": ["a"]},
            "a.npz: 1 feature_names for 2 features",
        ),
    ],
)
def test_other_archives_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_npz(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz: not a readable \.npz archive"):
        read_npz(tmp_path / "a.npz")


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(2))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(DataError, match=r"not a readable \.npz archive"):
        read_npz(tmp_path / "a.npz")


def test_a_changed_or_missing_byte_is_found(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(40.0).reshape(20, 2), y=np.arange(20.0))
    whole, data = path.read_bytes(), read_npz(path)
    for i in range(0, len(whole), 3):
        for content in (whole[:i], whole[:i] + bytes([whole[i] ^ 255]) + whole[i + 1 :]):
            path.write_bytes(content)
            try:
                got = read_npz(path)
            except DataError:
                continue
            np.testing.assert_array_equal(got.x, data.x)  # a byte that no reader needs, such as a date
            np.testing.assert_array_equal(got.y, data.y)


def test_numbers_where_the_network_took_dates_are_called_so():
    features = (Feature("when", part="days"), Feature("ok", part="true"))
    for wanted, (feature, dates) in {
        "dates": (features[0], (("when", "ymd"),)),
        "true and false": (features[1], ()),
    }.items():
        schema = Schema("t.csv", (feature,), "regression", target="y", reading=Reading(dates=dates))
        with pytest.raises(DataError, match=f"the network was trained on {wanted}; expected {wanted}"):
            places("t.npz", [feature.column], schema)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no archive, only text", "it does not begin like one"), (None, "it holds Python objects")],
)
def test_no_archive_is_told_without_advice_to_unpickle(tmp_path, content, said):
    path = tmp_path / "t.npz"
    np.savez(path, x=np.array([{}, 1], object), y=np.eye(2))
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f"{said}.*np.savez") as refused:
        read_npz(path)
    assert not re.search("pickle", str(refused.value))
