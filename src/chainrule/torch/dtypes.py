"""PyTorch's dtypes, devices and shapes, over NumPy's dtypes, and its rules of promotion."""

import math
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor as Engine


class dtype:
    """A dtype, as `torch.float32`; `numpy` is NumPy's."""

    def __init__(self, name: str, numpy: Any) -> None:
        self.name, self.numpy = name, np.dtype(numpy)

    @property
    def is_floating_point(self) -> bool:
        """Whether its values are floating-point numbers."""
        return bool(self.numpy.kind == "f")

    @property
    def is_complex(self) -> bool:
        """Whether its values are complex numbers."""
        return bool(self.numpy.kind == "c")

    @property
    def is_signed(self) -> bool:
        """Whether its values have a sign."""
        return self.numpy.kind in "ifc"

    @property
    def itemsize(self) -> int:
        """The bytes of one value."""
        return int(self.numpy.itemsize)

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> Any:
        return of_name, (self.name,)


class _Missing(dtype):
    """A dtype that NumPy does not have: it can be named and compared, and is refused where numbers are needed."""

    is_floating_point, is_complex, is_signed = True, False, True
    itemsize = 2

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def numpy(self) -> Any:
        """Refused."""
        raise RuntimeError(f"{self.name}: NumPy has no such dtype; use torch.float32 or torch.float16")


float16, float32, float64 = dtype("float16", "f2"), dtype("float32", "f4"), dtype("float64", "f8")
uint8, int8, int16 = dtype("uint8", "u1"), dtype("int8", "i1"), dtype("int16", "i2")
int32, int64, bool_ = dtype("int32", "i4"), dtype("int64", "i8"), dtype("bool", "?")
complex64, complex128 = dtype("complex64", "c8"), dtype("complex128", "c16")
half, float_, double, short, int_, long = float16, float32, float64, int16, int32, int64
cfloat, cdouble = complex64, complex128
bfloat16 = _Missing("bfloat16")

DTYPES = (float16, float32, float64, uint8, int8, int16, int32, int64, bool_, complex64, complex128)
_OF_NUMPY = {one.numpy: one for one in DTYPES}
_OF_PYTHON = {float: float32, int: int64, bool: bool_, complex: complex64}


class _Default:
    """The floating dtype of new tensors."""

    floating = float32


default = _Default()


def of_name(name: str) -> dtype:
    """Return the dtype of a name."""
    return next(one for one in (*DTYPES, bfloat16) if one.name == name)


def of_numpy(numpy: Any) -> dtype:
    """Return PyTorch's dtype for NumPy's.

    >>> of_numpy(np.dtype("float64"))
    torch.float64
    """
    found = _OF_NUMPY.get(np.dtype(numpy))
    if found is None:
        raise TypeError(f"can't convert a NumPy array of dtype {np.dtype(numpy)}; convert it with astype first")
    return found


def numpy_dtype(which: Any) -> Any:
    """Return NumPy's dtype for a dtype of either library or a Python type; None stays None."""
    if which is None or isinstance(which, np.dtype):
        return which
    if isinstance(which, dtype):
        return which.numpy
    if which is float:
        return default.floating.numpy
    return _OF_PYTHON[which].numpy if which in _OF_PYTHON else np.dtype(which)


def set_default_dtype(d: dtype) -> None:
    """Set the dtype of new floating-point tensors: float32 unless it is set."""
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"set_default_dtype: expected a floating-point dtype, got {d!r}")
    default.floating = d


def get_default_dtype() -> dtype:
    """Return the dtype of new floating-point tensors."""
    return default.floating


class Size(tuple[int, ...]):
    """A shape: a tuple with `numel()`.

    >>> Size([2, 3]).numel()
    6
    """

    __slots__ = ()

    def numel(self) -> int:
        """Return the number of elements."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __add__(self, other: Any) -> "Size":
        return Size(tuple(self) + tuple(other))

    def __getitem__(self, index: Any) -> Any:
        found = tuple(self)[index]
        return Size(found) if isinstance(index, slice) else found


DEVICES = ("cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "hip", "mps", "xla", "hpu", "mtia", "meta")


class device:
    """A place of computation. Others than the CPU can be named, and are refused where something is put there.

    >>> device("cpu"), device("cuda:1")
    (device(type='cpu'), device(type='cuda', index=1))
    """

    type: str

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        name = type.type if isinstance(type, device) else type
        self.type, _, number = str(name).partition(":")
        self.index = int(number) if number else index
        if self.type not in DEVICES:
            raise RuntimeError(f"device: got {str(name)!r}, expected one of {', '.join(DEVICES)}, such as 'cuda:0'")

    def __repr__(self) -> str:
        return f"device(type={self.type!r}{'' if self.index is None else f', index={self.index}'})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, device) and self.type == other.type
        return same and (self.type == "cpu" or self.index == other.index)  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.type)

    def __enter__(self) -> "device":
        if self.type != "meta":  # where what is made has no values yet: here it has
            check_device(self)
        return self

    def __exit__(self, *_: object) -> None: ...


CPU = device("cpu")


def check_device(which: Any) -> None:
    """Raise a RuntimeError unless a device is the CPU."""
    if which is not None and (found := device(which)).type != "cpu":
        raise RuntimeError(f"device: got {str(found)!r}, but chainrule computes on the CPU; use device('cpu')")


# Promotion

_CATEGORIES = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}


def result_numpy(*operands: Any) -> Any:
    """Return the NumPy dtype of an operation's result by PyTorch's rule.

    Tensors with axes decide; those without, and after them Python numbers, count only if they are of a higher category
    (boolean, integer, floating, complex).

    >>> result_numpy(np.zeros(3, np.float32), np.float64(1.0)), result_numpy(np.zeros(3, np.int64), 1.0)
    (dtype('float32'), dtype('float32'))
    """
    levels: list[Any] = [None, None, None]
    for x in operands:
        numpy = getattr(x, "dtype", None)
        if numpy is None:
            kind, level = x.__class__, 2
            numpy = _OF_PYTHON[kind].numpy if kind in _OF_PYTHON else np.asarray(x).dtype
            if numpy.kind == "f":
                numpy = default.floating.numpy
        else:
            level = 0 if x.ndim else 1
        levels[level] = numpy if levels[level] is None else np.promote_types(*_alike(levels[level], numpy))
    found = None
    for numpy in levels:
        if found is None:
            found = numpy
        elif numpy is not None and _CATEGORIES[numpy.kind] > _CATEGORIES[found.kind]:
            found = numpy if numpy.kind != "c" or found.kind != "f" else np.promote_types(found, np.complex64)
    return found


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Return two dtypes for NumPy to promote: integers do not widen floats in PyTorch."""
    if a.kind in "fc" and b.kind in "iu":
        return a, a
    return (b, b) if b.kind in "fc" and a.kind in "iu" else (a, b)


def cast(x: Any, numpy: Any) -> Any:
    """Return an engine's value, an array or a number in a dtype."""
    if numpy is None or getattr(x, "dtype", None) == numpy:
        return x
    if hasattr(x, "astype"):
        return x.astype(numpy)
    return x.as_element(numpy) if hasattr(x, "as_element") else np.asarray(x, numpy)  # the first: of a capture


def promoted(*operands: Any) -> list[Any]:
    """Return the operands in the dtype that PyTorch promotes them to."""
    first = getattr(operands[0], "dtype", None)
    if first is not None and all(getattr(x, "dtype", None) == first for x in operands):
        return list(operands)
    numpy = result_numpy(*operands)
    return [cast(x, numpy) for x in operands]


def floating(x: Any) -> Any:
    """Return a value in a floating dtype: integers and booleans in the default one."""
    kind = getattr(x, "dtype", None)
    if kind is None:
        return np.asarray(x, default.floating.numpy)
    return x if kind.kind in "fc" else cast(x, default.floating.numpy)


def is_engine(x: Any) -> bool:
    """Whether a value is a tensor of the engine."""
    return isinstance(x, Engine)


class finfo:
    """The limits of a floating dtype."""

    def __init__(self, type: Any = None) -> None:
        found = np.finfo(numpy_dtype(type or default.floating))
        self.eps, self.max, self.min = float(found.eps), float(found.max), float(found.min)
        self.tiny = self.smallest_normal = float(found.tiny)
        self.resolution, self.bits, self.dtype = float(found.resolution), found.bits, str(found.dtype)


class iinfo:
    """The limits of an integer dtype."""

    def __init__(self, type: Any) -> None:
        found = np.iinfo(numpy_dtype(type))
        self.max, self.min, self.bits, self.dtype = int(found.max), int(found.min), found.bits, str(found.dtype)
