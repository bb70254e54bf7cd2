"""Functions of `torch` that take their arguments in another order than those of the same name in `nn.functional`."""

from typing import Any

from .nn import functional

__all__ = ["batch_norm", "embedding", "embedding_bag", "instance_norm"]

_MODES = ("sum", "mean", "max")


def embedding(
    weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """Return the rows of a table at indices; a negative `padding_idx` means none."""
    padded = padding_idx if padding_idx >= 0 else None
    return functional.embedding(indices, weight, padded, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def embedding_bag(
    weight: Any,
    indices: Any,
    offsets: Any,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Any]:
    """Return the sum (mode 0), mean (1) or maximum (2) of rows in each bag, as the first of a tuple.

    PyTorch's three other results are what its backward pass needs, which is not needed here.
    """
    found = functional.embedding_bag(
        *(indices, weight, offsets, None, 2.0, scale_grad_by_freq, _MODES[mode], sparse),
        *(per_sample_weights, include_last_offset, padding_idx),
    )
    return (found,)


def batch_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Any:
    """Return the input normalised over all axes but the channels, as `nn.functional.batch_norm`."""
    return functional.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = False,
) -> Any:
    """Return each channel of each sample normalised, as `nn.functional.instance_norm`."""
    return functional.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)
