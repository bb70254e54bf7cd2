"""Mistakes in what a backward pass calls: methods of the user's classes, functions of modules, arguments in order."""
# A backward pass takes every argument of its function, whether it needs it or not.

import sys

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr

RNG = np.random.default_rng(0)
X, W = RNG.standard_normal((5, 3)), RNG.standard_normal((3, 3))
ROWS = RNG.standard_normal((2, 3, 4))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def slope_of_sigmoid(y):
    return y * (1 - y)


def slope_of_tanh(y):
    return 1 - y**2


class Gates:
    """Values that a layer keeps together."""

    def __init__(self, a, b):
        self.a, self.b = a, b


class Layer:
    """A layer with every mistake of this file, one in each method."""

    def __init__(self, w):
        self.w = w

    def forward(self, x):
        self.x, self.y = x, np.tanh(x @ self.w)
        self.gates = Gates(self.y, sigmoid(x))
        return self.y

    def not_transposed(self, g):
        return (g * (1 - self.y**2)) @ self.w

    def of_another_activation(self, g):
        return (g * slope_of_sigmoid(self.y)) @ self.w.T

    def of_another_gate(self, g):
        return (g * (1 - self.gates.b**2)) @ self.w.T + 0 * self.gates.a

    def masked(self, g):
        d = g.copy()
        d[g <= 0] = 0
        return d


NET = Layer(W)


def by_an_object(g, x):
    NET.forward(x)
    return NET.not_transposed(g)


def by_a_class(g, x):
    layer = Layer(W)
    layer.forward(x)
    return layer.of_another_activation(g)


def by_a_gate(g, x):
    layer = Layer(W)
    layer.forward(x)
    return layer.of_another_gate(g)


def by_a_mask(g, x):
    layer = Layer(W)
    layer.forward(x)
    return layer.masked(g)


class Cell:
    """A cell that keeps its state before a step as one, and after it as another."""

    def step(self, x):
        self.before, self.after = np.sin(x), np.sin(x) ** 2
        self.slope = np.cos(x)
        return self.after

    def back(self, g):
        return g * 2 * self.after * self.slope


def by_a_state(g, x):
    cell = Cell()
    cell.step(x)
    return cell.back(g)


def forward(x):
    return np.tanh(x @ W)


def relu(x):
    return np.maximum(x, 0)


def turned(x):
    return x.transpose(1, 2, 0) ** 2


def turned_back(g, x):
    return g.transpose(1, 2, 0) * 2 * x


CASES = {
    "a method of an object": (forward, by_an_object, X, "transposed", "self.w.T"),
    "a method of what is made": (forward, by_a_class, X, "other-argument", "slope_of_tanh(self.y)"),
    "a value of what is kept": (forward, by_a_gate, X, "other-argument", "self.gates.a"),
    "a mask of what is kept": (relu, by_a_mask, X, "mask", "self.x <= 0"),
    "a value that is kept and not read": (lambda x: np.sin(x) ** 2, by_a_state, X, "other-argument", "self.before"),
    "an order of axes": (turned, turned_back, ROWS, "axes-swapped", "g.transpose(2, 0, 1)"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_change_is_proposed_where_it_is_written(case):
    function, backward, x, code, wanted = case
    finding = cr.check(function, x, backward=backward).findings[0]
    assert finding.code == code, finding.hypotheses
    assert wanted in finding.detail["wanted"]


def test_a_function_of_a_module_is_found(tmp_path, monkeypatch):
    (tmp_path / "layers_of_mine.py").write_text("def backward(g, x, w):\n    return g @ w\n")
    monkeypatch.syspath_prepend(tmp_path)
    import layers_of_mine

    def rule(g, x):
        return layers_of_mine.backward(g, x, W)

    before = layers_of_mine.backward
    finding = cr.check(lambda x: x @ W, X, backward=rule).findings[0]
    assert finding.detail["wanted"] == "g @ w.T"
    assert finding.detail["file"].endswith("layers_of_mine.py")
    assert layers_of_mine.backward is before
    del sys.modules["layers_of_mine"]


def test_a_class_is_left_as_it_was():
    before = dict(vars(Layer))
    cr.check(forward, X, backward=by_an_object)
    assert dict(vars(Layer)) == before


def of_strides(g, x, step):
    found = np.zeros_like(x)
    place = k = 0
    while place < len(x):
        found[place] = g[place]
        place += step
        k += 1
    return found


@pytest.mark.slow
def test_a_change_that_would_run_forever_is_stopped():
    tracing = sys.gettrace()
    report = cr.check(lambda x: x[::2] ** 2, RNG.standard_normal(6), backward=lambda g, x: of_strides(g, x, 2))
    assert not report.ok
    assert sys.gettrace() is tracing


def filters(w, b):
    return np.array([np.sum(w[k] ** 2) + b[k] for k in range(len(b))])


def of_filters(g, w, b):
    return np.stack([g[k] * 2 * w[k] for k in range(len(w))]), g


def test_shapes_that_a_function_only_tolerates_are_none_it_must_be_right_at():
    assert cr.check(filters, RNG.standard_normal((3, 3)), RNG.standard_normal(3), backward=of_filters).ok


def to_a_square(g, x):
    return g[:, None] * np.ones((len(x), len(x)))


def test_two_axes_that_are_confused_are_still_found():
    report = cr.check(lambda x: x.sum(axis=1), RNG.standard_normal((3, 3)), backward=to_a_square)
    assert report.findings[0].code == "square-only"


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attend(q, k, v, causal=False):
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    return softmax(np.where(np.tri(*s.shape[-2:]) > 0, s, -np.inf) if causal else s) @ v


def attend_rule(width=None, mask=None):
    """Return the rule of attention; `width` is a number that stands for the length of a query, or gives it."""

    def rule(g, q, k, v):
        c = np.sqrt(width(q) if callable(width) else q.shape[-1] if width is None else width)
        s = q @ k.swapaxes(-1, -2) / c
        p = softmax(s if mask is None else np.where(mask(s), s, -np.inf))
        ds = p * (g @ v.swapaxes(-1, -2) - (g * (p @ v)).sum(-1, keepdims=True)) / c
        return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g

    return rule


LOWER = np.tri(4) > 0
ATTENDED = {
    "plain": (attend, attend_rule()),
    "the width as a number": (attend, attend_rule(4)),
    "masked": (lambda q, k, v: attend(q, k, v, True), attend_rule(mask=lambda s: np.tri(*s.shape[-2:]) > 0)),
    "a mask of this size": (lambda q, k, v: attend(q, k, v, True), attend_rule(mask=lambda s: LOWER)),
    "a mean by a number": (lambda q, k, v: (q + k + v).mean(-2), lambda g, *x: (g[..., None, :] / 4 + 0 * x[0],) * 3),
}


@walked("name", ATTENDED)
def test_a_length_that_is_written_into_a_rule_is_no_confusion(name):
    f, rule = ATTENDED[name]
    report = cr.check(f, *(RNG.standard_normal((4, 4)) for _ in range(3)), backward=rule)
    assert report.ok, str(report)


def test_attention_that_takes_the_number_of_positions_for_the_width_is_found_where_they_are_equal():
    args = [RNG.standard_normal((2, 4, 4)) for _ in range(3)]
    report = cr.check(attend, *args, backward=attend_rule(lambda q: q.shape[-2]))
    assert report.findings[0].code == "square-only"


def test_an_axis_that_a_variable_names():
    def from_behind(g, axis):
        return np.flip(np.cumsum(np.flip(g, axis), axis), axis)

    def rule(g, x):
        axis = 1
        return from_behind(g, axis=0) + 0 * x.sum(axis=axis, keepdims=True)

    finding = cr.check(lambda x: np.cumsum(x, axis=1), X, backward=rule).findings[0]
    assert "from_behind(g, axis=axis)" in finding.detail["wanted"], finding.hypotheses


def test_two_arguments_in_each_others_place():
    def weighed(g, weight, shift):
        return g * weight + 0 * shift

    def rule(g, x):
        return weighed(g, np.ones_like(x), 2 * x)

    finding = cr.check(np.square, X, backward=rule).findings[0]
    assert finding.code == "other-argument", finding.hypotheses
    assert "in each other's place" in finding.detail["text"]
