"""The kinds of records, in increasing order of what has to be written.

=============  =====================================================================================
`Elementwise`  one `partial` (or `partial_a`, `partial_b`, …) gives both modes
`Linear`       only the adjoint; forward mode applies the operation to the tangents
`Bilinear`     two adjoints; forward mode is the product rule
`General`      `jvp` and `vjp` (or one `adjoint_x` for each argument) by hand
`Fused`        a fast form of a `composite` of other operations, which defines it
`Constant`     no derivative: comparisons, rounding, indices
=============  =====================================================================================
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from .errors import MissingRuleError
from .loops import adjoint_by_loop, by_loop
from .operation import Operation, Rule, parameters
from .precision import dtype_of, in_one_dtype, widened
from .tensor import Tensor
from .traces.capturing import running
from .traces.forward import Forward
from .traces.tape import next_level
from .transforms.batch import by_rows

REVERSE = "y_bar, saved, settings"
FORWARD = "y, args, dots, settings"


def _zeros(x: Any) -> Any:
    return np.zeros(x.shape, x.dtype) if hasattr(x, "shape") else 0.0


class _ByArgument(Operation, abstract=True):
    """Records with one reverse rule per argument."""

    @classmethod
    def _bind(cls) -> None:
        rules = [cls.rule_of(argument) for argument in cls.arguments]
        if cls.variadic or cls.several or "vjp" in cls.rules:
            (rule,) = {r for r in rules if r is not None}
            cls.pull = staticmethod(_as_tuple(cls.call(rule, REVERSE), len(cls.arguments)))
        else:
            cls.adjoints = tuple(cls._adjoint(rule) if rule else _no_rule(cls) for rule in rules)

    @classmethod
    def _adjoint(cls, rule: Rule) -> Rule:
        return cls.call(rule, REVERSE)


def _as_tuple(call: Rule, count: int) -> Any:
    if count > 1:
        return call

    def pull(y_bar: Any, saved: Any, settings: Any) -> tuple[Any, ...]:
        x_bar = call(y_bar, saved, settings)
        return tuple(x_bar) if isinstance(x_bar, tuple | list) else (x_bar,)

    return pull


def _no_rule(op: type[Operation]) -> Callable[..., Any]:
    def adjoint(*_: Any) -> Any:
        raise MissingRuleError(f"{op.name}: no rule for reverse mode")

    return adjoint


class Elementwise(_ByArgument, abstract=True):
    """Acts on each element separately, with broadcasting: `y_bar * partial` and `partial * x_dot`."""

    kind = "elementwise"
    is_pointwise = True

    partials: ClassVar[Mapping[str, Rule]]
    """Each argument's partial, as a function of (y, args, dots, settings)."""

    def __init_subclass__(cls, abstract: bool = False, register: bool = True) -> None:
        if not abstract and cls.element is not None and len(parameters(cls.primal)) == 1:
            cls.primal = staticmethod(by_loop(cls.primal, cls.element))
        super().__init_subclass__(abstract, register)

    @classmethod
    def _bind(cls) -> None:
        super()._bind()
        rules = {argument: cls.rule_of(argument) for argument in cls.arguments}
        cls.partials = {argument: cls.call(rule, FORWARD) for argument, rule in rules.items() if rule}

    @classmethod
    def _adjoint(cls, rule: Rule) -> Rule:
        if len(cls.arguments) == 1:
            adjoint = cls.call(rule, REVERSE, before="y_bar * ")
            return adjoint if cls.element is None else adjoint_by_loop(adjoint)
        partial = cls.call(rule, REVERSE)
        return lambda y_bar, saved, settings: (
            y_bar * partial(y_bar, widened(saved, getattr(y_bar, "dtype", None)), settings)
        )

    @classmethod
    def push(cls, y: Any, args: tuple[Any, ...], dots: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Sum the partials times the tangents."""
        args = widened(args, y.dtype)
        y_dot = None
        for argument, dot in zip(cls.arguments, dots, strict=True):
            if dot is not None:
                term = cls.partials[argument](y, args, dots, settings) * dot
                y_dot = term if y_dot is None else y_dot + term
        return y_dot


class Linear(_ByArgument, abstract=True):
    """Linear in its differentiable arguments taken together."""

    kind = "linear"

    @classmethod
    def push(cls, y: Any, args: tuple[Any, ...], dots: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:  # noqa: ARG003
        """Apply the operation to the tangents; the tangent of an argument without one is zero."""
        moving = cls.differentiable
        names = cls.arguments * len(args) if cls.variadic else cls.arguments
        inputs = [
            x if name not in moving else _zeros(x) if dot is None else dot
            for name, x, dot in zip(names, args, dots, strict=True)
        ]
        return cls.apply(*inputs, **settings)


class Bilinear(_ByArgument, abstract=True):
    """Linear in each of two arguments: the product rule."""

    kind = "bilinear"

    @classmethod
    def push(cls, y: Any, args: tuple[Any, ...], dots: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:  # noqa: ARG003
        """Replace one argument at a time by its tangent."""
        y_dot = None
        for i, dot in enumerate(dots):
            if dot is not None:
                term = cls.apply(*args[:i], dot, *args[i + 1 :], **settings)
                y_dot = term if y_dot is None else y_dot + term
        return y_dot


class General(_ByArgument, abstract=True):
    """Both modes by hand: `jvp`, and `vjp` or one `adjoint_x` for each argument."""

    kind = "general"

    @classmethod
    def call(cls, rule: Rule, context: str, before: str = "", **extra: Any) -> Rule:
        """Bind a rule as other records do; with several arguments it computes in the result's dtype."""
        bound = super().call(rule, context, before, **extra)
        if len(cls.arguments) == 1 and not cls.variadic:
            return bound
        if context == REVERSE:
            return lambda y_bar, saved, settings: bound(y_bar, widened(saved, dtype_of(y_bar)), settings)
        return lambda y, args, dots, settings: bound(y, widened(args, dtype_of(y)), dots, settings)

    @classmethod
    def _bind(cls) -> None:
        super()._bind()
        if "jvp" in cls.rules:
            cls.push = staticmethod(_filling_zeros(cls.call(cls.rules["jvp"], FORWARD)))


def _filling_zeros(call: Rule) -> Any:
    def push(y: Any, args: Any, dots: Any, settings: Any) -> Any:
        filled = tuple(_zeros(x) if dot is None else dot for x, dot in zip(args, dots, strict=True))
        return call(y, args, filled, settings)

    return push


class Fused(_ByArgument, abstract=True):
    """A fast form of `composite`, a function of other operations, which defines it.

    Its rules see plain arrays only and may be written in NumPy. Higher derivatives go through the composite, and so
    does forward mode, unless the record has its own `jvp`. `primal_keeping`, if defined, returns `(y, *keeps)`:
    intermediate results of the forward pass for the reverse rules.
    """

    kind = "fused"

    takes_stacks: ClassVar[bool] = False
    """Whether the reverse rules are nevertheless written in chainrule's own operations, so that they can be called with
    a whole batch of cotangents."""

    def __init_subclass__(cls, abstract: bool = False, register: bool = True) -> None:
        super().__init_subclass__(abstract, register)
        if not abstract and len(cls.arguments) > 1:
            cls.apply = staticmethod(in_one_dtype(cls.apply))

    @classmethod
    def _bind(cls) -> None:
        super()._bind()
        if cls.eager_adjoints is not None:
            cls.together = staticmethod(_in_eager_code(super().call(cls.eager_adjoints, REVERSE)))
        if "jvp" in cls.rules:
            cls.push = staticmethod(_in_plain_arrays(cls, _filling_zeros(cls.call(cls.rules["jvp"], FORWARD))))

    @classmethod
    def call(cls, rule: Rule, context: str, before: str = "", **extra: Any) -> Rule:
        """Bind a rule as other records do, but never pass batches to rules for plain arrays."""
        bound = super().call(rule, context, before, **extra)
        bound.__name__ = f"{cls.__name__}.{rule.__name__}"
        bound.rule = (cls, rule.__name__)  # type: ignore[attr-defined]  # so that a program knows what it calls
        if context != REVERSE or cls.takes_stacks:
            return bound
        return lambda y_bar, saved, settings: by_rows(bound, y_bar, saved, settings)


def _in_eager_code(call: Rule) -> Any:
    """Return `together` from a call of `eager_adjoints`: nothing is captured or mapped, and no cotangent is traced."""

    def together(y_bar: Any, saved: Any, settings: Any) -> Any:
        is_plain = type(y_bar) is np.ndarray and running.capture is None and not running.maps
        return call(y_bar, saved, settings) if is_plain else None

    return together


def _in_plain_arrays(op: type[Fused], jvp: Rule) -> Rule:
    """Return a `push` that calls `jvp` if all its arguments are plain arrays, and otherwise uses the composite."""

    def rule(dots: Any, y: Any, args: Any, settings: Any) -> Any:
        if any(isinstance(x, Tensor) for x in (*args, *dots)):
            return _along_composite(op, args, dots, settings)
        return jvp(y, args, dots, settings)

    def push(y: Any, args: Any, dots: Any, settings: Any) -> Any:
        if any(isinstance(x, Tensor) and x._trace.level >= 0 for x in args):
            return _along_composite(op, args, dots, settings)
        return by_rows(rule, dots, y, args, settings)

    return push


def _along_composite(op: type[Fused], args: Any, dots: Any, settings: Any) -> Any:
    composite: Any = op.composite
    trace = Forward(next_level())
    boxes = (x if dot is None else Tensor(x, trace, dot) for x, dot in zip(args, dots, strict=True))
    return composite(*boxes, **settings)._link


class Constant(Operation, abstract=True):
    """Has no derivative, as its kind says: its output is a constant for every trace."""

    kind = "constant"
    differentiable = ()
