"""Functions and methods that change an array: NumPy's writes other than `x[index] = value`.

Each writes the whole tensor, so that everything sharing its memory sees it and derivatives pass through it. Into a
plain array nothing can be written that has a gradient: the error says what to use instead.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.inplace import Target
from chainrule.core.memory.alias import innermost
from chainrule.core.operands.plain import refuse_array_write
from chainrule.core.operands.protocols import implements, writers
from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import plain
from chainrule.core.transforms.mapped import constant_like
from chainrule.rules.elementary.selection import where as choose

from .index import At, IndexAdd, index_of, selects_once, setitem
from .layout import relaid
from .order import partition, sort
from .shape import Copy, Reshape, astype, flatten


def overwrite(x: Any, what: str, make: Callable[[], Any], casting: str = "same_kind", shared: bool = False) -> None:
    """Set the tensor `x` to the value that `make` returns, broadcast to its shape and in its dtype.

    `shared` says that something else refers to the value: then it is copied, or later writes to it would be seen in x.

    Raises ValueError if the shapes do not fit, and TypeError if `casting` forbids the dtype, as NumPy does.
    """
    if not isinstance(innermost(x), np.ndarray):
        raise TypeError(
            f"{what}: x stands for one of NumPy's scalars, which cannot change; bind the name to a new value"
        )
    target = Target(x, what)
    new = make()
    if not hasattr(new, "shape"):
        new = np.asarray(new)
        casting = "unsafe" if not new.ndim else casting
    if np.broadcast_shapes(new.shape, x.shape) != x.shape:
        raise ValueError(f"{what}: a value of shape {new.shape} cannot be written into shape {x.shape}")
    if not np.can_cast(new.dtype, x.dtype, casting):  # type: ignore[arg-type]
        raise TypeError(
            f"{what}: cannot write {new.dtype} into {x.dtype} by the casting rule {casting!r}; convert one of "
            f"them with astype first"
        )
    if target.leaf is not None:
        target.write_values(lambda array: np.copyto(array, value_of(new), casting="unsafe"))
        return
    if not isinstance(new, Tensor):
        new = constant_like(np.array(new), x)
    elif shared:
        new = Copy.apply(new, order="K")
    target.become(relaid(new, x), relaid)


def _refuse_plain(function: str, x: Any) -> None:
    if not isinstance(x, Tensor):
        refuse_array_write(f"np.{function}: this", TypeError)


@implements(np.copyto)
def copyto(dst: Array, src: Array, casting: str = "same_kind", where: Any = True) -> None:
    """Write `src` into `dst`, where the condition `where` holds."""
    _refuse_plain("copyto", dst)
    source = _without_leading_ones(src, dst.ndim)
    overwrite(
        dst, "np.copyto", lambda: source if where is True else _chosen(where, source, dst), casting, where is True
    )


def _without_leading_ones(x: Array, ndim: int) -> Array:
    extra = np.ndim(x) - ndim
    return x.reshape(x.shape[extra:]) if extra > 0 and set(x.shape[:extra]) == {1} else x


def _chosen(condition: Any, new: Array, old: Array) -> Array:
    y = choose(condition, new, old)
    return y if y.dtype == old.dtype else astype(y, old.dtype)


@implements(np.putmask)
def putmask(a: Array, mask: Any, values: Array) -> None:
    """Write `values`, repeated to the size of `a`, where the mask is true."""
    _refuse_plain("putmask", a)
    if not np.size(values):
        return  # as NumPy does
    overwrite(a, "np.putmask", lambda: choose(mask, np.resize(values, a.shape), a))


@implements(np.place)
def place(arr: Array, mask: Any, vals: Array) -> None:
    """Write the elements of `vals`, in order and repeated as needed, where the mask is true."""
    _refuse_plain("place", arr)
    chosen = np.flatnonzero(value_of(mask))
    _put(arr, "np.place", chosen, vals)


@implements(np.put)
def put(a: Array, ind: Any, v: Array, mode: str = "raise") -> None:
    """Write the elements of `v`, repeated as needed, at the flat indices `ind` of `a`."""
    _refuse_plain("put", a)
    places = np.asarray(value_of(ind)).ravel()
    if mode == "wrap":
        places = places % a.size
    elif mode == "clip":
        places = np.clip(places, 0, a.size - 1)
    elif mode != "raise":
        raise ValueError(f"put: got mode={mode!r}, expected 'raise', 'wrap' or 'clip'")
    _put(a, "np.put", places, v)


def _put(x: Tensor, what: str, places: Any, values: Array) -> None:
    """Write values at flat indices of a tensor."""
    if not places.size:
        Target(x, what)
        return
    if not np.size(values):
        raise ValueError(f"{what}: got no values for {places.size} places")
    new = np.resize(values, places.shape)
    overwrite(x, what, lambda: Reshape.apply(At(flatten(x))[places].set(new), shape=x.shape))


@implements(np.fill_diagonal)
def fill_diagonal(a: Array, val: Array, wrap: bool = False) -> None:
    """Write `val` on the main diagonal of a matrix, or of an array with equal axes; `wrap` is NumPy's."""
    _refuse_plain("fill_diagonal", a)
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) != 1):
        raise ValueError(f"fill_diagonal: expected a matrix, or axes of one length, got shape {a.shape}")
    step = a.shape[1] + 1 if a.ndim == 2 else 1 + int(np.cumprod(a.shape[:-1]).sum())
    end = a.size if wrap or a.ndim > 2 else a.shape[1] * a.shape[1]
    places = np.arange(a.size)[:end:step]
    _put(a, "np.fill_diagonal", places, val)


def fill(self: Tensor, value: Any) -> None:
    """Write one value into every element."""
    if np.ndim(value):
        raise ValueError(f"fill: expected one value, got shape {np.shape(value)}")
    overwrite(self, "x.fill", lambda: value)


def sort_in_place(
    self: Tensor, axis: int = -1, kind: Any = None, order: Any = None, *, stable: bool | None = None
) -> None:
    """Sort the elements along an axis in place, as NumPy's method does; `np.sort` gives a copy."""
    if order is not None:
        raise TypeError("x.sort: order= is for fields, which tensors do not have; leave it out")
    overwrite(self, "x.sort", lambda: sort(self, axis, kind, stable=stable))


def partition_in_place(self: Tensor, kth: Any, axis: int = -1, kind: str = "introselect") -> None:
    """Move element `kth` along an axis to its sorted position, in place; `np.partition` gives a copy."""
    if kind != "introselect":
        raise ValueError(f"x.partition: got kind={kind!r}, expected 'introselect'")
    overwrite(self, "x.partition", lambda: partition(self, kth, axis))


def at(ufunc: Any, x: Array, indices: Any, *values: Any) -> None:
    """Do what `ufunc.at(x, indices, values)` does: an unbuffered operation, repeated for repeated indices."""
    what = f"np.{ufunc.__name__}.at"
    _refuse_plain(f"{ufunc.__name__}.at", x)
    if ufunc is np.add or ufunc is np.subtract:
        value = values[0] if ufunc is np.add else np.negative(values[0])
        overwrite(x, what, lambda: IndexAdd.apply(x, value, index=index_of(indices)))
    elif selects_once(x.shape, index_of(indices)):
        overwrite(x, what, lambda: At(x)[indices].apply(lambda part: ufunc(part, *values)))
    else:
        overwrite(x, what, lambda: _repeatedly(ufunc, x, indices, values))


def _repeatedly(ufunc: Any, x: Array, indices: Any, values: tuple[Any, ...]) -> Array:
    """Return `x` after an unbuffered operation at indices that repeat: in rounds, each of which has each place once."""
    places = np.arange(x.size).reshape(x.shape)[value_of(indices) if isinstance(indices, Tensor) else indices]
    spread = [np.broadcast_to(value, places.shape).reshape(-1) for value in values]
    flat, places = flatten(x), places.ravel()
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    first = np.searchsorted(ordered, ordered)  # where the run of each place begins
    rounds = np.empty(places.size, np.intp)
    rounds[order] = np.arange(places.size) - first
    for k in range(int(rounds.max(initial=-1)) + 1):
        now = np.flatnonzero(rounds == k)
        flat = At(flat)[places[now]].apply(partial(_called, ufunc, [value[now] for value in spread]))
    return flat.reshape(x.shape)


def _called(ufunc: Any, values: list[Any], part: Array) -> Array:
    return ufunc(part, *values)


def into(out: Any, what: str, y: Any, condition: Any = True) -> Any:
    """Write a result to the tensor passed as `out=`, and return it; of several, those that were passed."""
    if not isinstance(out, tuple):
        out, y = (out,), (y,)
    results = y if isinstance(y, tuple) else (y,)
    for one, result in zip(out, results, strict=True):
        if one is not None:
            _written_out(one, what, result, condition)
    found = tuple(result if one is None else one for one, result in zip(out, results, strict=True))
    return found[0] if len(found) == 1 else found


def chosen(condition: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the inputs of a function with `where=`, with elements at which it is evaluated in place of all others.

    Where it is not, it may have no derivative, such as the square root of −1, and NaN times 0 is NaN.
    """

    def spares(holds: Array, *values: Array) -> tuple[Array, ...]:
        holds, *whole = np.broadcast_arrays(holds, *values)
        k = int(np.argmax(holds)) if holds.size else 0
        return tuple(x.reshape(-1)[k : k + 1].reshape((1,) * x.ndim) for x in whole)

    found = plain(spares, condition, *inputs)
    return tuple(choose(condition, x, spare) for x, spare in zip(inputs, found, strict=True))


def _written_out(out: Any, what: str, y: Any, condition: Any) -> None:
    if not isinstance(out, Tensor):
        refuse_array_write(f"{what}: out= (also as in `array += tensor`)", TypeError)
    overwrite(out, what, lambda: y if condition is True else _chosen(condition, y, out))


def is_rebound(x: Tensor) -> bool:
    """Whether `x += 1` rebinds the name: NumPy's scalars are immutable, and so are the boxes of transforms."""
    return not x.is_variable or not isinstance(innermost(x), np.ndarray)


def _refused(name: str, step: str) -> Callable[..., Any]:
    def refuse(_self: Tensor, *_: Any, **__: Any) -> Any:
        raise TypeError(f"x.{name}: a tensor cannot do that in place; {step}")

    refuse.__name__ = name
    refuse.__doc__ = f"Refused: {step}."
    return refuse


METHODS = {
    "__setitem__": setitem,
    "fill": fill,
    "sort": sort_in_place,
    "partition": partition_in_place,
    "put": lambda self, indices, values, mode="raise": put(self, indices, values, mode),
    "resize": _refused("resize", "write x = np.resize(x, shape), which returns a copy"),
    "setfield": _refused("setfield", "write x[...] = value"),
    "byteswap": _refused("byteswap", "use x.numpy().byteswap() if no gradient is wanted"),
}
for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)

writers.update({"into": into, "at": at, "chosen": chosen})
