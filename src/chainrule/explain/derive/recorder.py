"""The recorder of a derivation: everything is computed in float64, including tensors that the function closes over."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.core.traces.tape import EAGER
from chainrule.observe.recorder import Recorder
from chainrule.rules.arrays.shape import Astype


class DoubleRecorder(Recorder):
    """A recorder whose values are float64 or complex128, so that a deviation is an error and not rounding."""

    __slots__ = ("_lifts",)

    def __init__(self) -> None:
        super().__init__()
        self._lifts: dict[int, Tensor] = {}

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply and record `op`; a conversion becomes one to float64 or complex128."""
        if op is Astype:
            settings = {**settings, "dtype": np.dtype("c16" if np.dtype(settings["dtype"]).kind == "c" else "f8")}
        return super().process(op, tuple(map(self._lifted, args)), settings)

    def _lifted(self, x: Any) -> Any:
        """Bring a tensor of the eager tape, which a function uses without taking it as an argument, onto this one.

        An array in single precision that the code makes while it runs becomes one of float64: an operation that writes
        into it would round everything else to its dtype.
        """
        if isinstance(x, np.ndarray) and x.dtype.char in "efF":
            return x.astype(np.result_type(x.dtype, np.float64))
        if not isinstance(x, Tensor) or x._trace is not EAGER:
            return x
        if id(x) not in self._lifts:
            self._boxes.append(x)
            floating = x.dtype.kind in "fc"
            tracked = x.requires_grad and floating
            value = x._value.astype(np.result_type(x.dtype, np.float64)) if floating else x._value
            self._lifts[id(x)] = self.enter(value, x.name or "", tracked, tracked)
        return self._lifts[id(x)]
