"""Training losses as people write them in NumPy and JAX, by whichever of the two is passed as `xp`.

Each is a function of a tree of parameters and a batch, with nothing from a library of networks: softmax, losses, norms,
attention and recurrences are written out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Loss = Callable[..., Any]


@dataclass(frozen=True)
class Problem:
    """A loss, its parameters, and a batch for it."""

    loss: Loss
    params: Any
    batch: tuple[Any, ...]


class Draw:
    """Parameters and batches in float32, the same for every caller."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, *shape: int, scale: float | None = None) -> Any:
        """Return weights: their variance is one over the length of their first axis, or `scale` is their deviation."""
        size = (shape[0] ** -0.5 if len(shape) > 1 else 0.1) if scale is None else scale
        return (self.rng.normal(size=shape) * size).astype(np.float32)

    def data(self, *shape: int) -> Any:
        """Return normal numbers."""
        return self(*shape, scale=1.0)

    def classes(self, count: int, *shape: int) -> Any:
        """Return whole numbers below a count."""
        return self.rng.integers(0, count, shape)


def softmax(xp: Any, a: Any, axis: int = -1) -> Any:
    e = xp.exp(a - a.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def cross_entropy(xp: Any, logits: Any, y: Any) -> Any:
    top = logits.max(-1, keepdims=True)
    log_p = logits - top - xp.log(xp.exp(logits - top).sum(-1, keepdims=True))
    return -xp.take_along_axis(log_p, y[..., None], -1).mean()


def one_hot_loss(xp: Any, logits: Any, y: Any) -> Any:
    one_hot = (y[..., None] == xp.arange(logits.shape[-1])).astype(logits.dtype)
    log_p = logits - xp.log(xp.sum(xp.exp(logits), axis=-1, keepdims=True))
    return -xp.mean(xp.sum(one_hot * log_p, axis=-1))


def layer_norm(xp: Any, x: Any, g: Any, b: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) / xp.sqrt(x.var(-1, keepdims=True) + 1e-5) * g + b


def rms_norm(xp: Any, x: Any, g: Any) -> Any:
    return x * g / xp.sqrt(xp.mean(x**2, -1, keepdims=True) + 1e-6)


def gelu(xp: Any, x: Any) -> Any:
    return 0.5 * x * (1 + xp.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def sigmoid(xp: Any, x: Any) -> Any:
    return 1 / (1 + xp.exp(-x))


def digits_mlp(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, y: Any) -> Any:
        h = xp.tanh(xp.dot(x, p[0]["w"]) + p[0]["b"])
        decay = sum(xp.sum(layer["w"] ** 2) for layer in p)
        return one_hot_loss(xp, xp.dot(h, p[1]["w"]) + p[1]["b"], y) + 1e-4 * decay

    params = [{"w": n(784, 512), "b": n(512)}, {"w": n(512, 10), "b": n(10)}]
    return Problem(loss, params, (n.data(128, 784), n.classes(10, 128)))


def gpt(xp: Any, d: int = 64, heads: int = 4, length: int = 64) -> Problem:
    n, mask = Draw(), np.tril(np.ones((length, length), bool))

    def attention(p: Any, x: Any) -> Any:
        parts = xp.split(x @ p["qkv"], 3, axis=-1)
        q, k, v = (t.reshape(*t.shape[:2], heads, d // heads).transpose(0, 2, 1, 3) for t in parts)
        scores = q @ k.swapaxes(-1, -2) / np.float32(np.sqrt(d // heads))
        y = softmax(xp, xp.where(mask, scores, -1e9)) @ v
        return y.transpose(0, 2, 1, 3).reshape(x.shape) @ p["o"]

    def loss(p: Any, x: Any, y: Any) -> Any:
        z = p["tokens"][x] + p["places"]
        for b in p["blocks"]:
            z = z + attention(b, layer_norm(xp, z, b["g1"], b["b1"]))
            h = gelu(xp, layer_norm(xp, z, b["g2"], b["b2"]) @ b["up"] + b["c1"])
            z = z + h @ b["down"] + b["c2"]
        return cross_entropy(xp, layer_norm(xp, z, p["g"], p["b"]) @ p["tokens"].T, y)

    def block() -> Any:
        norms = {"g1": 1 + n(d), "b1": n(d), "g2": 1 + n(d), "b2": n(d)}
        more = {"up": n(d, 4 * d), "c1": n(4 * d), "down": n(4 * d, d), "c2": n(d)}
        return {"qkv": n(d, 3 * d), "o": n(d, d), **norms, **more}

    params = {"tokens": n(65, d, scale=0.02), "places": n(length, d, scale=0.02), "blocks": [block(), block()]}
    params |= {"g": 1 + n(d), "b": n(d)}
    return Problem(loss, params, (n.classes(65, 8, length), n.classes(65, 8, length)))


def llama(xp: Any, d: int = 64, heads: int = 4, groups: int = 2, length: int = 48) -> Problem:
    n, width = Draw(), d // heads
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, width, 2) / width)
    cos, sin = (f(angles).astype(np.float32)[:, None] for f in (np.cos, np.sin))
    bias = np.where(np.tril(np.ones((length, length))), 0, -1e9).astype(np.float32)

    def turned(x: Any) -> Any:
        a, b = x[..., ::2], x[..., 1::2]
        return xp.stack([a * cos - b * sin, a * sin + b * cos], -1).reshape(x.shape)

    def attention(p: Any, x: Any) -> Any:
        q, k, v = (xp.einsum("btd,dhk->bthk", x, p[name]) for name in "qkv")
        k, v = (xp.repeat(t, heads // groups, axis=2) for t in (turned(k), v))
        scores = xp.einsum("bqhd,bkhd->bhqk", turned(q), k) * width**-0.5
        return xp.einsum("bhqk,bkhd,hde->bqe", softmax(xp, scores + bias), v, p["o"])

    def loss(p: Any, x: Any, y: Any) -> Any:
        z = xp.take(p["tokens"], x, axis=0)
        for b in p["blocks"]:
            z = z + attention(b, rms_norm(xp, z, b["n1"]))
            h = rms_norm(xp, z, b["n2"])
            gate = h @ b["gate"]
            z = z + (gate * sigmoid(xp, gate) * (h @ b["up"])) @ b["down"]
        return one_hot_loss(xp, rms_norm(xp, z, p["n"]) @ p["head"], y)

    def block() -> Any:
        heads_of = {"q": n(d, heads, width), "k": n(d, groups, width), "v": n(d, groups, width)}
        more = {"o": n(heads, width, d, scale=0.1), "gate": n(d, 160), "up": n(d, 160), "down": n(160, d)}
        return {**heads_of, **more, "n1": 1 + n(d), "n2": 1 + n(d)}

    params = {"tokens": n(80, d, scale=0.1), "blocks": [block(), block()], "n": 1 + n(d), "head": n(d, 80)}
    return Problem(loss, params, (n.classes(80, 8, length), n.classes(80, 8, length)))


def rnn(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, y: Any) -> Any:
        h = xp.zeros((x.shape[0], 64), x.dtype)
        for t in range(x.shape[1]):
            h = xp.tanh(x[:, t] @ p["wx"] + h @ p["wh"] + p["b"])
        return cross_entropy(xp, h @ p["wo"] + p["bo"], y)

    params = {"wx": n(16, 64), "wh": n(64, 64), "b": n(64), "wo": n(64, 5), "bo": n(5)}
    return Problem(loss, params, (n.data(32, 40, 16), n.classes(5, 32)))


def lstm(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, y: Any) -> Any:
        h = c = xp.zeros((x.shape[0], 64), x.dtype)
        outputs = []
        for t in range(x.shape[1]):
            i, f, g, o = xp.split(xp.concatenate([x[:, t], h], axis=1) @ p["w"] + p["b"], 4, axis=1)
            c = sigmoid(xp, f + 1) * c + sigmoid(xp, i) * xp.tanh(g)
            h = sigmoid(xp, o) * xp.tanh(c)
            outputs.append(h)
        return cross_entropy(xp, xp.stack(outputs, 1) @ p["o"], y)

    return Problem(loss, {"w": n(80, 256), "b": n(256), "o": n(64, 20)}, (n.data(16, 30, 16), n.classes(20, 16, 30)))


def vae(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, noise: Any) -> Any:
        h = xp.maximum(x @ p["e1"], 0) @ p["e2"]
        mean, log_var = h[:, :20], h[:, 20:]
        z = mean + xp.exp(0.5 * log_var) * noise
        r = xp.maximum(z @ p["d1"], 0) @ p["d2"]
        rebuilt = xp.sum(xp.maximum(r, 0) - r * x + xp.log1p(xp.exp(-xp.abs(r))))
        return (rebuilt - 0.5 * xp.sum(1 + log_var - mean**2 - xp.exp(log_var))) / x.shape[0]

    params = {"e1": n(784, 200), "e2": n(200, 40), "d1": n(20, 200), "d2": n(200, 784)}
    return Problem(loss, params, (n.rng.uniform(size=(64, 784)).astype(np.float32), n.data(64, 20)))


def graph_attention(xp: Any, nodes: int = 80) -> Problem:
    n = Draw()
    edges = (n.rng.uniform(size=(nodes, nodes)) < 0.1) | np.eye(nodes, dtype=bool)

    def loss(p: Any, x: Any, y: Any) -> Any:
        h = xp.einsum("ni,ihd->hnd", x, p["w"])
        e = xp.einsum("hnd,hd->hn", h, p["a"])[:, :, None] + xp.einsum("hnd,hd->hn", h, p["b"])[:, None, :]
        a = softmax(xp, xp.where(edges, xp.where(e > 0, e, 0.2 * e), -xp.inf))
        z = xp.einsum("hij,hjd->ihd", a, h).reshape(nodes, -1)
        return cross_entropy(xp, xp.where(z > 0, z, xp.expm1(xp.minimum(z, 0))) @ p["o"], y)

    params = {"w": n(20, 4, 8), "a": n(4, 8), "b": n(4, 8), "o": n(32, 3)}
    return Problem(loss, params, (n.data(nodes, 20), n.classes(3, nodes)))


def radiance_field(xp: Any) -> Problem:
    n, powers = Draw(), 2.0 ** np.arange(6, dtype=np.float32)

    def loss(p: Any, x: Any, y: Any) -> Any:
        a = x[..., None, :] * powers[:, None]
        waves = [f(a).reshape(*x.shape[:-1], -1) for f in (xp.sin, xp.cos)]
        h = xp.maximum(xp.maximum(xp.concatenate([x, *waves], -1) @ p[0], 0) @ p[1], 0) @ p[2]
        seen = 1 - xp.exp(-0.1 * xp.logaddexp(h[..., 3], 0.0))
        through = xp.cumprod(xp.concatenate([xp.ones_like(seen[:, :1]), 1 - seen[:, :-1] + 1e-10], 1), 1)
        colour = ((through * seen)[..., None] * sigmoid(xp, h[..., :3])).sum(1)
        return ((colour - y) ** 2).mean()

    rays = n.rng.uniform(-1, 1, (64, 32, 3)).astype(np.float32)
    return Problem(loss, [n(39, 128), n(128, 128), n(128, 4)], (rays, n.rng.uniform(size=(64, 3)).astype(np.float32)))


def experts(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, y: Any) -> Any:
        gate = x @ p["gate"]
        second = xp.sort(gate, axis=-1)[:, -2:-1]
        gate = softmax(xp, xp.where(gate >= second, gate, -1e9))
        h = xp.einsum("ebj,ejk->ebk", gelu(xp, xp.einsum("bi,eij->ebj", x, p["up"])), p["down"])
        z = x + xp.einsum("be,ebk->bk", gate, h)
        return cross_entropy(xp, z @ p["o"], y) + 0.04 * (gate.mean(0) ** 2).sum()

    params = {"gate": n(32, 4), "up": n(4, 32, 64, scale=0.2), "down": n(4, 64, 32, scale=0.2), "o": n(32, 10)}
    return Problem(loss, params, (n.data(64, 32), n.classes(10, 64)))


def contrastive(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, z: Any) -> Any:
        u, v = xp.tanh(x @ p["a"]), xp.tanh(z @ p["b"])
        u, v = u / xp.linalg.norm(u, axis=-1, keepdims=True), v / xp.sqrt((v * v).sum(-1, keepdims=True))
        alike, same = u @ v.T * xp.exp(p["t"]), np.arange(len(x))
        return 0.5 * (cross_entropy(xp, alike, same) + cross_entropy(xp, alike.T, same))

    params = {"a": n(100, 64), "b": n(80, 64), "t": np.full((), 0.07, np.float32)}
    return Problem(loss, params, (n.data(64, 100), n.data(64, 80)))


def linear_attention(xp: Any, d: int = 32) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, y: Any) -> Any:
        q, k = (xp.where(a > 0, a + 1, xp.exp(xp.minimum(a, 0))) for a in (x @ p["q"], x @ p["k"]))
        sums = xp.cumsum(xp.einsum("btd,bte->btde", k, x @ p["v"]), axis=1)
        weight = (q * xp.cumsum(k, axis=1)).sum(-1, keepdims=True)
        return cross_entropy(xp, xp.einsum("btd,btde->bte", q, sums) / (weight + 1e-6) @ p["o"], y)

    params = {"q": n(d, d), "k": n(d, d), "v": n(d, d), "o": n(d, 10)}
    return Problem(loss, params, (n.data(4, 40, d), n.classes(10, 4, 40)))


def convolutions_by_slices(xp: Any) -> Problem:
    n = Draw()

    def convolved(x: Any, w: Any) -> Any:
        high, wide = x.shape[1] - 2, x.shape[2] - 2
        parts = [x[:, i : i + high, j : j + wide] for i in range(3) for j in range(3)]
        return xp.maximum(xp.concatenate(parts, -1) @ w, 0)

    def pooled(x: Any) -> Any:
        batch, high, wide, channels = x.shape
        return x.reshape(batch, high // 2, 2, wide // 2, 2, channels).max((2, 4))

    def loss(p: Any, x: Any, y: Any) -> Any:
        h = pooled(convolved(x, p["c1"]))[:, :12, :12]
        return cross_entropy(xp, pooled(convolved(h, p["c2"])).reshape(len(x), -1) @ p["o"], y)

    params = {"c1": n(9, 16), "c2": n(144, 32), "o": n(800, 10)}
    return Problem(loss, params, (n.data(32, 28, 28, 1), n.classes(10, 32)))


def mixer(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, y: Any) -> Any:
        z = x.reshape(len(x), 4, 4, 4, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(len(x), 16, 48) @ p["embed"]
        for b in p["blocks"]:
            t = rms_norm(xp, z, b["g"]).swapaxes(1, 2)
            z = z + (gelu(xp, t @ b["a"]) @ b["b"]).swapaxes(1, 2)
            z = z + gelu(xp, rms_norm(xp, z, b["h"]) @ b["c"]) @ b["d"]
        return cross_entropy(xp, z.mean(1) @ p["o"], y)

    def block() -> Any:
        return {"a": n(16, 32), "b": n(32, 16), "c": n(24, 48), "d": n(48, 24), "g": 1 + n(24), "h": 1 + n(24)}

    params = {"embed": n(48, 24), "blocks": [block() for _ in range(3)], "o": n(24, 10)}
    return Problem(loss, params, (n.data(32, 16, 16, 3), n.classes(10, 32)))


def mixture_density(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, y: Any) -> Any:
        h = xp.tanh(x @ p[0] + p[1]) @ p[2]
        weight, mean, log_std = h[:, :5], h[:, 5:10], xp.clip(h[:, 10:], -5, 3)
        weight = weight - xp.log(xp.exp(weight).sum(1, keepdims=True))
        each = weight - 0.5 * ((y - mean) / xp.exp(log_std)) ** 2 - log_std
        top = each.max(1, keepdims=True)
        return -(top[:, 0] + xp.log(xp.exp(each - top).sum(1))).mean()

    return Problem(loss, [n(1, 64), n(64), n(64, 15)], (n.data(256, 1), n.data(256, 1)))


def flow(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any) -> Any:
        log_det = 0.0
        for k, layer in enumerate(p):
            a, b = (x[:, :3], x[:, 3:])[:: -1 if k % 2 else 1]
            h = xp.tanh(a @ layer["a"]) @ layer["b"]
            scale = xp.tanh(h[:, :3])
            b, log_det = b * xp.exp(scale) + h[:, 3:], log_det + scale.sum(1)
            x = xp.concatenate([b, a] if k % 2 else [a, b], 1)
        return (0.5 * (x**2).sum(1) - log_det).mean()

    return Problem(loss, [{"a": n(3, 64), "b": n(64, 6, scale=0.05)} for _ in range(4)], (n.data(256, 6),))


def batch_norm(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, y: Any) -> Any:
        h = x @ p["first"]
        for b in p["blocks"]:
            z = h @ b["w"]
            mean = z.mean(0)
            var = ((z - mean) ** 2).mean(0)
            h = h + xp.maximum((z - mean) / xp.sqrt(var + 1e-5) * b["g"] + b["b"], 0)
        return one_hot_loss(xp, h @ p["o"], y)

    blocks = [{"w": n(64, 64), "g": 1 + n(64), "b": n(64)} for _ in range(4)]
    return Problem(loss, {"first": n(30, 64), "blocks": blocks, "o": n(64, 2)}, (n.data(256, 30), n.classes(2, 256)))


def state_space(xp: Any, states: int = 16) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, y: Any) -> Any:
        step = xp.logaddexp(p["step"], 0.0)[:, None]
        a, b = xp.exp(-step * xp.exp(p["a"])), step * p["b"]
        h, outputs = xp.zeros((x.shape[0], 8, states), x.dtype), []
        for t in range(x.shape[1]):
            h = a * h + b * x[:, t, :, None]
            outputs.append((h * p["c"]).sum(-1))
        return cross_entropy(xp, xp.stack(outputs, 1).mean(1) @ p["o"], y)

    decays = np.log(np.arange(1, states + 1)).astype(np.float32) * np.ones((8, 1), np.float32)
    params = {"a": decays, "b": n.data(8, states), "c": n.data(8, states), "step": n(8), "o": n(8, 4)}
    return Problem(loss, params, (n.data(16, 32, 8), n.classes(4, 16)))


def wavenet(xp: Any, width: int = 16) -> Problem:
    n = Draw()

    def loss(p: Any, x: Any, y: Any) -> Any:
        z, skip = x[..., None] @ p["first"], 0
        for k, layer in enumerate(p["layers"]):
            past = xp.pad(z, ((0, 0), (2**k, 0), (0, 0)))[:, : -(2**k)]
            both = xp.concatenate([past, z], -1)
            gated = xp.tanh(both @ layer["f"]) * sigmoid(xp, both @ layer["g"])
            skip, z = skip + gated @ layer["s"], z + gated @ layer["r"]
        return cross_entropy(xp, xp.maximum(skip, 0) @ p["o"], y)

    def layer() -> Any:
        return {"f": n(2 * width, width), "g": n(2 * width, width), "r": n(width, width), "s": n(width, width)}

    params = {"first": n(1, width), "layers": [layer() for _ in range(4)], "o": n(width, 32)}
    return Problem(loss, params, (n.data(8, 128), n.classes(32, 8, 128)))


def attention_pooling(xp: Any) -> Problem:
    n = Draw()

    def loss(p: Any, tokens: Any, y: Any) -> Any:
        e = p["tokens"][tokens]
        a = softmax(xp, xp.where(tokens != 0, xp.tanh(e @ p["w"]) @ p["q"], -1e30))
        return cross_entropy(xp, xp.einsum("bt,btd->bd", a, e) @ p["o"], y)

    params = {"tokens": n(500, 32, scale=0.1), "q": n(32), "w": n(32, 32), "o": n(32, 2)}
    tokens = n.classes(500, 32, 20) * (n.rng.uniform(size=(32, 20)) < 0.8)
    return Problem(loss, params, (tokens, n.classes(2, 32)))


PROBLEMS: dict[str, Callable[[Any], Problem]] = {
    "MLP of digits, weight decay": digits_mlp,
    "GPT 2×64": gpt,
    "Llama by einsum": llama,
    "RNN, loop": rnn,
    "LSTM, loop": lstm,
    "VAE": vae,
    "graph attention": graph_attention,
    "radiance field": radiance_field,
    "two of four experts": experts,
    "contrastive": contrastive,
    "linear attention": linear_attention,
    "convolutions by slices": convolutions_by_slices,
    "Mixer": mixer,
    "mixture density": mixture_density,
    "normalising flow": flow,
    "batch norm, residual": batch_norm,
    "state space, loop": state_space,
    "WaveNet": wavenet,
    "attention pooling": attention_pooling,
}
