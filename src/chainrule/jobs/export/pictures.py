"""A network for pictures as a function of their pixels, with the normalisation inside."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn
from chainrule.jobs.export.export import Parts
from chainrule.train.saved.picture_predictor import PicturePredictor

MADE_UP, COMPARED = 8, 256


def parts(predictor: PicturePredictor, source: str | None) -> Parts:
    """Return the function from pictures [N, C, H, W], float32 pixels from 0 to 255, to their classes' probabilities.

    The file's metadata have the classes in order, and the form that pictures have to be brought to before.
    """
    said = predictor.description
    mean, scale = (values.astype(np.float32)[:, None, None] for values in (said.scaling.mean, said.scaling.scale))
    pixels = _made_up(predictor) if source is None else predictor.pixels(source, COMPARED)

    def function(x: Any) -> Any:
        return nn.functional.softmax(predictor.model((x - mean) / scale), axis=-1)

    about = {
        "classes": json.dumps(said.class_names, ensure_ascii=False),
        "form": f"{said.form}, others fitted by: {said.form.fit}",
    }
    which = f"{len(pixels):,} pictures"
    which += " made up; --data FOLDER compares on real ones" if source is None else f" of {source}"
    return Parts(
        function,
        "pictures",
        "probabilities",
        pixels.astype(np.float32),
        predictor.probabilities(pixels).astype(np.float32),
        which,
        about,
    )


def _made_up(predictor: PicturePredictor) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (MADE_UP, *predictor.description.form.shape), np.uint8)
