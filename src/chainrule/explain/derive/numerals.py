"""Numbers in LaTeX: rounded for display only, at the very end."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

DIGITS = 4
"""Significant digits that are shown."""
MOST_ROWS, MOST_COLUMNS = 4, 4
"""Larger arrays are truncated: a reader checks a few numbers, not a page of them."""
FITS = 8
"""The most elements an array may have to be written in place of its symbol."""
ROUNDING = 4 * np.finfo(np.float64).eps
"""By how much, relatively, a product of several numbers may differ from the fraction that it is."""


def number(x: Any, digits: int = DIGITS) -> str:
    r"""Return a number rounded to significant digits, very large and very small ones with a power of ten.

    >>> number(0.750260105), number(-1.0), number(1.5e-7), number(1 - 2j)
    ('0.7503', '-1', '1.5 \\cdot 10^{-7}', '1 - 2\\mathrm{i}')
    """
    return _in_parts(x, lambda part: _real(part, digits)) if np.iscomplexobj(x) else _real(float(np.real(x)), digits)


def _in_parts(z: complex, written: Callable[[float], str]) -> str:
    r"""Return a complex number as the sum of its parts, without a part that is written as 0: `2 - \mathrm{i}`."""
    real, imaginary = written(float(np.real(z))), written(float(np.imag(z)))
    if imaginary == "0":
        return real
    sign, size = ("-", imaginary[1:]) if imaginary.startswith("-") else ("", imaginary)
    turned = ("" if size == "1" else size + r"\," * (not size[-1].isdigit())) + r"\mathrm{i}"
    return f"{sign}{turned}" if real == "0" else f"{real} {sign or '+'} {turned}"


def _real(x: float, digits: int) -> str:
    if not np.isfinite(x):
        return r"\text{nan}" if np.isnan(x) else (r"\infty" if x > 0 else r"-\infty")
    text = f"{x:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if exponent:
        power = rf"10^{{{int(exponent)}}}"
        return f"{mantissa[:-1]}{power}" if mantissa in ("1", "-1") else rf"{mantissa} \cdot {power}"
    return text if text != "-0" else "0"


def exactly(x: Any) -> str:
    r"""Return a constant of the program: as a short decimal, as a fraction if it is a simple one, else rounded.

    >>> exactly(0.5), exactly(1 / 6), exactly(1e-5), exactly(np.pi), exactly(2j)
    ('0.5', '\\frac{1}{6}', '10^{-5}', '3.142', '2\\mathrm{i}')
    """
    return _in_parts(x, _exactly_real) if np.iscomplexobj(x) else _exactly_real(float(np.real(x)))


def _exactly_real(x: float) -> str:
    if not np.isfinite(x) or float(f"{x:.{DIGITS}g}") == x:
        return number(x)
    near = Fraction(x).limit_denominator(1000)
    sign = "-" if near < 0 else ""
    return rf"{sign}\frac{{{abs(near.numerator)}}}{{{near.denominator}}}" if float(near) == x else number(x)


def fraction(x: complex, as_quotient: bool = False) -> str | None:
    r"""Return a number as a short decimal or a fraction, exact up to rounding; None if it is neither, or complex.

    What a formula divides stays a quotient, if it is one of small numbers: a mean over four has the factor 1/4.

    >>> fraction(0.5), fraction(-1 / 3), fraction(0.1 + 1e-9), fraction(0.25, as_quotient=True)
    ('0.5', '-\\frac{1}{3}', None, '\\frac{1}{4}')
    """
    if np.iscomplexobj(x):
        return None
    x = float(np.real(x))
    near = Fraction(x).limit_denominator(1000)
    is_quotient = as_quotient and float(near) == x and near.denominator > 1 and abs(near.numerator) < 100
    if not is_quotient and float(f"{x:.4g}") == x and "e" not in f"{x:.4g}":
        return f"{x:.4g}"
    near = near if is_quotient else Fraction(x).limit_denominator(10**6)
    if not abs(float(near) - x) <= ROUNDING * abs(x):
        return None
    sign = "-" if near < 0 else ""
    return rf"{sign}\frac{{{abs(near.numerator)}}}{{{near.denominator}}}"


def bracketed(text: str) -> str:
    """Return a number as a factor: in brackets if it is negative or has two parts."""
    return rf"({text})" if text.startswith("-") or has_two_parts(text) else text


def has_two_parts(text: str) -> bool:
    """Whether a written number has a real and an imaginary part."""
    return " + " in text or " - " in text


def matrix(value: Any, fits: int = FITS) -> str | None:
    """Return an array as a matrix, a scalar as a number (in brackets if negative), or None if it is too large."""
    if isinstance(value, tuple):
        return None
    array = np.asarray(value)
    if array.ndim == 0:
        return bracketed(number(array[()]))
    if array.ndim > 2 or array.size > fits or array.size == 0:
        return None
    return shown(array)


def shown(value: Any) -> str:
    """Return a value for display: a number, a matrix (truncated if large), or the first matrix of a stack."""
    array = np.asarray(value)
    if array.ndim == 0:
        return number(array[()])
    if array.dtype.kind == "b":
        array = array.astype(int)
    if array.size == 0:
        return r"\text{(empty)}"
    rows = array.reshape(-1, array.shape[-1]) if array.ndim != 1 else array[None]
    if array.ndim > 2:
        rows = array.reshape(-1, *array.shape[-2:])[0]
    cut_rows, cut_columns = rows.shape[0] > MOST_ROWS, rows.shape[1] > MOST_COLUMNS
    width = MOST_COLUMNS - 1 if cut_columns else rows.shape[1]
    height = MOST_ROWS - 1 if cut_rows else rows.shape[0]
    lines = [_row(row, width, cut_columns) for row in rows[:height]]
    if cut_rows:
        lines.append(" & ".join([r"\vdots"] * (width + cut_columns)))
    rows_text = r" \\ ".join(lines)
    body = rf"\begin{{pmatrix}} {rows_text} \end{{pmatrix}}"
    return body + (r" \cdots" if array.ndim > 2 and array.size > rows.size else "")


def _row(row: Any, width: int, cut: bool) -> str:
    return " & ".join([*(number(x) for x in row[:width]), *([r"\cdots"] if cut else [])])


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape as text: `[3, 4]`; a scalar's is `[]`.

    >>> shape_text((3, 4))
    '[3, 4]'
    """
    return str(list(shape))
