"""Numbers as text, between the grader and a submission's process: nothing that is read here is ever executed.

A submission may write anything to its end of the pipe. Pickle would run it; JSON with the bytes of arrays of numbers
does not.
"""

import base64
import json
from typing import Any

import numpy as np

MOST_BYTES = 64 * 2**20
"""The longest message that is read."""
DEEPEST = 6


def encode(value: Any) -> str:
    """Return numbers, arrays, and tuples, lists and dicts of them, as one line. Raises TypeError for anything else."""
    return json.dumps(_plain(value, 0))


def decode(line: str) -> Any:
    """Return what a line holds. Raises ValueError for a line that `encode` did not make."""
    if len(line) > MOST_BYTES:
        raise ValueError(f"a message of {len(line)} bytes; at most {MOST_BYTES} are read")
    return _made(json.loads(line), 0)


def _plain(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise TypeError("the result is nested too deeply")
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, dict):
        return {"d": {str(key): _plain(x, depth + 1) for key, x in value.items()}}
    if isinstance(value, tuple | list):
        return {"t": [_plain(x, depth + 1) for x in value]}
    try:
        array = np.asarray(value)
    except Exception as error:
        raise TypeError(f"{type(value).__name__} is no array: {error}") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"expected numbers, got a {type(value).__name__}")
    return {"a": base64.b64encode(array.tobytes()).decode(), "s": list(array.shape), "t": array.dtype.str}


def _made(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ValueError("a message is nested too deeply")
    if value is None or isinstance(value, str | bool):
        return value
    match value:
        case {"d": dict() as items}:
            return {str(key): _made(x, depth + 1) for key, x in items.items()}
        case {"t": list() as items}:
            return tuple(_made(x, depth + 1) for x in items)
        case {"a": str() as text, "s": list() as shape, "t": str() as name}:
            dtype = np.dtype(name) if name[1:2] in "fiub" else None
            array = np.frombuffer(base64.b64decode(text, validate=True), dtype or np.uint8)
            if dtype is not None:
                return array.reshape([int(n) for n in shape]).copy()
    raise ValueError(f"a message that is none: {str(value)[:60]}")
