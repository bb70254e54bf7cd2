"""A page of its own, or a piece for a notebook: the same content, the same look."""

from functools import cache
from pathlib import Path
from typing import Any

from . import escape
from .html import Markup, join, tag

CSP = tag(
    "meta",
    http_equiv="Content-Security-Policy",
    content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
)
"""A page runs no script and loads nothing, whatever is in it."""
_PAGE = """
html { color-scheme: light dark; }
body { margin: 0; color: light-dark(#1f2430, #e6e9ef); background: light-dark(#ffffff, #14171d);
  font: 16px system-ui, "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans CJK KR", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
@media print { html { color-scheme: light; } }
"""


@cache
def style() -> str:
    """Return the style sheet. All of it concerns elements inside `.chainrule` only."""
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8")


def page(title: str, lang: str, *content: Any) -> str:
    """Return a page that needs nothing else; its content begins with the `h1`.

    >>> "<title>a &lt; b</title>" in page("a < b", "en", tag("h1", "Title"))
    True
    """
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        CSP,
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(_PAGE + style())),
    )
    body = tag("body", tag("main", content, class_="chainrule"))
    return escape.page(f"<!doctype html>\n{tag('html', head, body, lang=lang)}\n")


def fragment(lang: str, *content: Any) -> str:
    """Return one element for a notebook, with its own style."""
    return escape.page(tag("div", tag("style", Markup(style())), content, class_="chainrule", lang=lang))


def heading(level: int, *content: Any, **attributes: Any) -> Markup:
    """Return a heading of a level: 1 on a page of its own, more inside another."""
    return tag(f"h{level}", *content, **attributes)


def paragraphs(*texts: str, soft: bool = False) -> Markup:
    """Return a paragraph for each text that there is."""
    return join(tag("p", text, class_="soft" if soft else None) for text in texts if text)


def pairs(rows: Any) -> Markup:
    """Return a list of names and what is said of each; one of which nothing is said is left out."""
    return tag("dl", ((tag("dt", name), tag("dd", said)) for name, said in rows if said))


def details(summary: Any, *content: Any) -> Markup:
    """Return what is shown when its summary is opened."""
    return tag("details", tag("summary", summary), content)


def preformatted(text: str) -> Markup:
    """Return a text whose columns stay under each other."""
    return tag("pre", text, tabindex=0)
