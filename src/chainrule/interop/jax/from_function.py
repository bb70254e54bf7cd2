"""`from_jax_function`: a JAX function as a chainrule operation."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.core.custom import Custom, is_floating
from chainrule.interop.foreign import Function, Library, is_array, operation

WHAT = "from_jax_function"
Jax = Any
"""A JAX array."""


def from_jax_function(f: Function, several: bool = False) -> Custom:
    """Return `f`, a function of JAX arrays, as a chainrule operation: a `cr.custom` with both rules.

    `f(*args, **settings)` gets JAX arrays and returns one, or a tuple of them with `several`. JAX differentiates it
    with respect to the floating arguments, in both modes and to any order. Keyword arguments are passed through.
    Anything `f` refers to besides its arguments is constant. If an argument is float64, JAX computes the call in
    float64 even without `jax_enable_x64`. Pass `jax.jit(f)` to have it compiled.

    Raises TypeError at the call if the result is not an array of a real dtype that NumPy has.

    >>> import chainrule as cr
    >>> import jax, numpy as np
    >>> erf = from_jax_function(jax.scipy.special.erf)
    >>> cr.elementwise_grad(erf)(np.array([0.0, 1.0]))
    array([1.12837917, 0.4151075 ])
    """
    jax = needed("jax", WHAT)
    if not callable(f):
        raise TypeError(f"{WHAT}: expected a function, got {type(f).__name__}")
    return operation(JAX(jax), f, several)


class JAX(Library):
    """JAX as a provider of operations."""

    def __init__(self, jax: Any) -> None:
        self.jax = jax

    def run(self, f: Function, args: Sequence[Any], settings: dict[str, Any]) -> list[Any]:
        """Return the outputs."""
        with self.precision(args):
            return [self.array(y) for y in self.outputs(f(*map(self.given, args), **settings))]

    def record(self, f: Function, args: Sequence[Any], settings: dict[str, Any]) -> tuple[list[Any], Function]:
        """Return the outputs and JAX's pullback."""
        with self.precision(args):
            given = list(map(self.given, args))
            floating = [k for k, x in enumerate(args) if is_floating(x)]
            outputs, pull = self.jax.vjp(self.of_floating(f, given, floating, settings), *(given[k] for k in floating))

        def pullback(bars: Sequence[Any]) -> list[Any]:
            with self.precision(args):
                return [self.array(g) for g in pull(self.cotangents(outputs, bars))]

        return [self.array(y) for y in outputs], pullback

    def pulled(self, f: Function, count: int) -> Function:
        """Return the function of cotangents."""

        def pull(*given: Jax, **settings: Any) -> tuple[Jax, ...]:
            bars, args = given[:count], given[count:]
            floating = [k for k, x in enumerate(args) if is_floating(x)]
            g = self.of_floating(f, args, floating, settings)
            outputs, pullback = self.jax.vjp(g, *(args[k] for k in floating))
            return tuple(pullback(self.cotangents(outputs, bars)))

        return pull

    def pushed(self, f: Function, count: int) -> Function:
        """Return the function of tangents."""

        def push(*given: Jax, **settings: Any) -> tuple[Jax, ...]:
            args, dots = given[:count], given[count:]
            floating = [k for k, x in enumerate(args) if is_floating(x)]
            g = self.of_floating(f, args, floating, settings)
            tangents = self.jax.jvp(g, tuple(args[k] for k in floating), tuple(dots))[1]
            return tuple(map(self.filled, tangents))

        return push

    def of_floating(
        self, f: Function, args: Sequence[Any], places: Sequence[int], settings: dict[str, Any]
    ) -> Function:
        """Return `f` as a function of some of its arguments that returns a tuple."""

        def fewer(*some: Jax) -> tuple[Jax, ...]:
            filled = list(args)
            for k, x in zip(places, some, strict=True):
                filled[k] = x
            return tuple(self.outputs(f(*filled, **settings)))

        return fewer

    def cotangents(self, outputs: Sequence[Jax], bars: Sequence[Any]) -> tuple[Any, ...]:
        """Return cotangents in the dtypes of the outputs; those of integers have JAX's dtype without values, float0."""
        return tuple(
            self.jax.numpy.asarray(bar, y.dtype) if is_floating(y) else np.zeros(y.shape, self.jax.dtypes.float0)
            for y, bar in zip(outputs, bars, strict=True)
        )

    def filled(self, y_dot: Any) -> Any:
        """Return a tangent, zeros for float0."""
        return np.zeros(y_dot.shape) if y_dot.dtype == self.jax.dtypes.float0 else y_dot

    # Arrays

    def precision(self, args: Sequence[Any]) -> AbstractContextManager[Any]:
        """Return a context in which JAX keeps float64, if any array has it."""
        if not any(isinstance(x, float) or getattr(x, "dtype", None) == np.float64 for x in args):
            return nullcontext()
        modern = hasattr(self.jax, "enable_x64")  # before JAX 0.8 it was in jax.experimental
        home = self.jax if modern else needed("jax.experimental", WHAT)
        context: AbstractContextManager[Any] = home.enable_x64(True)
        return context

    def given(self, x: Any) -> Any:
        """Return an array as a JAX array; anything else unchanged."""
        return self.jax.numpy.asarray(x) if is_array(x) else x

    def array(self, y: Jax) -> Any:
        """Return a JAX array as a new NumPy array or scalar."""
        array = np.array(y)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"the result is {array.dtype}, expected real numbers that NumPy has")
        return array[()]

    def outputs(self, y: Any) -> list[Jax]:
        """Return what a function returned as a list of arrays."""
        found = list(y) if isinstance(y, tuple | list) else [y]
        for item in found:
            if not isinstance(item, self.jax.Array | np.ndarray | np.generic | float | int):
                raise TypeError(f"the result is {type(item).__name__}, expected arrays of JAX")
        return [self.jax.numpy.asarray(item) for item in found]
