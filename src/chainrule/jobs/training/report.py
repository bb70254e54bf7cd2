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
from chainrule.jobs.training.text import TEXT
from chainrule.present.axes import number
from chainrule.present.chart import line_chart, scatter
from chainrule.present.figure import shape_text
from chainrule.present.heat_map import heat_map
from chainrule.present.html import Markup, join, tag
from chainrule.present.image import grey_image
from chainrule.present.page import details, page, pairs, paragraphs, preformatted
from chainrule.present.table import table
from chainrule.present.texts import Words
from chainrule.train.history import History

POINTS, WORST = 1000, 20
"""The most predictions of a regression that are drawn, and how many of the worst are listed."""
MISTAKES = 12


@dataclass(frozen=True)
class CheckedRow:
    """One parameter of the gradient check: its name, its shape, and the difference between the two gradients."""

    name: str
    shape: tuple[int, ...]
    error: float


def write_report(
    path: str | Path,
    job: Job,
    history: History,
    score: Score,
    checked: Sequence[CheckedRow],
    command: str,
    lang: str = "en",
    derivation: Derivation | None = None,
    watch: Watch | None = None,
) -> None:
    """Write the report in English or Korean (`lang` "en" or "ko"), with a derivation if there is one.

    `watch` is the `doctor.GradientWatch` that monitored the training; the report then shows the gradient flow over the
    steps and its warning.
    """
    words = Words(TEXT, lang)
    title = f"{words['title']}: {job.data.name}"
    made = f"chainrule {__version__}, Python {platform.python_version()}, NumPy {np.__version__}, "
    content = [
        tag("h1", title),
        paragraphs(f"{made}{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", soft=True),
        _section(words["result"], _result(job, score, words)),
        _section(words["check"], _checked(checked, words)),
        _section(words["curves"], _curves(history, words)),
        _section(words["flow"], watched(watch, words), tag("p", words["flow_text"]), flow_by_epoch(job, words)),
        _section(words["confusion"], (_confusion if job.is_classification else _predictions)(job, score, words)),
        _mistakes(job, score, words),
        _section(words["data"], _data(job, words)),
        _section(words["network"], _network(job, words)),
        _derivation(derivation, words),
        _section(words["again"], preformatted(command)),
    ]
    write_text(path, page(title, lang, content))


def _section(title: str, *content: object) -> Markup:
    return tag("section", tag("h2", title), content)


def _result(job: Job, score: Score, words: Words) -> Markup:
    figure = f"{100 * (score.accuracy or 0.0):.2f} %" if job.is_classification else f"{score.rmse:.4g}"
    said = words("held_out_accuracy" if job.is_classification else "held_out_rmse", n=score.samples)
    return join(tag("div", figure, class_="large"), tag("p", said))


def _checked(checked: Sequence[CheckedRow], words: Words) -> Iterator[Markup]:
    rows = [(tag("code", row.name), shape_text(row.shape), f"{row.error:.1e}") for row in checked]
    yield tag("p", words("check_text", worst=max((row.error for row in checked), default=0.0)))
    yield table([words[key] for key in ("parameter", "shape", "error")], rows, words["check"])
    yield pairs([(words["error"], words["error_text"])])


def _curves(history: History, words: Words) -> Markup:
    """Return charts of the loss, and the accuracy if there is one, of both parts of the data over the epochs."""
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
        for key in ("loss", "accuracy")
        if rows and rows[-1].get(f"val_{key}") is not None
    ]
    return tag("div", charts, class_="side")


def _confusion(job: Job, score: Score, words: Words) -> Markup:
    assert score.confusion is not None  # a classification has one
    names = job.data.class_names
    title, counts = words["confusion_counts"], score.confusion.tolist()
    x, y = words["predicted"], words["truth"]
    return heat_map(title, counts, names, names, words.lang, x_label=x, y_label=y, counts=True, widest=60)


def _predictions(job: Job, score: Score, words: Words) -> Markup:  # noqa: ARG001
    """Return charts of predictions against the truth, and of residuals against predictions."""
    residuals = score.truth - score.predicted
    shown = slice(None, None, -(-len(residuals) // POINTS))
    keys = ("truth", "predicted", "residual")
    order = np.argsort(-np.abs(residuals), kind="stable")[:WORST]
    columns = (score.truth, score.predicted, residuals)
    rows = [[number(float(column[k])) for column in columns] for k in order]
    worst = paragraphs(words("worst", shown=len(rows), total=len(residuals)), soft=True)

    def drawn(title: str, x: int, y: int) -> Markup:
        points = list(zip(columns[x][shown].tolist(), columns[y][shown].tolist(), strict=True))
        said = join(table([words[key] for key in keys], rows, words[title]), worst)
        labels = {"x_label": words[keys[x]], "y_label": words[keys[y]]}
        return scatter(words[title], points, words.lang, **labels, diagonal=y == 1, numbers=said)

    count = len(residuals[shown])
    note = words("points", shown=count, total=len(residuals)) if count < len(residuals) else ""
    charts = tag("div", drawn("scatter", 0, 1), drawn("residuals", 1, 2), class_="side")
    return join(charts, paragraphs(f"{words['dashed']} {note}", soft=True))


def _mistakes(job: Job, score: Score, words: Words) -> Markup | None:
    """Return the held-out images that the network gets wrong, if the samples are images."""
    shape = job.data.image_shape
    wrong = np.flatnonzero(score.truth != score.predicted)[:MISTAKES]
    if not job.is_classification or shape is None or len(shape) != 2 or len(wrong) == 0:
        return None
    names = job.data.class_names
    images = []
    for k in wrong:
        truth, predicted = names[score.truth[k]], names[score.predicted[k]]
        said = words("mistake", truth=truth, predicted=predicted)
        image = grey_image(job.data.x[job.held_out_rows[k]].reshape(shape), said)
        images.append(tag("figure", image, tag("figcaption", f"{truth} → {predicted}")))
    return _section(words["mistakes"], tag("div", images, class_="images"))


def _data(job: Job, words: Words) -> Markup:
    count, features = job.data.x.shape
    classes = ", ".join(job.data.class_names) if job.is_classification else ""
    said = {"samples": str(count), "features": str(features), "classes": classes, "source": job.data.source}
    return pairs((words[key], value) for key, value in said.items())


def _network(job: Job, words: Words) -> Markup:
    count = sum(p.size for p in job.model.parameters())
    return join(tag("p", words("parameters", n=count)), preformatted(str(job.model)))


def _derivation(derivation: Derivation | None, words: Words) -> Markup | None:
    if derivation is None:
        return None
    return _section(words["derivation"], details(words["derivation_text"], derivation_content(derivation, 3)))
