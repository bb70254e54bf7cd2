"""Training on a series: a network that forecasts the next rows from those before them."""

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.core.random import seed
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data import ArrayDataset, DataError, DataLoader, Standardizer
from chainrule.data.reading import names as column_names
from chainrule.data.series.naive import last_value, period_of, seasonal
from chainrule.data.series.series import Series, read_series
from chainrule.jobs.training.job import Job
from chainrule.jobs.training.options import Options
from chainrule.nn.mode import in_mode
from chainrule.present.counting import counted
from chainrule.train.saved.saving import save
from chainrule.train.saved.series_description import SeriesDescription, SeriesScore
from chainrule.train.saved.series_predictor import windows_of
from chainrule.train.saved.series_recipe import SeriesRecipe, forecaster

HORIZON, LEAST_WINDOW, MOST_WINDOW = 8, 12, 96
"""The horizon where no period is found, and how short and long a window is by default."""
MOST_NUMBERS = 500_000_000
"""In all training windows together: 2 GB."""


@dataclass(frozen=True)
class Forecasts:
    """The held-out part in numbers: the rows `begins` [n] at which forecasts begin, and values [n, horizon]."""

    begins: NDArray[np.int64]
    truth: NDArray[np.float64]
    predicted: NDArray[np.float64]
    naive: NDArray[np.float64]
    seasonal: NDArray[np.float64] | None


class SeriesJob(Job):
    """A series, a `Forecaster`, AdamW, and a learning rate that falls to zero along a cosine.

    The last share `held_out` of the rows is held out. Every forecast that is trained on ends before it; the forecasts
    that are evaluated begin in it, from windows that may reach back before it, as they do when the network is used.
    Columns are scaled by the training part alone.
    """

    measured = ("loss",)

    def __init__(self, series: Series, recipe: SeriesRecipe, period: int | None) -> None:
        super().__init__()
        self.series, self.recipe, self.name, self.period = series, recipe, series.name, period
        seed(recipe.seed)
        self.cut = cut_of(series, recipe.held_out)
        begins = series.begins(recipe.window, recipe.horizon, 0, self.cut)
        self.begins = series.begins(recipe.window, recipe.horizon, self.cut, len(series))
        self._check(begins)
        self.scaling = Standardizer.fit(series.values[: self.cut])
        z = self.scaling.transform(series.values)
        self.training = ArrayDataset(*windows_of(z, begins, recipe.window, recipe.horizon))
        self.validation = windows_of(z, self.begins, recipe.window, recipe.horizon)
        self.model = self.network = forecaster(recipe, series.values.shape[1])
        self.loss: nn.Module = nn.MSELoss()
        self.loader = DataLoader(self.training, recipe.batch_size, shuffle=True, seed=recipe.seed)
        self.epochs = recipe.epochs or min(200, max(10, round(2000 / len(self.loader))))
        self.optimizer = optim.AdamW(self.model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
        self.schedule = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, self.epochs)
        self.said = self._found(len(begins))

    def _check(self, begins: NDArray[np.int64]) -> None:
        recipe, name, rows = self.recipe, self.name, len(self.series)
        need = f"a window of {counted(recipe.window, 'row')} and {recipe.horizon} after it (--window, --horizon)"
        gaps = " without a gap" if len(self.series.breaks) else ""
        for part, found, count in (("training", begins, self.cut), ("held-out", self.begins, rows - self.cut)):
            if not len(found):
                raise DataError(
                    f"{name}: the {part} part, {count} of {rows} rows, is too short for {need}{gaps}; choose shorter "
                    "ones, or another --held-out, or give a longer series"
                )
        numbers = len(begins) * recipe.window * self.series.values.shape[1]
        if numbers > MOST_NUMBERS:
            raise DataError(
                f"{name}: its {len(begins):,} windows of {recipe.window} rows would be {numbers:,} numbers, and at "
                f"most {MOST_NUMBERS:,} are allowed; choose a shorter --window"
            )

    def _found(self, windows: int) -> list[str]:
        series, recipe = self.series, self.recipe
        season = f"it repeats every {self.period} rows" if self.period else "no period was found"
        first = series.clock.written(float(series.times[self.cut]))
        inputs = f"; inputs besides it: {', '.join(series.inputs)}" if series.inputs else ""
        return [
            *series.said,
            f"target: {series.target}; {season}{inputs}",
            f"held out: the last {counted(len(series) - self.cut, 'row')}, from {first}",
            f"{windows} training windows of {recipe.window} rows, each with the {recipe.horizon} after it",
        ]

    def sample(self, count: int = 16) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the first `count` training windows."""
        x, y = self.training[:count]
        return x, y

    def content(self) -> str:
        """Return a digest of the columns, the times and the numbers."""
        series = self.series
        columns = repr([series.time, series.target, series.inputs]).encode()
        return sha256(columns + series.times.tobytes() + series.values.tobytes()).hexdigest()

    def forecasts(self) -> Forecasts:
        """Return the forecasts of the held-out part, of the network and of the baselines."""
        x, _ = self.validation
        with in_mode(self.model, training=False), no_grad():
            parts = [self.model(x[k : k + 1024]).numpy() for k in range(0, len(x), 1024)]
        values, h = self.series.values[:, 0], self.recipe.horizon
        predicted = np.concatenate(parts).astype(np.float64) * self.scaling.scale[0] + self.scaling.mean[0]
        truth = values[self.begins[:, None] + np.arange(h)]
        again = None if self.period is None else seasonal(values, self.begins, h, self.period)
        return Forecasts(self.begins, truth, predicted, last_value(values, self.begins, h), again)

    def score(self) -> SeriesScore:
        """Evaluate the network and the naive forecasts on the held-out part."""
        found = self.forecasts()

        def mean_error(values: NDArray[np.float64]) -> float:
            return float(np.mean(np.abs(values - found.truth)))

        squared = float(np.mean((found.predicted - found.truth) ** 2))
        return SeriesScore(
            samples=found.truth.size,
            loss=squared / float(self.scaling.scale[0]) ** 2,
            mae=mean_error(found.predicted),
            rmse=squared**0.5,
            naive=mean_error(found.naive),
            seasonal=None if found.seasonal is None else mean_error(found.seasonal),
            period=self.period,
        )

    def save(self, path: str | Path, score: SeriesScore) -> None:
        """Write the network with its columns, their scaling and its clock (`SeriesDescription`)."""
        series, recipe = self.series, replace(self.recipe, epochs=self.epochs)
        columns = (series.name, series.time, series.target, series.inputs)
        said = SeriesDescription(*columns, series.clock, self.scaling, recipe, score)
        save(path, self.model, **said.to_meta())


def cut_of(series: Series, held_out: float) -> int:
    """Return the first held-out row."""
    return len(series) - max(1, round(len(series) * held_out))


def defaults(series: Series, period: int | None, given: dict[str, Any], cut: int) -> dict[str, int]:
    """Return the horizon and the window where they are not given: a period, and two of them, if the series has one."""
    room = len(series) - cut
    horizon = given.get("horizon") or min(period or HORIZON, max(1, room // 2), MOST_WINDOW)
    window = given.get("window") or max(LEAST_WINDOW, 2 * horizon, 2 * (period or 0))
    if "window" not in given:
        window = max(
            1, min(window, MOST_WINDOW if period is None else 2 * max(period, MOST_WINDOW), (cut - horizon) // 2)
        )
    return {"horizon": horizon, "window": window}


def build(source: str, options: Options) -> SeriesJob:
    """Read a series and create its job."""
    given = options.settings(SeriesRecipe)
    if "hidden" in given:
        given["hidden"] = _units(given["hidden"])
    SeriesRecipe(**{"window": 1, "horizon": 1, **given})  # what cannot be is refused before the file is read
    series = read_series(source, options.target, options.time, without=column_names(options.without))
    cut = cut_of(series, given.get("held_out", SeriesRecipe.held_out))
    period = period_of(series.values[:cut, 0])
    return SeriesJob(series, SeriesRecipe(**{**given, **defaults(series, period, given, cut)}), period)


def _units(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"--hidden: expected one width such as 32 for a series, got {text!r}") from None


def files(source: str) -> list[Path]:
    """Return the file that the series is read from."""
    return [Path(source)]
