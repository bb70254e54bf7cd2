"""Reduction of many losses to one."""

from typing import Any, Literal, TypeAlias

import numpy as np

from chainrule.core.traces.capturing import plain

from .arguments import arrayed, compared

Reduction: TypeAlias = Literal["mean", "sum", "none"]


def reduced(name: str, losses: Any, reduction: Reduction, count: Any = None) -> Any:
    """Return the losses, their sum, or their sum divided by `count`, by default their number."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'{name}: expected reduction "mean", "sum" or "none", got {reduction!r}')
    if reduction == "none":
        return losses
    if reduction == "sum":
        return np.sum(losses)

    def some(count: Any) -> Any:
        if count == 0:
            raise ValueError(
                f'{name}: the mean of no losses is not defined; use reduction="sum" if a batch may be empty'
            )
        return count

    if count is not None:
        return np.sum(losses) / plain(some, count)
    some(np.size(losses))
    return np.mean(losses)


def alike(name: str, input: Any, target: Any) -> list[Any]:
    """Return prediction and target in one dtype; broadcasting [B, 1] against [B] would train, so it is refused."""
    input, target = compared(name, input, target=target)
    if input.shape != target.shape:
        raise ValueError(
            f"{name}: expected input and target of one shape, got {list(input.shape)} and {list(target.shape)}; "
            f"reshape one of them"
        )
    return [input, target]


def weighted(name: str, losses: Any, weight: Any) -> Any:
    """Return the losses times their weights, which broadcast to them, in the dtype of the losses."""
    if weight is None:
        return losses
    weight = arrayed(weight)
    try:
        fits = np.broadcast_shapes(losses.shape, weight.shape) == losses.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{name}: weight {list(weight.shape)} does not broadcast to the losses {list(losses.shape)}")
    return losses * (weight if weight.dtype == losses.dtype else weight.astype(losses.dtype))
