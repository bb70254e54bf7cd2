"""What a PyTorch model keeps between calls outside its parameters and buffers: emptied for a run, restored after it.

Some models keep what they computed from parameters in a dict of their own (the attention biases of LeViT, in evaluation
mode). To a trace such a tensor is a constant, and its parameter would get no gradient.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Torch = Any
OWN = frozenset(["_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"])


@contextmanager
def without_caches(torch: Torch, module: Torch) -> Iterator[None]:
    """Take what was computed from parameters out of the dicts of all submodules; restore the dicts afterwards."""
    kept = [(one, name, found, dict(found)) for one in module.modules() for name, found in _dicts(one)]
    for _, _, found, before in kept:
        for key, value in before.items():
            if is_computed(torch, value):
                del found[key]
    try:
        yield
    finally:
        for one, name, found, before in kept:
            found.clear()
            found.update(before)
            vars(one)[name] = found  # torch.export puts a copy there


def _dicts(module: Torch) -> list[tuple[str, dict[Any, Any]]]:
    return [(name, value) for name, value in vars(module).items() if type(value) is dict and name not in OWN]


def is_computed(torch: Torch, value: Any) -> bool:
    """Whether a value is a tensor with a history, through which gradients would flow."""
    return isinstance(value, torch.Tensor) and value.grad_fn is not None


def check_constants(torch: Torch, constants: Mapping[str, Torch], name: str) -> None:
    """Raise a TypeError if a constant of a trace was computed from parameters before, so that these get no gradient."""
    for tensor in constants.values():
        if is_computed(torch, tensor):
            raise TypeError(
                f"from_torch: {name}: keeps a tensor of shape {list(tensor.shape)} that it computed from parameters "
                "in an earlier call; to a trace it is a constant, and these parameters would get no gradient: compute "
                "it in forward, or remove it before the conversion"
            )
