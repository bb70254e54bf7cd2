"""What a record promises beyond its rules: its kind, its reference, its composite, its kinks."""

from typing import Any

import numpy as np

from chainrule.core.operation import Kink, Operation
from chainrule.core.transforms.derivatives import jvp, vjp

from .calls import Call, plain, random_like
from .law import always, close, law, record_law


@law("linear in its arguments together", lambda op: op.kind == "linear")
def linear(call: Call, rng: np.random.Generator) -> None:
    r"""$f(\alpha x + \beta z) = \alpha f(x) + \beta f(z)$"""
    _combine(call, rng, "the operation is not linear:")


@law("linear in each argument", lambda op: op.kind == "bilinear")
def bilinear(call: Call, rng: np.random.Generator) -> None:
    """Linear in each of its arguments while the other is held."""
    for way in call.ways():
        if len(way.moving) == 1:
            _combine(way, rng, f"{way.label}: the operation is not linear:")


def _combine(call: Call, rng: np.random.Generator, what: str) -> None:
    first, second = call.inputs, random_like(rng, call.inputs)
    mixed = call(*(0.5 * x - 0.75 * z for x, z in zip(first, second, strict=True)))
    for got, y, z in zip(mixed, call(*first), call(*second), strict=True):
        close(f"{what} f(x/2 - 3z/4)", got, 0.5 * y - 0.75 * z, 1e-12)


@law("the primal is its reference", lambda op: op.reference is not None)
def reference(call: Call, rng: np.random.Generator) -> None:
    """The plain NumPy form of the record gives the same values."""
    _same_values("the value, against the record's reference,", call, call.op.reference)


@law("the fused form is its composite", lambda op: op.composite is not None)
def fused(call: Call, rng: np.random.Generator) -> None:
    """Value, gradients and second derivative are those of the operations that define it."""
    composite = call.op.composite
    _same_values("the value, against the composite,", call, composite)
    bars = random_like(rng, call.outputs())
    for way in call.ways():
        expected = plain(vjp(way.using(composite), *way.inputs)[1](bars))
        for name, got, x_bar in zip(way.names, way.pullback(bars), expected, strict=True):
            close(f"argument {name}: the gradient, against the composite's,", got, x_bar, 1e-10)
    dots = random_like(rng, call.inputs)
    for got, y_dot in zip(call.tangents(dots), plain(jvp(call.using(composite), call.inputs, dots)[1]), strict=True):
        close("the tangent, against the composite's,", got, y_dot, 1e-10)
    _same_curvature(call, bars, dots)


def _same_values(what: str, call: Call, other: Any) -> None:
    outputs = call.op.apply(*call.args, **call.settings)
    expected = other(*call.args, **{**call.op.defaults, **call.settings})
    several = isinstance(outputs, tuple)
    for got, y in zip(outputs if several else (outputs,), expected if several else (expected,), strict=True):
        close(what, got, y, 1e-12)


def _same_curvature(call: Call, bars: Any, dots: Any) -> None:
    def curvature(f: Any) -> Any:
        return plain(jvp(lambda *xs: vjp(f, *xs)[1](bars), call.inputs, dots)[1])

    for name, got, expected in zip(call.names, curvature(call), curvature(call.using(call.op.composite)), strict=True):
        close(f"argument {name}: the second derivative, against the composite's,", got, expected, 1e-10)


@record_law("kinks have the promised value", lambda op: bool(op.kinks))
def kinks(op: type[Operation]) -> None:
    """Where there is no derivative, both modes give the partials that the record promises."""
    for kink in op.kinks:
        _check_kink(op, kink)


def _check_kink(op: type[Operation], kink: Kink) -> None:
    assert kink.reason, f"the kink at {kink.at} gives no reason"
    at = [x if x is None else np.asarray(x, float) for x in kink.at]
    call = Call.of(op, at, {})
    outputs = call.outputs()
    ones = tuple(np.ones(np.shape(y)) for y in outputs)
    gradients = call.pullback(ones)
    for place, k in enumerate(call.moving):
        promised = np.broadcast_to(np.asarray(kink.value[k], float), np.shape(at[k]))
        what = f"at {kink.at}, the partial for argument {call.names[place]}"
        close(f"{what} in reverse mode", gradients[place], promised, 1e-12)
        forward = np.empty(np.shape(at[k]))
        for element in np.ndindex(forward.shape):
            dots = [np.zeros_like(x) for x in call.inputs]
            dots[place][element] = 1.0
            forward[element] = sum(float(y_dot.sum()) for y_dot in call.tangents(tuple(dots)))
        close(f"{what} in forward mode", forward, promised, 1e-12)


@law("constants stop the gradient", lambda op: op.kind == "constant")
def constant(call: Call, rng: np.random.Generator) -> None:
    """An operation without a derivative is a constant of every trace, and has no rules."""
    assert not call.op.rules, f"a constant operation has the rules {sorted(call.op.rules)}"
    for k, x in enumerate(call.args):
        if isinstance(x, np.ndarray) and x.dtype == np.float64:
            one = Call(call.op, call.args, call.settings, (k,))
            outputs = one.outputs()
            (gradient,) = one.pullback(tuple(np.ones(y.shape, y.dtype) for y in outputs))
            assert not gradient.any(), f"argument {one.label}: the gradient is not zero"


@law("the value is finite and repeatable", always)
def repeatable(call: Call, rng: np.random.Generator) -> None:
    """Inside its domain, an operation gives finite numbers, and the same ones twice."""
    first, second = call.outputs(), call.outputs()
    for y, again in zip(first, second, strict=True):
        assert np.isfinite(y).all(), "the value is not finite: set the record's domain"
        close("a second call", again, y, 0.0)
