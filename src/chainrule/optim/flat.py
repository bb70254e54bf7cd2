"""Parameters, gradients and optimiser state in one buffer each, so that a step is one pass.

A compiled training step lays an optimiser's parameters out so. Each parameter's array, and what the optimiser remembers
of it, is from then on a view of a flat buffer: code that works on them one by one sees no difference.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.changes import changes
from chainrule.core.tensor import Tensor


class Flat:
    """Some parameters of one group, with one dtype, and room for their gradients and slots of state."""

    def __init__(self, parameters: Sequence[Tensor], slots: Sequence[str]) -> None:
        self.parameters = list(parameters)
        dtype = self.parameters[0].dtype
        ends = np.cumsum([p.size for p in self.parameters]).tolist()
        self.pieces = [slice(end - p.size, end) for p, end in zip(self.parameters, ends, strict=True)]
        self.value = aligned_zeros(ends[-1], dtype)
        self.grad = aligned_zeros(ends[-1], dtype)
        self.slots = {name: aligned_zeros(ends[-1], dtype) for name in slots}
        self.memory = self.value.base
        """What owns the values' memory."""
        self.values = self._views(self.value)
        self.grads = self._views(self.grad)
        self._slot_views = {name: self._views(flat) for name, flat in self.slots.items()}
        for parameter, view in zip(self.parameters, self.values, strict=True):
            _adopt(parameter, view)

    def _views(self, flat: Any) -> list[Any]:
        return [flat[piece].reshape(p.shape) for piece, p in zip(self.pieces, self.parameters, strict=True)]

    def holds_values(self) -> bool:
        """Whether every parameter's array is still the view of the buffer."""
        return all(map(_is_in_place, self.parameters, self.values))

    def take_state(self, states: Sequence[dict[str, Any]]) -> None:
        """Take in the state of each parameter, and make its arrays views."""
        for name, views in self._slot_views.items():
            for state, view in zip(states, views, strict=True):
                if name in state and state[name] is not view:
                    view[...] = state[name]
                    state[name] = view


def _is_in_place(parameter: Tensor, view: Any) -> bool:
    return parameter._value is view


def _adopt(parameter: Tensor, view: Any) -> None:
    view[...] = parameter._value
    parameter._value = view
    changes.replaced += 1


def aligned_zeros(size: int, dtype: Any) -> Any:
    """Return zeros that begin at a multiple of 64 bytes, where vector instructions are fastest."""
    itemsize = np.dtype(dtype).itemsize
    raw = np.zeros(size * itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size * itemsize].view(dtype)


def joined(arrays: Sequence[Any]) -> Any:
    """Return arrays that lie one after the other in one buffer as one flat array; None where they do not."""
    first = arrays[0]
    owner = first
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    place = start = _address(first)
    for array in arrays:
        if _address(array) != place or array.dtype != first.dtype or not array.flags.c_contiguous:
            return None
        place += array.nbytes
    offset = start - _address(owner)
    if owner is first or not owner.flags.c_contiguous or not 0 <= offset <= owner.nbytes - (place - start):
        return None
    return owner.reshape(-1).view(np.uint8)[offset : offset + place - start].view(first.dtype)


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])
