"""Losses whose predictions and targets are given by name, as `nn.CosineEmbeddingLoss()(a, b, target=y)`."""

import inspect

import numpy as np
from tests.named import named

import chainrule.torch as door

SIGNS, PLACES = [1.0, -1.0, 1.0], [1, 0, 2]
TARGETS = {
    "MSELoss": None, "L1Loss": None, "HuberLoss": None, "BCEWithLogitsLoss": None, "SmoothL1Loss": None,
    "SoftMarginLoss": None, "CrossEntropyLoss": PLACES, "NLLLoss": PLACES, "MultiMarginLoss": PLACES,
}  # fmt: skip


def test_losses_take_their_arguments_by_name(torch) -> None:
    rng = np.random.default_rng(0)
    rows = [rng.uniform(0.1, 0.9, (3, 4)) for _ in range(3)]

    def arguments(lib, name: str) -> tuple:
        x, y, z = map(lib.tensor, rows)
        if name in TARGETS:
            return x, y if TARGETS[name] is None else lib.tensor(TARGETS[name])
        if name == "CosineEmbeddingLoss":
            return x, y, lib.tensor(SIGNS)
        return x, y, z

    for name in (*TARGETS, "CosineEmbeddingLoss", "GaussianNLLLoss", "TripletMarginLoss"):
        with named(name):
            values = []
            for lib in (door, torch):
                given = arguments(lib, name)
                names = list(inspect.signature(getattr(torch.nn, name).forward).parameters)[1:]
                by_name = getattr(lib.nn, name)()(given[0], **dict(zip(names[1:], given[1:], strict=True)))
                values.append(by_name.item())
            np.testing.assert_allclose(*values, rtol=1e-6)
