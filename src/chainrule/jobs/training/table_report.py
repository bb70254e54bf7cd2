"""The report's sections for tables: the score, the confusion matrix or the predictions, mistakes, the data."""

from collections.abc import Iterator

import numpy as np

from chainrule.jobs.training.sections import Sections, confusion_map
from chainrule.jobs.training.table import Score, TableJob
from chainrule.present.axes import number
from chainrule.present.chart import scatter
from chainrule.present.html import Markup, join, tag
from chainrule.present.image import grey_image
from chainrule.present.page import pairs, paragraphs
from chainrule.present.table import table
from chainrule.present.texts import Words

POINTS, WORST = 1000, 20
"""The most predictions of a regression that are drawn, and how many of the worst are listed."""
MISTAKES = 12


def _result(job: TableJob, score: Score, words: Words) -> Markup:
    figure = f"{100 * (score.accuracy or 0.0):.2f} %" if job.is_classification else f"{score.rmse:.4g}"
    said = words("held_out_accuracy" if job.is_classification else "held_out_rmse", n=score.samples)
    return join(tag("div", figure, class_="large"), tag("p", said))


def _held_out(job: TableJob, score: Score, words: Words) -> Iterator[tuple[str, Markup | None]]:
    yield words["confusion"], (_confusion if job.is_classification else _predictions)(job, score, words)
    yield words["mistakes"], _mistakes(job, score, words)


def _confusion(job: TableJob, score: Score, words: Words) -> Markup:
    assert score.confusion is not None  # a classification has one
    return confusion_map(score.confusion, job.data.class_names, words)


def _predictions(job: TableJob, score: Score, words: Words) -> Markup:  # noqa: ARG001
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


def _mistakes(job: TableJob, score: Score, words: Words) -> Markup | None:
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
    return tag("div", images, class_="images")


def _data(job: TableJob, words: Words) -> Markup:
    count, features = job.data.x.shape
    classes = ", ".join(job.data.class_names) if job.is_classification else ""
    said = {"samples": str(count), "features": str(features), "classes": classes, "source": job.data.source}
    return pairs((words[key], value) for key, value in said.items())


SECTIONS = Sections(_result, _held_out, _data)
