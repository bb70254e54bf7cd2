"""`custom`: the user's own operations, with their own derivatives."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .errors import InPlaceError, MissingRuleError
from .facts import Facts
from .memory.sealing import Sealed, own, sealed_all
from .tensor import Tensor, is_array
from .traces.capturing import running
from .traces.dispatch import described, dispatch
from .traces.running import outside
from .transforms.batch import by_rows
from .transforms.transposed import NotTransposed, transposed
from .transforms.values import by_name


def custom(f: Callable[..., Any] | None = None, *, several: bool = False) -> Any:
    """Make an operation from `f`, whose derivative is defined by `def_vjp` and `def_jvp`.

    `f(*args, **settings)` returns one array, or a tuple of arrays with `several`; cotangents and tangents of the output
    are then tuples, with zeros for unused outputs. The floating-point arguments are differentiated; all others, and
    keyword arguments, are passed on as they are. Inside `f`, values are plain arrays. For higher derivatives the rules
    are called with tensors, so rules made of operators and NumPy functions can be differentiated again, and one of them
    is enough for both modes: the other is its transpose.

    >>> import chainrule as cr
    >>> import numpy as np
    >>> @cr.custom
    ... def cube(x):
    ...     return x**3
    >>> @cube.def_vjp
    ... def backward(y_bar, x):
    ...     return y_bar * 3 * x**2
    >>> float(cr.grad(cube)(2.0)), float(cr.grad(cr.grad(cube))(2.0))
    (12.0, 12.0)
    >>> float(cr.jvp(cube, (2.0,), (1.0,))[1])
    12.0

    With two outputs:

    >>> @cr.custom(several=True)
    ... def split(x):
    ...     return x * x, 2 * x
    >>> @split.def_vjp
    ... def backward(y_bar, x):
    ...     return y_bar[0] * 2 * x + y_bar[1] * 2
    >>> float(cr.grad(lambda x: split(x)[0] * 10 + split(x)[1])(3.0))
    62.0
    """
    return functools.partial(custom, several=several) if f is None else Custom(f, several)


class Custom(Facts):
    """An operation made by `custom`: call it like the original function."""

    kind = "general"
    composite = None
    foreign = True
    adjoints: tuple[Any, ...] = ()
    defaults: Mapping[str, Any] = {}

    def __init__(self, f: Callable[..., Any], several: bool = False) -> None:
        functools.update_wrapper(self, f)
        self.name = getattr(f, "__name__", type(f).__name__)
        self.function = f
        self.several = several
        parameters = inspect.signature(f).parameters.values()
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.arguments = tuple(p.name for p in parameters if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD))
        self.keeps: tuple[str, ...] = ()
        self.residuals: tuple[str, ...] = self.arguments
        self.forward: Callable[..., Any] = f
        self.rules: dict[str, Callable[..., Any]] = {}

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle a function decorated with `@custom` by its name, like any function."""
        return by_name(self) or super().__reduce_ex__(protocol)

    def __copy__(self) -> "Custom":
        """Return another operation with the same rules, which can be given others."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), rules=dict(self.rules))
        return twin

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Apply the operation."""
        return dispatch(self, args, settings)

    apply = __call__

    def def_vjp(self, forward: Callable[..., Any], backward: Callable[..., Any] | None = None) -> Any:
        """Set the rule of reverse mode.

        Call `def_vjp(backward)` with `backward(y_bar, *args)`, or `def_vjp(forward, backward)` with `forward(*args)`
        returning `(y, residuals)` and `backward(residuals, y_bar)`. Either `backward` returns one gradient for each
        floating-point argument (a single one need not be in a tuple); None means zero. Keyword arguments of the call
        are passed to both functions. Returns its first argument, so it works as a decorator.

        Raises TypeError if a signature cannot take these arguments.
        """
        if backward is None:
            if not self.variadic:  # otherwise the call decides how many arguments there are
                self._check_signature("def_vjp: backward", forward, ("y_bar", *self.arguments))
            self.rules["vjp"], self.keeps = forward, ()
        else:
            if not self.variadic:
                self._check_signature("def_vjp: forward", forward, self.arguments)
            self._check_signature("def_vjp: backward", backward, ("residuals", "y_bar"))
            self.rules["vjp"], self.keeps, self.forward = backward, ("residuals",), forward
        return forward

    def def_jvp(self, jvp: Callable[..., Any]) -> Any:
        """Set the rule of forward mode: `jvp(primals, tangents)`, two tuples, returns `y_dot` or `(y, y_dot)`.

        The tangent of a constant argument is zero, that of an argument that is not floating-point is None. Returns its
        argument, so it works as a decorator.
        """
        self._check_signature("def_jvp: jvp", jvp, ("primals", "tangents"))
        self.rules["jvp"] = jvp
        return jvp

    def _check_signature(self, what: str, rule: Callable[..., Any], names: tuple[str, ...]) -> None:
        try:
            inspect.signature(rule).bind(*names)
        except TypeError as error:
            raise TypeError(
                f"{self.name}.{what} must be callable as {what.split()[-1]}({', '.join(names)}): {error}"
            ) from None

    # The interface to the traces

    def primal(self, *args: Any, **settings: Any) -> Any:
        """Call the function and check what it returns."""
        return self._output(self._called(self.function, args, settings), 0)

    def _called(self, f: Callable[..., Any], args: tuple[Any, ...], settings: Mapping[str, Any]) -> list[Any]:
        """Call user code with values that a tape may have saved, and which it must not change.

        Returns the result in a list, so that other references to it can be detected.
        """
        before = sealed_all((), [(self._argument(k), x) for k, x in enumerate(args)])
        made = [outside(f, *args, **settings)]
        if isinstance(before, Sealed) and (name := before.changed()) is not None:
            raise InPlaceError(
                f"{self.name}: the function changed {name} in place, which earlier operations may still need; write to "
                f"a copy"
            )
        return made

    def primal_keeping(self, *args: Any, **settings: Any) -> tuple[Any, Any]:
        """Call `forward` and check what it returns."""
        (result,) = self._called(self.forward, args, settings)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{self.name}.def_vjp: forward must return (y, residuals), got {described(result)}")
        return self._output(result, 0), result[1]

    def _output(self, made: Sequence[Any], k: int) -> Any:
        if not self.several:
            return self._array(made, k)
        if not isinstance(made[k], tuple | list):
            raise TypeError(
                f"{self.name}: with several=True it must return a tuple of arrays, got {described(made[k])}"
            )
        return tuple(self._array(made[k], place) for place in range(len(made[k])))

    def _array(self, made: Sequence[Any], k: int) -> Any:
        y = own(made, k)
        if not isinstance(y, Tensor | np.ndarray | np.generic | float | int | complex):
            expected = "arrays" if self.several else "one array"
            hint = "; for a tuple of arrays, make it with custom(several=True)" if isinstance(y, tuple) else ""
            raise TypeError(f"{self.name}: a custom operation must return {expected}, got {described(y)}{hint}")
        return y if hasattr(y, "shape") else np.asarray(y)[()]

    def saver(self, tracked: tuple[bool, ...]) -> Callable[..., tuple[Any, ...]]:
        """Return what to save of a call: all its arguments, or the residuals that `forward` returned.

        User code has seen all of them, and may write to them later.
        """

        def save(_: Any, *rest: Any) -> tuple[Any, ...]:
            args, residuals = rest[: len(tracked)], rest[len(tracked)] if self.keeps else None
            named = [(self._argument(k), x) for k, x in enumerate(args)]
            return sealed_all((args, residuals), [*named, ("a residual", residuals)])

        return save

    def pull(self, y_bar: Any, saved: tuple[Any, ...], settings: Mapping[str, Any]) -> tuple[Any, ...]:
        """Call the rule of reverse mode and check what it returns."""
        if not self.rules:
            raise MissingRuleError(f"{self.name}: no rule for reverse mode; define one with .def_vjp(...)")
        rule = self._pull if "vjp" in self.rules else self._pull_transposed
        found: tuple[Any, ...] = (
            rule(y_bar, saved, settings)
            if self._is_followed(y_bar, saved, settings)
            else by_rows(rule, y_bar, saved, settings)
        )
        if isinstance(saved, Sealed) and (name := saved.changed()) is not None:
            raise InPlaceError(
                f"{self.name}.def_vjp: backward changed {name} in place, which another rule or a second pass "
                f"may still need; write to a copy"
            )
        return found

    def _is_followed(self, y_bar: Any, saved: tuple[Any, ...], settings: Mapping[str, Any]) -> bool:
        """Whether a capture notes the operations of the rule of reverse mode, and not just its call."""
        if running.capture is None or "vjp" not in self.rules or self.keeps or self.several:
            return False
        rule = self.rules["vjp"]
        if not running.capture.follows(rule, (y_bar, *saved[0]), settings):
            return False
        running.capture.checks.append(lambda: self.rules.get("vjp") is rule)
        return True

    def _pull_transposed(self, y_bar: Any, saved: tuple[Any, ...], settings: Mapping[str, Any]) -> tuple[Any, ...]:
        """Derive reverse mode from the rule of forward mode."""
        args = saved[0]
        floating = [k for k, x in enumerate(args) if is_floating(x)]
        y = self.apply(*args, **settings)

        def linear(dots: list[Any]) -> Any:
            moving = dict(zip(floating, dots, strict=True))
            y_dot = self._push(tuple(map(moving.get, range(len(args)))), y, args, settings)
            return y_dot if self.several else (y_dot,)

        bars = self._other_mode(linear, [args[k] for k in floating], y_bar if self.several else (y_bar,), "vjp")
        found = dict(zip(floating, bars, strict=True))
        return tuple(self._checked(k, x, found.get(k)) for k, x in enumerate(args))

    def _pull(self, y_bar: Any, saved: tuple[Any, ...], settings: Mapping[str, Any]) -> tuple[Any, ...]:
        args, residuals = saved[:2]
        y_bar = _copied(y_bar)
        rule = self.rules["vjp"]
        made: Sequence[Any] = [rule(residuals, y_bar, **settings) if self.keeps else rule(y_bar, *args, **settings)]
        if isinstance(made[0], tuple | list):
            made = made[0]
        grads = [own(made, k) for k in range(len(made))]
        floating = [k for k, x in enumerate(args) if is_floating(x)]
        if len(grads) != len(floating):
            raise ValueError(
                f"{self.name}.def_vjp: backward returned {len(grads)} gradients, expected one for each of the "
                f"{len(floating)} floating arguments"
            )
        found = dict(zip(floating, grads, strict=True))
        return tuple(self._checked(k, x, found.get(k)) for k, x in enumerate(args))

    def _checked(self, k: int, x: Any, x_bar: Any) -> Any:
        if x_bar is None:
            return np.zeros(np.shape(x))
        if np.shape(x_bar) != np.shape(x):
            raise ValueError(
                f"{self.name}.def_vjp: the gradient of {self._argument(k)} has shape {list(np.shape(x_bar))}, expected "
                f"{list(np.shape(x))}, the argument's own"
            )
        return x_bar

    def _argument(self, k: int) -> str:
        return self.arguments[k] if k < len(self.arguments) and not self.variadic else f"argument {k}"

    def push(self, y: Any, args: tuple[Any, ...], dots: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Call the rule of forward mode."""
        if not self.rules:
            raise MissingRuleError(f"{self.name}: no rule for forward mode; define one with .def_jvp(...)")
        return by_rows(self._push if "jvp" in self.rules else self._push_transposed, dots, y, args, settings)

    def _push_transposed(
        self, dots: tuple[Any, ...], y: Any, args: tuple[Any, ...], settings: Mapping[str, Any]
    ) -> Any:
        """Derive forward mode from the rule of reverse mode."""
        residuals = self.primal_keeping(*args, **settings)[1] if self.keeps else None

        def linear(bars: list[Any]) -> Any:
            return self._pull(tuple(bars) if self.several else bars[0], (args, residuals), settings)

        y_dot = self._other_mode(linear, y if self.several else (y,), dots, "jvp")
        return tuple(y_dot) if self.several else y_dot[0]

    def _other_mode(self, linear: Any, like: Any, cotangents: Any, missing: str) -> list[Any]:
        try:
            return transposed(linear, like, cotangents)
        except NotTransposed as error:
            mode, given = ("forward", "vjp") if missing == "jvp" else ("reverse", "jvp")
            raise MissingRuleError(
                f"{self.name}: no rule for {mode} mode, and none can be derived from that of .def_{given} ({error}); "
                f"write that rule with operators and NumPy functions, or define one with .def_{missing}(...)"
            ) from error

    def _push(self, dots: tuple[Any, ...], y: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        tangents = tuple(
            dot if dot is not None else np.zeros(np.shape(x), getattr(x, "dtype", float)) if is_floating(x) else None
            for x, dot in zip(args, dots, strict=True)
        )
        result = self.rules["jvp"](args, tangents, **settings)
        y_dot = _copied(self._tangent(result, y))
        for part, part_dot in zip(y, y_dot, strict=True) if self.several else ((y, y_dot),):
            if np.shape(part_dot) != np.shape(part):
                raise ValueError(
                    f"{self.name}.def_jvp: the tangent has shape {list(np.shape(part_dot))}, expected "
                    f"{list(np.shape(part))}, the output's own (output {described(part)})"
                )
        return y_dot

    def _tangent(self, result: Any, y: Any) -> Any:
        """Return `y_dot` from what a rule returned, `y_dot` or `(y, y_dot)`."""
        if not self.several:
            return result[1] if isinstance(result, tuple) else result
        if isinstance(result, tuple | list) and len(result) == 2 and isinstance(result[0], tuple | list):
            result = result[1]
        if not isinstance(result, tuple | list) or len(result) != len(y):
            got = f"{len(result)} tangents" if isinstance(result, tuple | list) else described(result)
            raise ValueError(f"{self.name}.def_jvp: expected one tangent for each of {len(y)} outputs, got {got}")
        return tuple(result)


def _copied(x: Any) -> Any:
    """Return a private copy for values that the user's rule may write to or keep: others hold the same array."""
    if isinstance(x, tuple):
        return tuple(map(_copied, x))
    return x.copy() if is_array(x) else x


def is_floating(x: Any) -> bool:
    """Whether a value is a float, a complex number, or an array of them."""
    return isinstance(x, float | complex) or getattr(getattr(x, "dtype", None), "kind", None) in ("f", "c")
