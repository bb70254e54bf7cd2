"""A network that was trained on a series, read back."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data import DataError
from chainrule.data.series.series import Series, read_series
from chainrule.nn.networks import Forecaster
from chainrule.present.escape import visible
from chainrule.train.saved.predictor import Predictor
from chainrule.train.saved.saving import Checkpoint
from chainrule.train.saved.series_description import SeriesDescription


def read(file: Checkpoint) -> "SeriesPredictor":
    """Build the network in a model file of a series. Raises ModelFileError where the description is not sound."""
    said, model = SeriesDescription.from_meta(file.path, file.meta, file.model)
    return SeriesPredictor(model, said)


def windows_of(
    z: NDArray[Any], begins: NDArray[np.int64], window: int, horizon: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the samples whose forecasts begin at some rows: x `[n, window, channels]`, y `[n, horizon]`.

    `z` are the scaled columns `[N, channels]`; y is of the first one.
    """
    x = z[begins[:, None] + np.arange(-window, 0)]
    y = z[begins[:, None] + np.arange(horizon), 0]
    return x.astype(np.float32), y.astype(np.float32)


class SeriesPredictor(Predictor):
    """A network that forecasts a series."""

    def __init__(self, model: Forecaster, description: SeriesDescription) -> None:
        self.description, self.recipe = description, description.recipe
        self.model: Forecaster = model

    @property
    def loss(self) -> nn.Module:
        """The loss that the network was trained with."""
        return nn.MSELoss()

    def lines(self) -> list[str]:
        """Describe the network in words, one fact per line."""
        return self.description.lines()

    def read(self, source: str) -> Series:
        """Read a series with the columns of the training. Raises DataError where one is missing or cannot be read."""
        said = self.description
        return read_series(source, said.target, said.time, said.inputs)

    def forecast(self, series: Series) -> NDArray[np.float64]:
        """Return the `horizon` values after the end of a series, in the target's unit.

        Raises DataError for fewer rows than the window since the last gap, and FloatingPointError where a value is not
        finite.
        """
        window = self.recipe.window
        since = len(series) - (int(series.breaks[-1]) + 1 if len(series.breaks) else 0)
        if since < window:
            where = " since its last gap" if len(series.breaks) else ""
            raise DataError(
                f"{series.name}: has {since} rows{where}, and the network forecasts from {window}; add the rows before"
            )
        values = self.forecasts(series.values[None, -window:])[0]
        if not np.isfinite(values).all():
            raise FloatingPointError(
                f"{series.name}: the forecast is not finite; its last {window} rows are too far from those that the "
                f"network was trained on"
            )
        return np.asarray(values)

    def forecasts(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the `horizon` values after each of some windows `[N, window, columns]`, all in their own units."""
        scaling = self.description.scaling
        with np.errstate(over="ignore", invalid="ignore"), no_grad():
            x = ((rows - scaling.mean) / scaling.scale).astype(np.float32)
            z = np.asarray(self.model(x).numpy(), np.float64)
            return np.asarray(z * scaling.scale[0] + scaling.mean[0])

    def windows(self, source: str) -> NDArray[np.float64]:
        """Return all windows of a series that something follows, `[N, window, columns]`, in their own units."""
        series = self.read(source)
        begins = self._begins(series)
        return np.asarray(series.values[begins[:, None] + np.arange(-self.recipe.window, 0)])

    def _begins(self, series: Series) -> NDArray[np.int64]:
        recipe = self.recipe
        begins = series.begins(recipe.window, recipe.horizon, 0, len(series))
        if not len(begins):
            raise DataError(
                f"{series.name}: {len(series)} rows are too few for a window of {recipe.window} and {recipe.horizon} "
                "rows after it"
            )
        return begins

    def table(self, source: str) -> tuple[list[str], Iterator[list[str]]]:
        """Return the next `horizon` times with their forecasts; without a regular step, the steps' numbers."""
        series, said = self.read(source), self.description
        values, clock = self.forecast(series), series.clock if series.clock.is_regular else said.clock
        times = clock.following(float(series.times[-1]), len(values))
        named = [clock.written(float(t)) or f"+{k}" for k, t in enumerate(times, 1)]
        header = [visible(said.time or "row"), "prediction"]
        return header, ([time, f"{value:.8g}"] for time, value in zip(named, values, strict=True))

    def examples(
        self, source: str, count: int | None = None, target: str | None = None, task: str = "auto"
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the first `count` windows of a series and the values after them, scaled as they were in training."""
        if target not in (None, self.description.target) or task not in ("auto", "regression"):
            raise ValueError(
                f"--target, --task: the network forecasts {self.description.target!r}; leave these options out"
            )
        series, recipe = self.read(source), self.recipe
        begins = self._begins(series)[:count]
        z = self.description.scaling.transform(series.values)
        return windows_of(z, begins, recipe.window, recipe.horizon)
