"""The step in JAX: gradient and Adam as Optax writes it in one `jit`, into the memory of the weights before.

Of the ways to write each part, those that were the fastest on a CPU: weights of small networks as one vector, so that
a call passes few arrays; gradients of attention and GELU written by hand; convolutions as products of windows, channels
last; pooling as a maximum over axes.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .candidate import Candidate
from .cases import RESNET_BLOCKS, Case, Weights, fused, unfused

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
UNROLLED = 4
"""How many steps of a recurrence a loop takes at once."""
SMALL = 10_000
"""Up to how many weights they are one vector."""


def linear(p: Any, name: str, x: Any) -> Any:
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def layer_norm(p: Any, name: str, x: Any) -> Any:
    x = x - x.mean(-1, keepdims=True)
    scale = lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5)
    return x * scale * p[f"{name}.weight"] + p[f"{name}.bias"]


def attention(p: Any, name: str, x: Any, heads: int) -> Any:
    batch, n, d = x.shape
    parts = jnp.split(linear(p, f"{name}.all", x), 3, -1)
    y = attend(*(part.reshape(batch, n, heads, -1).transpose(0, 2, 1, 3) for part in parts))
    return linear(p, f"{name}.output", y.transpose(0, 2, 1, 3).reshape(batch, n, d))


@jax.custom_vjp
def attend(q: Any, k: Any, v: Any) -> Any:
    """Return causal attention `[B, H, N, d]`; of its inside the backward pass keeps the weights alone."""
    return _attend(q, k, v)[0]


def _attend(q: Any, k: Any, v: Any) -> Any:
    n, d = q.shape[-2:]
    scores = jnp.where(np.tri(n, dtype=bool), (q * np.float32(d**-0.5)) @ k.swapaxes(-1, -2), -np.inf)
    weights = jax.nn.softmax(scores)
    return weights @ v, (q, k, v, weights)


def _attend_back(kept: Any, y_bar: Any) -> Any:
    q, k, v, weights = kept
    weights_bar = y_bar @ v.swapaxes(-1, -2)
    mean = (weights * weights_bar).sum(-1, keepdims=True)
    scores_bar = weights * (weights_bar - mean) * np.float32(q.shape[-1] ** -0.5)
    return scores_bar @ k, scores_bar.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ y_bar


attend.defvjp(_attend, _attend_back)


@jax.custom_vjp
def gelu(x: Any) -> Any:
    """Return x Φ(x); the backward pass keeps Φ(x)."""
    return _gelu(x)[0]


def _gelu(x: Any) -> Any:
    below = 0.5 * (1 + lax.erf(x * np.float32(0.5**0.5)))
    return x * below, (x, below)


def _gelu_back(kept: Any, y_bar: Any) -> Any:
    x, below = kept
    return (y_bar * (below + x * jnp.exp(-0.5 * x * x) * np.float32((2 * np.pi) ** -0.5)),)


gelu.defvjp(_gelu, _gelu_back)


def convolution(p: Any, name: str, x: Any, padding: int) -> Any:
    """Return `[B, H, W, out]` for `x [B, H, W, in]` and weights `[out, in, 5, 5]`."""
    x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    batch, h, w, channels = x.shape
    h, w = h - 4, w - 4
    windows = jnp.stack([x[:, i : i + h, j : j + w] for i in range(5) for j in range(5)], 3)
    weight = p[f"{name}.weight"].transpose(2, 3, 1, 0).reshape(25 * channels, -1)
    return (windows.reshape(-1, 25 * channels) @ weight).reshape(batch, h, w, -1) + p[f"{name}.bias"]


def max_pool(x: Any) -> Any:
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).max((2, 4))


def windows(p: Any, name: str, x: Any, size: int, stride: int = 1) -> Any:
    """Return a convolution `[B, H, W, out]` with weights `[out, in, size, size]`, padded to the same size."""
    around = [(size // 2, size // 2)] * 2
    weight = p[f"{name}.weight"].transpose(2, 3, 1, 0)
    return lax.conv_general_dilated(x, weight, (stride, stride), around, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def batch_norm(p: Any, name: str, x: Any) -> Any:
    x = x - x.mean((0, 1, 2))
    return x * lax.rsqrt((x * x).mean((0, 1, 2)) + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]


def resnet(p: Any, x: Any) -> Any:
    relu = jax.nn.relu
    x = relu(batch_norm(p, "norm", windows(p, "first", x.transpose(0, 2, 3, 1), 3)))
    for k, (n, m, stride) in enumerate(RESNET_BLOCKS):
        block = f"blocks.{k}"
        y = relu(batch_norm(p, f"{block}.norm1", windows(p, f"{block}.first", x, 3, stride)))
        y = batch_norm(p, f"{block}.norm2", windows(p, f"{block}.second", y, 3))
        if n != m:
            x = windows(p, f"{block}.short", x, 1, stride) + p[f"{block}.short.bias"]
        x = relu(y + x)
    return linear(p, "head", x.mean((1, 2)))


def lstm(p: Any, x: Any) -> Any:
    bias = p["cell.bias_ih_l0"] + p["cell.bias_hh_l0"]
    of_input = x.transpose(1, 0, 2) @ p["cell.weight_ih_l0"] + bias
    recurrent = p["cell.weight_hh_l0"]

    def step(state: Any, z: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(z + h @ recurrent, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((x.shape[0], recurrent.shape[0]), x.dtype)
    (h, _), _ = lax.scan(step, (zero, zero), of_input, unroll=UNROLLED)
    return linear(p, "head", h)


def scores(case: Case, p: Any, x: Any) -> Any:
    """Return what the network of a case says."""
    if case.kind == "mlp":
        last = len(case.layers) - 2
        for k in range(last):
            x = jax.nn.relu(linear(p, str(2 * k), x))
        return linear(p, str(2 * last), x)
    if case.kind == "gpt":
        h = p["tokens.weight"][x] + p["positions"]
        for k in range(case.depth):
            block = f"blocks.{k}"
            h = h + attention(p, f"{block}.attention", layer_norm(p, f"{block}.norm1", h), case.heads)
            inner = gelu(linear(p, f"{block}.mlp.0", layer_norm(p, f"{block}.norm2", h)))
            h = h + linear(p, f"{block}.mlp.2", inner)
        return linear(p, "head", layer_norm(p, "norm", h))
    if case.kind == "resnet":
        return resnet(p, x)
    if case.kind == "lstm":
        return lstm(p, x)
    x = x.reshape(-1, 28, 28, 1)
    x = max_pool(jax.nn.relu(convolution(p, "0", x, 2)))
    x = max_pool(jax.nn.relu(convolution(p, "3", x, 0)))
    x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
    return linear(p, "11", jax.nn.relu(linear(p, "9", jax.nn.relu(linear(p, "7", x)))))


def cross_entropy(z: Any, y: Any) -> Any:
    picked = jnp.take_along_axis(z, y[..., None], -1)[..., 0]
    return (jax.nn.logsumexp(z, -1) - picked).mean()


class Jit(Candidate):
    """The whole step as one function of the weights and moments, which it overwrites."""

    name = "JAX"

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.batches = [(jnp.asarray(x), jnp.asarray(y, jnp.int32)) for x, y in case.batches()]
        self.start = fused(case.weights())
        self.is_small = sum(w.size for w in self.start.values()) <= SMALL
        self.function = jax.jit(self.written(), donate_argnums=0)

    def named(self, p: Any) -> Any:
        """Return the weights by their names."""
        if not self.is_small:
            return p
        ends = np.cumsum([w.size for w in self.start.values()])[:-1]
        parts = zip(self.start.items(), jnp.split(p, ends), strict=True)
        return {name: part.reshape(w.shape) for (name, w), part in parts}

    def written(self) -> Any:
        """Return the step as a function of the state and a batch."""
        case = self.case

        def loss(p: Any, x: Any, y: Any) -> Any:
            return cross_entropy(scores(case, self.named(p), x), y)

        def step(state: Any, x: Any, y: Any) -> Any:
            p, m, v, t = state
            value, g = jax.value_and_grad(loss)(p, x, y)
            t = t + 1
            m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
            v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
            first, second = 1 - BETA1**t, 1 - BETA2**t

            def moved(p: Any, m: Any, v: Any) -> Any:
                change = m / first / (jnp.sqrt(v / second) + EPS)
                return p - case.lr * (change + case.decay * p)

            return (jax.tree.map(moved, p, m, v), m, v, t), value

        return step

    def reset(self) -> None:
        """Go back to the beginning, in new arrays: the step has used up the old ones."""
        start: Any = self.start
        if self.is_small:
            start = np.concatenate([w.ravel() for w in self.start.values()])
        p = jax.tree.map(jnp.array, start)
        m, v = (jax.tree.map(jnp.zeros_like, p) for _ in range(2))
        self.state = jax.block_until_ready((p, m, v, jnp.zeros((), jnp.float32)))
        self.rewind()

    def step(self) -> Any:
        """Take one step; the loss and the new state are ready together."""
        self.state, value = self.function(self.state, *next(self.stream))
        return value.block_until_ready()

    def weights(self) -> Weights:
        """Return the weights."""
        return unfused({name: np.array(w) for name, w in self.named(self.state[0]).items()})
