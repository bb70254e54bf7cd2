"""Submissions as students write them, each with one known mistake: loops, einsum, in place, layers, Korean names.

Each entry is what is asked for, its inputs, the codes that name the mistake, and the submission. They were written for
this file; `grade_causes.py --styles` grades them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Style:
    """One submission, what it should compute, and what its mistake is called."""

    name: str
    reference: Any
    inputs: tuple[Any, ...]
    codes: tuple[str, ...]
    source: str
    constructor: tuple[Any, ...] = ()


RNG = np.random.default_rng(7)


def _n(*shape: int) -> Any:
    return RNG.normal(size=shape)


def affine(x: Any, w: Any, b: Any) -> Any:
    return x @ w + b


def relu(x: Any) -> Any:
    return np.maximum(x, 0.0)


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


LABELS = np.array([0, 2, 1, 2, 0])
ONCE = np.eye(3)[LABELS]


def logistic(w: Any, b: Any) -> Any:
    z = DATA @ w + b
    return np.mean(np.log1p(np.exp(z)) - TARGET * z)


DATA, TARGET = _n(6, 3), np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])


def batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) + beta


def convolution(x: Any, k: Any) -> Any:
    return np.array([x[i : i + len(k)] @ k for i in range(len(x) - len(k) + 1)])


def max_pool(x: Any) -> Any:
    return x.reshape(3, 2, 4, 2).max(axis=(1, 3))


def cell(z: Any, c: Any) -> Any:
    f, i, o, g = np.split(z, 4, axis=1)
    f, i, o = (1 / (1 + np.exp(-v)) for v in (f, i, o))
    return o * np.tanh(f * c + i * np.tanh(g))


def attention(q: Any, k: Any, v: Any) -> Any:
    return softmax(q @ k.T / np.sqrt(q.shape[1])) @ v


WORDS = np.array([1, 3, 1, 0])


def embedding(table: Any) -> Any:
    return table[WORDS]


def layer_norm(x: Any) -> Any:
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)


KEPT = (_n(4, 5) > 0).astype(float)


def dropout(x: Any) -> Any:
    return x * KEPT / 0.8


def ridge(w: Any) -> Any:
    return np.mean((DATA @ w - TARGET) ** 2) + 0.1 * np.sum(w**2)


def recurrent(x: Any, w: Any, u: Any) -> Any:
    h, states = np.zeros(u.shape[0]), []
    for row in x:
        h = np.tanh(row @ w + h @ u)
        states.append(h)
    return np.array(states)


def gelu(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def log_sum_exp(z: Any) -> Any:
    return np.log(np.exp(z).sum(axis=1))


def cosine(a: Any, b: Any) -> Any:
    return (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def svm(scores: Any) -> Any:
    n = np.arange(len(LABELS))
    margins = np.maximum(0, scores - scores[n, LABELS][:, None] + 1)
    margins[n, LABELS] = 0
    return margins.sum() / len(scores)


def leaky(x: Any) -> Any:
    return np.where(x > 0, x, 0.01 * x)


def two_layers(w1: Any, w2: Any) -> Any:
    return np.sum((1 / (1 + np.exp(-DATA @ w1))) @ w2)


def swish(x: Any) -> Any:
    return x / (1 + np.exp(-x))


def huber(p: Any, t: Any) -> Any:
    d = p - t
    return np.where(np.abs(d) <= 1, 0.5 * d**2, np.abs(d) - 0.5)


def cross_entropy(z: Any) -> Any:
    return -np.mean(np.log(softmax(z))[np.arange(len(LABELS)), LABELS])


class Dense:
    """The layer that is asked for."""

    def __init__(self, w: Any, b: Any) -> None:
        self.w, self.b = w, b

    def forward(self, x: Any) -> Any:
        """Return the output."""
        return np.maximum(x @ self.w + self.b, 0)


ALL: tuple[Style, ...] = (
    Style(
        "loops that assign",
        affine,
        (_n(4, 3), _n(3, 2), _n(2)),
        ("partial",),
        """
def asked_backward(dout, x, w, b):
    N, D = x.shape
    M = w.shape[1]
    dx = np.zeros((N, D))
    dw = np.zeros((D, M))
    db = np.zeros(M)
    for n in range(N):
        for d in range(D):
            for m in range(M):
                dx[n, d] += dout[n, m] * w[d, m]
                dw[d, m] = dout[n, m] * x[n, d]
    for n in range(N):
        for m in range(M):
            db[m] += dout[n, m]
    return dx, dw, db
""",
    ),
    Style(
        "einsum, letters of the result",
        affine,
        (_n(5, 3), _n(3, 3), _n(3)),
        ("transposed", "axes-swapped"),
        """
def asked_backward(g, x, w, b):
    dx = np.einsum("no,io->ni", g, w)
    dw = np.einsum("ni,no->oi", x, g)
    db = np.einsum("no->o", g)
    return dx, dw, db
""",
    ),
    Style(
        "einsum, letters of a factor",
        affine,
        (_n(4, 4), _n(4, 4), _n(4)),
        ("transposed", "axes-swapped"),
        """
def asked_backward(g, x, w, b):
    return np.einsum("bo,oi->bi", g, w), np.einsum("bi,bo->io", x, g), g.sum(0)
""",
    ),
    Style(
        "in place, the wrong side",
        relu,
        (_n(4, 5),),
        ("mask",),
        """
def asked_backward(grad, x):
    out = grad.copy()
    out[x > 0] = 0
    return out
""",
    ),
    Style(
        "Korean names",
        softmax,
        (_n(4, 5),),
        ("missing-term", "detached"),
        """
def asked_backward(기울기, 점수):
    지수 = np.exp(점수 - 점수.max(axis=1, keepdims=True))
    확률 = 지수 / 지수.sum(axis=1, keepdims=True)
    return 확률 * (기울기 - 확률)
""",
    ),
    Style(
        "not a mean",
        logistic,
        (_n(3), np.array(0.3)),
        ("factor",),
        """
def asked_backward(g, w, b):
    p = sigmoid(DATA @ w + b)
    err = p - TARGET
    dw = DATA.T.dot(err)
    db = err.sum()
    return g * dw, g * db / len(TARGET)

def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))
""",
    ),
    Style(
        "the variance as a constant",
        batch_norm,
        (_n(6, 3), _n(3), _n(3)),
        ("detached", "missing-term"),
        """
def asked_backward(dout, x, gamma, beta):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    std_inv = 1. / np.sqrt(var + 1e-5)
    x_norm = (x - mu) * std_inv
    dx_norm = dout * gamma
    dmu = np.sum(dx_norm * -std_inv, axis=0)
    dx = dx_norm * std_inv + dmu / x.shape[0]
    dgamma = np.sum(dout * x_norm, axis=0)
    dbeta = np.sum(dout, axis=0)
    return dx, dgamma, dbeta
""",
    ),
    Style(
        "a kernel that is turned round",
        convolution,
        (_n(7), _n(3)),
        ("shifted", "axes-swapped"),
        """
def asked_backward(g, x, k):
    dx = np.zeros_like(x)
    dk = np.zeros_like(k)
    for i in range(len(g)):
        for j in range(len(k)):
            dx[i + j] += g[i] * k[len(k) - 1 - j]
            dk[j] += g[i] * x[i + j]
    return dx, dk
""",
    ),
    Style(
        "a mean for a maximum",
        max_pool,
        (_n(6, 8),),
        ("mask", "missing-term", "partial", "wrong-point"),
        """
def asked_backward(g, x):
    dx = np.zeros_like(x)
    for i in range(3):
        for j in range(4):
            window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            dx[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = g[i, j] / 4
    return dx
""",
    ),
    Style(
        "a gate without its slope",
        cell,
        (_n(2, 12), _n(2, 3)),
        ("missing-term", "partial"),
        """
def asked_backward(dh, z, c):
    H = c.shape[1]
    f = 1 / (1 + np.exp(-z[:, :H]))
    i = 1 / (1 + np.exp(-z[:, H:2*H]))
    o = 1 / (1 + np.exp(-z[:, 2*H:3*H]))
    g = np.tanh(z[:, 3*H:])
    c_next = f * c + i * g
    t = np.tanh(c_next)
    do = dh * t * o * (1 - o)
    dc = dh * o * (1 - t ** 2)
    df = dc * c
    di = dc * g * i * (1 - i)
    dg = dc * i * (1 - g ** 2)
    return np.concatenate([df, di, do, dg], axis=1), dc * f
""",
    ),
    Style(
        "attention without its scale",
        attention,
        (_n(4, 3), _n(5, 3), _n(5, 2)),
        ("factor",),
        """
def asked_backward(dout, q, k, v):
    d = q.shape[1]
    scores = q @ k.T / np.sqrt(d)
    w = np.exp(scores)
    w /= w.sum(1, keepdims=True)
    dw = dout @ v.T
    dv = w.T @ dout
    ds = w * (dw - (dw * w).sum(1, keepdims=True))
    dq = ds @ k
    dk = ds.T @ q
    return dq, dk, dv
""",
    ),
    Style(
        "words that repeat",
        embedding,
        (_n(5, 3),),
        ("partial",),
        """
def asked_backward(g, table):
    d_table = np.zeros(table.shape)
    d_table[WORDS] += g
    return d_table
""",
    ),
    Style(
        "means along the batch",
        layer_norm,
        (_n(4, 6),),
        ("axes-swapped",),
        """
def asked_backward(g, x):
    mu = np.mean(x, axis=1, keepdims=True)
    s = np.sqrt(np.var(x, axis=1, keepdims=True) + 1e-5)
    xh = (x - mu) / s
    m1 = np.mean(g, axis=0, keepdims=True)
    m2 = np.mean(g * xh, axis=1, keepdims=True)
    return (g - m1 - xh * m2) / s
""",
    ),
    Style(
        "dropout without its scale",
        dropout,
        (_n(4, 5),),
        ("factor",),
        """
def asked_backward(g, x):
    dx = g.copy()
    dx *= KEPT
    return dx
""",
    ),
    Style(
        "half of the regularisation",
        ridge,
        (_n(3),),
        ("factor", "missing-term"),
        """
def asked_backward(g, w):
    lam = 0.1
    error = DATA @ w - TARGET
    grad = 2 * DATA.T @ error / len(error)
    grad = grad + lam * w
    return g * grad
""",
    ),
    Style(
        "no gradient through time",
        recurrent,
        (_n(4, 2), _n(2, 3), _n(3, 3)),
        ("detached", "missing-term"),
        """
def asked_backward(dhs, x, Wxh, Whh):
    T = len(x)
    hs = {-1: np.zeros(Whh.shape[0])}
    for t in range(T):
        hs[t] = np.tanh(x[t] @ Wxh + hs[t - 1] @ Whh)
    dx, dWxh, dWhh = np.zeros_like(x), np.zeros_like(Wxh), np.zeros_like(Whh)
    dhnext = np.zeros(Whh.shape[0])
    for t in reversed(range(T)):
        dh = dhs[t]
        draw = (1 - hs[t] * hs[t]) * dh
        dWxh += np.outer(x[t], draw)
        dWhh += np.outer(hs[t - 1], draw)
        dx[t] = Wxh @ draw
        dhnext = Whh @ draw
    return dx, dWxh, dWhh
""",
    ),
    Style(
        "one half of a product rule",
        gelu,
        (_n(4, 5),),
        ("missing-term", "detached"),
        """
def asked_backward(g, x):
    c = 0.7978845608
    t = np.tanh(c * (x + 0.044715 * x**3))
    return g * 0.5 * (1 + t)
""",
    ),
    Style(
        "no softmax",
        log_sum_exp,
        (_n(4, 5),),
        ("missing-term", "factor"),
        """
def asked_backward(g, z):
    e = np.exp(z)
    total = e.sum(axis=1)
    return g[:, None] / total[:, None]
""",
    ),
    Style(
        "the norm as a constant",
        cosine,
        (_n(4, 3), _n(4, 3)),
        ("detached", "missing-term"),
        """
def asked_backward(g, a, b):
    na = np.sqrt((a ** 2).sum(1))
    nb = np.sqrt((b ** 2).sum(1))
    cos = (a * b).sum(1) / (na * nb)
    da = b / (na * nb)[:, None] - cos[:, None] * a / (na ** 2)[:, None]
    db = a / (na * nb)[:, None]
    return g[:, None] * da, g[:, None] * db
""",
    ),
    Style(
        "margins that are not counted",
        svm,
        (_n(5, 3),),
        ("missing-term", "partial"),
        """
def asked_backward(g, scores):
    N = scores.shape[0]
    correct = scores[np.arange(N), LABELS].reshape(-1, 1)
    margins = np.maximum(0, scores - correct + 1)
    margins[np.arange(N), LABELS] = 0
    dscores = (margins > 0).astype(float)
    dscores[np.arange(N), LABELS] -= 1
    return g * dscores / N
""",
    ),
    Style(
        "another slope",
        leaky,
        (_n(4, 5),),
        ("factor", "partial", "mask"),
        """
def asked_backward(g, x):
    dx = np.ones_like(x)
    dx[x < 0] = 0.1
    return g * dx
""",
    ),
    Style(
        "the slope at another value",
        two_layers,
        (_n(3, 4), _n(4, 2)),
        ("wrong-point", "output-for-input", "other-argument"),
        """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))

def asked_backward(g, w1, w2):
    z = DATA @ w1
    a = sigmoid(z)
    d_out = g * np.ones((len(DATA), w2.shape[1]))
    d_w2 = np.matmul(a.transpose(), d_out)
    d_a = np.matmul(d_out, w2.transpose())
    d_z = d_a * sigmoid_prime(a)
    return np.matmul(DATA.transpose(), d_z), d_w2
""",
    ),
    Style(
        "x in place of x s",
        swish,
        (_n(4, 5),),
        ("missing-term", "factor"),
        """
def asked_backward(g, x):
    s = 1 / (1 + np.exp(-x))
    return g * (s + x * (1 - s))
""",
    ),
    Style(
        "a slope without its sign",
        huber,
        (2 * _n(4, 5), 2 * _n(4, 5)),
        ("sign", "missing-term"),
        """
def asked_backward(g, p, t):
    d = p - t
    small = np.abs(d) <= 1
    grad = np.where(small, d, 1.0)
    return g * grad, -g * grad
""",
    ),
    Style(
        "labels along the wrong axis",
        cross_entropy,
        (_n(5, 3),),
        ("partial", "missing-term"),
        """
def asked_backward(g, z):
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    p[:, LABELS] -= 1
    return g * p / len(LABELS)
""",
    ),
    Style(
        "a layer that forgets its mask",
        Dense,
        (_n(4, 3),),
        ("mask", "missing-term"),
        """
class asked:
    def __init__(self, w, b):
        self.params = {"w": w, "b": b}
        self.grads = {}

    def forward(self, x):
        self.cache = x
        self.z = np.dot(x, self.params["w"]) + self.params["b"]
        return np.maximum(self.z, 0)

    def backward(self, dout):
        x = self.cache
        self.grads["w"] = np.dot(x.T, dout)
        self.grads["b"] = np.sum(dout, axis=0)
        return np.dot(dout, self.params["w"].T)
""",
        (_n(3, 2), _n(2)),
    ),
)
"""All submissions."""


def source_of(style: Style) -> str:
    """Return a submission as a file: the constants that it may use are those of the spec."""
    constants: dict[str, Callable[..., Any] | Any] = {"DATA": DATA, "TARGET": TARGET, "LABELS": LABELS}
    constants |= {"WORDS": WORDS, "KEPT": KEPT}
    lines = [f"{name} = np.array({np.asarray(x).tolist()!r})" for name, x in constants.items() if name in style.source]
    return "\n".join(["import numpy as np", *lines, style.source])
