"""The report of a training run: one HTML file that needs nothing else."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from chainrule._version import __version__
from chainrule.base.files import write_text
from chainrule.jobs.training.figure import ACCENT, INK, SECOND, as_markup, drawn, figure
from chainrule.jobs.training.flow import Watch, flow_by_epoch, watched
from chainrule.jobs.training.job import Job, Score
from chainrule.jobs.training.text import TEXT
from chainrule.present.escape import CSP, page
from chainrule.train.history import History


@dataclass(frozen=True)
class CheckedRow:
    """One parameter of the gradient check: its name, its shape, and how far the two gradients are apart."""

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
    derivation: str = "",
    watch: Watch | None = None,
) -> None:
    """Write the report in English or Korean (`lang` "en" or "ko"), with a derivation in HTML if there is one.

    `watch` is what looked at the gradients beside the training, a `doctor.GradientWatch`: the report then shows how
    they flowed over the steps, and what it said.

    Needs the extra `app`.
    """
    check_lang(lang)
    text = TEXT[lang]
    html = _template().render(
        lang=lang,
        csp=_markup(CSP),
        t=text,
        job=job,
        score=score,
        checked=checked,
        worst=max((row.error for row in checked), default=0.0),
        parameters=sum(p.size for p in job.model.parameters()),
        curves=_curves(history, text),
        flow=flow_by_epoch(job, text),
        watch=watched(watch, text, lang),
        confusion=_confusion(job, score, text) if job.is_classification else _scatter(score, text),
        mistakes=_mistakes(job, score),
        derivation=derivation,
        command=command,
        made=f"chainrule {__version__}, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )
    write_text(path, page(html))


def _markup(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


def check_lang(lang: str) -> None:
    """Raise a ValueError unless the report is written in `lang`."""
    if lang not in TEXT:
        raise ValueError(f"lang: expected one of {', '.join(TEXT)}, got {lang!r}")


def _template() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")


def _curves(history: History, text: Mapping[str, str]) -> Any:
    rows = history.rows
    epochs = [row["epoch"] for row in rows]
    has_accuracy = rows and rows[-1].get("val_accuracy") is not None
    with figure(2 if has_accuracy else 1, 3.2) as (axes, svg):
        _lines(axes[0], epochs, rows, "loss", text)
        axes[0].set_yscale("log")
        if has_accuracy:
            _lines(axes[1], epochs, rows, "accuracy", text)
    return as_markup(svg)


def _lines(
    ax: Any, epochs: Sequence[int], rows: Sequence[Mapping[str, Any]], key: str, text: Mapping[str, str]
) -> None:
    ax.plot(epochs, [row[key] for row in rows], color=ACCENT, label=text["training"])
    ax.plot(epochs, [row[f"val_{key}"] for row in rows], color=SECOND, label=text["held_out"])
    ax.set_xlabel(text["epoch"])
    ax.set_title(text[key], loc="left")
    ax.legend(frameon=False)


def _confusion(job: Job, score: Score, text: Mapping[str, str]) -> Any:
    names = [drawn(name) for name in job.data.class_names]
    counts = score.confusion
    assert counts is not None  # a classification has one
    with figure(1, 4.2) as (axes, svg):
        ax = axes[0]
        ax.imshow(np.sqrt(counts), cmap="Blues")
        ax.set_xticks(range(len(names)), names, rotation=0 if max(map(len, names)) < 4 else 45)
        ax.set_yticks(range(len(names)), names)
        ax.set_xlabel(text["predicted"])
        ax.set_ylabel(text["truth"])
        dark = counts > counts.max() / 3
        for i, j in np.ndindex(*counts.shape):
            if counts[i, j]:
                ax.text(j, i, counts[i, j], ha="center", va="center", color="white" if dark[i, j] else INK)
    return as_markup(svg)


def _scatter(score: Score, text: Mapping[str, str]) -> Any:
    """Draw predictions over the truth, and beside it the residuals over the predictions."""
    residuals = score.truth - score.predicted
    with figure(2, 4.0) as (axes, svg):
        ends = [min(score.truth.min(), score.predicted.min()), max(score.truth.max(), score.predicted.max())]
        axes[0].plot(ends, ends, color=INK, linewidth=0.8)
        axes[0].scatter(score.truth, score.predicted, s=14, color=ACCENT, alpha=0.6)
        axes[0].set_xlabel(text["truth"])
        axes[0].set_ylabel(text["predicted"])
        axes[1].axhline(0, color=INK, linewidth=0.8)
        axes[1].scatter(score.predicted, residuals, s=14, color=ACCENT, alpha=0.6)
        axes[1].set_xlabel(text["predicted"])
        axes[1].set_ylabel(text["residual"])
    return as_markup(svg)


def _mistakes(job: Job, score: Score, most: int = 12) -> Any:
    """Draw the held-out images that the network gets wrong, where the samples are images."""
    shape = job.data.image_shape
    wrong = np.flatnonzero(score.truth != score.predicted)[:most]
    if not job.is_classification or shape is None or len(shape) != 2 or len(wrong) == 0:
        return None
    names = [drawn(name) for name in job.data.class_names]
    with figure(len(wrong), 1.6) as (axes, svg):
        axes[0].figure.set_size_inches(1.15 * len(wrong), 1.5)
        for ax, k in zip(axes, wrong, strict=True):
            ax.imshow(job.data.x[job.held_out_rows[k]].reshape(shape), cmap="gray_r")
            ax.set_title(f"{names[score.truth[k]]} → {names[score.predicted[k]]}", fontsize=10)
            ax.axis("off")
    return as_markup(svg)
