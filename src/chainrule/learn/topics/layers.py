"""Networks made of layers: one _neuron, activations, two layers, softmax, many layers, a residual connection."""

from typing import Any

import numpy as np

import chainrule.nn.functional as F
from chainrule.learn.draw import Draw
from chainrule.learn.lines import Scene
from chainrule.rules.elementary.trigonometric import tanh
from chainrule.rules.network.activation import relu, sigmoid, softplus

from .topic import Topic


def _neuron(w: Any, x: Any, b: Any, t: Any) -> Any:
    z = w * x + b
    a = sigmoid(z)
    return 0.5 * (a - t) ** 2


def _neuron_scene(draw: Draw, level: int) -> Scene:
    w, x, z = draw.halves(-3, 3), draw.whole(-2, 2), 0.0 if level == 1 else draw.halves(-3, 3)
    return Scene(_neuron, {"w": w, "x": x, "b": z - w * x, "t": draw.choice([0.0, 1.0])}, ("w", "b"))


NEURON = Topic(
    "neuron",
    ("One neuron", "뉴런 하나"),
    _neuron_scene,
    """
def backward(w, x, b, t):
    z = w * x + b
    a = 1 / (1 + np.exp(-z))
    da = a - t
    dz = da * a * (1 - a)
    dw = dz * x
    db = dz
    return dw, db
""",
)


def _slopes_with(activation: Any) -> Any:
    def slopes(z: Any, c: Any) -> Any:
        a = activation(z)
        return c * a**2

    return slopes


SLOPES = {f: _slopes_with(f) for f in (sigmoid, tanh, relu, softplus)}


def _activation_scene(draw: Draw, level: int) -> Scene:
    kind = draw.choice([relu, sigmoid, tanh] if level < 3 else [sigmoid, tanh, softplus])
    return Scene(SLOPES[kind], {"z": draw.halves(-4, 4), "c": draw.whole()}, ("z",))


ACTIVATIONS = Topic(
    "activations", ("Activations and their slopes", "활성화 함수와 기울기"), _activation_scene, tables=True
)


def _two_layers(W1: Any, b1: Any, W2: Any, b2: Any, x: Any, t: Any) -> Any:
    z1 = x @ W1 + b1
    a1 = relu(z1)
    z2 = a1 @ W2 + b2
    return 0.5 * np.sum((z2 - t) ** 2)


def _two_layer_scene(draw: Draw, level: int) -> Scene:
    n = 1 if level < 3 else 2
    x, w1, w2 = draw.array(n, 2), draw.array(2, 2), draw.array(2, 1)
    b1 = draw.array(2, step=0.5, most=1)  # x W1 is whole, so no z1 is zero: the slope of relu has no kink there
    given = {"W1": w1, "b1": b1, "W2": w2, "b2": draw.array(1), "x": x, "t": draw.array(n, 1)}
    return Scene(_two_layers, given, ("W1", "b1", "W2", "b2"))


TWO_LAYERS = Topic(
    "two-layers",
    ("Two layers", "두 층 신경망"),
    _two_layer_scene,
    """
def backward(W1, b1, W2, b2, x, t):
    z1 = x @ W1 + b1
    a1 = np.maximum(z1, 0)
    z2 = a1 @ W2 + b2
    dz2 = z2 - t
    dW2 = a1.T @ dz2
    db2 = dz2.sum(axis=0)
    da1 = dz2 @ W2.T
    dz1 = da1 * (z1 > 0)
    dW1 = x.T @ dz1
    db1 = dz1.sum(axis=0)
    return dW1, db1, dW2, db2
""",
)


def _classifier(W: Any, b: Any, x: Any, t: Any) -> Any:
    z = x @ W + b
    y = F.softmax(z)
    return -np.sum(t * np.log(y)) / x.shape[0]


def _softmax_scene(draw: Draw, level: int) -> Scene:
    n, classes = (1 if level < 2 else 2), (2 if level < 3 else 3)
    w = draw.array(2, classes, step=0.5) if level > 1 else np.repeat(draw.array(2, 1), classes, axis=1)
    rows = [draw.integer(0, classes - 1) for _ in range(n)]
    given = {"W": w, "b": np.zeros(classes), "x": draw.array(n, 2, most=1), "t": np.eye(classes)[rows]}

    def spread(other: Draw) -> dict[str, Any]:
        return {"W": other.uniform(2, classes), "b": other.uniform(classes), "x": other.uniform(n, 2), "t": given["t"]}

    return Scene(_classifier, given, ("W", "b"), spread)


SOFTMAX = Topic(
    "softmax",
    ("Softmax with cross-entropy", "소프트맥스와 교차 엔트로피"),
    _softmax_scene,
    """
def backward(W, b, x, t):
    z = x @ W + b
    e = np.exp(z - z.max(axis=1, keepdims=True))
    y = e / e.sum(axis=1, keepdims=True)
    dz = (y - t) / len(x)
    dW = x.T @ dz
    db = dz.sum(axis=0)
    return dW, db
""",
)


def _deep2(x: Any, w1: Any, w2: Any, t: Any) -> Any:
    z1 = w1 * x
    a1 = tanh(z1)
    z2 = w2 * a1
    a2 = tanh(z2)
    return 0.5 * (a2 - t) ** 2


def _deep3(x: Any, w1: Any, w2: Any, w3: Any, t: Any) -> Any:
    z1 = w1 * x
    a1 = sigmoid(z1)
    z2 = w2 * a1
    a2 = sigmoid(z2)
    z3 = w3 * a2
    a3 = sigmoid(z3)
    return 0.5 * (a3 - t) ** 2


def _deep_scene(draw: Draw, level: int) -> Scene:
    many = level > 2
    names = ("w1", "w2", "w3") if many else ("w1", "w2")
    weights = {name: draw.halves(-4, 4) for name in names}
    given = {"x": draw.whole(-2, 2), **weights, "t": draw.choice([0.0, 1.0])}
    return Scene(_deep3 if many else _deep2, given, names)


DEEP = Topic(
    "deep",
    ("L layers: the recursion of the errors", "L층 신경망: 오차의 점화식"),
    _deep_scene,
    tables=True,
)


def _residual(x: Any, w: Any, v: Any, c: Any) -> Any:
    z = w * x
    h = relu(z)
    y = x + v * h
    return c * y**2


def _residual_scene(draw: Draw, level: int) -> Scene:
    given = {"x": draw.whole(), "w": draw.halves(), "v": draw.halves(), "c": 1.0 if level < 3 else draw.whole()}
    return Scene(_residual, given, ("x", "w", "v"))


RESIDUAL = Topic(
    "residual",
    ("Residual connections", "잔차 연결"),
    _residual_scene,
    """
def backward(x, w, v, c):
    z = w * x
    h = np.maximum(z, 0)
    y = x + v * h
    dy = 2 * c * y
    dv = dy * h
    dh = dy * v
    dz = dh * (z > 0)
    dw = dz * x
    dx = dy + dz * w
    return dx, dw, dv
""",
)
TOPICS = (NEURON, ACTIVATIONS, TWO_LAYERS, SOFTMAX, DEEP, RESIDUAL)
