"""The report's part on gradients: by epoch, across depth and steps, and what was said of them while training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from chainrule.jobs.training.figure import ACCENT, as_markup, drawn, figure
from chainrule.jobs.training.job import Job

MOST = 12
"""How many layers are named beside the heat map; of more, as many at equal distances."""


class Watch(Protocol):
    """What looked at the gradients beside a training: `doctor.GradientWatch` is one."""

    @property
    def names(self) -> Sequence[str]:
        """The layers, from the first to the last."""

    @property
    def history(self) -> Sequence[tuple[int, float, Sequence[float]]]:
        """The step, the loss and the norm of ∂L/∂z in each layer, at each moment."""

    @property
    def ok(self) -> bool:
        """Whether nothing was wrong."""

    asked: int
    """After which step it was asked what is wrong; 0 for never."""

    def verdicts(self, lang: str = "en") -> Sequence[tuple[str, str, str]]:
        """Return what was wrong, how that shows, and the limit that it passes."""


@dataclass(frozen=True)
class Watched:
    """What the template shows of a watch: a heat map, "" for none, and its warning."""

    figure: Any
    ok: bool
    title: str
    verdicts: Sequence[tuple[str, str, str]]


def watched(watch: Watch | None, text: Mapping[str, str], lang: str) -> Watched | None:
    """Return what there is to show of a watch, or None where there was none."""
    if watch is None or not (watch.history or watch.asked):
        return None
    title = text["watch_ok" if watch.ok else "watch_sick"].format(step=watch.asked) if watch.asked else ""
    return Watched(_heat_map(watch, text) if watch.history else "", watch.ok, title, watch.verdicts(lang))


def flow_by_epoch(job: Job, text: Mapping[str, str]) -> Any:
    """Draw how large the gradient of each weight matrix was, from the first layer to the last."""
    rows, epochs = job.flow.rows, [row["epoch"] for row in job.flow.rows]
    weights = [name for name, p in job.model.named_parameters() if p.ndim > 1]
    with figure(1, 3.2) as (axes, svg):
        for k, name in enumerate(weights):
            share = k / max(1, len(weights) - 1)
            norms = [row[name] or np.nan for row in rows]  # zero has no place on a logarithmic axis
            axes[0].plot(epochs, norms, color=ACCENT, alpha=0.25 + 0.75 * share, label=drawn(name))
        axes[0].set_yscale("log")
        axes[0].set_xlabel(text["epoch"])
        axes[0].set_title(text["gradient_norm"], loc="left")
        many: dict[str, Any] = {"bbox_to_anchor": (1.01, 1.0), "loc": "upper left"} if len(weights) > 4 else {}
        axes[0].legend(frameon=False, fontsize=8, **many)
    return as_markup(svg)


def _heat_map(watch: Watch, text: Mapping[str, str]) -> Any:
    """Draw the norm of ∂L/∂z of each layer, the first on top, at each moment, as shades of its logarithm."""
    names, steps = watch.names, [step for step, _, _ in watch.history]
    norms = np.array([row for _, _, row in watch.history], np.float64).T
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where((norms > 0) & np.isfinite(norms), np.log10(norms), np.nan)
    if np.isnan(logs).all():
        return ""
    with figure(1, min(1.6 + 0.22 * len(names), 5.0)) as (axes, svg):
        ax = axes[0]
        ax.figure.set_size_inches(8.2, ax.figure.get_size_inches()[1])
        ax.set_facecolor("#e4e7ee")  # what has no gradient
        edges = _edges(steps)
        shades = ax.pcolormesh(
            edges, np.arange(len(names) + 1), np.ma.masked_invalid(logs), cmap="viridis", edgecolors="face"
        )
        ax.invert_yaxis()
        shown = range(0, len(names), max(1, -(-len(names) // MOST)))
        ax.set_yticks([k + 0.5 for k in shown], [drawn(names[k]) for k in shown])
        ax.set_xlabel(text["step"])
        ax.set_ylabel(text["layer"], rotation=0, ha="right")
        ax.set_title(text["heat"], loc="left")
        ax.figure.colorbar(shades, ax=ax, label="log₁₀ ‖∂L/∂z‖")
    return as_markup(svg)


def _edges(steps: Sequence[int]) -> list[float]:
    """Return the borders between moments: halfway, and as wide outside as inside."""
    if len(steps) == 1:
        return [steps[0] - 0.5, steps[0] + 0.5]
    middles = [(a + b) / 2 for a, b in pairwise(steps)]
    return [max(0.0, 2 * steps[0] - middles[0]), *middles, 2 * steps[-1] - middles[-1]]
