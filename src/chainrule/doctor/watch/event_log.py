"""Measurements for TensorBoard: scalars and histograms by tag, and a whole diagnosis as an event file."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from chainrule.doctor.examine.measure import Counts, Layer, named_use
from chainrule.doctor.found import Diagnosed
from chainrule.doctor.report.text import text_of
from chainrule.train.event_file import EventFile, Histogram

SCALARS: Mapping[str, str] = {
    "gradient": "gradient",
    "ratio": "ratio",
    "activation_factor": "slope",
    "weight_factor": "weights",
    "mean": "mean",
    "spread": "spread",
    "saturated": "flat",
    "dead": "dead",
    "effective_rank": "rank",
    "update_ratio": "update",
    "noise_scale": "noise",
    "largest": "largest singular value",
    "smallest": "smallest singular value",
}
"""The figures written for each layer, and their groups of charts."""
HISTOGRAMS: Mapping[str, str] = {
    "histogram": "values",
    "gradient_histogram": "gradients",
    "weight_histogram": "weight values",
}


def scalars_of(layers: Iterable[Layer], only: Sequence[str] = tuple(SCALARS)) -> dict[str, float]:
    """Return the figures of all layers by tag, `group/layer`; figures that do not apply to a layer are left out."""
    found = ((f"{SCALARS[f]}/{named_use(row.name, row.use)}", getattr(row, f)) for f in only for row in layers)
    return {tag: value for tag, value in found if not math.isnan(value)}


def histograms_of(layers: Iterable[Layer]) -> dict[str, Histogram]:
    """Return the histograms of all layers by tag: of values, of ∂L/∂z, of weights."""
    found = ((f"{g}/{named_use(row.name, row.use)}", getattr(row, f)) for f, g in HISTOGRAMS.items() for row in layers)
    return {tag: _histogram(counts) for tag, counts in found if counts is not None}


def _histogram(found: Counts) -> Histogram:
    """Return counts as a histogram; its sums are computed from the bucket midpoints."""
    counts, low, high = found
    edges = np.linspace(low, high, len(counts) + 1)
    middles, weight = (edges[1:] + edges[:-1]) / 2, np.asarray(counts, np.float64)
    return Histogram(
        counts, edges.tolist(), float(weight.sum()), float(weight @ middles), float(weight @ (middles * middles))
    )


def write_diagnosis(d: Diagnosed, folder: str | os.PathLike[str], lang: str = "en") -> Path:
    """Write a diagnosis as an event file; return its path."""
    rows = [row for row in d.layers if not math.isnan(row.gradient) and row.kind != "embedding"]
    names = [named_use(row.name, row.use) for row in rows]
    whole = {"doctor/loss": d.loss, "doctor/chance": d.chance, "doctor/noise scale": d.noise_scale}
    numbers = {tag: value for tag, value in whole.items() if not math.isnan(value)} | scalars_of(d.layers)
    text = "\n".join(f"    {line}" for line in text_of(d, lang).splitlines())  # indented: verbatim in Markdown
    with EventFile(folder) as file:
        file.write(0, numbers, histograms=histograms_of(d.layers), texts={"doctor/diagnosis": text})
        for step, loss, norms in d.history:
            flow = {f"trial gradient/{n}": g for n, g in zip(names, norms, strict=False) if not math.isnan(g)}
            file.write(step, {"trial/loss": loss, **flow})
        return file.path
