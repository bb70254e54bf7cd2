"""`torch.save` and `torch.load`: a safetensors file, no pickle.

A file holds tensors under paths, and the rest (numbers, strings, lists, dicts, modules) as JSON in its header, so
nested checkpoints such as `{"model": model.state_dict(), "epoch": 3}` come back as they were. PyTorch reads the tensors
with `safetensors.torch.load_file`, and `load` reads what `safetensors.torch.save_file` writes.
"""

import contextlib
import json
import struct
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .face import wrapped
from .packing import Packer, Unpacker, import_path, imported

NAMES = {
    **{"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1", "U8": "u1"},
    "BOOL": "?",
}
_OF_NUMPY = {np.dtype(kind): name for name, kind in NAMES.items()}
_STRUCTURE = "chainrule"


_SAFE: list[str] = []


def add_safe_globals(safe_globals: Iterable[Any]) -> None:
    """Allow classes and functions in files that are loaded with `weights_only=True`."""
    _SAFE.extend(import_path(one) for one in safe_globals)


def get_safe_globals() -> list[Any]:
    """Return the classes and functions that are allowed."""
    return [imported(where) for where in _SAFE]


def clear_safe_globals() -> None:
    """Allow none any more."""
    _SAFE.clear()


@contextlib.contextmanager
def safe_globals(safe_globals: Iterable[Any]) -> Iterator[None]:
    """Allow classes and functions within a `with` block."""
    before = list(_SAFE)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _SAFE[:] = before


def _is_safe(where: str) -> bool:
    return where in _SAFE


def _any(_: str) -> bool:
    return True


def _bytes(obj: Any) -> bytes:
    pack = Packer()
    structure, tensors = pack(obj), pack.arrays
    header: dict[str, Any] = {"__metadata__": {"format": "pt", _STRUCTURE: json.dumps(structure)}}
    parts, at = [], 0
    for name, array in tensors.items():
        data = np.ascontiguousarray(array).tobytes()
        header[name] = {
            "dtype": _OF_NUMPY[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + len(data)],
        }
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def save(obj: Any, f: Any, **_: Any) -> None:
    """Write a state dict, a module, or nested dicts and lists of tensors, numbers and strings, to a file.

    A module is its tensors, its other attributes, and the names under which its class and functions are imported.
    Raises TypeError for what cannot be written like that: nothing is pickled.

    >>> import chainrule.torch as torch
    >>> import io
    >>> file = io.BytesIO()
    >>> torch.save({"w": torch.ones(2), "epoch": 3}, file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    {'w': tensor([1., 1.]), 'epoch': 3}
    """
    data = _bytes(obj)
    if hasattr(f, "write"):
        f.write(data)
    else:
        Path(f).write_bytes(data)


def load(f: Any, map_location: Any = None, *, weights_only: bool = True, **_: Any) -> Any:
    """Return what a file of `save`, or any safetensors file, holds.

    With `weights_only=False` the classes and functions that a saved module names are imported; by default only those of
    `add_safe_globals`. Nothing else is run, not even `__init__`; but a loaded module calls the functions it names.
    Raises ValueError for another file: one of PyTorch's own is a pickle, which may run code.
    """
    data = f.read() if hasattr(f, "read") else Path(f).read_bytes()
    if data[:2] == b"PK" or data[:1] == b"\x80":
        raise ValueError(
            "load: this is a file of PyTorch's, a pickle; convert it where PyTorch is installed: "
            "safetensors.torch.save_file(torch.load(path), new_path)"
        )
    if len(data) < 8 or (size := struct.unpack("<Q", data[:8])[0]) > len(data) - 8:
        raise ValueError("load: this is no safetensors file; expected one written by save, or by safetensors")
    try:
        header = json.loads(data[8 : 8 + size])
    except ValueError:
        raise ValueError("load: this is no safetensors file; its header is not JSON") from None
    structure = header.pop("__metadata__", {}).get(_STRUCTURE)
    tensors = {name: _array(data[8 + size :], entry, name) for name, entry in header.items()}
    if structure is None:
        return OrderedDict((name, wrapped(array)) for name, array in tensors.items())
    return Unpacker(tensors, _is_safe if weights_only else _any)(json.loads(structure))


def _array(data: bytes, entry: dict[str, Any], name: str) -> Any:
    if entry["dtype"] not in NAMES:
        raise ValueError(f"load: {name} is {entry['dtype']}, which NumPy does not have; save it as float32")
    first, last = entry["data_offsets"]
    return np.frombuffer(data[first:last], NAMES[entry["dtype"]]).reshape(entry["shape"]).copy()
