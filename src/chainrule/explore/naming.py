"""The names of the boxes: the derivation's symbols, in letters that can be typed."""

import re
from collections.abc import Container

from chainrule.explain.derive.symbols import Symbol

_WRAPPED = re.compile(r"\\(?:mathrm|text|mathit|operatorname)\{([^{}]*)\}")
_ACCENT = re.compile(r"\\(hat|bar|tilde|dot) ?\{?(\\?[A-Za-z]+)\}?")
_OTHER = re.compile(r"[^0-9A-Za-z_.]+")


def ascii_name(symbol: Symbol) -> str:
    r"""Return a symbol in ASCII: $W^{(1)}$ is `W1`, $\hat y$ is `y_hat`, $W^{(\text{query})}$ is `W_query`.

    >>> from chainrule.explain.derive.symbols import from_name
    >>> [ascii_name(from_name(name)) for name in ("W1", "y_hat", "gamma", "scores")]
    ['W1', 'y_hat', 'gamma', 'scores']
    >>> ascii_name(Symbol("W", r"\text{query}")), ascii_name(Symbol("u", "2,3")), ascii_name(Symbol("Y_{2}", ""))
    ('W_query', 'u2_3', 'Y_2')
    """
    base, label = _plain(symbol.base), _plain(symbol.label)
    if not label:
        return base or "v"
    return f"{base}{label}" if label[0].isdigit() and not base[-1:].isdigit() else f"{base}_{label}"


def _plain(latex: str) -> str:
    text = _ACCENT.sub(r"\2_\1", _WRAPPED.sub(r"\1", latex)).replace("\\", "")
    return _OTHER.sub("_", text.replace("{", "").replace("}", "")).strip("_")


def free_name(name: str, taken: Container[str]) -> str:
    """Return a name that no other box has: itself, or with a number.

    >>> free_name("u", {"u", "u_2"})
    'u_3'
    """
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def entry_name(name: str, index: tuple[int, ...]) -> str:
    """Return the name of one number of an array.

    >>> entry_name("W1", (0, 2)), entry_name("b", ())
    ('W1[0,2]', 'b')
    """
    return f"{name}[{','.join(map(str, index))}]" if index else name
