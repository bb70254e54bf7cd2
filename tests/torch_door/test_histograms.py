"""Histograms, over edges in order and in no order, as PyTorch counts them."""

import numpy as np
import pytest

import chainrule.torch as door

RNG = np.random.default_rng(0)
EDGES = [
    [[0.0, 1.0, 2.0, 3.0], [0.0, 0.5, 3.0]],
    [[0.0, 2.0, 1.0, 3.0], [0.0, 1.0, 3.0]],
    [[3.0, 1.0, 2.0, 0.0], [0.0, 3.0]],
    [[0.0, 2.5, 1.0, 2.0, 0.5, 3.0], [1.0, 0.0, 2.0]],
    *[[RNG.uniform(0, 3, n).tolist() for n in (7, 4)] for _ in range(20)],
]
POINTS = np.vstack([RNG.uniform(0, 3, (60, 2)), [[0.0, 0.0], [3.0, 3.0], [1.0, 1.0]]])
WEIGHTS = RNG.uniform(0, 1, len(POINTS))


@pytest.mark.parametrize("density", [False, True])
def test_edges_in_any_order(torch, density) -> None:
    for edges in EDGES:
        for weight in (None, WEIGHTS):
            found = []
            for t in (door, torch):
                given = {"weight": None if weight is None else t.tensor(weight), "density": density}
                counts, _ = t.histogramdd(t.tensor(POINTS), [t.tensor(e, dtype=t.float64) for e in edges], **given)
                line = t.histogram(t.tensor(POINTS[:, 0]), t.tensor(edges[0], dtype=t.float64), **given)
                found.append((counts.numpy(), line.hist.numpy(), line.bin_edges.numpy()))
            for ours, theirs in zip(*found, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=str(edges))
