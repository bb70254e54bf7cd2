"""The formula of an operation and of each rule: it is there, and it is what the code computes.

`chainrule.formula.evaluation` evaluates it with NumPy, apart from the engine. What is outside its subset of LaTeX is
prose: `prose(op)` says which formulas those are and why.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.core.operation import Operation, parameters
from chainrule.core.traces.reverse import fit
from chainrule.formula.evaluation import FormulaError, formulas_in, parse
from chainrule.formula.functions import POINTWISE, WHOLE
from chainrule.formula.more_functions import OF_SCIPY, OWN

from .calls import Call, cases_of, is_floating, is_shape, random_like
from .law import always, close, law, record_law

TOLERANCE = 1e-9
SPECIAL = frozenset(
    {
        *(*OF_SCIPY, "polygamma", "iv", "ive", "erfinv", "gammaln", "lambertw", "DaP", "DaI"),
        *("Si", "Ci", "FresnelS", "FresnelC", "Ai", "DAi", "Bi", "DBi"),
    }
)
"""Functions of numbers that NumPy does not have."""


class NumPyFunctions(Mapping[str, Callable[..., Any]]):
    r"""The functions of NumPy and `numpy.linalg` by name, for `\operatorname{reshape}(x, \mathrm{shape})`.

    Whole numbers are passed as ints; a setting that the formula leaves out and the function knows, such as `axis`, is
    passed as well.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings

    def __getitem__(self, name: str) -> Callable[..., Any]:
        if name in SPECIAL:
            return functools.partial(self._call, OWN[name])
        rooms = (np, np.linalg, np.fft)
        function = next((f for f in (getattr(room, name, None) for room in rooms) if callable(f)), None)
        if name in POINTWISE or name in WHOLE or not callable(function):
            raise KeyError(name)
        return functools.partial(self._call, function)

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        args = tuple(map(_as_ints, args))
        value = np.asarray(function(*args, **self._left_out(function, args)))
        return value if value.dtype.kind == "c" else value.astype(float)

    def _left_out(self, function: Callable[..., Any], args: tuple[Any, ...]) -> dict[str, Any]:
        try:
            signature = inspect.signature(function)
        except ValueError:  # ufuncs have none before NumPy 2.4
            return {}
        given = signature.bind_partial(*args).arguments
        return {key: x for key, x in self.settings.items() if key in signature.parameters and key not in given}

    def __iter__(self) -> Iterator[str]:
        return iter((*dir(np), *dir(np.linalg)))

    def __len__(self) -> int:
        return len(dir(np)) + len(dir(np.linalg))


def _as_ints(x: Any) -> Any:
    whole = np.ndim(x) < 2 and np.size(x) and np.all(np.mod(x, 1) == 0)
    return np.asarray(x, int).tolist() if whole else x


def namespace(call: Call, rng: np.random.Generator) -> dict[str, Any]:
    """What rules and formulas ask for, by name."""
    op, args = call.op, call.args
    settings = {**op.defaults, **call.settings}
    if op.keeps:
        y, *kept = op.primal_keeping(*args, **settings)
    else:
        y, kept = op.primal(*args, **settings), []
    bars = tuple(b if is_floating(b) else np.zeros(b.shape) for b in random_like(rng, y if op.several else (y,)))
    dots = tuple(_dot(call, k, rng) for k in range(len(args)))
    if is_shape(settings.get("axes")):  # a formula counts axes from the front
        settings["axes"] = tuple(axis % np.ndim(args[0]) for axis in settings["axes"])
    if "axis" in settings and not op.several:  # n is how many elements make one of the result
        settings.setdefault("n", np.size(args[0]) // max(np.size(y), 1))
    found = {
        "i": 1j,
        **settings,
        **dict(zip(op.keeps, kept, strict=True)),
        "y": y,
        "y_bar": bars if op.several else bars[0],
    }
    if op.variadic:
        only = op.arguments[0]
        return found | {only: args, f"{only}_dot": dots, f"{only}_shape": [np.shape(x) for x in args]}
    for name, x, dot in zip(op.arguments, args, dots, strict=True):
        found |= {name: x, f"{name}_dot": dot, f"{name}_shape": np.shape(x)}
    return found


def _dot(call: Call, k: int, rng: np.random.Generator) -> Any:
    x = call.args[k]
    return random_like(rng, (x,))[0] if k in call.moving else np.zeros(np.shape(x))


def results(call: Call, rule_name: str, values: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What a rule gives, by the name its formula gives it, each with the shape it belongs to."""
    op = call.op
    rule = op.primal if rule_name == "primal" else op.rules[rule_name]
    if rule_name == "primal":
        value = values["y"]
    else:
        settings = {key: values[key] for key in parameters(rule, keyword_only=True)}
        value = rule(*(values[name] for name in parameters(rule)), **settings)
    kind, _, argument = rule_name.partition("_")
    if kind in ("adjoint", "vjp"):
        names = [argument] if argument else list(op.arguments)
        given = value if isinstance(value, tuple | list) else (value,)
        found = {f"{a}_bar": (g, np.shape(values[a])) for a, g in zip(names, given, strict=True) if g is not None}
        return {name: pair for name, pair in found.items() if name.removesuffix("_bar") in call.names}
    shape = np.shape(values["y"])
    return {{"primal": "y", "jvp": "y_dot"}.get(kind, "partial"): (value, shape)}


def evaluate(call: Call, latex: str, values: Mapping[str, Any], shape: Any, summed: bool) -> list[Any]:
    """Every right-hand side of a formula, in a shape; where `summed`, broadcast axes are summed as the engine does.

    An index has no value: a formula reads `x[index]` as a product with a bracket.
    """
    formula = parse(latex)
    if formula.indices and not _along_the_last_axis(call):
        raise FormulaError("its indices run along the last axes, and the case along others")
    settings = {**call.op.defaults, **call.settings}
    given = {key: x for key, x in values.items() if key == "axis" or (key != "index" and _is_number(x))}
    if not summed or formula.indices:
        return formula.evaluate_all(given, NumPyFunctions(settings), shape=shape)
    sides = formula.evaluate_all(given, NumPyFunctions(settings))
    try:
        return [fit(side, shape, _dtype(call)) for side in sides]
    except ValueError as error:
        raise FormulaError(f"it does not say where the axes of its result belong: {error}") from error


def _dtype(call: Call) -> Any:
    """The dtype of cotangents of the arguments: complex if one of them is."""
    return np.result_type(float, *call.inputs)


def _is_number(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic | int | float | complex) or is_shape(x)


def _along_the_last_axis(call: Call) -> bool:
    axis = {**call.op.defaults, **call.settings}.get("axis", -1)
    return axis in (-1, np.ndim(call.args[0]) - 1)


def hold(call: Call, rule_name: str, rng: np.random.Generator) -> None:
    """Assert that the formula of a rule gives what the rule gives. Raises FormulaError where it cannot be evaluated."""
    op = call.op
    if op.variadic or op.several:
        raise FormulaError("it has any number of arguments, or several outputs")
    values = namespace(call, rng)
    output = parse(_formulas(op, "primal")[-1]).left.lower()  # \bar C where the operation is C = A B
    values = {output: values["y"], f"{output}_bar": values["y_bar"], **values}
    expected = results(call, rule_name, values)
    texts = _formulas(op, rule_name)
    for k, latex in enumerate(texts):
        left = parse(latex).left
        name = next((n for n in expected if n == left.lower()), None)
        if name is None and k == len(texts) - 1 and len(expected) == 1:
            (name,) = expected
        if name is None:
            values[left] = evaluate(call, latex, values, None, False)[0]
            continue
        got, shape = expected.pop(name)
        got = fit(got, shape, _dtype(call)) if name.endswith("_bar") else np.broadcast_to(got, shape)
        for side in evaluate(call, latex, values, shape, name.endswith("_bar")):
            close(f"{rule_name}: the code, against its formula {latex!r},", got, side, TOLERANCE)
    if expected:
        raise FormulaError(f"no formula gives {sorted(expected)}")


def _formulas(op: type[Operation], rule_name: str) -> list[str]:
    text = op.__doc__ if rule_name == "primal" else op.rules[rule_name].__doc__
    return formulas_in(inspect.cleandoc(text or ""))


def prose(op: type[Operation]) -> dict[str, str]:
    """The formulas that could be evaluated in none of the cases, each with the reason."""
    found = {}
    for rule_name in ("primal", *op.rules):
        reasons = []
        for one in cases_of(op):
            rng = np.random.default_rng(0)
            try:
                call = Call.drawn(op, one, rng)
                hold(call, rule_name, rng)
                break
            except FormulaError as error:
                reasons.append(str(error))
            except AssertionError:  # false, which is another law's business
                break
        else:
            found[rule_name] = reasons[0]
    return found


@record_law("every rule states its formula")
def stated(op: type[Operation]) -> None:
    """The first paragraph of the record's docstring, and of each of its rules, is an equation in LaTeX."""
    for rule_name in ("primal", *op.rules):
        where = f"the class {op.__name__}" if rule_name == "primal" else f"{op.__name__}.{rule_name}"
        texts = _formulas(op, rule_name)
        assert texts, f"{where} has no docstring with its formula"
        assert all("=" in text for text in texts), f"{where}: expected an equation, got {texts}"


@law("every formula is true", always)
def true(call: Call, rng: np.random.Generator) -> None:
    """What a formula says is what the rule under it computes, wherever it can be evaluated."""
    for rule_name in ("primal", *call.op.rules):
        try:
            hold(call, rule_name, rng)
        except FormulaError:
            continue
