"""Elementwise operations in ONNX."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.compile.program.program import Instruction
from chainrule.interop.onnx.graph import Graph, Ref, writes
from chainrule.rules.arrays.shape import Astype, AstypeDiscrete, Copy
from chainrule.rules.elementary.arithmetic import Add, Divide, Multiply, Negative, Square, Subtract
from chainrule.rules.elementary.compare import (
    Equal,
    Greater,
    GreaterEqual,
    Isfinite,
    Isinf,
    Isnan,
    Less,
    LessEqual,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    LogicalXor,
    NotEqual,
    StopGradient,
)
from chainrule.rules.elementary.error_function import Erf, Erfc
from chainrule.rules.elementary.exponential import Exp, Exp2, Expm1, Log, Log1p, Log2, Log10, Logaddexp
from chainrule.rules.elementary.powers import Absolute, Cbrt, Hypot, Positive, Power, Reciprocal, Sqrt
from chainrule.rules.elementary.rounding import Ceil, Floor, FloorDivide, Fmod, Remainder, Round, Sign, Trunc
from chainrule.rules.elementary.selection import Clip, Maximum, Minimum, Where
from chainrule.rules.elementary.trigonometric import (
    Arccos,
    Arccosh,
    Arcsin,
    Arcsinh,
    Arctan,
    Arctanh,
    Cos,
    Cosh,
    Deg2rad,
    Rad2deg,
    Sin,
    Sinh,
    Tan,
    Tanh,
)
from chainrule.rules.network.activation import (
    Celu,
    Elu,
    Gelu,
    GeluTanh,
    LeakyRelu,
    Logsigmoid,
    Mish,
    Prelu,
    Relu,
    Selu,
    Sigmoid,
    Silu,
    Softplus,
    Softsign,
    Tanhshrink,
)
from chainrule.rules.network.piecewise import Hardshrink, Hardsigmoid, Hardswish, Hardtanh, Softshrink, Threshold

# Operations that correspond to one ONNX node each.
ONE_NODE: dict[Any, str] = {
    **{Absolute: "Abs", Negative: "Neg", Exp: "Exp", Log: "Log", Sqrt: "Sqrt", Reciprocal: "Reciprocal"},
    **{Sin: "Sin", Cos: "Cos", Tan: "Tan", Arcsin: "Asin", Arccos: "Acos", Arctan: "Atan"},
    **{Sinh: "Sinh", Cosh: "Cosh", Tanh: "Tanh", Arcsinh: "Asinh", Arccosh: "Acosh", Arctanh: "Atanh"},
    **{Erf: "Erf", Sign: "Sign", Floor: "Floor", Ceil: "Ceil", Isnan: "IsNaN", Isinf: "IsInf"},
    **{Relu: "Relu", Sigmoid: "Sigmoid", Softsign: "Softsign", Hardswish: "HardSwish", Mish: "Mish"},
    **{LogicalNot: "Not", Positive: "Identity", Copy: "Identity", StopGradient: "Identity"},
}
TWO_INPUTS = {
    Add: "Add",
    Subtract: "Sub",
    Multiply: "Mul",
    Maximum: "Max",
    Minimum: "Min",
    Power: "Pow",
}
COMPARISONS: dict[Any, str] = {Equal: "Equal", Less: "Less", LessEqual: "LessOrEqual"} | {
    **{Greater: "Greater", GreaterEqual: "GreaterOrEqual"},
    **{LogicalAnd: "And", LogicalOr: "Or", LogicalXor: "Xor"},
}


def common(graph: Graph, *args: Any) -> list[Ref]:
    """Return arguments in the common dtype that NumPy computes in; plain numbers follow the arrays."""
    arrays = [graph.ref(x) for x in args if hasattr(x, "dtype") or hasattr(x, "names")]
    dtype = np.result_type(*(x.dtype for x in arrays), *(x for x in args if isinstance(x, int | float)))
    return [graph.ref(x, dtype) for x in args]


def in_dtype(graph: Graph, i: Instruction, *args: Any) -> list[Ref]:
    """Return arguments in the dtype of the result."""
    return [graph.ref(x, i.outputs[0].dtype) for x in args]


def number(graph: Graph, i: Instruction, value: float) -> str:
    """Return a number in the dtype of the result."""
    return graph.constant(value, i.outputs[0].dtype)


@writes(*ONE_NODE)
def one_node(graph: Graph, i: Instruction, x: Any, **_: Any) -> str:
    """Write an operation that ONNX has."""
    discrete = i.op in (Isnan, Isinf, LogicalNot, StopGradient, Copy, Positive)
    x = graph.ref(x, None if discrete else i.outputs[0].dtype)
    if i.op is LogicalNot:
        x = graph.ref(x, np.bool_)
    return str(graph.node(ONE_NODE[i.op], x))


@writes(*TWO_INPUTS)
def two_inputs(graph: Graph, i: Instruction, a: Any, b: Any) -> str:
    """Write a sum, a product and their like."""
    return str(graph.node(TWO_INPUTS[i.op], *in_dtype(graph, i, a, b)))


@writes(Divide)
def divide(graph: Graph, i: Instruction, a: Any, b: Any) -> str:
    """Write a quotient; the mean over windows, a sum over as many, is one node."""
    mean = graph.averages.get(getattr(a, "number", -1))
    if mean is not None and not hasattr(b, "number") and b == i.inputs[0].maker.settings["windows"].places:  # type: ignore[union-attr]
        return mean
    return str(graph.node("Div", *in_dtype(graph, i, a, b)))


@writes(*COMPARISONS, NotEqual)
def compare(graph: Graph, i: Instruction, a: Any, b: Any) -> str:
    """Write a comparison."""
    logical = i.op in (LogicalAnd, LogicalOr, LogicalXor)
    pair = [graph.ref(x, np.bool_) for x in (a, b)] if logical else common(graph, a, b)
    if i.op is NotEqual:
        return str(graph.node("Not", graph.node("Equal", *pair)))
    return str(graph.node(COMPARISONS[i.op], *pair))


@writes(Isfinite)
def isfinite(graph: Graph, _: Instruction, x: Any) -> str:
    """Write isfinite."""
    x = graph.ref(x)
    return str(graph.node("Not", graph.node("Or", graph.node("IsNaN", x), graph.node("IsInf", x))))


@writes(Where)
def where(graph: Graph, i: Instruction, condition: Any, a: Any, b: Any) -> str:
    """Write where."""
    return str(graph.node("Where", graph.ref(condition, np.bool_), *in_dtype(graph, i, a, b)))


@writes(Clip)
def clip(graph: Graph, i: Instruction, x: Any, low: Any, high: Any) -> str:
    """Write bounds, which may be arrays or None."""
    (y,) = in_dtype(graph, i, x)
    made = y if low is None else graph.node("Max", y, *in_dtype(graph, i, low))
    made = made if high is None else graph.node("Min", made, *in_dtype(graph, i, high))
    return str(graph.node("Identity", made))


@writes(Astype, AstypeDiscrete)
def astype(graph: Graph, i: Instruction, x: Any, **_: Any) -> str:
    """Write a change of dtype."""
    return graph.cast(graph.ref(x), i.outputs[0].dtype)


@writes(Square, Cbrt, Exp2, Expm1, Log1p, Log2, Log10, Erfc, Trunc, Deg2rad, Rad2deg)
def of_one(graph: Graph, i: Instruction, x: Any) -> str:
    """Write a unary function in terms of those that ONNX has."""
    (x,) = in_dtype(graph, i, x)

    def c(value: float) -> str:
        return number(graph, i, value)

    def node(kind: str, *inputs: Any) -> Any:
        return graph.node(kind, *inputs)

    sign = node("Sign", x) if i.op in (Cbrt, Trunc) else ""
    size = node("Abs", x) if sign else ""
    forms: dict[Any, Callable[[], Any]] = {
        Square: lambda: node("Mul", x, x),
        Cbrt: lambda: node("Mul", sign, node("Pow", size, c(1 / 3))),
        Exp2: lambda: node("Exp", node("Mul", x, c(math.log(2)))),
        Expm1: lambda: node("Sub", node("Exp", x), c(1)),
        Log1p: lambda: node("Log", node("Add", x, c(1))),
        Log2: lambda: node("Div", node("Log", x), c(math.log(2))),
        Log10: lambda: node("Div", node("Log", x), c(math.log(10))),
        Erfc: lambda: node("Sub", c(1), node("Erf", x)),
        Trunc: lambda: node("Mul", sign, node("Floor", size)),
        Deg2rad: lambda: node("Mul", x, c(math.pi / 180)),
        Rad2deg: lambda: node("Mul", x, c(180 / math.pi)),
    }
    return str(forms[i.op]())


@writes(Round)
def round_(graph: Graph, i: Instruction, x: Any, *, decimals: int = 0) -> str:
    """Write rounding to even."""
    (x,) = in_dtype(graph, i, x)
    if not decimals:
        return str(graph.node("Round", x))
    scale = number(graph, i, 10.0**decimals)
    return str(graph.node("Div", graph.node("Round", graph.node("Mul", x, scale)), scale))


@writes(Remainder, Fmod, FloorDivide)
def remainder(graph: Graph, i: Instruction, a: Any, b: Any) -> str:
    """Write the remainder, and floor division."""
    a, b = in_dtype(graph, i, a, b)
    is_floating = i.outputs[0].dtype.kind == "f"
    if i.op is Fmod:
        return str(graph.node("Mod", a, b, fmod=1))
    if not is_floating:
        left = graph.node("Mod", a, b)
        return str(left if i.op is Remainder else graph.node("Div", graph.node("Sub", a, left), b))
    floor = graph.node("Floor", graph.node("Div", a, b))
    return str(floor if i.op is FloorDivide else graph.node("Sub", a, graph.node("Mul", floor, b)))


@writes(Logaddexp)
def logaddexp(graph: Graph, i: Instruction, a: Any, b: Any) -> str:
    r"""Write max(a, b) + softplus(−|a − b|)."""
    a, b = in_dtype(graph, i, a, b)
    apart = graph.node("Neg", graph.node("Abs", graph.node("Sub", a, b)))
    return str(graph.node("Add", graph.node("Max", a, b), graph.node("Softplus", apart)))


@writes(Hypot)
def hypot(graph: Graph, i: Instruction, a: Any, b: Any) -> str:
    """Write √(a² + b²)."""
    a, b = in_dtype(graph, i, a, b)
    return str(graph.node("Sqrt", graph.node("Add", graph.node("Mul", a, a), graph.node("Mul", b, b))))


# Activations with settings


@writes(LeakyRelu)
def leaky_relu(graph: Graph, i: Instruction, x: Any, *, negative_slope: float = 0.01) -> str:
    """Write a leaky ReLU."""
    return str(graph.node("LeakyRelu", *in_dtype(graph, i, x), alpha=float(negative_slope)))


@writes(Prelu)
def prelu(graph: Graph, i: Instruction, x: Any, w: Any) -> str:
    """Write a leaky ReLU with a learned slope."""
    return str(graph.node("PRelu", *in_dtype(graph, i, x, w)))


@writes(Elu, Celu)
def elu(graph: Graph, i: Instruction, x: Any, *, alpha: float = 1.0) -> str:
    """Write an exponential linear unit."""
    return str(graph.node({Elu: "Elu", Celu: "Celu"}[i.op], *in_dtype(graph, i, x), alpha=float(alpha)))


@writes(Selu)
def selu(graph: Graph, i: Instruction, x: Any, *, alpha: float, lambda_: float) -> str:
    """Write a scaled exponential linear unit."""
    return str(graph.node("Selu", *in_dtype(graph, i, x), alpha=float(alpha), gamma=float(lambda_)))


@writes(Gelu, GeluTanh)
def gelu(graph: Graph, i: Instruction, x: Any) -> str:
    """Write x Φ(x), exact or by GPT-2's formula."""
    return str(graph.node("Gelu", *in_dtype(graph, i, x), approximate="tanh" if i.op is GeluTanh else "none"))


@writes(Silu, Logsigmoid, Tanhshrink)
def silu(graph: Graph, i: Instruction, x: Any) -> str:
    """Write activations of the form x · f(x)."""
    (x,) = in_dtype(graph, i, x)
    if i.op is Silu:
        return str(graph.node("Mul", x, graph.node("Sigmoid", x)))
    if i.op is Tanhshrink:
        return str(graph.node("Sub", x, graph.node("Tanh", x)))
    return str(graph.node("Neg", graph.node("Softplus", graph.node("Neg", x))))


@writes(Softplus)
def softplus(graph: Graph, i: Instruction, x: Any, *, beta: float = 1.0) -> str:
    """Write log(1 + exp(βx)) / β."""
    (x,) = in_dtype(graph, i, x)
    if beta == 1:
        return str(graph.node("Softplus", x))
    scale = number(graph, i, beta)
    return str(graph.node("Div", graph.node("Softplus", graph.node("Mul", x, scale)), scale))


@writes(Hardsigmoid)
def hardsigmoid(graph: Graph, i: Instruction, x: Any) -> str:
    """Write a hard sigmoid."""
    return str(graph.node("HardSigmoid", *in_dtype(graph, i, x), alpha=1 / 6, beta=0.5))


@writes(Hardtanh)
def hardtanh(graph: Graph, i: Instruction, x: Any, *, min_val: float = -1.0, max_val: float = 1.0) -> str:
    """Write bounds that are numbers."""
    (x,) = in_dtype(graph, i, x)
    return str(graph.node("Clip", x, number(graph, i, min_val), number(graph, i, max_val)))


@writes(Hardshrink, Softshrink)
def shrink(graph: Graph, i: Instruction, x: Any, *, lambda_: float = 0.5) -> str:
    """Write zeros between −λ and λ."""
    bias = float(lambda_) if i.op is Softshrink else 0.0
    return str(graph.node("Shrink", *in_dtype(graph, i, x), lambd=float(lambda_), bias=bias))


@writes(Threshold)
def threshold(graph: Graph, i: Instruction, x: Any, *, threshold: float = 0.0, value: float = 0.0) -> str:
    """Write x where it is above a number, another one elsewhere."""
    (x,) = in_dtype(graph, i, x)
    return str(graph.node("Where", graph.node("Greater", x, number(graph, i, threshold)), x, number(graph, i, value)))
