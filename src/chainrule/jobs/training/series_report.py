"""The report's sections for series: the errors, the forecasts of the held-out part, the error by step, the data."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from chainrule.jobs.training.sections import Sections
from chainrule.jobs.training.series import Forecasts, SeriesJob
from chainrule.jobs.training.series_text import TEXT
from chainrule.present.axes import number
from chainrule.present.chart import line_chart
from chainrule.present.html import Markup, join, tag
from chainrule.present.page import pairs, paragraphs
from chainrule.present.table import table
from chainrule.present.texts import Words
from chainrule.train.saved.series_description import SeriesScore

ROWS, BEFORE = 240, 0.5
"""The most held-out rows in the plot, and what share of their number is drawn before them."""


def _result(job: SeriesJob, score: SeriesScore, words: Words) -> Markup:
    said = words("held_out_mae", n=score.samples, target=job.series.target)
    share = 100 * (1 - score.mae / score.best_naive) if score.best_naive > 0 else 0.0
    verdict = words("better" if share >= 0.5 else "no_better", share=f"{abs(share):.0f}")
    return join(
        tag("div", number(score.mae, 4), class_="large"), tag("p", said), tag("p", verdict), _errors(score, words)
    )


def _errors(score: SeriesScore, words: Words) -> Markup:
    rows = [
        (words["network"], number(score.mae, 4), number(score.rmse, 4)),
        (words["naive"], number(score.naive, 4), ""),
    ]
    if score.seasonal is not None:
        rows.append((words("seasonal", period=score.period), number(score.seasonal, 4), ""))
    return table([words[key] for key in ("forecast", "mae", "rmse")], rows, words["errors"])


def _held_out(job: SeriesJob, score: SeriesScore, words: Words) -> Iterator[tuple[str, Markup | None]]:
    found = job.forecasts()
    yield words["forecasts"], _plot(job, found, words)
    yield words["by_step"], _by_step(found, score, words)


def _plot(job: SeriesJob, found: Forecasts, words: Words) -> Markup:
    """Return a chart of the end of the series, with forecasts one after the other."""
    horizon, rows = job.recipe.horizon, len(job.series)
    end = min(rows, job.cut + ROWS)
    begin = max(0, job.cut - round(BEFORE * (end - job.cut)))
    line = np.full((2, end - begin), np.nan)
    place = job.cut
    for b, network, again in zip(found.begins, found.predicted, _baseline(found), strict=True):
        if b >= place and b + horizon <= end:
            at = slice(int(b) - begin, int(b) - begin + horizon)
            line[0, at], line[1, at] = network, again
            place = int(b) + horizon
    values, clock = job.series.values[begin:end, 0], job.series.clock
    times = [clock.written(float(t)) for t in job.series.times[begin:end]]
    naive = words("seasonal", period=job.period) if found.seasonal is not None else words["naive"]
    lines = [(words["truth"], values.tolist()), (words["network"], line[0].tolist()), (naive, line[1].tolist())]
    said = words("forecasts_text", horizon=horizon, cut=clock.written(float(job.series.times[job.cut])))
    title = words("forecasts_of", target=job.series.target)
    return join(tag("p", said), line_chart(title, times, lines, words.lang, x_label=job.series.time or words["row"]))


def _baseline(found: Forecasts) -> NDArray[np.float64]:
    return found.naive if found.seasonal is None else found.seasonal


def _by_step(found: Forecasts, score: SeriesScore, words: Words) -> Markup | None:
    """Return a chart of the error over how many rows ahead a forecast is."""
    horizon = found.truth.shape[1]
    if horizon < 2:
        return None
    shown = {words["network"]: found.predicted, words["naive"]: found.naive}
    if found.seasonal is not None:
        shown[words("seasonal", period=score.period)] = found.seasonal
    lines = [(name, np.abs(values - found.truth).mean(axis=0).tolist()) for name, values in shown.items()]
    steps = [float(k) for k in range(1, horizon + 1)]
    return line_chart(words["mae"], steps, lines, words.lang, x_label=words["ahead"])


def _data(job: SeriesJob, words: Words) -> Markup:
    series, clock = job.series, job.series.clock
    said = {
        "source": series.name,
        "rows": str(len(series)),
        "from_to": f"{clock.written(float(series.times[0]))} – {clock.written(float(series.times[-1]))}",
        "features": ", ".join(series.inputs) or "–",
        "window": str(job.recipe.window),
        "horizon": str(job.recipe.horizon),
        "held_out": str(len(series) - job.cut),
    }
    end = paragraphs(words["end"], soft=True)
    return join(pairs((words[key], value) for key, value in said.items()), end)


SECTIONS = Sections(_result, _held_out, _data, curves=("loss",), text=TEXT)
