"""What cannot be streamed is refused on one line, which says where it is and what to do."""

import gzip
import struct

import numpy as np
import pytest

from chainrule.data import DataError, load, stream

from .making import LEAST, table, write_csv, write_parquet


def refused(said, source, **settings):
    with pytest.raises(DataError, match=said) as error:
        stream(source, **settings)
    assert "\n" not in str(error.value)


def test_files_that_are_not_there(tmp_path):
    refused("no file matches this pattern", tmp_path / "*.parquet")
    refused("no such file", tmp_path / "t.csv")
    refused(r"a folder, not a file; name its files by a pattern such as .*\*\.parquet", tmp_path)
    refused("expected at least one", [tmp_path / "none-*.csv"][:0] or (tmp_path / "none-*.csv"))
    (tmp_path / "t.xyz").write_text("1")
    refused("what the file holds cannot be told from its name", tmp_path / "t.xyz")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.npy", "t.npz", "t.feather"])
def test_an_empty_file(tmp_path, name):
    (tmp_path / name).touch()
    refused(f"{name}: the file is empty", tmp_path / name)


def test_a_truncated_parquet_file(tmp_path):
    pytest.importorskip("pyarrow")
    path = write_parquet(tmp_path / "t.parquet", table())
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    refused(r"t\.parquet: not a readable Parquet file", path)
    middle = len(content) // 3
    path.write_bytes(content[:middle] + bytes(2000) + content[middle + 2000 :])
    refused(r"t\.parquet: not a readable Parquet file", path)


def test_a_column_that_vanishes(tmp_path):
    write_csv(tmp_path / "part-1.csv", table())
    write_csv(tmp_path / "part-2.csv", {name: column for name, column in table().items() if name != "b"})
    refused(r"part-2\.csv: has no column 'b', unlike part-1\.csv", tmp_path / "part-*.csv")
    write_csv(tmp_path / "part-2.csv", {**table(), "more": np.arange(600)})
    refused(r"part-2\.csv: has 'more' besides, unlike part-1\.csv", tmp_path / "part-*.csv")


@pytest.mark.slow
def test_text_in_a_column_of_numbers_is_found_in_its_line(tmp_path):
    path = write_csv(tmp_path / "t.csv", table(rows=3000))
    lines = path.read_text().splitlines()
    cells = lines[2500].split(",")
    lines[2500] = ",".join([*cells[:2], "oops", *cells[3:]])
    path.write_text("\n".join(lines))
    refused(r"t\.csv: column 'b' contains numbers, but also 'oops' at line 2501", path, memory=LEAST)
    write_csv(tmp_path / "s.csv", table(rows=3000))
    refused("'oops' at line 2501 of t.csv", [tmp_path / "s.csv", path], memory=LEAST)
    lines[2500] = ",".join([*cells[:2], "", *cells[3:]])
    path.write_text("\n".join(lines))
    refused(r"t\.csv: missing value in column 'b' at line 2501", path, memory=LEAST)
    lines[2500] = ",".join([*cells[:2], "inf", *cells[3:]])
    path.write_text("\n".join(lines))
    refused(r"t\.csv: column 'b' is not finite \(inf\) at line 2501", path, memory=LEAST)
    lines[2500] = ",".join(cells[:2])
    path.write_text("\n".join(lines))
    refused(r"t\.csv: line 2501 has 2 cells, the first row has 4", path, memory=LEAST)
    lines[2500] = ",".join([*cells[:2], '"', *cells[3:]])
    path.write_text("\n".join(lines))
    refused(r"t\.csv: line \d+ is not valid CSV", path, memory=LEAST)
    path.write_bytes(b"a,b\n" + b"1,2\n" * 3000 + b"\xff,3\n")
    refused(r"t\.csv: byte 0xff in line 3002 is not UTF-8", path, memory=LEAST)
    path.write_bytes(b"a,b\n" + b"1,2\n" * 3000 + b"\0,3\n")
    refused(r"t\.csv: contains zero bytes", path, memory=LEAST)


def test_missing_and_infinite_cells_of_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    columns = table(rows=3000)
    columns["a"] = columns["a"].copy()
    columns["a"][2222] = np.nan
    refused("missing value in column 'a' at row 2222", write_parquet(tmp_path / "t.parquet", columns))
    columns["a"] = [None if k == 2222 else float(k) for k in range(3000)]
    path = write_parquet(tmp_path / "t.parquet", columns)
    refused(r"missing value in column 'a' at row 2222", path, memory=LEAST)


def test_files_whose_types_differ(tmp_path):
    pytest.importorskip("pyarrow")
    write_parquet(tmp_path / "a-1.parquet", table())
    write_parquet(tmp_path / "a-2.parquet", {**table(), "a": np.array(["x"] * 600)})
    refused(r"column 'a' contains numbers, but text at row 0 of a-2\.parquet", tmp_path / "a-*.parquet")


def test_a_column_of_numbers_that_is_text_in_another_file(tmp_path):
    (tmp_path / "q-1.csv").write_text("a,y\n" + "".join(f"{k},{k % 2}\n" for k in range(200)))
    (tmp_path / "q-2.csv").write_text("a,y\n" + "".join(f"w{k % 3},{k % 2}\n" for k in range(200)))
    said = "not a set of categories; some are numbers, and the first that is none is 'w0' at line 2 of q-2.csv; leave"
    refused(said, tmp_path / "q-*.csv")


def test_everything_wrong_in_a_column_is_listed(tmp_path):
    rows = ["1,2,0", "2,,1", "3,4,5,6", "4,x,1", "5,inf,0", *(f"{k},{2 * k},{k % 2}" for k in range(300))]
    (tmp_path / "t.csv").write_text("a,b,y\n" + "\n".join(rows))
    messages = []
    for read in (load, stream):
        with pytest.raises(DataError) as found:
            read(tmp_path / "t.csv")
        messages.append(str(found.value))
    assert messages[0] == messages[1]
    lines = ["line 3: missing value in column 'b'", "line 4 has 4 cells, the first row has 3", "but also 'x'"]
    assert all(line in messages[0] for line in lines)
    assert "categories" not in messages[0]


def test_a_target_that_is_not_there(tmp_path):
    refused(
        r"no column 'q' to use as the target\. Expected an index below 4",
        write_csv(tmp_path / "t.csv", table()),
        target="q",
    )


def test_targets_that_cannot_be_learned(tmp_path):
    columns = {"a": np.arange(100.0), "y": np.ones(100)}
    refused("the target 'y' is constant", write_csv(tmp_path / "t.csv", columns))
    columns["y"] = np.array([f"name{k}" for k in range(100)])
    refused("has 100 different texts in 100 rows", write_csv(tmp_path / "t.csv", columns))
    refused("is text, but a regression needs numbers", write_csv(tmp_path / "t.csv", columns), task="regression")
    columns["y"] = np.arange(100)
    said = "takes 100 different values in 100 rows, which is not a set of classes"
    refused(said, write_csv(tmp_path / "t.csv", columns), task="classification")
    (tmp_path / "t.csv").write_text("a\n1\n2\n")
    refused("one column only", tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("a,b\n")
    refused("no rows of data", tmp_path / "t.csv")
    refused(
        "neither part may be empty",
        write_csv(tmp_path / "t.csv", {"a": np.arange(3), "b": np.arange(3)}),
        held_out=0.01,
    )


def test_arrays_that_cannot_be_mapped(tmp_path):
    x, y = np.zeros((5, 2)), np.arange(5)
    np.savez_compressed(tmp_path / "t.npz", x=x, y=y)
    refused("array 'x' is compressed, .* save it by np.savez", tmp_path / "t.npz")
    np.savez(tmp_path / "t.npz", x=x)
    refused("no array 'y'; expected 'x' and 'y'", tmp_path / "t.npz")
    np.savez(tmp_path / "t.npz", x=x, y=y[:4])
    refused(r"expected features \[N, n\]", tmp_path / "t.npz")
    (tmp_path / "t.npz").write_bytes(b"PK\3\4 and no more")
    refused("not a readable .npz archive", tmp_path / "t.npz")
    (tmp_path / "t.npy").write_bytes(b"\x93NUMPY and no more")
    refused("not a readable .npy file", tmp_path / "t.npy")
    np.save(tmp_path / "t.npy", np.zeros((20, 3)))
    path = tmp_path / "t.npy"
    path.write_bytes(path.read_bytes().replace(b"{'descr'", b"\xb9'descr'"))
    refused("not a readable .npy file", path)
    np.save(tmp_path / "t.npy", np.array([["a", "b"]]))
    refused("expected real numbers, got dtype <U1", tmp_path / "t.npy")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(struct.pack(">HBBIII", 0, 8, 3, 9, 2, 2) + bytes(5))
    with gzip.open(tmp_path / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(struct.pack(">HBBI", 0, 8, 1, 9) + bytes(9))
    refused("the file is truncated or damaged: its header says", tmp_path / "train-images-idx3-ubyte")
    (tmp_path / "t.h5").write_bytes(b"no HDF5")
    pytest.importorskip("h5py")
    refused("not a readable HDF5 file", tmp_path / "t.h5")


def test_a_file_that_only_load_can_read_says_so(tmp_path):
    wide, packed, many = tmp_path / "wide.csv", tmp_path / "packed.npz", tmp_path / "many.npy"
    wide.write_text("a,y\n1,2\n3,4\n", "utf-16")
    np.savez_compressed(packed, x=np.eye(4), y=np.arange(4))
    np.save(many, np.zeros((4, 20)))  # the medians of so many columns do not fit into the memory
    for path, missing in ((wide, "error"), (packed, "error"), (many, "median")):
        with pytest.raises(ValueError, match="--no-stream"):
            stream(path, missing=missing, memory=LEAST)
