"""What a small file may become in memory is bounded, and said before memory is taken."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from chainrule.data import DataError, checks, load
from chainrule.train.saved.recipe import Recipe, network


def header(shape, dtype="<f8"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.fixture
def memory():
    """At most 50 MB at once."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


def test_an_array_that_is_not_there_takes_no_memory(tmp_path, memory):
    path = tmp_path / "d.npz"
    for shape in ((10**9, 1000), (2**62, 2**62), (3, 2)):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", header(shape))
            archive.writestr("y.npy", header(shape[:1]))
        with pytest.raises(DataError, match="array 'x' has 0 bytes, but its header says"):
            load(path)


@pytest.mark.slow
def test_an_archive_that_unpacks_to_much_more_is_refused(tmp_path, memory):
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as stream:
        stream.write(header((150, 10**6), "|u1"))
        for _ in range(150):
            stream.write(bytes(10**6))
    with pytest.raises(DataError, match=r"array 'x' would unpack .* at most 200 times the packed size"):
        load(path)


@pytest.mark.slow
def test_text_that_identifies_rows_becomes_no_features(tmp_path, memory):
    path = tmp_path / "d.csv"
    rows = "".join(",".join(f"{c}{i // 5}" for c in "abcde") + f",{i}\n" for i in range(12_000))
    path.write_text(f"a,b,c,d,e,y\n{rows}")
    with pytest.raises(DataError, match=r"12,000 categories in 12,000 rows, .* at most 100,000,000 are allowed"):
        load(path)


@pytest.mark.slow
def test_many_columns_are_read_in_proportion(tmp_path):
    """Every column is looked up by its name once: a search through all of them is quadratic."""
    names = [f"c{i}" for i in range(3000)]
    path = tmp_path / "d.csv"
    path.write_text(
        ",".join(names) + "\n" + "".join(",".join(str(i * k % 7 + 0.5) for i in range(3000)) + "\n" for k in (1, 2, 3))
    )
    assert load(path, target="c1").x.shape == (3, 2999)


def test_what_is_within_the_bounds_is_taken():
    checks.check_indicators("t", 1_000_000, 100)
    checks.check_unpacked("t", "x", 1, checks.FREE_BYTES)
    checks.check_unpacked("t", "x", 10**9, 2 * 10**11)


def test_a_network_has_bounds():
    for hidden in ((10**9,), (0,), (2,) * 1001):
        with pytest.raises(ValueError, match="hidden: expected at most 1000 positive layer widths of at most 100,000"):
            Recipe(hidden)
    with pytest.raises(ValueError, match="make 10,000,900,003 parameters; expected at most 250,000,000"):
        network(4, (100_000, 100_000), 3, 0.0)
