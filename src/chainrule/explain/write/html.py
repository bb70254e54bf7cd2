"""A derivation as one HTML page: MathML, no script, nothing from elsewhere."""

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from chainrule.explain.derive.steps import Account
from chainrule.present.escape import CSP, html, page

from .sections import MATH, footer, heading, parts, sections


def write_html(derivation: Account) -> str:
    """Return the whole page. Needs the extra `app`."""
    return _render(derivation, "page.html.jinja")


def write_fragment(derivation: Account) -> str:
    """Return what a notebook shows: the page's content in a block with its own style."""
    return _render(derivation, "fragment.html.jinja")


def _render(derivation: Account, template: str) -> str:
    try:
        import jinja2
        import latex2mathml.converter
        from markupsafe import Markup
    except ModuleNotFoundError as error:
        raise ImportError(
            f"explain: HTML needs {error.name}; run: python -m pip install 'chainrule[app]', or use to_markdown()"
        ) from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    convert = _converter(latex2mathml.converter.convert)
    environment.filters |= {"math": convert, "cell": lambda cell: _cell(cell, convert)}
    text = environment.get_template(template).render(
        lang=derivation.lang,
        title=heading(derivation),
        sections=sections(derivation),
        footer=footer(derivation),
        parts=parts,
        brief=derivation.level == "brief",
        ok=derivation.ok,
        csp=Markup(CSP),
    )
    return page(text)


def _converter(convert: Callable[[str], str]) -> Callable[[str], Any]:
    from markupsafe import Markup

    @lru_cache(maxsize=4096)
    def converted(latex: str) -> Any:
        return Markup(mathml(convert, latex))

    return converted


_WORD = re.compile(r"\\mathrm\{([A-Za-z][^{}]+)\}")
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
_KEPT = frozenset("<>&\"'")


def mathml(convert: Callable[[str], str], latex: str) -> str:
    """Return MathML for LaTeX, as short as it gets: half of the converter's output is spelt-out characters.

    Brackets around a matrix are drawn by the style sheet: without a font for mathematics none would grow with it.
    """
    text = convert(_WORD.sub(r"\\text{\1}", latex)).replace(_NAMESPACE, "")
    text = _NUMERIC.sub(_character, text)
    if not _is_mathml(text):
        return f"<code>{html(latex)}</code>"
    return text.replace("<mo>(</mo><mtable>", '<mtable class="matrix">').replace("</mtable><mo>)</mo>", "</mtable>")


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


def _cell(cell: str, convert: Callable[[str], Any]) -> Any:
    return convert(cell.removeprefix(MATH)) if cell.startswith(MATH) else cell
