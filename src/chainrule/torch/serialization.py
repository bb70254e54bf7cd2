"""`torch.save` and `torch.load` of state dicts: a safetensors file, no pickle.

A file holds tensors under paths, and the rest (numbers, strings, lists, dicts) as JSON in its header, so nested
checkpoints such as `{"model": model.state_dict(), "epoch": 3}` come back as they were. PyTorch reads the tensors with
`safetensors.torch.load_file`, and `load` reads what `safetensors.torch.save_file` writes.
"""

import json
import struct
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .dtypes import dtype, of_name
from .face import Tensor, values_of, wrapped

NAMES = {
    **{"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1", "U8": "u1"},
    "BOOL": "?",
}
_OF_NUMPY = {np.dtype(kind): name for name, kind in NAMES.items()}
_STRUCTURE = "chainrule"


def _packed(x: Any, path: str, tensors: dict[str, Any]) -> Any:
    """Return the JSON of a tree; its tensors are put into `tensors`."""
    if isinstance(x, Tensor | np.ndarray):
        tensors[path] = values_of(x)
        return {"array" if isinstance(x, np.ndarray) else "tensor": path}
    if isinstance(x, Mapping):
        return {"dict": [[_key(k), _packed(v, f"{path}.{k}" if path else str(k), tensors)] for k, v in x.items()]}
    if isinstance(x, list | tuple):
        items = [_packed(v, f"{path}.{k}" if path else str(k), tensors) for k, v in enumerate(x)]
        return {"tuple" if isinstance(x, tuple) else "list": items}
    if isinstance(x, dtype):
        return {"dtype": x.name}
    if isinstance(x, np.generic):
        x = x.item()
    if x is None or isinstance(x, bool | int | float | str):
        return {"value": x}
    raise TypeError(
        f"save: {path or 'the object'} is a {type(x).__name__}, expected tensors, numbers, strings, lists and dicts of "
        f"them; of a module save model.state_dict()"
    )


def _key(k: Any) -> Any:
    if not isinstance(k, str | int):
        raise TypeError(f"save: expected keys that are strings or integers, got {type(k).__name__}")
    return k


def _unpacked(x: Any, tensors: dict[str, Any]) -> Any:
    ((kind, value),) = x.items()
    if kind in ("tensor", "array"):
        return tensors[value] if kind == "array" else wrapped(tensors[value])
    if kind == "dict":
        return {k: _unpacked(v, tensors) for k, v in value}
    if kind in ("list", "tuple"):
        items = [_unpacked(v, tensors) for v in value]
        return items if kind == "list" else tuple(items)
    return of_name(value) if kind == "dtype" else value


def _bytes(obj: Any) -> bytes:
    tensors: dict[str, Any] = {}
    structure = _packed(obj, "", tensors)
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
    """Write a state dict, or nested dicts and lists of tensors, numbers and strings, to a file.

    Raises TypeError for other objects, such as a module: nothing is pickled.

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
    return _unpacked(json.loads(structure), tensors)


def _array(data: bytes, entry: dict[str, Any], name: str) -> Any:
    if entry["dtype"] not in NAMES:
        raise ValueError(f"load: {name} is {entry['dtype']}, which NumPy does not have; save it as float32")
    first, last = entry["data_offsets"]
    return np.frombuffer(data[first:last], NAMES[entry["dtype"]]).reshape(entry["shape"]).copy()
