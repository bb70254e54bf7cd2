"""The grades of a class as text, CSV, JSON and a page."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict

from chainrule.check.report.words import TEXT as CHECKED
from chainrule.present import page
from chainrule.present.columns import set_left, set_right, width_of
from chainrule.present.escape import csv_cell, visible
from chainrule.present.html import join, tag
from chainrule.present.table import table
from chainrule.present.texts import Words

from .judge import Graded, Mark
from .words import TEXT

FIELDS = ("submission", "task", "points", "most", "verdict", "code", "cause", "line", "argument", "expected", "failing")


def to_text(graded: Sequence[Graded], lang: str = "en") -> str:
    """Return one line for each task, and under each submission its points."""
    say = Words(TEXT, lang)
    width = max((width_of(visible(mark.task)) for g in graded for mark in g.marks), default=0)
    lines = []
    for one in graded:
        total = say("total", points=one.points, most=one.most)
        lines.append(f"{visible(one.name)}: {total}")
        for mark in one.marks:
            share = set_right(f"{mark.points:g}/{mark.most:g}", 7)
            lines.append(f"  {set_left(visible(mark.task), width)} {share}  {visible(_said(mark, say))}")
            lines += [f"  {' ' * width}          {visible(text)}" for text in (mark.failing, mark.expected) if text]
    return "\n".join(lines) + "\n"


def to_csv(graded: Sequence[Graded]) -> str:
    """Return one row for each task; a cell that a spreadsheet would compute is text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for one in graded:
        for mark in one.marks:
            row = {"submission": one.name, **asdict(mark)}
            writer.writerow(["" if row[key] is None else csv_cell(str(row[key])) for key in FIELDS])
    return text.getvalue()


def to_json(graded: Sequence[Graded]) -> str:
    """Return everything for programs."""
    rows = [
        {"name": g.name, "points": g.points, "most": g.most, "note": g.note, "marks": [asdict(m) for m in g.marks]}
        for g in graded
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def to_html(graded: Sequence[Graded], lang: str = "en") -> str:
    """Return a page: a table of all points, and under it what is wrong with each submission."""
    say = Words(TEXT, lang)
    tasks = [mark.task for mark in graded[0].marks] if graded else []
    rows = [(g.name, *(f"{m.points:g}" for m in g.marks), f"{g.points:g}/{g.most:g}") for g in graded]
    overview = table((say["submission"], *tasks, say["points"]), rows, say["title"], named=True)
    head = tuple(say[key] for key in ("task", "points", "verdict", "cause", "line", "expected", "failing_input"))
    parts = []
    for one in graded:
        cells = [
            (m.task, f"{m.points:g}/{m.most:g}", _verdict(m, say), m.cause, m.line or "", m.expected, m.failing)
            for m in one.marks
        ]
        parts.append(join(tag("h2", one.name), table(head, cells, one.name, named=True)))
    return page.page(say["title"], lang, tag("h1", say["title"]), overview, *parts)


def _said(mark: Mark, say: Words) -> str:
    if mark.verdict == "right":
        return say["right"]
    where = f" ({say('at_line', line=mark.line)})" if mark.line and mark.verdict == "error" else ""
    name = f"{mark.argument}: " if mark.argument and mark.code != "step" else ""
    return f"{_verdict(mark, say)}: {name}{mark.cause}{where}"


def _verdict(mark: Mark, say: Words) -> str:
    """Return a verdict in the reader's language: one of grading, or one of `check`."""
    key = f"verdict {mark.verdict}"
    return say.get(key, Words(CHECKED, say.lang).get(key, mark.verdict))
