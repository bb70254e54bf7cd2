"""What an operation that takes complex numbers promises: its rules hold for them, and its fact is true of it.

The laws of both modes and of second order are those for real numbers: their inner product is the real part of the
product, and a random direction has real and imaginary parts.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.operation import Case, Operation
from chainrule.core.transforms.derivatives import jvp

from . import derivative_laws  # noqa: F401 - its laws are held for complex numbers, too
from .array_laws import as_dtype, like
from .calls import Call, cases_of, is_complex, is_floating, names_of, plain, random_like
from .law import LAWS, Law, Predicate, close, has_derivative, law, record_law

SPREAD = 0.4
"""The imaginary parts of fixed arguments are drawn below this: positive definite matrices remain so."""


def takes_complex(op: type[Operation]) -> bool:
    return op.on_complex not in (Complex.REFUSED, Complex.MADE)


def is_differentiable_in_complex(op: type[Operation]) -> bool:
    return takes_complex(op) and has_derivative(op)


def drawn(op: type[Operation], one: Case, rng: np.random.Generator) -> Call:
    """The call of a case with an imaginary part added to each argument that has a derivative."""
    call = Call.drawn(op, one, rng)
    return with_imaginary(call, call.moving, rng)


def with_imaginary(call: Call, places: tuple[int, ...], rng: np.random.Generator) -> Call:
    args = list(call.args)
    for k in places:
        low, high = call.op.domain.get(call.op.arguments[0 if call.op.variadic else k], (-1.0, 1.0))
        size = SPREAD * min(1.0, high - low)
        args[k] = np.asarray(args[k] + 1j * rng.uniform(-size, size, np.shape(args[k])))
    settings = dict(call.settings)
    if settings.get("dtype") is np.float64:  # in the case of an operation that converts: NumPy warns of a lost part
        settings["dtype"] = np.complex128
    if "strides" in settings:
        settings["strides"] = tuple(2 * stride for stride in settings["strides"])
    return Call.of(call.op, args, settings)


def mixes(call: Call, rng: np.random.Generator) -> Iterator[Call]:
    """The call with all its numbers complex, and with each one alone."""
    yield with_imaginary(call, call.moving, rng)
    if len(call.moving) > 1:
        for k in call.moving:
            one = with_imaginary(call, (k,), rng)
            if not _is_lost(one):
                yield one


def _is_lost(call: Call) -> bool:
    """Whether a complex number would be written into a real array, which is an error with its own words."""
    try:
        call.outputs()
    except TypeError as error:
        if "cannot be written into" in str(error):
            return True
        raise
    return False


def has_numerical_derivative(op: type[Operation]) -> bool:
    return is_differentiable_in_complex(op) and not op.is_free_in_phase


def _of_complex(name: str, applies: Predicate = is_differentiable_in_complex, most: int | None = None) -> Law:
    check = LAWS[name].check

    def through(op: type[Operation], one: Case | None, rng: np.random.Generator) -> None:
        assert one is not None
        for call in mixes(Call.drawn(op, one, rng), rng):
            case = Case(tuple(call.args), call.settings)
            check(op, case, rng)

    found = Law(f"of complex numbers, {name}", through, applies, by_case=True, most=most)
    LAWS[found.name] = found
    return found


adjoint_identity = _of_complex("the modes are adjoint")
finite_differences = _of_complex("forward mode is the derivative", has_numerical_derivative)
second_order = _of_complex("second order", has_numerical_derivative, most=2)


@law("complex derivatives satisfy the Cauchy-Riemann equations", is_differentiable_in_complex)
def cauchy_riemann(call: Call, rng: np.random.Generator) -> None:
    r"""$J (i \dot x) = i J \dot x$ if the record says that the operation is holomorphic."""
    if call.op.on_complex is not Complex.HOLOMORPHIC:
        return
    full = with_imaginary(call, call.moving, rng)
    dots = random_like(rng, full.inputs)
    turned = full.tangents(tuple(1j * dot for dot in dots))
    for y_dot, other in zip(full.tangents(dots), turned, strict=True):
        assert is_complex(y_dot), "the result is real, so the operation is not holomorphic"
        close("J (i x_dot), against i J x_dot,", other, 1j * y_dot, 1e-10)


@record_law("an operation that is not holomorphic differs by the direction", is_differentiable_in_complex)
def not_holomorphic(op: type[Operation]) -> None:
    """Some case of it contradicts the Cauchy-Riemann equations, so the fact says no less than is true."""
    if op.on_complex is Complex.HOLOMORPHIC:
        return
    rng = np.random.default_rng(0)
    for one in cases_of(op):
        call = drawn(op, one, rng)
        dots = random_like(rng, call.inputs)
        straight, turned = call.tangents(dots), call.tangents(tuple(1j * dot for dot in dots))
        if any(
            np.abs(other - 1j * y_dot).max(initial=0.0) > 1e-3 for y_dot, other in zip(straight, turned, strict=True)
        ):
            return
    raise AssertionError("it satisfies the Cauchy-Riemann equations in every case: its fact is Complex.HOLOMORPHIC")


@law("complex64 stays complex64", is_differentiable_in_complex)
def single_precision(call: Call, rng: np.random.Generator) -> None:
    """Results and derivatives of single precision have single precision, real or complex."""
    wide = with_imaginary(call, call.moving, rng)
    single = as_dtype(wide, np.float32)
    narrow = single.outputs()
    if "dtype" not in call.op.defaults:  # which is then the dtype of the result
        assert all(y.dtype in (np.float32, np.complex64) for y in narrow), f"gave {[str(y.dtype) for y in narrow]}"
    bars = random_like(rng, narrow)
    for name, x, got, expected in zip(
        single.names, single.inputs, single.pullback(bars), wide.pullback(bars), strict=True
    ):
        assert got.dtype == x.dtype, f"argument {name}: the gradient of {x.dtype} is {got.dtype}"
        close(f"argument {name}: the gradient in single precision", got, expected, 2e-3)


@law(
    "dtypes may be mixed with complex ones",
    lambda op: is_differentiable_in_complex(op) and len(op.arguments) > 1,
    most=3,
)
def mixed_precision(call: Call, rng: np.random.Generator) -> None:
    """A double precision argument has a gradient of that accuracy, next to a narrower one of either kind."""
    for full in mixes(call, rng):
        for k in full.moving:
            args = [
                x.astype(np.complex64 if is_complex(x) else np.float32) if j == k else x
                for j, x in enumerate(full.args)
            ]
            mixed = Call.of(call.op, args, call.settings)
            wide = Call.of(
                call.op,
                [x.astype(like(x, np.float64)) if is_floating(x) else x for x in args],
                call.settings,
            )
            outputs = mixed.outputs()
            if any(y.dtype.itemsize < (16 if is_complex(y) else 8) for y in outputs):
                continue
            bars = random_like(rng, outputs)
            names = names_of(call.op, len(call.args))
            for j, got, expected in zip(full.moving, mixed.pullback(bars), wide.pullback(bars), strict=True):
                assert got.dtype == args[j].dtype, f"argument {names[j]}: a gradient of {args[j].dtype} is {got.dtype}"
                close(f"argument {names[j]}: the gradient", got, expected, 1e-5 if j == k else 1e-11)


@law("complex numbers are refused by name", lambda op: not takes_complex(op), most=1)
def refused(call: Call, rng: np.random.Generator) -> None:
    """An operation of real numbers says so, with a gradient and without, for each of its arguments."""
    for k, x in enumerate(call.args):
        if not isinstance(x, np.ndarray) or not is_floating(x):
            continue
        args = [x + 0j if j == k else other for j, other in enumerate(call.args)]
        _refuses(call.op, lambda args=args: call.op.apply(*args, **call.settings))
        if k in call.moving:
            one = replace(call, args=tuple(args), moving=(k,))
            _refuses(call.op, lambda one=one: jvp(one, one.inputs, one.inputs))
            _refuses(call.op, lambda one=one: one.pullback(random_like(rng, plain(one(*map(np.real, one.inputs))))))


def _refuses(op: type[Operation], run: Callable[[], Any]) -> None:
    try:
        run()
    except TypeError as error:
        if "real" not in str(error):
            raise AssertionError(f"its refusal of complex numbers does not say what it expects: {error}") from error
    else:
        raise AssertionError("it computes with complex numbers, which its record refuses")
