r"""Names: a symbol in LaTeX, as a student types it, and as the formula reader looks it up."""

import re
from dataclasses import dataclass
from typing import Any

PARTIAL = re.compile(r"\\frac\{\\partial L\}\{\\partial ((?:[^{}]|\{[^{}]*\})+)\}")
LABEL = re.compile(r"\^\{\((\w+)\)\}")
_WORD = re.compile(r"\\(?:mathrm|text|operatorname)\{([^{}]+)\}")
_ACCENT = re.compile(r"\\(hat|bar|dot|tilde)\s*(\\?\w+)")


def ascii_of(symbol: str) -> str:
    r"""Return a symbol as a student types it.

    >>> names = r"W^{(1)}", r"\frac{\partial L}{\partial W^{(1)}}", r"\hat y", r"\ell_{i}"
    >>> tuple(ascii_of(name) for name in names)
    ('W1', 'dW1', 'y_hat', 'ell')
    """
    whole = PARTIAL.fullmatch(symbol)
    if whole:
        return "d" + ascii_of(whole[1])
    name = LABEL.sub(r"\1", symbol)
    name = _WORD.sub(r"\1", name)
    name = _ACCENT.sub(r"\2_\1", name)
    name = re.sub(r"_\{?([ijk]+)\}?$", "", name)
    return re.sub(r"[^0-9A-Za-z_']", "", name.replace("\\", ""))


def is_gradient(name: str) -> bool:
    """Whether an ASCII name is that of a gradient: `dW1`."""
    return name.startswith(("d", "delta")) and len(name) > 1


def key_of(name: str) -> str:
    """Return the key under which the formula reader looks a name up: `w1` is `w_1` there."""
    return re.sub(r"(?<=[A-Za-z])(\d+)$", r"_\1", name)


@dataclass(frozen=True)
class Named:
    """A value that an expression may use: its name in Python, its symbol in LaTeX, and the value."""

    name: str
    symbol: str
    value: Any
