r"""Symbols: the notation for values. $W^{(1)}$, $\hat y$, $\delta^{(2)}$, $\frac{\partial L}{\partial W^{(1)}}$."""

import re
from dataclasses import dataclass

from chainrule.formula.tokens import GREEK
from chainrule.present.escape import in_math

_KEYS = re.compile(r"\['?([^\]']+)'?\]")
_SPLIT = re.compile(r"([A-Za-z]+?)_?(\d+)?$")
_PART = re.compile(r"(.+)_\{(\d+)\}")
_INDEXED = re.compile(r"([WUVB])([a-z]{1,2})|b([a-z])")
BELOW = r"\_"
"""An underscore in a word: as two words, log_scale would read as the logarithm of a scale."""
SPECIAL = {"loss": "L", "y_hat": r"\hat y", "y_pred": r"\hat y", "yhat": r"\hat y"}


@dataclass(frozen=True)
class Symbol:
    """A letter or word, with the label of its layer as a superscript in brackets."""

    base: str
    label: str = ""

    def latex(self, sub: str = "", sup: str = "") -> str:
        """Return the symbol with a subscript and a superscript (a transpose, a power)."""
        part = _PART.fullmatch(self.base)
        if part and (self.label or sub):  # one of several results: its number stands where an index does
            return Symbol(part[1], self.label).latex(f"{part[2]}, {sub}" if sub else part[2], sup)
        label = rf"({self.label})" if self.label else ""
        below = f"_{{{sub}}}" if sub else ""
        if sup and sup != r"\top" and (label or "'" in self.base):
            return rf"\left({self.latex(sub)}\right)^{{{sup}}}"
        above = f"^{{{label}{sup}}}" if label or sup else ""
        base = f"{{{self.base}}}" if above and (" " in self.base or "'" in self.base) else self.base
        return f"{base}{below}{above}" if not label else f"{base}^{{{label}{sup}}}{below}"

    def __str__(self) -> str:
        return self.latex()


@dataclass(frozen=True)
class Derivative(Symbol):
    r"""The derivative of the loss with respect to a value; for a layer's $z$ it is written $\delta$."""

    loss: str = "L"

    @property
    def is_delta(self) -> bool:
        r"""Whether it is a layer's $\delta$."""
        return self.base == "z" and bool(self.label)

    def latex(self, sub: str = "", sup: str = "") -> str:
        r"""Return $\delta^{(l)}$ or $\frac{\partial L}{\partial x}$; a subscript belongs to the denominator."""
        return Symbol(r"\delta", self.label).latex(sub, sup) if self.is_delta else self.fraction(sub, sup)

    def fraction(self, sub: str = "", sup: str = "") -> str:
        """Return the derivative written out as a fraction."""
        below = Symbol(self.base, self.label).latex(sub)
        fraction = rf"\frac{{\partial {self.loss}}}{{\partial {below}}}"
        return rf"\left({fraction}\right)^{{{sup}}}" if sup else fraction


@dataclass(frozen=True)
class Through(Derivative):
    """The part of a derivative that comes through one of the uses of the value."""

    user: str = ""

    def latex(self, sub: str = "", sup: str = "") -> str:
        """Return the fraction, labelled with the use."""
        return rf"\left.{self.fraction(sub, sup)}\right|_{{{self.user}}}"

    @property
    def is_delta(self) -> bool:
        """Never: a part is written as a fraction."""
        return False


def from_name(name: str) -> Symbol:
    r"""Return the symbol for a Python name: `W1` is $W^{(1)}$, `y_hat` $\hat y$, `scores` a word.

    >>> str(from_name("W1")), str(from_name("gamma")), str(from_name("x_bar")), str(from_name("scores"))
    ('W^{(1)}', '\\gamma', '\\bar x', '\\mathrm{scores}')
    >>> str(from_name("log_scale"))
    '\\mathrm{log\\_scale}'
    >>> str(from_name("Wx")), str(from_name("b_h"))
    ('W^{(\\text{x})}', 'b^{(\\text{h})}')
    >>> str(from_name("p['W1']")), str(from_name("p['enc']['W']")), str(from_name("Ws[0]"))
    ('W^{(1)}', 'W^{(\\text{enc})}', 'W^{(0)}')
    """
    if name in SPECIAL:
        return Symbol(SPECIAL[name])
    if keys := _KEYS.findall(name):  # p['enc']['W'] is the W of enc, blocks[0]['W'] the W of 0, Ws[0] the W of 0
        head = re.sub(r"^([A-Za-z])s$", r"\1", name.partition("[")[0])
        *path, last = keys if keys[-1].isidentifier() else [*keys, head]
        return labelled(from_name(last), word_label(".".join(path)) if path else "")
    for ending in ("hat", "bar", "tilde", "dot"):
        if name.endswith(f"_{ending}"):
            inner = from_name(name.removesuffix(f"_{ending}"))
            return Symbol(rf"\{ending} {inner.base}", inner.label)
    found = _SPLIT.fullmatch(name)
    letters, digits = (found[1], found[2] or "") if found else (name, "")
    if len(letters) == 1:
        return Symbol(letters, digits)
    if letters in GREEK and letters != "delta":  # which is a layer's error, and no other value
        return Symbol(f"\\{letters}", digits)
    if indexed := _INDEXED.fullmatch(name.replace("_", "", 1)):  # Wx, W_hh, bh: the weights of x, of h
        return Symbol(indexed[1] or "b", word_label(indexed[2] or indexed[3]))
    word = re.sub(r"[][\"']", "", name)
    return Symbol(rf"\mathrm{{{in_math(word).replace('_', BELOW)}}}")


def labelled(symbol: Symbol, label: str) -> Symbol:
    """Return a symbol with a label before its own."""
    return Symbol(symbol.base, ", ".join(filter(None, (label, symbol.label))))


def word_label(words: str) -> str:
    """Return a module's name as a label: digits unchanged, words upright."""
    return words if words.isdigit() else rf"\text{{{in_math(words.replace('_', ' '))}}}"
