"""A network for a table as a function of its features, with filling and scaling inside."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule.numpy as cnp
from chainrule import nn
from chainrule.jobs.export.export import Parts
from chainrule.present.counting import counted
from chainrule.train.saved.table_predictor import TablePredictor

MADE_UP = 100


def parts(predictor: TablePredictor, source: str | None) -> Parts:
    """Return the function from features [N, n], in their own units and float64, to what `predict` gives.

    The file's metadata have the names of the features and classes in order, and the target's.
    """
    said = predictor.description
    rows = _made_up(predictor) if source is None else predictor.features(source)
    classes = predictor.class_names

    def function(x: Any) -> Any:
        if said.imputer is not None:
            x = cnp.where(cnp.isnan(x), said.imputer.values, x)
        output = predictor.model(((x - said.scaling.mean) / said.scaling.scale).astype(np.float32))
        if said.target_scaling is None:
            return nn.functional.softmax(output, axis=-1)
        return output[:, 0].astype(np.float64) * said.target_scaling.scale + said.target_scaling.mean

    about = {"features": json.dumps(said.schema.feature_names, ensure_ascii=False)}
    if classes:
        about["classes"] = json.dumps(classes, ensure_ascii=False)
    if said.schema.target is not None:
        about["target"] = said.schema.target
    which = counted(len(rows), "row") + (
        " made up; --data FILE compares on real ones" if source is None else f" of {source}"
    )
    output = "probabilities" if classes else "prediction"
    return Parts(function, "features", output, rows, predictor.predict(rows), which, about)


def _made_up(predictor: TablePredictor) -> NDArray[np.float64]:
    """Rows spread as those of the training were, with holes where they are filled."""
    said = predictor.description
    rng = np.random.default_rng(0)
    rows = said.scaling.mean + said.scaling.scale * rng.normal(size=(MADE_UP, len(said.schema.features)))
    if said.imputer is not None:
        rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows
