r"""The tokens of a formula in LaTeX.

Spacing and sizing commands (`\, \; \quad \left \bigl {}` …) are dropped; a token only remembers that a spacing command
came before it, because `\sigma(x)` is a call and `\sigma\,(x)` is a product.
"""

import re
from dataclasses import dataclass
from typing import Literal

from chainrule.core.errors import Portable

Kind = Literal["number", "letter", "text", "operator", "indicator", "symbol", "end"]

_GREEK_WORDS = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi
omega pi ell Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
"""
GREEK = frozenset(_GREEK_WORDS.split())
_SIZES = r"left|right|middle|bigl|bigr|Bigl|Bigr|biggl|biggr|Biggl|Biggr|big|Big|bigg|Bigg"
_PATTERN = re.compile(
    rf"""
      (?P<blank>     \s+ | \{{\s*\}} | \\(?:{_SIZES}|displaystyle|textstyle|limits|nolimits)(?![A-Za-z]) )
    | (?P<space>     \\[,;:!>\ ] | ~ | \\(?:quad|qquad|thinspace|medspace|enspace)(?![A-Za-z]) )
    | (?P<number>    \d+(?:\.\d+)? | \.\d+ )
    | (?P<indicator> \\(?:mathbb|mathbf|boldsymbol)\s*(?:\{{\s*1\s*\}}|1) )
    | (?P<text>      \\(?:text|mathrm|textrm)\s*\{{(?P<words>[^{{}}]*)\}} )
    | (?P<operator>  \\operatorname\*?\s*\{{(?P<function>[^{{}}]*)\}} )
    | (?P<styled>    \\(?:mathbf|mathcal|mathit|boldsymbol|bm)\s*\{{\s*(?P<style>\\[A-Za-z]+|[A-Za-z])\s*\}} )
    | (?P<letter>    [A-Za-z] )
    | (?P<symbol>    \\(?:begin|end)\{{cases\}} | \\[A-Za-z]+ | \\[\\|{{}}] | [-+/^_()\[\]{{}}|=<>,&'!] )
    """,
    re.VERBOSE,
)
# Two spellings of one symbol.
_SAME = {
    **{r"\leq": r"\le", r"\geq": r"\ge", r"\neq": r"\ne", r"\lt": "<", r"\gt": ">"},
    **{r"\vert": "|", r"\Vert": r"\|", r"\wedge": r"\land", r"\vee": r"\lor", r"\prime": "'"},
    **{r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\lbrace": r"\{", r"\rbrace": r"\}"},
    **{
        r"\lbrack": "[",
        r"\rbrack": "]",
        r"\widehat": r"\hat",
        r"\overline": r"\bar",
        r"\widetilde": r"\tilde",
    },
}


class FormulaError(Portable, ValueError):
    """A formula is outside the supported subset, or cannot be evaluated with the values given.

    `position` is the offset into `latex` where parsing stopped; None for an error during evaluation.
    """

    def __init__(self, message: str, latex: str = "", position: int | None = None) -> None:
        self.latex, self.position = latex, position
        where = "" if position is None else f" at position {position} of {latex!r}"
        super().__init__(message + where)


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a formula, where it starts, and whether a spacing command came before it."""

    kind: Kind
    text: str
    position: int
    spaced: bool = False

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)


def tokenize(latex: str) -> list[Token]:
    r"""The tokens of a formula, the last of kind "end".

    >>> [token.text for token in tokenize(r"\bar a = \varphi(x_1)\,b")][:-1]
    ['\\bar', 'a', '=', 'phi', '(', 'x', '_', '1', ')', 'b']
    """
    tokens: list[Token] = []
    position, spaced = 0, False
    while position < len(latex):
        match = _PATTERN.match(latex, position)
        if match is None:
            raise FormulaError(f"unknown character {latex[position]!r}", latex, position)
        group = match.lastgroup or ""
        if group == "space":
            spaced = True
        elif group != "blank":
            tokens.append(_token(match, spaced))
            spaced = False
        position = match.end()
    tokens.append(Token("end", "", len(latex), spaced))
    return tokens


def _token(match: re.Match[str], spaced: bool) -> Token:
    text, start = match.group(), match.start()
    if match["number"]:
        return Token("number", text, start, spaced)
    if match["indicator"]:
        return Token("indicator", text, start, spaced)
    if match["text"] is not None:
        return Token("text", match["words"].strip(), start, spaced)
    if match["operator"] is not None:
        return Token("operator", match["function"].strip(), start, spaced)
    text = match["style"] or text
    name = text.removeprefix("\\")
    bare = name if name in GREEK else name.removeprefix("var")
    if (len(text) == 1 and text.isalpha()) or (text != name and bare in GREEK):
        return Token("letter", bare, start, spaced)
    return Token("symbol", _SAME.get(text, text), start, spaced)
