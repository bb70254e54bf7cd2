"""`Tensor`: PyTorch's tensor, over a tensor of the engine or an array.

`_x` is an engine's tensor for floating-point values, whose views, writes and tapes are the engine's, and a NumPy array
for the other dtypes. `unwrapped` and `wrapped` are the two doors between the two worlds, and `faced` makes a function
of engine values one of these tensors. Methods that are functions as well are attached by `methods`.
"""

import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from chainrule.core.creation import tensor as engine_tensor
from chainrule.core.memory.alias import share_leaf
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import captured_in, example, forgetting, is_captured, reads_layout, running
from chainrule.core.traces.modes import modes
from chainrule.core.traces.node import Leaf
from chainrule.core.traces.tape import EAGER
from chainrule.core.tree import register
from chainrule.nn.parameter import Parameter as EngineParameter

from .dtypes import CPU, Size, cast, check_device, default, device, dtype, numpy_dtype, of_numpy
from .missing import METHODS
from .values import as_values, dtype_named, made_inside, type_name
from .writing import assign, set_item

F = TypeVar("F", bound=Callable[..., Any])


class Tensor:
    """A tensor with PyTorch's attributes and methods; `torch.tensor` and every function make them.

    >>> import chainrule.torch as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    _x: Any
    _through: Any = None
    """The leaf with a gradient that writes reach: for `x.data` and `x.detach()`."""
    __array_priority__ = 1000.0
    __hash__ = object.__hash__

    def __init__(self, *values: Any, device: Any = None) -> None:
        check_device(device)
        data = values[0] if values else ()
        if isinstance(data, Size) or (values and all(type(n) is int for n in values)):  # sizes: elements of any value
            data = np.zeros(data if isinstance(data, Size) else values, default.floating.numpy)
        elif len(values) > 1:
            kinds = ", ".join(type(x).__name__ for x in values)
            raise TypeError(f"Tensor: got ({kinds}), expected data, or sizes as integers")
        self._x = made_inside(_held(as_values(data, None if isinstance(data, Tensor) else default.floating.numpy)))

    def __chainrule__(self) -> Any:
        """Return the value for the engine's functions."""
        return self._x

    @staticmethod
    def __chainrule_face__(value: Any) -> Any:
        return wrapped(value)

    def __getattr__(self, name: str) -> Any:
        hint = f"; use {METHODS[name]}" if name in METHODS else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=self)

    if TYPE_CHECKING:

        def __getitem__(self, index: Any) -> Any: ...
        def __add__(self, other: Any) -> Any: ...
        def __mul__(self, other: Any) -> Any: ...
        def __sub__(self, other: Any) -> Any: ...
        def __truediv__(self, other: Any) -> Any: ...
        def __matmul__(self, other: Any) -> Any: ...
        def __neg__(self) -> Any: ...

    # What it is

    @property
    def shape(self) -> Size:
        """The shape."""
        return Size(self._x.shape)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the length of one axis."""
        return Size(self._x.shape) if dim is None else self._x.shape[dim]

    @property
    def dtype(self) -> dtype:
        """The dtype."""
        return of_numpy(self._x.dtype)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._x.shape)

    def dim(self) -> int:
        """Return the number of axes."""
        return len(self._x.shape)

    ndimension = dim

    @property
    def device(self) -> device:
        """The CPU."""
        return CPU

    @property
    def is_cuda(self) -> bool:
        """False: there is only the CPU."""
        return False

    is_mps = is_cuda

    @property
    def is_sparse(self) -> bool:
        """False: tensors are dense."""
        return False

    is_quantized = is_sparse

    def numel(self) -> int:
        """Return the number of elements."""
        return Size(self._x.shape).numel()

    nelement = numel

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return int(self._x.dtype.itemsize)

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.itemsize * self.numel()

    def stride(self, dim: int | None = None) -> Any:
        """Return the distance of neighbours in memory along each axis, in elements."""
        reads_layout()
        array = np.asarray(example(self._x))
        steps = tuple(step // array.itemsize for step in array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self, **_: Any) -> bool:
        """Return whether the elements lie in memory in order."""
        reads_layout()
        return bool(np.asarray(example(self._x)).flags.c_contiguous)

    def data_ptr(self) -> int:
        """Return the address of the first element."""
        return int(np.asarray(value_of(self._x)).__array_interface__["data"][0])

    def is_floating_point(self) -> bool:
        """Return whether the values are floating-point numbers."""
        return bool(self._x.dtype.kind == "f")

    def is_complex(self) -> bool:
        """Return whether the values are complex."""
        return bool(self._x.dtype.kind == "c")

    def is_signed(self) -> bool:
        """Return whether the values have a sign."""
        return bool(self._x.dtype.kind in "ifc")

    # Python's numbers, lists and arrays

    def item(self) -> Any:
        """Return the only element as a Python number."""
        if self.numel() != 1:
            raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to Scalar")
        return self._x.item()

    def tolist(self) -> Any:
        """Return the values as nested lists."""
        return self._x.tolist() if isinstance(self._x, Engine) else np.asarray(self._x).tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """Return the values as an array: of integers and booleans the tensor's own, of floats a copy that may change.

        With `force`, or inside `no_grad`, also of a tensor with a gradient.
        """
        if self.requires_grad and not force and is_recording():
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return self._x if isinstance(self._x, np.ndarray) else np.array(value_of(self._x))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __len__(self) -> int:
        if not self._x.shape:
            raise TypeError("len() of a 0-d tensor")
        return int(self._x.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if not self._x.shape:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.numel() != 1:
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")
        return bool(self._x.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self._x.dtype.kind not in "iub" or self.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self._x.item())

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(np.asarray(value_of(self._x)) == np.asarray(value_of(unwrapped(value)))))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and not self._x.shape else format(str(self), spec)

    def __setitem__(self, index: Any, value: Any) -> None:
        try:
            set_item(self, unwrapped(index), unwrapped(value))
        except (ValueError, TypeError) as error:
            if type(error) not in MISTAKES:
                raise
            raise _for_pytorch(error) from error.__cause__

    def __reduce__(self) -> Any:
        return _restored, (type(self), np.array(value_of(self._x)), self.requires_grad, dict(self.__dict__))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol; copy "
                "x.detach() instead"
            )
        if id(self) not in memo:
            made = _restored(type(self), np.array(value_of(self._x)), self.requires_grad, dict(self.__dict__))
            if self.grad is not None:
                made.grad = self.grad.clone()
            memo[id(self)] = made
        return memo[id(self)]

    # Gradients

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow through this tensor."""
        return isinstance(self._x, Engine) and self._x.requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Switch the gradient of a leaf on or off, in place."""
        if requires_grad == self.requires_grad:
            return self
        if not requires_grad and not self.is_leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in "
                "a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if not isinstance(self._x, Engine) or self._x.dtype.kind not in "fc":
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        x = self._x
        if not isinstance(x._value, Engine):
            x._value = np.asarray(x._value)
        if isinstance(x, EngineParameter):
            x.requires_grad_(requires_grad)
        else:
            x._link = Leaf(x.shape, x.dtype) if requires_grad else None
            share_leaf(x)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was not made by an operation with a gradient."""
        return not isinstance(self._x, Engine) or self._x.is_leaf

    @property
    def grad(self) -> Any:
        """The gradient that `backward()` has accumulated."""
        found = self._x.grad if isinstance(self._x, Engine) else None
        if found is not None and found.dtype.kind == "c":  # PyTorch's gradient is the conjugate of the engine's
            return wrapped(np.conjugate(found))
        return None if found is None else wrapped(found)

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None and not isinstance(value, Tensor):
            raise TypeError(f"assigned grad: expected a Tensor or None, got {type(value).__name__}")
        if value is not None and value.shape != self.shape:
            raise RuntimeError(f"assigned grad has data of a different size: {value.shape}, expected {self.shape}")
        if isinstance(self._x, Engine) and self._x._link is not None:
            if value is not None and is_captured(value._x):
                self._x.grad = value._x
                return
            forgetting([self._x])
            self._x._link.grad = None if value is None else _constant(_turned(np.asarray(value_of(value._x))))

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor although it is not a leaf."""
        if not self.requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if not self.is_leaf:
            self._x.retain_grad()

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad()` was called."""
        return not self.is_leaf and hasattr(self._x._link, "grad")

    def detach(self) -> "Tensor":
        """Return the values as a constant that shares the memory."""
        found = wrapped(self._x.detach() if isinstance(self._x, Engine) else self._x)
        found._through = self if self.requires_grad and self.is_leaf else None
        return found  # type: ignore[no-any-return]

    def detach_(self) -> "Tensor":
        """Cut this tensor off from the graph, in place."""
        if isinstance(self._x, Engine):
            self._x = _constant(np.asarray(value_of(self._x)))
        return self

    @property
    def data(self) -> "Tensor":
        """The values without the gradient; writes to them reach this tensor."""
        x = self._x
        is_constant = isinstance(x, Engine) and x._trace is EAGER and x._link is None
        return wrapped(x) if is_constant else self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        new = unwrapped(value)
        if not isinstance(self._x, Engine):
            self._x = np.asarray(new)
        elif new.shape == self._x.shape and new.dtype == self._x.dtype and self.is_leaf:
            self._x.data = new if is_captured(new) else value_of(new)
        elif self.is_leaf:
            self._x = _like_leaf(self._x, np.array(value_of(new)))
        else:
            raise RuntimeError("data: only the values of a leaf can be replaced; write to a copy, x.detach().clone()")

    @property
    def _version(self) -> int:
        link = getattr(self._x, "_link", None)
        return getattr(link, "changed", 0)

    # Conversions

    def to(self, *args: Any, **kwargs: Any) -> "Tensor":
        """Return the tensor in a dtype or on a device; itself if nothing changes.

        Takes PyTorch's forms: `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`.
        """
        target = kwargs.get("dtype")
        check_device(kwargs.get("device"))
        for one in args:
            if isinstance(one, Tensor):
                target = one.dtype
            elif isinstance(one, dtype) or one in (float, int, bool):
                target = one
            elif isinstance(one, str | device):
                check_device(one)
        new = numpy_dtype(target)
        if (new is None or new == self._x.dtype) and not kwargs.get("copy"):
            return self
        made: Tensor = wrapped(cast(self._x, new) if new is not None and new != self._x.dtype else self._x.copy())
        if type(self._x) is np.ndarray:  # whole numbers and conditions, which a capture does not follow
            made._x = made_inside(made._x)
        return made

    def type(self, dtype: Any = None, **_: Any) -> Any:
        """Return the name of the type, or the tensor in another one: a dtype or a name like `torch.FloatTensor`."""
        return type_name(self.dtype) if dtype is None else self.to(dtype_named(dtype))

    def cpu(self, **_: Any) -> "Tensor":
        """Return the tensor: it is on the CPU."""
        return self

    def cuda(self, *_: Any, **__: Any) -> "Tensor":
        """Refused: there is no GPU here."""
        raise RuntimeError("cuda: chainrule computes on the CPU; leave .cuda() out, or use .to(device) with 'cpu'")

    def clone(self, **_: Any) -> "Tensor":
        """Return a copy, through which gradients flow."""
        x = self._x.copy()
        return wrapped(x)  # type: ignore[no-any-return]

    def contiguous(self, **_: Any) -> "Tensor":
        """Return the tensor, or a copy whose elements are in order in memory."""
        reads_layout(only_if_written=True)  # it decides on whether this is the same tensor
        is_in_order = np.asarray(example(self._x)).flags.c_contiguous
        return self if is_in_order else wrapped(self._x.copy(order="C"))

    def copy_(self, src: Any, non_blocking: bool = False) -> "Tensor":
        """Write other values into this tensor, converted to its dtype."""
        return assign(self, "copy_", unwrapped(src), unsafe=True, shared=True)  # type: ignore[no-any-return]

    def set_(self, source: Any) -> "Tensor":
        """Make this tensor share the values of another one."""
        self.data = source
        return self

    def __dlpack__(self, **settings: Any) -> Any:
        return self._x.__dlpack__(**settings)

    def __dlpack_device__(self) -> Any:
        return np.asarray(value_of(self._x)).__dlpack_device__()


def _like_leaf(old: Any, array: Any) -> Any:
    """Return a leaf of the kind of `old` with other values."""
    if isinstance(old, EngineParameter):
        return EngineParameter(array, old.requires_grad, name=old.name)
    return engine_tensor(array, requires_grad=old.requires_grad)


def _restored(cls: Any, array: Any, requires_grad: bool, attributes: dict[str, Any]) -> Any:
    made = cls.__new__(cls)
    x = _held(array)
    made.__dict__.update(attributes)
    if isinstance(attributes.get("_x"), EngineParameter):
        x = EngineParameter(array, requires_grad)
    elif requires_grad:
        x = engine_tensor(array, requires_grad=True)
    made._x = x
    return made


def _turned(array: Any) -> Any:
    return np.conjugate(array) if array.dtype.kind == "c" else array


def _constant(array: Any) -> Any:
    return Engine(array, EAGER, None)


def _hold_array(x: Any) -> None:
    """Let a tensor without axes hold an array: a scalar of NumPy's could not be written to, and has no views."""
    box = captured_in(x) if running.capture is not None else None
    if box is None:
        if issubclass(type(x._value), np.generic):
            x._value = np.asarray(x._value)
    elif issubclass(type(box.held), np.generic):
        box.held = np.asarray(box.held)


def _held(x: Any) -> Any:
    """Return a value in the form that a tensor holds it: floats in the engine, all else as an array."""
    if isinstance(x, Engine):
        if x._link is None and x.dtype.kind not in "fc" and x._trace is EAGER and not isinstance(x._value, Engine):
            return np.asarray(x._value)
        _hold_array(x)
        return x
    array = x if type(x) is np.ndarray else np.asarray(x)
    return Engine(array, EAGER, None) if array.dtype.kind in "fc" else array


_VALUES = (Engine, np.ndarray, np.generic)
_new = object.__new__


def wrapped(x: Any) -> Any:
    """Return engine values, in nested tuples, lists and dicts, as tensors; other things unchanged."""
    kind = type(x)
    if kind is Engine or isinstance(x, _VALUES):
        made = _new(Tensor)
        made._x = x if kind is Engine and x._link is not None and type(x._value) is np.ndarray else _held(x)
        return made
    if kind is tuple or kind is list:
        return kind(map(wrapped, x))
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return kind(*map(wrapped, x))
    if kind is dict:
        return {key: wrapped(value) for key, value in x.items()}
    return x


def unwrapped(x: Any) -> Any:
    """Return tensors, in nested tuples, lists and dicts, as engine values; other things unchanged."""
    if isinstance(x, Tensor):
        return x._x
    kind = type(x)
    if kind is list or kind is tuple:
        return kind(map(unwrapped, x))
    if kind is dict:
        return {key: unwrapped(value) for key, value in x.items()}
    return x


_ALIASES = {
    **{"axis": "dim", "keepdims": "keepdim", "x": "input", "x1": "input", "x2": "other"},
    **{"split_size": "split_size_or_sections", "split_sizes": "split_size_or_sections", "axis0": "dim0"},
    **{"sections": "indices_or_sections", "indices": "indices_or_sections", "axis1": "dim1", "values": "other"},
    **{"element": "elements", "test_element": "test_elements", "train": "training"},
}
"""Other names of arguments that PyTorch accepts: NumPy's, and those of methods and overloads."""


class MistakenValue(RuntimeError, ValueError):
    """A value that an operation does not take: code for PyTorch expects a RuntimeError."""


class MistakenType(RuntimeError, TypeError):
    """A type or dtype that an operation does not take: code for PyTorch expects a RuntimeError."""


class MistakenMatrix(RuntimeError, np.linalg.LinAlgError):
    """A matrix that a decomposition does not take: code for PyTorch expects a RuntimeError."""


MISTAKES: dict[type, type[RuntimeError]] = {
    ValueError: MistakenValue,
    TypeError: MistakenType,
    np.linalg.LinAlgError: MistakenMatrix,
}


def _of_the_call(error: Exception) -> bool:
    """Whether the arguments did not fit the function's names, so that nothing of it ran."""
    return error.__traceback__ is None or error.__traceback__.tb_next is None


def _for_pytorch(error: Exception) -> Exception:
    """Return an error of the engine as one that is a RuntimeError as well."""
    made = MISTAKES[type(error)](*error.args).with_traceback(error.__traceback__)
    for note in getattr(error, "__notes__", ()):
        made.add_note(note)
    return made


def faced(function: F) -> F:
    """Make a function of engine values a function of tensors; it also gets `out=` and NumPy's names of arguments."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount + function.__code__.co_kwonlyargcount]
    renamed = {old: new for old, new in _ALIASES.items() if old not in names and new in names}
    takes_out = "out" in names

    @functools.wraps(function)
    def face(*args: Any, **kwargs: Any) -> Any:
        out = None
        if kwargs:
            out = None if takes_out else kwargs.pop("out", None)
            kwargs = {renamed.get(key, key): unwrapped(value) for key, value in kwargs.items()}
        try:
            found = wrapped(function(*map(unwrapped, args), **kwargs))
        except (ValueError, TypeError) as error:
            if type(error) not in MISTAKES or _of_the_call(error):
                raise
            raise _for_pytorch(error) from error.__cause__
        return found if out is None else into(out, found)

    return face  # type: ignore[return-value]


def into(out: Any, result: Any) -> Any:
    """Write a result to the tensors passed as `out=`, which get its shape."""
    if isinstance(out, tuple | list):
        for one, part in zip(out, result, strict=True):
            into(one, part)
        return out
    if out.shape == result.shape:
        return out.copy_(result)
    if out.requires_grad:
        raise RuntimeError("out=...: this tensor requires a gradient and has another shape; leave out= out")
    out._x = _held(cast(result._x, out._x.dtype))
    return out


def is_recording() -> bool:
    """Return whether operations are recorded for `backward()`."""
    return modes.floor <= EAGER.level


def values_of(x: Any) -> Any:
    """Return the plain array of a tensor, an engine value or numbers."""
    return np.asarray(value_of(unwrapped(x)))


register(Tensor, lambda x: ([x._x], None), lambda _, parts: wrapped(parts[0]))

__all__ = ["F", "Tensor", "faced", "into", "is_recording", "unwrapped", "values_of", "wrapped"]
