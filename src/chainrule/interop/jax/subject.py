"""JAX functions under check, with or without a custom rule."""

import copy
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FunctionType
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.check.subjects.editing import with_helpers
from chainrule.check.subjects.functions import argument_names
from chainrule.check.subjects.subject import (
    Array,
    Arrays,
    BackwardError,
    Subject,
    cut,
    joined,
    located,
    shortened,
)
from chainrule.interop.reports import reproduction

EAGER_RUNS = 4
"""How often a function runs before it is compiled: by then it is known to be deterministic."""
SLOW = 0.5
"""Seconds of the processor's time that a slow call takes."""
Jax = Any
"""A JAX array or other JAX object."""


class JaxSubject(Subject):
    """A JAX function at given arguments, which may be pytrees.

    `wide` says whether it runs in float64, `known` whether it is known to be deterministic, and so may be compiled.
    """

    effort = 8.0  # a changed rule runs uncompiled, some ten milliseconds for a few lines

    def __init__(
        self,
        f: Any,
        args: Sequence[Any],
        settings: Mapping[str, Any],
        *,
        tracked: Sequence[bool] | None = None,
        wide: bool = False,
        known: bool = False,
        seed: int = 0,
    ) -> None:
        self.jax = needed("jax", "check_jax")
        self.known = known
        self.f, self.args, self.settings, self.wide, self.seed = f, tuple(args), dict(settings), wide, seed
        self.runs: dict[str, tuple[int, Any]] = {}
        self.seen: dict[str, list[Array]] = {}
        self.name = getattr(f, "__name__", type(f).__name__)
        rule, rules = self._rule(), [one for one in _rules_of_each(f) if one is not None]
        self.backward_name = "" if rule is None else str(getattr(rule, "__name__", "backward"))
        if rules:
            rule, self.backward_name = rules[0], f"defjvps of {self.name}"
        self.source = located(f if rule is None else rule)
        if (forward := getattr(f, "fwd", None)) is not None:
            self.beside_name, self.beside_source = str(getattr(forward, "__name__", "fwd")), located(forward)
        elif rule is not None:
            self.beside_name = self.backward_name
        with self.precision():
            ways, self.structure = self.jax.tree_util.tree_flatten_with_path(self.args)
            self.leaves = [self._as_array(leaf) for _, leaf in ways]
            self.tracked = self._tracked([way for way, _ in ways]) if tracked is None else list(tracked)
            self.names = self._leaf_names([way for way, _ in ways])
            self.positions = {name: k for k, name in enumerate(self.names) if self.tracked[k]}
            self.arguments = {name: self._array(name, self.leaves[k]) for name, k in self.positions.items()}

    def _rule(self) -> Any:
        """Return the user's rule, as passed to `defvjp` or `defjvp`."""
        for kind, rule in ((self.jax.custom_vjp, "bwd"), (self.jax.custom_jvp, "jvp")):
            if isinstance(self.f, kind):
                return getattr(self.f, rule)
        return None

    def precision(self) -> AbstractContextManager[Any]:
        """Return a context in which JAX computes as this subject does."""
        if not self.wide:
            return nullcontext()
        modern = hasattr(self.jax, "enable_x64")  # before JAX 0.8 it was in jax.experimental
        home = self.jax if modern else needed("jax.experimental", "check_jax")
        context: AbstractContextManager[Any] = home.enable_x64(True)
        return context

    # What can be differentiated

    def _as_array(self, leaf: Any) -> Any:
        """Return an array as JAX sees it; anything else unchanged."""
        if not self._is_floating(leaf):
            return leaf
        return self.jax.numpy.asarray(leaf, np.float64 if self.wide else None)

    def _is_floating(self, x: Any) -> bool:
        return hasattr(x, "dtype") and bool(self.jax.numpy.issubdtype(x.dtype, self.jax.numpy.floating))

    def _tracked(self, ways: list[Any]) -> list[bool]:
        count = len(self.args)  # of which those with a default may be fewer than the rule counts
        fixed = {k if k >= 0 else k + count for k in getattr(self.f, "nondiff_argnums", ())}
        free = [way[0].idx not in fixed for way in ways]
        arrays = [ok and self._is_floating(leaf) for ok, leaf in zip(free, self.leaves, strict=True)]
        numbers = [ok and isinstance(leaf, float) for ok, leaf in zip(free, self.leaves, strict=True)]
        return arrays if any(arrays) else numbers

    def _leaf_names(self, ways: list[Any]) -> list[str]:
        labels = argument_names(self.f, len(self.args))
        return [labels[way[0].idx] + self.jax.tree_util.keystr(way[1:]) for way in ways]

    def _array(self, name: str, x: Any) -> Array:
        array = np.array(self.jax.numpy.asarray(x))
        if array.dtype.kind != "f":
            raise TypeError(
                f"check_jax: {name} is {array.dtype}, which NumPy does not have; pass float32 and check that"
            )
        return array

    # Calling it

    def _outputs(self, values: Mapping[str, Any]) -> list[Any]:
        leaves = list(self.leaves)
        for name, k in self.positions.items():
            leaves[k] = values[name]
        result = self.f(*self.jax.tree_util.tree_unflatten(self.structure, leaves), **self.settings)
        outputs = [y for y in self.jax.tree_util.tree_leaves(result) if self._is_floating(y) or isinstance(y, float)]
        if not outputs:
            raise TypeError(f"check_jax: {self.name} must return at least one array of floats")
        return outputs

    def values(self, arguments: Arrays) -> dict[str, Jax]:
        """Return the arguments as JAX arrays."""
        return {name: self.jax.numpy.asarray(x) for name, x in arguments.items()}

    def outputs(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the floating outputs at other arguments."""
        with self.precision():
            return self._outputs(values)

    def forward(self, arguments: Arrays) -> Array:
        """Run the function."""
        with self.precision():
            outputs = self._run(self._outputs, self.values(arguments))
        return joined([self._array("the output", y) for y in outputs])

    def backward(self, arguments: Arrays, y_bar: Array) -> dict[str, Any]:
        """Run JAX's reverse mode, which calls the user's rule."""
        with self.precision():
            try:
                gradients = self._run(self._gradients, self.values(arguments), self.jax.numpy.asarray(y_bar))
            except Exception as error:
                untraceable = isinstance(error, self.jax.errors.JAXTypeError)
                verdict = "shape" if "shape" in str(error) and not untraceable else "signature"
                if verdict == "shape" and (raw := self._raw(arguments, y_bar)) is not None:
                    return raw  # the checker says whose shape is wrong, and why
                said = f"{type(error).__name__}: {error}"
                raise BackwardError(verdict, f"{self.backward_name or 'the backward pass'} raised {said}") from error
        return {name: np.array(g) for name, g in gradients.items()}

    def value_beside(self, arguments: Arrays) -> Array | None:
        """Return the value as it is where the function is differentiated: a custom rule returns its own."""
        with self.precision():
            outputs = self.jax.vjp(self._outputs, self.values(arguments))[0]
        return joined([self._array("the output", y) for y in outputs])

    def editable(self) -> Iterator[tuple[FunctionType, Callable[[FunctionType], Subject | None]]]:
        """Yield the function's custom rule, and the user's functions that it calls."""
        f = self.f
        if isinstance(f, self.jax.custom_vjp):
            yield from with_helpers(f.bwd, self._with(lambda made, bwd: made.defvjp(f.fwd, bwd, **_zeros(f))))
        elif isinstance(f, self.jax.custom_jvp):
            rules = _rules_of_each(f)
            for k, one in enumerate(rules):

                def with_one(made: Any, rule: Any, k: int = k) -> None:
                    made.defjvps(*rules[:k], rule, *rules[k + 1 :])

                yield from with_helpers(one, self._with(with_one))
            if not rules:
                yield from with_helpers(f.jvp, self._with(lambda made, jvp: made.defjvp(jvp, **_zeros(f))))

    def _with(self, define: Callable[[Any, Any], Any]) -> Callable[[Any], Subject]:
        """Return what makes this function with a changed rule, which `define` gives to a new one."""

        def rebuilt(rule: Any) -> Subject:
            twin: JaxSubject = copy.copy(self)
            twin.f, twin.runs = type(self.f)(self.f.fun, nondiff_argnums=self.f.nondiff_argnums), {}
            twin.seen = {}
            twin.known = False  # of hundreds of changed rules each runs once: compiling them takes longer
            define(twin.f, rule)
            return twin

        return rebuilt

    def _raw(self, arguments: Arrays, y_bar: Array) -> dict[str, Any] | None:
        """Return what a custom_vjp's own backward pass gives, or None if it cannot be called on its own."""
        if not isinstance(self.f, self.jax.custom_vjp) or self.f.nondiff_argnums or len(self.leaves) != len(self.args):
            return None
        values = self.values(arguments)
        args = [values.get(name, leaf) for name, leaf in zip(self.names, self.leaves, strict=True)]
        try:
            y, saved = self.f.fwd(*args, **self.settings)
            gradients = self.f.bwd(saved, self.jax.numpy.asarray(y_bar, y.dtype))
            return {name: np.array(gradients[k]) for name, k in self.positions.items()}
        except Exception:  # then JAX's own message has to do
            return None

    def _gradients(self, values: Mapping[str, Jax], y_bar: Jax) -> dict[str, Jax]:
        outputs, pullback = self.jax.vjp(self._outputs, values)
        if len(outputs) == 1:
            bars = [y_bar.astype(self.jax.numpy.asarray(outputs[0]).dtype)]
        else:
            ends = np.cumsum([np.size(y) for y in outputs])[:-1]
            parts = zip(self.jax.numpy.split(y_bar, ends), outputs, strict=True)
            bars = [part.reshape(np.shape(y)).astype(self.jax.numpy.asarray(y).dtype) for part, y in parts]
        found: dict[str, Jax] = pullback(bars)[0]
        return found

    def _run(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a JAX function: as it is for the first few calls, then compiled if possible."""
        runs, compiled = self.runs.get(function.__name__, (EAGER_RUNS if self.known else 0, None))
        if runs == EAGER_RUNS:
            compiled = self.jax.jit(function)
        self.runs[function.__name__] = runs + 1, compiled
        if compiled is None:
            return self._eagerly(function, runs, args)
        try:
            return compiled(*args)
        except Exception:
            result = function(*args)  # if this raises as well, the arguments are to blame
            self.runs[function.__name__] = runs + 1, None  # Python code that reads values: never compile it
            return result

    def _eagerly(self, function: Callable[..., Any], runs: int, args: tuple[Any, ...]) -> Any:
        """Call a JAX function as it is. One that is slow is compiled after two calls that gave the same."""
        began = time.process_time()
        result = function(*args)
        if runs < EAGER_RUNS and time.process_time() - began > SLOW:
            now = [np.array(x) for x in self.jax.tree_util.tree_leaves((args, result))]
            before = self.seen.get(function.__name__, [])
            self.seen[function.__name__] = now
            if len(now) == len(before) and all(map(np.array_equal, now, before)):
                self.runs[function.__name__] = EAGER_RUNS, None
        return result

    # The same function elsewhere

    def _twin(self, leaves: Sequence[Any], **changes: Any) -> "JaxSubject":
        args = self.jax.tree_util.tree_unflatten(self.structure, leaves)
        return type(self)(self.f, args, self.settings, tracked=self.tracked, seed=self.seed, **changes)

    def widened(self) -> "JaxSubject":
        """Return the function in float64. The checker asks for it once the function has given the same twice."""
        return self._twin(self.leaves, wide=True, known=True)

    def sizes(self) -> set[int]:
        """Return the lengths of all the arrays' axes."""
        return {n for x in self.leaves for n in np.shape(x)}

    def reduced(self, sizes: Mapping[int, int]) -> "JaxSubject":
        """Return the function at arguments with shortened axes."""
        leaves = [cut(np.array(x), sizes) if hasattr(x, "dtype") and np.ndim(x) else x for x in self.leaves]
        return self._twin(leaves, wide=self.wide)

    def recut(self, cuts: Mapping[str, tuple[int, ...]]) -> "JaxSubject | None":
        """Return the function at arrays with some axes shortened; JAX's own rules are not consulted."""
        if self._rule() is None:
            return None
        leaves = list(self.leaves)
        for name, axes in cuts.items():
            leaves[self.positions[name]] = shortened(np.array(leaves[self.positions[name]]), axes)
        return self._twin(leaves, wide=self.wide)

    def code(self) -> str:
        """Return Python code that repeats this check, if all arguments are short arrays."""
        if self.settings or not all(hasattr(x, "dtype") for x in self.args):
            return ""
        texts = [f"jax.numpy.array({np.asarray(x).tolist()!r}, dtype={str(x.dtype)!r})" for x in self.leaves]
        names = argument_names(self.f, len(self.args))
        return reproduction("jax", self.f, dict(zip(names, texts, strict=True)), self.seed)


def _zeros(f: Any) -> dict[str, bool]:
    """Return whether a custom rule takes zeros as symbols."""
    return {"symbolic_zeros": bool(getattr(f, "symbolic_zeros", False))}


def _rules_of_each(f: Any) -> tuple[Any, ...]:
    """Return the rules that `defjvps` was given, one for each argument; none where there is one rule for all."""
    rule = getattr(f, "jvp", None)
    rules = inspect.getclosurevars(rule).nonlocals.get("jvps", ()) if isinstance(rule, FunctionType) else ()
    return rules if isinstance(rules, tuple) else ()
