"""A derivation as Markdown, its mathematics between dollars."""

from collections.abc import Iterator

from chainrule.explain.derive.steps import Account
from chainrule.present.escape import markdown

from .sections import MATH, Item, Table, footer, heading, sections


def write_markdown(derivation: Account) -> str:
    """Return the whole derivation."""
    lines = [f"# {markdown(heading(derivation))}", ""]
    for number, section in enumerate(sections(derivation), 1):
        lines += [f"## {number}. {section.heading}", ""]
        lines += [line for paragraph in section.paragraphs for line in (markdown(paragraph), "")]
        for item in section.items:
            lines += _item(item)
        for table in section.tables:
            lines += [*_table(table), ""]
    return "\n".join([*lines, f"*{footer(derivation)}*"]) + "\n"


def _item(item: Item) -> Iterator[str]:
    if not item.latex:
        yield from (f"*{markdown(item.note)}*", "")
        return
    for line in item.lines:
        if line.title:
            yield from (f"{line.title}:", "")
        yield from ("$$", markdown(line.latex, "math"), "$$", "", f"({_mark(line)})", "")
    equation = item.latex + (f" = {item.numbers}" if item.numbers else "") + _value(item)
    yield from ("$$", markdown(equation, "math"), "$$", "")
    yield from (
        " · ".join(part for part in (f"`{item.shape}`", _mark(item), _code(item.where), markdown(item.note)) if part),
        "",
    )


def _value(item: Item) -> str:
    return f" = {item.value}" if item.value and item.value != item.numbers else ""


def _code(where: str) -> str:
    return f"`{markdown(where, 'code')}`" if where else ""


def _mark(item: Item) -> str:
    return f"{'✓' if item.is_good else '✗'} {item.verdict}"


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.head)} |"
    yield f"|{'|'.join('---' for _ in table.head)}|"
    for row in table.rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(cell: str) -> str:
    # A bar would end the cell.
    return (
        f"${markdown(cell.removeprefix(MATH), 'math').replace('|', chr(92) + 'vert ')}$"
        if cell.startswith(MATH)
        else markdown(cell).replace("|", "\\|")
    )
