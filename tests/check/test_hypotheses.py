"""Each kind of mistake, planted, is named first; noise does not disturb; nothing is explained that cannot be."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.check.hypotheses import CODES, explain
from chainrule.check.why.context import Context
from chainrule.check.why.evidence import elsewhere

RNG = np.random.default_rng(5)
X34, W45, B5 = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 5)), RNG.standard_normal(5)
X44, W44 = RNG.standard_normal((4, 4)), RNG.standard_normal((4, 4))
GAMMA = RNG.uniform(0.5, 2, 5)
X65 = RNG.standard_normal((6, 5))


def context_of(forward, backward, argument, **arguments) -> Context:
    """The context of one argument, with measured gradients of all floating ones."""
    arguments = {name: np.asarray(a) for name, a in arguments.items()}
    output = np.asarray(forward(**arguments))
    y_bar = np.random.default_rng(1).standard_normal(output.shape)

    def rule(c, a):
        return {argument: backward(c, **a)}

    context = Context(y_bar, output, arguments, argument, lambda a: forward(**a), rule(y_bar, arguments), {}, rule)
    numeric = {k: replace(context, argument=k).measured(arguments) for k in context.floating}
    return replace(context, numeric=numeric)


def linear(x, w, b):
    return x @ w + b


def times(a, b):
    return a * b


def tanh(x):
    return np.tanh(x)


def sine(x):
    return np.sin(x)


def square(x):
    return x * x


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def standardized(x):
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)


def layer_norm(x, gamma):
    return standardized(x) * gamma


def layer_norm_rule(c, x, gamma, mean=1, variance=1):
    x_hat, c = standardized(x), c * gamma
    first = c - mean * c.mean(-1, keepdims=True) - variance * x_hat * (c * x_hat).mean(-1, keepdims=True)
    return first / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)


def masked(c, k):
    c = c.copy()
    c[k] = 0
    return c


def embedding(table, index):
    return table[index]


def overwritten(c, table, index):
    gradient = np.zeros_like(table)
    gradient[index] = c
    return gradient


LINEAR = {"x": X34, "w": W45, "b": B5}
SQUARE = {"x": X44, "w": W44}
NORM = {"x": X65, "gamma": GAMMA}
TABLE = {"table": RNG.standard_normal((5, 3)), "index": np.array([1, 3, 1, 0])}


def product(x, w):
    return x @ w


PLANTED: dict[str, tuple[str, Callable, Callable, str, dict]] = {
    "sign": ("sign", linear, lambda c, x, w, b: -c @ w.T, "x", LINEAR),
    "twice": ("factor", square, lambda c, x: x * c, "x", {"x": X34}),
    "mean against sum": ("factor", lambda x: x.mean(), lambda c, x: np.full_like(x, c), "x", {"x": X34}),
    "transposed gradient": ("transposed", linear, lambda c, x, w, b: c.T @ x, "w", LINEAR),
    "transposed square gradient": ("transposed", product, lambda c, x, w: (x.T @ c).T, "w", SQUARE),
    "transposed operand": ("transposed", product, lambda c, x, w: c @ w, "x", SQUARE),
    "axes swapped": (
        "axes-swapped",
        lambda x: 2 * x,
        lambda c, x: 2 * c.swapaxes(1, 2),
        "x",
        {"x": np.ones((2, 3, 4))},
    ),
    "axes reversed": ("axes-swapped", tanh, lambda c, x: c[:, ::-1] * (1 - np.tanh(x) ** 2)[:, ::-1], "x", {"x": X34}),
    "wrong axis": (
        "axes-swapped",
        softmax,
        lambda c, x: softmax(x) * (c - (c * softmax(x)).sum(0, keepdims=True)),
        "x",
        {"x": X34},
    ),
    "sum missing": ("broadcast-sum", linear, lambda c, x, w, b: c, "b", LINEAR),
    "sum over the wrong axis": (
        "broadcast-sum",
        lambda x, b: x * b,
        lambda c, x, b: (c * x).sum(1),
        "b",
        {"x": X44, "b": W44[0]},
    ),
    "axis kept": ("axes-swapped", linear, lambda c, x, w, b: c.sum(0, keepdims=True), "b", LINEAR),
    "axis kept, twice": ("axes-swapped", linear, lambda c, x, w, b: 2 * c.sum(0, keepdims=True), "b", LINEAR),
    "sum missing, twice": ("broadcast-sum", linear, lambda c, x, w, b: 2 * c, "b", LINEAR),
    "summed to a number": ("broadcast-sum", linear, lambda c, x, w, b: c.sum(), "b", LINEAR),
    "softmax without its sum": ("missing-term", softmax, lambda c, x: softmax(x) * c, "x", {"x": X65}),
    "mean of layer norm": ("missing-term", layer_norm, lambda c, **a: layer_norm_rule(c, **a, mean=0), "x", NORM),
    "variance of layer norm": (
        "missing-term",
        layer_norm,
        lambda c, **a: layer_norm_rule(c, **a, variance=0),
        "x",
        NORM,
    ),
    "gamma of layer norm": (
        "missing-term",
        layer_norm,
        lambda c, x, gamma: layer_norm_rule(c, x, np.ones(5)),
        "x",
        NORM,
    ),
    "upstream ignored": ("missing-term", tanh, lambda c, x: 1 - np.tanh(x) ** 2, "x", {"x": X34}),
    "activation forgotten": (
        "missing-term",
        lambda x, w: np.tanh(x @ w),
        lambda c, x, w: x.T @ c,
        "w",
        {"x": X34, "w": W45},
    ),
    "product rule": ("missing-term", lambda x: x * sigmoid(x), lambda c, x: c * sigmoid(x), "x", {"x": X34}),
    "other argument": (
        "other-argument",
        lambda a, b: a * b,
        lambda c, a, b: c * a,
        "a",
        {"a": X34, "b": X34[::-1] * 2},
    ),
    "input for output": ("output-for-input", sigmoid, lambda c, x: c * x * (1 - x), "x", {"x": X34}),
    "output for input": ("output-for-input", square, lambda c, x: 2 * c * x**2, "x", {"x": X34}),
    "input for output inside": (
        "output-for-input",
        lambda x, w: np.tanh(x @ w),
        lambda c, x, w: x.T @ (c * (1 - (x @ w) ** 2)),
        "w",
        {"x": X34 / 5, "w": W45 / 5},
    ),
    "raw input": ("output-for-input", layer_norm, lambda c, x, gamma: (c * x).sum(0), "gamma", NORM),
    "at zero": ("wrong-point", sigmoid, lambda c, x: c / 4, "x", {"x": X34}),
    "a factor that is 1 at zero": (
        "missing-term",
        lambda x, w: np.tanh(x * w),
        lambda c, x, w: c * w,
        "x",
        {"x": X34, "w": X34[::-1] + 3},
    ),
    "updated first": (
        "wrong-point",
        lambda x, w: np.tanh(x * w),
        lambda c, x, w: c * w * (1 - np.tanh((x + 1) * w) ** 2),
        "x",
        {"x": X34, "w": X34[::-1] + 3},
    ),
    "last sample": ("partial", tanh, lambda c, x: masked(c, -1) * (1 - np.tanh(x) ** 2), "x", {"x": X34}),
    "first sample of a weight": ("partial", linear, lambda c, x, w, b: x[:1].T @ c[:1], "w", LINEAR),
    "diagonal": ("partial", tanh, lambda c, x: c * (1 - np.tanh(x) ** 2) * (1 - np.eye(4)), "x", {"x": X44}),
    "diagonal Jacobian": ("partial", softmax, lambda c, x: c * softmax(x) * (1 - softmax(x)), "x", {"x": X65}),
    "mask ignored": ("partial", lambda x, m: x * m, lambda c, x, m: c, "x", {"x": X34, "m": (X34 > 0) * 1.0}),
    "repeated index": ("partial", embedding, overwritten, "table", TABLE),
    "nothing": ("detached", tanh, lambda c, x: 0 * c, "x", {"x": X34}),
    "residual": ("detached", lambda x: x + np.tanh(x), lambda c, x: c * (1 - np.tanh(x) ** 2), "x", {"x": X34}),
    "one of two uses": ("detached", lambda x: x @ x.T, lambda c, x: c @ x, "x", {"x": X34}),
    "statistics": ("detached", layer_norm, lambda c, **a: layer_norm_rule(c, **a, mean=0, variance=0), "x", NORM),
    "residual twice": (
        "accumulated-twice",
        lambda x: x + np.tanh(x),
        lambda c, x: 2 * c + c * (1 - np.tanh(x) ** 2),
        "x",
        {"x": X34},
    ),
    "one row twice": (
        "accumulated-twice",
        sine,
        lambda c, x: c * np.cos(x) * np.array([[1], [2], [1]]),
        "x",
        {"x": X34},
    ),
    "rolled": ("shifted", sine, lambda c, x: np.roll(c * np.cos(x), 1, axis=1), "x", {"x": X34}),
    "moved": (
        "shifted",
        sine,
        lambda c, x: np.vstack([0 * x[:1], (c * np.cos(x))[:-1]]),
        "x",
        {"x": X34},
    ),
    "index off by one": (
        "shifted",
        embedding,
        lambda c, table, index: overwritten(c, table, index + 1),
        "table",
        {"table": TABLE["table"], "index": np.array([1, 3, 0])},
    ),
    "rows for columns": (
        "square-only",
        lambda x: x / x.shape[1],
        lambda c, x: c / x.shape[0],
        "x",
        {"x": X34},
    ),
    "chance": ("unexplained", tanh, lambda c, x: np.sin(37 * x) * c + np.cos(11 * c), "x", {"x": X34}),
}


@walked("name", PLANTED)
def test_the_planted_mistake_is_named_first(name):
    code, forward, backward, argument, arguments = PLANTED[name]
    found = explain(context_of(forward, backward, argument, **arguments))
    assert found[0].code == code, [str(h) for h in found]
    assert found[0].explained == (0 if code == "unexplained" else 1)


@walked("name", PLANTED)
def test_the_noise_of_measuring_does_not_disturb(name):
    code, forward, backward, argument, arguments = PLANTED[name]
    context = context_of(forward, backward, argument, **arguments)
    rng = np.random.default_rng(2)
    noisy = {k: n * (1 + 1e-9 * rng.standard_normal(n.shape)) for k, n in context.numeric.items()}
    assert explain(replace(context, numeric=noisy))[0].code == code


def test_every_code_is_planted():
    assert {code for code, *_ in PLANTED.values()} == set(CODES)


def test_what_is_right_only_at_square_shapes_is_found_where_it_is_right():
    context = context_of(lambda x: x / x.shape[1], lambda c, x: c / x.shape[0], "x", x=X44)
    assert explain(replace(context, square=True))[0].code == "square-only"


@settings(max_examples=40, deadline=None)
@given(st.floats(-20, 20), st.integers(0, 1000))
def test_a_factor_is_recovered(factor, seed):
    assume(min(abs(factor), abs(factor - 1), abs(factor + 1)) > 1e-3)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 4))
    context = context_of(lambda x, w: np.tanh(x @ w), lambda c, x, w: 0 * x, "x", x=x, w=rng.standard_normal((4, 2)))
    n = context.numeric["x"]
    found = explain(replace(context, gradients={"x": factor * n}, backward=None))
    assert found[0].code == "factor", [str(h) for h in found]
    assert found[0].detail["factor"] == pytest.approx(factor, rel=1e-6)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["factor", "transposed", "other"]))
def test_explained_is_a_share_and_ranked(seed, kind):
    rng = np.random.default_rng(seed)
    context = context_of(
        product, lambda c, x, w: c @ w.T, "x", x=rng.standard_normal((3, 3)), w=rng.standard_normal((3, 3))
    )
    n = context.numeric["x"]
    planted = {"factor": 1.7 * n, "transposed": n.T, "other": context.numeric["w"]}[kind]
    near = planted + 1e-2 * rng.standard_normal(n.shape)
    found = explain(replace(context, gradients={"x": near}, backward=None))
    shares = [h.explained for h in found if h.code != "unexplained"]
    assert all(0 <= share <= 1 for share in shares)
    assert shares == sorted(shares, reverse=True)


@walked(
    ("factor", "words"),
    [
        (12.0, "sum instead of mean"),
        (1 / 12, "mean instead of sum"),
        (2.0, "2"),
        (0.5, "½"),
        (np.sqrt(3), "missing scale 1/√d"),
        (-12.0, "sign"),
    ],
)
def test_a_factor_is_named(factor, words):
    context = context_of(tanh, lambda c, x: c, "x", x=X34)
    found = explain(replace(context, gradients={"x": factor * context.numeric["x"]}))
    assert found[0].code == "factor"
    assert words in found[0].detail["text"]


def test_a_wrong_place_is_named():
    context = context_of(tanh, lambda c, x: masked(c, -1) * (1 - np.tanh(x) ** 2), "x", x=X34)
    detail = explain(context)[0].detail
    assert detail["rows"] == [2]
    assert detail["axes"] == [0]


def test_single_precision_is_enough():
    context = context_of(
        tanh, lambda c, x: (-c * (1 - np.tanh(x) ** 2)).astype(np.float32), "x", x=X34.astype(np.float32)
    )
    assert explain(context)[0].code == "sign"


def test_a_rule_that_raises_elsewhere_is_no_obstacle():
    def only_here(c, x):
        if not np.array_equal(x, X34):
            raise RuntimeError("not made for this")
        return c * x * (1 - x)

    context = context_of(sigmoid, only_here, "x", x=X34)
    assert explain(context)[0].code in CODES


@walked("shape", [(), (1,), (2,), (0,), (0, 3), (1, 1), (2, 1, 3), (2, 2, 2, 2, 2)])
@walked("value", [0.0, 1.0, np.nan, np.inf])
def test_every_shape_and_value_gets_an_answer(shape, value):
    x = np.random.default_rng(3).standard_normal(shape)
    context = context_of(tanh, lambda c, x: np.full(x.shape, value), "x", x=x)
    found = explain(context)
    assert found
    assert all(h.code in CODES and 0 <= h.explained <= 1 for h in found)


def test_a_gradient_that_was_not_measured_is_measured():
    context = context_of(linear, lambda c, x, w, b: c, "b", **LINEAR)
    found = explain(replace(context, numeric={}))
    assert found[0].code == "broadcast-sum"
    assert found[0].detail["axes"] == [0]


def test_a_function_that_is_not_defined_around_the_point_is_not_explained():
    def broken(x):
        return np.log(x - x)

    rule = {"x": np.ones(3)}
    context = Context(np.ones(3), np.zeros(3), {"x": np.ones(3)}, "x", lambda a: broken(**a), rule, {})
    assert explain(context)[0].code == "unexplained"


def test_the_arguments_are_left_alone():
    def spoiling(x):
        x *= 2
        return x

    def rule(c, x):
        c *= 3
        x[:] = 0
        return c

    context = context_of(spoiling, rule, "x", x=X34.copy())
    before = context.arguments["x"].copy(), context.y_bar.copy()
    explain(context)
    np.testing.assert_array_equal(context.arguments["x"], before[0])
    np.testing.assert_array_equal(context.y_bar, before[1])


def test_a_hypothesis_prints_as_a_sentence():
    found = explain(context_of(tanh, lambda c, x: -c * (1 - np.tanh(x) ** 2), "x", x=X34))[0]
    assert str(found) == "sign: the sign is wrong (explains 100% of the error)"
    assert str(found.detail) == found.detail["text"] == "the sign is wrong"


def test_other_points_keep_a_matrix_symmetric_or_triangular():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((2, 4, 4))
    symmetric, lower = a + np.swapaxes(a, 1, 2), np.tril(a)
    for x in (symmetric, symmetric[0] @ symmetric[0].T):
        there = elsewhere(x, rng)
        np.testing.assert_array_equal(there, np.swapaxes(there, -1, -2))
        assert not np.allclose(there, x)
    there = elsewhere(lower, rng)
    np.testing.assert_array_equal(there, np.tril(there))
    assert not np.allclose(there, lower)


def test_a_rule_that_relies_on_a_symmetric_matrix_is_repaired():
    a = np.random.default_rng(0).standard_normal((4, 4))
    x = np.random.default_rng(1).standard_normal((4, 3))

    def backward(g, s, x):
        return x @ (g[:, None] * x.T), 2 * (s @ x) * s

    finding = cr.check(lambda s, x: np.sum(x * (s @ x), axis=0), a + a.T, x, backward=backward).findings[0]
    assert finding.detail.get("wanted") == "2 * (s @ x) * g"


def dense(x, W, b):
    return x @ W + b


def dense_rule(g, x, W, b):
    return g @ W.T, x.T @ g, g.sum(0)


@walked("order", [(1, 0, 2), (2, 1, 0), (2, 0, 1), (1, 2, 0)])
def test_gradients_in_another_order_are_told_by_whose_they_are_though_their_shapes_differ(order):
    rng = np.random.default_rng(0)
    args = [rng.standard_normal(shape) for shape in ((5, 4), (4, 3), (3,))]
    report = cr.check(dense, *args, backward=lambda *a: tuple(dense_rule(*a)[k] for k in order))
    assert report.verdict == "shape"
    told = {f.argument: (f.code, f.detail.get("argument")) for f in report.findings}
    names = ("x", "W", "b")
    assert told == {names[k]: ("other-argument", names[of]) for k, of in enumerate(order) if k != of}
