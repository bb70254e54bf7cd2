"""The network written by hand: its gradients, its training, and `backprop`, which must agree with it."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import nn
from chainrule.nn import classic

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
CLASSES = np.array([0, 1, 1, 0])
ONE_HOT = np.eye(2)[CLASSES]


def numerical(f, array, h=1e-6):
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + h
        above = f()
        array[index] = kept - h
        below = f()
        array[index] = kept
        gradient[index] = (above - below) / (2 * h)
    return gradient


LAYERS = {
    "Linear": lambda: classic.Linear(4, 3, np.random.default_rng(0)),
    "ReLU": classic.ReLU,
    "Softmax": classic.Softmax,
    "NeuralNetwork": lambda: nn.NeuralNetwork(4, 6, 3, seed=0),
}


@walked("make", LAYERS.values(), ids=LAYERS)
def test_backward_is_the_derivative_of_forward(make):
    rng = np.random.default_rng(0)
    layer, x = make(), rng.standard_normal((5, 4))
    dout = rng.standard_normal(layer.forward(x).shape)
    dx = layer.backward(dout)

    def scalar():
        return float((layer.forward(x) * dout).sum())

    np.testing.assert_allclose(dx, numerical(scalar, x), atol=1e-7)
    for part in [layer] if isinstance(layer, classic.Linear) else [getattr(layer, f"linear{k}", None) for k in (1, 2)]:
        if part is not None:
            dW, db = part.dW.copy(), part.db.copy()
            np.testing.assert_allclose(dW, numerical(scalar, part.W), atol=1e-7)
            np.testing.assert_allclose(db, numerical(scalar, part.b), atol=1e-7)


@walked("targets", [ONE_HOT, CLASSES, np.full((4, 2), 0.7)])
def test_the_loss_and_its_gradient(targets):
    loss, z = classic.CrossEntropyLoss(), np.random.default_rng(0).standard_normal((4, 2))
    value = loss.forward(z, targets)
    expected = nn.functional.cross_entropy(z, targets)
    assert value == pytest.approx(float(expected), rel=1e-12)
    dz = loss.backward()
    np.testing.assert_allclose(dz, numerical(lambda: loss.forward(z, targets), z), atol=1e-8)


def test_probabilities_and_their_loss_agree_with_the_way_through_softmax():
    network = nn.NeuralNetwork(2, 4, 2, seed=0)
    y_hat = network.forward(XOR)
    np.testing.assert_allclose(y_hat.sum(axis=1), 1.0)
    network.backward(-ONE_HOT / y_hat / 4)  # ∂L/∂ŷ of the mean cross-entropy
    by_softmax = [network.linear1.dW, network.linear2.db]
    network.train_step(XOR, ONE_HOT, lr=0.0)
    for a, b in zip(by_softmax, [network.linear1.dW, network.linear2.db], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_logits_of_any_size_are_exact():
    network = nn.NeuralNetwork(2, 4, 2, seed=0)
    network.linear2.b[:] = [1e4, -1e4]
    assert network.train_step(XOR[:1], np.array([1]), lr=0.0) == pytest.approx(2e4, rel=1e-9)
    assert np.isfinite(network.linear1.dW).all()
    assert network.forward(XOR)[0].tolist() == [1.0, 0.0]


def test_it_learns_xor():
    network = nn.NeuralNetwork(2, 4, 2, seed=1)
    losses = [network.train_step(XOR, ONE_HOT, lr=0.5) for _ in range(1000)]
    assert losses[-1] < 0.05 < losses[0]
    assert network.predict(XOR).tolist() == [0, 1, 1, 0]


def test_the_seed_decides():
    a, b = (nn.NeuralNetwork(2, 4, 2, seed=7) for _ in range(2))
    np.testing.assert_array_equal(a.linear1.W, b.linear1.W)
    cr.seed(0)
    first = nn.NeuralNetwork(2, 4, 2)
    cr.seed(0)
    np.testing.assert_array_equal(nn.NeuralNetwork(2, 4, 2).linear2.W, first.linear2.W)
    assert nn.NeuralNetwork(500, 400, 2).linear1.W.std() == pytest.approx((2 / 500) ** 0.5, rel=0.02)


def by_hand(network, x, y):
    """The recursion, δ by δ, in plain NumPy."""
    activations, z = [x], None
    for W, b in network:
        z = activations[-1] @ W + b
        activations.append(np.maximum(z, 0))
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    delta = (powers / powers.sum(axis=1, keepdims=True) - y) / len(x)
    gradients = []
    for layer in reversed(range(len(network))):
        a = activations[layer]
        gradients.append((a.T @ delta, delta.sum(axis=0)))
        delta = (delta @ network[layer][0].T) * (a > 0)
    return gradients[::-1]


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_backprop_is_the_recursion(sizes, rows, seed):
    rng = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(sizes))
    network = [(rng.standard_normal(pair), rng.standard_normal(pair[1])) for pair in pairs]
    x, y = rng.standard_normal((rows, sizes[0])), np.eye(sizes[-1])[rng.integers(0, sizes[-1], rows)]
    found, expected = nn.backprop(network, x, y), by_hand(network, x, y)
    assert len(found) == len(network)
    for (dW, db), (eW, eb), (W, b) in zip(found, expected, network, strict=True):
        assert (dW.shape, db.shape) == (W.shape, b.shape)
        np.testing.assert_allclose(dW, eW, atol=1e-12)
        np.testing.assert_allclose(db, eb, atol=1e-12)


def test_backprop_agrees_with_the_network_by_hand():
    network = nn.NeuralNetwork(2, 4, 2, seed=0)
    layers = [(layer.W, layer.b) for layer in (network.linear1, network.linear2)]
    gradients = nn.backprop(layers, XOR, CLASSES)
    network.train_step(XOR, CLASSES, lr=0.0)
    for (dW, db), layer in zip(gradients, (network.linear1, network.linear2), strict=True):
        np.testing.assert_allclose(dW, layer.dW, atol=1e-14)
        np.testing.assert_allclose(db, layer.db, atol=1e-14)


def layers(*shapes):
    return [(np.zeros(w), np.zeros(b)) for w, b in shapes]


GOOD = layers(((2, 3), 3), ((3, 2), 2))
WRONG = {
    "at least one layer": lambda: nn.backprop([], XOR, ONE_HOT),
    r"layer 2: expected a pair \(W, b\), got ndarray": lambda: nn.backprop([GOOD[0], np.ones(2)], XOR, ONE_HOT),
    r"layer 1: expected W \[in, out\] and b \[out\], got \[2, 3\] and \[2\]": lambda: nn.backprop(
        layers(((2, 3), 2)), XOR, ONE_HOT
    ),
    r"layer 2: expected W with 3 rows, the outputs of layer 1, got \[4, 2\]": lambda: nn.backprop(
        layers(((2, 3), 3), ((4, 2), 2)), XOR, ONE_HOT
    ),
    r"backprop: x: expected \[batch, 2\], got \[4, 3\]": lambda: nn.backprop(GOOD, np.ones((4, 3)), ONE_HOT),
    "at least one row": lambda: nn.backprop(GOOD, np.ones((0, 2)), np.ones((0, 2))),
    r"y: expected probabilities \[4, 2\] or class indices \[4\]": lambda: nn.backprop(GOOD, XOR, ONE_HOT[:3]),
    "y: expected classes from 0 to 1, got 0 to 2": lambda: nn.backprop(GOOD, XOR, CLASSES * 2),
    "NeuralNetwork: hidden_dim": lambda: nn.NeuralNetwork(2, 0, 2),
    r"Linear: x: expected \[batch, 2\], got \[4\]": lambda: nn.NeuralNetwork(2, 4, 2).forward(np.ones(4)),
    "lr: expected a finite number": lambda: nn.NeuralNetwork(2, 4, 2).update(float("nan")),
}


@walked(("message", "call"), WRONG.items(), ids=WRONG)
def test_a_wrong_call_says_what_is_wrong(message, call):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
