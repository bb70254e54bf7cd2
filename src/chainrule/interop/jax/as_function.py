"""`as_jax_function`: a chainrule function that JAX can compile and differentiate.

The computation is a host callback (`jax.pure_callback`) under `jax.custom_vjp`; its pullback is wrapped in the same
way, so it can be differentiated to any order.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import no_grad, vjp
from chainrule.nn import Module

WHAT = "as_jax_function"
Program = Callable[..., list[Any]]
"""A function from arrays to arrays, in chainrule operations."""


def as_jax_function(f: Callable[..., Any], result: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Return `f`, a function of arrays written with NumPy or chainrule, as a function of JAX arrays.

    Positional arguments are pytrees of arrays and reach `f` as NumPy arrays; keyword arguments are passed through. It
    works under `jax.jit`, `jax.grad` and `jax.vjp` (by chainrule's rules, to any order) and `jax.vmap` (row by row);
    JAX has no forward mode through a callback. Anything `f` refers to besides its arguments is constant.

    JAX must know the shapes of the result before it runs. `result(*args)` returns them for arguments that have a
    `shape` and a `dtype`: `jax.ShapeDtypeStruct`s in the structure of the result. Without it `f` runs once at ones for
    each new set of shapes, so it must take ones.

    Raises TypeError for a module whose parameters would be constants and, at the call, for complex arguments and
    results that are not arrays of real numbers.

    >>> import jax
    >>> import numpy as np
    >>> f = as_jax_function(lambda x: (np.sin(x) * x).sum())
    >>> jax.jit(jax.grad(f))(np.array([0.0, 1.0], np.float32)).round(3).tolist()
    [0.0, 1.382]
    """
    needed("jax", WHAT)
    if not callable(f):
        raise TypeError(f"{WHAT}: expected a function, got {type(f).__name__}")
    if isinstance(f, Module) and any(p.requires_grad for p in f.parameters()):
        raise TypeError(
            f"{WHAT}: the parameters of {type(f).__name__} would be constants; pass them as arguments, or freeze them "
            "with model.requires_grad_(False)"
        )
    shapes: dict[Any, Any] = {}

    @functools.wraps(f)
    def called(*args: Any, **settings: Any) -> Any:
        return _called(f, result, shapes, args, settings)

    return called


def _called(f: Callable[..., Any], result: Any, shapes: dict[Any, Any], args: Any, settings: Any) -> Any:
    jax = needed("jax", WHAT)
    leaves, structure = jax.tree_util.tree_flatten(args)
    arrays = [jax.numpy.asarray(leaf) for leaf in leaves]
    for x in arrays:
        if getattr(x.dtype, "kind", "V") not in "fiub":  # a random key's dtype has no kind
            raise TypeError(f"{WHAT}: got an argument of dtype {x.dtype}, expected real numbers that NumPy has")
    abstract = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in arrays]
    form: Any = None

    def program(*plain: Any) -> list[Any]:
        nonlocal form
        y = f(*jax.tree_util.tree_unflatten(structure, plain), **settings)
        outputs, form = jax.tree_util.tree_flatten(y)
        return list(map(_checked, outputs))

    key = (structure, tuple((x.shape, x.dtype) for x in abstract), _hashable(settings))
    if result is not None:
        wanted, form = jax.tree_util.tree_flatten(result(*jax.tree_util.tree_unflatten(structure, abstract)))
        wanted = [jax.ShapeDtypeStruct(x.shape, _kept(jax, x.dtype)) for x in wanted]
    elif key in shapes and key[2] is not None:
        wanted, form = shapes[key]
    else:
        wanted = _shapes(jax, program, abstract)
        shapes[key] = wanted, form
    return jax.tree_util.tree_unflatten(form, apply(program, wanted, arrays))


def _hashable(settings: dict[str, Any]) -> Any:
    """Return settings as a key, or None if there are none."""
    key = tuple(sorted(settings.items()))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _checked(y: Any) -> Any:
    array = np.asarray(value_of(y))
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{WHAT}: the function must return arrays of real numbers, got {type(y).__name__}")
    return y if hasattr(y, "shape") else array


def _kept(jax: Any, dtype: Any) -> Any:
    """Return the dtype in which JAX holds an array of this dtype: float32 for float64 unless x64 is enabled."""
    return jax.dtypes.canonicalize_dtype(dtype)


def _shapes(jax: Any, program: Program, abstract: Sequence[Any]) -> list[Any]:
    """Return the shapes and dtypes of the outputs, found by a run at ones."""
    try:
        with no_grad(), np.errstate(all="ignore"):
            outputs = program(*(np.ones(x.shape, x.dtype) for x in abstract))
    except Exception as error:
        raise ValueError(
            f"{WHAT}: the function raised {type(error).__name__} at ones, where it runs to tell JAX the shapes of its "
            f"result: {error}; if other values are right, pass result=, a function that returns them"
        ) from error
    return [jax.ShapeDtypeStruct(y.shape, _kept(jax, y.dtype)) for y in outputs]


def apply(program: Program, wanted: Sequence[Any], arrays: Sequence[Any]) -> list[Any]:
    """Run a program in a callback that JAX can differentiate; `wanted` are its outputs' shapes and dtypes."""
    jax = needed("jax", WHAT)
    floating = [k for k, x in enumerate(arrays) if x.dtype.kind == "f"]
    moving = [k for k, y in enumerate(wanted) if y.dtype.kind == "f"]

    def on_host(*plain: Any) -> tuple[Any, ...]:
        with no_grad():  # parameters that the function refers to are constants
            outputs = program(*map(np.asarray, plain))
        return tuple(_fitting(y, like) for y, like in zip(outputs, wanted, strict=True))

    # Before JAX 0.4.34 the only way was row by row, and there was no setting.
    named = "vmap_method" in inspect.signature(jax.pure_callback).parameters
    by_rows = {"vmap_method": "sequential"} if named else {}

    def called(*xs: Any) -> Any:
        return jax.pure_callback(on_host, tuple(wanted), *xs, **by_rows)

    def forward(*xs: Any) -> tuple[Any, Any]:
        return run(*xs), xs

    def backward(xs: Any, bars: Any) -> tuple[Any, ...]:
        likes = [jax.ShapeDtypeStruct(xs[k].shape, xs[k].dtype) for k in floating]
        found = iter(apply(pulled(program, len(xs), moving), likes, [*xs, *(bars[k] for k in moving)]))
        return tuple(next(found) if k in floating else None for k in range(len(xs)))

    run = jax.custom_vjp(called)
    run.defvjp(forward, backward)
    return list(run(*arrays))


def pulled(program: Program, count: int, moving: Sequence[int]) -> Program:
    """Return the program of cotangents: from `count` arguments and those of some outputs to the floating arguments'."""

    def pull(*arrays: Any) -> list[Any]:
        xs, bars = arrays[:count], arrays[count:]
        floating = [k for k, x in enumerate(xs) if x.dtype.kind == "f"]

        def of_floating(*some: Any) -> list[Any]:
            filled = list(xs)
            for k, x in zip(floating, some, strict=True):
                filled[k] = x
            outputs = program(*filled)
            return [outputs[k] for k in moving]

        return list(vjp(of_floating, *(xs[k] for k in floating))[1](list(bars)))

    return pull


def _fitting(y: Any, like: Any) -> Any:
    array = np.asarray(value_of(y))
    if array.shape != like.shape:
        raise ValueError(
            f"{WHAT}: the function returned shape {list(array.shape)}, but at ones, or by result=, {list(like.shape)}; "
            "JAX needs a shape that depends on the arguments' shapes alone"
        )
    return array.astype(like.dtype, copy=False)
