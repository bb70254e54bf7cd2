"""The networks of `benchmarks/networks.py`: as written for PyTorch, each trains as one compiled step."""

from typing import Any

import numpy as np
import pytest

import chainrule.torch as torch
from chainrule.kernels.native import machine

from ..from_benchmarks import peers

module = peers("networks")


def losses(name: str, compiled: bool) -> list[float]:
    """Return the losses of the first steps; the batches hold two samples, where that is possible."""
    network = module.NETWORKS[name]
    torch.manual_seed(0)
    model = network.build(torch)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    few = 2 if name not in ("GCN", "GAT") else network.shape[0]
    shape = (few, *network.shape[1:])
    x = rng.integers(0, network.symbols, shape) if network.symbols else rng.standard_normal(shape).astype(np.float32)
    inputs = torch.tensor(x)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        outputs = len(model(inputs))
    model.load_state_dict(state)
    classes = torch.tensor(rng.integers(0, network.classes, outputs))

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    taken = torch.compile(step, fullgraph=True) if compiled else step
    return [float(taken(inputs, classes)) for _ in range(3)]


@pytest.mark.slow
@pytest.mark.parametrize("name", module.NETWORKS)
def test_a_step_compiles_and_learns_as_eager_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "LEVEL", 0)  # what is compared does not depend on how well LLVM optimises
    expected, found = losses(name, False), losses(name, True)
    np.testing.assert_allclose(found, expected, rtol=5e-3)
