"""Multi-head attention, and the transformer block built on it.

Source: Vaswani et al., "Attention Is All You Need" (2017).
"""

from typing import Any

import numpy as np

from chainrule.core.operands.keywords import explained
from chainrule.core.tensor import value_of
from chainrule.rules.arrays.shape import swapaxes

from . import functional
from .containers import Sequential
from .dropout import Dropout, check_probability
from .function import GELU
from .init import Generator
from .inputs import check_last_axes, in_dtype_of, positive_size
from .layers import Linear
from .module import Module
from .norms import LayerNorm


class KeyValues:
    """The keys and values of the positions that an attention layer has seen, for going on without computing them again.

    `size` is the most positions that there may be; memory for them is taken once. Pope et al., "Efficiently Scaling
    Transformer Inference" (2022), section 3.3.
    """

    def __init__(self, size: int) -> None:
        self.size, self.length = positive_size("KeyValues: size", size), 0
        self._arrays: list[Any] = []

    def extended(self, *new: Any) -> list[Any]:
        """Add keys and values `[..., H, N, d]` of N further positions; return those of all positions so far.

        Raises ValueError if they are more than `size`.
        """
        parts = [np.asarray(value_of(part)) for part in new]
        end = self.length + parts[0].shape[-2]
        if end > self.size:
            raise ValueError(f"KeyValues: expected at most {self.size} positions, got {end}; begin with an empty cache")
        if not self._arrays:
            self._arrays = [np.empty((*p.shape[:-2], self.size, p.shape[-1]), p.dtype) for p in parts]
        for array, part in zip(self._arrays, parts, strict=True):
            array[..., self.length : end, :] = part
        self.length = end
        return [array[..., :end, :] for array in self._arrays]


class MultiheadAttention(Module):
    """Attention with `num_heads` heads, each with its own queries, keys and values (section 3.2.2).

    Takes `query [..., N, d]` and, unless it attends to itself, `key` and `value` `[..., M, d]`; returns `[..., N, d]`.
    `mask` broadcasts to the scores `[..., H, N, M]` (True: may attend; floats are added), `causal` hides later
    positions. `dropout` drops attention weights in training, drawn from `generator`.

    With `num_kv_heads` G, the keys and values have G heads, each shared by `num_heads` / G of the queries: their
    projections give `G d / num_heads` features. Source: Ainslie et al., "GQA: Training Generalized Multi-Query
    Transformer Models from Multi-Head Checkpoints" (2023). Attention over long sequences is computed blockwise; see
    `nn.functional.attention_method`.

    >>> layer = MultiheadAttention(8, 2)
    >>> layer(np.zeros((3, 5, 8)), causal=True).shape
    (3, 5, 8)
    >>> MultiheadAttention(8, num_heads=4, num_kv_heads=2).key.weight.shape
    (8, 4)
    """

    @explained
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        generator: Generator = None,
        dtype: Any = np.float32,
        num_kv_heads: int | None = None,
    ) -> None:
        super().__init__()
        self.embed_dim = positive_size("MultiheadAttention: embed_dim", embed_dim)
        self.num_heads = positive_size("MultiheadAttention: num_heads", num_heads)
        if embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: expected heads that divide {embed_dim} features, got {num_heads}")
        groups = self.num_heads if num_kv_heads is None else num_kv_heads
        self.num_kv_heads = positive_size("MultiheadAttention: num_kv_heads", groups)
        if num_heads % self.num_kv_heads:
            raise ValueError(
                f"MultiheadAttention: num_kv_heads: expected a divisor of the {num_heads} heads, got {num_kv_heads}"
            )
        check_probability("MultiheadAttention: dropout", dropout)
        self.dropout, self.generator = dropout, generator
        shared = embed_dim // num_heads * self.num_kv_heads
        for name, size in (("query", embed_dim), ("key", shared), ("value", shared), ("output", embed_dim)):
            setattr(self, name, Linear(embed_dim, size, bias, "xavier", generator, dtype))

    def forward(
        self,
        query: Any,
        key: Any = None,
        value: Any = None,
        mask: Any = None,
        causal: bool = False,
        cache: KeyValues | None = None,
    ) -> Any:
        """Return the weighted sum of the values for each query.

        With `cache`, the queries come after all positions in it, whose keys and values are added to those given here.
        """
        key = query if key is None else key
        value = key if value is None else value
        q = self._heads(self.query, query, self.num_heads)
        k, v = (self._heads(*pair, self.num_kv_heads) for pair in ((self.key, key), (self.value, value)))
        if cache is not None:
            k, v = cache.extended(k, v)
            if causal and k.shape[-2] != q.shape[-2]:
                causal, mask = False, _later_hidden(q.shape[-2], k.shape[-2], mask)
        if getattr(mask, "dtype", None) is not None and mask.dtype.kind == "f":
            mask = in_dtype_of(q, mask, "MultiheadAttention: mask")
        dropout = self.dropout if self.training else 0.0
        shared = self.num_kv_heads != self.num_heads
        y = functional.scaled_dot_product_attention(q, k, v, mask, causal, None, dropout, self.generator, shared)
        y = swapaxes(y, -2, -3)
        return self.output(y.reshape((*y.shape[:-2], self.embed_dim)))

    def weights(self, query: Any, key: Any = None, mask: Any = None, causal: bool = False) -> Any:
        """Return how much each query attends to each position, `[..., num_heads, N, M]`, without dropout.

        >>> MultiheadAttention(8, 2).weights(np.zeros((1, 2, 8)), causal=True)[0, 0].numpy()
        array([[1. , 0. ],
               [0.5, 0.5]], dtype=float32)
        """
        key = query if key is None else key
        q, k = self._heads(self.query, query, self.num_heads), self._heads(self.key, key, self.num_kv_heads)
        # Values that are the unit vectors make the weights the result.
        v = np.broadcast_to(np.eye(k.shape[-2], dtype=k.dtype), (*k.shape[:-1], k.shape[-2]))
        shared = self.num_kv_heads != self.num_heads
        return functional.scaled_dot_product_attention(q, k, v, mask, causal, enable_gqa=shared, method="plain")

    def _heads(self, project: Linear, x: Any, count: int) -> Any:
        """Return `[..., count, N, d / num_heads]` for `[..., N, d]`."""
        x = in_dtype_of(project.weight, x, "MultiheadAttention")
        check_last_axes(f"MultiheadAttention({self.embed_dim})", x, (self.embed_dim,))
        if x.ndim < 2:
            raise ValueError(f"MultiheadAttention: expected [..., N, {self.embed_dim}], got {list(x.shape)}")
        y = project(x)
        return swapaxes(y.reshape((*y.shape[:-1], count, -1)), -2, -3)

    def extra_repr(self) -> str:
        """Return the settings."""
        shared = f", num_kv_heads={self.num_kv_heads}" if self.num_kv_heads != self.num_heads else ""
        return f"{self.embed_dim}, num_heads={self.num_heads}{shared}, dropout={self.dropout}"


def _later_hidden(queries: int, keys: int, mask: Any) -> Any:
    """Return what `causal` means for queries at the last of so many positions, as a mask."""
    if mask is not None:
        raise ValueError("MultiheadAttention: expected either a mask or causal=True with a cache, got both")
    return None if queries == 1 else np.tri(queries, keys, keys - queries, bool)


class TransformerBlock(Module):
    """`x + attention(norm(x))`, then `x + mlp(norm(x))`, for `[..., N, d]`.

    Each branch starts with its normalisation (pre-norm), which lets gradients pass unchanged from the last block to the
    first: Xiong et al., "On Layer Normalization in the Transformer Architecture" (2020). With `norm_first=False` it
    comes after each sum (post-norm), `norm(x + attention(x))`, as in the 2017 paper. The mlp has one hidden layer of
    `hidden` units (4 d by default) with GELU. `num_kv_heads` is that of `MultiheadAttention`.

    >>> TransformerBlock(8, num_heads=2)(np.zeros((3, 5, 8)), causal=True).shape
    (3, 5, 8)
    """

    @explained
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        hidden: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
        generator: Generator = None,
        dtype: Any = np.float32,
        num_kv_heads: int | None = None,
    ) -> None:
        super().__init__()
        self.norm_first = norm_first
        hidden = 4 * embed_dim if hidden is None else hidden
        self.norm1 = LayerNorm(embed_dim, dtype=dtype)
        self.attention = MultiheadAttention(
            embed_dim, num_heads, dropout, generator=generator, dtype=dtype, num_kv_heads=num_kv_heads
        )
        self.norm2 = LayerNorm(embed_dim, dtype=dtype)
        self.mlp = Sequential(
            Linear(embed_dim, hidden, generator=generator, dtype=dtype),
            GELU(),
            Linear(hidden, embed_dim, init="xavier", generator=generator, dtype=dtype),
        )
        self.drop = Dropout(dropout, generator)

    def forward(self, x: Any, mask: Any = None, causal: bool = False, cache: KeyValues | None = None) -> Any:
        """Return `[..., N, d]`; `cache` is that of `MultiheadAttention`."""
        x = in_dtype_of(self.norm1.weight, x, "TransformerBlock")
        if self.norm_first:
            x = x + self.drop(self.attention(self.norm1(x), mask=mask, causal=causal, cache=cache))
            return x + self.drop(self.mlp(self.norm2(x)))
        x = self.norm1(x + self.drop(self.attention(x, mask=mask, causal=causal, cache=cache)))
        return self.norm2(x + self.drop(self.mlp(x)))

    def extra_repr(self) -> str:
        """Return where the normalisation is."""
        return f"norm_first={self.norm_first}"
