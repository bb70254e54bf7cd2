"""Layers with parameters, and layers that change shapes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operands.keywords import explained
from chainrule.core.random import source

from . import functional
from .init import Generator, initial
from .inputs import check_last_axes, floating, in_dtype_of, numpys_names, positive_size
from .module import Module
from .parameter import Parameter


class Linear(Module):
    r"""$z = x W + b$ for `x [..., in]`, with `weight [in, out]` and `bias [out]`.

    `init` is "kaiming", "xavier", "lecun", "orthogonal", or a function of (shape, generator=, dtype=); biases start at
    zero. Parameters are float32 unless `dtype` says otherwise, and x is converted to their dtype.

    Raises ValueError if the length of the last axis of x is not `in_features`.

    >>> layer = Linear(4, 3)
    >>> layer(np.zeros((2, 4))).shape
    (2, 3)
    >>> layer(np.zeros((2, 5)))
    Traceback (most recent call last):
    ValueError: Linear(4 → 3): expected [..., 4], got [2, 5]
    """

    @explained
    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        init: str | Callable[..., Any] = "kaiming",
        generator: Generator = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        self.in_features = positive_size("Linear: in_features", in_features)
        self.out_features = positive_size("Linear: out_features", out_features)
        dtype = floating("Linear", dtype)
        shape = (self.in_features, self.out_features)
        self.weight = Parameter(initial("Linear", init, shape, generator, dtype))
        self.bias = Parameter(np.zeros(self.out_features, dtype)) if bias else None

    def forward(self, x: Any) -> Any:
        """Return `[..., out]`."""
        what = f"Linear({self.in_features} → {self.out_features})"
        x = in_dtype_of(self.weight, x, what)
        check_last_axes(what, x, (self.in_features,))
        return functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes, and the dtype if it is not float32."""
        dtype = "" if self.weight.dtype == np.float32 else f", dtype={self.weight.dtype}"
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}{dtype}"


class Embedding(Module):
    """A table `weight [num_embeddings, embedding_dim]` whose rows are looked up by index; initially standard normal.

    Raises IndexError for an index out of range.

    >>> Embedding(10, 4)([[1, 2, 3]]).shape
    (1, 3, 4)
    """

    @explained
    def __init__(
        self, num_embeddings: int, embedding_dim: int, generator: Generator = None, dtype: Any = np.float32
    ) -> None:
        super().__init__()
        self.num_embeddings = positive_size("Embedding: num_embeddings", num_embeddings)
        self.embedding_dim = positive_size("Embedding: embedding_dim", embedding_dim)
        drawn = source(generator).standard_normal((self.num_embeddings, self.embedding_dim))
        self.weight = Parameter(drawn, dtype=floating("Embedding", dtype))

    def forward(self, indices: Any) -> Any:
        """Return `[..., embedding_dim]` for integers `[...]`."""
        return functional.embedding(indices, self.weight)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.num_embeddings}, {self.embedding_dim}"


class Flatten(Module):
    """Flatten the axes from `start_axis` to `end_axis` into one; `start_dim` and `end_dim` are accepted as well.

    >>> Flatten()(np.zeros((5, 8, 8))).shape
    (5, 64)
    """

    @explained
    def __init__(self, *args: int, **settings: int) -> None:
        super().__init__()
        self.start_axis, self.end_axis = _span(*args, **numpys_names("Flatten", settings))

    def forward(self, x: Any) -> Any:
        """Return `x` in its new shape."""
        x = x if hasattr(x, "shape") else np.asarray(x)
        start, end = (axis + x.ndim if axis < 0 else axis for axis in (self.start_axis, self.end_axis))
        if not 0 <= start <= end < x.ndim:
            raise ValueError(
                f"Flatten(start_axis={self.start_axis}, end_axis={self.end_axis}): expected an input that has these "
                f"axes in this order, got {list(x.shape)}"
            )
        return x.reshape((*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))

    def extra_repr(self) -> str:
        """Return the axes."""
        return f"start_axis={self.start_axis}, end_axis={self.end_axis}"


def _span(start_axis: int = 1, end_axis: int = -1) -> tuple[int, int]:
    return start_axis, end_axis
