"""Attention forward and backward, time and memory, beside PyTorch's flash kernel on the CPU.

    python benchmarks/attention.py

Inputs are float32, heads × rows × 64, on two threads. Outputs and gradients of every candidate are held against a
float64 computation before anything is timed. `plain` is chainrule's form that keeps the weights; it takes part where
these are not too many.

Memory is the peak of the process's resident memory during one forward and backward pass, in a process of its own, less
what it was before and less the output and the three gradients, which any implementation has to return. Both sides run
with the same allocator settings, under which what is freed goes back to the system at once; Linux only.
"""

import functools
import gc
import importlib.util
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from timing import alternate, machine, table

import chainrule as cr
from chainrule import nn

SHAPES = ((8, 2048, False, 20), (8, 2048, True, 20), (2, 16384, True, 3))
"""Heads, rows, whether causal, and how many rounds are timed."""
LENGTHS = (8192, 16384, 32768, 65536)
FEATURES, PLAIN_LIMIT, MIB = 64, 2**26, 2**20
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
Step = Callable[[], tuple[np.ndarray, ...]]


def arrays(heads: int, rows: int) -> list[np.ndarray]:
    """Return q, k, v and the cotangent of the output."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal((1, heads, rows, FEATURES), np.float32) for _ in range(4)]


def of_chainrule(heads: int, rows: int, causal: bool, method: str = "blockwise") -> Step:
    q, k, v, y_bar = arrays(heads, rows)
    attend = functools.partial(nn.functional.scaled_dot_product_attention, causal=causal, method=method)

    def step() -> tuple[np.ndarray, ...]:
        y, pull = cr.vjp(attend, q, k, v)
        return y, *pull(y_bar)

    return step


def of_torch(heads: int, rows: int, causal: bool) -> Step:
    import torch

    torch.set_num_threads(2)
    *leaves, y_bar = (torch.tensor(x) for x in arrays(heads, rows))
    for leaf in leaves:
        leaf.requires_grad_()

    def step() -> tuple[np.ndarray, ...]:
        y = torch.nn.functional.scaled_dot_product_attention(*leaves, is_causal=causal)
        return y.detach().numpy(), *(g.numpy() for g in torch.autograd.grad(y, leaves, y_bar))

    return step


MAKERS: dict[str, Callable[[int, int, bool], Step]] = {"chainrule": of_chainrule}
if importlib.util.find_spec("torch"):
    MAKERS["PyTorch"] = of_torch


def reference(heads: int, rows: int, causal: bool) -> list[np.ndarray]:
    """The output and the gradients in float64, some rows of one head at a time."""
    q, k, v, y_bar = (x[0].astype(np.float64) for x in arrays(heads, rows))
    y, q_bar, k_bar, v_bar = (np.zeros_like(q) for _ in range(4))
    scale = FEATURES**-0.5
    for h in range(heads):
        for start in range(0, rows, 512):
            some = slice(start, start + 512)
            s = scale * q[h, some] @ k[h].T
            if causal:
                s[np.arange(rows) > np.arange(rows)[some, None]] = -np.inf
            p = np.exp(s - s.max(axis=-1, keepdims=True))
            p /= p.sum(axis=-1, keepdims=True)
            y[h, some] = p @ v[h]
            p_bar = y_bar[h, some] @ v[h].T
            s_bar = p * (p_bar - np.sum(p * p_bar, axis=-1, keepdims=True))
            q_bar[h, some] = scale * s_bar @ k[h]
            k_bar[h] += scale * s_bar.T @ q[h, some]
            v_bar[h] += p.T @ y_bar[h, some]
    return [x[None] for x in (y, q_bar, k_bar, v_bar)]


def largest_error(step: Step, expected: list[np.ndarray]) -> float:
    """The largest error of the output and the gradients, relative to the largest element of each."""
    pairs = zip(step(), expected, strict=True)
    error = max(float(np.abs(got - x).max() / np.abs(x).max()) for got, x in pairs)
    assert error < 1e-5, f"an error of {error:.1e}"
    return error


def memory(who: str, heads: int, rows: int, causal: bool) -> float:
    """MiB that one step needs beside its results, measured in a process of its own."""
    command = [sys.executable, __file__, "memory", json.dumps([who, heads, rows, causal])]
    done = subprocess.run(command, env={**os.environ, **ALLOCATOR}, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_memory(who: str, heads: int, rows: int, causal: bool) -> None:
    MAKERS[who](heads, 512, causal)()  # imports, compiled code, threads and their buffers
    step = MAKERS[who](heads, rows, causal)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _status("VmRSS")
    results = step()
    print((_status("VmHWM") - before - sum(x.nbytes for x in results)) / MIB)


def _status(key: str) -> int:
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


def main() -> None:
    rows = []
    for heads, length, causal, rounds in SHAPES:
        steps = {name: make(heads, length, causal) for name, make in MAKERS.items()}
        if heads * length**2 <= PLAIN_LIMIT:
            steps["plain"] = of_chainrule(heads, length, causal, "plain")
        expected = reference(heads, length, causal)
        errors = {name: largest_error(step, expected) for name, step in steps.items()}
        found = alternate(steps, rounds, repeats=1)
        for name, (middle, low, high) in found.items():
            ratio = found["PyTorch"][0] / middle if "PyTorch" in found else float("nan")
            needs = f"{memory(name, heads, length, causal):.1f}" if name in MAKERS else ""
            shape = f"{heads} × {length}{' causal' if causal else ''}"
            spread = f"{middle * 1e3:.0f} ({low * 1e3:.0f}-{high * 1e3:.0f})"
            rows.append([shape, name, spread, f"{ratio:.2f}", needs, f"{errors[name]:.0e}"])
    print(f"Forward and backward of attention, float32, 64 features ({machine()})\n")
    header = ["heads × rows", "", "ms: median (quartiles)", "PyTorch's time / this", "MiB beside results", "error"]
    print(table(header, rows), "\n")
    found = [memory("chainrule", 1, length, True) for length in LENGTHS]
    growth = ["", *(f"{b / a:.2f}" for a, b in itertools.pairwise(found))]
    lines = [[str(n), f"{x:.1f}", g] for n, x, g in zip(LENGTHS, found, growth, strict=True)]
    print(table(["rows of one causal head", "MiB beside results", "times the half"], lines))


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        measure_memory(*json.loads(sys.argv[2]))
    else:
        main()
