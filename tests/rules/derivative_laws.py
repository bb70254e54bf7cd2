"""The rules of both modes, to first and second order, against each other and against finite differences."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.transforms.derivatives import jvp, vjp

from .calls import Arrays, Call, plain, random_like
from .law import close, difference, law, scale_of

STEPS = (1e-2, 1e-3, 5e-5)
"""The first suits smooth functions; the last stays beside kinks that the record does not name."""
WEIGHTS = ((1, 45 / 60), (2, -9 / 60), (3, 1 / 60))
"""Central differences of sixth order (Fornberg, 1988, table 1)."""


def inner(left: Arrays, right: Arrays) -> tuple[float, float]:
    """The inner product of two lists of arrays, and the sum of the magnitudes of its terms.

    That of complex numbers is the real part of their product, without a conjugation.
    """
    terms = np.concatenate([np.ravel(a * b) for a, b in zip(left, right, strict=True)] or [np.zeros(0)]).real
    return float(terms.sum()), float(np.abs(terms).sum())


def same(what: str, left: tuple[float, float], right: tuple[float, float], tolerance: float) -> None:
    """Assert that two inner products agree, relative to the magnitudes of their terms."""
    bound = tolerance * (left[1] + right[1] + 0.01)
    assert abs(left[0] - right[0]) <= bound, (
        f"{what}: {left[0]:.12g} and {right[0]:.12g} differ, the terms allow {bound:.1g}"
    )


def slopes(f: Callable[..., Arrays], inputs: Arrays, direction: Arrays, steps: Sequence[float] = STEPS) -> list[Any]:
    """The derivative of each output along a direction, one row for each step."""

    def at(shift: float) -> Arrays:
        return plain(f(*(np.asarray(x + shift * v) for x, v in zip(inputs, direction, strict=True))))

    def slope(step: float) -> list[Any]:
        pairs = [(weight / step, at(k * step), at(-k * step)) for k, weight in WEIGHTS]
        return [sum(w * (up[n] - down[n]) for w, up, down in pairs) for n in range(len(pairs[0][1]))]

    # A step may leave the domain; a smaller one does not.
    with np.errstate(all="ignore"):
        return [np.stack(rows) for rows in zip(*(slope(step) for step in steps), strict=True)]


def check_slopes(
    what: str, got: Arrays, f: Callable[..., Arrays], inputs: Arrays, direction: Arrays, tolerance: float
) -> None:
    """Assert that derivatives agree with finite differences, element by element, at the step that suits the element.

    An element where no two steps agree lies on a kink: there is nothing to compare it with. One such element may be
    chance; many are a function that is not smooth, or not the same twice.
    """
    values = plain(f(*inputs))
    first = slopes(f, inputs, direction, STEPS[:1])
    if all(_is_near(*one, tolerance) for one in zip(got, first, values, strict=True)):
        return  # the other steps are for elements that differ at this one
    others = slopes(f, inputs, direction, STEPS[1:])
    every = [np.concatenate(rows) for rows in zip(first, others, strict=True)]
    for k, (derivative, rows, value) in enumerate(zip(got, every, values, strict=True)):
        name = f"{what} of output {k}" if len(got) > 1 else what
        assert derivative.shape == value.shape, f"{name} has shape {derivative.shape}, expected {value.shape}"
        if not derivative.size:
            continue
        assert np.isfinite(derivative).all(), f"{name} is not finite"
        with np.errstate(invalid="ignore"):
            error = _finite(np.abs(rows - derivative))
            spread = _finite(np.abs(np.diff(rows, axis=0))).min(axis=0)
        scale = scale_of(derivative, rows[-1])
        off = error.min(axis=0) > tolerance * scale + 1e-12 * scale_of(value)
        rough = spread > 1e-6 * scale + 1e-10 * scale_of(value)
        if (wrong := off & ~rough).any():
            best = np.take_along_axis(rows, error.argmin(axis=0)[None], axis=0)[0]
            raise AssertionError(f"{name} {difference(derivative, best, np.where(wrong, error.min(axis=0), 0.0))}")
        unknown = int((off & rough).sum())
        assert unknown <= max(1, derivative.size // 2), f"{name}: the finite differences do not converge, is it smooth?"


def _is_near(derivative: Any, rows: Any, value: Any, tolerance: float) -> bool:
    """Whether every element agrees with the first finite difference: as `check_slopes` asks of any of them."""
    if derivative.shape != value.shape or not np.isfinite(derivative).all():
        return False
    bound = tolerance * scale_of(derivative) + 1e-12 * scale_of(value)
    with np.errstate(invalid="ignore"):
        return bool((np.abs(rows[0] - derivative) <= bound).all())


def _finite(x: Any) -> Any:
    return np.where(np.isnan(x), np.inf, x)


@law("the modes are adjoint")
def adjoint_identity(call: Call, rng: np.random.Generator) -> None:
    r"""$\langle \bar y, J \dot x \rangle = \langle J^\top \bar y, \dot x \rangle$, to rounding."""
    for way in call.ways():
        dots, bars = random_like(rng, way.inputs), random_like(rng, way.outputs())
        forward, reverse = way.tangents(dots), way.pullback(bars)
        same(f"{way.label}: <y_bar, J x_dot> and <J^T y_bar, x_dot>", inner(bars, forward), inner(reverse, dots), 2e-12)


@law("forward mode is the derivative")
def finite_differences(call: Call, rng: np.random.Generator) -> None:
    r"""$J \dot x$ is the limit of $(f(x + h \dot x) - f(x)) / h$."""
    for way in call.ways():
        dots = random_like(rng, way.inputs)
        check_slopes(f"{way.label}: J x_dot", way.tangents(dots), way, way.inputs, dots, 1e-8)


@law("second order")
def second_order(call: Call, rng: np.random.Generator) -> None:
    r"""All four nestings of the modes give the same $H w$ of $\langle \bar y, f \rangle$, and it is the derivative."""
    call = replace(call, moving=tuple(k for k in call.moving if not call.op.once & set(call.op.arguments[k : k + 1])))
    if not call.moving:
        return
    inputs, count = call.inputs, len(call.moving)
    u, w = random_like(rng, inputs), random_like(rng, inputs)
    bars = random_like(rng, call.outputs())

    def gradient(*values: Any) -> Any:
        return vjp(call, *values[:count])[1](values[count:] or bars)

    def along_u(*values: Any) -> Any:
        return jvp(call, values, u)[1]

    hessian_w = plain(jvp(gradient, inputs, w)[1])
    check_slopes(f"{call.label}: forward over reverse", hessian_w, gradient, inputs, w, 1e-7)
    twice = plain(vjp(gradient, *inputs, *bars)[1](w))
    for name, got, expected in zip(call.names, twice, hessian_w, strict=False):
        close(f"argument {name}: reverse over reverse against forward over reverse", got, expected, 1e-10)
    for got, expected in zip(twice[count:], call.tangents(w), strict=True):
        close("reverse over reverse with respect to y_bar, against J x_dot", got, expected, 1e-10)
    expected = inner(hessian_w, u)
    forward_twice = inner(bars, plain(jvp(along_u, inputs, w)[1]))
    same("forward over forward against forward over reverse", forward_twice, expected, 1e-10)
    reverse_forward = inner(plain(vjp(along_u, *inputs)[1](bars)), w)
    same("reverse over forward against forward over reverse", reverse_forward, expected, 1e-10)
