r"""Formulas of the LaTeX subset against NumPy: a table, and what must be refused."""

import math

import numpy as np
import pytest
from tests.named import walked

from chainrule.formula.evaluation import FormulaError, formulas_in, parse

rng = np.random.default_rng(0)
x, y, w, z = (rng.normal(size=(3, 4)) for _ in range(4))
p, q = (rng.uniform(0.1, 0.9, size=(3, 4)) for _ in range(2))
A, C = rng.normal(size=(3, 3)) + 4 * np.eye(3), rng.normal(size=(3, 4))
B, M = rng.normal(size=(3, 4)), rng.normal(size=(4, 5))
S, T = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 4, 5))
v, u = rng.normal(size=4), rng.normal(size=4)
t = np.array([2, 0, 3])
VALUES = {
    **{"x": x, "y": y, "w": w, "z": z, "p": p, "q": q, "A": A, "B": B, "C": C, "M": M, "S": S, "T": T},
    **{"v": v, "u": u, "t": t, "d": 4.0, "s": 2.0, "alpha": 0.3, "eps": 1e-3, "mu": 0.7, "axis": 1},
    **{"y_bar": w, "x_dot": z, "y_hat": q, "c_bar": C, "W_1": M, "x_0": y, "x_min": p, "beta_hat": 0.5},
    **{"W_1_bar": M, "scale": 3.0, "t_in": z},
}
sigmoid = 1 / (1 + np.exp(-x))
erf = np.vectorize(math.erf)


def softmax(a):
    exps = np.exp(a - a.max(-1, keepdims=True))
    return exps / exps.sum(-1, keepdims=True)


TABLE = [
    # names
    (r"a = \bar y + \dot x - \hat y", w + z - q),
    (r"\bar{y} \odot x_0", w * y),
    (r"x_{\min} + t_{\text{in}} + t_{\mathrm{in}}", p + 2 * z),
    (r"\hat\beta x + \hat{\beta}\,x", x),
    (r"\bar W_1 + \bar{W}_1 + \bar{W_1}", 3 * M),
    (r"\mathrm{scale}\,x + \mathbf{x}", 4 * x),
    (r"x + \varepsilon + \epsilon", x + 2e-3),
    (r"\pi e + e^{x}", math.pi * math.e + np.exp(x)),
    # arithmetic
    (r"y = \frac{1}{1 + e^{-x}}", sigmoid),
    (r"\frac12 x^2 + \frac1d y", x**2 / 2 + y / 4),
    (r"-x y + 2 x - 3", -x * y + 2 * x - 3),
    (r"x - y - w", x - y - w),
    (r"-x^2", -(x**2)),
    (r"x / p / q + x y / p", x / p / q + x * y / p),
    (r"x \cdot y \odot w / p", x * y * w / p),
    (r"2\,(x + 1)\left(y - 1\right)", 2 * (x + 1) * (y - 1)),
    (r"p^{-1} + p^{-1/2} + p^{q} + 2^x", 1 / p + p**-0.5 + p**q + 2**x),
    (r"\sqrt{p} + \sqrt[3]{p} + \sqrt2", np.sqrt(p) + np.cbrt(p) + math.sqrt(2)),
    (r"|x| + |y - \lvert w\rvert| + 2|x|", 3 * np.abs(x) + np.abs(y - np.abs(w))),
    (r"\lfloor x \rfloor + \lceil x \rceil", np.floor(x) + np.ceil(x)),
    # functions
    (r"\sigma'(x) = \sigma(x)\,(1 - \sigma(x))", sigmoid * (1 - sigmoid)),
    (r"1 - \tanh^2(x) + \tanh(x)^2", np.ones_like(x)),
    (r"\sin^2 x + \cos^2 x", np.ones_like(x)),
    (r"p \log q + (1 - p) \log (1 - q)", p * np.log(q) + (1 - p) * np.log(1 - q)),
    (r"\ln p\,q - \log p \, q^2", np.log(p) * q - np.log(p) * q**2),
    (r"\log p \log q", np.log(p) * np.log(q)),
    (r"\log_2 p + \log_{10}(p) + \ln p", np.log2(p) + np.log10(p) + np.log(p)),
    (r"\exp\left(-x^2\right) + \log\exp x", np.exp(-(x**2)) + x),
    (r"\max(x, 0) + \min(x, y, w)", np.maximum(x, 0) + np.minimum(np.minimum(x, y), w)),
    (r"\operatorname{sign}(x)\,|x| - \operatorname{sign} x", x - np.sign(x)),
    (r"\arcsin(p) + \arccos(p) + \arctan x", np.pi / 2 + np.arctan(x)),
    (r"x\,\Phi(x) + \varphi(x)", x * 0.5 * (1 + erf(x / 2**0.5)) + np.exp(-x * x / 2) / (2 * np.pi) ** 0.5),
    (r"\operatorname{erf}(x) + \operatorname{erfc}(x)", np.ones_like(x)),
    (r"\operatorname{clip}(x, -0.5, .5)", np.clip(x, -0.5, 0.5)),
    # matrices
    (r"\bar A = \bar C\,B^\top", C @ B.T),
    (r"A^{\top} C", A.T @ C),
    (r"A^{-1} C + A^{-\top} C", np.linalg.solve(A, C) + np.linalg.solve(A.T, C)),
    (r"S T", S @ T),
    (r"2 S T / \sqrt{d}", S @ T),
    (r"x W_1", x @ M),
    (r"x^\top \bar C", x.T @ C),
    (r"(\hat y - y) M", (q - y) @ M),
    (r"B \odot C + \alpha B", B * C + 0.3 * B),
    (r"B^{\odot 2}", B**2),
    (r"\operatorname{softmax}(B C^\top / \sqrt{d}) C", softmax(B @ C.T / 2) @ C),
    (r"M^\top v", M.T @ v),
    (r"\operatorname{tr}(A) C + \det(A)", np.trace(A) * C + np.linalg.det(A)),
    (r"\operatorname{diag}(v) M", v[:, None] * M),
    # conditions
    (r"\bar y \odot [x > 0]", w * (x > 0)),
    (r"[0 < x < 1] + [x \ge 0 \land y < 0]", 1.0 * (x > 0) * (x < 1) + (x >= 0) * (y < 0)),
    (r"\mathbb{1}[x \le y] + \mathbf{1}\{x > y\}", np.ones_like(x)),
    (r"\left[x + y\right] w", (x + y) * w),
    (r"[x = y] + [x = x]", np.ones_like(x)),
    (
        r"\begin{cases} x & \text{if } x > 0 \\ \alpha\,(e^x - 1) & \text{otherwise} \end{cases}",
        np.where(x > 0, x, 0.3 * np.expm1(x)),
    ),
    (
        r"\begin{cases} 1, & x > 1, \\ 2, & x > 0 \\ 3 & x \le 0 \end{cases}",
        np.select([x > 1, x > 0], [1, 2], 3),
    ),
    # reductions over axes
    (r"\sum_{\text{axis}} x y", (x * y).sum(1, keepdims=True)),
    (r"y \odot (\bar y - \sum_{\text{axis}} \bar y \odot y)", y * (w - (w * y).sum(1, keepdims=True))),
    (r"\bar b = \sum_{\text{rows}} \bar C", C.sum(0, keepdims=True)),
    (r"y \odot (w - \operatorname{rowsum}(w \odot y))", y * (w - (w * y).sum(-1, keepdims=True))),
    (r"\frac{1}{n} \textstyle\sum x", x.mean(1, keepdims=True)),
    (r"\frac1n \sum (x - \frac1n \sum x)^2", x.var(1, keepdims=True)),
    (r"x - \operatorname{mean}(x)", x - x.mean(1, keepdims=True)),
    (
        r"x / \|x\|_2 + \|x\|_1",
        x / np.linalg.norm(x, axis=1, keepdims=True) + np.abs(x).sum(1, keepdims=True),
    ),
    (r"\lVert x\rVert^2 + \max_{\text{axis}} x", (x**2).sum(1, keepdims=True) + x.max(1, keepdims=True)),
    # indices
    (r"C_{ij} = \sum_k B_{ik} M_{kj}", B @ M),
    (r"C_{ji} = \sum_k B_{ik} M_{kj}", (B @ M).T),
    (r"C_{ij} = \sum_k S_{ik} T_{kj}", S @ T),
    (r"L = -\sum_{i} u_i \log |v_i|", -(u * np.log(np.abs(v))).sum()),
    (r"m = \frac{1}{n}\sum_{i=1}^n v_i", v.mean()),
    (r"\hat p_i = \frac{e^{x_i}}{\sum_j e^{x_j}}", softmax(x)),
    (r"y_i = \log \sum_j e^{v_j} - v_i", np.log(np.exp(v).sum()) - v),
    (r"J_{ij} = v_i (\delta_{ij} - v_j)", np.diag(v) - np.outer(v, v)),
    (r"\frac{\partial p_i}{\partial z_j} = v_i (\delta_{ij} - u_j)", np.diag(v) - np.outer(v, u)),
    (r"y_i = v_i - \max_j v_j", v - v.max()),
    (r"y = \sum_i A_{ii}", np.trace(A)),
    (r"L = -\frac1n \sum_i \log p_{i t_i}", -np.log(p[np.arange(3), t]).mean()),
    (r"y_{ij} = M_{t_i j}", M[t]),
    (r"y_i = u_i \sum_{k} v_k + \sum_{k} t_k", u * v.sum() + t.sum()),
    (r"y = \sum_i v_{i} i", (v * np.arange(4)).sum()),
    (r"p_i = \operatorname{softmax}(v)_i + (A B)_{0,i}", softmax(v) + (A @ B)[0]),
    (r"\bar W_{ij} = \sum_b x_{bi} y_{bj}", x.T @ y),
]


@walked(("latex", "expected"), TABLE)
def test_a_formula_has_the_value_that_numpy_gives(latex, expected):
    value = parse(latex).evaluate(VALUES)
    assert value.shape == np.shape(expected)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


def test_the_left_hand_side_is_a_normalised_name_or_text():
    lefts = {
        r"\bar A = x": "A_bar",
        r"C_{ij} = x_{ij}": "C",
        r"\bar W_q = x": "W_q_bar",
        r"\hat y_1 = x": "y_1_hat",
    }
    lefts |= {r"\frac{\partial L}{\partial x} = x": r"\frac{\partial L}{\partial x}", r"\tanh(x)": ""}
    lefts |= {r"\sigma'(x) = 1": r"\sigma'(x)"}
    assert {latex: parse(latex).left for latex in lefts} == lefts


def test_indices_come_from_the_left_hand_side_only_where_the_right_hand_side_uses_them():
    assert parse("C_{ij} = A_{ji}").indices == ("i", "j")
    assert parse(r"\bar W_q = X^\top \bar Q").indices == ()


def test_names_are_what_must_be_given():
    formula = parse(r"L_i = \sum_k \delta_{ik} y_k \log \hat y_k + \pi e + \sigma(W_1) f(b) = \bar c")
    assert formula.names == {"y", "y_hat", "W_1", "b", "c_bar"}


def test_alternatives_are_all_evaluated():
    formula = parse(r"\bar x = x (1 - x) = x - x^2 = 3")
    assert len(formula.alternatives) == 3
    first, second, third = formula.evaluate_all({"x": x})
    np.testing.assert_array_equal(first, formula.evaluate({"x": x}))
    np.testing.assert_allclose(first, second)
    assert third == 3.0


def test_supplied_functions_come_before_built_in_ones_and_primes_are_their_own():
    formula = parse(r"\bar z = \bar a \odot \sigma'(z) + \sigma(z) + \psi(z)", functions=("psi",))
    given_ = {"sigma'": np.cos, "sigma": np.sin, "psi": np.tanh}
    value = formula.evaluate({"a_bar": y, "z": x}, given_)
    np.testing.assert_allclose(value, y * np.cos(x) + np.sin(x) + np.tanh(x))


def test_a_letter_is_a_factor_unless_it_is_a_function_that_is_followed_at_once():
    np.testing.assert_allclose(parse(r"x(1 - x)").evaluate({"x": x}), x * (1 - x))
    np.testing.assert_allclose(parse(r"\sigma\,(1 - x)").evaluate({"x": x, "sigma": 2.0}), 2 * (1 - x))


def test_a_capital_falls_back_on_the_lower_case_key_but_prefers_its_own():
    assert parse("2 A").evaluate({"a": 3.0}) == 6.0
    assert parse("2 A").evaluate({"a": 3.0, "A": 5.0}) == 10.0


def test_shape_removes_reduced_axes_broadcasts_and_gives_lengths():
    summed = parse(r"y = \sum_{\text{axis}} x")
    for axis, shape in ((0, (4,)), (1, (3,)), ((0, 1), ()), (None, ())):
        np.testing.assert_allclose(summed.evaluate({"x": x, "axis": axis}, shape=shape), x.sum(axis))
    np.testing.assert_array_equal(
        parse(r"\bar x = \bar y").evaluate({"y_bar": 2.0}, shape=(2, 3)), np.full((2, 3), 2.0)
    )
    conv = parse(r"y_i = \sum_k v_{i+k} h_k")
    kernel = np.array([1.0, -2.0, 0.5])
    value = conv.evaluate({"v": v, "h": kernel}, shape=(2,))
    np.testing.assert_allclose(value, np.convolve(v, kernel[::-1], "valid"))
    strided = parse(r"y_{b,i} = \sum_k x_{b, s i+k} h_k").evaluate({"x": x, "h": kernel[:2], "s": 2}, shape=(3, 2))
    np.testing.assert_allclose(strided, x[:, ::2] - 2 * x[:, 1::2])


def test_a_condition_chooses_the_terms_of_a_sum():
    below = parse(r"y_i = \sum_{j \le i} v_j").evaluate({"v": v}, shape=(4,))
    others = parse(r"y_i = \prod_{j \ne i} v_j").evaluate({"v": v}, shape=(4,))
    np.testing.assert_allclose(below, np.cumsum(v))
    np.testing.assert_allclose(others, v.prod() / v)


def test_batch_axes_stand_before_the_indexed_ones():
    value = parse(r"y_i = \sum_j S_{ij} v_j").evaluate({"S": S, "v": v})
    np.testing.assert_allclose(value, S @ v)


def test_two_sums_over_one_letter_may_differ_in_length():
    value = parse(r"L = \sum_i v_i + \sum_i t_i").evaluate(VALUES)
    np.testing.assert_allclose(value, v.sum() + t.sum())


def test_outside_its_domain_a_formula_gives_nan_without_a_warning():
    assert np.isnan(parse(r"\log x").evaluate({"x": -1.0}))
    assert np.isinf(parse(r"\frac{1}{x}").evaluate({"x": 0.0}))


def test_formulas_in_reads_the_first_paragraph():
    assert formulas_in(None) == []
    assert formulas_in("  ") == []
    assert formulas_in("y = a\n      + b.\n\n    Prose, with x = 1.") == ["y = a + b"]
    assert formulas_in(r"y = a,\quad z = b \\ w = c") == ["y = a", "z = b", "w = c"]
    cases = r"\begin{cases} a & x > 0 \\ b & \text{otherwise} \end{cases}"
    assert formulas_in(f"y = {cases}\n  + 1,\\qquad z = {cases}") == [f"y = {cases} + 1", f"z = {cases}"]


# What is refused

REFUSED = [
    ("", "formula"),
    ("x =", "each side"),
    ("= x", "each side"),
    ("x +", "operand"),
    ("(x", r"'\)'"),
    ("x)", "operator"),
    (r"\frac{x}", "braces"),
    ("a / b c", r"\\cdot"),
    (r"1/2 x", r"\\cdot"),
    (r"\log x y", "parentheses"),
    (r"\sin 2 x", "parentheses"),
    (r"\log x / y", "parentheses"),
    ("2 3", "between two numbers"),
    ("x^2^3", "one superscript"),
    ("x^2_1", "one superscript"),
    ("A^T", r"\\top"),
    ("a^{(l)}", "label"),
    (r"\sin^{-1} x", "positive power"),
    ("x * y", "unknown character"),
    (r"x \times y", "operator"),
    (r"x \approx y", "operator"),
    ("x < y", "operator"),
    (r"\foo x", "operand"),
    (r"y = \partial x", "operand"),
    ("x'", "'\\('"),
    (r"|A|", "abs"),
    (r"\|A\|_2", "F for the norm"),
    (r"\|x\|_3", "norms"),
    (r"[x > 0, y]", "relation"),
    (r"[x > 0 \land y > 0 \lor y < 1]", "connective"),
    (r"\mathbb{1}(x > 0)", "condition in brackets"),
    (r"\mathbb{1}[x]", "relation"),
    (r"\begin{cases} x \end{cases}", "'&'"),
    (r"\begin{cases} \end{cases}", "case"),
    (r"\sum_i x_{ij}", "binds"),
    (r"\sum_{i=2}^n x_i", "0 or 1"),
    (r"\sum_2 x", "index"),
    (r"\sum_{i=1}^n i x_i", "from 0"),
    (r"x_{a+b}", "binds"),
    (r"y = (x + 1)_i", "subscript"),
    (r"\bar{x", "'}'"),
    ("x; y", "unknown character"),
]


@walked(("latex", "expected"), REFUSED)
def test_what_is_outside_the_subset_is_refused_with_its_position(latex, expected):
    with pytest.raises(FormulaError, match=expected) as error:
        parse(latex)
    assert error.value.latex == latex
    assert error.value.position is not None
    assert 0 <= error.value.position <= len(latex)
    assert f"position {error.value.position}" in str(error.value)


def test_the_position_is_where_reading_stopped():
    with pytest.raises(FormulaError) as error:
        parse(r"y = \frac{1}{1 + \foo}")
    assert error.value.position == r"y = \frac{1}{1 + \foo}".index(r"\foo")


UNFIT = [
    ("x + nu", "no value for"),
    ("x + k", "no value for k; the names given are"),
    (r"f(x)", "no function f"),
    (r"\operatorname{softmax}(x, y)", "argument"),
    (r"\exp(x, y)", "argument"),
    (r"B^2", "ambiguous"),
    ("v^\\top", "transpose"),
    ("B C", "cannot evaluate"),
    ("M v", "cannot evaluate"),
    (r"x + v + \sum_i t_i", "no indices"),
    (r"y_i = u_i + v", "no indices"),
    (r"y_i = \operatorname{softmax}(v_i)", "softmax"),
    (r"y_i = v_i t_i", "length"),
    (r"\sum_i x_{ii}", "lengths"),
    (r"\sum_i d_i", "subscripts"),
    (r"y_i = v_{t_i + 1} t_i", "outside"),
    (r"y_i = v_{d i + 0} v_i", "outside"),
    (r"\sum_i 1", "pass `shape`"),
    (r"\sum_{i=1}^{3} v_i", "3 values"),
    (r"\sum_{\text{heads}} x", "pass heads"),
    (r"\begin{cases} x & x > 0 \\ 1 & x > 1 \end{cases}", "otherwise"),
    (r"y_i = \|v_i\|", "whole array"),
    (r"x / n", "no value for n"),
]


@walked(("latex", "expected"), UNFIT)
def test_what_the_values_do_not_fit_is_refused(latex, expected):
    with pytest.raises(FormulaError, match=expected):
        parse(latex).evaluate(VALUES)


def test_a_shape_that_does_not_fit_is_refused():
    with pytest.raises(FormulaError, match="cannot evaluate"):
        parse("x").evaluate({"x": x}, shape=(4, 3))


LARGE = np.array([[800.0, 1000.0, -2000.0], [-1e9, -900.0, -901.0]])
TOP = LARGE.max(axis=1, keepdims=True)
LOG_SUM = np.log(np.exp(LARGE - TOP).sum(axis=1, keepdims=True)) + TOP
OUT_OF_RANGE = {
    r"\log \sum_{\text{axis}} e^x": LOG_SUM,
    r"x - \log \sum_{\text{axis}} e^x": LARGE - LOG_SUM,
    r"\frac{e^x}{\sum_{\text{axis}} e^x}": np.exp(LARGE - LOG_SUM),
    r"\frac{2 e^x}{\sum_{\text{axis}} e^x}": 2 * np.exp(LARGE - LOG_SUM),
    r"y_i = \log \sum_k e^{x_{ik}}": LOG_SUM[:, 0],
    r"y_i = \log \sum_{k \ne i} e^{x_{ik}}": np.logaddexp(*LARGE[[[0, 1]], [[1, 0], [2, 2]]]),
    r"y_{ij} = \log \operatorname{softmax}(x)_{ij}": LARGE - LOG_SUM,
    r"\log(1 + e^x)": np.logaddexp(0, LARGE),
    r"\log(\sigma(x))": -np.logaddexp(0, -LARGE),
    r"\log(e^x + e^{-x})": np.logaddexp(LARGE, -LARGE),
    r"\frac{\log(2^x + 2^{-x})}{\log(2)}": np.abs(LARGE),
}


@walked("latex", OUT_OF_RANGE)
def test_exponentials_may_leave_the_range_of_floating_point(latex):
    np.testing.assert_allclose(
        parse(latex).evaluate({"x": LARGE, "axis": 1}, shape=OUT_OF_RANGE[latex].shape), OUT_OF_RANGE[latex], rtol=1e-12
    )


@walked("latex", [r"\log(1 - e^x)", r"\frac{1 - e^x}{e^x}", r"\log(x + e^x)"])
def test_what_is_not_made_of_positive_exponentials_is_evaluated_as_it_is_written(latex):
    assert not np.all(np.isfinite(parse(latex).evaluate({"x": LARGE})))
