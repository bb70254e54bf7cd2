"""Which path through the function a hand-written gradient lacks, and what belongs to one element of a row."""

import ast

import numpy as np
import pytest

import chainrule as cr
from chainrule.check.repairs.edits import edits
from chainrule.check.subjects.subject import Subject

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 4))
LABELS = np.array([0, 2, 1, 3, 0])


def gelu(x):
    return 0.5 * x * (1 + np.tanh(0.8 * (x + 0.04 * x**3)))


def gelu_cut(g, x):
    return g * 0.5 * (1 + np.tanh(0.8 * (x + 0.04 * x**3)))


def recurrent(x, w, u):
    h, states = np.zeros(u.shape[0]), []
    for row in x:
        h = np.tanh(row @ w + h @ u)
        states.append(h)
    return np.array(states)


def recurrent_forgets(g, x, w, u):
    states = [np.zeros(u.shape[0]), *recurrent(x, w, u)]
    dx, dw, du = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u)
    for t in reversed(range(len(x))):
        dz = (1 - states[t + 1] ** 2) * g[t]
        dx[t] = w @ dz
        dw += np.outer(x[t], dz)
        du += np.outer(states[t], dz)
    return dx, dw, du


def gated(x, h):
    u = 1 / (1 + np.exp(-x))
    return (1 - u) * h + u * x


def gated_cut(g, x, h):
    u = 1 / (1 + np.exp(-x))
    return g * u + g * x * u * (1 - u), g * (1 - u)


def two_outputs(x):
    return np.tanh(x), x**2


def margins(scores):
    rows = np.arange(len(LABELS))
    over = np.maximum(0, scores - scores[rows, LABELS][:, None] + 1)
    over[rows, LABELS] = 0
    return over.sum()


def margins_uncounted(g, scores):
    rows = np.arange(len(LABELS))
    d = (scores - scores[rows, LABELS][:, None] + 1 > 0).astype(float)
    d[rows, LABELS] = -1
    return g * d


def pooled(x):
    return x[:4].reshape(2, 2, 2, 2).max(axis=(1, 3))


def pooled_evenly(g, x):
    out = np.zeros_like(x)
    out[:4] = np.repeat(np.repeat(g, 2, axis=0), 2, axis=1) / 4
    return out


W, U = RNG.standard_normal((4, 3)), RNG.standard_normal((3, 3))
CASES = {
    "half of a product rule": (gelu, gelu_cut, (X,), "detached", "`np.tanh(0.8 * (x + 0.04 * x**3))` is treated"),
    "nothing through time": (recurrent, recurrent_forgets, (X, W, U), "detached", "`h @ u` is treated as a constant"),
    "one of two uses": (gated, gated_cut, (X, X[::-1].copy()), "detached", "`(1 - u) * h` is treated as a constant"),
    "an output": (two_outputs, lambda g, x: g[0] * (1 - np.tanh(x) ** 2), (X,), "detached", "output 1 is ignored"),
    "margins": (margins, margins_uncounted, (X,), "missing-term", "for each violated margin"),
    "a mean for a maximum": (pooled, pooled_evenly, (X,), "mask", "shared equally by 4 elements"),
}


SLOW = {"margins", "nothing through time", "one of two uses", "an output"}
"""Those for which all changes are tried in vain."""


@pytest.mark.parametrize("name", [pytest.param(k, marks=pytest.mark.slow) if k in SLOW else k for k in CASES])
def test_the_path_or_the_element_is_named(name, monkeypatch):
    if name != "margins":  # of these mistakes none is mended by a change, however long one is searched for
        monkeypatch.setattr(Subject, "effort", 0.2)
    forward, backward, args, code, said = CASES[name]
    finding = cr.check(forward, *args, backward=backward).findings[0]
    assert (finding.verdict, finding.code) == ("wrong", code)
    assert said in finding.detail["text"]


def test_a_slope_that_is_left_out_is_named_where_the_code_cannot_be_read():
    def forward(x, w):
        return np.tanh(x @ w) ** 2

    space = {"np": np}
    exec("def backward(g, x, w):\n    d = g * 2 * np.tanh(x @ w)\n    return d @ w.T, x.T @ d\n", space)
    for finding in cr.check(forward, X, W, backward=space["backward"]).findings:
        assert finding.code == "missing-term"
        assert "the slope of `np.tanh(x @ w)` is left out" in finding.detail["text"]


def test_a_function_without_code_is_named_by_what_it_is():
    finding = cr.check(np.tanh, X, backward=lambda g, x: g * 1.0).findings[0]
    assert finding.detail["text"].startswith("the slope of tanh is left out")
    assert "forward_line" not in finding.detail


def huber(p, t):
    d = p - t
    return np.where(np.abs(d) <= 1, 0.5 * d**2, np.abs(d) - 0.5)


def huber_unsigned(g, p, t):
    d = p - t
    grad = np.where(np.abs(d) <= 1, d, 1.0)
    return g * grad, -g * grad


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_unsummed(g, z):
    p = softmax(z)
    return p * (g - p)


def leaky(x):
    return np.where(x > 0, x, 0.03 * x)


def leaky_other(g, x):
    return g * np.where(x > 0, 1, 0.2)


def product(x, w):
    return x @ w


def product_letters(g, x, w):
    return np.einsum("bo,oi->bi", g, w), np.einsum("bi,bo->io", x, g)


SQUARE = RNG.standard_normal((4, 4))
EDITS = {
    "the sign of a difference": (huber, huber_unsigned, (2 * X, RNG.standard_normal(X.shape)), "np.sign(d)"),
    "the sum of a product": (softmax, softmax_unsummed, (X,), "(g * p).sum(axis=1, keepdims=True)"),
    "a number of the forward pass": (leaky, leaky_other, (X,), "np.where(x > 0, 1, 0.03)"),
    "letters of an einsum": (product, product_letters, (X, SQUARE), "np.einsum('bo,io->bi', g, w)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_the_change_that_makes_it_right_is_found(name):
    forward, backward, args, wanted = EDITS[name]
    finding = cr.check(forward, *args, backward=backward).findings[0]
    assert wanted in finding.detail["wanted"]


@pytest.mark.slow
def test_a_variable_that_nothing_reads_is_what_is_missing():
    def forward(x, w):
        return np.tanh(x @ w)

    report = cr.check(forward, X, W, backward=unread_slope)
    assert "the factor slope is missing, which is nowhere used" in report.findings[0].detail["text"]


def unread_slope(g, x, w):
    slope = 1 - np.tanh(x @ w) ** 2  # noqa: F841
    return g @ w.T, x.T @ g


def test_no_change_is_tried_with_which_a_loop_would_not_end():
    tree = ast.parse("def f(x):\n    out = []\n    for a in x:\n        out.append(a)\n    return out").body[0]
    for edit in edits(tree):
        undo = edit.apply()
        assert ast.unparse(tree.body[1].iter) == "x"
        undo.apply()


@pytest.mark.slow
def test_a_path_that_is_cut_is_not_called_a_slope_left_out():
    def normed(x, gain):
        centred = x - x.mean(axis=0)
        return gain * centred / np.sqrt((centred**2).mean(axis=0) + 1e-5)

    def backward(g, x, gain):
        centred = x - x.mean(axis=0)
        std = np.sqrt((centred**2).mean(axis=0) + 1e-5)
        scaled = g * gain
        return (scaled - scaled.mean(axis=0)) / std, (g * centred / std).sum(axis=0)

    rng = np.random.default_rng(0)
    (finding,) = cr.check(normed, rng.normal(size=(6, 4)), rng.normal(size=4), backward=backward).findings
    assert finding.code == "detached", finding
    assert "sqrt" in finding.detail["text"]
