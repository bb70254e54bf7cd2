"""A kind's part of the report of a training run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.present.heat_map import heat_map
from chainrule.present.html import Markup
from chainrule.present.texts import Words


@dataclass(frozen=True)
class Sections:
    """What the report shows of one kind of data, made from the job, its score and the words of the language."""

    result: Callable[[Any, Any, Words], Markup]
    """The figure on held-out data, large, and what it is."""
    held_out: Callable[[Any, Any, Words], Iterable[tuple[str, Markup | None]]]
    """Titles and contents of the sections on held-out data; those without content are left out."""
    data: Callable[[Any, Words], Markup]
    """What the data are."""
    curves: tuple[str, ...] = ("loss", "accuracy")
    """The columns of the history to draw, where it has them."""
    text: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The kind's own words, beside those of `text.TEXT`: key, then language."""


def confusion_map(counts: NDArray[np.int64], names: Sequence[str], words: Words) -> Markup:
    """Return how many samples of each class were taken for which, as shades with numbers."""
    title, x, y = words["confusion_counts"], words["predicted"], words["truth"]
    return heat_map(title, counts.tolist(), names, names, words.lang, x_label=x, y_label=y, counts=True, widest=60)
