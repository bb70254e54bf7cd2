"""`check_jax`: does JAX compute the right gradient for this `custom_vjp`, `custom_jvp` or ordinary function?"""

from collections.abc import Collection
from typing import Any

from chainrule.base.optional import needed
from chainrule.check.checker import examine
from chainrule.check.measuring.measure import BUDGET
from chainrule.check.report.report import CheckReport
from chainrule.interop.reports import with_note

from .parts import DissectedJax


def check_jax(
    f: Any,
    *args: Any,
    full: bool = False,
    seed: int = 0,
    expected: str | Collection[str] = (),
    budget: float = BUDGET,
    **settings: Any,
) -> CheckReport:
    """Say whether the gradient that JAX computes is right and, if not, why and where it is wrong.

    `f` is a function under `jax.custom_vjp` or `jax.custom_jvp`, or any function of arrays, and is called with `*args`,
    which may be pytrees, and `**settings`. It checks the gradients of the floating arrays in `args` except those in
    `nondiff_argnums`, or of Python floats if there is no array. Closed-over arrays are constants: pass what is to be
    checked.

    The method, `expected` and `budget` are those of `chainrule.check`.
    Without `jax_enable_x64`, JAX computes in float32; the same code is then checked in float64, if it accepts float64.
    A wrong gradient is traced to the first custom rule or `stop_gradient` that causes it. JAX's two modes cannot check
    each other, since its reverse mode is the transposed forward mode.

    Raises what `f` raises at `args`, TypeError if there is nothing to check or a value is bfloat16, and ImportError
    without JAX.

    >>> import jax, numpy as np
    >>> @jax.custom_vjp
    ... def square(x):
    ...     return x * x
    >>> square.defvjp(lambda x: (x * x, x), lambda x, y_bar: (y_bar * x,))
    >>> report = check_jax(square, np.linspace(1, 2, 5))
    >>> report.verdict, report.findings[0].code
    ('wrong', 'factor')
    """
    needed("jax", "check_jax")
    if not callable(f):
        raise TypeError(f"check_jax: expected a function, got {type(f).__name__}")
    subject = DissectedJax(f, args, settings, seed=seed)
    report = examine(subject, full=full, seed=seed, expected=expected, budget=budget)
    return with_note(report, subject.arguments)
