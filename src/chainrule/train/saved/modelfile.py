"""Named arrays and text metadata in one file that is either complete or rejected.

A model file is a plain safetensors file (https://huggingface.co/docs/safetensors/index#format), which any
safetensors reader opens: eight bytes with the header's length N, N bytes of JSON that give each array's
dtype, shape and place, then the arrays, little-endian, in C order, without gaps. The metadata are text under
`__metadata__`; we add one entry, `chainrule.sha256`, a digest of everything else. A file without it, from
another program, is read unverified.

What is promised:
- Writing is atomic: after an error, a kill or a power cut, the path holds the old file or the new one, whole.
  Only a killed process can leave a `.chainrule-*.tmp` file behind, one for each path; the next save or load of that
  path removes it.
- Reading is all or nothing: no code in the file is ever run, and every number of the header is checked before
  memory is allocated for it. The data cost their own size; the header, at most `MAX_HEADER` bytes, up to 30
  times its length.
- Every failure is a `ModelFileError` that names the path, what came, what was expected, and the next step.
"""

import hashlib
import json
import math
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from reprlib import repr as short
from typing import Any, NamedTuple

import numpy as np

from chainrule.base.files import drop_stale, replace_file

__all__ = ["MAX_HEADER", "ModelFileError", "ModelFileMissing", "read_arrays", "write_arrays"]

Array = np.ndarray[Any, Any]
StrPath = str | os.PathLike[str]

MAX_HEADER = 10_000_000  # bytes: room for 100,000 arrays
MAX_RANK = 64  # NumPy's own limit since 2.0
_METADATA, _DIGEST = "__metadata__", "chainrule.sha256"
_ENTRY = {"dtype", "shape", "data_offsets"}

_DTYPES = {
    "BOOL": "|b1", "I8": "|i1", "U8": "|u1", "I16": "<i2", "U16": "<u2", "I32": "<i4", "U32": "<u4",
    "I64": "<i8", "U64": "<u8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
_CODES = {spec: code for code, spec in _DTYPES.items()}

# Signatures of files often mistaken for a model, and what to do with them.
_FOREIGN = {
    b"PK\x03\x04": "a zip archive, such as .npz or PyTorch's .pt",
    b"PK\x05\x06": "an empty zip archive",
    b"\x93NUMPY": "a NumPy .npy file",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip archive",
    b"version ": "a Git LFS pointer, not the file that `git lfs pull` fetches",
} | {bytes([0x80, protocol]): "a pickle, which can run code when loaded" for protocol in range(2, 6)}

_RESTORE = "Restore the file from a copy, or save the model again."
_NO_FILE = "there is no such file; expected a model file. Check the path, or save a model there first."
_NO_FOLDER = "its folder does not exist; expected an existing one. Create the folder first."
_CONVERT = "Open it with the program that wrote it, and save its arrays as safetensors."
_RESHAPE = "Save it under a dtype and shape that NumPy can hold."

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_INNERMOST = re.compile(r"[\[{][^\[\]{}]*+[\]}]")
_BRACKET = re.compile(r"[\[\]{}]")
_DEPTH = 3  # {name: {"shape": [...]}}


class ModelFileError(ValueError):
    """The file is not a complete model file, or could not be read or written."""


class ModelFileMissing(ModelFileError, FileNotFoundError):
    """There is no file at this path, or no folder to write it to."""


class _Fault(Exception):
    """A failure, before its path is known."""

    def __init__(self, came: str, expected: str, step: str = _RESTORE) -> None:
        super().__init__(f"{came}; expected {expected}. {step}")


class _Slot(NamedTuple):
    """One array's place: the bytes [start, stop) of the data."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


def write_arrays(path: StrPath, arrays: Mapping[str, Array], meta: Mapping[str, str]) -> None:
    """Write named arrays and text metadata to `path`, atomically, replacing what was there.

    Arrays of any shape and memory layout, of bool, int8 to int64, uint8 to uint64 and float16 to float64, are
    stored bit for bit, copied only if they are not contiguous and little-endian. A symbolic link stays and
    the file it points to is replaced; an existing file's mode is kept.

    Raises ModelFileError for a name, dtype or metadata entry that the file cannot hold, before anything is
    touched, and for a disk or folder that cannot be written; ModelFileMissing if there is no such folder.

    >>> import numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_arrays(f"{folder}/m.safetensors", {"w": np.ones((2, 3))}, {"epoch": "7"})
    ...     arrays, meta = read_arrays(f"{folder}/m.safetensors")
    >>> arrays["w"].shape, meta
    ((2, 3), {'epoch': '7'})
    """
    with _named(path, "written", _NO_FOLDER):
        target = Path(os.path.realpath(path))
        stored = {_array_name(name): _stored(name, array) for name, array in arrays.items()}
        # The widest first, as every array is then aligned to its own items.
        stored = dict(sorted(stored.items(), key=lambda item: (-item[1].itemsize, item[0])))
        _replace(target, [_header(stored, _own_metadata(meta)), *map(_raw, stored.values())])


def read_arrays(path: StrPath) -> tuple[dict[str, Array], dict[str, str]]:
    """Read a safetensors file: its arrays, writable copies in native byte order, and its metadata.

    Raises ModelFileError for every file that is not complete and sound, and its subclass ModelFileMissing
    (also a FileNotFoundError) if there is none.

    >>> read_arrays("nowhere.safetensors")
    Traceback (most recent call last):
    chainrule.train.saved.modelfile.ModelFileMissing: nowhere.safetensors: there is no such file...
    """
    with _named(path, "read", _NO_FILE):
        _mode(Path(path))
        with Path(path).open("rb") as file:
            found = _read(file, os.fstat(file.fileno()).st_size)
        drop_stale(path)
        return found


@contextmanager
def _named(path: StrPath, done: str, missing: str) -> Iterator[None]:
    """Turn every failure inside into a ModelFileError that names the path."""
    try:
        yield
    except _Fault as fault:
        raise ModelFileError(f"{path}: {fault}") from fault.__cause__
    except (FileNotFoundError, NotADirectoryError) as err:
        raise ModelFileMissing(f"{path}: {missing}") from err
    except (OSError, ValueError, MemoryError) as err:
        reason = getattr(err, "strerror", None) or str(err) or "not enough memory"
        step = "Check the path, its permissions, and the free space on disk and in memory."
        raise ModelFileError(f"{path}: cannot be {done}: {reason}; expected a usable file. {step}") from err


def _mode(path: Path) -> int:
    """The mode of a regular file. Anything else must not be opened, as a pipe would block, nor replaced."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
        raise _Fault(f"this is {kind}", "a file", "Give the path of a file.")
    return stat.S_IMODE(mode)


# Writing


def _text(text: object, what: str) -> str:
    """The text, if it is text and UTF-8 can hold it, which a lone surrogate prevents."""
    if isinstance(text, str):
        with suppress(UnicodeEncodeError):
            text.encode()
            return text
    raise _Fault(f"{what} is {short(text)}", "a str that UTF-8 can hold", "Use one, or restore the file.")


def _array_name(name: object) -> str:
    if name == _METADATA:
        raise _Fault(f"an array has the reserved name {_METADATA!r}", "another name", "Rename it.")
    return _text(name, "an array's name")


def _own_metadata(meta: Mapping[str, str]) -> dict[str, str]:
    if _DIGEST in (own := _metadata(meta)):
        raise _Fault(f"the metadata have the reserved key {_DIGEST!r}", "another key", "Rename it.")
    return own


def _metadata(meta: object) -> dict[str, str]:
    if not isinstance(meta, Mapping):
        raise _Fault(f"the metadata are {short(meta)}", "a mapping of str to str")
    return {_text(k, "a metadata key"): _text(v, f"the metadata entry {short(k)}") for k, v in meta.items()}


def _stored(name: str, array: object) -> Array:
    """The array as the file holds it: contiguous and little-endian, copied only if need be."""
    if not isinstance(array, np.ndarray):
        came = f"array {short(name)} is of type {type(array).__name__}"
        raise _Fault(came, "a NumPy array", "Convert it with np.asarray.")
    spec = array.dtype.newbyteorder("<").str
    if spec not in _CODES:
        came = f"array {short(name)} has dtype {array.dtype}"
        raise _Fault(came, "bool, an integer or float16 to float64", "Convert it with .astype.")
    return _sound(name, np.asarray(array, dtype=spec, order="C"))


def _sound(name: str, array: Array) -> Array:
    """The array, if its booleans are 0 or 1: NumPy's results are undefined for any other byte."""
    if array.dtype.kind == "b" and array.size and array.view(np.uint8).max() > 1:
        raise _Fault(f"the boolean array {short(name)} has a byte above 1", "0 or 1")
    return array


def _raw(array: Array) -> memoryview:
    """The bytes of a contiguous array, as a view."""
    return array.reshape(-1).view(np.uint8).data


def _digest(arrays: Mapping[str, Array], meta: Mapping[str, str]) -> str:
    """SHA-256 of everything the file says, whatever the order: metadata, names, dtypes, shapes, and bytes."""
    digest = hashlib.sha256(json.dumps(sorted(meta.items())).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(_raw(array))
    return digest.hexdigest()


def _header(stored: Mapping[str, Array], meta: dict[str, str]) -> bytes:
    entries: dict[str, Any] = {_METADATA: meta | {_DIGEST: _digest(stored, meta)}}
    stop = 0
    for name, array in stored.items():
        start, stop = stop, stop + array.nbytes
        entries[name] = {
            "dtype": _CODES[array.dtype.str],
            "shape": array.shape,
            "data_offsets": (start, stop),
        }
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        came = f"names and metadata need a header of {len(text):,} bytes"
        raise _Fault(came, f"at most {MAX_HEADER:,}", "Store long metadata as an array of uint8.")
    return len(text).to_bytes(8, "little") + text


def _replace(target: Path, parts: Iterable[bytes | memoryview]) -> None:
    with suppress(FileNotFoundError):
        _mode(target)  # neither a folder nor a device
    replace_file(target, parts)


# Reading


def _read(file: BufferedReader, size: int) -> tuple[dict[str, Array], dict[str, str]]:
    entries = _parsed(_header_text(file, size))
    meta = _metadata(entries.pop(_METADATA, {}))
    digest = meta.pop(_DIGEST, None)
    slots = _slots(entries, size - file.tell())
    arrays = {slot.name: _loaded(file, slot) for slot in slots}
    if digest is not None and digest != _digest(arrays, meta):
        raise _Fault("the content does not match its own SHA-256 digest", "an unchanged file")
    native = {name: a.astype(a.dtype.newbyteorder("="), copy=False) for name, a in arrays.items()}
    return native, meta


def _header_text(file: BufferedReader, size: int) -> bytes:
    head = file.read(8)
    length = int.from_bytes(head, "little")
    if len(head) == 8 and length <= min(MAX_HEADER, size - 8):
        text = file.read(length)
        if len(text) == length and text.startswith(b"{"):
            return text
    for magic, kind in _FOREIGN.items():
        if head.startswith(magic):
            raise _Fault(f"this is {kind}", "a safetensors file", _CONVERT)
    if not head:
        raise _Fault("the file is empty", "a model file")
    if len(head) < 8:
        raise _Fault(f"the file ends after {len(head)} bytes", "at least the 8 of the header's length")
    if length > MAX_HEADER:
        came = f"this is not a model file (its first 8 bytes, {head!r}, would mean a header of {length:,} bytes)"
        raise _Fault(came, "a safetensors file", _CONVERT)
    if length > size - 8:
        raise _Fault(f"the file is cut off in its header, at {size:,} bytes", f"{8 + length:,} or more")
    raise _Fault("this is not a model file (its header is not a JSON object)", "a safetensors file", _CONVERT)


def _parsed(header: bytes) -> dict[str, Any]:
    try:
        text = header.decode()
        _check_depth(text)
        entries: dict[str, Any] = json.loads(text, object_pairs_hook=_unique)
    except ValueError as err:  # of decoding, of JSON, or an integer of more digits than Python converts
        raise _Fault(f"the header does not parse ({err})", "JSON in UTF-8") from None
    return entries


def _check_depth(text: str) -> None:
    """Refuse deep JSON before the recursive parser sees it, by peeling off the innermost brackets."""
    skeleton = _STRING.sub("", text)
    for _ in range(_DEPTH):
        skeleton = _INNERMOST.sub("", skeleton)
    if _BRACKET.search(skeleton):
        raise _Fault("the header's brackets nest too deep or do not match", f"at most {_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise _Fault(f"the header has the key {short(twice)} more than once", "each key once")
    return unique


def _slots(entries: Mapping[str, Any], room: int) -> list[_Slot]:
    """The arrays' places in the order of the data, which they cover exactly: no hole, no overlap, no rest."""
    slots = sorted((_slot(name, entry) for name, entry in entries.items()), key=lambda slot: slot[3:])
    end = 0
    for slot in slots:
        if slot.start != end:
            came = f"array {short(slot.name)} starts at byte {short(slot.start)} of the data"
            raise _Fault(came, f"byte {end:,}, where the one before it ends")
        end = slot.stop
    if end != room:
        fate = "is cut off" if end > room else "goes on after its last array"
        raise _Fault(f"the file {fate}: it has {room:,} bytes of data", f"{end:,}, as its header says")
    return slots


def _slot(name: str, entry: object) -> _Slot:
    _text(name, "an array's name")
    who = f"array {short(name)}"
    if not isinstance(entry, dict) or entry.keys() != _ENTRY:
        raise _Fault(f"{who} has the header entry {short(entry)}", f"an object with exactly {sorted(_ENTRY)}")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in _DTYPES:
        raise _Fault(f"{who} has dtype {short(code)}", f"one of {', '.join(_DTYPES)}", _RESHAPE)
    if not _naturals(shape) or len(shape) > MAX_RANK:
        raise _Fault(f"{who} has shape {short(shape)}", f"a list of at most {MAX_RANK} naturals", _RESHAPE)
    if not _naturals(offsets) or len(offsets) != 2:
        raise _Fault(f"{who} has data_offsets {short(offsets)}", "a list of two naturals")
    dtype, (start, stop) = np.dtype(_DTYPES[code]), offsets
    # NumPy bounds the product of all axes that are not empty, even when another one is.
    if math.prod(axis or 1 for axis in shape) * dtype.itemsize > sys.maxsize:
        raise _Fault(f"{who} has shape {short(shape)}", "one that this machine can address", _RESHAPE)
    size = math.prod(shape) * dtype.itemsize
    if stop - start != size:
        raise _Fault(f"{who} takes {short(stop - start)} bytes", f"{size:,} for {code}, {short(shape)}")
    return _Slot(name, dtype, tuple(shape), start, stop)


def _naturals(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _loaded(file: BufferedReader, slot: _Slot) -> Array:
    array = np.empty(slot.shape, slot.dtype)
    got = file.readinto(_raw(array))
    if got != array.nbytes:
        raise _Fault(f"the file was cut off while {short(slot.name)} was read", f"{array.nbytes:,} bytes")
    return _sound(slot.name, array)
