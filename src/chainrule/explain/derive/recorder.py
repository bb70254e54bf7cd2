"""The recorder of a derivation: everything is computed in float64, including tensors that the function closes over."""

from collections.abc import Mapping
from types import FrameType
from typing import Any

import numpy as np

from chainrule.base.provenance import is_users, users_frame
from chainrule.core.tensor import Tensor
from chainrule.core.traces.tape import EAGER
from chainrule.observe.recorder import Recorder
from chainrule.rules.arrays.shape import Astype


class DoubleRecorder(Recorder):
    """A recorder whose values are float64 or complex128, so that a deviation is an error and not rounding."""

    __slots__ = ("_lifts", "named")

    def __init__(self) -> None:
        super().__init__()
        self._lifts: dict[int, Tensor] = {}
        self.named: list[tuple[str, Any]] = []
        """The plain arrays that operations were given, with the names that the program has for them."""

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply and record `op`; a conversion becomes one to float64 or complex128."""
        if op is Astype:
            settings = {**settings, "dtype": np.dtype("c16" if np.dtype(settings["dtype"]).kind == "c" else "f8")}
        lifted = tuple(map(self._lifted, args))
        for given, x in zip(args, lifted, strict=True):
            if type(x) is np.ndarray and x.ndim:
                self._note(given, x)
        return super().process(op, lifted, settings)

    def _note(self, given: Any, x: Any) -> None:
        """Note the name of an array; if an operation was given a view of it, as a row for a vector, of that."""
        while type(given) is np.ndarray:
            if name := _name_in_frames(given):
                self.named += [(name, x), (name, given)]
                return
            base = given.base
            given = base if isinstance(base, np.ndarray) and base.size == given.size else None

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


def _name_in_frames(x: Any) -> str:
    """Return the name of the local variable, or of the attribute of a method's object, that holds an array."""
    frame: FrameType | None = users_frame()
    while frame is not None and is_users(frame.f_code.co_filename):
        variables = frame.f_locals
        own = frame.f_code.co_varnames[:1] if frame.f_code.co_argcount else ()  # `self`, by whatever name
        attributes = getattr(variables.get(*own), "__dict__", {}) if own else {}
        for name, value in (*variables.items(), *attributes.items()):
            if value is x and not name.startswith("_"):
                return str(name)
        frame = frame.f_back
    return ""
