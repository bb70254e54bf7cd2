"""The arguments of a traced model: those of the trace, and how the arguments of a later call are matched to them."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor

from .call import cast


@dataclass(frozen=True)
class Input:
    """An array among the arguments: its dtype and its shape (a name is any length, the same wherever it occurs)."""

    dtype: Any
    shape: tuple[int | str, ...]


def signature_of(forward: Any) -> list[str]:
    """Return the names of the arguments that may be positional."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [name for name, one in inspect.signature(forward).parameters.items() if one.kind in kinds]


def by_name(names: Sequence[str], args: Sequence[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Merge positional and keyword arguments into one dict; raise a TypeError for duplicates."""
    given = {names[k] if k < len(names) else f"argument {k}": value for k, value in enumerate(args)}
    if twice := given.keys() & settings.keys():
        raise TypeError(f"TracedModule: got {min(twice)} twice, in order and by name")
    return {**given, **settings}


class Matching:
    """One call: the arrays in the arguments, in the order of the trace."""

    def __init__(self, now: Any) -> None:
        self.now, self.lengths = now, dict[str, int]()
        self.found: list[Any] = []

    def match(self, pattern: Any, given: Any, what: str) -> None:
        """Collect the arrays of `given` where `pattern` has an `Input`; raise an error if the structure differs."""
        if isinstance(pattern, Input):
            self.found.append(self._array(pattern, given, what))
        elif isinstance(pattern, Mapping):
            self._mapping(pattern, given, what)
        elif isinstance(pattern, list | tuple):
            if not isinstance(given, list | tuple) or len(given) != len(pattern):
                raise TypeError(f"TracedModule: {what}: expected {len(pattern)} items, got {_told(given)}")
            for k, (one, value) in enumerate(zip(pattern, given, strict=True)):
                self.match(one, value, f"{what}[{k}]")
        elif isinstance(given, Tensor | np.ndarray) or (given is not pattern and given != pattern):
            raise TypeError(
                f"TracedModule: {what}: expected {pattern!r}, with which the model was traced, got {_told(given)}; "
                "convert the module again with other inputs"
            )
        else:
            self.found.append(None)

    def _mapping(self, pattern: Mapping[str, Any], given: Any, what: str) -> None:
        if not isinstance(given, Mapping):
            raise TypeError(f"TracedModule: {what}: expected a dict, got {_told(given)}")
        missing = [name for name, one in pattern.items() if name not in given and one is not None]
        more = [name for name, value in given.items() if name not in pattern and value is not None]
        if missing or more:
            expected, got = ", ".join(pattern) or "nothing", ", ".join(given) or "nothing"
            raise TypeError(f"TracedModule: {what}: expected {expected}, as in the trace, got {got}")
        for name, one in pattern.items():
            self.match(one, given.get(name), name if what == "arguments" else f"{what}[{name!r}]")

    def _array(self, pattern: Input, given: Any, what: str) -> Any:
        x = given if isinstance(given, Tensor) else np.asarray(given)
        dtype = self.now(pattern.dtype)
        kinds = "fiubc" if dtype.kind == "c" else "fiub"
        if x.dtype.kind not in kinds or (dtype.kind in "iub" and x.dtype.kind == "f"):
            raise TypeError(f"TracedModule: {what}: expected {dtype}, got {x.dtype}; convert it with .astype")
        wanted = [self.lengths.setdefault(n, m) if isinstance(n, str) else n
                  for n, m in zip(pattern.shape, x.shape, strict=False)]  # fmt: skip
        if len(pattern.shape) != x.ndim or wanted != list(x.shape):
            told = ", ".join(map(str, pattern.shape))
            raise ValueError(
                f"TracedModule: {what}: expected shape [{told}], with which the model was traced, got "
                f"{list(x.shape)}; convert the module again with an input of this shape"
            )
        return cast(x, dtype)


def _told(given: Any) -> str:
    shape = getattr(given, "shape", None)
    return f"{type(given).__name__} {list(shape)}" if shape is not None else repr(given)
