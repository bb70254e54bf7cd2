"""The text of a tensor, in PyTorch's form."""

import math
from typing import Any

import numpy as np

from .dtypes import default
from .face import Tensor, values_of


class _Options:
    precision, threshold, edgeitems, linewidth = 4, 1000, 3, 80
    sci_mode: bool | None = None


options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors are printed: digits, the size from which they are shortened, the width of lines."""
    if profile is not None:
        precision = precision or {"default": 4, "short": 2, "full": 4}[profile]
        threshold = threshold or (math.inf if profile == "full" else 1000)
    for name, value in (("precision", precision), ("threshold", threshold), ("edgeitems", edgeitems)):
        if value is not None:
            setattr(options, name, value)
    if linewidth is not None:
        options.linewidth = linewidth
    options.sci_mode = sci_mode


class _Form:
    """How the elements of one tensor are written."""

    def __init__(self, shown: Any) -> None:
        self.kind = shown.dtype.kind
        self.whole = self.scientific = False
        if self.kind != "f":
            self.width = max((len(str(x)) for x in shown.ravel().tolist()), default=1)
            return
        finite = shown[np.isfinite(shown) & (shown != 0)]
        self.whole = bool(finite.size == 0 or np.all(finite == np.ceil(finite)))
        if finite.size:
            size = np.abs(finite.astype(np.float64))
            low, high = size.min(), size.max()
            wide = high > 1e8 or (not self.whole and (high / low > 1000 or low < 1e-4))
            self.scientific = wide if self.whole or not wide else True
            if self.whole:
                self.scientific = bool(high / low > 1000 and high > 1e8)
        if options.sci_mode is not None:
            self.scientific = options.sci_mode
        self.width = max((len(self._number(x)) for x in finite.tolist()), default=1)

    def _number(self, x: float) -> str:
        if not math.isfinite(x):
            return str(x)
        if self.scientific:
            return f"{x:.{options.precision}e}"
        digits = 0 if self.whole else options.precision
        return f"{x:.{digits}f}" + "." * self.whole

    def text(self, x: Any) -> str:
        """Return one element, padded."""
        written: str = self._number(x) if self.kind == "f" else str(x)
        return written.rjust(self.width)


def _shown(array: Any) -> Any:
    """Return the elements that are printed of a long tensor."""
    for axis in range(array.ndim):
        if array.shape[axis] > 2 * options.edgeitems:
            edge = options.edgeitems
            places = np.r_[0:edge, array.shape[axis] - edge : array.shape[axis]]
            array = np.take(array, places, axis=axis)
    return array


def _row(array: Any, form: _Form, indent: int, short: bool) -> str:
    n, edge = len(array), options.edgeitems
    texts = [form.text(x) for x in (array if not short or n <= 2 * edge else [*array[:edge], *array[-edge:]])]
    if short and n > 2 * edge:
        texts.insert(edge, " ...")
    per_line = max((options.linewidth - indent) // (form.width + 2), 1)
    lines = [", ".join(texts[k : k + per_line]) for k in range(0, len(texts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _body(array: Any, form: _Form, indent: int, short: bool) -> str:
    if array.ndim == 0:
        return form.text(array.item())
    if array.ndim == 1:
        return _row(array.tolist(), form, indent, short)
    n, edge = len(array), options.edgeitems
    parts: list[str]
    parts = [_body(part, form, indent + 1, short) for part in (array if not short or n <= 2 * edge else array[:edge])]
    if short and n > 2 * edge:
        parts += ["...", *(_body(part, form, indent + 1, short) for part in array[-edge:])]
    gap: str = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + gap.join(parts) + "]"


def text_of(x: Tensor, head: str = "tensor(") -> str:
    """Return the text of a tensor, `tensor([1., 2.], requires_grad=True)`."""
    array = values_of(x)
    notes = []
    if array.size == 0:
        body = "[]"
        if array.ndim != 1:
            notes.append(f"size={tuple(array.shape)}")
    else:
        short = array.size > options.threshold
        if array.dtype.kind == "c":
            body = np.array2string(array, separator=", ", prefix=head, precision=options.precision)
        else:
            body = _body(array, _Form(_shown(array) if short else array), len(head), short)
    usual = {np.dtype(np.int64), np.dtype(bool), default.floating.numpy, np.dtype(np.complex64)}
    if array.dtype not in usual or (not array.size and array.dtype != default.floating.numpy):
        notes.append(f"dtype={x.dtype}")
    if x.requires_grad:
        made_by = x.grad_fn
        notes.append("requires_grad=True" if made_by is None else f"grad_fn=<{made_by.name()}>")
    return ", ".join([head + body, *notes]) + ")"


def _repr(self: Tensor, **_: Any) -> str:
    return text_of(self)


setattr(Tensor, "__repr__", _repr)  # noqa: B010
