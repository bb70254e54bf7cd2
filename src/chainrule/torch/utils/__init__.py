"""`torch.utils`: `data`, checkpoints of the forward pass, timing, and swapping of tensors."""

from typing import Any

from ..missing import lacking as _lacking
from . import _pytree as _pytree
from . import benchmark, checkpoint, data


def swap_tensors(t1: Any, t2: Any) -> None:
    """Let two tensors trade their values, gradients and attributes; names for one then refer to the other's."""
    if type(t1) is not type(t2):
        raise RuntimeError(
            f"swap_tensors: expected two tensors of one type, got {type(t1).__name__}, {type(t2).__name__}"
        )
    first, second = dict(vars(t1)), dict(vars(t2))
    for tensor, attributes in ((t1, second), (t2, first)):
        vars(tensor).clear()
        vars(tensor).update(attributes)


__all__ = ["benchmark", "checkpoint", "data", "swap_tensors"]

__getattr__ = _lacking(__name__)
