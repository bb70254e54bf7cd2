"""What NumPy's users rely on: dtypes, shapes, memory layouts, and arguments that stay as they are."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.operation import Operation
from chainrule.core.tensor import Tensor
from chainrule.core.transforms.derivatives import vjp

from .calls import Arrays, Call, is_complex, is_floating, names_of, plain, random_like, variant
from .law import always, close, has_derivative, law


def as_dtype(call: Call, dtype: Any, last: bool = True) -> Call:
    """The call with its floating arguments in another dtype; without `last`, the last of those that move is left."""
    kept = call.moving[-1:] if not last else ()
    args = [
        x.astype(like(x, dtype)) if isinstance(x, np.ndarray) and is_floating(x) and k not in kept else x
        for k, x in enumerate(call.args)
    ]
    return Call.of(call.op, args, call.settings)


def like(x: Any, dtype: Any) -> Any:
    """The dtype of the same precision for the numbers of `x`, real or complex."""
    return np.result_type(dtype, np.complex64) if is_complex(x) else dtype


def settles_dtype(op: type[Operation]) -> bool:
    """Whether the dtype of the result is the operation's own: it is a setting, or NumPy has no loop in float32."""
    ufunc = getattr(np, op.name, None)
    return "dtype" in op.defaults or (isinstance(ufunc, np.ufunc) and not any(t.startswith("f") for t in ufunc.types))


def leaks(call: Call, dtype: Any) -> dict[str, Any]:
    """The rules that give another dtype than `dtype` when every array they see has it."""
    found = {}

    def watched(name: str, rule: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **settings: Any) -> Any:
            result = rule(*args, **settings)
            for part in result if isinstance(result, tuple | list) else (result,):
                if is_floating(part) and part.dtype != like(part, dtype):
                    found[name] = part.dtype
            return result

        return run

    seen = Call.of(variant(call.op, watched), call.args, call.settings)
    seen.pullback(random_like(np.random.default_rng(0), seen.outputs()))
    seen.tangents(random_like(np.random.default_rng(0), seen.inputs))
    return found


@law("float32 stays float32", always)
def single_precision(call: Call, rng: np.random.Generator) -> None:
    """Outputs, tangents, gradients and whatever the rules compute have the dtype of the arguments."""
    single = as_dtype(call, np.float32)
    wide, narrow = call.outputs(), single.outputs()
    if not settles_dtype(call.op):
        assert all(y.dtype == like(y, np.float32) for y in narrow), f"float32 gave {[str(y.dtype) for y in narrow]}"
    for y, expected in zip(narrow, wide, strict=True):
        close("the value in float32", y, expected, 1e-4)
    if not call.moving:
        return
    bars, dots = random_like(rng, narrow), random_like(rng, single.inputs)
    for way in single.ways():
        gradients = way.pullback(bars)
        assert all(g.dtype == like(g, np.float32) for g in gradients), f"{way.label}: a gradient is not float32"
    for name, got, expected in zip(single.names, single.pullback(bars), call.pullback(bars), strict=True):
        close(f"argument {name}: the gradient in float32", got, expected, 1e-3)
    for y, y_dot in zip(narrow, single.tangents(dots), strict=True):
        assert y_dot.dtype == y.dtype, f"the tangent of {y.dtype} is {y_dot.dtype}"
    if not settles_dtype(call.op):
        wrong = leaks(single, np.float32)
        assert not wrong, f"of float32 arrays, {', '.join(f'{rule} made {dtype}' for rule, dtype in wrong.items())}"


@law("dtypes may be mixed")
def mixed_precision(call: Call, rng: np.random.Generator) -> None:
    """Each gradient has the dtype of its own argument."""
    mixed = as_dtype(call, np.float32, last=False)
    for name, x, g in zip(mixed.names, mixed.inputs, mixed.pullback(random_like(rng, mixed.outputs())), strict=True):
        assert g.dtype == x.dtype, f"argument {name}: the gradient of {x.dtype} is {g.dtype}"


KEPT_AS: dict[str, Callable[[Any], Any]] = {
    "float32": lambda x: x.astype(np.float32),
    "float16": lambda x: x.astype(np.float16),
    "a float32 scalar": lambda x: x.astype(np.float32)[()],
    "a Python float": lambda x: float(x) if x.ndim == 0 else x,
}
"""What the other arguments of a float64 one may be."""


@law(
    "a float64 gradient has float64's accuracy",
    lambda op: has_derivative(op) and (op.variadic or len(op.arguments) > 1),
)
def wide_beside_narrow(call: Call, rng: np.random.Generator) -> None:
    """Beside narrower arguments the derivatives are those of the same function of the same values, all in float64.

    Where NumPy computes the value in float64, that is, and for each argument that is float64 itself.
    """
    every = names_of(call.op, len(call.args))
    for k in call.moving:
        for kept, change in KEPT_AS.items():
            others = [j for j, x in enumerate(call.args) if j != k and isinstance(x, np.ndarray) and is_floating(x)]
            for narrow in [others, *([j] for j in others if len(others) > 1)]:
                args = [change(x) if j in narrow else x for j, x in enumerate(call.args)]
                wide = [np.asarray(x, np.float64) if j in narrow else x for j, x in enumerate(args)]
                what = f"argument {every[k]}, with {', '.join(every[j] for j in narrow)} as {kept}:"
                _same_as_wide(what, replace(call, args=tuple(args)), replace(call, args=tuple(wide)), k, rng)


def _same_as_wide(what: str, mixed: Call, wide: Call, k: int, rng: np.random.Generator) -> None:
    try:
        outputs = mixed.outputs()
    except TypeError as error:
        if "float16" not in str(error):
            raise
        return
    if any(y.dtype != like(y, np.float64) for y in outputs):
        return
    bars, dots = random_like(rng, outputs), random_like(rng, [mixed.args[k]])
    for places in {(k,), *((j, k) for j in mixed.moving if j != k and isinstance(mixed.args[j], np.ndarray))}:
        one, other = (replace(way, moving=tuple(sorted(places))) for way in (mixed, wide))
        at = one.moving.index(k)
        close(f"{what} the gradient", one.pullback(bars)[at], other.pullback(bars)[at], 1e-12)
        moved = [dots[0] if j == k else np.zeros_like(one.args[j]) for j in one.moving]
        also = [dots[0] if j == k else np.zeros_like(other.args[j]) for j in one.moving]
        pairs = zip(one.tangents(tuple(moved)), other.tangents(tuple(also)), strict=True)
        for y_dot, expected in pairs:
            close(f"{what} the tangent", y_dot, expected, 1e-12)


@law("float16 stays float16", always)
def half_precision(call: Call, rng: np.random.Generator) -> None:
    """Where NumPy computes in float16 at all, so does the operation."""
    half = as_dtype(call, np.float16)
    with np.errstate(all="ignore"):
        try:
            outputs = half.outputs()
        except TypeError as error:
            if "float16" not in str(error):
                raise
            return
        if not settles_dtype(call.op):
            assert all(y.dtype == like(y, np.float16) for y in outputs), f"gave {[str(y.dtype) for y in outputs]}"
        gradients = half.pullback(random_like(rng, outputs)) if half.moving else ()
    for name, g in zip(half.names, gradients, strict=True):
        assert g.dtype == np.float16, f"argument {name}: the gradient of float16 is {g.dtype}"


@law("derivatives have the shape of their variable")
def shapes(call: Call, rng: np.random.Generator) -> None:
    """Broadcasting is undone in reverse mode, and done in forward mode."""
    outputs = call.outputs()
    for way in call.ways():
        for name, x, g in zip(way.names, way.inputs, way.pullback(random_like(rng, outputs)), strict=True):
            assert g.shape == x.shape, f"argument {name} of shape {x.shape}: its gradient has shape {g.shape}"
        for y, y_dot in zip(outputs, way.tangents(random_like(rng, way.inputs)), strict=True):
            assert y_dot.shape == y.shape, f"{way.label}: the tangent of shape {y.shape} has shape {y_dot.shape}"


def _strided(x: Any) -> Any:
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x[()]


def _read_only(x: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "negative strides": lambda x: np.flip(np.flip(x).copy()),
    "every second element": _strided,
    "Fortran order": lambda x: np.asfortranarray(x) if x.ndim else x,
    "read-only": _read_only,
}


def laid_out(values: Arrays, change: Callable[[Any], Any]) -> Arrays:
    return tuple(change(x) if isinstance(x, np.ndarray) else x for x in values)


def everything(call: Call, bars: Arrays, dots: Arrays) -> dict[str, Any]:
    """Value, gradients and tangents by what an error calls them."""
    found = {f"output {k}": y for k, y in enumerate(call.outputs())}
    if call.moving:
        gradients = zip(call.names, call.pullback(bars), strict=True)
        found |= {f"the gradient of argument {name}": g for name, g in gradients}
        found |= {f"the tangent of output {k}": y_dot for k, y_dot in enumerate(call.tangents(dots))}
    return found


@law("memory layout is of no consequence", always)
def layouts(call: Call, rng: np.random.Generator) -> None:
    """Strides of either sign, axis order and write protection change no result."""
    bars, dots = random_like(rng, call.outputs()), random_like(rng, call.inputs)
    expected = everything(call, bars, dots)
    for layout, change in LAYOUTS.items():
        other = Call.of(call.op, laid_out(call.args, change), call.settings)
        got = everything(other, laid_out(bars, change), laid_out(dots, change))
        for what, value in expected.items():
            close(f"with {layout}, {what}", got[what], value, 1e-12)


def snapshot(values: Arrays) -> list[bytes]:
    return [x.tobytes() for x in values if isinstance(x, np.ndarray)]


@law("nothing is changed in place", always)
def no_mutation(call: Call, rng: np.random.Generator) -> None:
    """Arguments, cotangents, tangents and what the tape has saved stay as they are."""
    outputs = call.outputs()
    bars, dots = random_like(rng, outputs), random_like(rng, call.inputs)
    watched = {"an argument": call.args, "a cotangent": bars, "a tangent": dots}
    before = {what: snapshot(values) for what, values in watched.items()}

    def check_watched() -> None:
        for what, values in watched.items():
            assert snapshot(values) == before[what], f"{what} was changed in place"

    call.op.apply(*call.args, **call.settings)
    check_watched()
    if call.moving:
        y, pullback = vjp(call, *call.inputs)
        values = snapshot(plain(y))
        first, second = snapshot(plain(pullback(bars))), snapshot(plain(pullback(bars)))
        call.tangents(dots)
        assert first == second, "a second pass over the same tape gives other gradients: a rule wrote into what it saw"
        assert snapshot(plain(y)) == values, "the backward pass changed the output"
    check_watched()


@law("a first-order pass sees plain arrays")
def plain_arrays(call: Call, rng: np.random.Generator) -> None:
    """No rule meets a box that some trace forgot to open: the engine's cost stays near NumPy's."""

    def guarded(name: str, rule: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **settings: Any) -> Any:
            for x in args:
                parts = x if isinstance(x, tuple | list) else (x,)
                assert not any(isinstance(part, Tensor) for part in parts), f"{name} was given a Tensor"
            result = rule(*args, **settings)
            parts = result if isinstance(result, tuple | list) else (result,)
            assert not any(isinstance(part, Tensor) for part in parts), f"{name} made a Tensor of plain arrays"
            return result

        return run

    seen = Call.of(variant(call.op, guarded), call.args, call.settings)
    seen.pullback(random_like(rng, seen.outputs()))
    if call.op.composite is None or "jvp" in call.op.rules:
        seen.tangents(random_like(rng, seen.inputs))
