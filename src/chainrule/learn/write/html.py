"""A sheet as a page: formulas in MathML, hints that open, no script."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
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
    return list(all_as_html(sheet(exercises, lang, key=key)))


def all_as_html(several: Iterable[Block]) -> Iterator[Markup]:
    """Yield blocks as HTML. Formulas in a row scroll together: one stop for the keyboard."""
    for is_math, group in groupby(several, lambda block: block.kind == "math"):
        if is_math:
            # wider than a telephone
            yield tag("div", (tag("div", formula(block.text)) for block in group), class_="scroll formulas", tabindex=0)
        else:
            yield from map(as_html, group)


def as_html(block: Block) -> Markup:
    """Return a block as HTML."""
    match block.kind:
        case "heading":
            return page.heading(block.depth, block.text)
        case "math":
            return tag("div", formula(block.text))
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
