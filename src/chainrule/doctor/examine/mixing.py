"""Does the answer for a sample depend on the other samples of its batch?"""

from typing import Any

import numpy as np

from .case import Batch, Case


def mixing(case: Case, seed: int) -> float:
    """Return how far answers move, relative to their spread, where the other samples of their batch are replaced.

    The model is in evaluation mode, where a batch normalisation has moments of its own. It is 0 where that cannot be
    told: without two batches of one shape, or where a target has several places, so that the first axis may be time.
    """
    pair = _alike(case.batches)
    if pair is None:
        return 0.0
    (x, y), (others, _) = pair
    half = len(y) // 2
    replaced = tuple(np.concatenate([a[:half], b[half:]]) for a, b in zip(x, others, strict=True))
    own = case.copied()
    own.model.eval()
    before, after = (_output(own, (inputs, y), seed) for inputs in (x, replaced))
    if before is None or after is None or before.shape != after.shape or before.ndim == 0 or len(before) != len(y):
        return 0.0
    spread = float(before.std(axis=0).max())
    return float(np.abs(after[:half] - before[:half]).max()) / spread if spread > 0 else 0.0


def _alike(batches: list[Batch]) -> tuple[Batch, Batch] | None:
    """Return two batches of one shape whose arrays have one row for each of several samples."""
    usable = [b for b in batches if isinstance(b[1], np.ndarray) and b[1].ndim in (1, 2) and len(b[1]) > 1]
    usable = [b for b in usable if b[1].ndim == 1 or b[1].shape[1] == 1 or b[1].dtype.kind == "f"]
    usable = [b for b in usable if all(isinstance(a, np.ndarray) and a.ndim and len(a) == len(b[1]) for a in b[0])]
    for k, one in enumerate(usable):
        for other in usable[k + 1 :]:
            if [a.shape for a in one[0]] == [a.shape for a in other[0]]:
                return one, other
    return None


def _output(case: Case, batch: Batch, seed: int) -> Any:
    """Return the model's output as an array; None if it is none, or the model cannot run so."""
    case.engine.reseed(seed)
    try:
        output = case.engine.array(case.value(batch)[1])
    except case.engine.errors:
        return None
    return output if output is not None and np.isfinite(output).all() else None
