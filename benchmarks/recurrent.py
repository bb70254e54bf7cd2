"""What recurrent layers cost in eager code: `chainrule.torch`'s, as one operation and step by step, beside PyTorch's.

    python benchmarks/recurrent.py [--rounds N]

Forward and backward pass of a layer of 128, over 64 steps of 128 features and batches of 32, in float32, on two
threads. All have the same weights; outputs and gradients are compared before anything is timed. PyTorch takes part
where it is installed: `python -m pip install '.[bench,torch]'`.
"""

import argparse
import importlib.util
import os
from collections.abc import Callable
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "2"

import numpy as np  # noqa: E402
from timing import alternate, machine, table  # noqa: E402

import chainrule.torch as door  # noqa: E402
from chainrule.nn import recurrent  # noqa: E402

STEPS, BATCH, WIDTH = 64, 32, 128
X = np.random.default_rng(0).standard_normal((STEPS, BATCH, WIDTH)).astype(np.float32)
LARGE = recurrent.LARGE


def passes(lib: Any, layer: Any, large: int = LARGE) -> Callable[[], list[Any]]:
    """Return both passes of a layer; arrays of `large` elements or more are one operation."""
    x = lib.tensor(X, requires_grad=True)

    def step() -> list[Any]:
        recurrent.LARGE = large
        x.grad = None
        layer.zero_grad()
        y, _ = layer(x)
        (y * y).sum().backward()
        return [y.detach(), x.grad, *(p.grad for p in layer.parameters())]

    return step


def candidates(name: str, both_ways: bool) -> dict[str, Callable[[], list[Any]]]:
    """Return what is compared, of which all have the same weights."""
    ours = getattr(door.nn, name)(WIDTH, WIDTH, bidirectional=both_ways)
    found = {"one operation": passes(door, ours), "step by step": passes(door, ours, large=1 << 60)}
    if importlib.util.find_spec("torch"):
        import torch

        theirs = getattr(torch.nn, name)(WIDTH, WIDTH, bidirectional=both_ways)
        theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
        found["PyTorch"] = passes(torch, theirs)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="turns of each candidate (9)")
    rounds = parser.parse_args().rounds
    rows = []
    for name in ("RNN", "LSTM", "GRU"):
        for both_ways in (False, True):
            those = candidates(name, both_ways)
            expected, *others = [[np.asarray(a.numpy()) for a in step()] for step in those.values()]
            for other in others:
                for a, b in zip(expected, other, strict=True):
                    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(a).max())
            times = alternate(those, rounds, repeats=1)
            title = f"{name}, both directions" if both_ways else name
            rows.append([title, *(f"{1e3 * times[key][0]:.1f} ms" for key in those)])
    print(f"Both passes of a recurrent layer, median of {rounds} alternating turns ({machine()})\n")
    print(table(["layer", *those], rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
