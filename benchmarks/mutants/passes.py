"""Backward passes as one writes them in a course: each right, with its forward pass and the shapes of its arguments."""
# A backward pass takes every argument of its function, whether it needs it or not.
# ruff: noqa: ARG001

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.check.report.report import CheckReport

Array = Any


@dataclass(frozen=True)
class Pass:
    """A function with its gradient, and how its arguments are drawn: a shape, or a function of a generator.

    Where the mistakes are put into another function than the backward pass itself, that is `rule`, and `made` makes the
    backward pass of it.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    arguments: tuple[Any, ...]
    rule: Callable[..., Any] | None = None
    made: Callable[[Callable[..., Any]], Callable[..., Any]] = lambda rule: rule

    @property
    def changed(self) -> Callable[..., Any]:
        """The function that mistakes are put into."""
        return self.rule or self.backward

    def drawn(self, seed: int) -> list[Any]:
        """Return arguments drawn at random."""
        rng = np.random.default_rng(seed)
        return [drawn(a, rng) for a in self.arguments]

    def gradients(self, rule: Callable[..., Any] | None, seed: int) -> list[Any]:
        """Return the gradients at arguments drawn at random, by the pass as it is or by one with another rule."""
        y = np.asarray(self.forward(*self.drawn(seed)))
        bar = np.random.default_rng(seed).standard_normal(y.shape)
        backward = self.backward if rule is None else self.made(rule)
        found = backward(np.array(bar), *self.drawn(seed))
        return list(found) if isinstance(found, tuple) else [found]

    def report(self, rule: Callable[..., Any] | None, explain: bool = True) -> CheckReport:
        """Check the pass as it is, or with another rule."""
        backward = self.backward if rule is None else self.made(rule)
        return cr.check(self.forward, *self.drawn(0), backward=backward, explain=explain)


def drawn(a: Any, rng: np.random.Generator) -> Any:
    """Return an argument: numbers of a shape, what a function draws, or the value itself."""
    return rng.standard_normal(a) if isinstance(a, tuple) else a(rng) if callable(a) else a


def positive(*shape: int) -> Callable[[Any], Any]:
    """Draw numbers at which most elementary functions are defined."""
    return lambda rng: rng.uniform(0.1, 0.9, shape)


def definite(n: int) -> Callable[[Any], Any]:
    """Draw a positive definite matrix."""

    def made(rng: Any) -> Any:
        a = rng.standard_normal((n, n))
        return a @ a.T / n + np.eye(n)

    return made


def classes(n: int, k: int) -> Callable[[Any], Any]:
    """Draw n class indices below k."""
    return lambda rng: rng.integers(0, k, n)


# Layers


def affine(x: Array, W: Array, b: Array) -> Array:
    return x @ W + b


def affine_backward(dout: Array, x: Array, W: Array, b: Array) -> Any:
    dx = dout @ W.T
    dW = x.T @ dout
    db = np.sum(dout, axis=0)
    return dx, dW, db


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def sigmoid_backward(dout: Array, x: Array) -> Any:
    s = sigmoid(x)
    return dout * s * (1 - s)


def tanh_backward(dout: Array, x: Array) -> Any:
    t = np.tanh(x)
    return dout * (1 - t**2)


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.1 * x)


def leaky_backward(dout: Array, x: Array) -> Any:
    slope = np.where(x > 0, 1.0, 0.1)
    return dout * slope


def softplus(x: Array) -> Array:
    return np.log1p(np.exp(x))


def softplus_backward(dout: Array, x: Array) -> Any:
    e = np.exp(-x)
    return dout / (1 + e)


def swish(x: Array) -> Array:
    return x * sigmoid(x)


def swish_backward(dout: Array, x: Array) -> Any:
    s = sigmoid(x)
    return dout * (s + x * s * (1 - s))


# Losses


def softmax_loss(scores: Array, y: Array) -> Array:
    shifted = scores - scores.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -logs[np.arange(len(y)), y].mean()


def softmax_loss_backward(dout: Array, scores: Array, y: Array) -> Any:
    n = scores.shape[0]
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(n), y] -= 1
    return dout * p / n


def hinge(scores: Array, y: Array) -> Array:
    rows = np.arange(len(y))
    margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
    margins[rows, y] = 0
    return margins.sum() / len(y)


def hinge_backward(dout: Array, scores: Array, y: Array) -> Any:
    n = len(y)
    rows = np.arange(n)
    margins = scores - scores[rows, y][:, None] + 1
    margins[rows, y] = 0
    over = (margins > 0).astype(float)
    over[rows, y] -= over.sum(axis=1)
    return dout * over / n


def squared(pred: Array, y: Array) -> Array:
    return 0.5 * np.mean(np.sum((pred - y) ** 2, axis=1))


def squared_backward(dout: Array, pred: Array, y: Array) -> Any:
    n = pred.shape[0]
    diff = pred - y
    return dout * diff / n, -dout * diff / n


def logistic(w: Array, b: Array, X: Array, y: Array) -> Array:
    z = X @ w + b
    return np.mean(np.log1p(np.exp(-y * z))) + 0.05 * np.sum(w**2)


def logistic_backward(dout: Array, w: Array, b: Array, X: Array, y: Array) -> Any:
    m = len(y)
    z = X @ w + b
    s = 1 / (1 + np.exp(y * z))
    dz = -y * s / m
    dw = X.T @ dz + 0.1 * w
    db = dz.sum()
    return dout * dw, dout * db, dout * np.outer(dz, w), dout * (-z * s / m)


# Normalisation


def batchnorm(x: Array, gamma: Array, beta: Array) -> Array:
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    return gamma * (x - mu) / np.sqrt(var + 1e-3) + beta


def batchnorm_backward(dout: Array, x: Array, gamma: Array, beta: Array) -> Any:
    n = x.shape[0]
    mu = x.mean(axis=0)
    xmu = x - mu
    var = np.mean(xmu**2, axis=0)
    ivar = 1 / np.sqrt(var + 1e-3)
    xhat = xmu * ivar
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dvar = np.sum(dxhat * xmu, axis=0) * -0.5 * ivar**3
    dmu = -np.sum(dxhat * ivar, axis=0)
    dx = dxhat * ivar + dvar * 2 * xmu / n + dmu / n
    return dx, dgamma, dbeta


def layernorm(x: Array, gamma: Array, beta: Array) -> Array:
    mu = x.mean(axis=1, keepdims=True)
    std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    return gamma * (x - mu) / std + beta


def layernorm_backward(dout: Array, x: Array, gamma: Array, beta: Array) -> Any:
    d = x.shape[1]
    mu = x.mean(axis=1, keepdims=True)
    std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    xhat = (x - mu) / std
    dbeta = dout.sum(axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    total = np.sum(dxhat, axis=1, keepdims=True)
    weighted = np.sum(dxhat * xhat, axis=1, keepdims=True)
    dx = (d * dxhat - total - xhat * weighted) / (d * std)
    return dx, dgamma, dbeta


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_backward(dout: Array, x: Array) -> Any:
    p = softmax(x)
    inner = np.sum(dout * p, axis=-1, keepdims=True)
    return p * (dout - inner)


# Images


def convolve(x: Array, w: Array, b: Array) -> Array:
    n, _, h, width = x.shape
    f, _, hh, ww = w.shape
    out = np.zeros((n, f, (h - hh) // 2 + 1, (width - ww) // 2 + 1))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = x[:, :, i * 2 : i * 2 + hh, j * 2 : j * 2 + ww]
            out[:, :, i, j] = np.tensordot(window, w, axes=([1, 2, 3], [1, 2, 3])) + b
    return out


def convolve_backward(dout: Array, x: Array, w: Array, b: Array) -> Any:
    stride = 2
    hh, ww = w.shape[2], w.shape[3]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))
    for n in range(x.shape[0]):
        for f in range(w.shape[0]):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    top, left = i * stride, j * stride
                    window = x[n, :, top : top + hh, left : left + ww]
                    dw[f] += window * dout[n, f, i, j]
                    dx[n, :, top : top + hh, left : left + ww] += w[f] * dout[n, f, i, j]
    return dx, dw, db


def pool(x: Array) -> Array:
    h, w = x.shape
    return x.reshape(h // 2, 2, w // 2, 2).max(axis=(1, 3))


def pool_backward(dout: Array, x: Array) -> Any:
    dx = np.zeros_like(x)
    for i in range(dout.shape[0]):
        for j in range(dout.shape[1]):
            window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            mask = window == window.max()
            dx[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = mask * dout[i, j]
    return dx


def correlate(x: Array, w: Array) -> Array:
    return np.array([x[i : i + len(w)] @ w for i in range(len(x) - len(w) + 1)])


def correlate_backward(dout: Array, x: Array, w: Array) -> Any:
    k = len(w)
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(len(dout)):
        dx[i : i + k] += dout[i] * w
        dw += dout[i] * x[i : i + k]
    return dx, dw


# Networks


def two_layers(x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Array:
    a1 = np.maximum(x @ W1 + b1, 0)
    return a1 @ W2 + b2


def two_layers_backward(dout: Array, x: Array, W1: Array, b1: Array, W2: Array, b2: Array) -> Any:
    z1 = x @ W1 + b1
    a1 = np.maximum(z1, 0)
    dW2 = a1.T @ dout
    db2 = dout.sum(axis=0)
    da1 = dout @ W2.T
    dz1 = da1 * (z1 > 0)
    dW1 = x.T @ dz1
    db1 = dz1.sum(axis=0)
    return dz1 @ W1.T, dW1, db1, dW2, db2


def classifier(W1: Array, b1: Array, W2: Array, b2: Array, X: Array, y: Array) -> Array:
    h = np.tanh(X @ W1 + b1)
    return softmax_loss(h @ W2 + b2, y)


def classifier_backward(dout: Array, W1: Array, b1: Array, W2: Array, b2: Array, X: Array, y: Array) -> Any:
    m = X.shape[0]
    h = np.tanh(X @ W1 + b1)
    scores = h @ W2 + b2
    e = np.exp(scores)
    probs = e / np.sum(e, axis=1, keepdims=True)
    delta = probs
    delta[range(m), y] -= 1
    delta = dout * delta / m
    dW2 = h.T @ delta
    db2 = np.sum(delta, axis=0)
    back = delta @ W2.T * (1 - h**2)
    dW1 = X.T @ back
    db1 = np.sum(back, axis=0)
    return dW1, db1, dW2, db2, back @ W1.T


def rnn_step(x: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> Array:
    return np.tanh(x @ Wx + h @ Wh + b)


def rnn_step_backward(dout: Array, x: Array, h: Array, Wx: Array, Wh: Array, b: Array) -> Any:
    new = np.tanh(x @ Wx + h @ Wh + b)
    da = dout * (1 - new**2)
    return da @ Wx.T, da @ Wh.T, x.T @ da, h.T @ da, da.sum(axis=0)


def rnn(x: Array, Wx: Array, Wh: Array) -> Array:
    h, found = np.zeros((x.shape[1], Wh.shape[0])), []
    for t in range(x.shape[0]):
        h = np.tanh(x[t] @ Wx + h @ Wh)
        found.append(h)
    return np.stack(found)


def rnn_backward(dout: Array, x: Array, Wx: Array, Wh: Array) -> Any:
    steps = x.shape[0]
    h = np.zeros((steps + 1, x.shape[1], Wh.shape[0]))
    for t in range(steps):
        h[t + 1] = np.tanh(x[t] @ Wx + h[t] @ Wh)
    dx, dWx, dWh = np.zeros_like(x), np.zeros_like(Wx), np.zeros_like(Wh)
    dnext = np.zeros_like(h[0])
    for t in reversed(range(steps)):
        dh = dout[t] + dnext
        da = dh * (1 - h[t + 1] ** 2)
        dWx += x[t].T @ da
        dWh += h[t].T @ da
        dx[t] = da @ Wx.T
        dnext = da @ Wh.T
    return dx, dWx, dWh


def attention(Q: Array, K: Array, V: Array) -> Array:
    return softmax(Q @ K.T / np.sqrt(Q.shape[1])) @ V


def attention_backward(dout: Array, Q: Array, K: Array, V: Array) -> Any:
    scale = 1 / np.sqrt(Q.shape[1])
    P = softmax(Q @ K.T * scale)
    dV = P.T @ dout
    dP = dout @ V.T
    dS = P * (dP - np.sum(dP * P, axis=1, keepdims=True))
    dQ = dS @ K * scale
    dK = dS.T @ Q * scale
    return dQ, dK, dV


def gate(x: Array, W: Array, V: Array) -> Array:
    return sigmoid(x @ W) * np.tanh(x @ V)


def gate_backward(dout: Array, x: Array, W: Array, V: Array) -> Any:
    s = sigmoid(x @ W)
    t = np.tanh(x @ V)
    ds = dout * t * s * (1 - s)
    dt = dout * s * (1 - t**2)
    dx = ds @ W.T + dt @ V.T
    return dx, x.T @ ds, x.T @ dt


def embedding(table: Array, ids: Array) -> Array:
    return table[ids]


def embedding_backward(dout: Array, table: Array, ids: Array) -> Any:
    dtable = np.zeros_like(table)
    for k in range(len(ids)):
        dtable[ids[k]] += dout[k]
    return dtable


PASSES = (
    Pass(affine, affine_backward, ((5, 4), (4, 3), (3,))),
    Pass(sigmoid, sigmoid_backward, ((4, 3),)),
    Pass(np.tanh, tanh_backward, ((4, 3),)),
    Pass(leaky, leaky_backward, ((4, 5),)),
    Pass(softplus, softplus_backward, ((6,),)),
    Pass(swish, swish_backward, ((4, 3),)),
    Pass(softmax_loss, softmax_loss_backward, ((5, 4), classes(5, 4))),
    Pass(hinge, hinge_backward, ((6, 4), classes(6, 4))),
    Pass(squared, squared_backward, ((5, 3), (5, 3))),
    Pass(
        logistic, logistic_backward, ((4,), (), (6, 4), lambda rng: rng.choice([-1.0, 1.0], 6) * rng.uniform(0.5, 1, 6))
    ),
    Pass(batchnorm, batchnorm_backward, ((7, 4), (4,), (4,))),
    Pass(layernorm, layernorm_backward, ((5, 6), (6,), (6,))),
    Pass(softmax, softmax_backward, ((4, 5),)),
    Pass(convolve, convolve_backward, ((2, 2, 7, 5), (3, 2, 3, 3), (3,))),
    Pass(pool, pool_backward, ((4, 6),)),
    Pass(correlate, correlate_backward, ((9,), (4,))),
    Pass(two_layers, two_layers_backward, ((6, 4), (4, 5), (5,), (5, 3), (3,))),
    Pass(classifier, classifier_backward, ((4, 5), (5,), (5, 3), (3,), (6, 4), classes(6, 3))),
    Pass(rnn_step, rnn_step_backward, ((5, 4), (5, 3), (4, 3), (3, 3), (3,))),
    Pass(rnn, rnn_backward, ((4, 2, 3), (3, 5), (5, 5))),
    Pass(attention, attention_backward, ((4, 3), (5, 3), (5, 6))),
    Pass(gate, gate_backward, ((5, 4), (4, 3), (4, 3))),
    Pass(embedding, embedding_backward, ((6, 3), classes(5, 6))),
)
