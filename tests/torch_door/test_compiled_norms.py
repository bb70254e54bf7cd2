"""Normalisations with running moments in compiled steps: one plan, and the buffers of eager code."""

from typing import Any

import numpy as np
import pytest

import chainrule.torch as torch
from chainrule.compile.compiled import Compiled

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "BatchNorm1d": (lambda: torch.nn.BatchNorm1d(3), (5, 3)),
    "BatchNorm2d": (lambda: torch.nn.BatchNorm2d(3), (2, 3, 4, 5)),
    "large BatchNorm2d": (lambda: torch.nn.BatchNorm2d(3), (4, 3, 64, 64)),
    "BatchNorm3d": (lambda: torch.nn.BatchNorm3d(3), (2, 3, 2, 2, 2)),
    "the mean of all batches": (lambda: torch.nn.BatchNorm1d(3, momentum=None), (5, 3)),
    "the mean of all large batches": (lambda: torch.nn.BatchNorm2d(3, momentum=None), (4, 3, 64, 64)),
    "without moments": (lambda: torch.nn.BatchNorm2d(3, track_running_stats=False), (2, 3, 4, 5)),
    "InstanceNorm2d": (lambda: torch.nn.InstanceNorm2d(3, affine=True, track_running_stats=True), (2, 3, 4, 5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_step_is_captured_once_and_leaves_the_same_moments(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, shape = LAYERS[name]
    captured: list[Any] = []
    capture = Compiled._captured
    monkeypatch.setattr(Compiled, "_captured", lambda self, call: captured.append(call) or capture(self, call))
    rng = np.random.default_rng(0)
    inputs = [torch.tensor(2 + rng.normal(size=shape).astype(np.float32)) for _ in range(5)]

    def run(compiled: bool) -> tuple[list[float], dict[str, Any]]:
        layer = made()
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = (layer(x).tanh() ** 2).mean()
            loss.backward()
            optimizer.step()
            return loss

        step = torch.compile(step) if compiled else step
        losses = [float(step(x)) for x in inputs]
        layer.eval()
        losses += [float((torch.compile(layer) if compiled else layer)(inputs[0]).sum())]
        return losses, {key: value.numpy() for key, value in layer.state_dict().items()}

    expected, state = run(False)
    found, after = run(True)
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-4)
    for key, value in state.items():
        np.testing.assert_allclose(after[key], value, rtol=1e-4, atol=1e-5, err_msg=key)
    assert len(captured) == 2
    counted = 0 if "Instance" in name else 5  # as in PyTorch
    assert state.get("num_batches_tracked", np.int64(counted)) == counted
