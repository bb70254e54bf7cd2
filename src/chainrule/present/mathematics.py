"""A formula as MathML, which browsers set by themselves; without the extra `app`, as a line of Unicode."""

import re
from functools import lru_cache
from xml.etree import ElementTree

from .html import Markup, tag
from .unicode_math import to_unicode

_WORD = re.compile(r"\\mathrm\{([A-Za-z][^{}]+)\}")
BELOW = r"\_"
_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'
_NUMERIC = re.compile(r"&#x0*([0-9A-Fa-f]+);")
_ELEMENTS = frozenset(
    {"math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle", "mpadded"}
    | {"mphantom", "menclose", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd"}
)
_ATTRIBUTES = frozenset(
    {"display", "mathvariant", "stretchy", "fence", "form", "largeop", "movablelimits", "lspace", "rspace", "minsize"}
    | {"maxsize", "symmetric", "width", "height", "depth", "linethickness", "scriptlevel", "displaystyle", "accent"}
    | {"columnalign", "columnspacing", "rowspacing", "separator", "notation"}
)
_SIGN = re.compile("(<mo[^>]*>[=(⋅·⊙+−,]</mo>)<mo>−</mo>")
"""A minus behind an operator or a bracket is a sign: it stands close to its number."""
_KEPT = frozenset("<>&\"'")


@lru_cache(maxsize=4096)
def formula(latex: str) -> Markup:
    r"""Return LaTeX as MathML, as short as it gets: half of the converter's output is spelt-out characters.

    Brackets around a matrix are drawn by the style sheet: without a font for mathematics none would grow with it.

    >>> formula(r"x^{2}").startswith(("<math", "<code>x²"))
    True
    >>> any(word in formula(r"\mathrm{log\_scale}") for word in ("<mtext>log_scale</mtext>", "<code>log_scale</code>"))
    True
    >>> 'form="prefix">−' in formula("a = -b") or "<code>" in formula("a = -b")
    True
    """
    try:
        from latex2mathml.converter import convert
    except ModuleNotFoundError:
        return tag("code", to_unicode(latex))
    text = _NUMERIC.sub(_character, convert(_WORD.sub(_as_text, latex)).replace(_NAMESPACE, ""))
    if not _is_mathml(text):
        return tag("code", latex)
    text = _SIGN.sub(r'\1<mo form="prefix">−</mo>', text)
    return Markup(
        text.replace("<mo>(</mo><mtable>", '<mtable class="matrix">').replace("</mtable><mo>)</mo>", "</mtable>")
    )


def _as_text(match: re.Match[str]) -> str:
    return rf"\text{{{match[1].replace(BELOW, '_')}}}"


def _is_mathml(text: str) -> bool:
    """Whether it is made of elements of mathematics alone: the converter lets markup through that stands in a text."""
    try:
        elements = [*ElementTree.fromstring(text).iter()]
    except ElementTree.ParseError:
        return False
    attributes = {key for element in elements for key in element.attrib}
    return {element.tag for element in elements} <= _ELEMENTS and attributes <= _ATTRIBUTES


def _character(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return match[0] if character in _KEPT else character
