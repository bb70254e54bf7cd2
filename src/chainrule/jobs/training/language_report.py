"""The report's sections for texts: the loss, what the network wrote, what it expects and where it looks, the data."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from chainrule.core.transforms.derivatives import no_grad
from chainrule.jobs.training.language import LanguageJob
from chainrule.jobs.training.language_text import TEXT
from chainrule.jobs.training.sections import Sections
from chainrule.nn.functional import softmax
from chainrule.nn.mode import in_mode
from chainrule.present.chart import line_chart
from chainrule.present.heat_map import heat_map
from chainrule.present.html import Markup, join, tag
from chainrule.present.page import pairs, paragraphs, preformatted
from chainrule.present.table import table
from chainrule.present.texts import Words
from chainrule.train.saved.language_description import LanguageScore

LINE, CANDIDATES, LISTED = 40, 14, 3
"""How many tokens of the held-out text are looked at, how many candidates are drawn, and listed for each place."""
SAMPLES = 8
"""How many samples are shown, evenly spread over the training."""


def _result(job: LanguageJob, score: LanguageScore, words: Words) -> Markup:
    figure = words("nats", nats=f"{score.nats:.4f}")
    figures = {"perplexity": f"{score.perplexity:.4g}", "loss": f"{score.loss:.4f}"}
    said = words("held_out_nats", n=score.samples, least=job.evaluated.ignored + 1, **figures)
    return join(tag("div", figure, class_="large"), tag("p", said))


def _held_out(job: LanguageJob, score: LanguageScore, words: Words) -> Iterator[tuple[str, Markup | None]]:  # noqa: ARG001
    yield words["perplexity"], _perplexity(job, words)
    yield words["written"], _written(job, words)
    yield words["expected"], _expected(job, words)
    yield words["attention"], _attention(job, words)


def _perplexity(job: LanguageJob, words: Words) -> Markup:
    rows = job.history.rows
    epochs = [float(row["epoch"]) for row in rows]
    length = job.corpus.held_out.characters_per_token, job.corpus.training.characters_per_token
    lines = [(words["training"], "loss", length[1]), (words["held_out"], "val_loss", length[0])]
    shown = {
        "perplexity": [(name, [_power(row[key]) for row in rows]) for name, key, _ in lines],
        "per_character": [(name, [row[key] / each for row in rows]) for name, key, each in lines],
    }
    charts = [
        line_chart(words[title], epochs, drawn, words.lang, x_label=words["epoch"], log_y=title == "perplexity")
        for title, drawn in shown.items()
    ]
    return join(tag("p", words["perplexity_text"]), tag("div", charts, class_="side"))


def _power(loss: float) -> float:
    return float(np.exp(min(loss, 700.0)))


def _written(job: LanguageJob, words: Words) -> Markup | None:
    if not job.samples:
        return None
    chosen = sorted({round(k) for k in np.linspace(0, len(job.samples) - 1, SAMPLES)})
    shown = [
        (tag("h3", f"{words['epoch']} {epoch}"), preformatted(text)) for epoch, text in (job.samples[k] for k in chosen)
    ]
    return join(tag("p", words["written_text"]), shown)


def _line(job: LanguageJob) -> NDArray[np.int64]:
    """Return the beginning of the held-out text: the tokens that are looked at, and the one after them."""
    return np.asarray(job.corpus.held_out.tokens[: min(LINE, job.recipe.context) + 1], np.int64)


def _name(job: LanguageJob, token: int) -> str:
    text = job.corpus.tokens.decode([token])
    return text.replace("\n", "⏎").replace("\t", "⇥").replace(" ", "␣") or str(token)


def _expected(job: LanguageJob, words: Words) -> Markup:
    """Return a heat map of the probable next tokens at each place of a line, and a table of the most probable ones."""
    line = _line(job)
    with in_mode(job.model, training=False), no_grad():
        found = softmax(job.model(line[None, :-1]), axis=-1)
    p = np.asarray(found.numpy()[0], np.float64)
    rows = np.argsort(-p.sum(axis=0), kind="stable")[:CANDIDATES]
    before = [_name(job, k) for k in line[:-1]]
    drawn = heat_map(
        words["expected"], p[:, rows].T.tolist(), [_name(job, k) for k in rows], before, words.lang, ends=(1e-3, 1.0),
        x_label=words["before"], y_label=words["next"], numbers=_listed(job, p, line, words),
    )  # fmt: skip
    return join(tag("p", words["expected_text"]), drawn)


def _listed(job: LanguageJob, p: NDArray[np.float64], line: NDArray[np.int64], words: Words) -> Markup:
    lines = []
    for k, (token, truth) in enumerate(pairwise(line)):
        best = np.argsort(-p[k], kind="stable")[:LISTED]
        likely = ", ".join(f"{_name(job, j)} {100 * p[k, j]:.0f} %" for j in best)
        lines.append([_name(job, token), _name(job, truth), f"{100 * p[k, truth]:.1f} %", likely])
    return table([words[key] for key in ("before", "truth", "probability", "likely")], lines, words["expected"])


def _attention(job: LanguageJob, words: Words) -> Markup:
    """Return a heat map of what the first head of the last layer attends to in the line."""
    line = _line(job)[:-1]
    with in_mode(job.model, training=False), no_grad():
        weights = job.network.attention(line[None], layer=-1).numpy()[0, 0]
    names = [_name(job, k) for k in line]
    drawn = heat_map(
        words["attention"], weights.tolist(), names, names, words.lang, ends=(1e-2, 1.0), x_label=words["seen"],
        y_label=words["looking"],
    )  # fmt: skip
    return join(tag("p", words["attention_text"]), drawn)


def _data(job: LanguageJob, words: Words) -> Markup:
    corpus = job.corpus
    said = {
        "source": corpus.name,
        "characters": f"{corpus.characters:,}",
        "tokens": str(len(corpus.tokens)),
        "training": words("part", tokens=len(corpus.training.tokens), characters=corpus.training.characters),
        "held_out": words("part", tokens=len(corpus.held_out.tokens), characters=corpus.held_out.characters),
    }
    end = paragraphs(words["end"], soft=True)
    return join(pairs((words[key], value) for key, value in said.items()), end)


SECTIONS = Sections(_result, _held_out, _data, text=TEXT)
