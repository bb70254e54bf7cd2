"""An operation as a `jax.custom_vjp` function that computes in NumPy, by a callback."""

import logging
from typing import Any

import numpy as np

from .entry import Bug, Operation, Rule
from .form import Form, checker


def check(operation: Operation, rule: Rule) -> Any:
    import jax

    report = checker("check_jax")(jax_function(operation, rule), *jax_arguments(operation))
    jax.clear_caches()  # of hundreds of functions that are used once
    return report


def takes(_operation: Operation, bug: Bug | None) -> bool:
    """Leave out changes in place: JAX's arrays cannot be changed."""
    return bug is None or bug.verdict != "mutates-input"


def jax_arguments(operation: Operation) -> list[Any]:
    """Return the arguments as JAX arrays, in float64."""
    import jax

    jax.config.update("jax_enable_x64", True)
    logging.getLogger("jax").setLevel(logging.CRITICAL)  # it logs what a callback raises, and raises it as well
    return [jax.numpy.asarray(x) for x in operation.copies()]


def jax_function(operation: Operation, rule: Rule) -> Any:
    """Return the operation as a `custom_vjp` function."""
    import jax

    jax.config.update("jax_enable_x64", True)
    floating = [k for k, name in enumerate(operation.arguments) if name in operation.floating]

    def run(*args: Any) -> Any:
        return np.asarray(operation.forward(*(np.array(a) for a in args)), np.float64)

    def run_back(y_bar: Any, *args: Any) -> Any:
        with np.errstate(all="ignore"):
            found = rule(np.array(y_bar), *(np.array(a) for a in args))
        return found if isinstance(found, tuple) else (found,)

    @jax.custom_vjp
    def planted(*args: Any) -> Any:
        at = [np.zeros(a.shape, a.dtype) for a in args]
        return jax.pure_callback(run, jax.ShapeDtypeStruct(np.shape(operation.forward(*at)), np.float64), *args)

    def forward(*args: Any) -> Any:
        return planted(*args), args

    def backward(args: Any, y_bar: Any) -> Any:
        at = [np.zeros(a.shape, a.dtype) for a in (y_bar, *args)]
        given = [k for k, g in enumerate(run_back(*at)) if g is not None]
        like = tuple(jax.ShapeDtypeStruct(np.shape(g), g.dtype) for g in run_back(*at) if g is not None)
        values = jax.pure_callback(lambda *a: tuple(g for g in run_back(*a) if g is not None), like, y_bar, *args)
        found = dict(zip(given, values, strict=True))
        grads = [found.get(k) for k in range(len(run_back(*at)))]
        for k, a in enumerate(args):
            if k not in floating:
                grads.insert(k, np.zeros(a.shape, jax.dtypes.float0))
        return tuple(grads)

    planted.defvjp(forward, backward)
    return planted


JAX = Form("jax.custom_vjp", check, "check_jax", "jax", takes)
