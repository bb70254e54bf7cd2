"""A diagnosis as HTML: verdicts, remedies, pictures, the table of layers with what its columns say."""

from collections.abc import Iterator

from chainrule.doctor.examine.measure import named_use
from chainrule.doctor.found import Diagnosed, Remedy, Verdict
from chainrule.present.chart import histograms, line_chart
from chainrule.present.heat_map import heat_map
from chainrule.present.html import Markup, join, tag
from chainrule.present.page import fragment, heading, page, pairs, paragraphs, preformatted
from chainrule.present.table import table
from chainrule.present.texts import Words

from .text import COLUMNS, cells_of, remedy_lines, summary
from .words import TEXT

MOST = 64
"""How many layers get a histogram."""


def html_of(d: Diagnosed, lang: str) -> str:
    """Return the page."""
    words = Words(TEXT, lang)
    return page(words("title", name=d.named(lang)), lang, *_content(d, words, 1))


def fragment_of(d: Diagnosed, lang: str = "en") -> str:
    """Return the report as one element for a notebook."""
    return fragment(lang, *_content(d, Words(TEXT, lang), 2))


def _content(d: Diagnosed, words: Words, level: int) -> Iterator[Markup]:
    state = tag("span", words["well" if d.ok else "sick"], class_="good" if d.ok else "bad")
    yield heading(level, words("title", name=d.named(words.lang)), ": ", state)
    yield tag("p", summary(d, words.lang))
    for verdict in d.verdicts:
        yield _verdict(verdict, words.lang, level + 1)
    if d.winner is not None:
        yield _winner(d.winner, words, level + 1)
    yield paragraphs(*d.notes, *d.left_out(words.lang), soft=True)
    yield from _figures(d, words)
    yield join(heading(level + 1, words["layers"]), _table(d, words))


def _verdict(v: Verdict, lang: str, level: int) -> Markup:
    lines = [tag("li", line) for line in remedy_lines(v, lang)]
    return join(
        heading(level, v.titled(lang), class_="good" if v.code == "healthy" else "bad"),
        tag("p", v.text(lang)),
        paragraphs(v.limit(lang), soft=True),
        tag("ul", lines) if lines else None,
    )


def _winner(r: Remedy, words: Words, level: int) -> Markup:
    return join(heading(level, f"{words['winner']} {r.text(words.lang)}"), preformatted(r.diff))


def _figures(d: Diagnosed, words: Words) -> Iterator[Markup]:
    rows = [row for row in d.layers if row.gradient == row.gradient and row.kind != "embedding"]
    names, lang = [named_use(row.name, row.use) for row in rows], words.lang
    norms = [row.gradient for row in rows]
    yield line_chart(
        words["figure depth"], names, [(words["gradient"], norms)], lang, x_label=words["layer"], log_y=True
    )
    if d.history and all(len(moment[2]) == len(names) for moment in d.history):
        steps = [str(step) for step, _, _ in d.history]
        by_layer = list(zip(*(norms for _, _, norms in d.history), strict=True))
        yield heat_map(words["figure time"], by_layer, names, steps, lang, x_label=words["step"])
    values = [(row.name, row.histogram) for row in d.layers if row.histogram is not None and row.use == 0][:MOST]
    head = [words[key] for key in ("layer", "from", "to", "counts")]
    yield histograms(words["figure values"], values, lang, head)


def _table(d: Diagnosed, words: Words) -> Markup:
    """Return the table of layers without empty columns, and what each column says."""
    cells = [cells_of(row) for row in d.layers]
    used = [k for k, _ in enumerate(COLUMNS) if any(row[k] for row in cells)]
    keys = [COLUMNS[k] for k in used]
    rows = [[row[k] for k in used] for row in cells]
    said = ((words[key], words[f"{key} text"]) for key in keys if f"{key} text" in words)
    return join(table([words[key] for key in keys], rows, words["layers"], named=True), pairs(said))
