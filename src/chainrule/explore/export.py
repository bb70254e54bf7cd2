"""The walk as one file: what was recorded can be stepped through and scrubbed without Python."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.explain.derive.build import derive
from chainrule.present.texts import Words

from .charts import charts
from .naming import entry_name
from .page.pages import recorded_page
from .panel import panel
from .run import Box, Run
from .session import Session
from .texts import TEXT
from .view import drawing, known_loss, numbers_of

MOST_FRAMES = 60
"""The most moments that a file keeps, at equal distances."""
MOST_TEXT = 4_000_000
"""About how many characters the panels of a file may have: of a large network fewer moments are kept."""


def recorded(session: Session, lang: str, most: int = MOST_FRAMES) -> str:
    """Return a page with what was recorded, which needs nothing else; it keeps `most` moments, evenly spaced."""
    return recorded_page(lang, recording(session, lang, most))


def recording(session: Session, lang: str, most: int = MOST_FRAMES) -> dict[str, Any]:
    """Return the drawing, the moments of the training with their panels, and the LaTeX of the derivation."""
    words, pool = Words(TEXT, lang), _Pool()
    first = _frame(session, session.index, lang, pool)
    room = max(1, min(most, MOST_TEXT // max(pool.size, 1)))
    kept = sorted({*_spread(len(session.moments), room), session.index})
    frames = [first if k == session.index else _frame(session, k, lang, pool) for k in kept]
    return {
        "position": session.position,
        "index": kept.index(session.index),
        "chosen": session.chosen,
        "drawing": drawing(session, lang),
        "opened": _all_open(session, lang),
        "frames": frames,
        "texts": pool.texts,
        "steps": len(session.moments) - 1,
        "charts": str(charts(session.moments, None, lang)),  # one picture for every moment
        "rule": {"name": session.rule.name, "lr": session.rule.lr},
        "unknown": words["loss unknown"],
        "open": words["open block"],
        "said": {b.name: words("block said", n=len(b.copies), path=b.path) for b in session.blocks},
        "latex": latex_of(session, lang),
    }


def _spread(count: int, most: int) -> Sequence[int]:
    """Return numbers below a count at equal distances, the first and the last among them.

    >>> _spread(5, 10), _spread(100, 3)
    ([0, 1, 2, 3, 4], [0, 50, 99])
    """
    if count <= most:
        return list(range(count))
    return sorted({round(k * (count - 1) / max(most - 1, 1)) for k in range(most)})


class _Pool:
    """Texts, each kept once: the panels of two moments have most of theirs in common."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.size = 0
        self._numbers: dict[str, int] = {}

    def add(self, text: str) -> int:
        """Return the number of a text."""
        if text not in self._numbers:
            self._numbers[text] = len(self.texts)
            self.texts.append(text)
            self.size += len(text)
        return self._numbers[text]


def _frame(session: Session, k: int, lang: str, pool: _Pool) -> dict[str, Any]:
    """Return one moment: its numbers, its loss, and what is said of every box."""
    run = session.run if k == session.index else Run(session.subject, session.moments[k].values, session.run)
    change = session.change if k == session.index else None
    return {
        "step": k,
        "numbers": {**numbers_of(run), "charts": ""},
        "loss": known_loss(run, k, change, lang),
        "panels": {box.name: _panel(run, box, lang, pool) for box in run.boxes},
    }


def _panel(run: Run, box: Box, lang: str, pool: _Pool) -> Mapping[str, Any]:
    found = panel(run, box, lang)
    return {key: pool.add(value) if isinstance(value, str) else value for key, value in found.items()} | _asked(box)


def _asked(box: Box) -> dict[str, str]:
    """Return the names of the numbers that a reader is asked to predict."""
    if isinstance(box.value, tuple) or not np.size(box.value):
        return {}
    name = entry_name(box.name, (0,) * np.ndim(box.value))
    return {"askedValue": name, "askedGradient": f"∂L/∂{name}"}


def _all_open(session: Session, lang: str) -> dict[str, Any] | None:
    """Return the drawing with every block open, if there are any."""
    if not session.blocks:
        return None
    before = session.opened
    session.open("*", True)
    found = drawing(session, lang)
    session.opened = before
    session.redraw()
    return found


def latex_of(session: Session, lang: str) -> str:
    """Return the derivation as a LaTeX document."""
    with np.errstate(all="ignore"):
        return derive(session.run.recording, lang, "full").to_latex()
