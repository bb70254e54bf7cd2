"""A heat map: rows of values as shades, each cell with its value in words."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .axes import LETTER, named, number, shortened
from .columns import width_of
from .figure import cell_text, figure, number_table, percent, picture, text_at
from .html import Markup, tag
from .texts import SHARED, Words

SHADES = 9
TALLEST, COUNT = 22, 26
"""How high a cell is at most, and one with a count in it."""
MOST_HIGH = 420
LEAST_WIDE, MOST_COUNTED = 26, 40
NARROW = 200
"""How wide the cells together are on a small screen."""


def heat_map(
    title: str,
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    lang: str,
    *,
    ends: tuple[float, float] | None = None,
    x_label: str = "",
    y_label: str = "",
    counts: bool = False,
    widest: float = 0,
    numbers: Markup | None = None,
) -> Markup:
    """Return rows of values as shades of their logarithm: between the `ends`, or the least and the greatest of them.

    Without `ends`, zeros and what is not finite look each their own way. `counts` are written into their cells and
    shaded by their root. A cell is at most `widest` pixels wide, and says its row, column and value. Nothing is
    returned where there is no value to be shaded; `numbers` stands for the table of all values.
    """
    known = [v for line in values for v in line if math.isfinite(v) and v > 0]
    if not known and ends is None:
        return Markup("")
    drawn = _HeatMap(values, rows, columns, ends or (min(known), max(known)), ends is not None, counts)
    head = [y_label, *(columns or map(str, range(len(values[0]))))]
    lines = [[_of(rows, i) or str(i), *map(cell_text, line)] for i, line in enumerate(values)]
    given = numbers or number_table(head, lines, title, lang)
    legend = None if counts else drawn.legend(lang)
    return figure(title, lang, drawn.picture(title, x_label, y_label, widest), legend, numbers=given)


def shade(value: float, low: float, high: float) -> int:
    """Return which of the shades, from 0 to 8, a positive value has between two ends, by its logarithm.

    >>> shade(1e-8, 1e-8, 1.0), shade(1e-4, 1e-8, 1.0), shade(7.0, 1e-8, 1.0)
    (0, 4, 8)
    """
    wide = math.log10(high / low) if high > low else 1.0
    share = math.log10(max(value, low) / low) / wide if value < high else 1.0
    return round((SHADES - 1) * share)


@dataclass(frozen=True)
class _HeatMap:
    values: Sequence[Sequence[float]]
    rows: Sequence[str]
    columns: Sequence[str]
    ends: tuple[float, float]
    is_clipped: bool
    counts: bool

    @property
    def has_counts(self) -> bool:
        """Whether counts are written into the cells: of very many classes they are not."""
        return self.counts and len(self.values) <= MOST_COUNTED

    @property
    def tall(self) -> int:
        return COUNT if self.has_counts else max(4, min(TALLEST, MOST_HIGH // len(self.values)))

    def picture(self, title: str, x_label: str, y_label: str, widest: float) -> Markup:
        across = len(self.values[0])
        left = 10 + LETTER * max(width_of(shortened(name)) for name in self.rows) if self.rows else 0
        below, above = 18 * bool(self.columns) + 18 * bool(x_label), 20 * bool(y_label)
        inside = [
            self._cells(),
            self._row_names(),
            self._column_names(),
            text_at(x_label, "50%", "100%", "middle", dy=below - 4) if x_label else None,
            text_at(y_label, -left, 0, "start", dy=-8) if y_label else None,
        ]
        said = f"{number(self.ends[0])} – {number(self.ends[1])}"
        least = left + LEAST_WIDE * across if self.has_counts else 0
        size = len(self.values) * self.tall + above + below
        beyond = (above, max(4, self._beyond()), below, left)
        drawn = picture(title, said, inside, size, beyond, widest and widest * across + left, least)
        return tag("div", drawn, class_="scroll", tabindex=0) if least else drawn

    def _cells(self) -> Iterator[Markup]:
        wide = 1 / len(self.values[0])
        for i, line in enumerate(self.values):
            for j, value in enumerate(line):
                look, middle = self._look(value), (percent((j + 0.5) * wide), (i + 0.5) * self.tall)
                names = ", ".join(filter(None, (_of(self.rows, i), _of(self.columns, j))))
                place = {"x": percent(j * wide), "y": i * self.tall, "width": percent(wide), "height": self.tall}
                yield tag("rect", tag("title", f"{names}: {cell_text(value)}"), class_=f"cell {look}", **place)
                if self.has_counts and value:
                    yield text_at(f"{value:g}", *middle, "middle", dy=4, class_=_tone(look))

    def _look(self, value: float) -> str:
        low, high = self.ends
        if self.counts:
            return f"h{math.ceil((SHADES - 1) * math.sqrt(value / high))}" if value else "gap"
        if value == 0:
            return "h0" if self.is_clipped else "none"
        if not math.isfinite(value):
            return f"h{SHADES - 1}" if self.is_clipped else "gap"
        return f"h{shade(value, low, high)}"

    def _row_names(self) -> Iterator[Markup]:
        for k in range(0, len(self.rows), max(1, math.ceil(13 / self.tall))):
            yield text_at(shortened(self.rows[k]), -8, (k + 0.5) * self.tall, "end", dy=4)

    def _column_names(self) -> Iterator[Markup]:
        count = len(self.columns)
        for share, name in named(self.columns).marks if count else ():
            yield text_at(name, percent((round(share * max(count - 1, 1)) + 0.5) / count), "100%", "middle", dy=16)

    def _beyond(self) -> float:
        """How far the last name is wider than the cells beside it, where the picture is narrow."""
        count = len(self.columns)
        share, name = named(self.columns).marks[-1] if count else (0.0, "")
        beside = (count - 0.5 - round(share * max(count - 1, 1))) / count if count else 0.0
        return LETTER * width_of(name) / 2 - NARROW * beside

    def legend(self, lang: str) -> Markup:
        low, high = map(number, self.ends)
        looks = {self._look(v) for line in self.values for v in line}
        levels = tag("span", (_swatch(f"h{k}") for k in range(SHADES)), class_="levels")
        apart = (("none", "0"), ("gap", Words(SHARED, lang)["no value"]))
        bounds = (f"≤ {low}", f"≥ {high}") if self.is_clipped else (low, high)
        items = [bounds[0], levels, bounds[1], *([_swatch(look), name] for look, name in apart if look in looks)]
        return tag("ul", (tag("li", item) for item in items), class_="legend")


def _of(names: Sequence[str], k: int) -> str:
    return names[k] if names else ""


def _tone(look: str) -> str:
    """Return how a count is written on a shade, so that it can be read on light and on dark paper."""
    return "weak" if look < "h3" else "middle" if look < "h6" else "strong"


def _swatch(look: str) -> Markup:
    return tag("svg", tag("rect", width="100%", height="100%", class_=look), aria_hidden="true")
