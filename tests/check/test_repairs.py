"""A mistake in a backward pass is named by the change of its code that repairs it, and by nothing that does not."""
# A backward pass takes every argument of its function, whether it needs it or not.

import ast
import inspect

import numpy as np
import pytest

import chainrule as cr
from chainrule.check.repairs.edits import edits
from chainrule.check.repairs.program import FunctionSource

RNG = np.random.default_rng(0)
SQUARE = (RNG.standard_normal((4, 4)), RNG.standard_normal((4, 4)))
NET = tuple(RNG.standard_normal(shape) for shape in ((5, 3), (3, 4), (4,), (4, 2), (2,)))
SIGNAL = (RNG.standard_normal(9), RNG.standard_normal(3))
TABLE = RNG.standard_normal((5, 4))


def relu(x):
    return np.maximum(x, 0)


def masked_by_the_gradient(g, x):
    return g * (g > 0)


def product_not_turned(g, x, w):
    return g @ w, x.T @ g


def network(x, w1, b1, w2, b2):
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2


def masked_inclusively(g, x, w1, b1, w2, b2):
    z1 = x @ w1 + b1
    a1 = np.maximum(z1, 0)
    da1 = g @ w2.T
    dz1 = da1 * (a1 >= 0)
    return dz1 @ w1.T, x.T @ dz1, dz1.sum(0), a1.T @ g, g.sum(0)


def strided(x, w):
    return np.array([x[2 * i : 2 * i + len(w)] @ w for i in range((len(x) - len(w)) // 2 + 1)])


def stride_forgotten(g, x, w):
    dx, dw, k = np.zeros_like(x), np.zeros_like(w), len(w)
    for i in range(len(g)):
        dx[i : i + k] += g[i] * w
        dw += g[i] * x[2 * i : 2 * i + k]
    return dx, dw


def normalised(x):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 0.1)


def norm_backward(g, x):
    s = np.sqrt(x.var(1, keepdims=True)) + 0.1
    x_hat = (x - x.mean(1, keepdims=True)) / s
    return (g - g.mean(1, keepdims=True) - x_hat * (g * x_hat).mean(1, keepdims=True)) / s


def norm_over_rows(g, x):
    s = np.sqrt(x.var(1, keepdims=True) + 0.1)
    x_hat = (x - x.mean(1, keepdims=True)) / s
    return (g - g.mean(axis=0, keepdims=True) - x_hat * (g * x_hat).mean(1, keepdims=True)) / s


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def sum_left_out(g, x):
    p = softmax(x)
    inner = (g * p).sum(axis=1, keepdims=True)
    return p * (g + inner)


def helper(x):
    return np.cos(x)


def through_a_helper(g, x):
    return g * helper(x)


def steps(x):
    return x[1:] - x[:-1]


def steps_backward(g, x):
    dx = np.zeros_like(x)
    dx[1:] += g
    dx[:-1] += g
    return dx


CASES = {
    "mask of the wrong array": (relu, masked_by_the_gradient, (TABLE,), "x", "mask", "g * (x > 0)"),
    "inclusive mask": (network, masked_inclusively, NET, "w1", "mask", "da1 * (a1 > 0)"),
    "transposed": (lambda x, w: x @ w, product_not_turned, SQUARE, "x", "transposed", "g @ w.T"),
    "stride": (strided, stride_forgotten, SIGNAL, "x", "stride", "i * 2"),
    "epsilon beside the root": (normalised, norm_backward, (TABLE,), "x", "epsilon", "+ 0.1)"),
    "axis": (normalised, norm_over_rows, (TABLE,), "x", "axes-swapped", "axis=1"),
    "sign of a term": (softmax, sum_left_out, (TABLE,), "x", "missing-term", "g - inner"),
    "in a helper": (np.cosh, through_a_helper, (TABLE,), "x", "wrong-point", ""),
    "upstream sign": (steps, steps_backward, (TABLE,), "x", "sign", "dx[:-1] -= g"),
}


@pytest.mark.parametrize("name", [k for k in CASES if k != "in a helper"])
def test_the_mistake_is_named_with_its_line(name):
    forward, backward, args, argument, code, wanted = CASES[name]
    report = cr.check(forward, *args, backward=backward)
    finding = next(f for f in report.findings if f.argument == argument)
    assert (finding.verdict, finding.code) == ("wrong", code)
    assert wanted in finding.detail["wanted"]
    lines, first = inspect.getsourcelines(backward)
    assert finding.detail["written"].split(" = ")[0] in lines[finding.detail["line"] - first]
    assert finding.detail["written"] in str(report)


def test_every_finding_of_a_network_names_the_one_mask():
    report = cr.check(network, *NET, backward=masked_inclusively)
    assert {f.argument for f in report.findings} == {"x", "w1", "b1"}
    assert {f.detail["written"] for f in report.findings} == {"da1 * (a1 >= 0)"}


def test_a_mistake_that_no_change_repairs_is_unexplained():
    def nonsense(g, x):
        return g * np.sin(17 * x + 3) * np.cosh(x / 2)

    report = cr.check(np.tanh, TABLE, backward=nonsense)
    assert report.findings[0].code == "unexplained"


def test_what_repairs_one_point_only_is_not_named():
    def rule(g, x):  # right with 1.0 in place of 2.0 at the point of the check alone, where all of x is 1
        return g * 2.0

    report = cr.check(lambda x: x**2 / 2, np.ones(3), backward=rule)
    assert all("2.0" not in str(h.detail.get("written", "")) for h in report.findings[0].hypotheses)


def test_the_formula_of_the_operation_stands_beside():
    report = cr.check(lambda x, w: x @ w, *SQUARE, backward=product_not_turned)
    assert report.findings[0].detail["formula"] == "Ā = Ȳ Bᵀ for Y = A B"
    assert "expected: Ā = Ȳ Bᵀ for Y = A B" in str(report)
    report = cr.check(np.tanh, TABLE, backward=lambda g, x: g * (1 - x**2))
    assert report.findings[0].detail["formula"] == "x̄ = ȳ ⊙ (1 - y²) for y = tanh(x)"


def test_a_pass_that_raises_is_repaired_too():
    def raises(g, x, w):
        return g @ w, x.T @ g

    report = cr.check(lambda x, w: x @ w, TABLE, RNG.standard_normal((4, 3)), backward=raises)
    assert report.verdict in ("shape", "raises")
    assert report.findings[0].detail["wanted"] == "g @ w.T"


@pytest.mark.parametrize("error", [RuntimeError, ZeroDivisionError, KeyError])
def test_an_exception_is_a_verdict_with_its_text(error):
    def raises(g, x):
        raise error("the cache is empty")

    report = cr.check(np.sin, TABLE, backward=raises)
    assert report.verdict == "raises"
    assert "the cache is empty" in str(report)


class Layer:
    def __init__(self):
        self.W = RNG.standard_normal((4, 4))

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, g):
        self.dW = self.x.T @ g
        return g @ self.W


def test_a_method_of_a_layer():
    report = cr.check_layer(Layer(), TABLE)
    assert report.findings[0].detail["wanted"] == "g @ self.W.T"


@cr.custom
def doubled(x):
    return np.sin(2 * x)


@doubled.def_vjp
def doubled_rule(g, x):
    return -g * 2 * np.cos(2 * x)


def test_a_custom_operation_inside_a_network():
    report = cr.check(lambda x: np.tanh(doubled(x)).sum(), TABLE)
    assert report.findings[0].code == "sign"
    assert "2 * np.cos(2 * x)" in report.findings[0].detail.get("wanted", "2 * np.cos(2 * x)")


def test_changes_are_taken_back():
    program = FunctionSource(masked_inclusively)
    before = ast.unparse(program.tree)
    for edit in edits(program.tree):
        edit.apply().apply()
    assert ast.unparse(program.tree) == before
    made = program.compiled()
    bar = np.ones((5, 2))
    for a, b in zip(made(bar, *NET), masked_inclusively(bar, *NET), strict=True):
        np.testing.assert_array_equal(a, b)
