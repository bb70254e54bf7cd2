r"""What a student writes, evaluated: `dz * x`, `X.T @ dZ`, `\frac{\partial L}{\partial z} \cdot x`.

Python is read as a syntax tree and walked here, so that nothing in it can run: names, numbers, arithmetic, comparisons,
`.T`, and the functions below. LaTeX goes to the reader that also reads derivations.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.formula.evaluation import FormulaError, parse

from .names import LABEL, PARTIAL, Named

LONGEST = 500
"""Characters that an answer may have."""
MOST_POWER = 64
"""The largest exponent: a tower of powers would not end."""


class AnswerError(ValueError):
    """An answer that cannot be read: what was expected instead."""


def _sigmoid(x: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(x)))


def _softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _relu(x: Any) -> Any:
    return np.maximum(x, 0)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in ("exp", "log", "sqrt", "tanh", "sin", "cos", "abs", "sign", "square")},
    **{name: getattr(np, name) for name in ("maximum", "minimum", "where", "dot", "outer", "transpose")},
    **{"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "var": np.var, "std": np.std, "ln": np.log},
    **{"sigmoid": _sigmoid, "sigma": _sigmoid, "softmax": _softmax, "relu": _relu},
}
METHODS = frozenset({"sum", "mean", "max", "min", "dot", "transpose", "var", "std"})
_OPERATORS: Mapping[type, Callable[..., Any]] = {
    **{ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv},
    **{ast.MatMult: operator.matmul, ast.USub: operator.neg, ast.UAdd: operator.pos},
    **{ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.LtE: operator.le},
}


def evaluate(text: str, values: Sequence[Named], indices: str = "") -> Any:
    r"""Return what an expression in Python or LaTeX is for some values; `indices` are those on the left of the formula.

    Raises AnswerError for anything that is not arithmetic with these names.

    >>> values = [Named("dz", r"\frac{\partial L}{\partial z}", -0.125), Named("x", "x", 2.0)]
    >>> evaluate("dz * x", values)
    -0.25
    >>> float(evaluate(r"\frac{\partial L}{\partial z} \cdot x", values))
    -0.25
    """
    text = text.strip().strip("$").strip()
    if not text:
        raise AnswerError("the answer is empty")
    if len(text) > LONGEST:
        raise AnswerError(f"the answer has {len(text)} characters; at most {LONGEST} are read")
    text = text.rpartition(" = ")[2]
    return _latex(text, values, indices) if re.search(r"\\|[_^]\{", text) else _python(text, values, indices)


CAPITALS, SMALL = "ABCDGHJKMPQRSTUVWXYZ", "abchmopqrstuvwxyz"
"""Letters that stand for values while LaTeX is read: capitals for matrices, which multiply when they are adjacent."""


def _latex(text: str, values: Sequence[Named], indices: str) -> Any:
    letters = {True: iter(CAPITALS), False: iter(SMALL)}
    given: list[str] = []
    found: dict[str, Any] = {}
    for known in sorted(values, key=lambda v: -len(v.symbol)):
        match = pattern(known.symbol)
        if not match.search(text):
            continue
        letter = next(letters[np.ndim(known.value) > 1], None)
        if letter is None:
            raise AnswerError("the formula has too many names; write it in Python")
        text = match.sub(_marked(f"\x00{len(given)}\x00"), text)
        given.append(letter)
        found[letter] = known.value
    for k, letter in enumerate(given):
        text = text.replace(f"\x00{k}\x00", f" {letter}")
    left = f"l_{{{indices}}}" if indices and "_" in text else "l"
    try:
        return parse(f"{left} = {text}").evaluate(found)
    except FormulaError as error:
        raise AnswerError(_reworded(str(error))) from None


def _marked(mark: str) -> Callable[[re.Match[str]], str]:
    """Return what puts a mark in place of a symbol, and leaves its indices and its transpose."""
    return lambda found: mark + (found["index"] or "") + (r"^\top" if found["top"] else "")


def _reworded(error: str) -> str:
    return error.partition(", in ")[0].partition(" of 'l")[0] + "; Python is read as well"


def pattern(symbol: str) -> re.Pattern[str]:
    r"""Return what matches a symbol with the indices and the transpose that may follow: `W^{(1)\top}`, `z_{ij}`."""
    index = r"(?P<index>_(?:[a-z]|\{[a-z, ]+\}))?"
    whole = PARTIAL.fullmatch(symbol)
    if whole:
        inner = pattern(whole[1]).pattern.replace("(?P<top>", "(?:").replace("(?<![\\\\A-Za-z])", "")
        return re.compile(rf"\\frac\{{\\partial L\}}\{{\\partial\s+{inner}\}}(?P<top>\^\{{?\\top\}}?)?")
    label = LABEL.search(symbol)
    if label:
        base = re.escape(symbol[: label.start()])
        return re.compile(rf"(?<![\\A-Za-z]){base}(?:\^\{{\({label[1]}\)(?P<top>\\top)?\}}|_\{{?{label[1]}\}}?){index}")
    return re.compile(rf"(?<![\\A-Za-z]){re.escape(symbol)}(?![A-Za-z]){index}(?P<top>\^\{{?\\top\}}?)?")


def _python(text: str, values: Sequence[Named], indices: str) -> Any:
    try:
        tree = ast.parse(text.replace("·", "*").replace("−", "-").replace("^", "**"), mode="eval")
        with np.errstate(all="ignore"):
            return _Walk({v.name: v.value for v in values}).of(tree.body)
    except SyntaxError as error:
        try:  # (a - t) x, a product as on paper
            return _latex(text, values, indices)
        except AnswerError:
            raise AnswerError(f"not an expression: {error.msg}") from None
    except (ValueError, TypeError, ArithmeticError, RecursionError, MemoryError) as error:
        raise error if isinstance(error, AnswerError) else AnswerError(f"cannot be evaluated: {error}") from None


class _Walk:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def of(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name):
                return self.name(name)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.power(self.of(left), self.of(right))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](self.of(left), self.of(right))
            case ast.UnaryOp(op=op, operand=x) if type(op) in _OPERATORS:
                return _OPERATORS[type(op)](self.of(x))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
                return np.asarray(_OPERATORS[type(op)](self.of(left), self.of(right)), float)
            case ast.Attribute(value=x, attr="T"):
                return np.asarray(self.of(x)).T
            case ast.Call(func=function, args=args, keywords=keywords):
                return self.call(function, args, keywords)
        raise AnswerError(
            f"{ast.unparse(node)!r} is not read here; write names, numbers, + - * / ** @, .T and functions"
        )

    def name(self, name: str) -> Any:
        for spelt in (name, name.replace("dL_d", "d").replace("dLd", "d"), name.replace("_", "")):
            if spelt in self.values:
                return self.values[spelt]
        known = ", ".join(sorted(self.values))
        raise AnswerError(f"{name!r} has no value here; there are {known}")

    def power(self, base: Any, exponent: Any) -> Any:
        if np.size(exponent) != 1 or abs(float(exponent)) > MOST_POWER:
            raise AnswerError(f"an exponent is one number, at most {MOST_POWER}")
        return np.asarray(base, float) ** float(exponent)

    def call(self, function: ast.expr, args: list[ast.expr], keywords: list[ast.keyword]) -> Any:
        given = [self.of(x) for x in args]
        settings = {str(k.arg): self.setting(k) for k in keywords}
        match function:
            case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="np" | "numpy" | "cr" | "math"), attr=name):
                if name in FUNCTIONS:
                    return FUNCTIONS[name](*given, **settings)
                raise AnswerError(f"no function {name!r} here; there are {', '.join(sorted(FUNCTIONS))}")
            case ast.Attribute(value=x, attr=name) if name in METHODS:
                return FUNCTIONS[name](self.of(x), *given, **settings)
        raise AnswerError(f"{ast.unparse(function)!r} cannot be called here")

    def setting(self, keyword: ast.keyword) -> Any:
        if keyword.arg == "axis" and isinstance(keyword.value, ast.Constant | ast.UnaryOp | ast.Tuple):
            return ast.literal_eval(keyword.value)
        if keyword.arg == "keepdims" and isinstance(keyword.value, ast.Constant):
            return bool(keyword.value.value)
        raise AnswerError(f"{keyword.arg}= is not read here; axis= and keepdims= are")
