"""Where to look for a wrong gradient in JAX: the custom rules and gradient cuts of one run, in execution order."""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from chainrule.base.budget import Budget, look, within
from chainrule.base.provenance import Source, folder_of, is_users
from chainrule.check.measuring.measure import random_direction
from chainrule.check.subjects.subject import Subject

from .subject import JaxSubject

CUT = "stop_gradient"
RUNNING = 10.0
"""Seconds for a run operation by operation: a solver's loop can take minutes."""
OFTEN = 64
"""At each of so many calls the time is looked at."""


class DissectedJax(JaxSubject):
    """A JAX function that can be taken apart, so that the checker can say in which part a gradient is wrong."""

    def parts(self) -> list[Subject]:
        """Return the custom rules and the cuts that a run passes, in execution order."""
        return self._parts

    @functools.cached_property
    def _parts(self) -> list[Subject]:
        try:
            return parts_of(self)
        except Exception:  # code that cannot be traced: the verdict gives no place
            return []


def parts_of(subject: JaxSubject) -> list[Subject]:
    """Run a function once, operation by operation, and return the parts that can be checked on their own."""
    with subject.precision(), subject.jax.disable_jit():
        return [*_custom_calls(subject), *_cuts(subject)]


# Custom rules: their calls with values, as they happen


def _custom_calls(subject: JaxSubject) -> list[Subject]:
    found: list[Subject] = []

    def note(f: Any, args: Sequence[Any], settings: Any) -> None:
        if f is subject.f or any(
            isinstance(x, subject.jax.core.Tracer) for x in subject.jax.tree_util.tree_leaves(args)
        ):
            return
        part = type(subject)(f, args, settings, wide=subject.wide, seed=subject.seed)
        if part.arguments:
            found.append(part)

    with ExitStack() as stack:
        stack.enter_context(_at_most(RUNNING))
        for kind in (subject.jax.custom_vjp, subject.jax.custom_jvp):
            stack.enter_context(_watched(kind, note))
        subject.outputs(subject.values(subject.arguments))
    return found


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Leave a block after so many seconds, at a call of a function in Python."""
    calls, before = 0, sys.getprofile()

    def watch(_frame: Any, _event: str, _arg: Any) -> None:
        nonlocal calls
        calls += 1
        if calls % OFTEN == 0:
            look()

    with within(Budget(seconds)):
        sys.setprofile(watch)
        try:
            yield
        finally:
            sys.setprofile(before)


@contextmanager
def _watched(kind: Any, note: Callable[[Any, Sequence[Any], Any], None]) -> Iterator[None]:
    """Report each call of a function with a custom rule to `note`."""
    call = kind.__call__

    @functools.wraps(call)
    def watched(self: Any, *args: Any, **settings: Any) -> Any:
        y = call(self, *args, **settings)
        note(self, args, settings)
        return y

    kind.__call__ = watched
    try:
        yield
    finally:
        kind.__call__ = call


# Cuts: read from the traced program


def _cuts(subject: JaxSubject) -> list[Subject]:
    """Return each `stop_gradient` that changes an otherwise correct gradient, unlike that on a softmax's maximum."""
    values = subject.values(subject.arguments)
    program = subject.jax.make_jaxpr(subject.outputs)(values)
    flat = subject.jax.tree_util.tree_leaves(values)
    numbers = [k for k, step in enumerate(program.jaxpr.eqns) if step.primitive.name == CUT]
    if not numbers:
        return []
    rng = np.random.default_rng(subject.seed)
    bars = [subject.jax.numpy.asarray(random_direction(rng, y.shape), y.dtype) for y in program.out_avals]

    def gradients(joined_up: Sequence[int]) -> Any:
        return subject.jax.vjp(lambda *xs: _run(program, xs, joined_up), *flat)[1](bars)

    inputs: dict[int, Any] = {}
    _run(program, flat, (), inputs)
    whole = gradients(numbers)
    decisive = [k for k in numbers if not _same(whole, gradients([n for n in numbers if n != k]))]
    return [_cut(subject, program.jaxpr.eqns[k], inputs[k]) for k in decisive]


def _cut(subject: JaxSubject, step: Any, x: Any) -> Subject:
    part = type(subject)(subject.jax.lax.stop_gradient, [x], {}, wide=subject.wide, seed=subject.seed)
    part.name = part.backward_name = CUT
    part.source = _line_of(subject, step)
    return part


def _run(
    program: Any, args: Sequence[Any], joined_up: Sequence[int], inputs: dict[int, Any] | None = None
) -> list[Any]:
    """Return a traced program's outputs with some steps passing their input through; record the inputs of cuts."""
    known = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    known.update(zip(program.jaxpr.invars, args, strict=True))

    def value(atom: Any) -> Any:
        return atom.val if hasattr(atom, "val") else known[atom]

    for k, step in enumerate(program.jaxpr.eqns):
        given = [value(atom) for atom in step.invars]
        if inputs is not None and step.primitive.name == CUT:
            inputs[k] = given[0]
        if k in joined_up:
            results = given
        else:
            bound = step.primitive.get_bind_params(step.params)
            functions, settings = bound if isinstance(bound, tuple) else ((), bound)  # a pair before JAX 0.10
            y = step.primitive.bind(*functions, *given, **settings)
            results = y if step.primitive.multiple_results else [y]
        known.update(zip(step.outvars, results, strict=True))
    return [value(atom) for atom in program.jaxpr.outvars]


def _line_of(subject: JaxSubject, step: Any) -> Source | None:
    """Return the line of the user's code that made a step of a program."""
    traceback = getattr(step.source_info, "traceback", None)
    for frame in traceback.frames if traceback is not None else ():
        if is_users(frame.file_name, (folder_of(subject.jax),)):
            return Source(frame.file_name, frame.line_num, frame.function_name)
    return None


def _same(a: Any, b: Any) -> bool:
    return all(
        np.allclose(x, y, rtol=1e-5, atol=1e-6 * float(np.max(np.abs(x), initial=1.0)))
        for x, y in zip(a, b, strict=True)
    )
