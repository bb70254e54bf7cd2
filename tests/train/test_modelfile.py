"""A model file is whole or refused: laws of writing, of reading, and of everything that can go wrong."""

import gzip
import io
import json
import os
import pickle
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.train.saved import modelfile
from chainrule.train.saved.modelfile import ModelFileError, ModelFileMissing, read_arrays, write_arrays

from .modelfiles import (
    ARRAYS,
    META,
    META_SAMPLE,
    SAMPLE,
    all_same,
    allocating_at_most,
    entry,
    packed,
    refused,
    same,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.fixture
def sample(path: Path) -> Path:
    write_arrays(path, SAMPLE, META_SAMPLE)
    return path


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One path for all examples of a property."""
    return tmp_path_factory.mktemp("modelfile") / "model.safetensors"


# Sound files


@pytest.mark.slow
@given(arrays=ARRAYS, meta=META)
def test_round_trip(scratch: Path, arrays: dict[str, np.ndarray], meta: dict[str, str]) -> None:
    write_arrays(scratch, arrays, meta)
    read, read_meta = read_arrays(scratch)
    assert all_same(arrays, read)
    assert read_meta == meta
    for array in read.values():
        assert array.dtype.isnative
        assert array.flags.writeable
        assert array.flags.owndata


@given(arrays=ARRAYS, meta=META)
def test_safetensors_reads_what_is_written(scratch: Path, arrays: dict[str, np.ndarray], meta: dict[str, str]) -> None:
    write_arrays(scratch, arrays, meta)
    assert all_same(arrays, safetensors.numpy.load_file(scratch))
    with safetensors.safe_open(scratch, "np") as file:
        assert file.metadata().items() >= meta.items()


@pytest.mark.slow
@given(arrays=ARRAYS, meta=META.filter(bool))
def test_what_safetensors_writes_is_read(scratch: Path, arrays: dict[str, np.ndarray], meta: dict[str, str]) -> None:
    contiguous = {name: np.array(array, order="C") for name, array in arrays.items()}
    scratch.write_bytes(safetensors.numpy.save(contiguous, meta))
    read, read_meta = read_arrays(scratch)
    assert all_same(arrays, read)
    assert read_meta == meta


@pytest.mark.parametrize(
    "view",
    [lambda a: a.T, lambda a: a[::-1, ::2], lambda a: np.broadcast_to(a[0], (3, 6)), lambda a: a[1:1]],
    ids=["transposed", "strided", "broadcast", "empty"],
)
def test_any_memory_layout(path: Path, view: Callable[[np.ndarray], np.ndarray]) -> None:
    array = view(np.arange(24.0).reshape(4, 6))
    write_arrays(path, {"a": array}, {})
    assert same(read_arrays(path)[0]["a"], array)


def test_same_content_same_bytes_and_aligned(path: Path, tmp_path: Path) -> None:
    write_arrays(path, SAMPLE, META_SAMPLE)
    write_arrays(tmp_path / "other", dict(reversed(SAMPLE.items())), META_SAMPLE)
    content = path.read_bytes()
    assert content == (tmp_path / "other").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    for name, array in SAMPLE.items():
        assert (8 + length + header[name]["data_offsets"][0]) % array.itemsize == 0


def test_the_digest_is_optional_but_binding(sample: Path) -> None:
    content = sample.read_bytes()
    sample.write_bytes(content.replace(b"chainrule.sha256", b"somebody.sha256."))
    assert all_same(read_arrays(sample)[0], SAMPLE)
    sample.write_bytes(content.replace(b"layer.bias", b"layer.gain"))
    assert "digest" in refused(sample)


# Files that are not model files


def test_missing(path: Path) -> None:
    assert "no such file" in refused(path)
    with pytest.raises(FileNotFoundError):
        read_arrays(path)
    path.touch()
    for call in (read_arrays, lambda below: write_arrays(below, {}, {})):
        with pytest.raises(ModelFileMissing):
            call(path / "below a file")


def test_not_a_regular_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for odd, kind in ((tmp_path, "folder"), (pipe, "pipe")):
        assert kind in refused(odd)
        with pytest.raises(ModelFileError, match=kind):
            write_arrays(odd, SAMPLE, {})
    assert list(tmp_path.iterdir()) == [pipe]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("odd", ["a\0b", "x" * 300, "\ud800"], ids=["nul", "long", "surrogate"])
def test_impossible_path(tmp_path: Path, odd: str) -> None:
    with pytest.raises(ModelFileError):
        read_arrays(tmp_path / odd)
    if odd != "\ud800":  # a lone surrogate of this kind is no path at all
        with pytest.raises(ModelFileError):
            write_arrays(tmp_path / odd, SAMPLE, {})
    assert not list(tmp_path.iterdir())


def test_a_loop_of_links(path: Path) -> None:
    path.symlink_to(path)
    refused(path)
    with pytest.raises(ModelFileError):
        write_arrays(path, SAMPLE, {})
    assert path.is_symlink()


class Bomb:
    """Unpickling it makes the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_run(path: Path, protocol: int) -> None:
    path.write_bytes(pickle.dumps(Bomb(path.parent / "pwned"), protocol))
    message = refused(path)
    assert ("this is a pickle" in message) == (protocol >= 2)  # the first two protocols are text without a mark
    assert not (path.parent / "pwned").exists()


def npy() -> bytes:
    np.save(buffer := io.BytesIO(), np.ones(3))
    return buffer.getvalue()


def npz() -> bytes:
    np.savez(buffer := io.BytesIO(), w=np.ones(3))
    return buffer.getvalue()


def empty_zip() -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w"):
        pass
    return buffer.getvalue()


FOREIGN = {
    "empty": (b"", "empty"),
    "short": (b"abc", "ends after 3 bytes"),
    "npy": (npy(), r"\.npy"),
    "npz": (npz(), "zip archive"),
    "empty zip": (empty_zip(), "zip archive"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "gzip": (gzip.compress(b"model"), "gzip"),
    "tiny pickle": (pickle.dumps(1), "pickle"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    "text": (
        b"<!DOCTYPE html><html></html>",
        "not a model file .its first 8 bytes, .* a header of",
    ),
    "zeros": (bytes(64), "not a JSON object"),
}


@pytest.mark.parametrize(("content", "word"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_file(path: Path, content: bytes, word: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=word):
        read_arrays(path)
    refused(path)


A, B = entry(), entry(offsets=(8, 16))
HOSTILE: dict[str, tuple[object, str]] = {
    "latin-1": (b'{"\xe9": 1}', "UTF-8"),
    "not JSON": (b'{"a": }', "parse"),
    "unclosed string": (b'{"a', "do not match"),
    "a list": ([A], "not a JSON object"),
    "leading space": (b" {}", "not a JSON object"),
    "after the end": (b"{} {}", "parse"),
    "deep": (b'{"a": [[[1]]]}', "too deep"),
    "very deep": (b'{"a":' + b"[" * 1_000_000, "too deep"),
    "deep and closed": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deep"),
    "long integer": (b'{"a": ' + b"9" * 5000 + b"}", "parse"),
    "duplicate array": (b'{"a": 1, "b": 2, "a": 3}', "'a' more than once"),
    "duplicate field": (b'{"a": {"dtype": "F32", "dtype": "F64"}}', "'dtype' more than once"),
    "surrogate name": (b'{"\\ud800": {}}', "UTF-8"),
    "no entry": ({"a": None}, "header entry"),
    "missing field": ({"a": {"dtype": "F32", "shape": [2]}}, "exactly"),
    "extra field": ({"a": {**A, "code": 1}}, "exactly"),
    "unknown dtype": ({"a": entry("BF16", (4,))}, "BF16"),
    "dtype a list": ({"a": entry(["F32"])}, "dtype"),
    "shape a number": ({"a": entry(shape=2)}, "shape"),
    "negative shape": ({"a": entry(shape=(-2,))}, "naturals"),
    "float shape": ({"a": entry(shape=(2.0,))}, "naturals"),
    "bool shape": ({"a": entry("F64", (True,))}, "naturals"),
    "rank": ({"a": entry("F64", [1] * 65)}, "at most 64 naturals"),
    "overflow": ({"a": entry(shape=(2**62, 4))}, "address"),
    "empty overflow": ({"a": entry(shape=(2**40, 2**40, 0), offsets=(0, 0))}, "address"),
    "huge": ({"a": entry(shape=(2**40,), offsets=(0, 2**42))}, "cut off"),
    "one offset": ({"a": entry(offsets=(0,))}, "data_offsets"),
    "negative offset": ({"a": entry(offsets=(-8, 0))}, "data_offsets"),
    "reversed": ({"a": entry(offsets=(8, 0))}, "takes -8 bytes"),
    "wrong size": ({"a": entry(shape=(3,))}, "12 for F32"),
    "hole": ({"a": entry(shape=(1,), offsets=(0, 4)), "b": entry(shape=(1,), offsets=(5, 9))}, "byte 4"),
    "overlap": ({"a": A, "b": A}, "starts at byte 0"),
    "late start": ({"a": entry(shape=(1,), offsets=(4, 8))}, "starts at byte 4"),
    "too long": ({"a": A, "b": B}, "cut off: it has 8 bytes"),
    "too short": ({"a": entry(shape=(1,), offsets=(0, 4))}, "goes on"),
    "no arrays": ({}, "goes on"),
    "metadata a list": ({"__metadata__": [], "a": A}, "metadata"),
    "metadata a number": ({"__metadata__": {"k": 1}, "a": A}, "'k' is 1"),
    "metadata surrogate": (b'{"__metadata__": {"k": "\\udfff"}}', "UTF-8"),
    "bool of 2": ({"a": entry("BOOL", (8,))}, "0 or 1"),
    "wrong digest": ({"__metadata__": {"chainrule.sha256": "0"}, "a": A}, "digest"),
}


@pytest.mark.parametrize(("header", "word"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_header(path: Path, header: object, word: str) -> None:
    content = packed(header, b"\2" * 8)
    path.write_bytes(content)
    with allocating_at_most(1_000_000 + 30 * len(content)):
        message = refused(path)
    assert word in message
    assert len(message) < 1000


def test_the_control_of_the_hostile_headers(path: Path) -> None:
    path.write_bytes(packed({"a": A, "b": B}, bytes(range(16))))
    assert read_arrays(path)[0]["b"].tobytes() == bytes(range(8, 16))


@pytest.mark.parametrize("length", [modelfile.MAX_HEADER + 1, 2**40, 2**63, 2**64 - 1])
def test_header_length_is_bounded(path: Path, length: int) -> None:
    path.write_bytes(length.to_bytes(8, "little") + b"{")
    os.truncate(path, 2 * modelfile.MAX_HEADER)  # sparse
    with allocating_at_most(1_000_000):
        assert f"header of {length:,} bytes" in refused(path)


@pytest.mark.slow
@pytest.mark.parametrize("filler", [b"[],", b"0,", b'"",', b"1.5,", b"{},"])
def test_header_memory_is_bounded(path: Path, filler: bytes) -> None:
    header = b'{"a":[' + filler * (500_000 // len(filler)) + b"0]}"
    path.write_bytes(packed(header))
    with allocating_at_most(30 * len(header)):
        refused(path)


# Damaged files


def test_truncated_at_every_byte(sample: Path) -> None:
    content = sample.read_bytes()
    for end in range(len(content)):
        sample.write_bytes(content[:end])
        refused(sample)


def test_extended(sample: Path) -> None:
    sample.write_bytes(sample.read_bytes() + b"\0")
    assert "goes on" in refused(sample)


def test_truncated_while_it_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_arrays(path, {"w": np.ones(100_000)}, {})  # more than the reader has buffered by then
    checked = modelfile._slots

    def cut(*args: object) -> object:
        os.truncate(path, 400_000)
        return checked(*args)

    monkeypatch.setattr(modelfile, "_slots", cut)
    assert "cut off while 'w' was read" in refused(path)


@pytest.mark.slow
def test_a_flipped_bit_is_refused_or_harmless(sample: Path) -> None:
    content = sample.read_bytes()
    refusals = 0
    for place in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        sample.write_bytes(damaged)
        try:
            arrays, meta = read_arrays(sample)
        except ModelFileError:
            refusals += 1
        else:  # padding that became other white space, or the digest under another name
            assert all_same(arrays, SAMPLE)
            assert meta.items() >= META_SAMPLE.items()
    assert refusals > 7 * len(content)


@pytest.mark.slow
@given(seed=st.integers(0, 2**32), count=st.integers(1, 8), stop=st.sampled_from([8, 16, 300]))
@settings(max_examples=300)
def test_random_damage_neither_crashes_nor_allocates(scratch: Path, seed: int, count: int, stop: int) -> None:
    damaged, generator = bytearray(safetensors.numpy.save(SAMPLE, META_SAMPLE)), random.Random(seed)
    for _ in range(count):
        damaged[generator.randrange(min(stop, len(damaged)))] = generator.randrange(256)
    scratch.write_bytes(damaged)
    with allocating_at_most(300_000):
        try:
            arrays, _ = read_arrays(scratch)
        except ModelFileError:
            return
    assert sum(array.nbytes for array in arrays.values()) <= len(damaged)


SMALL = st.one_of(st.integers(-1, 9), st.sampled_from([2**31, 2**63, 2**64, True, 1.0, None, "4"]))
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "U8", "I16", "BOOL", "F99", 3]),
        "shape": st.lists(SMALL, max_size=3),
        "data_offsets": st.lists(SMALL, min_size=2, max_size=2),
    }
)


@pytest.mark.slow
@given(header=st.dictionaries(st.sampled_from("abc"), ENTRIES), size=st.integers(0, 12))
@settings(max_examples=300)
def test_what_is_accepted_the_safetensors_package_accepts(scratch: Path, header: dict[str, object], size: int) -> None:
    content = packed(header, b"\1" * size)
    scratch.write_bytes(content)
    try:
        arrays, _ = read_arrays(scratch)
    except ModelFileError:
        return
    assert all_same(arrays, safetensors.numpy.load(content))
