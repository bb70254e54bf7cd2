"""autograd.extend's `primitive`, `defvjp` and `defjvp`: operations of the user's own.

A call with traced arguments becomes one operation on the tape, a `Call`. Its arrays are the traced ones, also those
inside lists, tuples and dictionaries; everything else is a constant of the call.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from chainrule.core.errors import MissingRuleError
from chainrule.core.facts import Complex, Facts
from chainrule.core.memory.sealing import sealed_each
from chainrule.core.operands.foreign import PLAIN
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import running
from chainrule.core.traces.dispatch import ARGUMENT_ERRORS, NO_SETTINGS, dispatch, reraise
from chainrule.core.traces.modes import latest
from chainrule.core.traces.running import outside
from chainrule.core.traces.tape import Tape, record
from chainrule.core.transforms.batch import by_rows
from chainrule.core.transforms.transposed import NotTransposed, transposed
from chainrule.core.tree import flatten, unflatten

from .boxes import getval, holds_box
from .sequences import subval
from .vector_spaces import dense, vspace
from .wrap_util import get_name, wraps

floor = latest.get

__all__ = [
    "def_linear",
    "defjvp",
    "defjvp_argnum",
    "defjvp_argnums",
    "defvjp",
    "defvjp_argnum",
    "defvjp_argnums",
    "notrace_primitive",
    "primitive",
    "primitive_jvps",
    "primitive_vjps",
]

TENSOR = frozenset({Tensor})
ARRAY, FLOAT64 = np.ndarray, np.float64
Tracked = Sequence[bool] | None
"""Which of the traced values have a gradient; None if all have."""
primitive_vjps: dict[Any, Callable[..., Any]] = {}
"""For each primitive `(argnums, ans, args, kwargs) -> (g -> gradients)`."""
primitive_jvps: dict[Any, Callable[..., Any]] = {}
"""For each primitive `(argnums, gs, ans, args, kwargs) -> tangent`."""


class UndefinedRuleError(MissingRuleError, NotImplementedError):
    """A primitive has no derivative. autograd's code catches the second class."""


def primitive(f_raw: Callable[..., Any]) -> Any:
    """Make an operation of a function, whose derivative `defvjp` or `defjvp` defines. Inside it values are plain.

    One definition is enough for both modes if it is written in operations: the other is its transpose.

    >>> import chainrule.autograd as autograd
    >>> import numpy as onp
    >>> @primitive
    ... def cube(x):
    ...     return onp.power(x, 3)
    >>> defvjp(cube, lambda ans, x: lambda g: g * 3 * x**2)
    >>> float(autograd.grad(cube)(2.0)), float(autograd.deriv(cube)(2.0))
    (12.0, 12.0)
    """
    shared: dict[int, Call] = {}  # by the number of arguments: what calls with traced values only have in common

    @wraps(f_raw)
    def f_wrapped(*args: Any, **kwargs: Any) -> Any:
        if PLAIN.issuperset(map(type, args)):
            return outside(f_raw, *args, **kwargs)
        if TENSOR.issuperset(map(type, args)):  # most traced calls
            if kwargs:
                return Call(f_wrapped, f_raw, _alone(len(args)), kwargs, True)(args)
            call = shared.get(len(args))
            if call is None:
                call = shared[len(args)] = Call(f_wrapped, f_raw, _alone(len(args)), kwargs, True)
            return call.of_arrays(args)
        boxes: list[Tensor] = []
        template = tuple([_taken(x, boxes) for x in args])
        if not boxes:
            return outside(f_raw, *args, **kwargs)
        plain = len(template) == sum(type(x) is _Place and x.structure is None for x in template)
        return Call(f_wrapped, f_raw, template, kwargs, plain)(boxes)

    wrapped: Any = f_wrapped
    wrapped.fun = f_raw
    wrapped.defvjp = _deprecated_defvjp(wrapped)
    wrapped.defvjp_is_zero = _deprecated_defvjp_is_zero(wrapped)
    wrapped.defgrad = _deprecated_defgrad(wrapped)
    return wrapped


def notrace_primitive(f_raw: Callable[..., Any]) -> Any:
    """Make a function of plain values: traced arguments are replaced by their values."""

    @wraps(f_raw)
    def f_wrapped(*args: Any, **kwargs: Any) -> Any:
        return outside(f_raw, *map(getval, args), **kwargs)

    return f_wrapped


class _Place:
    """Where a traced value was taken out of an argument; `structure` if it was a container of several."""

    __slots__ = ("constants", "numbers", "structure")

    def __init__(self, numbers: range, constants: Sequence[Any] | None, structure: Any) -> None:
        self.numbers, self.constants, self.structure = numbers, constants, structure

    def filled(self, values: Sequence[Any]) -> Any:
        """Return the argument with values in place of the traced ones."""
        if self.structure is None:
            return values[self.numbers.start]
        rest = iter(self.numbers)
        assert self.constants is not None
        return unflatten(self.structure, [values[next(rest)] if c is _TRACED else c for c in self.constants])

    def parts(self, gradient: Any) -> list[Any]:
        """Return the parts of a gradient of the argument that belong to the traced values."""
        gradient = dense(gradient)
        if self.structure is None:
            return [gradient]
        leaves = flatten(gradient)[0]
        assert self.constants is not None
        if len(leaves) != len(self.constants):  # an array with one row for each item of a list, for example
            leaves = list(_alongside(unflatten(self.structure, range(len(self.constants))), gradient))
        return [x for x, c in zip(leaves, self.constants, strict=True) if c is _TRACED]


def _alongside(tree: Any, gradient: Any) -> Iterator[Any]:
    """Yield the part of a gradient for each leaf of an argument: it is only asked for items, as autograd's is."""
    if isinstance(tree, list | tuple | dict):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield from _alongside(tree[key], gradient[key])
    else:
        yield gradient


_TRACED = object()


@cache
def _alone(count: int) -> tuple[_Place, ...]:
    """Return the template of a call with traced values only."""
    return tuple(_Place(range(k, k + 1), None, None) for k in range(count))


def _taken(x: Any, boxes: list[Tensor]) -> Any:
    """Return an argument for a call's template, and add the traced values in it to `boxes`."""
    first = len(boxes)
    if isinstance(x, Tensor):
        boxes.append(x)
        return _Place(range(first, first + 1), None, None)
    if not isinstance(x, list | tuple | dict) or not holds_box(x):
        return x
    leaves, structure = flatten(x)
    boxes += [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    constants = [_TRACED if isinstance(leaf, Tensor) else leaf for leaf in leaves]
    return _Place(range(first, len(boxes)), constants, structure)


class Call(Facts):
    """One call of a primitive, as an operation on the traced values among its arguments."""

    kind = "general"
    on_complex = Complex.REAL_LINEAR
    composite = None
    foreign = True
    variadic = True
    arguments = ("args",)
    differentiable = ("args",)
    residuals = ("args",)
    keeps: tuple[str, ...] = ()
    adjoints: tuple[Any, ...] = ()
    rules: Mapping[str, Any] = {}
    defaults: Mapping[str, Any] = {}
    structure: Any = None

    several = False

    def __init__(self, wrapped: Any, f_raw: Any, template: tuple[Any, ...], kwargs: Any, plain: bool) -> None:
        self.wrapped, self.f_raw, self.template, self.kwargs = wrapped, f_raw, template, kwargs
        self.plain = plain
        """Whether the arguments are traced values only, in this order."""
        self.argnums = tuple(range(len(template))) if plain else ()

    @property
    def name(self) -> str:
        """The function's name."""
        return get_name(self.f_raw)

    def __call__(self, boxes: Sequence[Tensor]) -> Any:
        """Apply the operation, and return the result in the structure that the function returns."""
        y = self._recorded(boxes)
        if y is None:
            y = dispatch(self, tuple(boxes), NO_SETTINGS)
        return unflatten(self.structure, y) if self.several else y

    def of_arrays(self, boxes: tuple[Tensor, ...]) -> Any:
        """Apply the operation that all such calls share, if they are of arrays on one tape and give one array."""
        parents = self._parents(boxes)
        if parents is None:
            return Call(self.wrapped, self.f_raw, self.template, self.kwargs, True)(boxes)
        values = tuple([box._value for box in boxes])
        try:
            y = outside(self.f_raw, *values)
        except ARGUMENT_ERRORS as error:
            reraise(error, self, boxes)
        if type(y) is not ARRAY and type(y) is not FLOAT64:
            own = Call(self.wrapped, self.f_raw, self.template, self.kwargs, True)
            return own._noted(boxes, parents, values, own.result(y))
        tape = boxes[0]._trace
        return Tensor(y, tape, record(self, y, parents, self._saved(y, values, None), NO_SETTINGS, 3))

    def _parents(self, boxes: Sequence[Tensor]) -> tuple[Any, ...] | None:
        """Return the nodes of values if all are arrays on one tape, which only has to record the call; else None."""
        tape = boxes[0]._trace
        if type(tape) is not Tape or running.capture is not None or running.maps or floor().level > tape.level:
            return None
        for box in boxes:
            if box._trace is not tape or box._link is None or type(box._value) not in PLAIN:
                return None
        self._check_derivative(None)
        return tuple([box._link for box in boxes])

    def _recorded(self, boxes: Sequence[Tensor]) -> Any:
        """Do what `dispatch` and `Tape.process` do where all values are arrays on one tape; elsewhere return None."""
        parents = self._parents(boxes)
        if parents is None:
            return None
        values = tuple([box._value for box in boxes])
        try:
            y = self.primal(*values)
        except ARGUMENT_ERRORS as error:
            reraise(error, self, tuple(boxes))
        return self._noted(boxes, parents, values, y)

    def _noted(self, boxes: Sequence[Tensor], parents: tuple[Any, ...], values: tuple[Any, ...], y: Any) -> Any:
        tape, saved = boxes[0]._trace, self._saved(y, values, None)
        if self.several:
            return tape.items(self, y, parents, saved, NO_SETTINGS)
        return Tensor(y, tape, record(self, y, parents, saved, NO_SETTINGS, 3))

    def apply(self, *values: Any) -> Any:
        """Apply the operation to arrays or to values of outer traces."""
        return dispatch(self, values, {})

    def primal(self, *values: Any) -> Any:
        """Call the function with plain values."""
        result = outside(self.f_raw, *self._args(values), **self.kwargs)
        if type(result) is ARRAY or type(result) is FLOAT64:  # most results
            return result
        return self.result(result)

    def result(self, result: Any) -> Any:
        """Return what the function has returned as arrays, and keep its structure."""
        leaves, self.structure = flatten(result)
        for leaf in leaves:
            if not isinstance(leaf, np.ndarray | np.generic | float | int | complex):
                raise TypeError(f"{self.name}: Can't differentiate w.r.t. type {type(leaf)}; return numbers or arrays")
        outputs = tuple(x if hasattr(x, "shape") else np.asarray(x)[()] for x in leaves)
        self.several = len(leaves) != 1 or unflatten(self.structure, [_TRACED]) is not _TRACED
        return outputs if self.several else outputs[0]

    def _args(self, values: Sequence[Any]) -> tuple[Any, ...]:
        if self.plain:
            return tuple(values)
        return tuple([x.filled(values) if type(x) is _Place else x for x in self.template])

    def _ans(self, y: Any) -> Any:
        return unflatten(self.structure, y) if self.several else y

    def _places(self, tracked: Tracked) -> Iterator[tuple[int, _Place]]:
        """Yield the arguments in which a value has a gradient."""
        for k, x in enumerate(self.template):
            if type(x) is _Place and (tracked is None or any(tracked[number] for number in x.numbers)):
                yield k, x

    def _missing(self, mode: str, tracked: Tracked) -> UndefinedRuleError:
        argnums = tuple(k for k, _ in self._places(tracked))
        return UndefinedRuleError(
            f"{mode} of {self.name} wrt argnums {argnums} not defined; define it with def{mode.lower()}"
        )

    def saver(self, tracked: tuple[bool, ...]) -> Callable[..., tuple[Any, ...]]:
        """Return what to save of the call. Raises UndefinedRuleError if the primitive has no derivative."""
        self._check_derivative(tracked)
        return lambda y, *values: self._saved(y, values, None if all(tracked) else tracked)

    def _check_derivative(self, tracked: Tracked) -> None:
        if self.wrapped not in primitive_vjps and self.wrapped not in primitive_jvps:
            raise self._missing("VJP", tracked)

    def _saved(self, y: Any, values: tuple[Any, ...], tracked: Tracked) -> tuple[Any, ...]:
        """Return what a node keeps. The function has seen these arrays, and its rules will: either may write to one."""
        arrays = values if self.plain else (*values, *[x for x in self.template if type(x) is not _Place])
        return sealed_each((y, values, tracked), "args", arrays)

    # Reverse mode

    def pull(self, y_bar: Any, saved: tuple[Any, ...], _settings: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the cotangent of each traced value."""
        if type(y_bar) is ARRAY and running.capture is None and not running.maps:  # `by_rows`, for most calls
            maker = primitive_vjps.get(self.wrapped)
            if maker is None or saved[2] is not None or not self.plain or self.several:
                return self._pull(y_bar, saved[:3])
            gradients = maker(self.argnums, saved[0], saved[1], self.kwargs)(y_bar)
            return tuple([x if type(x) is ARRAY else dense(x) for x in gradients])
        found: tuple[Any, ...] = by_rows(self._pull, y_bar, saved[:3])
        return found

    def _pull(self, y_bar: Any, saved: tuple[Any, ...]) -> tuple[Any, ...]:
        y, values, tracked = saved
        maker = primitive_vjps.get(self.wrapped)
        if maker is None:
            return tuple(self._pull_transposed(y_bar, y, values, tracked))
        places = list(self._places(tracked))
        vjp = maker(tuple(k for k, _ in places), self._ans(y), self._args(values), self.kwargs)
        g = unflatten(self.structure, y_bar) if self.several else y_bar
        bars: list[Any] = [None] * len(values)
        for (_, place), gradient in zip(places, vjp(g), strict=True):
            if place.structure is None:
                bars[place.numbers.start] = dense(gradient)
                continue
            for number, part in zip(place.numbers, place.parts(gradient), strict=True):
                bars[number] = part
        return tuple([np.zeros(np.shape(x)) if bar is None else bar for x, bar in zip(values, bars, strict=True)])

    def _pull_transposed(self, y_bar: Any, y: Any, values: Sequence[Any], tracked: Tracked) -> list[Any]:
        def linear(dots: list[Any]) -> Any:
            y_dot = self._push(tuple(dots), y, values)
            return y_dot if self.several else (y_dot,)

        return self._other_mode(linear, values, y_bar if self.several else (y_bar,), "VJP", tracked)

    # Forward mode

    def push(self, y: Any, args: tuple[Any, ...], dots: tuple[Any, ...], _settings: Mapping[str, Any]) -> Any:
        """Return the tangent of the output."""
        return by_rows(self._push if self.wrapped in primitive_jvps else self._push_transposed, dots, y, args)

    def _push(self, dots: tuple[Any, ...], y: Any, values: Sequence[Any]) -> Any:
        places = list(self._places([dot is not None for dot in dots]))
        filled = [np.zeros(np.shape(x)) if dot is None else dot for x, dot in zip(values, dots, strict=True)]
        gs = [place.filled(filled) for _, place in places]
        argnums = tuple(k for k, _ in places)
        y_dot = primitive_jvps[self.wrapped](argnums, gs, self._ans(y), self._args(values), self.kwargs)
        return tuple(flatten(dense(y_dot))[0]) if self.several else dense(y_dot)

    def _push_transposed(self, dots: tuple[Any, ...], y: Any, values: Sequence[Any]) -> Any:
        tracked = [dot is not None for dot in dots]

        def linear(bars: list[Any]) -> Any:
            return self._pull(tuple(bars) if self.several else bars[0], (y, tuple(values), tracked))

        y_dot = self._other_mode(linear, y if self.several else (y,), dots, "JVP", tracked)
        return tuple(y_dot) if self.several else y_dot[0]

    def _other_mode(self, linear: Any, like: Any, cotangents: Any, missing: str, tracked: Tracked) -> list[Any]:
        try:
            return transposed(linear, like, cotangents)
        except NotTransposed as error:
            raise self._missing(missing, tracked) from error


# Defining derivatives


def defvjp_argnums(fun: Any, vjpmaker: Callable[..., Any]) -> None:
    """Define reverse mode for all arguments: `vjpmaker(argnums, ans, args, kwargs)` returns `g -> gradients`."""
    primitive_vjps[fun] = vjpmaker


def defvjp_argnum(fun: Any, vjpmaker: Callable[..., Any]) -> None:
    """Define reverse mode for each argument: `vjpmaker(argnum, ans, args, kwargs)` returns `g -> gradient`."""

    def vjp_argnums(argnums: Sequence[int], *rest: Any) -> Any:
        vjps = [vjpmaker(argnum, *rest) for argnum in argnums]
        return lambda g: [vjp(g) for vjp in vjps]

    defvjp_argnums(fun, vjp_argnums)


def defvjp(fun: Any, *vjpmakers: Any, argnums: Any = None) -> None:
    """Define reverse mode: one `vjpmaker(ans, *args, **kwargs)` for each argument, returning `g -> gradient`.

    None is a gradient of zero. `argnums` are the arguments that the makers are for, by default the first ones.
    """
    makers = dict(zip(range(len(vjpmakers)) if argnums is None else argnums, vjpmakers, strict=False))
    for maker in makers.values():
        if maker is not None and not callable(maker):
            raise TypeError(f"Bad VJP '{maker}' for '{get_name(fun)}': expected a function, or None for zero")

    def vjp_argnum(argnum: int, ans: Any, args: Any, kwargs: Any) -> Any:
        if argnum not in makers:
            raise UndefinedRuleError(f"VJP of {get_name(fun)} wrt argnum {argnum} not defined; define it with defvjp")
        maker = makers[argnum]
        return maker(ans, *args, **kwargs) if maker is not None else lambda _: vspace(args[argnum]).zeros()

    def vjp_argnums(argnums: Sequence[int], ans: Any, args: Any, kwargs: Any) -> Any:
        maker = makers.get(argnums[0]) if len(argnums) == 1 else None
        if maker is not None:
            vjp = maker(ans, *args, **kwargs)
            return lambda g: (vjp(g),)
        vjps = [vjp_argnum(argnum, ans, args, kwargs) for argnum in argnums]
        return lambda g: [vjp(g) for vjp in vjps]

    defvjp_argnums(fun, vjp_argnums)


def defjvp_argnums(fun: Any, jvpmaker: Callable[..., Any]) -> None:
    """Define forward mode for all arguments at once: `jvpmaker(argnums, gs, ans, args, kwargs)` returns the tangent."""
    primitive_jvps[fun] = jvpmaker


def defjvp_argnum(fun: Any, jvpmaker: Callable[..., Any]) -> None:
    """Define forward mode for each argument: `jvpmaker(argnum, g, ans, args, kwargs)` is its part of the tangent."""

    def jvp_argnums(argnums: Sequence[int], gs: Sequence[Any], ans: Any, args: Any, kwargs: Any) -> Any:
        total: Any = None
        for argnum, g in zip(argnums, gs, strict=True):
            part = dense(jvpmaker(argnum, g, ans, args, kwargs))
            total = part if total is None else vspace(ans).add(total, part)
        return total

    defjvp_argnums(fun, jvp_argnums)


def defjvp(fun: Any, *jvpfuns: Any, argnums: Any = None) -> None:
    """Define forward mode: one `jvp(g, ans, *args, **kwargs)` for each argument.

    None is a tangent of zero, and "same" is the function itself with `g` in place of the argument: it is linear in it.
    """
    makers = dict(zip(range(len(jvpfuns)) if argnums is None else argnums, jvpfuns, strict=False))
    for maker in makers.values():
        if maker is not None and maker != "same" and not callable(maker):
            raise TypeError(f"Bad JVP '{maker}' for '{get_name(fun)}': expected a function, 'same' or None")

    def jvp_argnum(argnum: int, g: Any, ans: Any, args: Any, kwargs: Any) -> Any:
        if argnum not in makers:
            raise UndefinedRuleError(f"JVP of {get_name(fun)} wrt argnum {argnum} not defined; define it with defjvp")
        maker = makers[argnum]
        if maker is None:
            return vspace(ans).zeros()
        if maker == "same":
            return fun(*subval(args, argnum, g), **kwargs)
        return maker(g, ans, *args, **kwargs)

    defjvp_argnum(fun, jvp_argnum)


def def_linear(fun: Any) -> None:
    """Declare that a function is linear in each argument, which defines forward mode."""
    defjvp_argnum(fun, lambda argnum, g, _ans, args, kwargs: fun(*subval(args, argnum, g), **kwargs))


# The methods of a primitive that autograd deprecated


def _warn_deprecated(method: str) -> None:
    warnings.warn(f"the {method} method is deprecated; use autograd.extend.defvjp", DeprecationWarning, stacklevel=3)


def _redefine(fun: Any, makers: dict[int, Any]) -> None:
    defvjp(fun, *makers.values(), argnums=tuple(makers))


def _deprecated_defvjp(fun: Any) -> Callable[..., Any]:
    makers: dict[int, Any] = {}

    def method(vjpmaker: Callable[..., Any], argnum: int = 0) -> None:
        def staged(ans: Any, *args: Any, **kwargs: Any) -> Any:
            return lambda g: vjpmaker(g, ans, vspace(args[argnum]), vspace(g), *args, **kwargs)

        _warn_deprecated("defvjp")
        makers[argnum] = staged
        _redefine(fun, makers)

    return method


def _deprecated_defvjp_is_zero(fun: Any) -> Callable[..., Any]:
    makers: dict[int, Any] = {}

    def method(argnums: Sequence[int] = (0,)) -> None:
        _warn_deprecated("defvjp_is_zero")
        makers.update(dict.fromkeys(argnums))
        _redefine(fun, makers)

    return method


def _deprecated_defgrad(fun: Any) -> Callable[..., Any]:
    makers: dict[int, Any] = {}

    def method(gradfun: Callable[..., Any], argnum: int = 0) -> None:
        _warn_deprecated("defgrad")
        makers[argnum] = gradfun
        _redefine(fun, makers)

    return method
