"""Parameters, gradients and optimiser state in one buffer each, so that a step is one pass.

A compiled training step arranges an optimiser's parameters this way. From then on, each parameter's array and its
optimiser state are views of flat buffers; code that works on them one by one sees no difference.
"""

from collections.abc import Iterable, Sequence
from sys import getrefcount
from typing import Any

import numpy as np

from chainrule.core.memory.alias import is_part
from chainrule.core.memory.changes import Loan, changes
from chainrule.core.memory.loans import is_lent
from chainrule.core.tensor import Tensor

_held = [np.zeros(1)]
ALONE = getrefcount(_held[0])
"""What `getrefcount` returns for an array that only one list or dict holds."""


def can_be_flat(parameters: Sequence[Tensor]) -> bool:
    """Whether all parameters have the same dtype and no views of them exist, which would go on showing the old
    memory.
    """
    return len({p.dtype for p in parameters}) == 1 and not any(is_lent(p._value) or is_part(p) for p in parameters)


class Flat:
    """Some parameters of one group, all of one dtype, with room for their gradients and state slots."""

    def __init__(self, parameters: Sequence[Tensor], slots: Sequence[str]) -> None:
        self.parameters = list(parameters)
        dtype = self.parameters[0].dtype
        ends = np.cumsum([p.size for p in self.parameters]).tolist()
        self.pieces = [slice(end - p.size, end) for p, end in zip(self.parameters, ends, strict=True)]
        self.value = aligned_zeros(ends[-1], dtype)
        self.grad = aligned_zeros(ends[-1], dtype)
        self.slots: dict[str, Any] = {}
        self.memory = self.value.base
        """The owner of the values' memory."""
        self.values = self._views(self.value)
        self.grads = self._views(self.grad)
        self._taken: set[str] = set()
        self.count = np.zeros(1, np.int64)
        """How many steps have been taken, where machine code counts them."""
        self.version = 0
        """How often memory for state was allocated."""
        self.places: dict[str, list[Any]] = {}
        """Where each parameter's state is stored, keyed by its name."""
        self.add_slots(slots)
        for parameter, view in zip(self.parameters, self.values, strict=True):
            _adopt(parameter, view)

    def _views(self, flat: Any) -> list[Any]:
        return [flat[piece].reshape(p.shape) for piece, p in zip(self.pieces, self.parameters, strict=True)]

    def add_slots(self, names: Iterable[str]) -> None:
        """Allocate state slots that the optimiser's settings did not need before."""
        for name in names:
            if name not in self.slots:
                self._add_slot(name)

    def _add_slot(self, name: str) -> None:
        self.version += 1
        flat = self.slots[name] = aligned_zeros(self.value.size, self.value.dtype)
        # On loans, so that the reference count of a view counts the views made of it.
        self.places[name] = [np.asarray(Loan(view)) for view in self._views(flat)]

    def arrays(self, slots: Sequence[str]) -> list[Any]:
        """Return the buffers of the values, the gradients, and of state slots."""
        return [self.value, self.grad, *(self.slots[slot] for slot in slots)]

    def holds_values(self) -> bool:
        """Whether every parameter's array is still its view of the buffer."""
        return all(map(_is_in_place, self.parameters, self.values))

    def take_state(self, states: Sequence[dict[str, Any]]) -> bool:
        """Take in the state of each parameter, and turn its arrays into views.

        Where state was replaced, it goes into new memory, since the old memory may be in use elsewhere. Returns False,
        without having done anything, if something else holds an array that would be left behind.
        """
        moving = {
            name: [state for state in states if name in state]
            for name, places in self.places.items()
            if any(state.get(name) is not place for state, place in zip(states, places, strict=True) if name in state)
        }
        for name, some in moving.items():
            # A view on a loan is one of ours, listed in its flat buffers.
            if any(getrefcount(state[name]) > ALONE + isinstance(state[name].base, Loan) for state in some):
                return False
        for name in moving:
            if name in self._taken:
                self._add_slot(name)
            self._taken.add(name)
            for state, place in zip(states, self.places[name], strict=True):
                if name in state:
                    place[...] = state[name]
                    state[name] = place
        return True

    def held(self, states: Sequence[dict[str, Any]], names: Iterable[str]) -> list[tuple[dict[str, Any], str, Any]]:
        """Return each state with the names of its arrays and the views of the buffers that they should be."""
        return [(s, name, place) for name in names for s, place in zip(states, self.places[name], strict=True)]


def _is_in_place(parameter: Tensor, view: Any) -> bool:
    return parameter._value is view


def _adopt(parameter: Tensor, view: Any) -> None:
    view[...] = parameter._value
    parameter._value = view
    changes.replaced += 1


def aligned_zeros(size: int, dtype: Any) -> Any:
    """Return zeros aligned to 64 bytes, where vector instructions are fastest."""
    itemsize = np.dtype(dtype).itemsize
    raw = np.zeros(size * itemsize + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size * itemsize].view(dtype)


def joined(arrays: Sequence[Any]) -> Any:
    """Return adjacent arrays of one buffer as one flat array; None if they are not adjacent."""
    if not arrays:
        return None
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
