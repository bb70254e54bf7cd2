"""Functions of NumPy or chainrule code under check: alone, with a backward pass or a `jvp`, modules, `custom`."""

import copy
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType, MethodType
from typing import Any, cast

import numpy as np

from chainrule.base.copies import copied
from chainrule.check.why.expected import formula_of
from chainrule.core.creation import tensor
from chainrule.core.custom import Custom, is_floating
from chainrule.core.errors import MissingRuleError
from chainrule.core.operands.faces import behind, face_in, function_behind, is_face
from chainrule.core.operands.written import heard
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.transforms import derivatives as transforms
from chainrule.core.tree import flatten, paths, unflatten
from chainrule.nn import Module

from .editing import with_helpers
from .recording import record
from .subject import (
    Array,
    Arrays,
    BackwardError,
    Recorded,
    Subject,
    cut,
    joined,
    located,
    parted,
    shortened,
)
from .trace import Trace, traced, with_our_numpy
from .written import WrittenSubject

Function = Callable[..., Any]


def subject_of(
    f: Function,
    args: Sequence[Any],
    backward: Function | None,
    jvp: Function | None,
    settings: Mapping[str, Any] | None = None,
) -> "FunctionSubject":
    """Return `f` at `args` as a subject.

    Without `backward`, chainrule's own gradient is checked, and the parameters of modules that `f` is, is a method of,
    or refers to are arguments as well.
    """
    if not callable(f):
        raise TypeError(f"check: expected a function, got {type(f).__name__}")
    if isinstance(f, Custom) and backward is None and "vjp" in f.rules:
        return FunctionSubject(
            f, f.function, args, _backward_of(f), jvp or f.rules.get("jvp"), f.rules["vjp"], settings
        )
    if backward is not None:
        return FunctionSubject(f, f, args, backward, jvp, backward, settings)
    return FunctionSubject(f, f, args, None, jvp, None, settings)


def _backward_of(op: Custom, rule: Function | None = None) -> Function:
    rule = op.rules["vjp"] if rule is None else rule
    if not op.keeps:
        return rule

    def backward(y_bar: Any, *args: Any, **settings: Any) -> Any:
        return rule(op.forward(*args, **settings)[1], y_bar, **settings)

    return backward


class FunctionSubject(Subject):
    """A Python function at given arguments, which may be pytrees.

    Everything that `f` depends on forms one tree: the modules it refers to, then its arguments. The floating-point
    leaves are the arguments of the check; modules are copied, so that the running statistics of the user's modules do
    not change.
    """

    def __init__(
        self,
        called: Function,
        f: Function,
        args: Sequence[Any],
        backward: Function | None,
        jvp: Function | None,
        rule: Function | None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        face = face_in((tuple(args), _referred(f)))
        args = behind(tuple(args))
        self.called, self.f, self.args = called, f, args
        self.rule, self.user_jvp = (g if face is None else function_behind(g, face) for g in (backward, jvp))
        self.written = rule
        self.settings = settings or {}
        self.name = getattr(called, "__name__", type(called).__name__)
        self.source = located(rule if rule is not None else f)
        self.backward_name = getattr(rule, "__name__", "backward") if rule is not None else ""
        holders = {} if backward is not None else holders_of(f)
        held, positional = _copied((tuple(holders.values()), self.args))
        self._rebind = functools.partial(_rebound_behind, f, list(holders), face)
        self.leaves, self.structure = flatten([list(held), list(positional)])
        labels = [*holders, *argument_names(f, len(self.args))]
        names = _leaf_names(labels, [*held, *positional])
        self.positions = {
            name: k
            for k, (name, leaf) in enumerate(zip(names, self.leaves, strict=True))
            if is_floating(leaf) and (k >= _count(held) or leaf.requires_grad)
        }
        self.arguments = {name: np.array(value_of(self.leaves[k])) for name, k in self.positions.items()}

    # Calling it

    def _assembled(self, values: Mapping[str, Any]) -> tuple[Function, list[Any]]:
        leaves = list(self.leaves)
        for name, k in self.positions.items():
            leaves[k] = values[name]
        held, positional = unflatten(self.structure, leaves)
        return self._rebind(held), positional

    def _outputs(self, values: Mapping[str, Any]) -> list[Any]:
        f, positional = self._assembled(values)
        outputs = [y for y in flatten(f(*positional, **self.settings))[0] if is_floating(y)]
        if not outputs:
            raise TypeError(f"check: {self.name} must return at least one float or array of floats")
        return outputs

    def _like(self, name: str, value: Array) -> Any:
        """Return an array in the original form of the argument: array, tensor, parameter or number."""
        like = self.leaves[self.positions[name]]
        if isinstance(like, Tensor):
            return tensor(value)
        return value if isinstance(like, np.ndarray) else np.asarray(value)[()]

    def forward(self, arguments: Arrays) -> Array:
        """Run the function without a tape."""
        with transforms.no_grad():
            return joined([np.asarray(value_of(y)) for y in self._outputs(self._dressed(arguments))])

    def _dressed(self, arguments: Arrays) -> dict[str, Any]:
        return {name: self._like(name, value) for name, value in arguments.items()}

    def backward(self, arguments: Arrays, y_bar: Array) -> dict[str, Any]:
        """Run the backward pass under check: the user's, or chainrule's."""
        try:
            return self._own(arguments, y_bar) if self.rule is None else self._given(arguments, y_bar)
        except MissingRuleError as error:
            raise BackwardError("missing", str(error)) from error
        except (TypeError, AttributeError) as error:
            raise BackwardError("signature", f"{self.backward_name or 'backward'} raised {_said(error)}") from error
        except (ValueError, IndexError) as error:
            verdict = "signature" if "gradients, expected one" in str(error) else "shape"
            raise BackwardError(verdict, f"{self.backward_name or 'backward'} raised {_said(error)}") from error
        except BackwardError:
            raise
        except Exception as error:
            raise BackwardError("raises", f"{self.backward_name or 'backward'} raised {_said(error)}") from error

    def _own(self, arguments: Arrays, y_bar: Array) -> dict[str, Any]:
        names = list(arguments)

        def run(*leaves: Any) -> list[Any]:
            return self._outputs(dict(zip(names, leaves, strict=True)))

        outputs, pullback = transforms.vjp(run, *self._dressed(arguments).values())
        parts = parted(y_bar, [np.asarray(value_of(y)) for y in outputs])
        bars = [part if hasattr(y, "shape") else part.item() for part, y in zip(parts, outputs, strict=True)]
        return {name: value_of(g) for name, g in zip(names, pullback(bars), strict=True)}

    def _given(self, arguments: Arrays, y_bar: Array) -> dict[str, Any]:
        f, positional = self._assembled(self._dressed(arguments))
        assert self.rule is not None
        bar = y_bar
        if self._has_several_outputs:
            outputs, structure = flatten(f(*copied(positional), **self.settings))
            bar = unflatten(structure, parted(y_bar, outputs))
        result = self.rule(bar, *positional, **self.settings)
        floating = [k for k, x in enumerate(positional) if _floating_leaves(x)]
        gradients = list(result) if isinstance(result, tuple | list) else [result]
        if len(floating) == 1 and len(gradients) != 1 and not isinstance(positional[floating[0]], np.ndarray):
            gradients = [result]
        if len(gradients) != len(floating):
            raise BackwardError(
                "signature",
                f"{self.backward_name} returned {_counted(len(gradients), 'gradient')}, expected one for each of the "
                f"{_counted(len(floating), 'floating argument')}",
            )
        found: list[Any] = []
        for k, gradient in zip(floating, gradients, strict=True):
            found += _gradients_of(positional[k], gradient, f"{self.backward_name}: argument {k}")
        return dict(zip(self.arguments, (value_of(g) for g in found), strict=True))

    @functools.cached_property
    def _has_several_outputs(self) -> bool:
        f, positional = self._assembled(self._dressed(self.arguments))
        return len(_floating_leaves(f(*copied(positional), **self.settings))) > 1

    def jvp(self, arguments: Arrays, tangents: Arrays) -> Array | None:
        """Run forward mode: the user's, or chainrule's if every operation has it."""
        if self.user_jvp is not None:
            return _joined(self._pushed(arguments, tangents)[1])
        primals = self._dressed(arguments)
        if self.rule is not None:
            return None

        def run(*leaves: Any) -> list[Any]:
            return self._outputs(dict(zip(primals, leaves, strict=True)))

        try:
            _, dots = transforms.jvp(run, tuple(primals.values()), tuple(tangents.values()))
        except (MissingRuleError, TypeError):
            return None
        return joined([np.asarray(value_of(y)) for y in dots])

    def _pushed(self, arguments: Arrays, tangents: Arrays) -> tuple[Any, Any]:
        """Return the value and the tangent that the user's forward mode gives; None for a value that it leaves out."""
        assert self.user_jvp is not None
        _, positional = self._assembled(self._dressed(arguments))
        moved = self._assembled({name: np.asarray(t) for name, t in tangents.items()})[1]
        dots = tuple(t if _floating_leaves(x) else None for x, t in zip(positional, moved, strict=True))
        result = self.user_jvp(tuple(positional), dots)
        return result if isinstance(result, tuple) and len(result) == 2 else (None, result)

    def value_beside(self, arguments: Arrays) -> Array | None:
        """Return the value that the user's forward mode gives beside the tangent."""
        if self.user_jvp is None:
            return None
        y = self._pushed(arguments, {name: np.zeros_like(x) for name, x in arguments.items()})[0]
        return None if y is None else _joined(y)

    # The same function elsewhere

    def _with(self, called: Function, args: Sequence[Any]) -> "FunctionSubject":
        f = called if self.f is self.called else self.f
        return FunctionSubject(called, f, args, self.rule, self.user_jvp, self.written, self.settings)

    def given(self) -> dict[str, Any]:
        """Return the floating-point leaves as they were passed."""
        return {name: value_of(self.leaves[k]) for name, k in self.positions.items()}

    def named_arguments(self) -> dict[str, Any]:
        """Return all arguments as they were passed, by name."""
        return dict(zip(argument_names(self.f, len(self.args)), self.args, strict=True))

    def widened(self) -> "FunctionSubject | None":
        """Return the function at float64 arguments, its modules in float64."""
        twin = copy.copy(self)
        held, positional = copied(unflatten(self.structure, self.leaves))
        for module in _modules_in([held, positional]):
            module.double()
        twin.leaves, twin.structure = flatten([held, positional])
        twin.leaves = [_double(x) for x in twin.leaves]
        twin.arguments = {name: np.array(value_of(twin.leaves[k])) for name, k in self.positions.items()}
        return twin

    def sizes(self) -> set[int]:
        """Return the lengths of all axes of the array arguments."""
        return {n for x in flatten(list(self.args))[0] for n in np.shape(x)}

    def reduced(self, sizes: Mapping[int, int]) -> "FunctionSubject | None":
        """Return the function at arguments with shortened axes."""
        if any(_modules_in(list(self.args))):
            return None
        leaves, structure = flatten(list(self.args))
        return self._with(self.called, unflatten(structure, [cut(x, sizes) for x in leaves]))

    def recut(self, cuts: Mapping[str, tuple[int, ...]]) -> "FunctionSubject | None":
        """Return the function at arrays with some axes shortened; only if the backward pass is given."""
        if self.rule is None or not all(isinstance(self.leaves[self.positions[name]], np.ndarray) for name in cuts):
            return None
        leaves = list(self.leaves)
        for name, axes in cuts.items():
            leaves[self.positions[name]] = shortened(leaves[self.positions[name]], axes)
        return self._with(self.called, unflatten(self.structure, leaves)[1])

    def formula(self, name: str) -> str:
        """Return the formula of an argument's gradient if the function is a single chainrule operation."""
        names = list(self.arguments)

        def run(*leaves: Any) -> list[Any]:
            return self._outputs(dict(zip(names, leaves, strict=True)))

        return formula_of(run, self.arguments, name) if self.rule is not None else ""

    def trace(self, arguments: Arrays) -> Trace | None:
        """Run the function on the tape, if the gradient is written by hand."""
        if self.rule is None:
            return None
        twin, names = copy.copy(self), list(arguments)
        twin._rebind = functools.partial(rebound, with_our_numpy(self.f), [])
        found = None
        for subject in (self, twin):

            def run(*leaves: Any, subject: FunctionSubject = subject) -> list[Any]:
                return subject._outputs(dict(zip(names, leaves, strict=True)))

            found = found or traced(run, arguments)
        return found

    def editable(self) -> Iterator[tuple[FunctionType, Callable[[FunctionType], Subject | None]]]:
        """Yield the rule, and the user's functions that it calls."""
        called = self.called

        def with_rule(rule: FunctionType) -> Subject:
            twin = copy.copy(self)
            own = isinstance(called, Custom) and self.written is called.rules.get("vjp")
            twin.rule = _backward_of(called, rule) if own and isinstance(called, Custom) else rule
            return twin

        if self.rule is not None and self.written is not None:
            yield from with_helpers(self.written, with_rule)

    def parts(self) -> list[Subject]:
        """Return the operations that the user has written with both passes, in the order in which they run."""
        if self.rule is not None:
            return []
        with heard() as calls:
            self.forward({name: np.array(x) for name, x in self.arguments.items()})
        return [part for part in map(WrittenSubject, calls) if part.arguments]

    def operations(self, arguments: Arrays) -> list[Recorded]:
        """Record one run."""
        names = list(arguments)

        def run(*leaves: Any) -> list[Any]:
            return self._outputs(dict(zip(names, leaves, strict=True)))

        return record(run, [np.asarray(x) for x in arguments.values()]) if self.rule is None else []


# Reading a function


def holders_of(f: Function) -> dict[str, Any]:
    """Return the modules and parameters that a function is, is bound to, or refers to, keyed by its names for them."""
    if isinstance(f, Module):
        return {"": f}
    if isinstance(f, MethodType) and isinstance(f.__self__, Module):
        return {"self": f.__self__}
    referred = {name: behind(value) for name, value in _referred(f).items()}
    return {n: v for n, v in referred.items() if isinstance(v, Module) or (isinstance(v, Tensor) and v.requires_grad)}


def _referred(f: Function) -> dict[str, Any]:
    """Return what a function refers to from outside, by its names."""
    if not isinstance(f, FunctionType):
        return {}
    found = inspect.getclosurevars(f)
    return {**found.globals, **found.nonlocals}


def _rebound_behind(f: Function, names: Sequence[str], face: Any, held: Sequence[Any]) -> Function:
    """Return a rebound function of the engine's values, whether it is written for them or for faces."""
    if face is None:
        return rebound(f, names, held)
    before = _referred(f)
    entered = [
        type(before[name]).__chainrule_face__(value) if is_face(before.get(name)) else value
        for name, value in zip(names, held, strict=True)
    ]
    return cast(Function, function_behind(rebound(f, names, entered), face))


def rebound(f: Function, names: Sequence[str], held: Sequence[Any]) -> Function:
    """Return a copy of a function that refers to other objects by the names that `holders_of` gave."""
    if not names:
        return f
    if isinstance(f, Module):
        return held[0]  # type: ignore[no-any-return]
    if isinstance(f, MethodType):
        return MethodType(f.__func__, held[0])
    assert isinstance(f, FunctionType)
    new = dict(zip(names, held, strict=True))
    cells = tuple(
        type(cell)(new[name]) if name in new else cell
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True)
    )
    global_names = {name: value for name, value in new.items() if name not in f.__code__.co_freevars}
    copied = FunctionType(f.__code__, {**f.__globals__, **global_names}, f.__name__, f.__defaults__, cells)
    copied.__kwdefaults__ = f.__kwdefaults__
    return copied


def argument_names(f: Function, count: int) -> list[str]:
    """Return the names of the first `count` positional parameters, numbered if the signature has none."""
    f = f.forward if isinstance(f, Module) else f
    names: list[str] = []
    try:
        for p in inspect.signature(f).parameters.values():
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
                names.append(p.name)
            elif p.kind is p.VAR_POSITIONAL:
                names += [f"{p.name}[{k}]" for k in range(count - len(names))]
    except (TypeError, ValueError):
        names = []
    return [*names, *(f"argument {k}" for k in range(len(names), count))][:count]


def _leaf_names(labels: Sequence[str], trees: Sequence[Any]) -> list[str]:
    """Return a name for each leaf: that of its argument, with the path to the leaf if the argument is a tree."""
    names: list[str] = []
    for label, tree in zip(labels, trees, strict=True):
        if isinstance(tree, Module):
            prefix = f"{label}." if label not in ("", "self") else ""
            names += [f"{prefix}{name}" for name, _ in tree.named_parameters()]
        else:
            names += [f"{label}{path}" for path in paths(tree)]
    repeated = {name for name in names if names.count(name) > 1}
    return [f"{name} ({k})" if name in repeated else name for k, name in enumerate(names)]


def _count(tree: Any) -> int:
    return len(flatten(list(tree))[0])


def _joined(values: Any) -> Array:
    return joined([np.asarray(value_of(y)) for y in flatten(values)[0]])


def _floating_leaves(tree: Any) -> list[Any]:
    return [x for x in flatten(tree)[0] if is_floating(x)]


def _gradients_of(argument: Any, gradient: Any, what: str) -> list[Any]:
    """Return a gradient for each floating-point leaf of an argument."""
    leaves = flatten(argument)[0]
    count = sum(map(is_floating, leaves))
    if len(leaves) == 1:
        return [gradient]
    found = flatten(gradient)[0]
    if len(found) not in (count, len(leaves)):
        raise BackwardError("signature", f"{what}: got {_counted(len(found), 'gradient')}, expected {count}")
    return found if len(found) == count else [g for g, x in zip(found, leaves, strict=True) if is_floating(x)]


def _modules_in(tree: Any) -> Iterator[Module]:
    if isinstance(tree, Module):
        yield tree
    elif isinstance(tree, Mapping):
        for item in tree.values():
            yield from _modules_in(item)
    elif isinstance(tree, list | tuple):
        for item in tree:
            yield from _modules_in(item)


def _copied(tree: Any) -> Any:
    return copied(tree) if any(_modules_in(tree)) else tree


def _double(x: Any) -> Any:
    if not is_floating(x):
        return x
    dtype = np.complex128 if np.iscomplexobj(value_of(x)) else np.float64
    if not isinstance(x, Tensor):
        return np.asarray(x, dtype) if isinstance(x, np.ndarray) else dtype(x)
    return tensor(np.asarray(value_of(x), dtype), requires_grad=x.requires_grad)


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
