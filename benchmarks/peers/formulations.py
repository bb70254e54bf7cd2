"""The same four networks, each written in five ways: functions of their weights that a compiled step differentiates."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.nn import functional as F

P = Mapping[str, Any]
Forward = Callable[[P, Any], Any]
RNG = np.random.default_rng


def drawn(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Return weights: of variance 1 / inputs for matrices, small for vectors, about 1 for scales."""
    rng, found = RNG(0), {}
    for name, shape in shapes.items():
        w = rng.normal(size=shape)
        inputs = math.prod(shape[1:]) if len(shape) == 4 else shape[0]
        w = 1 + 0.02 * w if name.endswith("scale") else w * (0.02 if len(shape) == 1 else inputs**-0.5)
        found[name] = w.astype(np.float32)
    return found


# A perceptron, 784-300-10

MLP = {"w1": (784, 300), "b1": (300,), "w2": (300, 10), "b2": (10,)}
MLP_WAYS: dict[str, Forward] = {
    "functional": lambda p, x: F.linear(F.relu(F.linear(x, p["w1"], p["b1"])), p["w2"], p["b2"]),
    "operators": lambda p, x: np.maximum(x @ p["w1"] + p["b1"], 0) @ p["w2"] + p["b2"],
    "einsum": lambda p, x: (
        np.einsum("bh,ho->bo", F.relu(np.einsum("bi,ih->bh", x, p["w1"]) + p["b1"]), p["w2"]) + p["b2"]
    ),
    "where": lambda p, x: _where(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"],
    "columns": lambda p, x: ((F.relu((x @ p["w1"]).T + p["b1"][:, None])).T @ p["w2"]) + p["b2"],
}


def _where(z: Any) -> Any:
    return np.where(z > 0, z, 0)


# One block of a transformer with its head: 4 heads of 16, sequences of 64

D, HEADS, T = 64, 4, 64
GPT = {
    **dict.fromkeys(("wq", "wk", "wv", "wo"), (D, D)),
    **dict.fromkeys(("bq", "bk", "bv", "bo", "shift1", "shift2", "b2", "scale1", "scale2"), (D,)),
    **{"w1": (D, 4 * D), "b1": (4 * D,), "w2": (4 * D, D), "head": (D, 65)},
}


def _heads(x: Any) -> Any:
    return x.reshape(*x.shape[:-1], HEADS, -1).transpose(0, 2, 1, 3)


def _joined(x: Any) -> Any:
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def _separate(p: P, x: Any) -> list[Any]:
    return [_heads(F.linear(x, p[f"w{n}"], p[f"b{n}"])) for n in "qkv"]


def _packed(p: P, x: Any) -> list[Any]:
    w, b = (np.concatenate([p[f"{kind}{n}"] for n in "qkv"], axis=-1) for kind in "wb")
    together = F.linear(x, w, b).reshape(*x.shape[:-1], 3, HEADS, -1).transpose(2, 0, 3, 1, 4)
    return [together[k] for k in range(3)]


def _by_function(q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q, k, v, causal=True)


def _by_hand(q: Any, k: Any, v: Any) -> Any:
    mask = np.triu(np.full((T, T), -1e9, np.float32), 1)
    return F.softmax(q @ k.swapaxes(-1, -2) * (D // HEADS) ** -0.5 + mask, axis=-1) @ v


def _by_einsum(q: Any, k: Any, v: Any) -> Any:
    scores = np.einsum("bhtd,bhsd->bhts", q, k) * (D // HEADS) ** -0.5
    scores = np.where(np.tri(T, dtype=bool), scores, np.float32(-1e9))
    return np.einsum("bhts,bhsd->bhtd", F.softmax(scores, axis=-1), v)


def _gelu_by_hand(x: Any) -> Any:
    return 0.5 * x * (1 + cr.special.erf(x * 2**-0.5))


def _norm_by_hand(x: Any, scale: Any, shift: Any) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5) * scale + shift


def _norm(x: Any, scale: Any, shift: Any) -> Any:
    return F.layer_norm(x, D, scale, shift)


def _block(split: Any = _separate, attend: Any = _by_function, gelu: Any = F.gelu, norm: Any = _norm) -> Forward:
    def forward(p: P, x: Any) -> Any:
        h = _joined(attend(*split(p, norm(x, p["scale1"], p["shift1"]))))
        x = x + F.linear(h, p["wo"], p["bo"])
        h = gelu(F.linear(norm(x, p["scale2"], p["shift2"]), p["w1"], p["b1"]))
        return (x + F.linear(h, p["w2"], p["b2"])) @ p["head"]

    return forward


GPT_WAYS = {
    "separate heads": _block(),
    "packed heads": _block(_packed),
    "attention by hand": _block(attend=_by_hand),
    "einsum, erf": _block(attend=_by_einsum, gelu=_gelu_by_hand),
    "packed, all by hand": _block(_packed, _by_hand, _gelu_by_hand, _norm_by_hand),
}

# LeNet-5

LENET = {"k1": (6, 1, 5, 5), "c1": (6,), "k2": (16, 6, 5, 5), "c2": (16,), "w1": (400, 84), "b1": (84,), "w2": (84, 10)}


def _pool_by_shape(x: Any) -> Any:
    b, c, h, w = x.shape
    return x.reshape(b, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))


def _pool(x: Any) -> Any:
    return F.max_pool2d(x, 2)


def _conv(x: Any, w: Any, b: Any, padding: int) -> Any:
    return F.conv2d(x, w, b, padding=padding)


def _conv_and_bias(x: Any, w: Any, b: Any, padding: int) -> Any:
    return F.conv2d(x, w, padding=padding) + b[:, None, None]


def _lenet(conv: Any = _conv, pool: Any = _pool, relu: Any = F.relu, pool_first: bool = False) -> Forward:
    def forward(p: P, x: Any) -> Any:
        for k, padding in ((1, 2), (2, 0)):
            x = conv(x, p[f"k{k}"], p[f"c{k}"], padding)
            x = relu(pool(x)) if pool_first else pool(relu(x))
        return relu(x.reshape(len(x), -1) @ p["w1"] + p["b1"]) @ p["w2"]

    return forward


LENET_WAYS = {
    "functional": _lenet(),
    "bias apart": _lenet(_conv_and_bias),
    "pooled by shape": _lenet(pool=_pool_by_shape),
    "pooled first": _lenet(pool_first=True),
    "where": _lenet(relu=_where),
}

# An LSTM over 28 steps of 28

H = 32
LSTM = {"wx": (28, 4 * H), "wh": (H, 4 * H), "b": (4 * H,), "head": (H, 10)}


def _cell(z: Any, c: Any) -> tuple[Any, Any]:
    i, f, g, o = (z[:, k * H : (k + 1) * H] for k in range(4))
    c = F.sigmoid(f) * c + F.sigmoid(i) * np.tanh(g)
    return F.sigmoid(o) * np.tanh(c), c


def _recurrent(p: P, x: Any, gates: Callable[[Any, Any, int], Any]) -> Any:
    h = c = np.zeros((len(x), H), np.float32)
    for t in range(x.shape[1]):
        h, c = _cell(gates(x, h, t), c)
    return h @ p["head"]


def _joined_gates(p: P, x: Any) -> Any:
    w = np.concatenate([p["wx"], p["wh"]], axis=0)
    return _recurrent(p, x, lambda x, h, t: np.concatenate([x[:, t], h], axis=1) @ w + p["b"])


def _ahead(p: P, x: Any) -> Any:
    of_x = x @ p["wx"] + p["b"]
    return _recurrent(p, x, lambda _, h, t: of_x[:, t] + h @ p["wh"])


def _four_gates(p: P, x: Any) -> Any:
    parts = [(p["wx"][:, k * H : (k + 1) * H], p["wh"][:, k * H : (k + 1) * H]) for k in range(4)]
    return _recurrent(p, x, lambda x, h, t: np.concatenate([x[:, t] @ a + h @ b for a, b in parts], axis=1) + p["b"])


LSTM_WAYS: dict[str, Forward] = {
    "two products": lambda p, x: _recurrent(p, x, lambda x, h, t: x[:, t] @ p["wx"] + h @ p["wh"] + p["b"]),
    "input ahead": _ahead,
    "joined": _joined_gates,
    "four gates": _four_gates,
    "einsum": lambda p, x: _recurrent(
        p, x, lambda x, h, t: np.einsum("bi,ij->bj", x[:, t], p["wx"]) + np.einsum("bi,ij->bj", h, p["wh"]) + p["b"]
    ),
}
