"""Numbers that others have published, each with its source. They were not computed by this project."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class TestOneNeuron:
    """x = 2, w = 0.5, b = 0.1, y = 1: z = w x + b, a = σ(z), L = ½ (a − y)², worked to full precision."""

    @staticmethod
    def loss(w, b):
        a = sigmoid(w * 2.0 + b)
        return 0.5 * (a - 1.0) ** 2

    def test_value(self):
        assert float(sigmoid(np.float64(1.1))) == pytest.approx(0.7502601055951177, rel=1e-15)
        assert float(self.loss(0.5, 0.1)) == pytest.approx(0.031185007428680883, rel=1e-14)

    def test_gradients_by_transforms(self):
        dw, db = cr.grad(self.loss, argnums=(0, 1))(0.5, 0.1)
        assert dw == pytest.approx(-0.0935874678657066, rel=1e-14)
        assert db == pytest.approx(-0.0467937339328533, rel=1e-14)

    def test_gradients_by_backward(self):
        w = cr.tensor(0.5, requires_grad=True)
        b = cr.tensor(0.1, requires_grad=True)
        (0.5 * (cr.sigmoid(w * 2.0 + b) - 1.0) ** 2).backward()
        assert w.grad.item() == pytest.approx(-0.0935874678657066, rel=1e-14)
        assert b.grad.item() == pytest.approx(-0.0467937339328533, rel=1e-14)


class TestMazur:
    """Matt Mazur, "A Step by Step Backpropagation Example" (2015): two inputs, two hidden and two output neurons."""

    # The text draws w1 from i1 to h1, w2 from i2 to h1, w3 from i1 to h2, …; here W is [in, out].
    x = np.array([0.05, 0.10])
    target = np.array([0.01, 0.99])
    w1 = np.array([[0.15, 0.25], [0.20, 0.30]])
    w2 = np.array([[0.40, 0.50], [0.45, 0.55]])
    b1, b2 = 0.35, 0.60

    def outputs(self, w1, w2):
        return sigmoid(sigmoid(self.x @ w1 + self.b1) @ w2 + self.b2)

    def error(self, w1, w2):
        return (0.5 * (self.target - self.outputs(w1, w2)) ** 2).sum()

    def step(self):
        dw1, dw2 = cr.grad(self.error, argnums=(0, 1))(self.w1, self.w2)
        return self.w1 - 0.5 * dw1, self.w2 - 0.5 * dw2

    def test_forward(self):
        np.testing.assert_allclose(self.outputs(self.w1, self.w2), [0.75136507, 0.772928465], rtol=1e-8)
        assert float(self.error(self.w1, self.w2)) == pytest.approx(0.298371109, abs=5e-10)

    def test_updated_weights(self):
        w1, w2 = self.step()
        # w1…w4 row by row of the text: its w1, w2 feed h1, its w3, w4 feed h2.
        np.testing.assert_allclose(w1.T.ravel(), [0.149780716, 0.19956143, 0.24975114, 0.29950229], atol=5e-9)
        np.testing.assert_allclose(w2.T.ravel(), [0.35891648, 0.408666186, 0.511301270, 0.561370121], atol=5e-9)

    def test_error_after_one_simultaneous_step(self):
        assert float(self.error(*self.step())) == pytest.approx(0.29102777369359933, rel=1e-12)

    def test_the_printed_error_comes_from_updating_in_sequence(self):
        """He prints 0.291027924: the hidden layer's δ is carried back through output weights already updated."""
        hidden = sigmoid(self.x @ self.w1 + self.b1)
        y = sigmoid(hidden @ self.w2 + self.b2)
        delta = (y - self.target) * y * (1 - y)
        w2 = self.w2 - 0.5 * np.outer(hidden, delta)
        w1 = self.w1 - 0.5 * np.outer(self.x, (w2 @ delta) * hidden * (1 - hidden))
        assert float(self.error(w1, w2)) == pytest.approx(0.291027924, abs=5e-10)


class TestMicrograd:
    """Andrej Karpathy, micrograd (2020), the example of its README."""

    @staticmethod
    def g(a, b):
        c = a + b
        d = a * b + b**3
        c = c + c + 1
        c = c + 1 + c + (-a)
        d = d + d * 2 + cr.relu(b + a)
        d = d + 3 * d + cr.relu(b - a)
        e = c - d
        f = e**2
        g = f / 2.0
        return g + 10.0 / f

    def test_value_and_gradients(self):
        a = cr.tensor(-4.0, requires_grad=True)
        b = cr.tensor(2.0, requires_grad=True)
        g = self.g(a, b)
        g.backward()
        assert f"{g.item():.4f}" == "24.7041"
        assert f"{a.grad.item():.4f}" == "138.8338"
        assert f"{b.grad.item():.4f}" == "645.5773"


class TestXor:
    """Four points, one-hot targets, hidden 4, learning rate 0.5, 1000 epochs."""

    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])

    def test_learned(self):
        network = nn.NeuralNetwork(2, 4, 2, seed=1)
        losses = [network.train_step(self.x, self.y, 0.5) for _ in range(1000)]
        assert network.predict(self.x).tolist() == [0, 1, 1, 0]
        assert losses[-1] < 0.05 < losses[0]
