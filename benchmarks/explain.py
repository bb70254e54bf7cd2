"""How long a derivation and a drawing take: a transformer block of GPT-2's width, and 10,000 operations.

python benchmarks/explain.py
"""

import time

import numpy as np
from timing import machine

import chainrule as cr
from chainrule import nn


def seconds(call: object) -> tuple[float, object]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def main() -> None:
    print(f"({machine()})")
    cr.seed(0)
    block = nn.TransformerBlock(768, 12)
    x = np.random.default_rng(0).normal(size=(1, 256, 768))
    for level in ("brief", "full"):
        took, found = seconds(
            lambda level=level: cr.explain(block, x, loss=nn.MSELoss(), target=np.zeros_like(x), level=level)
        )
        lines = len(found.to_text().splitlines())
        print(
            f"explain, a block of width 768 on 256 tokens, {level}: {took:.1f} s, {lines} lines, verified: {found.ok}"
        )
    y = leaf = cr.tensor([0.1, 0.2], requires_grad=True, name="x")
    steps = [cr.sin, cr.tanh, lambda v: v * 0.5, lambda v: v + leaf]
    for kind in np.random.default_rng(0).integers(0, 4, 10_000):
        y = steps[kind](y)
    took, _ = seconds(lambda: cr.graph(y.sum()).to_svg())
    print(f"graph, 10,000 operations: {took:.1f} s")


if __name__ == "__main__":
    main()
