"""autograd's `vspace(value)`: what gradients of a value can be added to, scaled, drawn and listed as a basis.

Arrays, numbers, and lists, tuples and dictionaries of them have a space. Its operations are ordinary ones, so they can
be traced.
"""

import operator
from collections.abc import Callable, Iterator
from functools import reduce
from math import prod
from typing import Any, ClassVar

import numpy as np

from chainrule.core.tensor import Tensor

from .boxes import isbox
from .sequences import subval

__all__ = [
    "ArrayVSpace",
    "ComplexArrayVSpace",
    "ContainerVSpace",
    "DictVSpace",
    "ListVSpace",
    "NamedTupleVSpace",
    "SequenceVSpace",
    "SparseObject",
    "TupleVSpace",
    "VSpace",
    "vspace",
]


class VSpace:
    """The base class. A subclass defines `zeros`, `ones`, `standard_basis`, `randn` and `_inner_prod`."""

    mappings: ClassVar[dict[type, Callable[[Any], Any]]] = {}
    iscomplex: ClassVar[bool] = False
    shape: Any
    size: Any

    def __init__(self, value: Any) -> None: ...

    def mut_add(self, x_prev: Any, x_new: Any) -> Any:
        """Return the sum, which may be written over the first; None stands for zero."""
        return self._mut_add(self.zeros() if x_prev is None else x_prev, x_new)

    def add(self, x_prev: Any, x_new: Any) -> Any:
        """Return the sum of two vectors."""
        return self._add(x_prev, x_new)

    def scalar_mul(self, x: Any, a: Any) -> Any:
        """Return a vector times a number."""
        return self._scalar_mul(x, a)

    def inner_prod(self, x: Any, y: Any) -> Any:
        """Return the inner product, a real number."""
        return self._inner_prod(x, y)

    def covector(self, x: Any) -> Any:
        """Return the covector of a vector, and the other way round: the complex conjugate."""
        return self._covector(x)

    def zeros(self) -> Any:
        """Return the zero vector."""
        raise self._undefined("zeros")

    def ones(self) -> Any:
        """Return the sum of the standard basis."""
        raise self._undefined("ones")

    def standard_basis(self) -> Iterator[Any]:
        """Yield the unit vectors."""
        raise self._undefined("standard_basis")

    def randn(self) -> Any:
        """Return a vector of standard normal numbers."""
        raise self._undefined("randn")

    def _undefined(self, name: str) -> TypeError:
        return TypeError(f"{type(self).__name__} does not define {name}; a subclass of VSpace has to")

    def _add(self, x: Any, y: Any) -> Any:
        return x + y

    def _mut_add(self, x: Any, y: Any) -> Any:
        return self._add(x, y)

    def _scalar_mul(self, x: Any, a: Any) -> Any:
        return x * a

    def _inner_prod(self, _x: Any, _y: Any) -> Any:
        raise self._undefined("_inner_prod")

    def _covector(self, x: Any) -> Any:
        return x

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}_{self.__dict__}"

    @classmethod
    def register(cls, value_type: type, vspace_maker: Callable[[Any], Any] | None = None) -> None:
        """Give the values of a class this space, or the one that `vspace_maker(value)` returns."""
        VSpace.mappings[value_type] = vspace_maker or cls


def vspace(value: Any) -> Any:
    """Return the vector space of a value. Raises TypeError for a value that has none, such as a string or an int.

    >>> vspace([1.0, np.zeros((2, 3))]).size
    7
    """
    if isinstance(value, Tensor):  # a shape and a dtype are enough, and all that a captured one tells
        return _of_array(value)
    try:
        return VSpace.mappings[type(value)](value)
    except KeyError:
        raise TypeError(
            f"Can't find vector space for value {value} of type {type(value)}. Valid types are {list(VSpace.mappings)}"
        ) from None


class ArrayVSpace(VSpace):
    """The arrays of a shape and dtype."""

    def __init__(self, value: Any) -> None:
        value = value if hasattr(value, "dtype") else np.asarray(value)
        self.shape = value.shape
        self.dtype = value.dtype

    @property
    def size(self) -> Any:
        """The number of real numbers in a vector."""
        return prod(self.shape)

    @property
    def ndim(self) -> Any:
        """The number of axes."""
        return len(self.shape)

    def zeros(self) -> Any:
        """Return zeros."""
        return np.zeros(self.shape, dtype=self.dtype)

    def ones(self) -> Any:
        """Return ones."""
        return np.ones(self.shape, dtype=self.dtype)

    def standard_basis(self) -> Iterator[Any]:
        """Yield the unit arrays, the last axis varying fastest."""
        for place in np.ndindex(*self.shape):
            yield self._unit(place, 1.0)

    def randn(self) -> Any:
        """Return standard normal numbers, from NumPy's global generator as in autograd."""
        return np.array(np.random.randn(*self.shape)).astype(self.dtype)  # noqa: NPY002

    def _unit(self, place: tuple[int, ...], value: complex) -> Any:
        unit = self.zeros()
        unit[place] = value
        return unit

    def _inner_prod(self, x: Any, y: Any) -> Any:
        return np.dot(np.ravel(x), np.ravel(y))


class ComplexArrayVSpace(ArrayVSpace):
    """The complex arrays of a shape and dtype, as a real vector space of twice the size."""

    iscomplex = True

    @property
    def size(self) -> Any:
        """The number of real numbers in a vector."""
        return 2 * prod(self.shape)

    def ones(self) -> Any:
        """Return the sum of the standard basis."""
        return np.full(self.shape, 1 + 1j, dtype=self.dtype)

    def standard_basis(self) -> Iterator[Any]:
        """Yield each unit array, and i times it."""
        for place in np.ndindex(*self.shape):
            yield self._unit(place, 1.0)
            yield self._unit(place, 1.0j)

    def randn(self) -> Any:
        """Return numbers whose real and imaginary parts are standard normal."""
        return super().randn() + 1.0j * super().randn()

    def _inner_prod(self, x: Any, y: Any) -> Any:
        return np.real(np.dot(np.conj(np.ravel(x)), np.ravel(y)))

    def _covector(self, x: Any) -> Any:
        return np.conj(x)


class ContainerVSpace(VSpace):
    """The space of a list, tuple or dictionary; `shape` is one like it, with the space of each item."""

    def __init__(self, value: Any) -> None:
        self.shape = value
        self.shape = self._map(vspace)

    @property
    def size(self) -> Any:
        """The number of real numbers in a vector."""
        return sum(vs.size for _, vs in self._kv_pairs(self.shape))

    def zeros(self) -> Any:
        """Return zeros in a container of that structure."""
        return self._map(lambda vs: vs.zeros())

    def ones(self) -> Any:
        """Return ones in a container of that structure."""
        return self._map(lambda vs: vs.ones())

    def randn(self) -> Any:
        """Return standard normal numbers in a container of that structure."""
        return self._map(lambda vs: vs.randn())

    def standard_basis(self) -> Iterator[Any]:
        """Yield the unit vectors."""
        zero = self.zeros()
        for key, vs in self._kv_pairs(self.shape):
            for unit in vs.standard_basis():
                yield self._subval(zero, key, unit)

    def _kv_pairs(self, x: Any) -> Iterator[tuple[Any, Any]]:
        yield from enumerate(x)

    def _map(self, _f: Callable[..., Any], *_args: Any) -> Any:
        raise self._undefined("_map")

    def _subval(self, _xs: Any, _key: Any, _x: Any) -> Any:
        raise self._undefined("_subval")

    def _add(self, xs: Any, ys: Any) -> Any:
        return self._map(lambda vs, x, y: vs.add(x, y), xs, ys)

    def _scalar_mul(self, xs: Any, a: Any) -> Any:
        return self._map(lambda vs, x: vs.scalar_mul(x, a), xs)

    def _inner_prod(self, xs: Any, ys: Any) -> Any:
        products = self._map(lambda vs, x, y: vs.inner_prod(x, y), xs, ys)
        return reduce(operator.add, (x for _, x in self._kv_pairs(products)), 0.0)

    def _covector(self, xs: Any) -> Any:
        return self._map(lambda vs, x: vs.covector(x), xs)


class SequenceVSpace(ContainerVSpace):
    """The space of a sequence of the class `seq_type`."""

    seq_type: ClassVar[Callable[..., Any]] = list

    def _map(self, f: Callable[..., Any], *args: Any) -> Any:
        return self.seq_type(map(f, self.shape, *args))

    def _subval(self, xs: Any, key: Any, x: Any) -> Any:
        return self.seq_type(subval(xs, key, x))


class ListVSpace(SequenceVSpace):
    """The space of a list."""

    seq_type = list


class TupleVSpace(SequenceVSpace):
    """The space of a tuple."""

    seq_type = tuple


class NamedTupleVSpace(SequenceVSpace):
    """The space of a named tuple."""

    def _map(self, f: Callable[..., Any], *args: Any) -> Any:
        return self.seq_type(*map(f, self.shape, *args))

    def _subval(self, xs: Any, key: Any, x: Any) -> Any:
        return self.seq_type(*subval(xs, key, x))


class DictVSpace(ContainerVSpace):
    """The space of a dictionary."""

    def _kv_pairs(self, x: Any) -> Iterator[tuple[Any, Any]]:
        yield from x.items()

    def _map(self, f: Callable[..., Any], *args: Any) -> Any:
        return {key: f(vs, *[x[key] for x in args]) for key, vs in self.shape.items()}

    def _subval(self, xs: Any, key: Any, x: Any) -> Any:
        return {**xs, key: x}


class SparseObject:
    """A gradient that is zero almost everywhere: `mut_add(total)` adds it to a total of the space `vs`."""

    __slots__ = ("mut_add", "vs")

    def __init__(self, vs: Any, mut_add: Callable[[Any], Any]) -> None:
        self.vs = vs
        self.mut_add = mut_add


def dense(x: Any) -> Any:
    """Return a gradient that may be sparse as an ordinary one."""
    return x.mut_add(x.vs.zeros()) if isinstance(x, SparseObject) and not isbox(x) else x


def _of_array(value: Any) -> Any:
    return (ComplexArrayVSpace if value.dtype.kind == "c" else ArrayVSpace)(value)


VSpace.register(np.ndarray, _of_array)
_REAL: tuple[type, ...] = (float, np.longdouble, np.float64, np.float32, np.float16)
_COMPLEX: tuple[type, ...] = (complex, np.clongdouble, np.complex64, np.complex128)
for _type in _REAL:
    ArrayVSpace.register(_type)
for _type in _COMPLEX:
    ComplexArrayVSpace.register(_type)
ListVSpace.register(list)
TupleVSpace.register(tuple)
DictVSpace.register(dict)
VSpace.register(SparseObject, lambda x: x.vs)


def _named(cls: Any) -> type[NamedTupleVSpace]:
    return type(f"{cls.__name__}VSpace", (NamedTupleVSpace,), {"seq_type": cls})


for _function in (np.linalg.eig, np.linalg.eigh, np.linalg.qr, np.linalg.slogdet, np.linalg.svd):
    _result = type(_function(np.eye(1)))  # a named tuple
    _named(_result).register(_result)
