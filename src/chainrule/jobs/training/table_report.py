"""The report's sections for tables: the score, the confusion matrix or the predictions, mistakes, the data."""

from collections.abc import Iterator
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.jobs.training.baselines import baselines
from chainrule.jobs.training.calibration import calibration
from chainrule.jobs.training.importance import importance
from chainrule.jobs.training.sections import Sections, confusion_map
from chainrule.jobs.training.table import Score, TableJob
from chainrule.jobs.training.table_text import TEXT
from chainrule.present.axes import number
from chainrule.present.bars import bar_chart
from chainrule.present.chart import scatter
from chainrule.present.html import Markup, join, tag
from chainrule.present.image import grey_image
from chainrule.present.page import pairs, paragraphs
from chainrule.present.table import table
from chainrule.present.texts import Words

POINTS, WORST = 1000, 20
"""The most predictions of a regression that are drawn, and how many of the worst are listed."""
MISTAKES = 12


def result(job: Any, score: Any, words: Words) -> Markup:
    """Return the accuracy or the error on held-out data, large."""
    said = words("held_out_accuracy" if job.is_classification else "held_out_rmse", n=score.samples)
    return join(tag("div", _figure(job, score), class_="large"), tag("p", said))


def _with_baselines(job: TableJob, score: Score, words: Words) -> Markup:
    return join(result(job, score, words), _beside(job, score, words))


def _figure(job: Any, score: Any) -> str:
    return _written(job, (score.accuracy if job.is_classification else score.rmse) or 0.0)


def _written(job: Any, result: float) -> str:
    return f"{100 * result:.2f} %" if job.is_classification else f"{result:.4g}"


def _beside(job: TableJob, score: Score, words: Words) -> Markup:
    """Return the network's result among those of other models, the best first."""
    found = [(words[one.key], one.result) for one in baselines(job)]
    found.append((words["this_network"], (score.accuracy if job.is_classification else score.rmse) or 0.0))
    found.sort(key=lambda row: row[1], reverse=job.is_classification)
    head = [words["model"], words["accuracy" if job.is_classification else "rmse"]]
    rows = [[tag("strong", name) if name == words["this_network"] else name, _written(job, r)] for name, r in found]
    return join(table(head, rows, words["baselines"]), paragraphs(words["baselines_text"], soft=True))


def _held_out(job: TableJob, score: Score, words: Words) -> Iterator[tuple[str, Markup | None]]:
    yield words["confusion"], (confusion if job.is_classification else predictions)(job, score, words)
    yield words["mistakes"], _mistakes(job, score, words)
    if job.is_classification:
        yield words["calibration"], _calibration(job, words)
    yield words["importance"], _importance(job, words)
    yield words["search"], _search(job, words)


def _calibration(job: TableJob, words: Words) -> Markup:
    """Return a reliability diagram: how often the network is right, over how sure it is."""
    found = calibration(job.probabilities(), job.truth())
    rows = [
        [f"{one.low:.1f} – {one.high:.1f}", one.count, number(one.confidence), number(one.accuracy)]
        for one in found.bins
    ]
    head = [words[key] for key in ("confidence", "samples", "mean_confidence", "accuracy")]
    drawn = scatter(
        words["reliability"],
        [(one.confidence, one.accuracy) for one in found.bins],
        words.lang,
        x_label=words["confidence"],
        y_label=words["accuracy"],
        diagonal=True,
        numbers=table(head, rows, words["reliability"]),
    )
    return join(tag("p", words("calibration_text", error=100 * found.error)), drawn)


def _importance(job: TableJob, words: Words) -> Markup | None:
    """Return the columns that the predictions rest on, unless the columns are pixels."""
    if job.data.image_shape is not None:
        return None
    found = importance(job)
    series = [
        (words["permuted" if job.is_classification else "permuted_rmse"], [one.permuted for one in found]),
        (words["gradient"], [one.gradient for one in found]),
    ]
    drawn = bar_chart(words["by_column"], [one.column for one in found], series, words.lang, words["column"])
    total = len({feature.column for feature in job.data.features})
    note = words("columns", shown=len(found), total=total) if len(found) < total else ""
    return join(paragraphs(words["importance_text"]), drawn, paragraphs(note, soft=True))


def _search(job: TableJob, words: Words) -> Markup | None:
    """Return the settings that were tried, if there was a search, the best first."""
    if not job.tried:
        return None
    rows = [
        [
            k + 1,
            ", ".join(map(str, trial.recipe.hidden)) or "–",
            *(f"{value:.2g}" for value in (trial.recipe.lr, trial.recipe.dropout, trial.recipe.weight_decay)),
            trial.recipe.batch_size,
            trial.epochs,
            number(trial.loss, 4) if isfinite(trial.loss) else words["diverged"],
        ]
        for k, trial in enumerate(job.tried)
    ]
    keys = ("rank", "widths", "rate", "dropout", "decay", "batch", "epochs", "validation_loss")
    shown = table([words[key] for key in keys], rows, words["search"])
    return join(paragraphs(words("search_text", n=len(rows))), shown)


def confusion(job: Any, score: Any, words: Words) -> Markup:
    """Return the confusion matrix as a heat map."""
    assert score.confusion is not None  # a classification has one
    return confusion_map(score.confusion, job.data.class_names, words)


def predictions(_job: Any, score: Any, words: Words) -> Markup:
    """Return charts of predictions against the truth, and of residuals against predictions."""
    residuals = score.truth - score.predicted
    shown = slice(None, None, -(-len(residuals) // POINTS))
    keys = ("truth", "predicted", "residual")
    order = np.argsort(-np.abs(residuals), kind="stable")[:WORST]
    columns = (score.truth, score.predicted, residuals)
    rows = [[number(float(column[k])) for column in columns] for k in order]
    worst = paragraphs(words("worst", shown=len(rows), total=score.samples), soft=True)

    def drawn(title: str, x: int, y: int) -> Markup:
        points = list(zip(columns[x][shown].tolist(), columns[y][shown].tolist(), strict=True))
        said = join(table([words[key] for key in keys], rows, words[title]), worst)
        labels = {"x_label": words[keys[x]], "y_label": words[keys[y]]}
        return scatter(words[title], points, words.lang, **labels, diagonal=y == 1, numbers=said)

    count = len(residuals[shown])
    note = words("points", shown=count, total=score.samples) if count < score.samples else ""
    charts = tag("div", drawn("scatter", 0, 1), drawn("residuals", 1, 2), class_="side")
    return join(charts, paragraphs(f"{words['dashed']} {note}", soft=True))


def _mistakes(job: TableJob, score: Score, words: Words) -> Markup | None:
    """Return the held-out images that the network gets wrong, if the samples are images."""
    if not job.is_classification:
        return None
    wrong = np.flatnonzero(score.truth != score.predicted)[:MISTAKES]
    return images(job, job.data.x[job.held_out_rows[wrong]], score.truth[wrong], score.predicted[wrong], words)


def images(job: Any, x: NDArray[Any], truth: NDArray[Any], predicted: NDArray[Any], words: Words) -> Markup | None:
    """Return pictures of samples with their classes, if there are any and they are grey images."""
    shape, names = job.data.image_shape, job.data.class_names
    if shape is None or len(shape) != 2 or len(x) == 0:
        return None
    figures = []
    for pixels, k, taken in zip(x, truth, predicted, strict=True):
        said = words("mistake", truth=names[k], predicted=names[taken])
        figures.append(
            tag("figure", grey_image(pixels.reshape(shape), said), tag("figcaption", f"{names[k]} → {names[taken]}"))
        )
    return tag("div", figures, class_="images")


def _data(job: TableJob, words: Words) -> Markup:
    count, features = job.data.x.shape
    classes = ", ".join(job.data.class_names) if job.is_classification else ""
    said = {"samples": str(count), "features": str(features), "classes": classes, "source": job.data.source}
    return pairs((words[key], value) for key, value in said.items())


SECTIONS = Sections(_with_baselines, _held_out, _data, text=TEXT)
