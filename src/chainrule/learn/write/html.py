"""A sheet as a page: formulas in MathML, hints that open, no script."""

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.learn.question import Question
from chainrule.learn.words import words
from chainrule.present import page
from chainrule.present.html import Markup, join, tag
from chainrule.present.mathematics import formula

from .blocks import Block, pieces, sheet


def write_html(exercises: Sequence[Question], lang: str, *, key: bool = False) -> str:
    """Return the sheet as a page of its own."""
    return page.page(words(lang)["worksheet"], lang, *_content(exercises, lang, key))


def write_fragment(exercises: Sequence[Question], lang: str, *, key: bool = False) -> str:
    """Return the sheet as one element for a notebook."""
    return page.fragment(lang, *_content(exercises, lang, key))


def _content(exercises: Sequence[Question], lang: str, key: bool) -> list[Markup]:
    return [as_html(block) for block in sheet(exercises, lang, key=key)]


def as_html(block: Block) -> Markup:
    """Return a block as HTML."""
    match block.kind:
        case "heading":
            return page.heading(block.depth, block.text)
        case "math":
            return tag("div", formula(block.text), class_="scroll")  # wider than a telephone
        case "code":
            return page.preformatted(block.text)
        case "hint":
            return page.details(block.language, tag("p", inline(block.text)))
    return tag("p", inline(block.text))


def inline(text: str) -> Markup:
    """Return a paragraph's pieces as HTML."""
    made: dict[str, Callable[[str], Any]] = {
        **{"text": str, "math": formula},
        **{"code": lambda t: tag("code", t), "bold": lambda t: tag("strong", inline(t))},
    }
    return join(made[piece.kind](piece.text) for piece in pieces(text))
