"""State as JSON text with the arrays next to it, and back.

The JSON stands for dicts with string keys, lists, strings, booleans, None and numbers as they are. What JSON has not
is a dict of one key that begins with "$": `{"$array": name}` and `{"$scalar": name}` for a NumPy array and scalar,
`{"$tuple": [...]}` for a tuple, and `{"$dict": [[key, value], ...]}` for a dict with other keys.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor, value_of

Arrays = dict[str, Any]


def pack(state: Any, name: str) -> tuple[str, Arrays]:
    """Return a state as JSON text, and the arrays it refers to, whose names begin with `name`.

    Every value comes back from `unpack` with its type and bits. Raises TypeError, with the place, for a value that is
    no dict, list, tuple, number, text, array or None.

    >>> text, arrays = pack({"lr": 0.1, "state": {0: {"m": np.zeros(2)}}}, "optimizer")
    >>> text
    '{"lr": 0.1, "state": {"$dict": [[0, {"m": {"$array": "optimizer.state.0.m"}}]]}}'
    >>> arrays
    {'optimizer.state.0.m': array([0., 0.])}
    >>> unpack(text, arrays)
    {'lr': 0.1, 'state': {0: {'m': array([0., 0.])}}}
    """
    arrays: Arrays = {}
    return json.dumps(_packed(state, name, arrays)), arrays


def unpack(text: str, arrays: Mapping[str, Any]) -> Any:
    """Return the state that `pack` took apart. Raises ValueError for text that it did not make."""
    return _unpacked(json.loads(text), arrays)


def _packed(value: Any, where: str, arrays: Arrays) -> Any:
    if isinstance(value, Tensor | np.ndarray | np.generic):
        kind = "$scalar" if isinstance(value, np.generic) else "$array"
        name = _unused(where, arrays)
        arrays[name] = np.array(value_of(value))
        return {kind: name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        items = [_packed(item, f"{where}.{i}", arrays) for i, item in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, Mapping):
        pairs = [(key, _packed(item, f"{where}.{key}", arrays)) for key, item in value.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return dict(pairs)
        return {"$dict": [[_packed(key, where, arrays), item] for key, item in pairs]}
    raise TypeError(
        f"{where}: a file cannot hold a {type(value).__name__}; expected dicts, lists, tuples, numbers, text or arrays"
    )


def _unused(name: str, arrays: Arrays) -> str:
    """Return the name, lengthened where another array has it: `{"a.b": …}` and `{"a": {"b": …}}` would collide."""
    while name in arrays:
        name += "_"
    return name


def _unpacked(value: Any, arrays: Mapping[str, Any]) -> Any:
    match value:
        case {"$array": name}:
            return _array(name, arrays)
        case {"$scalar": name}:
            return _array(name, arrays)[()]
        case {"$tuple": items}:
            return tuple(_unpacked(item, arrays) for item in items)
        case {"$dict": pairs}:
            return {_unpacked(key, arrays): _unpacked(item, arrays) for key, item in pairs}
        case dict():
            return {key: _unpacked(item, arrays) for key, item in value.items()}
        case list():
            return [_unpacked(item, arrays) for item in value]
    return value


def _array(name: Any, arrays: Mapping[str, Any]) -> Any:
    if name not in arrays:
        raise ValueError(f"refers to an array {name!r}, which is not there")
    return arrays[name]


def plain(value: Any, where: str) -> Any:
    """Return a value as JSON has it: tuples become lists, NumPy's scalars Python's.

    Raises TypeError, with the place, for what JSON cannot hold.

    >>> plain({"epoch": np.int64(3), "shape": (2, 3)}, "meta")
    {'epoch': 3, 'shape': [2, 3]}
    >>> plain({"w": np.zeros(3)}, "meta")
    Traceback (most recent call last):
    TypeError: meta.w: of type ndarray, which JSON cannot hold; expected text, numbers, booleans, None, lists, or dicts
    with text as keys. Convert it first, for example with .tolist()
    """
    if isinstance(value, np.bool_ | np.integer | np.floating):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    got = "a dict with other keys than text" if isinstance(value, Mapping) else f"of type {type(value).__name__}"
    raise TypeError(
        f"{where}: {got}, which JSON cannot hold; expected text, numbers, booleans, None, lists, or dicts with text as "
        f"keys. Convert it first, for example with .tolist()"
    )
