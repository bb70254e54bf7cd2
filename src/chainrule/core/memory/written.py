"""A view of a tensor's values that reports writes to it.

A tape keeps references to the values its rules need, not copies. If a tensor's array were handed out bare, `x.data[0] =
5` between a forward and a backward pass would silently give a wrong gradient.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

_WRITERS = (np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis)
_TARGETS = ("out", "dst", "a", "arr")
"""The parameter names under which those functions, and `out=` of all others, take the array they write to."""


class Written(np.ndarray[Any, Any]):
    """An array like any other, except that every write through it, or through a view of it, calls `on_write`.

    Copies of it are unrestricted: what counts is whether the memory is still that of `watched`.
    """

    on_write: Callable[[], None] | None
    watched: Any

    @classmethod
    def over(cls, array: Any, on_write: Callable[[], None]) -> "Written":
        """Return a view of `array`."""
        view = np.asarray(array).view(cls)
        view.on_write = on_write
        view.watched = array
        return view

    def __array_finalize__(self, source: Any) -> None:
        self.on_write = getattr(source, "on_write", None)
        self.watched = getattr(source, "watched", None)

    def _wrote(self) -> None:
        if self.on_write is not None and np.may_share_memory(_plain(self), self.watched):
            self.on_write()

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        self._wrote()

    @property
    def flat(self) -> Any:
        """An iterator over the elements; writes through it cannot be seen, so asking for it counts as a write."""
        self._wrote()
        return super().flat

    @flat.setter
    def flat(self, value: Any) -> None:
        self[...] = np.reshape(np.resize(value, self.size), self.shape)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        outputs: tuple[Any, ...] = () if out is None else out
        if outputs:
            kwargs["out"] = tuple(map(_plain, outputs))
        written = [*outputs, *(inputs[:1] if method == "at" else ())]
        call = getattr(ufunc, method)
        result = call(*map(_plain, inputs), **{key: _plain(value) for key, value in kwargs.items()})
        for array in written:
            if isinstance(array, Written):
                array._wrote()
        return outputs[0] if len(outputs) == 1 else result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        result = super().__array_function__(function, types, args, kwargs)
        targets = [kwargs.get(name) for name in (_TARGETS if function in _WRITERS else _TARGETS[:1])]
        for array in (*targets, *(args[:1] if function in _WRITERS else ())):
            if isinstance(array, Written):
                array._wrote()
        return _plain(result) if getattr(result, "base", None) is None else result


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Written) else value


def _writing(name: str) -> Any:
    method = getattr(np.ndarray, name)

    def write(self: Written, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        self._wrote()
        return result

    write.__name__, write.__doc__ = name, f"Do what `np.ndarray.{name}` does, and report it to the tensor."
    return write


for _name in ("fill", "partition", "put", "setfield", "sort"):
    setattr(Written, _name, _writing(_name))
