"""`torch.testing`: assertions about tensors."""

from typing import Any

import numpy as np

from .dtypes import of_numpy
from .face import Tensor, values_of

_TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}
_TOLERANCES |= {"complex64": _TOLERANCES["float32"], "complex128": _TOLERANCES["float64"]}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    msg: Any = None,
    **_: Any,
) -> None:
    """Raise an AssertionError unless two tensors, or nested sequences and dicts of them, are close.

    By default to 1.3e-6 relative and 1e-5 absolute in float32, 1e-7 in float64, and exactly for integers.
    """
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys(), f"The keys do not match: {actual.keys()} and {expected.keys()}"
        actual, expected = list(actual.values()), list(expected.values())
    if isinstance(expected, list | tuple):
        assert len(actual) == len(expected), f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        for a, b in zip(actual, expected, strict=True):
            assert_close(a, b, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=check_dtype, msg=msg)
        return
    a, b = values_of(actual), values_of(expected)
    text = _difference(a, b, rtol, atol, equal_nan, check_dtype and isinstance(expected, Tensor))
    if text:
        raise AssertionError(msg(text) if callable(msg) else msg or text)


def _difference(a: Any, b: Any, rtol: Any, atol: Any, equal_nan: bool, check_dtype: bool) -> str:
    if a.shape != b.shape:
        return f"The values for attribute 'shape' do not match: {list(a.shape)} != {list(b.shape)}."
    if check_dtype and a.dtype != b.dtype:
        return f"The values for attribute 'dtype' do not match: {of_numpy(a.dtype)} != {of_numpy(b.dtype)}."
    usual = [max(pair) for pair in zip(*(_TOLERANCES.get(x.dtype.name, (0.0, 0.0)) for x in (a, b)), strict=True)]
    relative, absolute = (given if given is not None else u for given, u in zip((rtol, atol), usual, strict=True))
    near = np.isclose(a, b, relative, absolute, equal_nan)
    if near.all():
        return ""
    with np.errstate(all="ignore"):
        greatest = np.nanmax(np.abs(a.astype(complex) - b), initial=0.0)
    return (
        f"Tensor-likes are not close!\n\nMismatched elements: {int((~near).sum())} / {near.size}\n"
        f"Greatest absolute difference: {greatest} (up to {absolute} allowed)\nRelative: up to {relative} allowed"
    )


def assert_allclose(actual: Any, expected: Any, rtol: Any = None, atol: Any = None, equal_nan: bool = True) -> None:
    """Raise an AssertionError unless two tensors are close, whatever their dtypes."""
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False)
