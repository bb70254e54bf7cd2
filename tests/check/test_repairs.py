"""A mistake in a backward pass is named by the change of its code that repairs it, and by nothing that does not."""
# A backward pass takes every argument of its function, whether it needs it or not.

import ast
import functools
import inspect

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.check.repairs.edits import edits
from chainrule.check.repairs.program import FunctionSource

OPAQUE = functools.partial
"""Hides a function's code, so that no change of it is tried."""
RNG = np.random.default_rng(0)
"""For what is drawn on import only: a test draws from a generator of its own, whatever ran before it."""
SQUARE = (RNG.standard_normal((4, 4)), RNG.standard_normal((4, 4)))
NET = tuple(RNG.standard_normal(shape) for shape in ((5, 3), (3, 4), (4,), (4, 2), (2,)))
SIGNAL = (RNG.standard_normal(9), RNG.standard_normal(3))
TABLE = RNG.standard_normal((5, 4))
IMAGE = (RNG.standard_normal((7, 7)), RNG.standard_normal((3, 3)))


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


def dilated(x, w):
    return np.array([sum(x[i + 2 * j] * w[j] for j in range(len(w))) for i in range(len(x) - 2 * (len(w) - 1))])


def dilation_forgotten(g, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(len(g)):
        for j in range(len(w)):
            dx[i + j] += g[i] * w[j]
            dw[j] += g[i] * x[i + 2 * j]
    return dx, dw


def strided_image(x, w):
    k, size = len(w), (len(x) - len(w)) // 2 + 1
    return np.array([[(x[2 * i : 2 * i + k, 2 * j : 2 * j + k] * w).sum() for j in range(size)] for i in range(size)])


def both_strides_forgotten(g, x, w):
    dx, dw, k, s = np.zeros_like(x), np.zeros_like(w), len(w), 2
    for i in range(len(g)):
        for j in range(len(g)):
            dx[i : i + k, j : j + k] += g[i, j] * w
            dw += g[i, j] * x[s * i : s * i + k, s * j : s * j + k]
    return dx, dw


def padded(x, w):
    wide = np.pad(x, 1)
    return np.array([wide[i : i + len(w)] @ w for i in range(len(x) + 3 - len(w))])


def cropped_at_one_end(g, x, w):
    p, wide = 1, np.pad(x, 1)
    dx, dw = np.zeros_like(wide), np.zeros_like(w)
    for i in range(len(g)):
        dx[i : i + len(w)] += g[i] * w
        dw += g[i] * wide[i : i + len(w)]
    return dx[: -2 * p], dw


def mask_shifted(g, x, w1, b1, w2, b2):
    z1 = x @ w1 + b1
    dz1 = g @ w2.T * (z1 > 1)
    return dz1 @ w1.T, x.T @ dz1, dz1.sum(0), np.maximum(z1, 0).T @ g, g.sum(0)


def clipped_on_one_side(g, x):
    return g * (x < 1)


def epsilon_left_out(g, x):
    s = np.sqrt(x.var(1, keepdims=True))
    x_hat = (x - x.mean(1, keepdims=True)) / s
    return (g - g.mean(1, keepdims=True) - x_hat * (g * x_hat).mean(1, keepdims=True)) / s


def epsilon_outside_a_power(g, x):
    inverse = x.var(1, keepdims=True) ** -0.5 + 0.1
    x_hat = (x - x.mean(1, keepdims=True)) * inverse
    return (g - g.mean(1, keepdims=True) - x_hat * (g * x_hat).mean(1, keepdims=True)) * inverse


def quadratic(x, m):
    return np.einsum("ni,ij,nj->n", x, m, x)


def one_of_two_uses(g, x, m):
    return g[:, None] * (x @ m), np.einsum("n,ni,nj->ij", g, x, x)


def bell(x, sigma):
    return np.exp(-(x**2) / (2 * sigma**2))


def sigma_left_out(g, x, sigma):
    y = np.exp(-(x**2) / 2)
    return -g * y * x / sigma**2, np.sum(g * bell(x, sigma) * x**2) / sigma**3


CASES = {
    "mask of the wrong array": (relu, masked_by_the_gradient, (TABLE,), "x", "mask", "g * (x > 0)"),
    "inclusive mask": (network, masked_inclusively, NET, "x", "mask", "da1 * (a1 > 0)"),
    "transposed": (lambda x, w: x @ w, product_not_turned, SQUARE, "x", "transposed", "g @ w.T"),
    "stride": (strided, stride_forgotten, SIGNAL, "x", "stride", "i * 2"),
    "epsilon beside the root": (normalised, norm_backward, (TABLE,), "x", "epsilon", "+ 0.1)"),
    "axis": (normalised, norm_over_rows, (TABLE,), "x", "axes-swapped", "axis=1"),
    "sign of a term": (softmax, sum_left_out, (TABLE,), "x", "missing-term", "g - inner"),
    "in a helper": (np.cosh, through_a_helper, (TABLE,), "x", "wrong-point", ""),
    "dilation": (dilated, dilation_forgotten, SIGNAL, "x", "stride", "j * 2"),
    "stride of two axes": (strided_image, both_strides_forgotten, IMAGE, "x", "stride", "dx[i * s:i * s + k, j * s:"),
    "padding": (padded, cropped_at_one_end, SIGNAL, "x", "padding", "dx[p:-p]"),
    "bound of a mask": (network, mask_shifted, NET, "x", "mask", "z1 > 0"),
    "side of a mask": (lambda x: np.clip(x, -1, 1), clipped_on_one_side, (2 * TABLE,), "x", "mask", "x > -1"),
    "epsilon left out": (normalised, epsilon_left_out, (TABLE,), "x", "epsilon", "+ 0.1)"),
    "epsilon outside a power": (normalised, epsilon_outside_a_power, (TABLE,), "x", "epsilon", "+ 0.1)"),
    "one of two uses": (quadratic, one_of_two_uses, (TABLE, SQUARE[0]), "x", "detached", "m + m.T"),
    "parameter in an exponent": (bell, sigma_left_out, (TABLE, np.array(1.7)), "x", "missing-term", "sigma ** 2"),
    "upstream sign": (steps, steps_backward, (TABLE,), "x", "sign", "dx[:-1] -= g"),
}


def bare(text):
    """Return code without what only shows how it is grouped or set."""
    return text.translate({ord(c): None for c in " ()"})


@pytest.mark.slow
@pytest.mark.parametrize("name", [k for k in CASES if k != "in a helper"])
def test_the_mistake_is_named_with_its_line(name):
    forward, backward, args, argument, code, wanted = CASES[name]
    report = cr.check(forward, *args, backward=backward)
    finding = next(f for f in report.findings if f.argument == argument)
    assert (finding.verdict, finding.code) == ("wrong", code)
    assert wanted in finding.detail["wanted"]
    lines, first = inspect.getsourcelines(backward)
    assert bare(finding.detail["written"]) in bare(lines[finding.detail["line"] - first])
    assert finding.detail["written"] in str(report)


def test_a_number_that_becomes_0_is_left_out_of_the_text():
    def backward(g, x):
        return 2 * g * (x - x.mean(0)) / (len(x) - 1)

    report = cr.check(lambda x: x.var(0), np.random.default_rng(0).standard_normal((6, 3)), backward=backward)
    assert report.findings[0].detail["wanted"] == "2 * g * (x - x.mean(0)) / len(x)"


def test_what_python_warns_of_in_the_users_code_is_not_said_again(tmp_path, monkeypatch):
    # Python warns of the comparison whenever it compiles it; with warnings as errors no change would compile.
    source = "def masked(g, x):\n    if 1 is 2:\n        return x\n    return g * (g > 0)\n"
    (tmp_path / "warned_about.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(SyntaxWarning, match="is"):
        import warned_about
    finding = cr.check(relu, SQUARE[0], backward=warned_about.masked).findings[0]
    assert finding.code != "unexplained"


@pytest.mark.slow
def test_one_mask_of_a_network_is_one_finding():
    report = cr.check(network, *NET, backward=masked_inclusively)
    (finding,) = report.findings
    assert finding.detail["written"] == "da1 * (a1 >= 0)"
    assert finding.detail["arguments"] == ["x", "w1", "b1"]
    assert {row.name for row in report.rows if row.verdict == "wrong"} == {"x", "w1", "b1"}
    assert "the gradient is wrong; for the same reason, so are those of w1, b1" in str(report)
    assert "같은 이유로 w1, b1의 기울기도 틀립니다" in report.to_text("ko")


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


@pytest.mark.slow
def test_the_formula_of_the_operation_stands_beside():
    report = cr.check(lambda x, w: x @ w, *SQUARE, backward=product_not_turned)
    assert report.findings[0].detail["formula"] == "Ā = Ȳ Bᵀ for Y = A B"
    assert "expected: Ā = Ȳ Bᵀ for Y = A B" in str(report)
    report = cr.check(np.tanh, TABLE, backward=lambda g, x: g * (1 - x**2))
    assert report.findings[0].detail["formula"] == "x̄ = ȳ ⊙ (1 - y²) for y = tanh(x)"


def test_a_pass_that_raises_is_repaired_too():
    def raises(g, x, w):
        return g @ w, x.T @ g

    report = cr.check(lambda x, w: x @ w, TABLE, np.random.default_rng(0).standard_normal((4, 3)), backward=raises)
    assert report.verdict in ("shape", "raises")
    assert report.findings[0].detail["wanted"] == "g @ w.T"


@walked("error", [RuntimeError, ZeroDivisionError, KeyError])
def test_an_exception_is_a_verdict_with_its_text(error):
    def raises(g, x):
        raise error("the cache is empty")

    report = cr.check(np.sin, TABLE, backward=raises)
    assert report.verdict == "raises"
    assert "the cache is empty" in str(report)


class Layer:
    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal((4, 4))

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


@pytest.mark.slow
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


def simplex(z):
    z_sorted = np.sort(z, axis=-1)[:, ::-1]
    total = np.cumsum(z_sorted, axis=-1) - 1
    count = np.sum(z_sorted * np.arange(1, z.shape[-1] + 1) > total, axis=-1)
    return np.maximum(z - (total[np.arange(len(z)), count - 1] / count)[:, None], 0)


@pytest.mark.slow
def test_the_mean_that_a_projection_subtracts_is_named():
    report = cr.check(
        simplex, np.random.default_rng(0).standard_normal((4, 6)), backward=lambda g, z: g * (simplex(z) > 0)
    )
    detail = report.findings[0].detail
    assert report.findings[0].code == "missing-term"
    assert detail["text"].startswith("the term −[y > 0] ⊙ Σ(ȳ ⊙ [y > 0])/Σ([y > 0]) over axes [1] is missing")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mean", "weighted", "text"),
    [
        (1, 0, "the term −y ⊙ mean(ȳ ⊙ y)/σ over axes [1] is missing"),
        (0, 1, "the term −mean(ȳ)/σ over axes [1] is missing"),
        (1, -1, "the term −y ⊙ mean(ȳ ⊙ y)/σ over axes [1] has the wrong sign"),
    ],
)
def test_the_terms_of_a_norm_are_named(mean, weighted, text):
    def backward(g, x):
        y, sigma = normalised(x), np.sqrt(x.var(1, keepdims=True) + 0.1)
        terms = mean * g.mean(1, keepdims=True) + weighted * y * (g * y).mean(1, keepdims=True)
        return (g - terms) / sigma

    report = cr.check(normalised, np.random.default_rng(0).standard_normal((5, 6)), backward=backward)
    assert text in report.findings[0].detail["text"]


def affine_norm(x, gain, shift):
    return gain * (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 0.1) + shift


def affine_norm_backward(g, x, gain, shift):
    s = np.sqrt(x.var(1, keepdims=True) + 0.1)
    n = (x - x.mean(1, keepdims=True)) / s
    up = g * gain
    return (up - up.mean(1, keepdims=True)) / s, (g * n).sum(0), g.sum(0)


@pytest.mark.slow
def test_the_terms_of_a_norm_with_a_scale_and_a_shift_are_named():
    rng = np.random.default_rng(0)
    arguments = rng.standard_normal((5, 6)), rng.standard_normal(6), rng.standard_normal(6)
    finding = cr.check(affine_norm, *arguments, backward=affine_norm_backward).findings[0]
    assert finding.detail["text"] == "the term −x̂ ⊙ mean(ȳ ⊙ gain ⊙ x̂)/σ over axes [1] is missing"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forward", "backward", "arguments", "name", "text"),
    [
        (network, masked_inclusively, NET, "dz1", "dz1 = da1"),
        (normalised, norm_backward, (RNG.standard_normal((4, 5)),), "s", "s = np.sqrt"),
    ],
    ids=["network", "norm"],
)
def test_the_first_wrong_value_is_named(forward, backward, arguments, name, text):
    report = cr.check(forward, *arguments, backward=backward)
    detail = report.findings[0].detail
    lines, _ = inspect.findsource(backward)
    assert detail["first_wrong"] == name
    assert lines[detail["first_wrong_line"] - 1].strip().startswith(text)
    assert f"first wrong value: {name}, line" in report.to_text()
    assert f"처음으로 틀린 값: {name}, " in report.to_text("ko")
    assert f"<code>{name}</code>, line" in report.to_html()


@pytest.mark.slow
def test_what_only_fits_by_its_shape_or_at_every_point_is_not_named():
    product = cr.check(lambda x, w: x @ w, *SQUARE, backward=product_not_turned).findings[0]
    assert {h.code for h in product.hypotheses} == {"transposed"}  # Ȳ W is no part of Ȳ Wᵀ
    active = tuple(abs(a) for a in NET)
    sign = cr.check(network, *active, backward=lambda g, *a: [-d for d in masked_inclusively(g, *a)])
    assert {h.code for f in sign.findings for h in f.hypotheses} == {"sign"}  # all units are active at every point


def missing_sum(g, x, b):
    db = g.sum(0)  # noqa: F841
    return 1 * g, 1 * g


def test_a_wrong_shape_has_its_line():
    finding = cr.check(lambda x, b: x + b, TABLE, TABLE[0].copy(), backward=missing_sum).findings[0]
    assert (finding.verdict, finding.code) == ("shape", "broadcast-sum")
    assert finding.detail["written"] == "1 * g"


def first_sign_wrong(g, x, w1, b1, w2, b2):
    z1 = x @ w1 - b1
    dz1 = (g @ w2.T) * (z1 > 0)
    return dz1 @ w1.T, x.T @ dz1, dz1.sum(0), np.maximum(z1, 0).T @ g, g.sum(0)


@pytest.mark.slow
def test_a_sign_that_reaches_only_a_mask_is_named():
    report = cr.check(network, *NET, backward=first_sign_wrong)
    assert [(f.code, f.detail["wanted"]) for f in report.findings] == [("sign", "x @ w1 + b1")]


def ddof(g, x):
    n = len(x)
    return g * 2 * (x - x.mean(0)) / n


def overwritten(g, x):
    d = g * np.cos(x)
    d = g * 2 * x
    return d  # noqa: RET504


def one_row_for_all(g, p, y):
    d = np.zeros_like(p)
    d[:, y] = g
    return d


def repeated(g, table, at):
    d = np.zeros_like(table)
    d[at] += g
    return d


def axis_elsewhere(g, x):
    return x * 0 + g[None, :]


def scale_forgotten(g, x, w):
    d = x.shape[1]
    up = g @ w.T
    return up, x.T @ g / np.sqrt(d)


def exp_forgotten(g, x):
    return g * (1 - x)


def three_forgotten(g, x):
    return g * (1 + x**2 / 7)


CLASSICS = {
    "n for n - 1": (lambda x: x.var(0, ddof=1), ddof, (SQUARE[0],), "n - 1"),
    "overwritten": (lambda x: np.sin(x) + x**2, overwritten, (TABLE,), "d += "),
    "one row for all": (lambda p, y: p[range(5), y], one_row_for_all, (TABLE, np.array([0, 3, 1, 1, 2])), "len(y)"),
    "repeated": (lambda t, at: t[at], repeated, (TABLE, np.array([0, 2, 2, 4])), "np.add.at(d, at, g)"),
    "axis elsewhere": (lambda x: x.sum(1), axis_elsewhere, (SQUARE[0],), "g[:, None]"),
    "scale": (lambda x, w: x @ w / 5**0.5, scale_forgotten, (TABLE.T.copy(), TABLE), "/ d ** 0.5"),
    "function": (lambda x: x - np.exp(x), exp_forgotten, (TABLE,), "np.exp(x)"),
    "number": (lambda x: x + x**3 / 7, three_forgotten, (TABLE,), "3 * (x ** 2 / 7)"),
}


@pytest.mark.parametrize("name", CLASSICS)
def test_classic_mistakes_are_repaired(name):
    forward, backward, arguments, wanted = CLASSICS[name]
    finding = cr.check(forward, *arguments, backward=backward).findings[0]
    assert wanted in finding.detail["wanted"], finding.detail


def test_what_is_only_seen_follows_unexplained():
    weights = np.array([[0.3], [1.7], [0.9]])
    backward = eval("lambda g, x: w * g / np.cosh(x) ** 2", {"w": weights, "np": np})  # without a source
    finding = cr.check(np.tanh, np.random.default_rng(0).standard_normal((3, 4)), backward=backward).findings[0]
    assert finding.code == "unexplained"
    assert (
        finding.detail["text"] == "no known mistake explains the error; the gradient has a wrong factor along axes [0]"
    )


@pytest.mark.parametrize(
    ("factor", "text"), [(np.cos, "cos(x)"), (lambda x: np.sqrt(x), "√x"), (lambda x: 0.5 * np.sinh(x), "sinh(x)")]
)
def test_a_factor_that_is_a_function_of_an_argument_is_named(factor, text):
    x = np.random.default_rng(0).uniform(0.2, 0.9, (3, 4))
    backward = eval("lambda g, x: g * (1 - np.tanh(x) ** 2) * f(x)", {"np": np, "f": factor})
    finding = cr.check(np.tanh, x, backward=backward).findings[0]
    assert finding.code == "missing-term"
    assert f"the division by {text} is missing" in finding.detail["text"]


@pytest.mark.slow
def test_a_function_of_torch_is_read_like_any_other(torch):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0] * ctx.saved_tensors[0]

    report = cr.check_torch(Square, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True))
    assert report.findings[0].detail["wanted"] == "2 * g * ctx.saved_tensors[0]"


@pytest.mark.slow
def test_a_rule_of_jax_is_read_like_any_other(jax):
    square = jax.custom_vjp(lambda x: x**2)
    square.defvjp(lambda x: (x**2, x), lambda x, g: (-2 * g * x,))
    report = cr.check_jax(square, np.array([1.0, 2.0, 3.0], np.float32))
    assert report.findings[0].code == "sign"
    assert report.findings[0].detail["wanted"] == "2 * g * x"


def test_what_is_put_in_is_no_part_of_the_tree():
    def rule(g, cache):
        return g * cache["a"] + cache["b"]

    program = FunctionSource(rule)
    for edit in edits(program.tree):
        undo = edit.apply()
        ast.unparse(program.tree)  # a part that held itself would never end
        undo.apply()
