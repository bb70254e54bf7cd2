"""Functions under `jax.custom_vjp` and `jax.custom_jvp`, of JAX and of packages, taken as they are installed.

None of their code is here. Each is looked up at run time, is used only where it is right, and is left out where its
package is missing: `python -m pip install --no-deps --target LIBRARIES ott-jax optax jaxopt lineax …`.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.check.report.report import CheckReport

from .packages import looked_up, package_of
from .passes import Pass, definite, drawn, positive

Array = Any


@dataclass(frozen=True)
class JaxPass(Pass):
    """A function with a custom rule, and how its arguments are drawn: a shape, a function, or the value itself."""

    function: Any = None

    @property
    def changed(self) -> Callable[..., Any]:
        """Its rule."""
        found = inspect.unwrap(getattr(self.function, "bwd", None) or self.function.jvp)
        assert callable(found)
        return found

    def drawn(self, seed: int) -> list[Any]:
        """Return arguments drawn at random."""
        rng = np.random.default_rng(seed)
        return [drawn(a, rng) for a in self.arguments]

    def with_rule(self, rule: Callable[..., Any] | None) -> Any:
        """Return the function, with another rule if one is given."""
        if rule is None:
            return self.function
        made = type(self.function)(self.function.fun, nondiff_argnums=self.function.nondiff_argnums)
        if hasattr(self.function, "bwd"):
            made.defvjp(self.function.fwd, rule)
        else:
            made.defjvp(rule)
        return made

    def gradients(self, rule: Callable[..., Any] | None, seed: int) -> list[Any]:
        """Return the value that the rule gives and the gradients, at arguments drawn at random."""
        jax = importlib.import_module("jax")
        with jax.enable_x64(True):
            args = self.drawn(seed)
            where = [k for k, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
            f = self.with_rule(rule)

            def of(*some: Any) -> Any:
                return f(*(some[where.index(k)] if k in where else a for k, a in enumerate(args)))

            y, pullback = jax.vjp(of, *(jax.numpy.asarray(args[k]) for k in where))
            rng = np.random.default_rng(seed)
            bar = jax.tree_util.tree_map(lambda t: jax.numpy.asarray(rng.standard_normal(t.shape), t.dtype), y)
            return [np.asarray(a) for a in (*jax.tree_util.tree_leaves(y), *pullback(bar))]

    def report(self, rule: Callable[..., Any] | None, explain: bool = True) -> CheckReport:
        """Check the function as it is, or with another rule; a cause is always sought."""
        del explain
        jax = importlib.import_module("jax")
        with jax.enable_x64(True):
            return cr.check_jax(self.with_rule(rule), *self.drawn(0))


FUNCTIONS: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("jax._src.lax.other", "logaddexp", ((4, 5), (4, 5))),
    ("jax._src.lax.other", "logaddexp2", ((4, 5), (4, 5))),
    ("jax._src.numpy.lax_numpy", "_i0", ((4, 5),)),
    ("jax._src.numpy.linalg", "_det", ((3, 3),)),
    ("jax._src.nn.functions", "_softmax", ((4, 5), 1)),
    ("jax._src.scipy.special", "xlogy", (positive(4, 5), positive(4, 5))),
    ("jax._src.scipy.special", "xlog1py", (positive(4, 5), positive(4, 5))),
    ("jax._src.scipy.special", "_xlogx", (positive(4, 5),)),
    ("jax._src.scipy.special", "log_ndtr", ((4, 5),)),
    ("jax._src.scipy.special", "expi", (positive(6),)),
    ("jax._src.scipy.special", "expn", (2, positive(6))),
    ("jax._src.scipy.special", "sici", (positive(6),)),
    ("jax._src.third_party.scipy.special", "fresnel", (positive(6),)),
    ("ott.math.utils", "norm", ((5,),)),
    ("ott.math.utils", "logsumexp", ((4, 5), 1)),
    ("ott.math.utils", "lambertw", (positive(5),)),
    ("ott.math.matrix_square_root", "sqrtm_only", (definite(3), 1e-14)),
    ("ott.math.matrix_square_root", "inv_sqrtm_only", (definite(3), 1e-14)),
    ("optax.projections._projections", "_projection_unit_simplex", ((6,),)),
    ("optax.losses._classification", "weighted_logsoftmax", ((4, 5), positive(4, 5))),
    ("jaxopt._src.projection", "_projection_unit_simplex", ((6,),)),
    ("jaxopt._src.projection", "_projection_unit_sparse_simplex", ((6,), 3)),
    ("lineax._norm", "_two_norm", ((5,),)),
)
"""Module, name, and arguments."""


def jax_packages() -> Iterator[tuple[str, list[Pass]]]:
    """Yield the functions of each package that is there, and an empty list for one that is not."""
    for name in dict.fromkeys(package_of(module) for module, _, _ in FUNCTIONS):
        made = (_made(*one) for one in FUNCTIONS if package_of(one[0]) == name)
        yield name, [one for one in made if one is not None]


def _made(module: str, name: str, args: tuple[Any, ...]) -> Pass | None:
    function = looked_up(module, name)
    return None if function is None else JaxPass(function.fun, function, args, function=function)
