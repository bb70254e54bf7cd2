"""The report of a training run: one self-contained HTML file."""

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from chainrule._version import __version__
from chainrule.base.files import write_text
from chainrule.explain.derivation import Derivation
from chainrule.explain.write.html import content as derivation_content
from chainrule.jobs.training.flow import Watch, flow_by_epoch, watched
from chainrule.jobs.training.job import Job, Score
from chainrule.jobs.training.sections import Sections
from chainrule.jobs.training.text import TEXT
from chainrule.present.chart import line_chart
from chainrule.present.figure import shape_text
from chainrule.present.html import Markup, join, tag
from chainrule.present.page import details, page, pairs, paragraphs, preformatted
from chainrule.present.table import table
from chainrule.present.texts import Words
from chainrule.train.history import History

PARAMETERS = 20
"""The longest table of parameters that stands open."""


@dataclass(frozen=True)
class CheckedRow:
    """One parameter of the gradient check: its name, its shape, and the difference between the two gradients."""

    name: str
    shape: tuple[int, ...]
    error: float


def write_report(
    path: str | Path,
    job: Job,
    sections: Sections,
    history: History,
    score: Score,
    checked: Sequence[CheckedRow],
    command: str,
    lang: str = "en",
    derivation: Derivation | None = None,
    watch: Watch | None = None,
) -> None:
    """Write the report in English or Korean (`lang` "en" or "ko"), with a derivation if there is one.

    `sections` is what the kind of data shows. `watch` is the `doctor.GradientWatch` that monitored the training; the
    report then shows the gradient flow over the steps and its warning.
    """
    words = Words({**TEXT, **sections.text}, lang)
    title = f"{words['title']}: {job.name}"
    made = f"chainrule {__version__}, Python {platform.python_version()}, NumPy {np.__version__}, "
    content = [
        tag("h1", title),
        paragraphs(f"{made}{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", soft=True),
        _section(words["result"], sections.result(job, score, words)),
        _section(words["check"], _checked(checked, words)),
        _section(words["curves"], _curves(history, sections.curves, words), _pace(job, words)),
        _section(words["flow"], watched(watch, words), tag("p", words["flow_text"]), flow_by_epoch(job, words)),
        *(_section(title, shown) for title, shown in sections.held_out(job, score, words) if shown is not None),
        _section(words["data"], sections.data(job, words)),
        _section(words["network"], _network(job, words)),
        _derivation(derivation, words),
        _section(words["again"], preformatted(command)),
    ]
    write_text(path, page(title, lang, content))


def _section(title: str, *content: object) -> Markup:
    return tag("section", tag("h2", title), content)


def _checked(checked: Sequence[CheckedRow], words: Words) -> Iterator[Markup]:
    rows = [(tag("code", row.name), shape_text(row.shape), f"{row.error:.1e}") for row in checked]
    yield tag("p", words("check_text", worst=max((row.error for row in checked), default=0.0)))
    shown = table([words[key] for key in ("parameter", "shape", "error")], rows, words["check"])
    yield shown if len(rows) <= PARAMETERS else details(words("check_all", n=len(rows)), shown)
    yield pairs([(words["error"], words["error_text"])])


def _curves(history: History, columns: Sequence[str], words: Words) -> Markup:
    """Return charts of the columns that there are, of both parts of the data over the epochs."""
    rows = history.rows
    epochs = [float(row["epoch"]) for row in rows]
    charts = [
        line_chart(
            words[key],
            epochs,
            [(words["training"], [row[key] for row in rows]), (words["held_out"], [row[f"val_{key}"] for row in rows])],
            words.lang,
            x_label=words["epoch"],
            log_y=key == "loss",
        )
        for key in columns
        if rows and rows[-1].get(f"val_{key}") is not None
    ]
    return tag("div", charts, class_="side")


def _pace(job: Job, words: Words) -> Markup | None:
    """Return how fast the last epoch was, and how much memory the training took."""
    found = job.pace
    if "rows_per_second" not in found:
        return None
    said = {"speed": words("flow_of_data", rows=found["rows_per_second"], waited=found["waited"])}
    if "peak_memory" in found:
        said["peak_memory"] = f"{found['peak_memory'] / 1e6:,.0f} MB"
    return pairs((words[key], value) for key, value in said.items())


def _network(job: Job, words: Words) -> Markup:
    count = sum(p.size for p in job.model.parameters())
    return join(tag("p", words("parameters", n=count)), preformatted(str(job.model)))


def _derivation(derivation: Derivation | None, words: Words) -> Markup | None:
    if derivation is None:
        return None
    return _section(words["derivation"], details(words["derivation_text"], derivation_content(derivation, 3)))
