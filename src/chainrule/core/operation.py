r"""The record of an operation: everything chainrule knows about it, in one class.

A record is a class that is never instantiated; its methods are plain functions (static methods) whose *parameter
names* say what they need::

    class Tanh(Elementwise):
        r"\tanh(x)"

        @staticmethod
        def primal(x):
            return np.tanh(x)

        @staticmethod
        def partial(y):
            r"\tanh'(x) = 1 - y^2"
            return 1 - y * y

`primal` names the arrays the operation takes (positional) and its settings (keyword-only). A rule may ask for

==============  ==========================================================
`y_bar`         the cotangent of the output (reverse mode)
`x_dot`         the tangent of the input `x` (forward mode)
`x`, `y`        the value of the input `x`, of the output: these are saved
`x_shape`       the shape of the input `x`: saves a tuple instead of an array
settings        keyword-only, by the name `primal` gives them
==============  ==========================================================

and nothing else is kept: the parameters of a record's rules *are* the list of residuals, and of those only what the
arguments that carry a gradient need is saved. A rule is written in chainrule's own operations, so it runs on plain
arrays in a first-order pass and on traced values in a higher one. Broadcasting, dtypes and the sum over several uses
are the engine's job, never a rule's.

The kinds of records (`Elementwise`, `Linear`, `Bilinear`, `General`, `Fused`, `Constant`) are in `kinds`.
"""

import inspect
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, ClassVar, TypeAlias

from chainrule.base.provenance import PACKAGE

from .errors import MissingRuleError
from .facts import Complex, Facts
from .memory.sealing import SCALARS, sealed
from .traces.shortcuts import applier

Array: TypeAlias = Any
"""A NumPy array or scalar in a first-order pass, a `Tensor` in a higher one."""

Rule: TypeAlias = Callable[..., Any]

REGISTRY: dict[str, type["Operation"]] = {}
"""Every operation of chainrule, by name. The registry tests, the audit and the docs iterate over it."""


def record_of(name: str) -> type["Operation"]:
    """Return the operation of a name; if there is none, `Operation` itself, about which nothing is known.

    >>> record_of("no such operation") is Operation
    True
    """
    return REGISTRY.get(name, Operation)


@dataclass(frozen=True)
class Kink:
    """Inputs at which the operation has no derivative, the partials that its record promises there, and the reason."""

    at: tuple[Any, ...]
    value: tuple[Any, ...]
    reason: str


@dataclass(frozen=True)
class Case:
    """One call of an operation for the registry's tests: shapes (or fixed arrays) of its arguments, and settings."""

    inputs: tuple[Any, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


def _generated(source: str, scope: dict[str, Any]) -> Rule:
    """Return the function of a generated line; its frame is one of this package's, and none of the user's."""
    return eval(compile(source, f"{PACKAGE}<generated>", "eval"), scope)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class RuleStep:
    """One line of the derivation of a fused operation's rule.

    `check` takes the record's arguments as plain arrays and returns the two arrays that the line claims to be equal;
    `applies`, if given, says whether the line applies to these arguments at all.
    """

    title: str
    latex: str
    check: Callable[..., tuple[Array, Array]]
    applies: Callable[..., bool] | None = None


def case(*inputs: Any, **settings: Any) -> Case:
    """Return a `Case`; a tuple of ints is a shape to fill at random, anything else is passed as it is."""
    return Case(inputs, settings)


_RULE_NAME = re.compile(r"(partial|adjoint)(_\w+)?|vjp|jvp")


def parameters(rule: Rule, keyword_only: bool = False) -> tuple[str, ...]:
    """Return the names of a rule's positional parameters (also of `*xs`), or of its keyword-only ones.

    They are read from the code object, since `inspect.signature` takes a tenth of a millisecond, and there are hundreds
    of rules.
    """
    code = _code(rule)
    names, positional, total = code.co_varnames, code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    if keyword_only:
        return names[positional:total]
    return names[:positional] + (names[total : total + 1] if is_variadic(rule) else ())


def is_variadic(rule: Rule) -> bool:
    """Say whether a rule takes any number of arrays, as `*xs`."""
    return bool(_code(rule).co_flags & inspect.CO_VARARGS)


def _code(rule: Rule) -> CodeType:
    written = inspect.unwrap(rule) if hasattr(rule, "__wrapped__") else rule
    return written.__code__


class Operation(Facts):
    """The base of every record. The module's docstring explains how to write one."""

    kind: ClassVar[str] = "operation"
    name: ClassVar[str]
    """The class's name in snake case: NumPy's name for the operation, or PyTorch's if NumPy has none."""
    arguments: ClassVar[tuple[str, ...]]
    """The arrays it takes, as `primal` names them."""
    variadic: ClassVar[bool]
    """Whether it takes any number of arrays, under one name."""
    defaults: ClassVar[Mapping[str, Any]]
    """Its settings with their defaults."""
    differentiable: ClassVar[tuple[str, ...]]
    """The arguments that have a derivative: those that rules are named after, or all of them."""
    rules: ClassVar[Mapping[str, Rule]]
    """Its rules by name, without the primal."""
    residuals: ClassVar[tuple[str, ...]]
    """What its reverse rules ask for, in the order in which a node saves it."""

    on_complex = Complex.REFUSED
    domain: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """The domain of each input, as an interval that the tests draw from; (-3, 3) by default."""
    kinks: ClassVar[tuple[Kink, ...]] = ()
    cases: ClassVar[tuple[Case, ...]] = ()
    reference: ClassVar[Rule | None] = None
    """A plain NumPy form of `primal`, if `primal` is not one itself."""
    composite: ClassVar[Rule | None] = None
    """The same function expressed in other operations (`Fused` only)."""
    derivation: ClassVar[tuple[RuleStep, ...]] = ()
    """How its rule follows from its composite, line by line (`Fused` only)."""
    keeps: ClassVar[tuple[str, ...]] = ()
    """The names of what `primal_keeping` returns after the output, for the reverse rules (`Fused` only)."""
    several: ClassVar[bool] = False
    """Whether `primal` returns a tuple of arrays."""
    foreign: ClassVar[bool] = False
    """Whether its settings are the user's own objects, which may change later."""
    written: ClassVar[Rule | None] = None
    """If the output is a view: `written(x, y, **settings)` is x with y in place of the view."""

    _savers: ClassVar[dict[tuple[bool, ...], Rule]]
    primal: ClassVar[Rule]
    apply: ClassVar[Rule]
    """Apply the operation to arrays and tensors: `apply(*arrays, **settings)`."""
    adjoints: ClassVar[tuple[Rule, ...]] = ()
    """Reverse mode: for each argument `(y_bar, saved, settings) -> x_bar`."""
    together: ClassVar[Rule | None] = None
    """Reverse mode of all arguments at once, where there is such code: `(y_bar, saved, settings) -> tuple | None`."""
    pull: ClassVar[Rule]
    """Reverse mode if one rule gives the cotangents of all arguments: `(y_bar, saved, settings) -> tuple`."""
    push: ClassVar[Rule]
    """Forward mode: `(y, args, dots, settings) -> y_dot`; a tangent of None is zero."""

    def __init_subclass__(cls, abstract: bool = False, register: bool = True) -> None:
        if abstract:
            return
        cls.name = cls.__dict__.get("name") or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        cls.arguments = parameters(cls.primal)
        cls.variadic = is_variadic(cls.primal)
        given = getattr(inspect.unwrap(cls.primal), "__kwdefaults__", None) or {}
        cls.defaults = {k: given.get(k, inspect.Parameter.empty) for k in parameters(cls.primal, keyword_only=True)}
        cls.rules = cls._collect_rules()
        if "differentiable" not in cls.__dict__:
            named = {n.partition("_")[2] for n in cls.rules} - {""}
            cls.differentiable = tuple(a for a in cls.arguments if not named or a in named)
        cls.residuals = cls._collect_residuals()
        cls._savers = {}
        apply = applier(cls)
        apply.__module__, apply.__qualname__ = cls.__module__, f"{cls.__qualname__}.apply"  # where pickle finds it
        cls.apply = staticmethod(apply)
        if register:
            if cls.name in REGISTRY:
                raise TypeError(f"two operations are called {cls.name!r}: {REGISTRY[cls.name]} and {cls}")
            REGISTRY[cls.name] = cls

    # Reading the record

    @classmethod
    def _collect_rules(cls) -> dict[str, Rule]:
        bases = (base for base in reversed(cls.__mro__) if base not in (object, Facts, Operation))  # these have none
        written = {n: None for base in bases for n in vars(base) if _RULE_NAME.fullmatch(n)}
        return {name: getattr(cls, name) for name in written}

    @classmethod
    def reverse_rules(cls) -> dict[str, Rule]:
        """Return the rules of reverse mode by name."""
        return {n: rule for n, rule in cls.rules.items() if n != "jvp"}

    @classmethod
    def _collect_residuals(cls) -> tuple[str, ...]:
        allowed = {"y", *cls.arguments, *(f"{a}_shape" for a in cls.arguments), *cls.keeps}
        names: dict[str, None] = {}
        for rule_name, rule in cls.reverse_rules().items():
            for name in parameters(rule):
                if name == "y_bar":
                    continue
                if name not in allowed:
                    raise TypeError(
                        f"{cls.__name__}.{rule_name} asks for {name!r}, expected y_bar or one of {sorted(allowed)}"
                    )
                names[name] = None
            unknown = set(parameters(rule, keyword_only=True)) - set(cls.defaults)
            if unknown:
                raise TypeError(f"{cls.__name__}.{rule_name} asks for {sorted(unknown)}, not settings of its primal")
        return tuple(names)

    @classmethod
    def rule_of(cls, argument: str) -> Rule | None:
        """Return the reverse rule for `argument`, or None if the operation has none."""
        if argument not in cls.differentiable:
            return None
        for name in (f"adjoint_{argument}", f"partial_{argument}", "adjoint", "partial", "vjp"):
            if name in cls.rules:
                return cls.rules[name]
        return None

    @classmethod
    def formulas(cls) -> dict[str, str]:
        """Return the formula of the operation (under "primal") and of each rule, in LaTeX."""
        texts = {"primal": cls.__doc__, **{name: rule.__doc__ for name, rule in cls.rules.items()}}
        return {name: inspect.cleandoc(text).partition("\n\n")[0] for name, text in texts.items() if text}

    # Binding the rules: which residual goes to which parameter is decided once, not at each call

    @classmethod
    def _bind(cls) -> None:
        """Set `adjoints`, `pull` and `push`, as the kind of the record defines them."""

    @classmethod
    def call(cls, rule: Rule, context: str, before: str = "", **extra: Any) -> Rule:
        """Return `lambda <context>: <before>rule(…)`, which passes `rule` what its parameters name.

        `context` is `y_bar, saved, settings` for reverse mode and `y, args, dots, settings` for forward mode. Like
        `collections.namedtuple`, this generates the one line of Python it needs: picking arguments generically would
        cost more than computing with small arrays.
        """
        source = f"lambda {context}: {before}rule({cls._call_of(rule, 'saved' in context)})"
        return _generated(source, {"rule": rule, **extra})

    @classmethod
    def _call_of(cls, rule: Rule, reverse: bool) -> str:
        where = {"y_bar": "y_bar", "y": "y", **{a: f"args[{i}]" for i, a in enumerate(cls.arguments)}}
        where |= {f"{a}_shape": f"args[{i}].shape" for i, a in enumerate(cls.arguments)}
        where |= {f"{a}_dot": f"dots[{i}]" for i, a in enumerate(cls.arguments)}
        if cls.variadic:
            only = cls.arguments[0]
            where |= {only: "args", f"{only}_dot": "dots", f"{only}_shape": "[x.shape for x in args]"}
        if reverse:
            where |= {name: f"saved[{i}]" for i, name in enumerate(cls.residuals)}
        settings = [f"{k}=settings[{k!r}]" for k in parameters(rule, keyword_only=True)]
        return ", ".join([where[n] for n in parameters(rule)] + settings)

    @classmethod
    def saver(cls, tracked: tuple[bool, ...]) -> Rule:
        """Return `save(y, *args)`, which returns what the rules of the `tracked` arguments need, and None for the rest.

        Raises MissingRuleError if a tracked argument has no rule.
        """
        if tracked not in cls._savers:
            if not cls._savers:
                cls._bind()  # at first use: at import, hundreds of operations would have to be bound
            cls._savers[tracked] = cls._make_saver(tracked)
        return cls._savers[tracked]

    @classmethod
    def _make_saver(cls, tracked: tuple[bool, ...]) -> Rule:
        needed: set[str] = set()
        for argument in set(cls._names_of(tracked)):
            rule = cls.rule_of(argument)
            if rule is None:
                raise MissingRuleError(
                    f"{cls.name}: no rule for the gradient with respect to {argument}; pass it as a plain array, or "
                    f"through chainrule.stop_gradient, if none is wanted"
                )
            needed |= set(parameters(rule))
        values = dict(zip(cls.arguments, cls.arguments, strict=True)) | {"y": "y"}
        values |= {f"{a}_shape": f"[shape(x) for x in {a}]" if cls.variadic else f"shape({a})" for a in cls.arguments}
        values |= {name: name for name in cls.keeps}
        body = "".join(f"{values[name] if name in needed else None}, " for name in cls.residuals)
        arguments = f"*{cls.arguments[0]}" if cls.variadic else ", ".join(cls.arguments)
        keeps = f", {', '.join(cls.keeps)}" if cls.keeps else ""
        result = f"({body})"
        foreign = {name for name, is_tracked in zip(cls.arguments, tracked, strict=False) if not is_tracked}
        if cls.variadic and not all(tracked):
            foreign = {cls.arguments[0]}
        places = tuple((k, name) for k, name in enumerate(cls.residuals) if name in foreign & needed)
        if places:  # a number, as in `2 * x`, is not worth a call
            sealed_ = f"sealed({result}, places, {cls.kind in ('bilinear', 'fused')}, y)"
            only = places[0][1]
            result = f"{result} if type({only}) in scalars else {sealed_}" if len(places) == 1 else sealed_
        scope = {"shape": _shape, "sealed": sealed, "places": places, "scalars": SCALARS, "type": type}
        return _generated(f"lambda y, {arguments}{keeps}: {result}", scope)

    @classmethod
    def _names_of(cls, tracked: Iterable[bool]) -> Iterable[str]:
        names = itertools.repeat(cls.arguments[0]) if cls.variadic else cls.arguments
        return (name for name, is_tracked in zip(names, tracked, strict=False) if is_tracked)


def _shape(x: Any) -> tuple[int, ...]:
    return getattr(x, "shape", ())
