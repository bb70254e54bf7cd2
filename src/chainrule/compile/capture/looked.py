"""Views of the user's arrays that report when code reads their elements.

A program rereads a user's array at each replay. What Python computed from it during the capture (`float(a)`, `if a[0] >
0`, `a.max()`, `a + b` of two plain arrays) is fixed, so the plan holds only as long as those elements stay the same.
During a capture each array that the function can reach is therefore replaced by a view that tells the two apart.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.core.operands.foreign import PLAIN
from chainrule.core.operands.subclasses import as_plain
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import is_captured

from .reach import Read, found_at, put

Notice = Callable[[Any], None]

VIEWS = frozenset(
    [
        *("reshape", "transpose", "swapaxes", "squeeze", "view", "diagonal"),
        *("setflags", "__len__", "__array_finalize__", "__array_ufunc__", "__array_function__", "__class__"),
        *("__getattribute__", "__setattr__", "__new__", "__init__", "__dir__", "__init_subclass__", "__subclasshook__"),
        *("__delattr__", "__sizeof__", "__class_getitem__", "__array_wrap__", "__array_namespace__", "__getitem__"),
        *("__iter__", "__hash__", "__getstate__", "__reduce_ex__"),
    ]
)
"""Methods that do not read elements, or are handled separately below."""
WRITERS = frozenset(
    [
        *(
            "__setitem__",
            "__delitem__",
            "fill",
            "itemset",
            "partition",
            "put",
            "resize",
            "setfield",
            "sort",
            "byteswap",
        ),
        *("__iadd__", "__isub__", "__imul__", "__itruediv__", "__ifloordiv__", "__imod__", "__ipow__", "__imatmul__"),
        *("__iand__", "__ior__", "__ixor__", "__ilshift__", "__irshift__"),
    ]
)
OPERATORS = frozenset(f"__{r}{name}__" for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul",
    "and", "or", "xor", "lshift", "rshift", "divmod") for r in ("", "r")) | {
    *("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__", "__neg__", "__pos__", "__abs__", "__invert__"),
}  # fmt: skip
"""Universal functions: `__array_ufunc__` receives them, and knows whether a tensor is among the operands."""


class Looked(np.ndarray[Any, Any]):
    """A view of an array that reports reads of its elements to `notice`, and writes to `refuse`."""

    notice: Notice | None
    refuse: Callable[[], None] | None

    @classmethod
    def over(cls, array: Any, notice: Notice, refuse: Callable[[], None]) -> "Looked":
        """Return a view that reports its reads and writes."""
        view = array.view(cls)
        view.notice, view.refuse = notice, refuse
        return view  # type: ignore[no-any-return]

    def __array_finalize__(self, source: Any) -> None:
        self.notice = getattr(source, "notice", None)
        self.refuse = getattr(source, "refuse", None)

    def looked_at(self) -> Any:
        """Report that all elements are read; return them as a plain array."""
        array = plain(self)
        if self.notice is not None:
            self.notice(array)
        return array

    def written(self) -> Any:
        """Refuse a write while the capture runs; return the plain array."""
        if self.refuse is not None:
            self.refuse()
        return plain(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **settings: Any) -> Any:
        if any(isinstance(x, Tensor) for x in (*inputs, *(out or ()))):
            return NotImplemented
        if method == "at":
            inputs = (_written(inputs[0]), *inputs[1:])
        if out is not None:
            settings["out"] = tuple(map(_written, out))
        return getattr(ufunc, method)(*map(_opened, inputs), **{key: _opened(x) for key, x in settings.items()})

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(issubclass(kind, Tensor) for kind in types):
            return NotImplemented
        name = function.__name__
        if name in ("copyto", "put", "place", "putmask", "fill_diagonal", "put_along_axis") or "out" in kwargs:
            targets = [kwargs.get("out"), *(args[:1] if name != "copyto" or args else (kwargs.get("dst"),))]
            for target in targets if "out" not in kwargs else targets[:1]:
                _written(target)
        return _watched_too(function(*_opened(args), **_opened(kwargs)), (args, kwargs))

    def __getitem__(self, index: Any) -> Any:
        if any(map(is_captured, index if isinstance(index, tuple) else (index,))):
            return Tensor.__getitem__(plain(self), index)
        found = super().__getitem__(_opened(index))
        if isinstance(found, Looked) and np.may_share_memory(plain(found), plain(self)):
            return found
        if self.notice is not None:
            basic = index if isinstance(index, tuple) else (index,)
            is_basic = all(isinstance(part, int | np.integer) for part in basic)
            self.notice(plain(self)[(*basic, ...)] if is_basic else plain(self))
        return plain(found)

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    @property
    def flat(self) -> Any:
        """The elements, all of them reported as read."""
        return self.looked_at().flat

    @flat.setter
    def flat(self, value: Any) -> None:
        self.written().flat = value

    @property
    def data(self) -> Any:
        """The memory, all of it reported as read."""
        return self.looked_at().data

    @property
    def ctypes(self) -> Any:
        """The address, through which everything may be read."""
        return self.looked_at().ctypes


def plain(x: Any) -> Any:
    """Return the array under such a view, anything else unchanged."""
    return x.view(np.ndarray) if type(x) is Looked else x


def _opened(x: Any) -> Any:
    if type(x) is Looked:
        return x.looked_at()
    if isinstance(x, tuple | list) and type(x) in (tuple, list):
        return type(x)(map(_opened, x))
    if type(x) is dict:
        return {key: _opened(value) for key, value in x.items()}
    return x


def _watched_too(found: Any, given: Any) -> Any:
    """Return a result with what is a view of an array that was given as such a view: it may be written into."""
    if type(found) is np.ndarray and (source := next(_sharing(found, given), None)) is not None:
        assert source.notice is not None
        assert source.refuse is not None
        return Looked.over(found, source.notice, source.refuse)
    if type(found) in (tuple, list):
        return type(found)(_watched_too(x, given) for x in found)
    return found


def _sharing(found: Any, given: Any) -> Iterator[Looked]:
    """Yield those of the arrays in nested containers whose memory a result shares."""
    if type(given) is Looked:
        if given.notice is not None and np.may_share_memory(found, plain(given)):
            yield given
    elif type(given) in (tuple, list):
        for x in given:
            yield from _sharing(found, x)
    elif type(given) is dict:
        yield from _sharing(found, tuple(given.values()))


def _written(x: Any) -> Any:
    return x.written() if type(x) is Looked else x


def _method(name: str) -> Any:
    of_array = getattr(np.ndarray, name)
    opened = Looked.written if name in WRITERS else Looked.looked_at

    def method(self: Looked, *args: Any, **kwargs: Any) -> Any:
        return _watched_too(of_array(opened(self), *_opened(args), **_opened(kwargs)), self)

    method.__name__, method.__doc__ = name, f"`np.ndarray.{name}`, and tell."
    return method


PLAIN.add(Looked)  # combined with a tensor it stays as it is: the capture knows it
as_plain(Looked)

for _name in dir(np.ndarray):
    if callable(getattr(np.ndarray, _name)) and _name not in VIEWS and _name not in OPERATORS:
        setattr(Looked, _name, _method(_name))


@contextmanager
def watched(reads: Iterable[Read], notice: Notice, refuse: Callable[[str], None]) -> Iterator[None]:
    """Replace the arrays among what was read with such views inside the block."""
    placed: list[tuple[Read, Any, Any]] = []
    views: dict[int, Any] = {}
    is_over = False

    def seen(array: Any) -> None:
        if not is_over:
            notice(array)

    def view_of(path: str, array: Any) -> Any:
        def written() -> None:
            if not is_over:
                refuse(path)

        if id(array) not in views:
            views[id(array)] = Looked.over(array, seen, written)
        return views[id(array)]

    try:
        for read in reads:
            for key, array in _arrays_at(read):
                view = view_of(read.path, array)
                put(read, key, view)
                placed.append((read, key, (view, array)))
        yield
    finally:
        is_over = True
        for read, key, (view, array) in reversed(placed):
            if any(now is view and at == key for at, now in _arrays_at(read, Looked)):
                put(read, key, array)


def _arrays_at(read: Read, kind: type = np.ndarray) -> list[tuple[Any, Any]]:
    """Return the arrays found where something was read, each with its key in a container."""
    return found_at(read, lambda x: type(x) is kind)
