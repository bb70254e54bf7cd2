r"""Names and texts of others, made harmless in one place, for every form in which they are written.

A name may come from a file: of a parameter, a column, a class. It can hold markup, LaTeX, control characters. Where
text of our own and a name are put together before it is known in which form they will be written, the name's special
characters are *held* (`in_math`, `in_text`): each stands as a character of Unicode's private use area until the writer
turns it into what is harmless in its form (`page`, `latex`, `markdown`, `terminal`).
"""

import html as _html
import re
from collections.abc import Callable

_BASE = 0xE000
_IN_MATH = frozenset("\\{}$&#%^~<>`|")
_IN_TEXT = frozenset("$<>&`")
# Control characters but line feed and tab; what reorders or hides text; halves of surrogate pairs; held characters.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
    "|[\U000e0000-\U000e007f]"
)
_HELD = re.compile("[\ue000-\ue07f]")
_LATEX = {
    **{"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}"},
}
CSP = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'\">"
)
"""For the head of a page: it runs no script and loads nothing, whatever is in it."""


def visible(text: str) -> str:
    r"""Return text in which control characters, and those that reorder or hide others, are seen as escapes.

    Line feeds and tabs stay.

    >>> print(visible("a\x1b[31m\u202eb"))
    a\x1b[31m\u202eb
    """
    return _HIDDEN.sub(_as_escape, text)


def _as_escape(match: re.Match[str]) -> str:
    return match[0].encode("ascii", "backslashreplace").decode() if ord(match[0]) > 0x7F else f"\\x{ord(match[0]):02x}"


def in_math(name: str) -> str:
    r"""Return a name for `\text{…}` or `\mathrm{…}`, its special characters held."""
    return _held(name, _IN_MATH)


def in_text(text: str) -> str:
    """Return text of others for a sentence or a table in which mathematics stands between dollars."""
    return _held(text, _IN_TEXT)


def _held(text: str, characters: frozenset[str]) -> str:
    own = _HELD.sub(lambda m: f"\\u{ord(m[0]):04x}", visible(text))
    held = "".join(chr(_BASE + ord(c)) if c in characters else c for c in own)
    return held.replace("](", f"{chr(_BASE + ord(']'))}(")  # a link, to Markdown


def _released(text: str, form: Callable[[str], str]) -> str:
    return _HELD.sub(lambda m: form(chr(ord(m[0]) - _BASE)), text)


def terminal(text: str) -> str:
    """Return a text as a terminal gets it."""
    return visible(_released(text, str))


def html(text: str) -> str:
    """Return text for the content or an attribute of HTML, SVG and MathML."""
    return _html.escape(visible(text), quote=True)


def page(text: str) -> str:
    """Return a page or an element, written whole, with nothing in it that is held or hidden."""
    return visible(_released(text, lambda c: _html.escape(c, quote=True)))


def latex(text: str) -> str:
    """Return a LaTeX document, written whole, with held characters as characters."""
    return visible(_released(text, lambda c: _LATEX.get(c, c)))


def markdown(text: str, form: str = "text") -> str:
    """Return a piece of Markdown: "text", a span of "code", or "math" between dollars."""
    if form == "code":
        return visible(_released(text, str)).replace("`", "ˋ")
    if form == "math":
        return visible(_released(text, lambda c: chr(ord(c) + 0xFEE0)))
    return visible(_released(text, lambda c: _html.escape(c) if c in "<>&" else f"\\{c}"))


def csv_cell(text: str) -> str:
    """Return a cell that a spreadsheet takes for text, not for a formula; a number stays one.

    >>> csv_cell("=cmd()"), csv_cell("-1.5"), csv_cell("plain")
    ("'=cmd()", '-1.5', 'plain')
    """
    shown = visible(text)
    try:
        float(shown)
    except ValueError:
        return f"'{shown}" if shown.lstrip().startswith(("=", "+", "-", "@")) or shown.startswith("\t") else shown
    return shown
