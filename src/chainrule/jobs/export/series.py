"""A network for a series as a function of its last rows, with the scaling inside."""

import json
from typing import Any

import numpy as np

from chainrule.jobs.export.export import Parts
from chainrule.train.saved.series_predictor import SeriesPredictor

MADE_UP = 100


def parts(predictor: SeriesPredictor, source: str | None) -> Parts:
    """Return the function from the last rows [N, window, columns], in their own units, to the values that follow.

    The first column is the target. The file's metadata have the names of the columns in order.
    """
    said, recipe = predictor.description, predictor.recipe
    mean, scale = said.scaling.mean, said.scaling.scale
    if source is None:
        z = np.random.default_rng(0).normal(size=(MADE_UP, recipe.window, len(mean)))
        windows, which = mean + scale * z, f"{MADE_UP} windows made up; --data FILE compares on real ones"
    else:
        windows = predictor.windows(source)
        which = f"{len(windows):,} windows of {source}"

    def function(x: Any) -> Any:
        z = predictor.model(((x - mean) / scale).astype(np.float32))
        return z.astype(np.float64) * scale[0] + mean[0]

    about = {"columns": json.dumps([said.target, *said.inputs], ensure_ascii=False), "target": said.target}
    if said.time is not None:
        about["time"] = said.time
    return Parts(function, "rows", "forecast", windows, predictor.forecasts(windows), which, about)
