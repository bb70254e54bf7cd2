"""A view of a leaf's values that tells when it is written to.

A tape keeps references, not copies, of the values its rules need. Were a leaf's array handed out bare, `x.data[0] = 5`
between a forward and a backward pass would give a wrong gradient and no error.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

_WRITERS = (np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis)


class Written(np.ndarray[Any, Any]):
    """An array like any other, but every write through it, or through a slice of it, calls `on_write`."""

    on_write: Callable[[], None] | None

    @classmethod
    def over(cls, array: Any, on_write: Callable[[], None]) -> "Written":
        """Return a view of `array`."""
        view = np.asarray(array).view(cls)
        view.on_write = on_write
        return view

    def __array_finalize__(self, source: Any) -> None:
        self.on_write = getattr(source, "on_write", None)

    def _wrote(self) -> None:
        if self.on_write is not None:
            self.on_write()

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        self._wrote()

    def fill(self, value: Any) -> None:
        """Write `value` everywhere."""
        super().fill(value)
        self._wrote()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        outputs: tuple[Any, ...] = () if out is None else out
        if outputs:
            kwargs["out"] = tuple(map(_plain, outputs))
        written = [*outputs, *(inputs[:1] if method == "at" else ())]
        call = getattr(ufunc, method)
        result = call(*[_plain(x) for x in inputs], **kwargs)
        for array in written:
            if isinstance(array, Written):
                array._wrote()
        return outputs[0] if len(outputs) == 1 else result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        result = super().__array_function__(function, types, args, kwargs)
        if function in _WRITERS and args and isinstance(args[0], Written):
            args[0]._wrote()
        return _plain(result)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, Written) else value
