"""A product with the same second factor again and again: packed once, it is read from adjacent lines each time."""

from typing import Any

import numpy as np

from chainrule.kernels.native.vectors import register_bytes

from . import tiles
from .blocks import FORMS, Form
from .writing import Part, quotient, rounded_down

PARAMETERS = "ptr %a, i64 %lda, ptr noalias %packed, i64 %m, i64 %n, i64 %k, {real} %beta, ptr noalias %c, i64 %ldc"
MOST = 2**22
"""How many bytes of a factor are packed: of larger ones each thread's cache holds only a part."""
LOW = 4
"""How many rows the tiles have for the last few, where tiles are of 6."""


def form_of(b: Any) -> Form | None:
    """Return the form in which a factor may be packed, None if it may not."""
    fits = b.dtype in (np.float32, np.float64) and 0 < b.nbytes <= MOST
    return FORMS.get(register_bytes()) if fits else None


def packed(b: Any, form: Form) -> Any:
    """Return the columns of a factor in panels `[panels, terms, width of a tile]`; behind the last are zeros."""
    (k, n), width = b.shape, form.width // b.itemsize * form.vectors
    room = np.empty(quotient(n, width) * k * width + form.width // b.itemsize, b.dtype)
    begin = -room.__array_interface__["data"][0] % form.width // b.itemsize
    panels = room[begin:][: quotient(n, width) * k * width].reshape(-1, k, width)
    whole, rest = divmod(n, width)
    panels[:whole] = b[:, : whole * width].reshape(k, whole, width).swapaxes(0, 1)
    if rest:
        panels[whole, :, :rest], panels[whole, :, rest:] = b[:, whole * width :], 0
    return panels


def multiplying(name: str, dtype: Any, form: Form) -> list[str]:
    """Return functions, the last of them `c ← a b + beta c` with b packed; rows are `lda` and `ldc` apart."""
    lanes = form.width // np.dtype(dtype).itemsize
    heights = [form.height, LOW] if form.height % LOW else [form.height]
    some = [(height, count) for height in heights for count in range(1, form.vectors + 1)]
    parts = [tiles.written(f"{name}_{h}_{count}", dtype, lanes, count, h, "lies") for h, count in some]
    part, width = Part(name, PARAMETERS, dtype, lanes), lanes * form.vectors
    m, n, k, lda, ldc = map(part.whole, ("m", "n", "k", "lda", "ldc"))
    high = quotient(m, form.height) if len(heights) == 1 else rounded_down(m + (form.height - 1 - LOW), form.height)
    spans = [(form.height, part.index(0), high)]
    if len(heights) > 1:
        spans.append((LOW, high, high + part.chosen(m > high * form.height, part.index(1), part.index(0))))
    with part.loop(0, quotient(n, width)) as number:
        right, b = n - number * width, part.behind(part.place("packed"), number * (k * width))
        for height, begin, end in spans:
            sizes = [part.named(f"{name}_{height}_{count}") for count in range(1, form.vectors + 1)]
            compute = part.wide_enough(right, lanes, sizes)
            with part.loop(begin, end) as t:
                top = t * form.height
                a, c = part.behind(part.place("a"), top * lda), part.behind(part.place("c"), top * ldc + number * width)
                of_a, of_b, one = (a, lda, part.index(1)), (b, part.index(width), k), part.constant(1, dtype)
                of_c = part.number("beta"), c, ldc, m - top, right
                part.call(compute.name, tiles.PARAMETERS, (*of_a, *of_b, one, *of_c))
    return [*parts, part.text()]
