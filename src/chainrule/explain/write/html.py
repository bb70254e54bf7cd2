"""A derivation as HTML: MathML, no scripts, no external resources."""

from collections.abc import Iterator

from chainrule.explain.derive.steps import Account
from chainrule.present.html import Markup, join, tag
from chainrule.present.mathematics import formula
from chainrule.present.page import fragment, heading, page, paragraphs
from chainrule.present.table import table

from .sections import MATH, Item, Section, footer, parts, sections
from .sections import heading as title_of


def write_html(derivation: Account) -> str:
    """Return the whole page."""
    return page(title_of(derivation), derivation.lang, content(derivation, 1))


def write_fragment(derivation: Account) -> str:
    """Return the notebook form: the page's content in an element with its own style."""
    return fragment(derivation.lang, content(derivation, 2))


def content(derivation: Account, level: int) -> Markup:
    """Return a derivation as page content, under a heading of this level."""
    brief = derivation.level == "brief"
    return join(
        heading(level, title_of(derivation)),
        (_section(k, section, brief, level + 1) for k, section in enumerate(sections(derivation), 1)),
        paragraphs(footer(derivation), soft=True),
    )


def _section(number: int, section: Section, brief: bool, level: int) -> Markup:
    label = f"derivation-{section.key}"
    steps = (tag("li", _step(item, brief), class_=None if item.latex else "soft") for item in section.items)
    tables = (
        table(one.head, ([_cell(cell) for cell in row] for row in one.rows), f"{section.heading} ({k})", named=True)
        for k, one in enumerate(section.tables, 1)
    )
    return tag(
        "section",
        heading(level, f"{number}. {section.heading}", id=label),
        paragraphs(*section.paragraphs),
        tag("ol", steps, class_="steps brief" if brief else "steps") if section.items else None,
        tables,
        aria_labelledby=label,
    )


def _step(item: Item, brief: bool) -> Iterator[Markup | str]:
    if not item.latex:
        yield item.note
        return
    value = item.value if brief or item.value != item.numbers else ""
    equation = tag("div", _equation(item.latex), _equals(item.numbers), _equals(value), class_="equation")
    if brief:
        yield equation
        yield tag("span", item.shape, " ", _verdict(item), " ", item.note, class_="soft")
        return
    if item.lines:
        yield tag("ol", (tag("li", _line(line)) for line in item.lines), class_="lines")
    yield equation
    where = [" ", tag("code", item.where)] if item.where else None
    yield tag("div", item.shape, " ", _verdict(item), where, " ", item.note, class_="soft")


def _line(line: Item) -> Iterator[Markup]:
    if line.title:
        pieces = (formula(p) if k % 2 else p for k, p in enumerate(line.title.split("$")))
        yield tag("div", pieces, class_="soft")
    note = tag("span", _verdict(line), " ", line.note, class_="soft")
    yield tag("div", _equation(line.latex), note, class_="equation")


def _equation(latex: str) -> Iterator[Markup]:
    for part in parts(latex):
        yield tag("span", formula(part), class_="scroll")


def _equals(latex: str) -> Markup | None:
    return tag("span", formula(f"= {latex}"), class_="scroll") if latex else None


def _verdict(item: Item) -> Markup:
    return tag("span", f"{'✓' if item.is_good else '✗'} {item.verdict}", class_="good" if item.is_good else "bad")


def _cell(cell: str) -> Markup | str:
    return formula(cell.removeprefix(MATH)) if cell.startswith(MATH) else cell
