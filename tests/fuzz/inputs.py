"""Targets for data that are read in blocks, for texts, for series, and for tables of pictures.

What is read in blocks is what is read at once, if that takes it.
"""

import importlib
from collections.abc import Callable
from contextlib import suppress
from unittest.mock import patch

import numpy as np

from chainrule import data
from chainrule.data import DataError, DataLoader
from chainrule.data.corpus.corpus import read_corpus
from chainrule.data.corpus.read import is_table, pieces
from chainrule.data.pictures import Pictures, chosen_form, find_listed, survey
from chainrule.data.pictures.listed import lists_pictures
from chainrule.data.series.series import read_series

from .target import Target, folder, put, saved

MEMORY, PIECE = 1 << 12, 16
"""So little that small files have many blocks."""
streaming = importlib.import_module("chainrule.data.streams.stream")

TABLE = b"length,width,kind\n" + 9 * b'1.5,2,a\n0.5,1,"b"\n2.5,3,a\n1.0,2,b\n'
NUMBERS = b"a;b;y\n" + b"".join(b"%d;%d.5;%d\n" % (k, k % 7, k * k) for k in range(40))
MONTHS = b"when,note,sold\n" + b"".join(b"2020-%02d-01,%c,%d\n" % (k, b"xy"[k % 2], k * k) for k in range(1, 13))
TEXT = "The quick brown fox\r\njumps over the lazy dog.\rÄ, 개, 🦊.\n".encode()
IDX = b"\0\0\x08\x03\0\0\0\x04\0\0\0\2\0\0\0\2" + bytes(range(16))
LISTED = b"file,class\n" + b"".join(b"%d.png,%c\n" % (k, b"ab"[k % 2]) for k in range(4))


def in_blocks(ending: str) -> Callable[[bytes], None]:
    """A target's `run` that reads a data file in blocks, and holds it against the whole."""

    def run(content: bytes) -> None:
        path = put(f"stream{ending}", content)
        with suppress(DataError), patch.object(streaming, "_LEAST", 1):
            stream = data.stream(path, memory=MEMORY)
            found = list(DataLoader(stream, batch_size=max(1, min(64, stream.capacity))))
            with suppress(DataError):
                _agree(found, data.load(path))

    return run


def idx(content: bytes) -> None:
    """The pictures are the input; the labels are sound."""
    put("stream-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\x04\0\1\0\1")
    in_blocks("-images-idx3-ubyte")(content)


def _agree(found: list, whole: data.Data) -> None:
    x, y = (np.concatenate([np.asarray(batch[k]) for batch in found]) for k in (0, 1))
    np.testing.assert_array_equal(x.reshape(len(x), -1), np.asarray(whole.x).reshape(len(whole.x), -1))
    np.testing.assert_array_equal(y, whole.y)


def npy() -> list[bytes]:
    x = np.arange(240.0).reshape(80, 3)
    return [saved(lambda stream, a=a: np.save(stream, a)) for a in (x, np.asfortranarray(x), x.astype(">f4"))]


def npz() -> list[bytes]:
    x, y = np.arange(240.0).reshape(80, 3), np.arange(80) % 2
    return [
        saved(lambda stream: np.savez(stream, x=x, y=y)),
        saved(lambda stream: np.savez_compressed(stream, x=x, y=x[:, 0])),
    ]


def parquet() -> list[bytes]:
    import pyarrow.parquet as pq

    return [saved(lambda stream: pq.write_table(_table(), stream, row_group_size=5))]


def arrow() -> list[bytes]:
    import pyarrow as pa

    def written(stream):
        with pa.ipc.new_file(stream, _table().schema) as writer:
            writer.write_table(_table(), max_chunksize=5)

    return [saved(written)]


def _table():
    import pyarrow as pa

    kinds = pa.array(["a", "b", "a", "c", "b", "a"] * 2).dictionary_encode()
    return pa.table({"length": [1.5, 0.5, 2.5, 1.0, 2.0, 3.0] * 2, "kind": kinds, "y": [1, 2, 3, 4, 5, 6] * 2})


def text(content: bytes) -> None:
    """A text in pieces is the text, and its tokens are decoded to it."""
    path = put("text.txt", content)
    is_table(path)
    with suppress(DataError):
        whole = "".join(pieces(path))
        assert "".join(pieces(path, PIECE)) == whole
        corpus = read_corpus(path)
        parts = (corpus.training.tokens, corpus.held_out.tokens)
        assert "".join(corpus.tokens.decode(part) for part in parts) == whole


def series(content: bytes) -> None:
    """With times and without; each is in order, and a window begins where one fits."""
    path = put("series.csv", content)
    for time in (None, "when"):
        with suppress(DataError):
            found = read_series(path, None, time)
            assert (np.diff(found.times) > 0).all()
            assert np.isfinite(found.values).all()
            for time in found.clock.following(found.times[-1], 2):
                found.clock.written(time)


def listed(content: bytes) -> None:
    """The pictures that a table lists are beside it."""
    from PIL import Image

    for k in range(4):
        if not (path := folder() / f"{k}.png").exists():
            Image.new("RGB", (6, 5), (k, k, k)).save(path)
    path = put("listed.csv", content)
    lists_pictures(path)
    with suppress(DataError):
        found = find_listed(path)
        assert len(found.paths) == len(found.labels)
        Pictures.read(found.paths, chosen_form(survey(found.paths, found.name)), found.name)


INPUTS = {
    "stream_csv": Target(
        in_blocks(".csv"),
        lambda: [TABLE, NUMBERS, TABLE.split(b"\n", 1)[1], TABLE.replace(b"\n", b"\r\n"), MONTHS],
        (",", ";", "\t", '"', '""', "\r\n", "nan", "1e400", "\ufeff", "true"),
    ),
    "stream_npy": Target(in_blocks(".npy"), npy, ("fortran_order", "<f8", "|O", "shape", "True")),
    "stream_npz": Target(in_blocks(".npz"), npz, ("x.npy", "y.npy", "<f8", "|O", "fortran_order", "PK")),
    "stream_idx": Target(idx, lambda: [IDX]),
    "stream_parquet": Target(in_blocks(".parquet"), parquet, ("PAR1",), needs=("pyarrow",)),
    "stream_arrow": Target(in_blocks(".arrow"), arrow, ("ARROW1",), needs=("pyarrow",)),
    "text": Target(text, lambda: [TEXT, TABLE], ("\r", "\n", "\r\n", "\ufeff", ", ")),
    "series": Target(series, lambda: [MONTHS, NUMBERS], ("when", "2020-02-30", "2020-01-01T00:00", ",", "\n", "nan")),
    "listed": Target(listed, lambda: [LISTED], (".png", "file", "../", "0.png,a", '"'), needs=("PIL",)),
}
