"""check_layer finds parameters by the names of their gradients, and wrong backward passes of layers written by hand."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.check import assert_gradients

X = np.random.default_rng(0).standard_normal((5, 3))


class Linear:
    """x W + b, with the gradients of W and b under names to be chosen."""

    def __init__(self, names=("dW", "db"), change=lambda gradient: gradient):
        rng = np.random.default_rng(1)
        self.W, self.b = rng.standard_normal((3, 4)), rng.standard_normal(4)
        self.names, self.change = names, change

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        setattr(self, self.names[0], self.change(self.x.T @ dout))
        setattr(self, self.names[1], dout.sum(axis=0))
        return dout @ self.W.T


class Stored(Linear):
    """The same with `params` and `grads`."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.params = {"W": rng.standard_normal((3, 4)), "b": rng.standard_normal(4)}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]

    def backward(self, dout):
        self.grads = {"W": self.x.T @ dout, "b": dout.sum(axis=0)}
        return dout @ self.params["W"].T


class Accumulating(Linear):
    """Adds to its gradients, as PyTorch does."""

    def __init__(self):
        super().__init__()
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def backward(self, dout):
        self.dW += self.x.T @ dout
        self.db += dout.sum(axis=0)
        return dout @ self.W.T


class SoftmaxLoss:
    """The mean cross-entropy, whose backward() takes no argument."""

    def __init__(self, mean=True):
        self.mean = mean

    def forward(self, z, labels):
        shifted = np.exp(z - z.max(axis=1, keepdims=True))
        self.p, self.labels = shifted / shifted.sum(axis=1, keepdims=True), labels
        return -np.log(self.p[np.arange(len(labels)), labels]).mean()

    def backward(self):
        gradient = self.p.copy()
        gradient[np.arange(len(gradient)), self.labels] -= 1
        return gradient / len(gradient) if self.mean else gradient


@walked("names", [("dW", "db"), ("grad_W", "grad_b"), ("W_grad", "b_grad"), ("d_W", "d_b")])
def test_parameters_are_found_by_the_names_of_their_gradients(names):
    layer = Linear(names)
    before = dict(vars(layer))
    report = cr.check_layer(layer, X)
    assert report.ok, str(report)
    assert [row.name for row in report.rows] == ["x", "W", "b"]
    assert dict(vars(layer)) == before, "the layer itself does not run"


@walked("layer", [Stored(), Accumulating(), Linear()])
def test_layers_of_other_styles(layer):
    report = assert_gradients(layer, X)
    assert len(report.rows) == 3


def test_a_wrong_parameter_gradient():
    report = cr.check_layer(Linear(change=lambda g: g / len(X)), X)
    (finding,) = report.findings
    assert (report.verdict, finding.argument, finding.code) == ("wrong", "W", "factor")
    assert finding.operation == "Linear.backward"
    assert finding.source.file == __file__


def test_a_parameter_gradient_of_a_wrong_shape():
    report = cr.check_layer(Linear(change=np.transpose), X)
    assert (report.verdict, report.findings[0].argument) == ("shape", "W")


def test_a_loss_whose_backward_takes_nothing():
    labels = np.array([0, 1, 2, 0, 1])
    assert cr.check_layer(SoftmaxLoss(), X, labels).ok
    report = cr.check_layer(SoftmaxLoss(mean=False), X, labels)
    assert (report.verdict, report.findings[0].code) == ("wrong", "factor")


def test_a_float32_layer_is_checked_in_float64():
    layer = Linear()
    layer.W, layer.b = layer.W.astype(np.float32), layer.b.astype(np.float32)
    report = cr.check_layer(layer, X.astype(np.float32))
    assert report.ok
    assert report.worst < 1e-8


def test_a_backward_that_returns_too_much():
    class Two(Linear):
        def backward(self, dout):
            return super().backward(dout), dout

    assert cr.check_layer(Two(), X).verdict == "signature"


def test_an_object_without_backward():
    with pytest.raises(TypeError, match="backward"):
        cr.check_layer(object(), X)


class CrossEntropy:
    """A loss as course books write it: an ε under the logarithm, and the gradient that arrives ignored."""

    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.sum(self.t * np.log(self.y + 1e-7)) / len(t)

    def backward(self, dout=1):
        return (self.y - self.t) / len(self.t)


def test_a_small_difference_besides_does_not_hide_that_what_arrives_is_ignored():
    x, t = np.random.default_rng(0).standard_normal((5, 4)), np.eye(4)[[0, 3, 1, 2, 1]].astype(int)
    finding = cr.check_layer(CrossEntropy(), x, t).findings[0]
    assert finding.code == "factor"
    assert "the gradient that arrives from above is ignored" in finding.detail["text"]


def test_targets_of_floats_need_no_gradient():
    x, t = np.random.default_rng(0).standard_normal((5, 4)), np.eye(4)[[0, 3, 1, 2, 1]]

    class Squares:
        def forward(self, x, t):
            self.x, self.t = x, t
            return np.sum((x - t) ** 2)

        def backward(self, dout=1):
            return 2 * dout * (self.x - self.t)

    report = cr.check_layer(Squares(), x, t)
    assert report.verdict == "right"
    assert [row.name for row in report.rows] == ["x"]


def test_another_input_of_floats_needs_one():
    class Product:
        def forward(self, x, w):
            self.w = w
            return x * w

        def backward(self, dout):
            return dout * self.w

    assert cr.check_layer(Product(), np.ones(3), np.ones(3)).verdict == "signature"


class Dense:
    """A layer whose parameters are in a list, which layers around it share, and change by their places."""

    def __init__(self, w, b, factor=1.0):
        self.params, self.grads, self.factor = [w, b], [np.zeros_like(w), np.zeros_like(b)], factor

    def forward(self, x):
        w, b = self.params
        self.x = x
        return x @ w + b

    def backward(self, dout):
        w, _ = self.params
        self.grads[0][...] = self.factor * self.x.T @ dout
        self.grads[1][...] = dout.sum(axis=0)
        return dout @ w.T


class Two:
    def __init__(self, *layers):
        self.all = layers
        self.params, self.grads = layers[0].params + layers[1].params, layers[0].grads + layers[1].grads

    def forward(self, x):
        return self.all[1].forward(self.all[0].forward(x))

    def backward(self, dout):
        return self.all[0].backward(self.all[1].backward(dout))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_parameters_in_a_list_are_checked(dtype):
    rng = np.random.default_rng(0)
    x, *arrays = (rng.standard_normal(s).astype(dtype) for s in ((5, 4), (4, 3), (3,), (3, 2), (2,)))
    report = cr.check_layer(Two(Dense(*arrays[:2]), Dense(*arrays[2:])), x)
    assert report.verdict == "right", report
    assert [row.name for row in report.rows] == ["x", "params[0]", "params[1]", "params[2]", "params[3]"]
    wrong = cr.check_layer(Dense(*arrays[:2], factor=2.0), x).findings
    assert [(f.argument, f.code) for f in wrong] == [("params[0]", "factor")]


class Cell:
    """A step with a state, which is None before the first run."""

    def __init__(self):
        self.h = self.dh = None

    def forward(self, x, h_prev):
        self.x, self.h = x, np.tanh(x + h_prev)
        return self.h, x * h_prev

    def backward(self, dh_next, dc_next):
        dz = dh_next * (1 - self.h**2)
        self.dh = dz + dc_next * self.x
        h_prev = np.arctanh(self.h) - self.x
        return dz + dc_next * h_prev, self.dh


def test_a_layer_with_several_outputs_takes_a_gradient_for_each_and_its_state_is_no_parameter():
    report = cr.check_layer(Cell(), np.array([0.1, -0.4, 0.3]), np.array([0.5, 0.2, -0.7]))
    assert report.verdict == "right", report
    assert [row.name for row in report.rows] == ["x", "h_prev"]


def test_what_a_gradient_is_written_into_is_cut_with_its_parameter():
    rng = np.random.default_rng(0)  # a square matrix, of which other shapes are tried
    assert (
        cr.check_layer(Dense(rng.standard_normal((3, 3)), rng.standard_normal(3)), np.ones((5, 3))).verdict == "right"
    )


class KeepsFunctions:
    """Multiplies by a weight in a function that it keeps, as a block keeps one of its parts."""

    def __init__(self, factor):
        self.w = np.array([0.5, -2.0, 3.0])
        self.dw = np.zeros(3)
        self.scaled = lambda x: self.w * x
        self.factor = factor

    def forward(self, x):
        self.x = x
        return self.scaled(x)

    def backward(self, dout):
        self.dw = self.factor * (dout * self.x).sum(axis=0)
        return dout * self.w


def test_a_function_that_a_layer_keeps_uses_the_weights_under_check():
    x = np.random.default_rng(0).standard_normal((4, 3))
    assert cr.check_layer(KeepsFunctions(1.0), x).verdict == "right"
    finding = cr.check_layer(KeepsFunctions(2.0), x).findings[0]
    assert (finding.verdict, finding.argument, finding.code) == ("wrong", "w", "factor")
