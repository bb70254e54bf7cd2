"""A language model: a causal transformer over tokens."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.operands.keywords import explained
from chainrule.core.random import source
from chainrule.rules.arrays.shape import swapaxes

from ..attention import KeyValues, TransformerBlock
from ..containers import ModuleList
from ..init import Generator
from ..inputs import positive_size
from ..layers import Embedding
from ..module import Module
from ..norms import LayerNorm
from ..parameter import Parameter

SPREAD = 0.02
"""The standard deviation of the embeddings at the start, that of GPT-2."""


class LanguageModel(Module):
    """A causal transformer: tokens [..., T] in, logits [..., T, vocabulary] of each next token out.

    Embeddings of the tokens and of their places, `layers` pre-norm blocks of `heads` heads and `width` features, a last
    normalisation, and the table of the embeddings once more as the output layer (weight tying, Press and Wolf, "Using
    the output embedding to improve language models", 2017). T is at most `context`. The output of each branch starts
    smaller by √(2 · layers), so that the sum of all branches does not grow with depth.

    Source: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019), section 2.3.

    Raises ValueError for more than `context` tokens, and IndexError for a token out of range.

    >>> model = LanguageModel(65, context=32, width=16, layers=2, heads=2)
    >>> model(np.zeros((3, 8), np.int64)).shape
    (3, 8, 65)
    """

    @explained
    def __init__(
        self,
        vocabulary: int,
        context: int,
        width: int = 128,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.0,
        generator: Generator = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        self.vocabulary = positive_size("LanguageModel: vocabulary", vocabulary)
        self.context = positive_size("LanguageModel: context", context)
        layers = positive_size("LanguageModel: layers", layers)
        self.tokens = Embedding(vocabulary, width, generator, dtype)
        self.tokens.weight.data *= SPREAD
        self.places = Parameter(source(generator).standard_normal((context, width)) * SPREAD, dtype=dtype)
        self.blocks = ModuleList(
            [TransformerBlock(width, heads, dropout=dropout, generator=generator, dtype=dtype) for _ in range(layers)]
        )
        for block in self.blocks:
            for last in (block.attention.output, block.mlp[2]):
                last.weight.data *= 1 / math.sqrt(2 * layers)
        self.norm = LayerNorm(width, dtype=dtype)

    def forward(self, x: Any, caches: Sequence[KeyValues] | None = None) -> Any:
        """Return the logits of each next token.

        With `caches`, one for each block (`new_caches`), x holds only the tokens after those that were given before;
        their keys and values are added to the caches. That is for generating, without gradients.
        """
        x = x if hasattr(x, "shape") else np.asarray(x)
        begin = caches[0].length if caches else 0
        end = begin + x.shape[-1]
        if end > self.context:
            raise ValueError(f"LanguageModel: expected at most {self.context} tokens, its context, got {end}")
        hidden = self.tokens(x) + self.places[begin:end]
        each: Sequence[KeyValues | None] = caches or [None] * len(self.blocks)
        for block, cache in zip(self.blocks, each, strict=True):
            hidden = block(hidden, causal=True, cache=cache)
        return self.norm(hidden) @ swapaxes(self.tokens.weight, 0, 1)

    def attention(self, x: Any, layer: int) -> Any:
        """Return the attention weights `[..., heads, T, T]` of a layer on tokens `[..., T]`: each row adds up to 1.

        Layers count from 0, or back from -1. Raises IndexError for one that is not there.

        >>> LanguageModel(65, context=32, width=16, layers=2, heads=2).attention(np.zeros((1, 5), np.int64), -1).shape
        (1, 2, 5, 5)
        """
        x = np.asarray(x)
        hidden = self.tokens(x) + self.places[: x.shape[-1]]
        chosen = self.blocks[layer]
        for block in self.blocks:
            if block is chosen:
                break
            hidden = block(hidden, causal=True)
        return chosen.attention.weights(chosen.norm1(hidden), causal=True)

    def new_caches(self) -> list[KeyValues]:
        """Return an empty cache for each block."""
        return [KeyValues(self.context) for _ in self.blocks]

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.vocabulary}, context={self.context}"
