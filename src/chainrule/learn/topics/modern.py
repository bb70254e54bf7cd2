"""Normalisation, attention and _convolution, small enough for paper."""

from typing import Any

import numpy as np

import chainrule.nn.functional as F
from chainrule.learn.draw import Draw
from chainrule.learn.lines import Scene

from .topic import Topic


def _batch_norm(x: Any, gamma: Any, beta: Any, C: Any) -> Any:
    m = np.mean(x, axis=0)
    v = np.mean((x - m) ** 2, axis=0)
    h = (x - m) / np.sqrt(v)
    y = gamma * h + beta
    return np.sum(C * y)


def _batch_norm_scene(draw: Draw, _level: int) -> Scene:
    middle, spread = draw.whole(), draw.choice([1.0, 2.0, 3.0])
    order = draw.shuffled([-1.0, -1.0, 1.0, 1.0])  # the deviation is `spread`; with two samples every dx would be zero
    x = middle + spread * np.array(order)[:, None]
    given = {"x": x, "gamma": draw.array(1), "beta": draw.array(1), "C": draw.array(len(order), 1)}
    return Scene(_batch_norm, given, ("x", "gamma", "beta"))


BATCH_NORM = Topic(
    "batch-norm",
    ("Batch normalisation", "배치 정규화"),
    _batch_norm_scene,
    """
def backward(x, gamma, beta, C):
    n = len(x)
    m = x.mean(axis=0)
    s = np.sqrt(((x - m) ** 2).mean(axis=0))
    h = (x - m) / s
    dy = C
    dgamma = (dy * h).sum(axis=0)
    dbeta = dy.sum(axis=0)
    dh = dy * gamma
    dx = (dh - dh.mean(axis=0) - h * (dh * h).mean(axis=0)) / s
    return dx, dgamma, dbeta
""",
)


def _layer_norm(x: Any, gamma: Any, C: Any) -> Any:
    m = np.mean(x, axis=1, keepdims=True)
    v = np.mean((x - m) ** 2, axis=1, keepdims=True)
    h = (x - m) / np.sqrt(v)
    y = gamma * h
    return np.sum(C * y)


def _layer_norm_scene(draw: Draw, level: int) -> Scene:
    rows = 1 if level < 3 else 2
    signs = np.array([draw.shuffled([-1.0, -1.0, 1.0, 1.0]) for _ in range(rows)])
    x = np.array([[draw.whole()] for _ in range(rows)]) + draw.choice([1.0, 2.0]) * signs
    given = {"x": x, "gamma": draw.array(4), "C": draw.array(rows, 4)}
    return Scene(_layer_norm, given, ("x", "gamma"))


LAYER_NORM = Topic(
    "layer-norm",
    ("Layer normalisation", "층 정규화"),
    _layer_norm_scene,
    """
def backward(x, gamma, C):
    m = x.mean(axis=1, keepdims=True)
    s = np.sqrt(((x - m) ** 2).mean(axis=1, keepdims=True))
    h = (x - m) / s
    dgamma = (C * h).sum(axis=0)
    dh = C * gamma
    dx = (dh - dh.mean(axis=1, keepdims=True) - h * (dh * h).mean(axis=1, keepdims=True)) / s
    return dx, dgamma
""",
)


def _attention(Q: Any, K: Any, V: Any, C: Any) -> Any:
    S = Q @ K.T
    P = F.softmax(S)
    O = P @ V  # noqa: E741 - the textbook's letter
    return np.sum(C * O)


def _attention_scene(draw: Draw, level: int) -> Scene:
    n = 1 if level < 3 else 2
    k = draw.array(2, 2, most=1)
    if level == 1:
        k[1] = k[0]  # equal scores: the weights are a half
    given = {"Q": draw.array(n, 2, most=1), "K": k, "V": draw.array(2, 2), "C": draw.array(n, 2)}
    return Scene(_attention, given, ("Q", "K", "V"))


ATTENTION = Topic(
    "attention",
    ("Attention", "어텐션"),
    _attention_scene,
    """
def backward(Q, K, V, C):
    S = Q @ K.T
    E = np.exp(S - S.max(axis=1, keepdims=True))
    P = E / E.sum(axis=1, keepdims=True)
    dV = P.T @ C
    dP = C @ V.T
    dS = P * (dP - (P * dP).sum(axis=1, keepdims=True))
    dQ = dS @ K
    dK = dS.T @ Q
    return dQ, dK, dV
""",
)


def _convolution(x: Any, w: Any, b: Any, C: Any) -> Any:
    y = F.conv1d(x, w, b)
    return np.sum(C * y)


def _convolution_scene(draw: Draw, level: int) -> Scene:
    length, taps = (4, 2) if level < 3 else (5, 3)
    given = {
        **{"x": draw.array(1, 1, length), "w": draw.array(1, 1, taps)},
        **{"b": draw.array(1), "C": draw.array(1, 1, length - taps + 1)},
    }
    return Scene(_convolution, given, ("x", "w", "b"))


CONVOLUTION = Topic(
    "convolution",
    ("Convolution", "합성곱"),
    _convolution_scene,
    """
def backward(x, w, b, C):
    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    for i in range(C.shape[2]):
        window = x[0, 0, i : i + w.shape[2]]
        dw[0, 0] += C[0, 0, i] * window
        dx[0, 0, i : i + w.shape[2]] += C[0, 0, i] * w[0, 0]
    db = C.sum(axis=(0, 2))
    return dx, dw, db
""",
)
TOPICS = (BATCH_NORM, LAYER_NORM, ATTENTION, CONVOLUTION)
