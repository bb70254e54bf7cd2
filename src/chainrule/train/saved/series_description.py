"""What a model file says of a network that was trained on a series, and its validation before anything is built."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from chainrule.data import Standardizer, dates
from chainrule.data.series.clock import NUMBERS, Clock
from chainrule.nn.networks import Forecaster
from chainrule.present.counting import counted
from chainrule.train.saved.entries import (
    WrongEntry,
    check_arrays,
    check_size,
    damaged,
    entries,
    list_of,
    number,
    one_of,
    real,
    scaling_of,
    text,
    whole,
)
from chainrule.train.saved.series_recipe import SeriesRecipe, forecaster, parameters

KIND, FORMAT = "series", 1
Arrays = Mapping[str, np.ndarray[Any, Any]]
_ENTRIES = {"trained_on", "format", "data", "time", "target", "inputs", "clock", "scaling", "recipe", "held_out"}
MOST_DAYS, MOST_MONTHS = 1_000_000, 12_000
"""The longest step from row to row where times are dates."""
_SCORE = {"samples", "loss", "mae", "rmse", "naive", "seasonal", "period"}


@dataclass(frozen=True)
class SeriesScore:
    """The errors on the end of the series, in the target's unit, and those of the naive forecasts.

    `mae` is the mean absolute error, `rmse` the root mean square; `naive` is the `mae` of repeating the last value and
    `seasonal` that of repeating the last `period`, if there is one. `loss` is in units of the training part's variance.
    """

    samples: int
    """How many values were forecast."""
    loss: float
    mae: float
    rmse: float
    naive: float
    seasonal: float | None = None
    period: int | None = None

    @property
    def best_naive(self) -> float:
        """The error of the better naive forecast."""
        return self.naive if self.seasonal is None else min(self.naive, self.seasonal)

    def __str__(self) -> str:
        baselines = f"repeating the last value {self.naive:.4g}"
        if self.seasonal is not None:
            baselines += f", repeating the last {self.period} rows {self.seasonal:.4g}"
        found = f"held-out mean absolute error {self.mae:.4g} on {self.samples:,} forecast values"
        return f"{found}; {baselines}: {self.verdict()}"

    def verdict(self) -> str:
        """Say how the network compares with the better naive forecast."""
        best = self.best_naive
        if not (best > 0 and math.isfinite(self.mae / best)):
            return "nothing to compare"
        share = 100 * (1 - self.mae / best)
        return f"{share:.0f} % better than naive" if share >= 0.5 else f"no better than naive ({-share:.0f} % worse)"


@dataclass(frozen=True)
class SeriesDescription:
    """A network for a series: its columns and their scaling, its clock, how it was trained, how well it does."""

    name: str
    time: str | None
    target: str
    inputs: tuple[str, ...]
    clock: Clock
    scaling: Standardizer
    """Of the target and the inputs."""
    recipe: SeriesRecipe
    held_out: SeriesScore

    def to_meta(self) -> dict[str, Any]:
        """Return the entries of the file's metadata."""
        return {
            "trained_on": KIND,
            "format": FORMAT,
            "data": self.name,
            "time": self.time,
            "target": self.target,
            "inputs": list(self.inputs),
            "clock": self.clock.to_dict(),
            "scaling": self.scaling.to_dict(),
            "recipe": asdict(self.recipe),
            "held_out": asdict(self.held_out),
        }

    @classmethod
    def from_meta(cls, path: Any, meta: Mapping[str, Any], arrays: Arrays) -> tuple[Self, Forecaster]:
        """Return the description in a file's metadata, and the network with the file's arrays, in evaluation mode.

        Raises ModelFileError, which names the entry, what it is and what was expected. No number causes an allocation
        that the file does not fill: the arrays are compared with the sizes before anything is built.
        """
        with damaged(path):
            said = cls(**_parts(meta))
            channels = 1 + len(said.inputs)
            check_size(arrays, parameters(said.recipe, channels), "recipe and inputs")
            model = forecaster(said.recipe, channels)
            check_arrays(model, arrays)
        model.load_state_dict(dict(arrays))
        model.eval()
        return said, model

    def lines(self) -> list[str]:
        """Describe the network in words, one fact per line."""
        recipe, inputs = self.recipe, ", ".join(self.inputs[:6]) + (", …" if len(self.inputs) > 6 else "")
        return [
            f"task: forecasting {self.target}, {recipe.horizon} rows from the {recipe.window} before them",
            f"data: {self.name}",
            f"rows: every {self.clock.distance()}" if self.clock.is_regular else "rows: at irregular times",
            *([f"inputs: {len(self.inputs)} ({inputs})"] if self.inputs else []),
            f"network: {recipe.model}, {recipe.hidden} units, dropout {recipe.dropout:g}",
            f"trained: {counted(recipe.epochs or 0, 'epoch')} in batches of {recipe.batch_size}, "
            f"learning rate {recipe.lr:g}, weight decay {recipe.weight_decay:g}, seed {recipe.seed}",
            f"result: {self.held_out}",
        ]


def _parts(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the description that the metadata make, each of them checked."""
    entries(dict(meta), "description", _ENTRIES)
    if whole(meta["format"], "format", 1) != FORMAT:
        raise WrongEntry("format", meta["format"], f"{FORMAT}, which this version of chainrule reads")
    inputs = tuple(text(name, "inputs") for name in list_of(meta["inputs"], "inputs"))
    target, time = text(meta["target"], "target"), meta["time"]
    columns = [target, *inputs, *([] if time is None else [text(time, "time")])]
    if len(set(columns)) < len(columns):
        raise WrongEntry("inputs", list(inputs), "columns that differ from each other, the time and the target")
    return {
        "name": text(meta["data"], "data"),
        "time": time,
        "target": target,
        "inputs": inputs,
        "clock": _clock(meta["clock"]),
        "scaling": scaling_of(meta["scaling"], "scaling", (1 + len(inputs),)),
        "recipe": _recipe(meta["recipe"]),
        "held_out": _held_out(meta["held_out"]),
    }


def _clock(entry: Any) -> Clock:
    values = entries(entry, "clock", {field.name for field in fields(Clock)})
    step, months = number(values["step"], "clock.step"), whole(values["months"], "clock.months", 0)
    form = one_of(values["form"], "clock.form", (NUMBERS, *dates.FORMS))
    if step < 0 or months > MOST_MONTHS or (step and months) or (step > MOST_DAYS and form != NUMBERS):
        raise WrongEntry("clock", dict(values), f"up to {MOST_DAYS:,} days or {MOST_MONTHS:,} months")
    return Clock(form, months, step)


def _recipe(entry: Any) -> SeriesRecipe:
    values = dict(entries(entry, "recipe", {field.name for field in fields(SeriesRecipe)}))
    values["model"] = text(values["model"], "recipe.model")
    for name in ("window", "horizon", "hidden", "epochs", "batch_size"):
        values[name] = whole(values[name], f"recipe.{name}", 1)
    values["seed"] = whole(values["seed"], "recipe.seed", 0)
    for name in ("lr", "weight_decay", "dropout", "held_out"):
        values[name] = number(values[name], f"recipe.{name}")
    return SeriesRecipe(**values)


def _held_out(entry: Any) -> SeriesScore:
    values = dict(entries(entry, "held_out", _SCORE))
    # Errors on the held-out part may be infinite: these only need to be numbers.
    for name in ("loss", "mae", "rmse", "naive"):
        values[name] = real(values[name], f"held_out.{name}")
    values["samples"] = whole(values["samples"], "held_out.samples", 1)
    if (values["period"] is None) != (values["seasonal"] is None):
        raise WrongEntry("held_out.period", values["period"], "none without the entry seasonal, one with it")
    if values["period"] is not None:
        values["period"] = whole(values["period"], "held_out.period", 2)
        values["seasonal"] = real(values["seasonal"], "held_out.seasonal")
    return SeriesScore(**values)
