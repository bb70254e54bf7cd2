"""check_layer finds parameters by the names of their gradients, and wrong backward passes of layers written by hand."""

import numpy as np
import pytest

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


@pytest.mark.parametrize("names", [("dW", "db"), ("grad_W", "grad_b"), ("W_grad", "b_grad"), ("d_W", "d_b")])
def test_parameters_are_found_by_the_names_of_their_gradients(names):
    layer = Linear(names)
    before = dict(vars(layer))
    report = cr.check_layer(layer, X)
    assert report.ok, str(report)
    assert [row.name for row in report.rows] == ["x", "W", "b"]
    assert dict(vars(layer)) == before, "the layer itself does not run"


@pytest.mark.parametrize("layer", [Stored(), Accumulating(), Linear()])
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
